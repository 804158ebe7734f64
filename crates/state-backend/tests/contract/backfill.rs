//! What replication never saw, copied, whatever happens meanwhile.

use std::time::Duration;

use jiff::Timestamp;
use local_aws::{Fault, FaultKind};
use report::Silent;
use settings::RoleArn;
use state_backend::{
    Backend, Backfill, BackfillError, BackfillLimits, BackfillOutcome, BatchJob, NotCopied,
    Observation,
};

use crate::Stage;
use crate::fixtures::{apply, bare};
use crate::inventory::{Two, delete, put, version};
use crate::kills::{cut_off, empty};

const KEYS: [&str; 3] = ["a/terraform.tfstate", "b.json", "c d/é"];

fn state(serial: u64) -> String {
    format!(r#"{{"version":4,"serial":{serial},"lineage":"l","resources":[]}}"#)
}

async fn plan(backend: &Backend) -> Backfill {
    let plan = backend
        .backfill_plan(BackfillLimits::default(), None, Timestamp::UNIX_EPOCH)
        .await;
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

fn role() -> RoleArn {
    let role = "arn:aws:iam::000000000000:role/batch-replication".parse();
    role.expect("the ARN of a role")
}

/// What has more than ten bytes is left to S3.
async fn plan_with_job(backend: &Backend) -> Backfill {
    let limits = BackfillLimits {
        bytes: 10,
        ..BackfillLimits::default()
    };
    let plan = backend
        .backfill_plan(limits, Some(&role()), Timestamp::UNIX_EPOCH)
        .await;
    plan.expect("both buckets can be listed")
}

async fn replicate(backend: &Backend, wait: Duration) -> Result<BatchJob, BackfillError> {
    let plan = plan_with_job(backend).await;
    let approved = plan.approve_batch().expect("nothing is in the way");
    backend.replicate_in_batch(&approved, wait, &Silent).await
}

/// Two buckets with the rule between them, and objects that it has not seen.
async fn unreplicated(two: &Two, keys: &[&str]) {
    for side in [&two.primary, &two.dr] {
        empty(side).await;
    }
    let (clients, side) = &two.primary;
    let bucket = side.bucket.as_str();
    let rules = clients.s3.get_bucket_replication().bucket(bucket).send();
    let rules = rules.await.expect("there is one").replication_configuration;
    let off = clients.s3.delete_bucket_replication().bucket(bucket).send();
    off.await.expect("switched off");
    for key in keys {
        put(&two.primary, key, &state(1)).await;
    }
    let on = clients.s3.put_bucket_replication().bucket(bucket);
    let on = on.set_replication_configuration(rules).send();
    on.await.expect("switched on");
}

/// How many jobs S3 was asked for, if the request arrived.
fn jobs_made(stage: &Stage) -> usize {
    let log = stage.aws.log();
    let made = log
        .iter()
        .filter(|entry| entry.operation == "POST /v20180820/jobs");
    made.filter(|entry| entry.fault.as_deref() != Some("request-lost"))
        .count()
}

// aws-behaviour: 13
pub(crate) async fn a_backfill_by_a_job_is_followed_to_its_end_and_seen_in_dr(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let two = Two::of(stage).await;
    unreplicated(&two, &KEYS).await;
    let first = plan_with_job(&backend).await;
    let batch = first.replication.as_ref().expect("for a job");
    assert_eq!((batch.objects, batch.larger_than), (3, Some(10)));
    assert_eq!(first.planned(), 0);
    // It runs on when nobody waits, and is found by the next one.
    let begun = replicate(&backend, Duration::ZERO).await.expect("made");
    assert!(!begun.ended && !begun.found, "{begun:?}");
    let ended = replicate(&backend, Duration::from_secs(60)).await;
    let ended = ended.expect("followed");
    assert_eq!((&ended.id, ended.found), (&begun.id, true));
    assert!(ended.is_complete(), "{ended:?}");
    assert_eq!((ended.objects, ended.succeeded), (3, 3));
    assert_eq!(jobs_made(stage), 1);
    let after = plan_with_job(&backend).await;
    assert_eq!((after.replicated, ends(&after)), (3, Vec::new()));
    let mut done = first;
    done.settle_batch(ended, &after);
    assert!(
        ends(&done).iter().all(|(_, end)| *end == "copied"),
        "{done:#?}"
    );
}

/// What fails is named by the job's report, and the next job is another one.
pub(crate) async fn a_backfill_by_a_job_that_fails_says_for_what(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let two = Two::of(stage).await;
    unreplicated(&two, &KEYS[..1]).await;
    let (clients, side) = &two.primary;
    let bucket = side.bucket.as_str();
    let begun = replicate(&backend, Duration::ZERO).await.expect("made");
    let rules = clients.s3.get_bucket_replication().bucket(bucket).send();
    let rules = rules.await.expect("there is one").replication_configuration;
    let off = clients.s3.delete_bucket_replication().bucket(bucket).send();
    off.await.expect("switched off");
    let failed = replicate(&backend, Duration::from_secs(60)).await;
    let failed = failed.expect("followed");
    assert_eq!((&failed.id, failed.failed), (&begun.id, 1));
    assert!(failed.ended && !failed.is_complete(), "{failed:?}");
    assert_eq!(failed.failures[0].key, KEYS[0], "{failed:?}");
    let on = clients.s3.put_bucket_replication().bucket(bucket);
    let on = on.set_replication_configuration(rules).send();
    on.await.expect("switched on");
    let next = replicate(&backend, Duration::from_secs(60)).await;
    let next = next.expect("followed");
    assert!(next.is_complete() && next.id != failed.id, "{next:?}");
}

/// A replica would become the current version over what is there.
pub(crate) async fn a_backfill_by_a_job_over_what_dr_has_is_refused(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let two = Two::of(stage).await;
    unreplicated(&two, &KEYS).await;
    put(&two.dr, KEYS[0], &state(9)).await;
    let plan = plan_with_job(&backend).await;
    assert!(plan.approve_batch().is_none());
    assert!(plan.batch.is_none(), "{:?}", plan.batch);
    let batch = plan.replication.expect("for a job");
    let refused = batch.refused.expect("refused");
    assert!(refused.contains(KEYS[0]), "{refused}");
}

/// A job replicates what was there before the primary bucket kept versions, too: over what DR has written meanwhile, and
/// with a version ID that no version of the primary side has.
// aws-behaviour: 46
pub(crate) async fn a_write_of_dr_below_a_replica_of_a_null_version_is_told(stage: &Stage) {
    let backend = bare(stage).await;
    let two = Two::of(stage).await;
    let key = "staging/terraform.tfstate";
    put(&two.primary, key, &state(1)).await;
    apply(&backend).await;
    let lost = async || {
        let inventory = backend.inventory(Timestamp::UNIX_EPOCH).await;
        let mut states = inventory.states.into_iter();
        let found = states.find(|found| found.state.object() == key).expect(key);
        match found.overwritten {
            Observation::Known(lost) => lost.map(|lost| lost.version),
            Observation::Unknown { problem } => panic!("{problem}"),
        }
    };
    let approved = plan_with_job(&backend).await.approve_batch();
    let approved = approved.expect("nothing is in the way");
    put(&two.dr, key, &state(2)).await;
    put(&two.dr, key, &state(3)).await;
    let drill = version(&two.dr, key).await;
    assert_eq!(lost().await, None, "it is what is there");
    let job = backend.replicate_in_batch(&approved, Duration::from_secs(60), &Silent);
    assert!(job.await.expect("followed").is_complete());
    assert_eq!(lost().await, Some(drill.clone()));
    // Further writes of the primary side do not hide it.
    put(&two.primary, key, &state(2).replace("\"l\"", "\"m\"")).await;
    assert_eq!(lost().await, Some(drill));
    // Nor is anything lost that the primary side has by now.
    put(&two.primary, key, &state(3)).await;
    put(&two.primary, key, &state(4)).await;
    assert_eq!(lost().await, None);
}

pub(crate) async fn a_backfill_by_a_job_cut_off_at_any_request_makes_one_job(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let two = Two::of(stage).await;
    let wait = Duration::from_secs(60);
    let mut cuts = 0;
    for nth in 1_u64.. {
        unreplicated(&two, &KEYS[..1]).await;
        let approved = plan_with_job(&backend).await.approve_batch();
        let approved = approved.expect("nothing is in the way");
        stage.aws.clear_log();
        // Even ones are cut off after AWS has acted.
        let kind = match nth % 2 {
            0 => FaultKind::ResponseLost,
            _ => FaultKind::RequestLost,
        };
        let fault = Fault::new(kind).nth(nth.div_ceil(2));
        let run = backend.replicate_in_batch(&approved, wait, &Silent);
        let is_cut = cut_off(stage, fault, run).await;
        // As the next run does: it looks what is left first.
        if let Some(left) = plan_with_job(&backend).await.approve_batch() {
            let job = backend.replicate_in_batch(&left, wait, &Silent).await;
            assert!(
                job.as_ref().is_ok_and(BatchJob::is_complete),
                "{nth}: {job:?}"
            );
        }
        assert_eq!(jobs_made(stage), 1, "{nth}");
        let after = plan_with_job(&backend).await;
        assert_eq!((after.replicated, ends(&after)), (1, Vec::new()), "{nth}");
        if !is_cut {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 8, "{cuts}");
}
