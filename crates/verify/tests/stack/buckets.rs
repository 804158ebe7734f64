//! The buckets, and the ways of breaking them.

use crate::Stack;
use crate::mutation::{ByUnitTest, Mutation, show};
use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
use aws_sdk_s3::types::{
    BucketLoggingStatus, BucketVersioningStatus, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, ObjectOwnership, PublicAccessBlockConfiguration,
    ServerSideEncryption, VersioningConfiguration,
};
use aws_sdk_s3::types::{
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, Metrics, MetricsStatus,
    ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
};
use futures::FutureExt as _;
use local_aws::stack::buckets::{encrypt, keep_versions, log_to, own, put_policy, put_rules};
use report::finding::Status;
use serde_json::{Value, json};

async fn rules(stack: &Stack, bucket: &str) -> Vec<LifecycleRule> {
    let get = stack.clients.home.s3.get_bucket_lifecycle_configuration();
    let rules = get
        .bucket(stack.state.called(bucket))
        .send()
        .await
        .expect("rules")
        .rules;
    rules.expect("rules")
}

async fn policy(stack: &Stack, bucket: &str) -> Value {
    let get = stack
        .clients
        .home
        .s3
        .get_bucket_policy()
        .bucket(stack.state.called(bucket));
    let policy = get.send().await.expect("a policy").policy;
    serde_json::from_str(&policy.expect("a policy")).expect("JSON")
}

/// Changes the statements of a bucket's policy.
async fn restate(stack: &Stack, bucket: &str, change: impl FnOnce(&mut Vec<Value>)) {
    let mut document = policy(stack, bucket).await;
    change(document["Statement"].as_array_mut().expect("statements"));
    put_policy(stack, bucket, &document.to_string()).await;
}

async fn without_statement(stack: &Stack, bucket: &str, sid: &str) {
    restate(stack, bucket, |statements| {
        let before = statements.len();
        statements.retain(|statement| statement["Sid"] != sid);
        assert_eq!(statements.len() + 1, before, "{sid}");
    })
    .await;
}

/// Changes the lifecycle rules of a bucket, which are `archive` and `expire-noncurrent`.
async fn rerule(stack: &Stack, bucket: &str, change: impl Fn(&mut LifecycleRule)) {
    let mut rules = rules(stack, bucket).await;
    rules.iter_mut().for_each(change);
    put_rules(stack, bucket, rules).await;
}

fn transition(rule: &mut LifecycleRule, class: &str, days: i32) {
    for transition in rule.transitions.iter_mut().flatten() {
        if transition.storage_class == Some(class.into()) {
            transition.days = Some(days);
        }
    }
}

const PHOTOS: &str = "berthcare-photos-staging";

const DOCUMENTS: &str = "berthcare-documents-staging";

const SIGNATURES: &str = "berthcare-signatures-staging";

const LOGS: &str = "berthcare-logs-staging";

/// All that is asked of a data bucket besides whether it exists.
const GONE: &[&str] = &[
    "s3-exists",
    "s3-versioning",
    "s3-encryption",
    "s3-lifecycle-glacier",
    "s3-lifecycle-deep-archive",
    "s3-lifecycle-noncurrent",
    "s3-lifecycle-multipart",
    "s3-lifecycle-current",
    "s3-public-block",
    "s3-not-public",
    "s3-outsiders",
    "s3-ownership",
    "s3-tls",
    "s3-tls-version",
    "s3-logging",
    "s3-log-delivery",
    "cloudfront-bucket-access",
    "tags-buckets",
    "residency-buckets",
    "residency-replication",
];

macro_rules! mutation {
    ($name:literal, $breaks:expr, |$stack:ident| $body:expr) => {
        Mutation {
            name: $name,
            item: Some(5),
            breaks: $breaks,
            apply: |$stack| async move { $body }.boxed(),
        }
    };
}

pub(crate) fn mutations() -> Vec<Mutation> {
    vec![
        mutation!("a data bucket is deleted", GONE, |stack| {
            let delete = stack
                .clients
                .home
                .s3
                .delete_bucket()
                .bucket(stack.state.called(SIGNATURES));
            delete.send().await.expect("deleted");
        }),
        mutation!("versioning is suspended", &["s3-versioning"], |stack| {
            keep_versions(stack, PHOTOS, BucketVersioningStatus::Suspended).await;
        }),
        mutation!(
            "a data bucket is encrypted with S3's own keys",
            &["s3-encryption"],
            |stack| encrypt(stack, PHOTOS, ServerSideEncryption::Aes256, None).await
        ),
        mutation!(
            "a data bucket is encrypted with another key",
            &["s3-encryption"],
            |stack| {
                let made = stack.clients.kms.create_key().send().await.expect("a key");
                let arn = made.key_metadata.and_then(|key| key.arn).expect("its ARN");
                encrypt(stack, DOCUMENTS, ServerSideEncryption::AwsKms, Some(&arn)).await;
            }
        ),
        mutation!(
            "a data bucket is encrypted with AWS's key for S3",
            &["s3-encryption"],
            |stack| encrypt(stack, DOCUMENTS, ServerSideEncryption::AwsKms, None).await
        ),
        mutation!(
            "the log bucket is encrypted with a KMS key",
            &["s3-encryption"],
            |stack| {
                let key = stack.state.one("aws_kms_key", "module.security");
                let key = key.text("arn");
                encrypt(stack, LOGS, ServerSideEncryption::AwsKms, Some(key)).await;
            }
        ),
        mutation!(
            "objects go to Glacier after 30 days",
            &["s3-lifecycle-glacier"],
            |stack| rerule(stack, PHOTOS, |rule| transition(rule, "GLACIER", 30)).await
        ),
        mutation!(
            "objects go to Deep Archive after five years",
            &["s3-lifecycle-deep-archive"],
            |stack| rerule(stack, PHOTOS, |rule| transition(rule, "DEEP_ARCHIVE", 1825)).await
        ),
        mutation!(
            "the archive rule is disabled",
            &["s3-lifecycle-glacier", "s3-lifecycle-deep-archive"],
            |stack| rerule(stack, DOCUMENTS, |rule| {
                if rule.id.as_deref() == Some("archive") {
                    rule.status = ExpirationStatus::Disabled;
                }
            })
            .await
        ),
        mutation!(
            "the archive rule is for a part of the bucket",
            &["s3-lifecycle-glacier", "s3-lifecycle-deep-archive"],
            |stack| rerule(stack, DOCUMENTS, |rule| {
                if rule.id.as_deref() == Some("archive") {
                    let part = LifecycleRuleFilter::builder().prefix("old/").build();
                    rule.filter = Some(part);
                }
            })
            .await
        ),
        mutation!(
            "old versions expire after 30 days",
            &["s3-lifecycle-noncurrent"],
            |stack| rerule(stack, SIGNATURES, |rule| {
                if let Some(expiration) = &mut rule.noncurrent_version_expiration {
                    expiration.noncurrent_days = Some(30);
                }
            })
            .await
        ),
        mutation!(
            "unfinished uploads stay",
            &["s3-lifecycle-multipart"],
            |stack| rerule(stack, LOGS, |rule| {
                rule.abort_incomplete_multipart_upload = None;
            })
            .await
        ),
        mutation!(
            "a rule deletes objects after a year",
            &["s3-lifecycle-current"],
            |stack| {
                let mut rules = rules(stack, PHOTOS).await;
                let more = LifecycleRule::builder()
                    .id("tidy-up")
                    .status(ExpirationStatus::Enabled)
                    .filter(LifecycleRuleFilter::builder().prefix("visits/").build())
                    .expiration(LifecycleExpiration::builder().days(366).build());
                rules.push(more.build().expect("a rule"));
                put_rules(stack, PHOTOS, rules).await;
            }
        ),
        mutation!(
            "access logs are deleted after a month",
            &["s3-lifecycle-current"],
            |stack| rerule(stack, LOGS, |rule| {
                if let Some(expiration) = &mut rule.expiration
                    && expiration.days.is_some()
                {
                    expiration.days = Some(30);
                }
            })
            .await
        ),
        mutation!(
            "the lifecycle rules are deleted",
            &[
                "s3-lifecycle-noncurrent",
                "s3-lifecycle-glacier",
                "s3-lifecycle-deep-archive",
                "s3-lifecycle-multipart",
            ],
            |stack| {
                let delete = stack.clients.home.s3.delete_bucket_lifecycle();
                delete
                    .bucket(stack.state.called(LOGS))
                    .send()
                    .await
                    .expect("deleted");
            }
        ),
        mutation!(
            "one setting of the public access block is off",
            &["s3-public-block"],
            |stack| {
                let settings = PublicAccessBlockConfiguration::builder()
                    .block_public_acls(true)
                    .block_public_policy(true)
                    .ignore_public_acls(true)
                    .restrict_public_buckets(false)
                    .build();
                let put = stack.clients.home.s3.put_public_access_block();
                let put = put.bucket(stack.state.called(PHOTOS));
                let put = put.public_access_block_configuration(settings);
                put.send().await.expect("a block");
            }
        ),
        mutation!(
            "the public access block is deleted",
            &["s3-public-block"],
            |stack| open(stack, DOCUMENTS).await
        ),
        mutation!(
            "everybody may read",
            &["s3-not-public", "s3-public-block"],
            |stack| {
                open(stack, PHOTOS).await;
                restate(stack, PHOTOS, |statements| {
                    statements.push(
                        json!({"Sid": "Everybody", "Effect": "Allow", "Principal": "*",
                        "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{PHOTOS}/*")}),
                    );
                })
                .await;
            }
        ),
        mutation!("another account may read", &["s3-outsiders"], |stack| {
            restate(stack, PHOTOS, |statements| {
                statements.push(json!({"Sid": "Partner", "Effect": "Allow",
                    "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
                    "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{PHOTOS}/*")}));
            })
            .await;
        }),
        mutation!(
            "a bucket's policy denies the application",
            &["iam-permissions"],
            |stack| restate(stack, PHOTOS, |statements| {
                statements.push(json!({"Sid": "Closed", "Effect": "Deny",
                    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                    "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{PHOTOS}/*")}));
            })
            .await
        ),
        mutation!(
            "CloudFront reads for every distribution of the account",
            &["cloudfront-bucket-access"],
            |stack| restate(stack, DOCUMENTS, |statements| {
                for statement in statements {
                    if statement["Sid"] == "CloudFrontReads" {
                        statement["Condition"] = json!({"StringLike": {
                            "aws:SourceArn": "arn:aws:cloudfront::123456789012:distribution/*"}});
                    }
                }
            })
            .await
        ),
        mutation!(
            "CloudFront reads for every distribution there is",
            &["cloudfront-bucket-access", "s3-outsiders"],
            |stack| restate(stack, DOCUMENTS, |statements| {
                for statement in statements {
                    if statement["Sid"] == "CloudFrontReads" {
                        statement["Condition"] = json!({});
                    }
                }
            })
            .await
        ),
        mutation!("ACLs count again", &["s3-ownership"], |stack| {
            own(stack, PHOTOS, ObjectOwnership::BucketOwnerPreferred).await;
        }),
        mutation!("plain HTTP is let in", &["s3-tls"], |stack| {
            without_statement(stack, SIGNATURES, "DenyWithoutTls").await;
        }),
        mutation!(
            "plain HTTP is denied for reading only",
            &["s3-tls"],
            |stack| restate(stack, SIGNATURES, |statements| {
                for statement in statements {
                    if statement["Sid"] == "DenyWithoutTls" {
                        statement["Action"] = json!("s3:GetObject");
                    }
                }
            })
            .await
        ),
        mutation!("TLS 1.0 is let in", &["s3-tls-version"], |stack| {
            without_statement(stack, LOGS, "DenyOldTls").await;
        }),
        mutation!(
            "the policy of a data bucket is deleted",
            &["s3-tls", "s3-tls-version", "cloudfront-bucket-access"],
            |stack| {
                let delete = stack.clients.home.s3.delete_bucket_policy();
                delete
                    .bucket(stack.state.called(DOCUMENTS))
                    .send()
                    .await
                    .expect("deleted");
            }
        ),
        mutation!(
            "access to a bucket is not logged",
            &["s3-logging", "s3-log-delivery"],
            |stack| {
                let put = stack
                    .clients
                    .home
                    .s3
                    .put_bucket_logging()
                    .bucket(stack.state.called(PHOTOS));
                let none = BucketLoggingStatus::builder().build();
                let put = put.bucket_logging_status(none).send().await;
                put.expect("no logging");
            }
        ),
        mutation!(
            "access is logged to the bucket itself",
            &["s3-logging", "s3-log-delivery"],
            |stack| log_to(stack, PHOTOS, PHOTOS, "s3/").await
        ),
        mutation!(
            "access is logged to where S3 may not write",
            &["s3-log-delivery"],
            |stack| log_to(stack, PHOTOS, LOGS, "access/").await
        ),
        mutation!(
            "S3 may not write access logs",
            &["s3-log-delivery"],
            |stack| without_statement(stack, LOGS, "S3DeliversAccessLogs").await
        ),
    ]
}

async fn open(stack: &Stack, bucket: &str) {
    let delete = stack.clients.home.s3.delete_public_access_block();
    let delete = delete.bucket(stack.state.called(bucket));
    delete.send().await.expect("deleted");
}

pub(crate) const ELSEWHERE: &[ByUnitTest] = &[
    ByUnitTest {
        name: "a data bucket is made anew in another region",
        item: Some(5),
        breaks: &["s3-exists"],
        test: "what_is_not_seen_is_unknown_and_what_is_gone_is_wrong_once",
    },
    ByUnitTest {
        name: "a data bucket's key is an alias, which may become any key",
        item: Some(5),
        breaks: &["s3-encryption"],
        test: "the_key_is_the_stacks_and_an_alias_may_be_any",
    },
    ByUnitTest {
        name: "the replication rule is disabled, for a part, without deletions, or to another bucket",
        item: Some(5),
        breaks: &["s3-replication"],
        test: "replication_is_of_everything_to_the_wanted_bucket",
    },
    ByUnitTest {
        name: "S3 failed to replicate objects",
        item: Some(5),
        breaks: &["s3-replication-failures"],
        test: "an_alarm_without_data_does_not_say_that_nothing_failed",
    },
];

#[tokio::test]
async fn each_way_of_breaking_the_buckets_is_noticed() {
    show(mutations()).await;
}

/// The staging environment as it is described has no DR; this one bucket gets it.
async fn replicate(stack: &Stack) {
    let there = stack.env.region("us-east-1".parse().expect("a region")).s3;
    let copy = format!("{PHOTOS}-dr");
    let made = there.create_bucket().bucket(&copy).send().await;
    made.expect("a bucket");
    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let put = there.put_bucket_versioning().bucket(&copy);
    let put = put
        .versioning_configuration(versioning.build())
        .send()
        .await;
    put.expect("versioning");
    let metrics = Metrics::builder().status(MetricsStatus::Enabled);
    let destination = Destination::builder()
        .bucket(format!("arn:aws:s3:::{copy}"))
        .metrics(metrics.build().expect("metrics"));
    let markers = DeleteMarkerReplication::builder();
    let rule = ReplicationRule::builder()
        .id("photos-to-dr")
        .priority(1)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("").build())
        .delete_marker_replication(
            markers
                .status(DeleteMarkerReplicationStatus::Enabled)
                .build(),
        )
        .destination(destination.build().expect("a destination"));
    let rules = ReplicationConfiguration::builder()
        .role(stack.state.one("aws_iam_role", "execution").text("arn"))
        .rules(rule.build().expect("a rule"));
    let put = stack
        .clients
        .home
        .s3
        .put_bucket_replication()
        .bucket(PHOTOS);
    let put = put.replication_configuration(rules.build().expect("rules"));
    put.send().await.expect("replication");
    let alarm = format!("{PHOTOS}-replication-failures");
    let cloudwatch = &stack.clients.home.cloudwatch;
    let put = cloudwatch
        .put_metric_alarm()
        .alarm_name(&alarm)
        .namespace("AWS/S3")
        .metric_name("OperationsFailedReplication")
        .statistic(Statistic::Sum)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .threshold(0.0)
        .period(300)
        .evaluation_periods(1);
    put.send().await.expect("an alarm");
    let state = cloudwatch.set_alarm_state().alarm_name(alarm);
    let state = state
        .state_value(StateValue::Ok)
        .state_reason("nothing failed");
    state.send().await.expect("a state");
}

#[tokio::test]
async fn replication_is_asked_about_where_terraform_says_that_there_is_dr() {
    let Some(stack) = Stack::built().await else {
        return;
    };
    let asked = async || {
        let mut outputs: Value =
            serde_json::from_slice(&stack.state.outputs()).expect("the outputs");
        outputs["s3_replication_rule_ids"]["value"] = json!({"photos": "photos-to-dr"});
        let only = vec!["s3-replication".parse().expect("a pattern")];
        let checked = stack
            .check_only(&outputs.to_string().into_bytes(), only)
            .await;
        let answers = checked.answers.into_iter();
        answers
            .filter(|answer| answer.status != Status::Skipped)
            .map(|answer| (answer.check.id, answer.resource, answer.status))
            .collect::<Vec<_>>()
    };
    let both = |status: Status| {
        ["s3-replication", "s3-replication-failures"]
            .map(|id| (id, PHOTOS.to_owned(), status))
            .to_vec()
    };
    assert_eq!(asked().await, both(Status::Wrong));
    replicate(&stack).await;
    assert_eq!(asked().await, both(Status::Ok));
}
