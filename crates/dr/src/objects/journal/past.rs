//! Journals read back.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use aws_env::Error;

use super::super::bucket::Bucket;
use super::super::entry::ETag;
use super::super::place::JOURNAL;
use super::{FILE, Intent, JournalError, Record, Run};

/// What a run did to one object, as far as its journal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it meant to do.
    pub intent: Intent,
    /// What is known about the outcome.
    pub outcome: Outcome,
}

/// How a change ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Made; it left this version and ETag.
    Made {
        /// Version of the object or delete marker.
        after: Option<String>,
        /// ETag.
        etag: Option<ETag>,
    },
    /// Not made.
    NotMade,
    /// The run ended before it could tell.
    Unknown,
}

/// A journal as it was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The run; `None` when its first line is missing.
    pub run: Option<Run>,
    /// Its changes, in the order in which they were begun.
    pub changes: Vec<Change>,
    /// Multipart uploads that were neither completed nor aborted: key and id.
    pub uploads: Vec<(String, String)>,
    /// It wrote its last line.
    pub ended: bool,
}

impl Past {
    /// Puts lines together. The same line may come twice.
    pub fn collect(records: impl IntoIterator<Item = Record>) -> Self {
        let mut past = Self::default();
        let mut index: HashMap<String, usize> = HashMap::new();
        for record in records {
            match record {
                Record::Run(run) => past.run = Some(run),
                Record::Intent(intent) => {
                    index.entry(intent.key.clone()).or_insert_with(|| {
                        past.changes.push(Change {
                            intent,
                            outcome: Outcome::Unknown,
                        });
                        past.changes.len() - 1
                    });
                }
                Record::Done { key, after, etag } => {
                    if let Some(change) = index.get(&key).and_then(|at| past.changes.get_mut(*at)) {
                        change.outcome = Outcome::Made { after, etag };
                    }
                }
                Record::Failed { key, .. } => {
                    if let Some(change) = index.get(&key).and_then(|at| past.changes.get_mut(*at))
                        && change.outcome == Outcome::Unknown
                    {
                        change.outcome = Outcome::NotMade;
                    }
                }
                Record::Upload { key, upload } => past.uploads.push((key, upload)),
                Record::UploadEnd { upload } => past.uploads.retain(|(_, id)| *id != upload),
                Record::End { .. } => past.ended = true,
            }
        }
        past
    }
}

fn parse(place: &str, reader: impl io::BufRead, whole: bool) -> Result<Vec<Record>, JournalError> {
    let mut records = Vec::new();
    for (line, text) in reader.lines().enumerate() {
        let text = text.map_err(|source| JournalError::File {
            path: place.into(),
            source,
        })?;
        match serde_json::from_str(&text) {
            Ok(record) => records.push(record),
            // A run that was killed may leave half a line.
            Err(_) if !whole => {}
            Err(source) => {
                return Err(JournalError::Line {
                    place: place.to_owned(),
                    line: line + 1,
                    source,
                });
            }
        }
    }
    Ok(records)
}

/// Reads the journal of `run` from the bucket, and what this machine knows beyond that.
///
/// # Errors
/// When there is none, or it cannot be read.
pub async fn recall(runs: &Path, bucket: &Bucket, run: &str) -> Result<Past, JournalError> {
    let mut records = Vec::new();
    let prefix = format!("{JOURNAL}{run}/");
    let mut after: Option<String> = None;
    loop {
        let page = bucket
            .s3
            .list_objects_v2()
            .bucket(bucket.name())
            .prefix(&prefix)
            .set_start_after(after.take())
            .send()
            .await
            .map_err(|error| bucket.call("ListObjectsV2", &prefix).failed(error))?;
        for key in page.contents().iter().filter_map(|object| object.key()) {
            after = Some(key.to_owned());
            // Manifests and reports of batch jobs lie beside the journal.
            if !key.ends_with(".jsonl") {
                continue;
            }
            let failed = |error| JournalError::Bucket(error);
            let object = bucket
                .s3
                .get_object()
                .bucket(bucket.name())
                .key(key)
                .send()
                .await
                .map_err(|error| failed(bucket.call("GetObject", key).failed(error)))?;
            let bytes = object.body.collect().await.map_err(|error| {
                failed(Error::unexpected(
                    bucket.call("GetObject", key),
                    error.to_string(),
                ))
            })?;
            records.extend(parse(key, io::Cursor::new(bytes.into_bytes()), true)?);
        }
        if page.is_truncated() != Some(true) || after.is_none() {
            break;
        }
    }
    let path = runs.join(run).join(FILE);
    if let Ok(file) = File::open(&path) {
        let place = path.display().to_string();
        records.extend(parse(&place, BufReader::new(file), false)?);
    }
    if records.is_empty() {
        return Err(JournalError::Absent {
            run: run.to_owned(),
            place: format!("s3://{}/{JOURNAL}", bucket.name()),
        });
    }
    Ok(Past::collect(records))
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::*;

    fn intent(key: &str) -> Record {
        Record::Intent(Intent {
            key: key.to_owned(),
            action: Action::Replace,
            etag: None,
            before: Some("v1".to_owned()),
        })
    }

    #[test]
    fn what_is_not_known_stays_unknown() {
        let done = Record::Done {
            key: "a".into(),
            after: Some("v2".into()),
            etag: None,
        };
        let failed = Record::Failed {
            key: "b".into(),
            problem: "x".into(),
        };
        let lines = [
            intent("a"),
            intent("b"),
            intent("c"),
            done,
            failed,
            intent("a"),
        ];
        let past = Past::collect(lines);
        let outcomes: Vec<_> = past
            .changes
            .iter()
            .map(|change| change.outcome.clone())
            .collect();
        let made = Outcome::Made {
            after: Some("v2".into()),
            etag: None,
        };
        assert_eq!(outcomes, [made, Outcome::NotMade, Outcome::Unknown]);
        assert!(!past.ended);
    }

    #[test]
    fn half_a_line_is_passed_over_on_disk_only() {
        let text = format!(
            "{}\n{{\"record\":\"int",
            serde_json::to_string(&intent("a")).unwrap()
        );
        assert_eq!(parse("f", text.as_bytes(), false).unwrap().len(), 1);
        assert!(matches!(
            parse("f", text.as_bytes(), true),
            Err(JournalError::Line { line: 2, .. })
        ));
    }
}
