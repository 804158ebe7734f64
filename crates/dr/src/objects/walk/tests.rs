use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;

use proptest::prelude::*;

use super::*;
use crate::objects::entry::{ETag, Modified, StorageClass};

/// A bucket in memory, with pages of any size and keys that no listing shows.
struct Model {
    keys: BTreeMap<String, u64>,
    page: usize,
}

impl Lister for Model {
    type Error = Infallible;

    async fn page(&self, after: Option<&str>, limit: u16) -> Result<Page, Infallible> {
        // Let others go on, so that ranges are cut while they are listed.
        tokio::task::yield_now().await;
        let limit = usize::from(limit).min(self.page);
        let mut page = Page::default();
        let mut rest = self.keys.range::<str, _>((
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        ));
        let mut last = None;
        for (key, size) in rest.by_ref().take(limit) {
            last = Some(key.clone());
            if !key.starts_with('#') {
                assert!(page.push(key, meta(*size)));
            }
        }
        page.resume_after = rest.next().and(last);
        Ok(page)
    }
}

fn meta(size: u64) -> ObjectMeta {
    ObjectMeta {
        size,
        etag: ETag::Single([0; 16]),
        modified: Modified::default(),
        class: StorageClass::Standard,
        version: None,
    }
}

#[derive(Default)]
struct Seen(Vec<(String, Option<u64>, Option<u64>)>);

impl Visitor for Seen {
    type Error = Infallible;

    fn visit(&mut self, key: &str, source: Option<&ObjectMeta>, destination: Option<&ObjectMeta>) {
        let size = |meta: Option<&ObjectMeta>| meta.map(|meta| meta.size);
        self.0
            .push((key.to_owned(), size(source), size(destination)));
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn tree() -> impl Strategy<Value = BTreeMap<String, u64>> {
    proptest::collection::btree_map("#?[abc\u{e9}\u{1f600}/]{0,5}", 0_u64..3, 0..120)
}

proptest! {
    #[test]
    fn walk_of_any_buckets_visits_every_key_once(
        source in tree(), destination in tree(), page in 1_usize..9, workers in 1_usize..6,
    ) {
        let mut expected: BTreeMap<String, (Option<u64>, Option<u64>)> = BTreeMap::new();
        for (key, size) in source.iter().filter(|(key, _)| !key.starts_with('#')) {
            expected.entry(key.clone()).or_default().0 = Some(*size);
        }
        for (key, size) in destination.iter().filter(|(key, _)| !key.starts_with('#')) {
            expected.entry(key.clone()).or_default().1 = Some(*size);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let seen = runtime.block_on(walk(
            Arc::new(Model { keys: source, page }),
            Arc::new(Model { keys: destination, page: page + 1 }),
            workers,
            Seen::default,
        )).unwrap();
        let mut seen: Vec<_> = seen.into_iter().flat_map(|seen| seen.0).collect();
        seen.sort();
        let expected: Vec<_> = expected.into_iter().map(|(key, (a, b))| (key, a, b)).collect();
        prop_assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn walk_of_a_flat_bucket_is_shared_among_workers() {
    let keys: BTreeMap<String, u64> = (0..50_000).map(|n| (format!("obj-{n:06}"), 1)).collect();
    let model = |keys| Arc::new(Model { keys, page: 1_000 });
    let seen = walk(model(keys.clone()), model(keys), 4, Seen::default)
        .await
        .unwrap();
    let shares: Vec<usize> = seen.iter().map(|seen| seen.0.len()).collect();
    assert_eq!(shares.iter().sum::<usize>(), 50_000);
    assert!(
        shares.iter().filter(|share| **share > 2_000).count() >= 3,
        "{shares:?}"
    );
}

/// Answers with the same page for ever, as a server does that ignores `start-after`.
struct Stuck;

impl Lister for Stuck {
    type Error = Infallible;

    async fn page(&self, _after: Option<&str>, _limit: u16) -> Result<Page, Infallible> {
        let mut page = Page::default();
        assert!(page.push("a", meta(1)));
        page.resume_after = Some("a".to_owned());
        Ok(page)
    }
}

#[tokio::test]
async fn walk_of_a_server_that_does_not_go_forward_fails() {
    let ended = walk(Arc::new(Stuck), Arc::new(Stuck), 1, Seen::default).await;
    assert!(matches!(ended, Err(WalkError::OutOfOrder { .. })));
}
