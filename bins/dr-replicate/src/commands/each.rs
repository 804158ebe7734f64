//! What one command comes to for each of several buckets. One that fails stops no other.

use cli::{Exit, Failure};
use report::{Document, Mark, Report};
use serde::Serialize;
use settings::BucketName;

/// What a command prints for several buckets.
#[derive(Serialize)]
pub(super) struct Each<T> {
    buckets: Vec<Entry<T>>,
    #[serde(skip)]
    exit: Exit,
}

/// What came out for one bucket.
#[derive(Serialize)]
struct Entry<T> {
    bucket: String,
    /// Null when it failed.
    result: Option<T>,
    /// The error, its causes, and what to do next; empty when there is none.
    failure: Vec<String>,
}

impl<T> Default for Each<T> {
    fn default() -> Self {
        Self {
            buckets: Vec::new(),
            exit: Exit::Fine,
        }
    }
}

impl<T> Each<T> {
    pub(super) fn add(&mut self, bucket: Option<&BucketName>, came: Result<(Exit, T), Failure>) {
        let (exit, result, failure) = match came {
            Ok((exit, result)) => (exit, Some(result), Vec::new()),
            Err(failure) => (failure.exit(), None, failure.lines()),
        };
        self.exit = self.exit.worst(exit);
        self.buckets.push(Entry {
            bucket: bucket.map(ToString::to_string).unwrap_or_default(),
            result,
            failure,
        });
    }

    /// How the program ends.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }
}

impl<T: Report> Report for Each<T> {
    const KIND: &'static str = "buckets";

    fn document(&self) -> Document {
        self.buckets
            .iter()
            .fold(Document::new(), |document, entry| {
                let document = document.heading(format!("Bucket {}", entry.bucket));
                match &entry.result {
                    Some(result) => document.append(result.document()),
                    None => entry.failure.iter().fold(document, |document, line| {
                        document.fact(Mark::Unknown, "failed", line.clone())
                    }),
                }
            })
    }
}
