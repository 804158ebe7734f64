//! The records of an environment whose DR region is another one now.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::lease::KEY as LEASE;
use crate::store::{Created, StoreError, Stored, overwrite};
use crate::{MARKER, Store};

/// Brings what `to` lacks of the records, so that the settings of a committed environment find them where they look: the runs
/// first, then the lease, which is over, and last the mark. S3 may have brought some of them already, and an older lease or mark:
/// lease and mark are written whatever S3 has brought, as what was written goes before what replication delivers later.
/// What a run has written there that `from` does not know stays as it is. Returns how many were brought.
///
/// # Errors
/// When one cannot be read or written; the next call goes on with the rest.
pub async fn carry_records(from: &impl Store, to: &impl Store) -> Result<usize, StoreError> {
    let keys = from.list("").await?;
    let there: BTreeSet<String> = to.list("").await?.into_iter().collect();
    let mut carried = 0;
    for key in keys.iter().filter(|key| !there.contains(*key)) {
        if is_rewritten(key) {
            continue;
        }
        if let Some(stored) = from.read(key).await?
            && to.create(key, &stored.bytes).await? != Created::Taken
        {
            carried += 1;
        }
    }
    for key in [LEASE, MARKER] {
        let Some(ours) = from.read(key).await? else {
            continue;
        };
        let theirs = to.read(key).await?;
        let is_known = theirs.as_ref().is_none_or(|stored| {
            let run = run_of(stored);
            run.is_some_and(|run| {
                let folder = format!("runs/{run}/");
                keys.iter().any(|key| key.starts_with(&folder))
            })
        });
        if is_known && theirs.is_none_or(|there| there.is_replica || there.bytes != ours.bytes) {
            overwrite(to, key, &ours.bytes).await?;
            carried += 1;
        }
    }
    Ok(carried)
}

/// What is not written once.
fn is_rewritten(key: &str) -> bool {
    key == LEASE || key == MARKER
}

/// The run that a lease or a mark is of.
fn run_of(stored: &Stored) -> Option<String> {
    #[derive(Deserialize)]
    struct Of {
        run: String,
    }
    let of: Of = serde_json::from_slice(&stored.bytes).ok()?;
    Some(of.run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FolderStore;

    #[tokio::test]
    async fn carry_records_brings_what_is_lacking_and_leaves_what_is_newer() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [from, to] = folders
            .each_ref()
            .map(|folder| FolderStore::new(folder.path()));
        let of = |run: &str, state: &str| format!(r#"{{"run":"{run}","state":"{state}"}}"#);
        for (key, text) in [
            (MARKER, of("b", "committed")),
            (LEASE, of("b", "over")),
            ("runs/a/000000.json", "a".to_owned()),
            ("runs/b/000000.json", "b".to_owned()),
        ] {
            from.create(key, text.as_bytes()).await.unwrap();
        }
        // Replicated, or of a call that was killed in the middle.
        to.create("runs/b/000000.json", b"b").await.unwrap();
        to.create(LEASE, of("b", "held").as_bytes()).await.unwrap();
        assert_eq!(carry_records(&from, &to).await.unwrap(), 3);
        assert_eq!(to.list("").await.unwrap(), from.list("").await.unwrap());
        let lease = to.read(LEASE).await.unwrap().unwrap();
        assert_eq!(lease.bytes, of("b", "over").as_bytes());
        assert_eq!(carry_records(&from, &to).await.unwrap(), 0);
        // Of a run that has begun since.
        let newer = of("c", "held");
        to.replace(LEASE, newer.as_bytes(), &lease.etag)
            .await
            .unwrap();
        assert_eq!(carry_records(&from, &to).await.unwrap(), 0);
        let lease = to.read(LEASE).await.unwrap().unwrap();
        assert_eq!(lease.bytes, newer.as_bytes());
    }
}
