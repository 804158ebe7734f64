//! What a command asks AWS for: each thing once, whoever in the program wants to know it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter,
};
use serde_json::json;

use crate::stage::{PRIMARY, Stage};

const BUCKET: &str = "berthcare-terraform-state";
const TABLE: &str = "berthcare-terraform-locks";
const STATE: &str = "staging/terraform.tfstate";
const ID: &str = "9db590f1-b6fe-c5f2-2678-8804f089deba";

/// One question for each object, row, version or metric: how many there are is no matter of the program.
const OF_ONE_THING: [&str; 4] = [
    "HeadObject",
    "ListObjectVersions",
    "GetItem",
    "GetMetricStatistics",
];

async fn put(stage: &Stage, key: &str, body: &str) {
    let s3 = stage.clients(PRIMARY).await.s3;
    let put = s3.put_object().bucket(BUCKET).key(key);
    let put = put.body(body.as_bytes().to_vec().into()).send().await;
    put.expect("the object is written");
}

async fn put_row(stage: &Stage, place: &str, attribute: &str, value: &str) {
    let clients = stage.clients(PRIMARY).await;
    let row = clients.dynamodb.put_item().table_name(TABLE);
    let row = row.item("LockID", AttributeValue::S(format!("{BUCKET}/{place}")));
    let row = row.item(attribute, AttributeValue::S(value.to_owned()));
    row.send().await.expect("the row is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_ask_for_each_bucket_table_and_setting_once() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let state = json!({"version": 4, "terraform_version": "1.11.4", "serial": 3, "lineage": "l", "outputs": {},
        "resources": []});
    put(&stage, STATE, &state.to_string()).await;
    put_row(&stage, &format!("{STATE}-md5"), "Digest", "0123").await;
    let info = json!({"ID": ID, "Operation": "OperationTypeApply", "Info": "", "Who": "jo@laptop", "Version": "1.11.4",
        "Created": "2026-11-22T09:00:00Z", "Path": ""});
    put(&stage, "network.tflock", &info.to_string()).await;
    put_row(&stage, "network", "Info", &info.to_string()).await;
    // Whether a rule for some prefix endangers a state, the list of all keys tells.
    let s3 = stage.clients(PRIMARY).await.s3;
    let rule = |prefix: &str| {
        LifecycleRule::builder()
            .id(prefix)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .status(ExpirationStatus::Enabled)
            .expiration(LifecycleExpiration::builder().days(7).build())
            .build()
            .expect("a rule")
    };
    let rules = BucketLifecycleConfiguration::builder();
    let rules = rules.rules(rule("plans/")).rules(rule("logs/")).build();
    let rules = rules.expect("two rules");
    let put = s3.put_bucket_lifecycle_configuration().bucket(BUCKET);
    let put = put.lifecycle_configuration(rules).send().await;
    put.expect("the rules are written");
    let mut again = Vec::new();
    for arguments in [
        &["plan"][..],
        &["verify"],
        &["status"],
        &["metrics"],
        &["integrity"],
        &["locks"],
        &["failover", "--dry-run"],
        &["failback", "--dry-run"],
        &["backfill", "--dry-run"],
        &["repair", "digest", STATE, "--dry-run"],
        &["unlock", ID, "--yes"],
    ] {
        stage.aws.clear_log();
        let ran = stage.run(arguments).await;
        let mut asked = BTreeMap::new();
        for entry in stage.aws.log() {
            if !entry.is_mutation() && !OF_ONE_THING.contains(&entry.operation.as_str()) {
                let what = (entry.region, entry.operation, entry.resource);
                *asked.entry(what).or_insert(0) += 1;
            }
        }
        assert!(!asked.is_empty(), "{arguments:?}: {}", ran.stderr());
        asked.retain(|_, times| *times > 1);
        again.extend(
            asked
                .into_iter()
                .map(|(what, times)| (arguments, what, times)),
        );
    }
    assert!(again.is_empty(), "asked again: {again:#?}");
}
