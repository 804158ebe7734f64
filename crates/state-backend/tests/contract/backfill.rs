//! What replication never saw, copied, whatever happens meanwhile.

use std::time::Duration;

use jiff::Timestamp;
use local_aws::{Fault, FaultKind};
use report::Silent;
use state_backend::{Backend, Backfill, BackfillOutcome, NotCopied};

use crate::Stage;
use crate::inventory::{Two, delete, put};

const KEYS: [&str; 3] = ["a/terraform.tfstate", "b.json", "c d/é"];

fn state(serial: u64) -> String {
    format!(r#"{{"version":4,"serial":{serial},"lineage":"l","resources":[]}}"#)
}

async fn plan(backend: &Backend) -> Backfill {
    let plan = backend.backfill_plan(Timestamp::UNIX_EPOCH).await;
    plan.expect("both buckets can be listed")
}

/// How each object ended, by its key.
fn ends(backfill: &Backfill) -> Vec<(&str, &'static str)> {
    let objects = backfill.objects.iter();
    objects
        .map(|object| {
            let end = match &object.outcome {
                BackfillOutcome::Planned => "planned",
                BackfillOutcome::Copied => "copied",
                BackfillOutcome::Left { left } => match left.kind {
                    NotCopied::Differs => "differs",
                    NotCopied::Changed => "changed",
                    _ => "left",
                },
                _ => "unknown",
            };
            (object.key.as_str(), end)
        })
        .collect()
}

pub(crate) async fn a_backfill_cut_off_at_any_request_is_ended_by_the_next(stage: &Stage) {
    let two = Two::make(stage).await;
    let backend = stage.backend().await;
    for key in KEYS {
        put(&two.primary, key, &state(1)).await;
    }
    for cut in 1.. {
        for key in KEYS {
            forget(&two, key).await;
        }
        let approved = plan(&backend).await.approve();
        stage.aws.clear_log();
        let whole = tokio::select! {
            done = backend.backfill(&approved, &Silent) => Some(done),
            () = reached(stage, cut) => None,
        };
        let approved = plan(&backend).await.approve();
        backend.backfill(&approved, &Silent).await;
        let after = plan(&backend).await;
        assert_eq!(
            (after.replicated, ends(&after)),
            (3, Vec::new()),
            "cut at {cut}"
        );
        if whole.is_some() {
            break;
        }
    }
}

/// Removes every version, so that nothing says that there was one.
async fn forget(two: &Two, key: &str) {
    let (clients, side) = &two.dr;
    let bucket = side.bucket.as_str();
    let versions = aws_env::list_versions(clients, bucket, key).await;
    let versions = versions.expect("a list");
    let gone = aws_env::delete_versions(clients, bucket, &versions).await;
    gone.expect("deleted");
}

/// Until this many requests have come.
async fn reached(stage: &Stage, requests: usize) {
    while stage.aws.log().len() < requests {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) async fn a_backfill_replaces_nothing_that_came_meanwhile(stage: &Stage) {
    let two = Two::make(stage).await;
    let backend = stage.backend().await;
    for key in KEYS {
        put(&two.primary, key, &state(1)).await;
    }
    let approved = plan(&backend).await.approve();
    // Written in DR, written again, and deleted, after somebody has agreed.
    put(&two.dr, KEYS[0], &state(9)).await;
    put(&two.primary, KEYS[1], &state(2)).await;
    delete(&two.primary, KEYS[2]).await;
    let done = backend.backfill(&approved, &Silent).await;
    assert_eq!(
        ends(&done),
        [
            (KEYS[0], "differs"),
            (KEYS[1], "changed"),
            (KEYS[2], "changed")
        ]
    );
    let again = plan(&backend).await;
    assert_eq!(ends(&again), [(KEYS[0], "differs"), (KEYS[1], "planned")]);

    // An object that cannot be asked for hides no other.
    let denied = Fault::new(FaultKind::Denied).operation("HeadObject");
    stage.aws.add_fault(denied.times(1));
    let denied = plan(&backend).await;
    assert_eq!(ends(&denied).len(), 2);
    let unknown = ends(&denied)
        .into_iter()
        .filter(|(_, end)| *end == "unknown");
    assert_eq!(unknown.count(), 1, "{denied:#?}");
}
