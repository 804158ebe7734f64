//! What somebody else has written is not the run's, and what cannot be read stops nothing else.

use std::time::Duration;

use dr::objects::{Finding, Mode};
use local_aws::{Fault, FaultKind};

use crate::keyed::{encrypt_both, forget_outcomes, replicate};
use crate::stage::{deleting, options};

#[tokio::test]
async fn sync_of_what_a_replica_brings_meanwhile_does_not_call_it_its_own() {
    let stage = stage!();
    stage.put_source("mine", b"x").await;
    stage.put_source("theirs", b"x").await;
    let planned = stage.plan(&options()).await;
    // The replica of one of them arrives between the plan and the copy.
    replicate(&stage).await;
    stage.put_source("theirs", b"x").await;
    let done = stage.apply("r1", planned).await.unwrap();
    assert_eq!(done.copied.objects, 1, "{done:?}");
    assert_eq!(stage.undo("r1", "r2").await, 1);
    assert_eq!(stage.keys().await, ["theirs"]);
}

#[tokio::test]
async fn sync_beside_a_second_writer_of_the_same_bytes_does_not_call_them_its_own() {
    let stage = stage!();
    stage.put_source("a", b"x").await;
    let planned = stage.plan(&options()).await;
    stage.put_destination("a", b"x").await;
    let done = stage.apply("r1", planned).await.unwrap();
    assert_eq!(done.copied.objects, 0, "{done:?}");
    assert_eq!(stage.undo("r1", "r2").await, 0);
    assert_eq!(stage.keys().await, ["a"]);
}

#[tokio::test]
async fn sync_whose_first_attempt_s3_failed_at_does_not_call_anothers_write_its_own() {
    let stage = stage!();
    stage.put_source("a", b"x").await;
    stage.put_destination("stray", b"x").await;
    let planned = stage.plan(&deleting()).await;
    stage.put_destination("a", b"x").await;
    let delete = stage.to.s3.delete_object().bucket("photos-dr").key("stray");
    delete.send().await.unwrap();
    // S3 says that it could not, and has not: what the second attempt finds is the other's.
    for operation in ["CopyObject", "DeleteObjects"] {
        let failed = Fault::new(FaultKind::InternalError).operation(operation);
        stage.aws.add_fault(failed.times(1));
    }
    let done = stage.apply("r1", planned).await.unwrap();
    assert_eq!(done.copied.objects, 0, "{done:?}");
    assert_eq!(done.deleted.objects, 0, "{done:?}");
    assert_eq!(stage.undo("r1", "r2").await, 0);
    assert_eq!(stage.keys().await, ["a"]);
}

#[tokio::test]
async fn sync_that_a_proxy_answered_in_the_place_of_s3_finds_what_it_has_done() {
    let stage = stage!();
    stage.put_source("a", b"x").await;
    stage.put_destination("stray", b"y").await;
    let planned = stage.plan(&deleting()).await;
    // S3 does both, and a proxy says that it got no answer: what the second attempt finds is the first one's.
    for operation in ["CopyObject", "DeleteObjects"] {
        let proxied = Fault::new(FaultKind::BadGateway).operation(operation);
        stage.aws.add_fault(proxied.times(1));
    }
    let done = stage.apply("r1", planned).await.unwrap();
    assert_eq!(done.copied.objects, 1, "{done:?}");
    assert_eq!(done.deleted.objects, 1, "{done:?}");
    assert!(done.is_complete(), "{done:?}");
    assert_eq!(stage.undo("r1", "r2").await, 2);
    assert_eq!(stage.keys().await, ["stray"]);
}

#[tokio::test]
async fn sync_whose_deletion_comes_after_anothers_does_not_call_its_marker_its_own() {
    let stage = stage!();
    stage.put_source("keep", b"x").await;
    stage.put_destination("keep", b"x").await;
    stage.put_destination("stray", b"x").await;
    let planned = stage.plan(&deleting()).await;
    // Between the last look at the object and its deletion the journal is written.
    let late = Fault::new(FaultKind::Latency(Duration::from_millis(600)));
    stage.aws.add_fault(late.operation("PutObject"));
    let looked = || {
        let log = stage.aws.log();
        log.iter().any(|entry| {
            entry.operation == "HeadObject" && entry.resource.as_deref() == Some("photos-dr/stray")
        })
    };
    let delete = async {
        while !looked() {
            tokio::task::yield_now().await;
        }
        let delete = stage.to.s3.delete_object().bucket("photos-dr").key("stray");
        delete.send().await.unwrap();
    };
    let (done, ()) = tokio::join!(stage.apply("r1", planned), delete);
    let done = done.unwrap();
    assert_eq!(done.deleted.objects, 0, "{done:?}");
    stage.aws.clear_faults();
    assert_eq!(stage.undo("r1", "r2").await, 0);
    assert_eq!(stage.keys().await, ["keep"]);
}

#[tokio::test]
async fn undo_of_a_killed_run_beside_an_object_that_cannot_be_read_goes_on_with_the_others() {
    let stage = stage!();
    for key in ["bad", "good"] {
        stage.put_source(key, b"x").await;
    }
    stage.sync("r1", &options()).await;
    forget_outcomes(&stage, "r1");
    let denied = Fault::new(FaultKind::Denied).operation("HeadObject");
    stage.aws.add_fault(denied.resource("photos-dr/bad"));
    let planned = stage.plan_undo("r1").await.unwrap();
    let plan = planned.plan();
    assert_eq!(plan.impossible.examples[0].key, "bad", "{plan:?}");
    assert_eq!((plan.remove.objects, plan.conflicts.tally.objects), (1, 0));
}

#[tokio::test]
async fn sync_and_parity_of_an_object_that_cannot_be_read_go_on_with_the_others() {
    let stage = stage!();
    encrypt_both(&stage).await;
    for key in ["bad", "good", "other"] {
        stage.put_source(key, key.as_bytes()).await;
        stage.put_destination(key, key.as_bytes()).await;
    }
    stage.put_destination("other", b"OTHER").await;
    let denied = Fault::new(FaultKind::Denied).operation("HeadObject");
    stage.aws.add_fault(denied.resource("photos/bad"));
    let parity = stage.parity(Mode::Auto).await;
    assert_eq!(parity.finding, Finding::Different, "{parity:?}");
    assert_eq!(parity.equal.objects, 1);
    assert_eq!(parity.different.tally.objects, 1);
    assert_eq!(parity.unproven.examples[0].key, "bad");
    let why = parity.unproven.examples[0].reason.clone().unwrap();
    assert!(why.contains("access denied"), "{why}");
    let (plan, done) = stage.sync("r1", &options()).await;
    assert_eq!(plan.unreadable.tally.objects, 1, "{plan:?}");
    assert_eq!((plan.equal.objects, done.copied.objects), (1, 1));
    assert_eq!(stage.destination().await["other"].body, b"other");
}
