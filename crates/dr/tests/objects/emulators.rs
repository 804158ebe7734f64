//! What objects are promised, on every emulator alike.

use dr::objects::{Finding, Mode};
use local_aws::Base;

use crate::stage::{Stage, options};
use crate::traps::put_in_parts;

async fn a_sync_makes_two_buckets_equal_and_parity_says_so(base: Base) {
    let Some(stage) = Stage::on(base).await else {
        return;
    };
    for (key, body) in [("a/1", "one"), ("a/ü & b", "two"), ("c", "")] {
        stage.put_source(key, body.as_bytes()).await;
    }
    put_in_parts(&stage, "big", &[vec![1; 5 << 20], vec![2; 9]]).await;
    stage.put_destination("c", b"stale").await;
    stage.put_destination("only-here", b"kept").await;
    let before = stage.parity(Mode::Auto).await;
    assert_eq!(before.finding, Finding::Different, "{before:?}");

    let (plan, done) = stage.sync("r1", &options()).await;
    assert_eq!(done.copied.objects, 4, "{plan:?}");
    let mut copied = stage.destination().await;
    assert!(copied.remove("only-here").is_some());
    assert_eq!(copied, stage.source().await);
    let after = stage.parity(Mode::Auto).await;
    assert_eq!(after.different.tally.objects, 0, "{after:?}");
    // Nothing is left to do.
    let (_, again) = stage.sync("r2", &options()).await;
    assert_eq!(again.copied.objects, 0);
}

#[tokio::test]
async fn a_sync_makes_two_buckets_equal_with_ministack() {
    a_sync_makes_two_buckets_equal_and_parity_says_so(Base::Ministack).await;
}

#[tokio::test]
async fn a_sync_makes_two_buckets_equal_with_moto() {
    a_sync_makes_two_buckets_equal_and_parity_says_so(Base::Moto).await;
}

#[tokio::test]
async fn a_sync_makes_two_buckets_equal_with_localstack() {
    a_sync_makes_two_buckets_equal_and_parity_says_so(Base::Localstack).await;
}
