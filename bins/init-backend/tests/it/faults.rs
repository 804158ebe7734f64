//! Regions that are gone, calls that fail, processes that are killed.

use std::time::Duration;

use local_aws::{Fault, FaultKind, RegionState};
use serde_json::Value;

use crate::stage::{DR, PRIMARY, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn with_the_dr_region_down_the_primary_is_done_and_a_rerun_completes() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.aws.set_region(DR, RegionState::Refuse);
    let applied = stage.apply().await.exits(3).json();
    let steps = applied["steps"].as_array().expect("steps");
    let outcome = |region: &str, kind: &str| -> Vec<&Value> {
        let of = steps
            .iter()
            .filter(|step| step["region"] == region && step["kind"] == kind);
        of.map(|step| &step["outcome"]).collect()
    };
    assert!(
        outcome(PRIMARY, "table")
            .iter()
            .all(|outcome| *outcome == "done" || *outcome == "unchanged")
    );
    assert!(
        outcome(DR, "bucket")
            .iter()
            .all(|outcome| *outcome == "not done"),
        "{applied:#}"
    );
    let replication = steps.iter().find(|step| step["aspect"] == "replication");
    assert_eq!(
        replication.map(|step| &step["outcome"]),
        Some(&"not done".into())
    );
    stage.run(&["verify"]).await.exits(1);

    stage.aws.set_region(DR, RegionState::Up);
    stage.apply().await.exits(0);
    stage.run(&["verify"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_unknown_and_never_ok() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    stage.aws.clear_log();
    let verified = stage
        .run(&["verify", "--output", "json"])
        .await
        .exits(3)
        .json();
    let items = verified["items"].as_array().expect("items");
    for item in items.iter().filter(|item| item["region"] == PRIMARY) {
        assert_eq!(item["status"], "unknown", "{item:#}");
        assert_eq!(item["problem"]["class"], "unreachable", "{item:#}");
    }
    let status = stage
        .run(&["status", "--output", "json"])
        .await
        .exits(3)
        .json();
    assert_eq!(status["states"][0]["relation"], "unknown");
    // After the first questions, whether any of its services answers, nobody asks the lost region again.
    let first = ["GetCallerIdentity", "ListBuckets", "ListTables"];
    let asked: Vec<String> = stage
        .aws
        .log()
        .into_iter()
        .filter(|entry| {
            entry.region.as_deref() == Some(PRIMARY) && !first.contains(&entry.operation.as_str())
        })
        .map(|entry| entry.operation)
        .collect();
    assert_eq!(asked, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_account_still_converges() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage
        .aws
        .add_fault(Fault::new(FaultKind::SlowDown).share(0.3));
    stage.apply().await.exits(0);
    stage.aws.clear_faults();
    stage.run(&["verify"]).await.exits(0);
    let hurt = stage
        .aws
        .log()
        .iter()
        .filter(|entry| entry.fault.is_some())
        .count();
    assert!(hurt >= 20, "the fault was there: {hurt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_do_no_harm() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    for operation in [
        "CreateBucket",
        "CreateTable",
        "CreateRole",
        "PutBucketReplication",
    ] {
        stage.aws.add_fault(
            Fault::new(FaultKind::ResponseLost)
                .operation(operation)
                .times(1),
        );
    }
    stage.apply().await.exits(0);
    stage.run(&["verify"]).await.exits(0);
    let lost = stage
        .aws
        .log()
        .iter()
        .filter(|entry| entry.fault.is_some())
        .count();
    assert_eq!(lost, 4, "every one of them was lost once");
}

/// Kills the program when the local AWS has seen its n-th request, for twenty n that are spread over
/// a whole run by a fixed sequence, each on top of what the one before left.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_goes_on_where_it_was() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    // Not the very last ones: the program could end by itself before it is killed.
    let whole = stage.aws.log().len() * 9 / 10;
    drop(stage);

    let mut moment = 7;
    for round in 0..20 {
        let Some(stage) = Stage::open().await else {
            return;
        };
        moment = (moment * 37 + 11) % whole;
        // The request waits, so that the program does too, however fast it is.
        let wait = Fault::new(FaultKind::Latency(Duration::from_secs(600)));
        let held = stage.aws.add_fault(wait.nth(moment.max(1) as u64));
        let is_held = || {
            let mut faults = stage.aws.faults().into_iter();
            faults.any(|(id, fault)| id == held && fault.times == Some(0))
        };
        let mut child = stage
            .command(&["apply", "--yes"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the program starts");
        while !is_held() && child.try_wait().expect("waited").is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        child.kill().expect("killed");
        stage.aws.remove_fault(held);
        let status = child.wait().expect("waited");
        assert!(
            status.code().is_none(),
            "round {round}: ended by itself at {moment} of {whole}"
        );
        stage.apply().await.exits(0);
        stage.run(&["verify"]).await.exits(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_after_a_canary_that_did_not_arrive_runs_it_again() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    // The DR side stops answering reads of the canary: it never comes out.
    stage.aws.add_fault(
        Fault::new(FaultKind::Denied)
            .operation("GetObject")
            .region(DR),
    );
    let ran = stage
        .run(&["verify", "--canary", "--canary-timeout", "2s"])
        .await
        .exits(3);
    assert!(ran.stderr().contains("access denied"), "{}", ran.stderr());
    stage.aws.clear_faults();
    let applied = stage.apply().await.exits(0).json();
    assert_eq!(applied["unchanged"], 33, "{applied:#}");
    let key = applied["canary"]["key"].as_str().unwrap_or_default();
    assert!(
        key.starts_with("init-backend/replication-canary/"),
        "{applied:#}"
    );
    for (region, bucket) in [
        (PRIMARY, "berthcare-terraform-state"),
        (DR, "berthcare-terraform-state-dr"),
    ] {
        let s3 = stage.clients(region).await.s3;
        let left = s3
            .list_object_versions()
            .bucket(bucket)
            .send()
            .await
            .expect("listed");
        assert!(left.versions().is_empty(), "{left:?}");
    }
    let verified = stage
        .run(&["verify", "--canary", "--output", "json"])
        .await
        .exits(0)
        .json();
    assert!(
        verified["canary"]["replicated_ms"].is_number(),
        "{verified:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn canaries_of_six_runs_at_once_all_come_through() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let runs: Vec<_> = (0..6)
        .map(|_| {
            let mut command = stage.command(&["verify", "--canary"]);
            let pipe = std::process::Stdio::piped;
            command
                .stdout(pipe())
                .stderr(pipe())
                .spawn()
                .expect("the program starts")
        })
        .collect();
    for run in runs {
        let output = run.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    for (region, bucket) in [
        (PRIMARY, "berthcare-terraform-state"),
        (DR, "berthcare-terraform-state-dr"),
    ] {
        let s3 = stage.clients(region).await.s3;
        let left = s3.list_object_versions().bucket(bucket).prefix("init-");
        let left = left.send().await.expect("listed");
        assert!(left.versions().is_empty(), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn canary_and_locks_with_lists_in_pages_of_one_miss_nothing() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let put = async |key: &str, body: &str| {
        let s3 = stage.clients(PRIMARY).await.s3;
        s3.put_object()
            .bucket("berthcare-terraform-state")
            .key(key)
            .body(body.as_bytes().to_vec().into())
            .send()
            .await
            .expect("the object is written");
    };
    for leftover in ["1", "2", "3"] {
        put("init-backend/replication-canary", leftover).await;
    }
    for lock in ["a.tflock", "staging/b.tflock"] {
        put(lock, "{}").await;
    }
    stage
        .aws
        .add_fault(Fault::new(FaultKind::Pages).service("s3"));
    stage.run(&["verify", "--canary"]).await.exits(0);
    let held = stage
        .run(&["locks", "--output", "json"])
        .await
        .exits(0)
        .json();
    let locks = held["sides"][0]["locks"].as_array().map(Vec::len);
    assert_eq!(locks, Some(2), "{held:#}");
    stage.aws.clear_faults();
    for (region, bucket) in [
        (PRIMARY, "berthcare-terraform-state"),
        (DR, "berthcare-terraform-state-dr"),
    ] {
        let s3 = stage.clients(region).await.s3;
        let left = s3.list_object_versions().bucket(bucket).prefix("init-");
        let left = left.send().await.expect("listed");
        assert!(
            left.versions().is_empty() && left.delete_markers().is_empty(),
            "{left:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_that_are_refused_are_unknown_and_told_by_the_exit() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    stage.run(&["status"]).await.exits(0);
    stage
        .aws
        .add_fault(Fault::new(FaultKind::Denied).service("monitoring"));
    stage.run(&["status"]).await.exits(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_is_not_changed_without_asking() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    stage.aws.clear_log();
    stage.aws.add_fault(
        Fault::new(FaultKind::Denied)
            .operation("GetBucketTagging")
            .times(1),
    );
    stage.run(&["apply"]).await.exits(4);
    assert_eq!(stage.mutations(), Vec::<String>::new());
}
