use aws_sdk_s3::types::{
    DeleteMarkerReplication, Destination, Metrics, PublicAccessBlockConfiguration,
    ReplicationRuleFilter,
};
use report::finding::Status;
use serde_json::{Value, json};

use super::super::super::asked::Asked;
use super::super::observe::Lifecycle;
use super::*;
use crate::policy::Policy;

const NAME: &str = "berthcare-photos-staging";
const KEY: &str = "arn:aws:kms:ca-central-1:123456789012:key/11111111-2222-3333-4444-555555555555";
fn alarm(state: &str) -> FailureAlarm {
    FailureAlarm {
        name: "photos are not copied".to_owned(),
        bucket: Some("berthcare-photos-staging".to_owned()),
        state: state.to_owned(),
    }
}

async fn asked(rules: Value) -> Asked {
    Asked::new(&[
        ("kms_key_arn", json!(KEY)),
        ("s3_bucket_photos", json!(NAME)),
        ("s3_bucket_logs", json!("berthcare-logs-staging")),
        ("s3_replication_rule_ids", rules),
    ])
    .await
}

fn unseen<T>() -> Observation<T> {
    Err(Unobserved::because("denied"))
}

fn none<T>() -> Observation<T> {
    Err(Unobserved::absent("404"))
}

fn picture() -> Picture {
    Picture {
        name: NAME.to_owned(),
        region: Ok("ca-central-1".to_owned()),
        versioning: unseen(),
        encryption: unseen(),
        lifecycle: unseen(),
        block: unseen(),
        policy: unseen(),
        public: unseen(),
        ownership: unseen(),
        takes_legacy_logs: Ok(false),
        logging: unseen(),
        replication: unseen(),
    }
}

const PHOTOS: Kind = super::super::DATA[0];

fn all(asked: &Asked, picture: &Picture) -> Vec<Answer> {
    let states = Ok(vec![alarm("OK")]);
    bucket(asked.context(), PHOTOS, picture, &Ok(None), &states)
}

fn status(answers: &[Answer], check: &Check) -> Status {
    let found = answers.iter().find(|answer| answer.check == check);
    found.unwrap_or_else(|| panic!("no {}", check.id)).status
}

#[tokio::test]
async fn what_is_not_seen_is_unknown_and_what_is_gone_is_wrong_once() {
    let asked = asked(json!({"photos": "photos-to-dr"})).await;
    let answers = all(&asked, &picture());
    for answer in &answers {
        let seen = [&EXISTS, &REPLICATION_FAILURES].contains(&answer.check);
        let expected = if seen { Status::Ok } else { Status::Unknown };
        assert_eq!(answer.status, expected, "{}", answer.check.id);
    }
    for region in [none(), Ok("us-east-1".to_owned())] {
        let answers = all(
            &asked,
            &Picture {
                region,
                ..picture()
            },
        );
        let wrong: Vec<&str> = answers
            .iter()
            .filter(|answer| answer.status != Status::Skipped)
            .map(|answer| answer.check.id)
            .collect();
        assert_eq!(wrong, ["s3-exists"]);
    }
}

#[tokio::test]
async fn a_bucket_without_settings_is_wrong_but_not_public() {
    let asked = asked(json!({})).await;
    let bare = Picture {
        versioning: Ok(None),
        encryption: none(),
        lifecycle: none(),
        block: none(),
        policy: none(),
        public: Ok(None),
        ownership: none(),
        takes_legacy_logs: Ok(false),
        logging: Ok(None),
        replication: none(),
        ..picture()
    };
    let answers = all(&asked, &bare);
    for answer in &answers {
        let expected = match answer.check.id {
            "s3-exists" | "s3-lifecycle-current" | "s3-not-public" | "s3-outsiders" => Status::Ok,
            "s3-replication" | "s3-replication-failures" => Status::Skipped,
            _ => Status::Wrong,
        };
        assert_eq!(answer.status, expected, "{}", answer.check.id);
    }
}

#[tokio::test]
async fn acls_count_where_cloudfront_delivers_its_old_logs_by_one() {
    let asked = asked(json!({})).await;
    for (ownership, legacy, expected) in [
        (ObjectOwnership::BucketOwnerEnforced, Ok(false), Status::Ok),
        (
            ObjectOwnership::BucketOwnerPreferred,
            Ok(false),
            Status::Wrong,
        ),
        (ObjectOwnership::BucketOwnerPreferred, Ok(true), Status::Ok),
        (
            ObjectOwnership::BucketOwnerPreferred,
            unseen(),
            Status::Unknown,
        ),
    ] {
        let picture = Picture {
            ownership: Ok(ownership),
            takes_legacy_logs: legacy,
            ..picture()
        };
        assert_eq!(status(&all(&asked, &picture), &OWNERSHIP), expected);
    }
}

#[tokio::test]
async fn small_objects_that_are_never_archived_are_told() {
    let asked = asked(json!({})).await;
    for (small_stay, told) in [(true, true), (false, false)] {
        let picture = Picture {
            lifecycle: Ok(Lifecycle {
                rules: Vec::new(),
                small_stay,
            }),
            ..picture()
        };
        let answers = all(&asked, &picture);
        let glacier = answers.iter().find(|answer| answer.check == &GLACIER);
        let shown = glacier.unwrap().aws.clone().unwrap_or_default();
        assert_eq!(shown.contains("128 KB"), told, "{shown}");
    }
}

#[tokio::test]
async fn the_key_is_the_stacks_and_an_alias_may_be_any() {
    let asked = asked(json!({})).await;
    let encrypted = |algorithm: &str, key: Option<&str>| {
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(algorithm.into())
            .set_kms_master_key_id(key.map(str::to_owned));
        let encryption = Ok(default.build().unwrap());
        let picture = Picture {
            encryption,
            ..picture()
        };
        let logs = super::encryption(asked.context(), LOGS, &picture).status;
        (
            super::encryption(asked.context(), PHOTOS, &picture).status,
            logs,
        )
    };
    use Status::{Ok as Fine, Unknown, Wrong};
    assert_eq!(encrypted("aws:kms", Some(KEY)), (Fine, Wrong));
    assert_eq!(
        encrypted("aws:kms", Some("11111111-2222-3333-4444-555555555555")),
        (Fine, Wrong)
    );
    assert_eq!(
        encrypted("aws:kms", Some("alias/berthcare")),
        (Unknown, Wrong)
    );
    assert_eq!(encrypted("aws:kms", Some("2222")), (Wrong, Wrong));
    assert_eq!(encrypted("aws:kms", None), (Wrong, Wrong));
    assert_eq!(encrypted("AES256", None), (Wrong, Fine));
}

#[tokio::test]
async fn a_setting_that_is_not_told_is_unknown_and_the_accounts_is_only_said() {
    let asked = asked(json!({})).await;
    let block = |restrict: Option<bool>, account: Account| {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .set_restrict_public_buckets(restrict);
        let picture = Picture {
            block: Ok(block.build()),
            ..picture()
        };
        access(asked.context(), &picture, &account).remove(0)
    };
    assert_eq!(block(None, Ok(None)).status, Status::Unknown);
    assert_eq!(block(Some(false), Ok(None)).status, Status::Wrong);
    for (account, said) in [
        (Ok(None), "of the account none"),
        (unseen(), "of the account not seen (denied)"),
        (
            Ok(Some(
                aws_sdk_s3control::types::PublicAccessBlockConfiguration::builder()
                    .block_public_acls(true)
                    .ignore_public_acls(true)
                    .block_public_policy(true)
                    .restrict_public_buckets(true)
                    .build(),
            )),
            "of the account all on",
        ),
    ] {
        let answer = block(Some(true), account);
        assert_eq!(
            (answer.status, answer.aws),
            (Status::Ok, Some(format!("all on; {said}")))
        );
    }
}

#[tokio::test]
async fn old_tls_is_below_1_2() {
    let asked = asked(json!({})).await;
    let denied = |version: Value, operator: &str| {
        let policy = json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [format!("arn:aws:s3:::{NAME}"), format!("arn:aws:s3:::{NAME}/*")],
            "Condition": {operator: {"s3:TlsVersion": version}}}});
        let policy = Policy::parse(&policy.to_string());
        let answers = access(
            asked.context(),
            &Picture {
                policy,
                ..picture()
            },
            &Ok(None),
        );
        status(&answers, &TLS_VERSION) == Status::Ok
    };
    assert!(
        denied(json!("1.2"), "NumericLessThan") && denied(json!(1.3), "NumericLessThanIfExists")
    );
    assert!(
        !denied(json!("1.1"), "NumericLessThan") && !denied(json!("1.2"), "NumericGreaterThan")
    );
}

fn to_dr() -> aws_sdk_s3::types::builders::ReplicationRuleBuilder {
    let metrics = Metrics::builder().status(MetricsStatus::Enabled);
    let destination = Destination::builder()
        .bucket("arn:aws:s3:::berthcare-photos-staging-dr")
        .metrics(metrics.build().unwrap());
    let markers = DeleteMarkerReplication::builder().status(DeleteMarkerReplicationStatus::Enabled);
    ReplicationRule::builder()
        .id("photos-to-dr")
        .status(ReplicationRuleStatus::Enabled)
        .delete_marker_replication(markers.build())
        .destination(destination.build().unwrap())
}

#[tokio::test]
async fn replication_is_of_everything_to_the_wanted_bucket() {
    let asked = asked(json!({"photos": "photos-to-dr"})).await;
    let judged = |rule: ReplicationRule| {
        let picture = Picture {
            replication: Ok(vec![rule]),
            ..picture()
        };
        let [rule, _] = replication(asked.context(), PHOTOS, &picture, &Ok(Vec::new()));
        rule.aws.unwrap()
    };
    assert_eq!(judged(to_dr().build().unwrap()), "as expected");
    assert_eq!(
        judged(
            to_dr()
                .status(ReplicationRuleStatus::Disabled)
                .build()
                .unwrap()
        ),
        "disabled"
    );
    assert_eq!(
        judged(to_dr().id("other").build().unwrap()),
        "no rule photos-to-dr"
    );
    let part = ReplicationRuleFilter::builder().prefix("a/").build();
    assert_eq!(
        judged(to_dr().filter(part).build().unwrap()),
        "only a part of the bucket"
    );
    let markers =
        DeleteMarkerReplication::builder().status(DeleteMarkerReplicationStatus::Disabled);
    assert_eq!(
        judged(
            to_dr()
                .delete_marker_replication(markers.build())
                .build()
                .unwrap()
        ),
        "not deletions"
    );
    let other = Destination::builder()
        .bucket("arn:aws:s3:::other")
        .build()
        .unwrap();
    assert_eq!(
        judged(to_dr().destination(other).build().unwrap()),
        "to arn:aws:s3:::other, without metrics"
    );
}

#[tokio::test]
async fn an_alarm_without_data_does_not_say_that_nothing_failed() {
    let asked = asked(json!({"photos": "photos-to-dr"})).await;
    let judged = |states: Observation<Vec<FailureAlarm>>| {
        let [_, failures] = replication(asked.context(), PHOTOS, &picture(), &states);
        failures.status
    };
    let is = |state: &str| Ok(vec![alarm(state)]);
    assert_eq!(judged(is("OK")), Status::Ok);
    assert_eq!(judged(is("ALARM")), Status::Wrong);
    assert_eq!(judged(is("INSUFFICIENT_DATA")), Status::Unknown);
    assert_eq!(judged(Ok(Vec::new())), Status::Wrong);
    assert_eq!(judged(unseen()), Status::Unknown);
}

#[tokio::test]
async fn without_outputs_nothing_is_ok() {
    let asked = Asked::new(&[("other", json!(1))]).await;
    let answers = super::super::nothing(PHOTOS, &Unobserved::because("no output"));
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == Status::Unknown)
            && answers.len() > 10
    );
    let [rule, failures] = replication(asked.context(), PHOTOS, &picture(), &unseen());
    assert_eq!(
        (rule.status, failures.status),
        (Status::Unknown, Status::Unknown)
    );
}
