//! What was asked, and what was answered.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use report::escape;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::request::Call;

/// More entries than this and the oldest are dropped from memory (not from the log file).
const KEPT: usize = 1_000_000;

/// A request to the instance, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When the request arrived.
    pub time: Timestamp,
    /// Service in the signature (`s3`, `dynamodb`); `unknown` for an unsigned request that does not tell.
    pub service: String,
    /// `PutObject`; for services with REST paths of their own the method and path, `GET /2015-03-31/functions`.
    pub operation: String,
    /// Region in the signature.
    pub region: Option<String>,
    /// `bucket/key`, table, role …, where the request names one.
    pub resource: Option<String>,
    /// HTTP status; `None` when no answer was sent.
    pub status: Option<u16>,
    /// Milliseconds until the answer began, or until it was clear that none comes.
    pub ms: u64,
    /// What the simulation did: a fault's name, `region-refused`, `region-black-hole`,
    /// `other-region-down`, `base-unreachable`.
    pub fault: Option<String>,
}

impl LogEntry {
    /// Whether the operation can change something. An operation that is not known to read counts as changing.
    pub fn is_mutation(&self) -> bool {
        const READS: [&str; 19] = [
            "Assume", "BatchGet", "Check", "Decode", "Decrypt", "Describe", "Encrypt", "Estimate",
            "Filter", "Generate", "Get", "Head", "List", "Lookup", "Query", "Scan", "Search",
            "Select", "Simulate",
        ];
        const READS_BY_NAME: [&str; 5] = [
            "TransactGetItems",
            "Options",
            "ReEncrypt",
            "Verify",
            "CreateSession",
        ];
        match self.operation.split_once(" /") {
            Some((method, _)) => !matches!(method, "GET" | "HEAD" | "OPTIONS"),
            None => {
                let operation = self.operation.as_str();
                !READS.iter().any(|start| operation.starts_with(start))
                    && !READS_BY_NAME.contains(&operation)
            }
        }
    }
}

/// The log of an instance.
#[derive(Debug)]
pub(crate) struct Log {
    kept: Mutex<Kept>,
    /// Number of entries ever written; followers wait on it.
    written: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kept {
    entries: VecDeque<LogEntry>,
    file: Option<File>,
}

impl Log {
    pub(crate) fn new(file: Option<File>) -> Self {
        Self {
            kept: Mutex::new(Kept {
                entries: VecDeque::new(),
                file,
            }),
            written: watch::Sender::new(0),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, entry: LogEntry) {
        let mut kept = self.kept();
        let result = write_line(kept.file.as_mut(), &entry);
        if let Err(error) = result {
            tracing::warn!(%error, "the log file cannot be written, going on without it");
            kept.file = None;
        }
        if kept.entries.len() == KEPT {
            kept.entries.pop_front();
        }
        kept.entries.push_back(entry);
        self.written.send_modify(|written| *written += 1);
    }

    pub(crate) fn entries(&self) -> Vec<LogEntry> {
        self.kept().entries.iter().cloned().collect()
    }

    /// Entries from number `first` on (the first ever written is 0), and the number to ask for next.
    pub(crate) fn since(&self, first: u64) -> (Vec<LogEntry>, u64) {
        let kept = self.kept();
        let written = *self.written.borrow();
        let new = usize::try_from(written.saturating_sub(first)).unwrap_or(usize::MAX);
        let skip = kept.entries.len().saturating_sub(new);
        (kept.entries.iter().skip(skip).cloned().collect(), written)
    }

    /// Waits until entry number `first` has been written.
    pub(crate) async fn reach(&self, first: u64) {
        let mut written = self.written.subscribe();
        // The sender lives as long as `self`, so an error cannot come.
        let _ = written.wait_for(|written| *written > first).await;
    }

    pub(crate) fn clear(&self) {
        self.kept().entries.clear();
    }

    /// Begins an entry, which is written when the returned record is dropped.
    pub(crate) fn record<'log>(&'log self, call: &Call) -> Record<'log> {
        Record {
            log: self,
            started: Instant::now(),
            entry: LogEntry {
                time: Timestamp::now(),
                service: bounded(&call.service),
                operation: bounded(&call.operation),
                region: call.region.as_deref().map(bounded),
                resource: call.resource.as_deref().map(bounded),
                status: None,
                ms: 0,
                fault: None,
            },
        }
    }
}

fn write_line(file: Option<&mut File>, entry: &LogEntry) -> io::Result<()> {
    let Some(file) = file else { return Ok(()) };
    let line = escape::json_line(entry)? + "\n";
    file.write_all(line.as_bytes())
}

/// A name as long as AWS's longest, an ARN: a million entries stay in memory.
fn bounded(name: &str) -> String {
    match name.char_indices().nth(2048) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// An entry that is written even when the request is dropped half-way, as when the client hangs up.
pub(crate) struct Record<'log> {
    log: &'log Log,
    started: Instant,
    entry: LogEntry,
}

impl Record<'_> {
    /// Takes over what the request's body has told.
    pub(crate) fn describe(&mut self, call: &Call) {
        self.entry.operation = bounded(&call.operation);
        self.entry.resource = call.resource.as_deref().map(bounded);
    }

    pub(crate) fn fault(&mut self, fault: &str) {
        self.entry.fault = Some(fault.to_owned());
    }

    pub(crate) fn status(&mut self, status: http::StatusCode) {
        self.entry.status = Some(status.as_u16());
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        self.entry.ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.log.push(self.entry.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(operation: &str) -> LogEntry {
        let log = Log::new(None);
        drop(log.record(&Call {
            operation: operation.into(),
            ..Call::default()
        }));
        log.entries().remove(0)
    }

    #[test]
    fn names_of_entries_are_no_longer_than_those_of_aws() {
        let long = entry(&"ü".repeat(5000)).operation;
        assert_eq!(long.chars().count(), 2049);
        assert_eq!(entry(&"ü".repeat(2048)).operation, "ü".repeat(2048));
    }

    #[test]
    fn mutations_are_told_by_name() {
        for operation in [
            "PutObject",
            "DeleteObjects",
            "CreateBucket",
            "CopyObject",
            "UploadPart",
            "UploadPartCopy",
            "CompleteMultipartUpload",
            "AbortMultipartUpload",
            "RestoreObject",
            "UpdateTable",
            "TagResource",
            "UntagRole",
            "AttachRolePolicy",
            "ModifyDBInstance",
            "StartDBInstance",
            "BatchWriteItem",
            "TransactWriteItems",
            "ExecuteStatement",
            "PromoteReadReplica",
            "SomethingNew",
            "POST /2015-03-31/functions",
            "DELETE /x",
        ] {
            assert!(entry(operation).is_mutation(), "{operation}");
        }
        for operation in [
            "GetObject",
            "HeadBucket",
            "ListObjectsV2",
            "DescribeTable",
            "Query",
            "Scan",
            "BatchGetItem",
            "TransactGetItems",
            "AssumeRole",
            "GetCallerIdentity",
            "SimulatePrincipalPolicy",
            "GenerateDataKey",
            "SelectObjectContent",
            "GET /2015-03-31/functions",
        ] {
            assert!(!entry(operation).is_mutation(), "{operation}");
        }
    }

    #[tokio::test]
    async fn followers_see_each_entry_once() {
        let log = Log::new(None);
        let (none, next) = log.since(0);
        assert_eq!((none.len(), next), (0, 0));
        let call = Call {
            operation: "GetObject".into(),
            ..Call::default()
        };
        tokio::join!(log.reach(next), async { drop(log.record(&call)) });
        drop(log.record(&call));
        let (new, next) = log.since(next);
        assert_eq!((new.len(), next), (2, 2));
        log.clear();
        drop(log.record(&call));
        let (new, next) = log.since(next);
        assert_eq!((new.len(), next), (1, 3));
        assert_eq!(log.since(0).0.len(), 1);
    }

    #[test]
    fn the_file_holds_json_lines_with_every_field() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let log = Log::new(Some(path.reopen().unwrap()));
        let mut record = log.record(&Call {
            service: "s3".into(),
            operation: "GetObject".into(),
            ..Call::default()
        });
        record.status(http::StatusCode::OK);
        drop(record);
        let text = std::fs::read_to_string(path.path()).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        let keys: Vec<_> = line
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            keys,
            [
                "time",
                "service",
                "operation",
                "region",
                "resource",
                "status",
                "ms",
                "fault"
            ]
        );
        assert_eq!(line["status"], 200);
        assert_eq!(line["region"], serde_json::Value::Null);
    }
}
