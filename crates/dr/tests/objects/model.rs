//! Random trees, random faults: after a sync the destination is the source, and undo brings everything back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
    proptest::collection::btree_map(key, object, 0..9)
}

#[derive(Clone, Debug)]
struct Case {
    source: Tree,
    destination: Tree,
    delete: bool,
    /// Written to the source, one key after the other, while the sync copies.
    meanwhile: Vec<u8>,
}

/// Longer than the patience of [`Stage::impatient`].
const TOO_LONG: FaultKind = FaultKind::Latency(Duration::from_millis(600));

/// Every kind of fault in turn, first in front of copies, then in front of the other operations in turn.
fn fault(number: usize) -> (FaultKind, &'static str) {
    let kinds = [
        FaultKind::SlowDown,
        FaultKind::InternalError,
        FaultKind::RequestLost,
        FaultKind::ResponseLost,
        FaultKind::BadGateway,
        TOO_LONG,
    ];
    let others = ["HeadObject", "PutObject", "ListObjectsV2", "DeleteObjects"];
    let (round, kind) = (number / kinds.len(), number % kinds.len());
    let operation = match round {
        0 => "CopyObject",
        _ => others[(round + kind) % others.len()],
    };
    (kinds[kind].clone(), operation)
}

fn case() -> impl Strategy<Value = Case> {
    let meanwhile = prop_oneof![
        3 => Just(Vec::new()),
        1 => proptest::collection::vec(any::<u8>(), 1..4),
    ];
    (tree(), tree(), any::<bool>(), meanwhile).prop_map(
        |(mut source, destination, delete, meanwhile)| {
            // The guard lets no plan pass that deletes while the source lists nothing.
            if delete && source.is_empty() {
                let (body, metadata, tag, twice) = (vec![1], None, None, false);
                let object = Object {
                    body,
                    metadata,
                    tag,
                    twice,
                };
                source.insert("only".to_owned(), object);
            }
            Case {
                source,
                destination,
                delete,
                meanwhile,
            }
        },
    )
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

/// Overwrites some keys of the source, the first as soon as a copy has begun.
async fn overwrite(stage: &Stage, case: &Case) {
    let copying = || {
        let log = stage.aws.log();
        log.iter().any(|entry| entry.operation == "CopyObject")
    };
    let keys: Vec<&String> = case.source.keys().collect();
    // Nothing may be copied at all.
    for _ in 0..200 {
        if copying() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for choice in &case.meanwhile {
        if let Some(key) = keys.get(usize::from(*choice) % keys.len().max(1)) {
            stage.put_source(key, b"overwritten").await;
        }
    }
}

/// Returns the faults that hit.
async fn run(stage: &Stage, number: usize, case: &Case) -> BTreeSet<String> {
    clear(&stage.from, "photos").await;
    clear(&stage.to, "photos-dr").await;
    fill(&stage.from, "photos", &case.source).await;
    fill(&stage.to, "photos-dr", &case.destination).await;
    let before = stage.destination().await;
    let at_first = stage.source().await;
    let options = PlanOptions {
        delete: case.delete,
        headers: true,
        ..options()
    };
    stage.aws.clear_log();
    let (kind, operation) = fault(number);
    let fault = Fault::new(kind).service("s3").operation(operation);
    // Fewer than one call is tried.
    stage.aws.add_fault(fault.share(0.7).times(6));
    let name = format!("run-{number}");
    let ((plan, done), ()) = tokio::join!(stage.sync(&name, &options), overwrite(stage, case));
    stage.aws.clear_faults();
    assert!(done.is_complete(), "{case:?} {done:?}");
    let log = stage.aws.log();
    let hit = log.into_iter().filter_map(|entry| entry.fault).collect();

    // Objects are whole: as the source had them before or after, or as they were.
    let source = stage.source().await;
    let there = stage.destination().await;
    for (key, object) in &there {
        let whole = [&at_first, &source, &before]
            .iter()
            .any(|tree| tree.get(key) == Some(object));
        assert!(
            whole,
            "{key:?} is none of what was written: {object:?} {case:?}"
        );
    }
    let mut expected = source.clone();
    if !case.delete {
        for (key, object) in &before {
            expected
                .entry(key.clone())
                .or_insert_with(|| object.clone());
        }
    }
    assert_eq!(
        there.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "{case:?} {plan:?}"
    );
    if case.meanwhile.is_empty() {
        assert_eq!(there, expected, "{case:?} {plan:?}");
    }

    stage.undo(&name, &format!("undo-{number}")).await;
    assert_eq!(stage.destination().await, before, "undo: {case:?}");
    // What was undone can be undone in turn.
    stage
        .undo(&format!("undo-{number}"), &format!("redo-{number}"))
        .await;
    assert_eq!(stage.destination().await, there, "redo: {case:?}");

    // What was written meanwhile comes with the next run.
    let (_, done) = stage.sync(&format!("next-{number}"), &options).await;
    assert!(done.is_complete(), "{case:?} {done:?}");
    assert_eq!(stage.destination().await, expected, "next: {case:?}");
    let finding = stage.parity(Mode::Auto).await.finding;
    assert_eq!(finding == Finding::Same, expected == source, "{case:?}");
    hit
}

#[tokio::test]
async fn sync_under_faults_reaches_the_model_and_undo_brings_back_what_was() {
    let Some(stage) = Stage::impatient().await else {
        return;
    };
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    });
    let mut hit = BTreeSet::new();
    let mut overwritten = 0;
    for number in 0..18 {
        let case = case().new_tree(&mut runner).unwrap().current();
        overwritten += case.meanwhile.len();
        hit.extend(run(&stage, number, &case).await);
    }
    // The cases are the same every time; these are worth something only when all of this was in them.
    let all = [
        "bad-gateway",
        "internal-error",
        "latency",
        "request-lost",
        "response-lost",
        "slow-down",
    ];
    assert_eq!(hit.iter().collect::<Vec<_>>(), all);
    assert!(overwritten > 0);
}
