//! Verdicts that listings cannot give: asks HeadObject, on both sides.

use aws_env::Error;

use super::bucket::Bucket;
use super::compare::{
    Detail, Difference, Mode, Proof, Unprovable, Verdict, compare_details, compare_listed,
    wants_parts,
};
use super::entry::ObjectMeta;
use super::journal::JournalError;
use super::own_copies::OwnCopies;

/// Objects that are asked about at once: two connections each, and a connection with its request is some
/// 20 KB.
pub(super) const AT_ONCE: usize = 32;

/// A pair of objects and what came out.
#[derive(Clone, Debug)]
pub(super) struct Examined {
    pub(super) key: String,
    pub(super) source: ObjectMeta,
    pub(super) destination: Option<ObjectMeta>,
    pub(super) verdict: Examination,
    /// The destination's version when it was asked.
    pub(super) version: Option<String>,
    /// The checksum or ETag that stands for the content on each side.
    pub(super) identities: Option<(String, String)>,
    /// Why S3 does not tell about it.
    pub(super) refusal: Option<String>,
}

/// What examining one key came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Examination {
    /// Both are there.
    Both(Verdict),
    /// The source only; it can be copied.
    SourceOnly,
    /// The source only, and it is archived.
    Archived,
    /// The destination only: the source was deleted since it was listed.
    DestinationOnly,
    /// Gone from both sides since they were listed.
    Gone,
    /// S3 refuses to tell about this one object: a key that may not be used, a customer's key.
    Unreadable,
}

/// A key that has to be asked about.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) key: String,
    pub(super) source: ObjectMeta,
    pub(super) destination: Option<ObjectMeta>,
}

/// Asks about keys.
#[derive(Clone, Debug)]
pub(super) struct Examiner {
    pub(super) source: Bucket,
    pub(super) destination: Bucket,
    pub(super) mode: Mode,
    /// Compare metadata, content headers and tags as well.
    pub(super) headers: bool,
    /// What runs have copied between the two.
    pub(super) own_copies: OwnCopies,
}

/// Whether an error is about the one object that was asked about, and says nothing about others.
pub(super) fn is_of_one_object(error: &Error) -> bool {
    use aws_env::ErrorClass::{Conflict, Denied, Invalid, Other};
    matches!(error.class, Denied | Invalid | Conflict | Other)
}

impl Examiner {
    /// The verdict that the listings give, unless a question has to be asked.
    pub(super) fn listed(
        &self,
        key: &str,
        source: &ObjectMeta,
        destination: &ObjectMeta,
    ) -> Option<Verdict> {
        let verdict = compare_listed(self.mode, source, destination);
        let verdict = match verdict {
            None if self.is_own_copy(key, source, destination) => {
                Some(Verdict::Equal(Proof::Copied))
            }
            verdict => verdict,
        };
        match verdict {
            Some(Verdict::Equal(_)) if self.headers => None,
            verdict => verdict,
        }
    }

    fn is_own_copy(&self, key: &str, source: &ObjectMeta, destination: &ObjectMeta) -> bool {
        let (source, destination) = ((&self.source, source), (&self.destination, destination));
        self.mode == Mode::Auto && self.own_copies.proves(source, destination, key)
    }

    /// Reads the journals of earlier runs, once, for [`Examiner::listed`] to know what they copied.
    pub(super) async fn read_own_copies(&self) -> Result<(), JournalError> {
        match self.mode {
            Mode::Auto => self.own_copies.read().await,
            Mode::Etag | Mode::Checksum | Mode::SizeMtime => Ok(()),
        }
    }

    /// Asks both sides. That S3 refuses to tell about this object is an answer.
    ///
    /// # Errors
    /// When a side does not answer, or refuses everything.
    pub(super) async fn examine(&self, question: Question) -> Result<Examined, Error> {
        let asked = question.clone();
        match self.ask_both(question).await {
            Err(error) if is_of_one_object(&error) => Ok(Examined {
                key: asked.key,
                source: asked.source,
                destination: asked.destination,
                verdict: Examination::Unreadable,
                version: None,
                identities: None,
                refusal: Some(error.to_string()),
            }),
            answer => answer,
        }
    }

    async fn ask_both(&self, question: Question) -> Result<Examined, Error> {
        let Question {
            key,
            source,
            destination,
        } = question;
        let (ours, theirs) = tokio::try_join!(self.source.detail(&key), async {
            match destination {
                Some(_) => self.destination.detail(&key).await,
                None => Ok(None),
            }
        })?;
        let version = theirs.as_ref().and_then(|theirs| theirs.version.clone());
        let mut identities = None;
        let verdict = match (&ours, &theirs) {
            (None, None) => Examination::Gone,
            (None, Some(_)) => Examination::DestinationOnly,
            (Some(ours), None) if ours.archived => Examination::Archived,
            (Some(_), None) => Examination::SourceOnly,
            (Some(ours), Some(theirs)) => {
                let (verdict, named) = self.both(&key, ours, theirs).await?;
                identities = Some(named);
                Examination::Both(verdict)
            }
        };
        // What was seen last counts, not what was listed.
        Ok(Examined {
            key,
            source: ours.as_ref().map_or(source, listed),
            destination: theirs.as_ref().map(listed),
            verdict,
            version,
            identities,
            refusal: None,
        })
    }

    async fn both(
        &self,
        key: &str,
        ours: &Detail,
        theirs: &Detail,
    ) -> Result<(Verdict, (String, String)), Error> {
        let mut verdict = compare_details(self.mode, ours, theirs);
        let copied =
            |ours: &Detail, theirs: &Detail| self.is_own_copy(key, &listed(ours), &listed(theirs));
        if matches!(verdict, Verdict::NotProvable(_)) && copied(ours, theirs) {
            verdict = Verdict::Equal(Proof::Copied);
        }
        if wants_parts(verdict, ours, theirs) {
            let (first, other) = tokio::try_join!(
                self.source.part(key, None, 1),
                self.destination.part(key, None, 1)
            )?;
            let with = |detail: &Detail, part: Option<(u32, u64)>| Detail {
                first_part: part.map(|(_, size)| size),
                ..detail.clone()
            };
            verdict = compare_details(self.mode, &with(ours, first), &with(theirs, other));
        }
        if self.headers && matches!(verdict, Verdict::Equal(_)) {
            verdict = self.compare_headers(key, ours, theirs, verdict).await?;
        }
        let identities = match verdict {
            Verdict::Equal(_) => {
                let same = identity(ours);
                (same.clone(), same)
            }
            Verdict::NotProvable(Unprovable::Keyed) | Verdict::NotProvable(_) => {
                (identity(ours), format!("?{}", identity(theirs)))
            }
            _ => (identity(ours), identity(theirs)),
        };
        Ok((verdict, identities))
    }

    async fn compare_headers(
        &self,
        key: &str,
        ours: &Detail,
        theirs: &Detail,
        equal: Verdict,
    ) -> Result<Verdict, Error> {
        let differs = Ok(Verdict::Differs(Difference::Headers));
        if ours.headers != theirs.headers {
            return differs;
        }
        // HeadObject counts tags for some callers only.
        let (ours, theirs) = tokio::try_join!(
            self.source.tags(key, None),
            self.destination.tags(key, None)
        )?;
        if ours != theirs {
            return differs;
        }
        Ok(equal)
    }
}

/// What a listing would say of it.
fn listed(detail: &Detail) -> ObjectMeta {
    ObjectMeta {
        size: detail.size,
        etag: detail.etag.clone(),
        modified: detail.modified,
        class: detail.class.clone(),
        version: detail.version.as_deref().map(Into::into),
    }
}

/// The strongest thing that names the content.
fn identity(detail: &Detail) -> String {
    match detail.checksums.iter().find(|checksum| checksum.full) {
        Some(checksum) => format!("{}:{}", checksum.algorithm, checksum.value),
        None => detail.etag.to_string(),
    }
}
