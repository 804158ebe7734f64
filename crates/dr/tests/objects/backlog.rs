//! How much of a bucket its copy lacks, and what is said where nobody tells.

use std::time::Duration;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
use dr::objects::{
    Backlog, BacklogOptions, FenceWanted, Reading, Tally, backlog_by_metrics, backlog_by_statuses,
};
use jiff::Timestamp;
use local_aws::RegionState;
use report::finding::Status;

use crate::keyed::{encrypt_both, replicate};
use crate::stage::{DR, PRIMARY, Stage, options, pair};

const OPTIONS: BacklogOptions = BacklogOptions {
    listings: 2,
    most_heads: 100,
};

impl Stage {
    /// As S3 publishes it in the DR region.
    async fn publish(&self, rule: &str, metric: &str, value: f64, at: Timestamp) {
        let dimension =
            |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        let datum = MetricDatum::builder()
            .metric_name(metric)
            .dimensions(dimension("SourceBucket", "photos"))
            .dimensions(dimension("DestinationBucket", "photos-dr"))
            .dimensions(dimension("RuleId", rule))
            .timestamp(DateTime::from_secs(at.as_second()))
            .value(value)
            .build();
        let put = self.to.cloudwatch.put_metric_data().namespace("AWS/S3");
        put.metric_data(datum).send().await.unwrap();
    }

    async fn by_statuses(&self, options: BacklogOptions) -> Backlog {
        let both = self.env.both(self.from.region, self.to.region);
        backlog_by_statuses(&both, &pair(), options, Timestamp::now()).await
    }
}

fn tally(reading: &Reading<Tally>) -> Option<(u64, u64)> {
    let tally = reading.known()?;
    Some((tally.objects, tally.bytes))
}

fn reason<T: std::fmt::Debug>(reading: &Reading<T>) -> &str {
    match reading {
        Reading::Unknown { reason } => reason,
        Reading::Known { .. } => "",
    }
}

// aws-behaviour: 16
#[tokio::test]
async fn backlog_by_metrics_is_what_the_dr_region_was_told_last() {
    let stage = stage!();
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    let before = stage.aws.log().len();
    let (dr, pair) = (stage.dr_only(), pair());
    let now = Timestamp::now();
    let minutes_ago = |minutes: i64| now - jiff::SignedDuration::from_mins(minutes);
    let silent = backlog_by_metrics(&dr, &pair, now).await;
    assert!(!reason(&silent.pending).is_empty(), "{silent:?}");

    stage
        .publish("photos-to-dr", "ReplicationLatency", 600.0, minutes_ago(40))
        .await;
    stage
        .publish("photos-to-dr", "ReplicationLatency", 90.0, minutes_ago(10))
        .await;
    stage
        .publish(
            "photos-to-dr",
            "OperationsPendingReplication",
            2.0,
            minutes_ago(10),
        )
        .await;
    let partly = backlog_by_metrics(&dr, &pair, now).await;
    assert_eq!(partly.lag_seconds.known(), Some(&90));
    assert!(
        reason(&partly.pending).contains("BytesPendingReplication"),
        "{partly:?}"
    );
    stage
        .publish(
            "photos-to-dr",
            "BytesPendingReplication",
            5.0,
            minutes_ago(10),
        )
        .await;
    // A second rule, which is silent since then.
    for (metric, value) in [
        ("ReplicationLatency", 30.0),
        ("OperationsPendingReplication", 1.0),
        ("BytesPendingReplication", 7.0),
    ] {
        stage
            .publish("archive", metric, value, minutes_ago(60))
            .await;
    }
    let told = backlog_by_metrics(&dr, &pair, now).await;
    assert_eq!(
        told.pending.known(),
        Some(&Tally {
            objects: 3,
            bytes: 12
        })
    );
    let oldest = told.oldest.known().unwrap().clone().unwrap();
    let at = told.oldest.at().unwrap();
    // As of the rule that is silent longest.
    assert!(
        (at.as_second() - minutes_ago(60).as_second()).abs() < 60,
        "{told:?}"
    );
    assert_eq!(at.as_second() - oldest.written.as_second(), 90);
    assert!(!reason(&told.failed).is_empty(), "{told:?}");
    // An hour old, it says nothing about now.
    let findings = told.findings(Duration::from_secs(900));
    assert!(
        findings
            .iter()
            .all(|finding| finding.status == Status::Unknown),
        "{findings:?}"
    );
    let asked = stage.aws.log().split_off(before);
    let to_dr = asked
        .iter()
        .all(|entry| entry.region.as_deref() == Some(DR));
    assert!(to_dr, "{asked:?}");
}

#[tokio::test]
async fn backlog_by_statuses_tells_what_waits_has_failed_or_has_no_rule() {
    let stage = stage!();
    stage.put_source("before-the-rule", b"12345").await;
    replicate(&stage).await;
    for key in ["arrived", "rewritten"] {
        stage.put_source(key, b"x").await;
    }
    let whole = stage.by_statuses(OPTIONS).await;
    assert_eq!(whole.pending.known(), Some(&Tally::default()), "{whole:?}");
    assert_eq!(whole.oldest.known(), Some(&None));
    assert_eq!(
        whole.uncovered.known(),
        Some(&Tally {
            objects: 1,
            bytes: 5
        })
    );

    // S3 gives up on what DR refuses.
    let fenced = stage.make_fence(FenceWanted::Fenced).await;
    assert!(fenced.holds(), "{fenced:?}");
    stage.put_source("refused", b"123").await;
    assert!(stage.make_fence(FenceWanted::Unfenced).await.holds());
    stage.aws.set_region(DR, RegionState::Refuse);
    stage.put_source("rewritten", b"xy").await;
    stage.put_source("late", b"x").await;
    let lost = stage.by_statuses(OPTIONS).await;
    assert!(
        !reason(&lost.pending).is_empty() && !reason(&lost.failed).is_empty(),
        "{lost:?}"
    );
    stage.aws.set_region(DR, RegionState::Up);
    let arrived = stage.by_statuses(OPTIONS).await;
    assert_eq!(
        arrived.pending.known(),
        Some(&Tally::default()),
        "{arrived:?}"
    );
    assert_eq!(
        arrived.failed.known(),
        Some(&Tally {
            objects: 1,
            bytes: 3
        })
    );

    // More than may be asked about is not known.
    let few = BacklogOptions {
        most_heads: 1,
        ..OPTIONS
    };
    let few = stage.by_statuses(few).await;
    assert!(reason(&few.failed).contains("too many"), "{few:?}");
    let statuses: Vec<Status> = arrived
        .findings(Duration::from_secs(900))
        .iter()
        .map(|finding| finding.status)
        .collect();
    assert_eq!(
        statuses,
        [Status::Ok, Status::Ok, Status::Wrong, Status::Wrong]
    );
}

/// The status of a version stays `FAILED` for ever, and a copy by a sync is a version of its own.
// aws-behaviour: 84
#[tokio::test]
async fn backlog_of_failures_that_a_sync_has_copied_is_none() {
    for keyed in [false, true] {
        let stage = stage!();
        if keyed {
            encrypt_both(&stage).await;
        }
        stage.put_source("before-the-rule", b"12345").await;
        replicate(&stage).await;
        assert!(stage.make_fence(FenceWanted::Fenced).await.holds());
        for key in ["refused", "rewritten"] {
            stage.put_source(key, b"123").await;
        }
        assert!(stage.make_fence(FenceWanted::Unfenced).await.holds());
        let open = stage.by_statuses(OPTIONS).await;
        assert_eq!(tally(&open.failed), Some((2, 6)), "{open:?}");
        assert_eq!(tally(&open.uncovered), Some((1, 5)), "{open:?}");

        let planned = stage.plan(&options()).await;
        assert_eq!(stage.apply("r1", planned).await.unwrap().copied.objects, 3);
        let copied = stage.by_statuses(OPTIONS).await;
        assert_eq!(tally(&copied.failed), Some((0, 0)), "{copied:?}");
        assert_eq!(tally(&copied.uncovered), Some((0, 0)), "{copied:?}");
        let findings = copied.findings(Duration::from_secs(900));
        assert!(
            findings.iter().all(|finding| finding.status == Status::Ok),
            "{findings:?}"
        );
        let head = stage.from.s3.head_object().bucket("photos").key("refused");
        let status = head.send().await.unwrap().replication_status.unwrap();
        assert_eq!(status.as_str(), "FAILED");

        // Other content of the same length, and what is gone, is open again.
        stage.put_destination("rewritten", b"xyz").await;
        stage.delete("before-the-rule").await;
        let open = stage.by_statuses(OPTIONS).await;
        assert_eq!(tally(&open.failed), Some((1, 3)), "{open:?}");
        assert_eq!(tally(&open.uncovered), Some((1, 5)), "{open:?}");
    }
}
