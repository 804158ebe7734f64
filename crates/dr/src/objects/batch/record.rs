//! What jobs have copied, written down once they have ended.
//!
//! A job tells nobody what it left, and under KMS keys no ETag tells it either: without a line in a journal each later run
//! would copy everything again. What it takes to be sure: every task of the job was tried, so that it has written a version of
//! each key but those that its report names as failed; in the destination one version, and no more, lies on what was there
//! before; and the source still has what was to be copied.

use std::collections::HashMap;
use std::path::Path;

use aws_env::{Error, ErrorClass, VersionPages};

use super::super::bucket::Bucket;
use super::super::entry::{ETag, NULL};
use super::super::journal::{
    Change, CopiedFrom, Intent, Journal, JournalKey, Outcome, Record, ReplayedJob, Run,
};
use super::super::location::{JOURNAL, S3Location};
use super::super::plan::Tally;
use super::super::version_ids::before;
use super::failed_tasks::FailedTasks;
use super::follow::{JobState, ask};
use super::{BATCH, BatchError, JobControl, files_beside};

/// Writes down what the jobs of `run` have copied, as far as it is sure, so that later runs know it for the same, and what they
/// could not copy, so that an undo takes nothing there for theirs. `None` where nothing is sure: a job has not ended, has not
/// come to all objects, or is not known any more. The journal is the one of this
/// machine or, with the digests of `key`, that in `journals`; `directory` is for what it tells meanwhile.
///
/// # Errors
/// When the journal cannot be taken up, S3 does not tell about a job or the versions of a bucket, or a job has failed at objects
/// and its report does not say at which.
pub async fn record_copies(
    run: &Run,
    (source, destination): (&Bucket, &Bucket),
    (runs, directory): (&Path, &Path),
    (journals, key): (Option<&Bucket>, &JournalKey),
    control: &JobControl,
) -> Result<Option<Tally>, BatchError> {
    let journals = journals.unwrap_or(destination);
    let (journal, resumed) = Journal::resume(runs, journals, run, key, directory).await?;
    let between = (source, destination);
    let files = files_beside(journals, destination);
    let Some(failed) = failed_tasks(between, files, run, &resumed.jobs, control).await? else {
        return Ok(None);
    };
    let mut named = 0;
    if failed.tasks > 0 {
        for change in resumed.changes.read()? {
            let key = source_key(&change?.intent, between);
            named += u64::from(key.is_some_and(|key| failed.may_name(&key)));
        }
    }
    if named != failed.tasks {
        return Err(BatchError::Report {
            key: format!("{JOURNAL}{}/", run.run),
            problem: format!(
                "{} failed tasks name {named} objects of the run",
                failed.tasks
            ),
        });
    }
    let mut recorded = Tally::default();
    let mut changes = resumed.changes.read()?;
    loop {
        let mut intents = Vec::new();
        for change in changes.by_ref().take(BATCH) {
            let Change { intent, outcome } = change?;
            intents.push((intent, outcome));
        }
        if intents.is_empty() {
            break;
        }
        let open = intents.into_iter();
        let open = open.filter(|(_, outcome)| *outcome == Outcome::Unknown);
        let open = open.filter_map(|(intent, _)| Some((source_key(&intent, between)?, intent)));
        let (left, made): (Vec<_>, Vec<_>) = open.partition(|(key, _)| failed.may_name(key));
        let copies = copies(made, between).await?;
        for (_, size) in &copies {
            recorded.add(*size);
        }
        let left = left.into_iter().map(|(_, Intent { key, .. })| key);
        let left = left.map(|key| Record::NotCopied { key });
        let records: Vec<Record> = copies
            .into_iter()
            .map(|(record, _)| record)
            .chain(left)
            .collect();
        journal.append_intents(&records).await?;
    }
    journal.end(failed.tasks == 0).await?;
    Ok(Some(recorded))
}

/// The whole key in the source of what was copied.
fn source_key(intent: &Intent, (source, destination): (&Bucket, &Bucket)) -> Option<String> {
    let prefix = &destination.location().prefix;
    let relative = intent.key.strip_prefix(prefix.as_str())?;
    Some(source.key(relative))
}

/// What the jobs could not copy; `None` unless they have ended and tried to copy everything.
async fn failed_tasks(
    (source, destination): (&Bucket, &Bucket),
    files: &Bucket,
    run: &Run,
    jobs: &[ReplayedJob],
    control: &JobControl,
) -> Result<Option<FailedTasks>, BatchError> {
    let mut failed = FailedTasks::default();
    for job in jobs {
        let Some(id) = &job.id else {
            return Ok(None);
        };
        let state = match ask(destination, id, control).await {
            Ok(Some(job)) => JobState::of(id, &job),
            Ok(None) => return Ok(None),
            // S3 forgets a job some months after its end.
            Err(error) if error.class == ErrorClass::Absent => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !state.has_tried_all() {
            return Ok(None);
        }
        if state.failed > 0 {
            let of = (run.run.as_str(), id.as_str());
            failed.add(files, of, source.name(), state.failed).await?;
        }
    }
    Ok((!jobs.is_empty()).then_some(failed))
}

/// Those of the copies that are sure, and their lengths.
async fn copies(
    intents: Vec<(String, Intent)>,
    (source, destination): (&Bucket, &Bucket),
) -> Result<Vec<(Record, u64)>, Error> {
    let left = newest(destination, intents.iter().map(|(_, intent)| &*intent.key)).await?;
    let came_from = newest(source, intents.iter().map(|(key, _)| &**key)).await?;
    let sure = intents.into_iter().filter_map(|(source_key, intent)| {
        let (made, of_source) = (left.get(&intent.key)?, came_from.get(&source_key)?);
        copied(intent, made, of_source)
    });
    Ok(sure.collect())
}

/// The newest versions of a key, two at most: the newest first, no delete markers.
type Newest = Vec<ObjectVersion>;

#[derive(Clone, Debug)]
struct ObjectVersion {
    id: String,
    etag: ETag,
    size: u64,
    latest: bool,
}

/// The line of the journal, where it is sure that a job has written what is in the destination. Pure.
fn copied(
    intent: Intent,
    left: &[ObjectVersion],
    source: &[ObjectVersion],
) -> Option<(Record, u64)> {
    let (made, from) = (left.first()?, source.first()?);
    let etag = intent.etag.filter(|etag| *etag == from.etag)?;
    let size = intent
        .size
        .filter(|size| *size == made.size && *size == from.size)?;
    let is_next = left.get(1).map(|below| &below.id) == intent.before.as_ref();
    if !made.latest || !from.latest || made.id == NULL || !is_next {
        return None;
    }
    let record = Record::Copied {
        key: intent.key,
        after: made.id.clone(),
        etag: made.etag.clone(),
        from: CopiedFrom {
            size,
            etag,
            version: Some(from.id.clone()).filter(|id| id != NULL),
        },
    };
    Some((record, size))
}

/// The newest versions of whole keys, from the list of versions: what lies between two keys is passed over.
async fn newest<'a>(
    bucket: &Bucket,
    keys: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, Newest>, Error> {
    let mut keys: Vec<&str> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    let whole = bucket.beside(S3Location::whole(bucket.location().bucket.clone()));
    let pages = |key: &str| {
        let call = whole.call("ListObjectVersions", "");
        let pages = VersionPages::new(&whole.s3, call, whole.name(), "");
        match before(key) {
            Some(place) => pages.starting_after(&place),
            None => pages,
        }
    };
    let mut found: HashMap<String, Newest> = HashMap::new();
    let mut left = keys.as_slice();
    let Some(first) = left.first() else {
        return Ok(found);
    };
    let mut list = pages(first);
    while let Some(page) = list.next().await? {
        let last = page.iter().map(|version| version.key.clone()).max();
        for version in page {
            let is_wanted = left.binary_search(&version.key.as_str()).is_ok();
            if version.is_delete_marker || !is_wanted {
                continue;
            }
            let newest = found.entry(version.key).or_default();
            if newest.len() < 2 {
                newest.push(ObjectVersion {
                    id: version.version_id.unwrap_or_else(|| NULL.to_owned()),
                    etag: ETag::parse(version.etag.as_deref().unwrap_or_default()),
                    size: version.size.unwrap_or_default(),
                    latest: version.latest,
                });
            }
        }
        let Some(last) = last else {
            continue;
        };
        // Of the last one there may be more on the next page.
        let passed = left.partition_point(|key| *key < last.as_str());
        left = left.get(passed..).unwrap_or_default();
        let Some(next) = left.first() else {
            break;
        };
        if before(next).is_some_and(|place| place > last) {
            list = pages(next);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::super::journal::Action;
    use super::*;

    fn version(id: &str, etag: &str, latest: bool) -> ObjectVersion {
        ObjectVersion {
            id: id.to_owned(),
            etag: ETag::parse(etag),
            size: 3,
            latest,
        }
    }

    fn is_sure(before: Option<&str>, left: &[ObjectVersion], source: &[ObjectVersion]) -> bool {
        let intent = Intent {
            key: "k".to_owned(),
            action: Action::Replace,
            etag: Some(ETag::parse("planned")),
            size: Some(3),
            before: before.map(str::to_owned),
        };
        copied(intent, left, source).is_some()
    }

    #[test]
    fn copied_is_one_version_right_on_what_was_there_of_a_source_as_it_was() {
        let source = [version("s2", "planned", true), version("s1", "x", false)];
        let made = version("d2", "other", true);
        let below = version("d1", "old", false);
        assert!(is_sure(Some("d1"), &[made.clone(), below.clone()], &source));
        assert!(is_sure(None, std::slice::from_ref(&made), &source));
        // What was deleted before, or two that have written.
        assert!(!is_sure(None, &[made.clone(), below.clone()], &source));
        assert!(!is_sure(
            Some("d0"),
            &[made.clone(), below.clone()],
            &source
        ));
        assert!(!is_sure(Some("d1"), std::slice::from_ref(&below), &source));
        // Nothing was written; deleted since; what lies there is no version of its own.
        assert!(!is_sure(Some("d1"), &[version("d1", "old", true)], &source));
        let hidden = version("d2", "other", false);
        assert!(!is_sure(Some("d1"), &[hidden, below.clone()], &source));
        let null = version(NULL, "other", true);
        assert!(!is_sure(Some("d1"), &[null, below.clone()], &source));
        let longer = ObjectVersion {
            size: 4,
            ..made.clone()
        };
        assert!(!is_sure(Some("d1"), &[longer, below.clone()], &source));
        // The source was written or deleted since.
        let both = [made, below];
        let newer = [
            version("s3", "newer", true),
            version("s2", "planned", false),
        ];
        assert!(!is_sure(Some("d1"), &both, &newer));
        assert!(!is_sure(
            Some("d1"),
            &both,
            &[version("s2", "planned", false)]
        ));
        assert!(!is_sure(Some("d1"), &both, &[]));
    }
}
