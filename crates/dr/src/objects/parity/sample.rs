//! Objects that are read on both sides.

use std::collections::BinaryHeap;

use super::super::bucket::Bucket;
use super::super::content::{VersionOf, same_bytes};
use super::Sample;

/// Reads what was drawn.
pub(super) async fn read_sample(
    source: &Bucket,
    destination: &Bucket,
    drawn: &BinaryHeap<(u64, String, u64)>,
) -> Sample {
    let mut sample = Sample::default();
    for (_, key, size) in drawn {
        let ours = VersionOf::current(source, key);
        let theirs = VersionOf::current(destination, key);
        match same_bytes(ours, theirs).await {
            Ok(true) => sample.same.add(*size),
            Ok(false) => sample.different.add(key, *size, None),
            Err(error) => sample.unread.add(key, *size, Some(&error.to_string())),
        }
    }
    sample
}
