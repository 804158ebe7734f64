//! Random trees, random faults: after a sync the destination is the source, and undo brings everything back.

use std::collections::BTreeMap;

use aws_env::RegionClients;
use aws_sdk_s3::primitives::ByteStream;
use dr::objects::{Finding, Mode, PlanOptions};
use local_aws::{Fault, FaultKind};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::stage::{Stage, options};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    body: Vec<u8>,
    metadata: Option<String>,
    tag: Option<String>,
    /// Overwritten once before.
    twice: bool,
}

type Tree = BTreeMap<String, Object>;

fn tree() -> impl Strategy<Value = Tree> {
    let object = (
        proptest::collection::vec(0_u8..2, 0..3),
        proptest::option::of("[a-z]{1,3}"),
        proptest::option::of("[a-z&+]{1,3}"),
        any::<bool>(),
    )
        .prop_map(|(body, metadata, tag, twice)| Object {
            body,
            metadata,
            tag,
            twice,
        });
    // The SDK refuses keys of nothing but white space.
    let key = "[ab+% \u{e9}/]{1,3}".prop_filter("white space", |key| !key.trim().is_empty());
    proptest::collection::btree_map(key, object, 0..12)
}

#[derive(Clone, Debug)]
struct Case {
    source: Tree,
    destination: Tree,
    fault: Option<(FaultKind, &'static str)>,
    delete: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let kind = prop_oneof![
        Just(FaultKind::SlowDown),
        Just(FaultKind::InternalError),
        Just(FaultKind::Reset),
        Just(FaultKind::ResetAfter),
    ];
    let operation = prop_oneof![
        Just("CopyObject"),
        Just("ListObjectsV2"),
        Just("HeadObject"),
        Just("DeleteObjects"),
        Just("PutObject"),
    ];
    (
        tree(),
        tree(),
        proptest::option::of((kind, operation)),
        any::<bool>(),
    )
        .prop_map(|(source, destination, fault, delete)| Case {
            source,
            destination,
            fault,
            delete,
        })
}

async fn fill(clients: &RegionClients, bucket: &str, tree: &Tree) {
    for (key, object) in tree {
        for _ in 0..=usize::from(object.twice) {
            let tag = object
                .tag
                .as_ref()
                .map(|tag| format!("t={}", tag.replace('&', "%26").replace('+', "%2B")));
            let mut request = clients
                .s3
                .put_object()
                .bucket(bucket)
                .key(key)
                .set_tagging(tag)
                .body(ByteStream::from(object.body.clone()));
            if let Some(value) = &object.metadata {
                request = request.metadata("m", value);
            }
            request.send().await.unwrap();
        }
    }
}

/// Empties a bucket by delete markers.
async fn clear(clients: &RegionClients, bucket: &str) {
    let page = clients
        .s3
        .list_objects_v2()
        .bucket(bucket)
        .send()
        .await
        .unwrap();
    for object in page.contents() {
        let key = object.key().unwrap();
        clients
            .s3
            .delete_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await
            .unwrap();
    }
}

async fn run(stage: &Stage, number: usize, case: &Case) {
    clear(&stage.from, "photos").await;
    clear(&stage.to, "photos-dr").await;
    fill(&stage.from, "photos", &case.source).await;
    fill(&stage.to, "photos-dr", &case.destination).await;
    let before = stage.destination().await;
    let source = stage.source().await;
    let options = PlanOptions {
        delete: case.delete,
        headers: true,
        ..options()
    };
    if let Some((kind, operation)) = &case.fault {
        stage.aws.add_fault(
            Fault::new(kind.clone())
                .service("s3")
                .operation(*operation)
                .share(0.3),
        );
    }
    let name = format!("run-{number}");
    let (plan, done) = stage.sync(&name, &options).await;
    stage.aws.clear_faults();
    assert!(done.is_complete(), "{case:?} {done:?}");

    let mut expected = source.clone();
    if !case.delete {
        for (key, object) in &before {
            expected
                .entry(key.clone())
                .or_insert_with(|| object.clone());
        }
    }
    assert_eq!(stage.destination().await, expected, "{case:?} {plan:?}");
    let same = expected == source;
    let finding = stage.parity(Mode::Auto).await.finding;
    assert_eq!(finding == Finding::Same, same, "{case:?}");

    stage.undo(&name, &format!("undo-{number}")).await;
    assert_eq!(stage.destination().await, before, "undo: {case:?}");
    // What was undone can be undone in turn.
    stage
        .undo(&format!("undo-{number}"), &format!("redo-{number}"))
        .await;
    assert_eq!(stage.destination().await, expected, "redo: {case:?}");
}

#[tokio::test]
async fn after_a_sync_the_destination_is_the_model_and_undo_brings_back_what_was() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    });
    for number in 0..12 {
        let case = case().new_tree(&mut runner).unwrap().current();
        run(&stage, number, &case).await;
    }
}
