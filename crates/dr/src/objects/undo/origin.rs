//! What a run copied from, as far as undoing it asks there: whose an object is that a killed run may have written.

use aws_env::Error;

use super::super::bucket::Bucket;
use super::super::compare::Detail;
use super::super::content::{SameContent, VersionOf, same_content};
use super::super::entry::{ETag, NULL};
use super::super::examine::is_of_one_object;
use super::super::journal::{Change, Outcome, ReplayedRun};
use super::super::location::S3Location;
use super::super::versions::versions;
use super::decision::{Found, Step, Work};

/// The source of a run, and where the keys of both sides begin.
#[derive(Clone, Debug)]
pub(in super::super) struct Origin {
    pub(in super::super) source: Bucket,
    /// Of the destination's keys.
    prefix: String,
}

const NO_SOURCE: &str =
    "the run was killed, and without its source nothing tells whether this is what it wrote";
const SOURCE_GONE: &str = "the run was killed, and the version is gone from its source that would tell whether this is what it wrote";
const UNREADABLE: &str = "the run was killed, and S3 does not tell about what is there now";
const UNTOLD: &str = "the run was killed, and nothing proves whether this is what it wrote";

impl Origin {
    /// `source`, from which `destination` gets copies.
    pub(in super::super) fn between(source: &Bucket, destination: &Bucket) -> Self {
        Self {
            source: source.clone(),
            prefix: destination.location().prefix.clone(),
        }
    }

    /// The source of `replayed`, where it answers: without it an undo goes on.
    pub(super) async fn of(replayed: &ReplayedRun, source: Option<&Bucket>) -> Option<Self> {
        let run = replayed.begun()?;
        let source = source.filter(|source| source.location().to_string() == run.source)?;
        let destination: S3Location = run.destination.parse().ok()?;
        source.reach().await.ok()?;
        Some(Self {
            source: source.clone(),
            prefix: destination.prefix,
        })
    }

    /// The key below the source's prefix of a whole key of the destination.
    fn relative<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(&self.prefix)
    }

    /// Its whole key in the source.
    pub(super) fn source_key(&self, key: &str) -> Option<String> {
        Some(self.source.key(self.relative(key)?))
    }

    /// The version of the source with this ETag, the current one or an older one.
    async fn version_with(
        &self,
        relative: &str,
        etag: &ETag,
    ) -> Result<Option<(Option<String>, Detail)>, Error> {
        if let Some(now) = self.source.detail(relative).await?
            && now.etag == *etag
        {
            return Ok(Some((now.version.clone(), now)));
        }
        let key = self.source.key(relative);
        let found = versions(&self.source, &key).await?;
        let mut found = found.into_iter();
        let Some(version) = found.find(|version| version.etag.as_ref() == Some(etag)) else {
            return Ok(None);
        };
        let of = VersionOf {
            bucket: &self.source,
            key: relative,
            version: Some(&version.id),
        };
        let seen = of.seen().await?;
        Ok(seen.map(|(detail, _)| (Some(version.id), detail)))
    }
}

/// Looks where the journal and the list of versions leave open whose an object or a delete marker is.
///
/// # Errors
/// When the bucket that is to be changed does not tell.
pub(in super::super) async fn whose(
    change: &Change,
    found: Found,
    bucket: &Bucket,
    origin: Option<&Origin>,
) -> Result<Found, Error> {
    match found {
        Found::IfContent(step) => whose_object(change, step, bucket, origin).await,
        Found::IfAsBefore { current, before } => {
            let key = change.intent.key.as_str();
            let version = |id| VersionOf {
                bucket,
                key,
                version: Some(id),
            };
            match is_the_same(version(&current), version(&before)).await {
                Ok(true) => Ok(Found::Nothing),
                Ok(false) => Ok(Found::Conflict),
                // It stays one row.
                Err(error) if is_of_one_object(&error) => Ok(Found::Conflict),
                Err(error) => Err(error),
            }
        }
        Found::Step(step) if step.work == Work::Revive && change.outcome == Outcome::Unknown => {
            let source_key =
                origin.and_then(|origin| Some((origin, origin.source_key(&step.key)?)));
            let Some((origin, key)) = source_key else {
                return Ok(Found::Step(step));
            };
            // S3 replicates delete markers with their IDs.
            let theirs = versions(&origin.source, &key).await.unwrap_or_default();
            let is_replicated =
                step.current != NULL && theirs.iter().any(|version| version.id == step.current);
            Ok(match is_replicated {
                true => Found::Conflict,
                false => Found::Step(step),
            })
        }
        found => Ok(found),
    }
}

/// Whether it is proven that both have the same content.
async fn is_the_same(now: VersionOf<'_>, before: VersionOf<'_>) -> Result<bool, Error> {
    let (seen, of_before) = tokio::try_join!(now.seen(), before.seen())?;
    let (Some((seen, _)), Some((of_before, _))) = (seen, of_before) else {
        return Ok(false);
    };
    Ok(seen.size == of_before.size
        && same_content((now, &seen), (before, &of_before)).await == SameContent::Yes)
}

async fn whose_object(
    change: &Change,
    step: Step,
    bucket: &Bucket,
    origin: Option<&Origin>,
) -> Result<Found, Error> {
    let intent = &change.intent;
    let there = VersionOf {
        bucket,
        key: &step.key,
        version: Some(&step.current),
    };
    let seen = match there.seen().await {
        // It stays one row.
        Err(error) if is_of_one_object(&error) => return Ok(Found::Impossible(UNREADABLE)),
        seen => seen?,
    };
    let Some((seen, is_replica)) = seen else {
        return Ok(Found::Conflict);
    };
    if is_replica || intent.size.is_some_and(|size| size != seen.size) {
        return Ok(Found::Conflict);
    }
    if intent.etag.as_ref() == Some(&seen.etag) {
        return Ok(Found::Step(step));
    }
    let Some(etag) = &intent.etag else {
        return Ok(Found::Impossible(UNTOLD));
    };
    let relative = origin.and_then(|origin| Some((origin, origin.relative(&step.key)?)));
    let Some((origin, relative)) = relative else {
        return Ok(Found::Impossible(NO_SOURCE));
    };
    let (version, of_source) = match origin.version_with(relative, etag).await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Found::Impossible(SOURCE_GONE)),
        // The source is not what is put back.
        Err(_) => return Ok(Found::Impossible(UNTOLD)),
    };
    let source = VersionOf {
        bucket: &origin.source,
        key: relative,
        version: version.as_deref(),
    };
    Ok(
        match same_content((source, &of_source), (there, &seen)).await {
            SameContent::Yes => Found::Step(step),
            SameContent::No => Found::Conflict,
            SameContent::Unknown => Found::Impossible(UNTOLD),
        },
    )
}
