//! Objects that are read on both sides.

use std::collections::BinaryHeap;

use aws_env::Error;

use super::super::bucket::Bucket;
use super::Sample;

/// Reads what was drawn.
pub(super) async fn read_sample(
    source: &Bucket,
    destination: &Bucket,
    drawn: &BinaryHeap<(u64, String, u64)>,
) -> Sample {
    let mut sample = Sample::default();
    for (_, key, size) in drawn {
        match same_bytes(source, destination, key).await {
            Ok(true) => sample.same.add(*size),
            Ok(false) => sample.different.add(key, *size, None),
            Err(error) => sample.unread.add(key, *size, Some(&error.to_string())),
        }
    }
    sample
}

/// Reads an object on both sides, chunk by chunk.
async fn same_bytes(source: &Bucket, destination: &Bucket, key: &str) -> Result<bool, Error> {
    let (mut ours, mut theirs) = tokio::try_join!(source.read(key), destination.read(key))?;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        let broken = |bucket: &Bucket, error: String| {
            Error::unexpected(bucket.call("GetObject", key), error)
        };
        let mut ended = false;
        if left.is_empty() {
            match ours.try_next().await {
                Ok(Some(chunk)) => left.extend_from_slice(&chunk),
                Ok(None) => ended = true,
                Err(error) => return Err(broken(source, error.to_string())),
            }
        }
        if right.is_empty() {
            match theirs.try_next().await {
                Ok(Some(chunk)) => right.extend_from_slice(&chunk),
                Ok(None) if ended => return Ok(left.is_empty()),
                Ok(None) => return Ok(false),
                Err(error) => return Err(broken(destination, error.to_string())),
            }
        }
        if ended {
            return Ok(false);
        }
        let common = left.len().min(right.len());
        if left[..common] != right[..common] {
            return Ok(false);
        }
        left.drain(..common);
        right.drain(..common);
    }
}
