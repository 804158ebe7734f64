//! What a primary region delivers when it comes back stays out of the DR buckets of a failover.

use dr::objects::{
    FencePlan, FenceStep, FenceWanted, PairedBucket, RunId, apply_fence, plan_fence,
};
use local_aws::{Fault, FaultKind, Moment, RegionState};
use serde_json::{Value, json};

use crate::keyed::replicate;
use crate::killed::runs_to_its_end;
use crate::stage::{DR, PRIMARY, Stage, pair};

fn run() -> RunId {
    "20261130T025905Z-0123456789abcdef".parse().unwrap()
}

impl Stage {
    async fn policy(&self) -> Option<String> {
        let get = self.to.s3.get_bucket_policy().bucket("photos-dr");
        match get.send().await {
            Ok(answer) => answer.policy,
            Err(error) => {
                let status = error.raw_response().unwrap().status().as_u16();
                assert_eq!(status, 404);
                None
            }
        }
    }

    async fn put_policy(&self, policy: &Value) {
        let put = self.to.s3.put_bucket_policy().bucket("photos-dr");
        put.policy(policy.to_string()).send().await.unwrap();
    }

    pub(crate) async fn make_fence(&self, wanted: FenceWanted) -> FencePlan {
        let (dr, buckets) = (self.dr_only(), [pair().dr]);
        let plan = plan_fence(&dr, &buckets, &run(), wanted).await;
        apply_fence(&dr, &plan).await
    }
}

fn of_others() -> Value {
    json!({"Version": "2012-10-17", "Id": "theirs", "Statement": [
        {"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": ["arn:aws:s3:::photos-dr", "arn:aws:s3:::photos-dr/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::photos-dr/*"}]})
}

// aws-behaviour: 39
#[tokio::test]
async fn fence_keeps_out_what_a_primary_region_delivers_when_it_comes_back() {
    let stage = stage!();
    replicate(&stage).await;
    for key in ["edited", "deleted"] {
        stage.put_source(key, b"before").await;
    }
    stage.aws.set_region(DR, RegionState::Refuse);
    stage.put_source("edited", b"late").await;
    stage.put_source("new", b"late").await;
    let delete = stage.from.s3.delete_object().bucket("photos");
    delete.key("deleted").send().await.unwrap();
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    stage.aws.set_region(DR, RegionState::Up);

    let fenced = stage.make_fence(FenceWanted::Fenced).await;
    assert!(fenced.holds(), "{fenced:?}");
    stage.put_destination("edited", b"written in DR").await;
    // Nothing of it asked the lost region.
    let log = stage.aws.log();
    assert!(
        log.iter().all(
            |entry| entry.operation != "PutBucketPolicy" || entry.region.as_deref() == Some(DR)
        )
    );
    stage.aws.set_region(PRIMARY, RegionState::Up);
    stage.put_source("after", b"late").await;
    assert_eq!(stage.keys().await, ["deleted", "edited"]);
    assert_eq!(stage.destination().await["edited"].body, b"written in DR");
    for key in ["edited", "new", "after"] {
        let head = stage.from.s3.head_object().bucket("photos").key(key);
        let status = head.send().await.unwrap().replication_status.unwrap();
        assert_eq!(status.as_str(), "FAILED", "{key}");
    }

    let unfenced = stage.make_fence(FenceWanted::Unfenced).await;
    assert!(unfenced.holds(), "{unfenced:?}");
    stage.put_source("again", b"arrives").await;
    assert_eq!(stage.keys().await, ["again", "deleted", "edited"]);
}

#[tokio::test]
async fn fence_and_unfence_leave_the_policy_of_others_as_it_was() {
    let stage = stage!();
    for others in [Some(of_others()), None] {
        if let Some(others) = &others {
            stage.put_policy(others).await;
        }
        let before = stage.policy().await;
        let (dr, buckets) = (stage.dr_only(), [pair().dr]);
        let plan = plan_fence(&dr, &buckets, &run(), FenceWanted::Fenced).await;
        let wanted = match others {
            Some(_) => FenceStep::AddStatement { kept: 2 },
            None => FenceStep::PutPolicy,
        };
        assert_eq!(plan.buckets[0].step, wanted);
        assert_eq!(stage.policy().await, before, "a plan changes nothing");
        // Read by another process, the plan is the same.
        let plan: FencePlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        let fenced = apply_fence(&dr, &plan).await;
        assert!(fenced.holds(), "{fenced:?}");
        let policy: Value = serde_json::from_str(&stage.policy().await.unwrap()).unwrap();
        let statements = policy["Statement"].as_array().unwrap();
        let (own, kept) = statements.split_last().unwrap();
        assert_eq!(own["Sid"], "DrFence20261130T025905Z0123456789abcdef");
        let of_others = others
            .as_ref()
            .map(|others| others["Statement"].as_array().unwrap().clone());
        assert_eq!(kept, of_others.unwrap_or_default());
        assert!(stage.make_fence(FenceWanted::Unfenced).await.holds());
        assert_eq!(stage.policy().await, before);
        let delete = stage.to.s3.delete_bucket_policy().bucket("photos-dr");
        delete.send().await.unwrap();
    }
}

#[tokio::test]
async fn fence_beside_a_statement_that_only_bears_its_name_changes_nothing() {
    let stage = stage!();
    let sid = "DrFence20261130T025905Z0123456789abcdef";
    let theirs = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": "s3:ReplicateObject",
            "Resource": "arn:aws:s3:::photos-dr/*"}]});
    stage.put_policy(&theirs).await;
    let before = stage.policy().await;
    for wanted in [FenceWanted::Fenced, FenceWanted::Unfenced] {
        let made = stage.make_fence(wanted).await;
        let conflict = FenceStep::Conflict {
            sid: sid.to_owned(),
        };
        assert_eq!(made.buckets[0].step, conflict);
        assert!(!made.holds());
        assert_eq!(stage.policy().await, before);
    }
}

#[tokio::test]
async fn fence_that_is_killed_at_any_request_ends_alike() {
    let stage = stage!();
    let mut kills = 0;
    let sides = [
        (FenceWanted::Fenced, Some(of_others())),
        (FenceWanted::Unfenced, Some(of_others())),
        (FenceWanted::Fenced, None),
        (FenceWanted::Unfenced, None),
    ];
    for (wanted, others) in sides {
        // What a run makes that nobody kills.
        let mut policies = Vec::new();
        for moment in Moment::ALL {
            for nth in 1.. {
                let delete = stage.to.s3.delete_bucket_policy().bucket("photos-dr");
                delete.send().await.unwrap();
                if let Some(others) = &others {
                    stage.put_policy(others).await;
                }
                if wanted == FenceWanted::Unfenced {
                    assert!(stage.make_fence(FenceWanted::Fenced).await.holds());
                }
                let run = stage.make_fence(wanted);
                let ended = runs_to_its_end(&stage.aws, (nth, moment), run).await;
                let made = stage.make_fence(wanted).await;
                assert!(made.holds(), "{wanted:?} {moment:?} {nth}: {made:?}");
                policies.push(stage.policy().await);
                if ended {
                    break;
                }
                kills += 1;
            }
        }
        policies.dedup();
        assert_eq!(policies.len(), 1, "{wanted:?}: {policies:?}");
    }
    println!("{kills} kills");
    assert!(kills >= 30, "{kills}");
}

#[tokio::test]
async fn fence_of_a_bucket_that_does_not_tell_is_unknown_and_stops_no_other() {
    let stage = stage!();
    stage.create(&stage.to, "documents-dr").await;
    let bucket = |name: &str, region: &str| PairedBucket {
        name: name.parse().unwrap(),
        region: region.parse().unwrap(),
        account: None,
    };
    let denied = Fault::new(FaultKind::Denied).resource("photos-dr");
    let denied = stage.aws.add_fault(denied.operation("GetBucketPolicy"));
    let dr = stage.dr_only();
    let buckets = [
        pair().dr,
        bucket("absent-dr", DR),
        bucket("photos", PRIMARY),
        bucket("documents-dr", DR),
    ];
    let plan = plan_fence(&dr, &buckets, &run(), FenceWanted::Fenced).await;
    let made = apply_fence(&dr, &plan).await;
    assert!(!made.holds());
    for unknown in &made.buckets[..3] {
        assert!(
            matches!(unknown.step, FenceStep::Unknown { .. }),
            "{unknown:?}"
        );
    }
    // Of another region nobody is asked.
    let elsewhere = FenceStep::Unknown {
        reason: format!("it lies in {PRIMARY}"),
    };
    assert_eq!(
        (&plan.buckets[2].step, &made.buckets[2].step),
        (&elsewhere, &elsewhere)
    );
    assert_eq!(made.buckets[3].step, FenceStep::None);
    stage.aws.remove_fault(denied);
    assert_eq!(stage.policy().await, None);
    // What S3 does not take is told in its words, and not as what is left to do.
    let denied = Fault::new(FaultKind::Denied).operation("PutBucketPolicy");
    let denied = stage.aws.add_fault(denied);
    let refused = stage.make_fence(FenceWanted::Fenced).await;
    let FenceStep::Unknown { reason } = &refused.buckets[0].step else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("PutBucketPolicy"), "{reason}");
    stage.aws.remove_fault(denied);
    assert!(stage.make_fence(FenceWanted::Fenced).await.holds());
}
