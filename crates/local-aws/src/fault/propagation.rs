//! What AWS answers about a bucket or table that was made a moment ago.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel> (a bucket's making and its
//! settings are eventually consistent) and
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateContinuousBackups.html>.

use std::collections::HashMap;

use http::StatusCode;

use crate::answer::Problem;
use crate::filter::{matches, may_begin_with};
use crate::request::Call;

/// What is young, and in which respect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Young {
    Bucket(String),
    ReplicationDestination(String),
    /// Continuous backups of a table in a region.
    Backups(Option<String>, String),
}

/// For how many more calls each of them answers as a young one.
#[derive(Debug, Default)]
pub(super) struct Propagation(HashMap<Young, u64>);

impl Propagation {
    /// Remembers what has been made, and forgets what has been deleted.
    pub(super) fn observe(&mut self, call: &Call, status: StatusCode, calls: u64) {
        if !status.is_success() {
            return;
        }
        match (call.operation.as_str(), call.bucket(), &call.resource) {
            ("CreateBucket", Some(bucket), _) => {
                // Made again it is no younger.
                for young in of_bucket(bucket) {
                    self.0.entry(young).or_insert(calls);
                }
            }
            ("DeleteBucket", Some(bucket), _) => {
                for young in of_bucket(bucket) {
                    self.0.remove(&young);
                }
            }
            ("CreateTable", _, Some(table)) if call.service == "dynamodb" => {
                let young = Young::Backups(call.region.clone(), table.clone());
                self.0.insert(young, calls);
            }
            _ => {}
        }
    }

    /// The answer to a call to something that is still young; counts the call.
    pub(super) fn next(&mut self, call: &Call) -> Option<Problem> {
        let mut young = |young: Young, problem| {
            let left = self.0.get_mut(&young).filter(|left| **left > 0)?;
            *left -= 1;
            Some(problem)
        };
        match (call.operation.as_str(), call.bucket(), &call.resource) {
            ("CreateBucket", ..) => None,
            (operation, Some(bucket), _) => {
                let own = young(Young::Bucket(bucket.to_owned()), Problem::NoSuchBucket);
                let mut destinations = match operation {
                    "PutBucketReplication" => call.destinations.iter(),
                    _ => [].iter(),
                };
                own.or_else(|| {
                    destinations.find_map(|bucket| {
                        let destination = Young::ReplicationDestination(bucket.clone());
                        young(destination, Problem::NoReplicationDestination)
                    })
                })
            }
            ("UpdateContinuousBackups", _, Some(table)) => young(
                Young::Backups(call.region.clone(), table.clone()),
                Problem::BackupsUnavailable,
            ),
            _ => None,
        }
    }
}

fn of_bucket(bucket: &str) -> [Young; 2] {
    [
        Young::Bucket(bucket.to_owned()),
        Young::ReplicationDestination(bucket.to_owned()),
    ]
}

/// The filter that leaves nothing to hit.
pub(super) fn nothing_of(service: Option<&str>, operation: Option<&str>) -> Option<String> {
    let backups = |operation: &str| may_begin_with(operation, "UpdateContinuousBackups");
    match (service, operation) {
        (None | Some("s3"), _) => None,
        (Some(service), _) if matches(service, "s3") => None,
        (Some(service), operation) if matches(service, "dynamodb") => operation
            .filter(|operation| !backups(operation))
            .map(str::to_owned),
        (Some(service), _) => Some(service.to_owned()),
    }
}
