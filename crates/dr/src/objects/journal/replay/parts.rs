//! The objects of journals in a bucket.

use std::collections::BTreeMap;

use aws_env::{Error, ObjectPages};

use crate::objects::bucket::Bucket;
use crate::objects::journal::JournalError;
use crate::objects::journal::key::DIGEST;
use crate::objects::location::JOURNAL;

/// The runs of which a bucket has a journal, the oldest first, each with the name of the last object of its journal.
pub(in crate::objects::journal) async fn names(
    bucket: &Bucket,
) -> Result<BTreeMap<String, String>, Error> {
    let call = bucket.call("ListObjectsV2", JOURNAL);
    let mut pages = ObjectPages::new(&bucket.s3, call, bucket.name(), JOURNAL);
    let mut names = BTreeMap::new();
    while let Some(page) = pages.next().await? {
        for object in page {
            let path = object.key.strip_prefix(JOURNAL);
            if let Some((name, part)) = path.and_then(|path| path.split_once('/'))
                && is_part(part)
            {
                names.insert(name.to_owned(), part.to_owned());
            }
        }
    }
    Ok(names)
}

/// A piece of an object of a journal.
pub(super) enum Piece<'a> {
    /// Its content begins.
    Begin {
        /// What its metadata says of its digest.
        digest: Option<&'a str>,
    },
    Bytes(&'a [u8]),
    End,
}

/// Hands over what the bucket has of a journal as it comes: the key of an object with a piece of it.
pub(super) async fn parts(
    bucket: &Bucket,
    run: &str,
    mut take: impl FnMut(&str, Piece<'_>) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let prefix = format!("{JOURNAL}{run}/");
    let call = bucket.call("ListObjectsV2", &prefix);
    let mut pages = ObjectPages::new(&bucket.s3, call, bucket.name(), &prefix);
    while let Some(page) = pages.next().await? {
        for key in page.into_iter().map(|object| object.key) {
            // Manifests and reports of batch jobs lie beside the journal, and whatever somebody else has put there.
            if !key.strip_prefix(&prefix).is_some_and(is_part) {
                continue;
            }
            let call = || bucket.call("GetObject", &key);
            let get = bucket.s3.get_object().bucket(bucket.name()).key(&key);
            let object = get.send().await.map_err(|error| call().failed(error))?;
            let metadata = object.metadata.unwrap_or_default();
            let digest = metadata.get(DIGEST).map(String::as_str);
            take(&key, Piece::Begin { digest })?;
            let mut body = object.body;
            while let Some(bytes) = body
                .try_next()
                .await
                .map_err(|error| Error::unexpected(call(), error.to_string()))?
            {
                take(&key, Piece::Bytes(&bytes))?;
            }
            take(&key, Piece::End)?;
        }
    }
    Ok(())
}

/// Whether an object of this name is part of a journal: `000000.jsonl`.
fn is_part(name: &str) -> bool {
    name.strip_suffix(".jsonl")
        .is_some_and(|number| number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_part_of_what_a_run_writes_and_of_nothing_else() {
        assert!(is_part("000000.jsonl") && is_part("1000000.jsonl"));
        for other in [
            "manifest-0.csv",
            "x.jsonl",
            "0\u{1b}0000.jsonl",
            "00/000000.jsonl",
            "",
        ] {
            assert!(!is_part(other), "{other:?}");
        }
    }
}
