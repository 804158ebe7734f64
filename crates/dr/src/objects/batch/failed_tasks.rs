//! What a job could not do, by the report that S3 writes at its end:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html>.

use std::collections::HashSet;

use aws_env::read_body;
use md5::{Digest as _, Md5};
use serde::Deserialize;
use sha2::Sha256;

use super::super::bucket::Bucket;
use super::super::location::JOURNAL;
use super::BatchError;

const FORMAT: &str = "Report_CSV_20180820";
const SCHEMA: &str = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage";
/// Bytes of a list of files of rows, or of one of these: more failures than in a million objects are no exception any more.
const LARGEST: u64 = 256 << 20;

/// Objects that jobs could not copy.
#[derive(Debug, Default)]
pub(super) struct FailedTasks {
    /// How many tasks have failed, of all jobs.
    pub(super) tasks: u64,
    /// Sixteen bytes for each way in which a row's key can be meant.
    keys: HashSet<[u8; 16]>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Published {
    format: String,
    report_schema: String,
    results: Vec<Results>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Results {
    task_execution_status: String,
    #[serde(rename = "MD5Checksum")]
    md5: String,
    key: String,
}

impl FailedTasks {
    /// Whether a row may mean this key of the source. S3 does not say how it writes keys there, so that another one may be
    /// meant: only where as many keys are named as there are rows, each is.
    pub(super) fn may_name(&self, key: &str) -> bool {
        !self.keys.is_empty() && self.keys.contains(&fingerprint(key))
    }

    /// Adds what the job `id` of `run` could not copy from the bucket `source`, by its report in `files`.
    ///
    /// # Errors
    /// When the report is not there, or is not a list of as many failed tasks as S3 counts.
    pub(super) async fn add(
        &mut self,
        files: &Bucket,
        (run, id): (&str, &str),
        source: &str,
        failed: u64,
    ) -> Result<(), BatchError> {
        let place = format!("{JOURNAL}{run}/job-{id}/manifest.json");
        let unusable = |problem: String| BatchError::Report {
            key: place.clone(),
            problem,
        };
        let published: Published = serde_json::from_slice(&read(files, &place).await?)
            .map_err(|error| unusable(error.to_string()))?;
        if (&*published.format, &*published.report_schema) != (FORMAT, SCHEMA) {
            let Published {
                format,
                report_schema,
                ..
            } = published;
            return Err(unusable(format!("it is a {format} of {report_schema}")));
        }
        let before = self.tasks;
        for results in published.results {
            if results.task_execution_status != "failed" {
                continue;
            }
            let rows = read(files, &results.key).await?;
            let found = hex::encode(Md5::digest(&rows));
            if found != results.md5.to_lowercase() {
                let problem = format!("the MD5 of {} is {found}", results.key);
                return Err(unusable(problem));
            }
            self.take(&rows, source).map_err(&unusable)?;
        }
        match self.tasks - before {
            rows if rows == failed => Ok(()),
            rows => Err(unusable(format!(
                "it has {rows} failed tasks, and S3 counts {failed}"
            ))),
        }
    }

    fn take(&mut self, rows: &[u8], source: &str) -> Result<(), String> {
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(rows);
        for row in rows.records() {
            let row = row.map_err(|error| error.to_string())?;
            match (row.get(0), row.get(1), row.get(3)) {
                (Some(bucket), Some(key), Some("failed")) if bucket == source => {
                    self.tasks += 1;
                    let encoded = percent_encoding::percent_decode_str(key).decode_utf8();
                    let meant = [
                        Some(key.to_owned()),
                        encoded.ok().map(|key| key.into_owned()),
                        aws_env::decode_key(key),
                    ];
                    let meant = meant.into_iter().flatten();
                    self.keys.extend(meant.map(|key| fingerprint(&key)));
                }
                _ => return Err(format!("{row:?} is no failed task of {source}")),
            }
        }
        Ok(())
    }
}

fn fingerprint(key: &str) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(key).into();
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    first
}

async fn read(files: &Bucket, key: &str) -> Result<Vec<u8>, BatchError> {
    let call = || files.call("GetObject", key);
    let get = files.s3.get_object().bucket(files.name()).key(key);
    let object = get.send().await.map_err(|error| call().failed(error))?;
    let read = read_body(object.body, LARGEST).await;
    Ok(read.map_err(|error| error.of(call()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn take_of_a_row_names_its_key_however_it_is_written() {
        let mut failed = FailedTasks::default();
        let rows = "photos,a+b%2Bc,,failed,500,InternalError,\"in\nwords\"\n";
        failed.take(rows.as_bytes(), "photos").unwrap();
        assert_eq!(failed.tasks, 1);
        for key in ["a+b+c", "a b+c", "a+b%2Bc"] {
            assert!(failed.may_name(key), "{key}");
        }
        assert!(!failed.may_name("a b c"));
        for other in [
            "photos,a,,succeeded,,200,Successful\n",
            "documents,a,,failed,500,InternalError,x\n",
            "photos\n",
        ] {
            let took = failed.take(other.as_bytes(), "photos");
            assert!(took.is_err(), "{other}");
        }
    }
}
