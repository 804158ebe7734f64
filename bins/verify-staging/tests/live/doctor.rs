//! Errors, and what is behind them.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use local_aws::{Fault, FaultKind};
use serde_json::json;

use crate::hunt::{PASSWORD, TOKEN};
use crate::stage::{Ran, Stage, text};

pub(crate) const BUCKET: &str = "berthcare-terraform-state";
pub(crate) const TABLE: &str = "berthcare-terraform-locks";
pub(crate) const KEY: &str = "staging/terraform.tfstate";
const ID: &str = "9db590f1-b6fe-c5f2-2678-8804f089deba";

pub(crate) async fn doctor(stage: &Stage, error: &str) -> Ran {
    // What is refused here and there is not to hide which side is meant.
    let side = ["--side", "primary"];
    let doctor = ["doctor", error, "--output", "json"];
    stage.run(&[&doctor[..], &side].concat()).await
}

pub(crate) async fn deny(stage: &Stage, service: &str, operation: &str) {
    stage.aws.clear_faults();
    let denied = Fault::new(FaultKind::Denied)
        .service(service)
        .operation(operation);
    stage.aws.add_fault(denied);
}

pub(crate) fn next(ran: &Ran) -> String {
    let json = ran.json();
    let diagnoses = json["diagnoses"].as_array().unwrap();
    let next: Vec<String> = diagnoses
        .iter()
        .flat_map(|diagnosis| diagnosis["next"].as_array().unwrap())
        .map(|next| next.as_str().unwrap().to_owned())
        .collect();
    next.join("\n")
}

pub(crate) async fn create_bucket(stage: &Stage, bucket: &str) {
    use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
    let here = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::CaCentral1)
        .build();
    let make = stage.clients.home.s3.create_bucket().bucket(bucket);
    make.create_bucket_configuration(here).send().await.unwrap();
}

/// Bucket and lock table of the state, and a state in them that holds a secret.
pub(crate) async fn backend(stage: &Stage) {
    create_bucket(stage, BUCKET).await;
    stage
        .clients
        .home
        .dynamodb
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name("LockID")
                .key_type(KeyType::Hash)
                .build()
                .unwrap(),
        )
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("LockID")
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    let state = json!({"version": 4, "serial": 7, "lineage": "l", "terraform_version": "1.11.4",
        "outputs": {"password": {"value": PASSWORD, "sensitive": true}}, "resources": []});
    let put = stage.clients.home.s3.put_object().bucket(BUCKET).key(KEY);
    put.body(state.to_string().into_bytes().into())
        .send()
        .await
        .unwrap();
}

pub(crate) async fn row(stage: &Stage, id: &str, name: &str, value: &str) {
    stage
        .clients
        .home
        .dynamodb
        .put_item()
        .table_name(TABLE)
        .item("LockID", AttributeValue::S(id.to_owned()))
        .item(name, AttributeValue::S(value.to_owned()))
        .send()
        .await
        .unwrap();
}

// aws-behaviour: 22
#[tokio::test]
async fn a_lock_is_told_with_its_holder_and_never_released() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    backend(&stage).await;
    let error = format!("Error: Error acquiring the state lock\nLock Info:\n  ID:        {ID}\n");
    let ran = doctor(&stage, &error).await;
    ran.assert("lock", "ok", "none is held now");
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let info = json!({"ID": ID, "Operation": "OperationTypeApply", "Info": "", "Who": "jo@host",
        "Version": "1.11.4", "Created": "2026-11-22T10:00:00Z", "Path": format!("{BUCKET}/{KEY}")});
    row(
        &stage,
        &format!("{BUCKET}/{KEY}"),
        "Info",
        &info.to_string(),
    )
    .await;
    stage.aws.clear_log();
    let ran = doctor(&stage, &error).await;
    ran.assert(
        "lock",
        "wrong",
        "held by \"jo@host\" since 2026-11-22T10:00:00Z",
    );
    ran.assert("lock", "wrong", "for \"Apply\", in DynamoDB");
    ran.assert("lock-of-error", "ok", "held still");
    ran.assert("state-activity", "ok", "serial 7");
    let command = format!("init-backend unlock {ID}");
    assert!(next(&ran).contains(&command), "{ran:?}");
    assert_eq!(ran.code, Some(1));
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));

    deny(&stage, "dynamodb", "Scan").await;
    let ran = doctor(&stage, &error).await;
    ran.assert("lock", "unknown", "access denied");
    assert_eq!(ran.code, Some(3), "{ran:?}");
}

#[tokio::test]
async fn a_lock_that_terraform_did_not_make_gets_no_command() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    backend(&stage).await;
    let lock = |id: &str| {
        let info = json!({"ID": id, "Operation": "OperationTypeApply", "Info": "", "Who": "jo@host",
            "Version": "1.11.4", "Created": "2026-11-22T10:00:00Z", "Path": format!("{BUCKET}/{KEY}")});
        info.to_string()
    };
    let id = "x; touch p #";
    row(&stage, &format!("{BUCKET}/{KEY}"), "Info", &lock(id)).await;
    let object = stage.clients.home.s3.put_object().bucket(BUCKET);
    let object = object.key(format!("{KEY}.tflock"));
    let body = lock("9db590f1-b6fe-c5f2-2678-$(touch p)")
        .into_bytes()
        .into();
    object.body(body).send().await.unwrap();
    let ran = doctor(&stage, "Error: Error acquiring the state lock").await;
    let next = next(&ran);
    assert!(
        !next.contains("force-unlock") && !next.contains("touch"),
        "{next}"
    );
    let row =
        format!("the row whose LockID is \"{BUCKET}/{KEY}\" of the table {TABLE} in ca-central-1");
    let object = format!("the object \"s3://{BUCKET}/{KEY}.tflock\" in ca-central-1");
    assert!(next.contains(&row) && next.contains(&object), "{next}");
}

#[tokio::test]
async fn a_digest_that_differs_is_wrong_and_the_command_has_the_right_one() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    backend(&stage).await;
    let error = "state data in S3 does not have the expected content.";
    row(&stage, &format!("{BUCKET}/{KEY}-md5"), "Digest", "0123").await;
    let ran = doctor(&stage, error).await;
    ran.assert("state-digest", "wrong", "differ");
    assert_eq!(ran.code, Some(1));
    let command = next(&ran);
    let digest = command.split("\"Digest\":{\"S\":\"").nth(1).unwrap();
    row(
        &stage,
        &format!("{BUCKET}/{KEY}-md5"),
        "Digest",
        &digest[..32],
    )
    .await;
    let ran = doctor(&stage, error).await;
    ran.assert("state-digest", "ok", "the same");
    deny(&stage, "s3", "GetObject").await;
    let ran = doctor(&stage, error).await;
    ran.assert("state-digest", "unknown", "access denied");
}

pub(crate) async fn create_database(stage: &Stage) {
    stage
        .clients
        .rds
        .create_db_instance()
        .db_instance_identifier("berthcare-staging-postgres")
        .db_instance_class("db.t4g.medium")
        .engine("postgres")
        .engine_version("15.12")
        .allocated_storage(20)
        .master_username("jo")
        .master_user_password("x1234567890")
        .publicly_accessible(false)
        .send()
        .await
        .unwrap();
}

// aws-behaviour: 62
#[tokio::test]
async fn a_database_that_is_backed_up_right_after_it_was_made_serves() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    create_database(&stage).await;
    let rds = stage.aws.rds().unwrap();
    rds.end_instance_as("ca-central-1", "berthcare-staging-postgres", "backing-up");
    time_passes(&stage).await;
    let error = "Error creating DB Instance: timeout while waiting for state to become 'available'";
    let ran = doctor(&stage, error).await;
    ran.assert("db-status", "ok", "backing-up");
    assert!(next(&ran).contains("untaint"), "{ran:?}");
}

pub(crate) async fn time_passes(stage: &Stage) {
    stage
        .aws
        .rds()
        .unwrap()
        .step(Duration::from_secs(3600))
        .await;
}

#[tokio::test]
async fn a_database_that_is_slow_is_told_by_its_status_and_events() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let error = "Error creating DB Instance: timeout while waiting for state to become 'available'";
    let ran = doctor(&stage, error).await;
    ran.assert("db-status", "wrong", "absent");
    create_database(&stage).await;
    let ran = doctor(&stage, error).await;
    ran.assert("db-status", "wrong", "creating");
    assert_eq!(ran.code, Some(1));
    assert!(
        next(&ran).contains("aws rds wait db-instance-available"),
        "{ran:?}"
    );
    time_passes(&stage).await;
    let ran = doctor(&stage, error).await;
    ran.assert("db-status", "ok", "available");
    ran.assert("db-events", "ok", "DB instance created");
    assert!(
        next(&ran).contains("untaint 'module.database.aws_db_instance.this[0]'"),
        "{ran:?}"
    );
    deny(&stage, "rds", "Describe*").await;
    let ran = doctor(&stage, error).await;
    ran.assert("db-status", "unknown", "access denied");
    ran.assert("db-events", "unknown", "access denied");
    assert_eq!(ran.code, Some(3));
}

// aws-behaviour: 33
#[tokio::test]
async fn a_version_that_is_not_offered_is_told_with_those_that_are() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let ran = doctor(
        &stage,
        "InvalidParameterCombination: Cannot find version 15.5 for postgres",
    )
    .await;
    ran.assert("db-version", "wrong", "15.12, 15.13, 15.14, 15.15");
    let told = ran.json().to_string();
    assert!(told.contains("db_engine_version = \\\"15.15\\\""), "{told}");
    let ran = doctor(&stage, "Cannot find version 15.14 for postgres").await;
    ran.assert("db-version", "ok", "15.14");
    deny(&stage, "rds", "DescribeDBEngineVersions").await;
    let ran = doctor(&stage, "Cannot find version 15.5 for postgres").await;
    ran.assert("db-version", "unknown", "access denied");
}

#[tokio::test]
async fn a_quota_is_told_with_what_is_used() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let ran = doctor(&stage, "api error InstanceQuotaExceeded: x").await;
    ran.assert("quota", "ok", "0 of 40 used");
    assert!(next(&ran).contains("--quota-code L-7B6409FD"), "{ran:?}");
    stage.clients.ec2.allocate_address().send().await.unwrap();
    let ran = doctor(
        &stage,
        "AddressLimitExceeded: The maximum number of addresses has been reached.",
    )
    .await;
    ran.assert("quota", "wrong", "1 addresses, unused: eipalloc-");
    let ran = doctor(&stage, "VpcLimitExceeded: x").await;
    ran.assert("quota", "unknown", "not looked at");
    assert_eq!(ran.code, Some(3));
}

#[tokio::test]
async fn a_bucket_that_exists_is_told_with_its_owner() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let error = "Error: creating S3 Bucket (berthcare-photos-staging): BucketAlreadyExists";
    let ran = doctor(&stage, error).await;
    ran.assert("bucket-owner", "ok", "nobody has it");
    // Denied to look, and not among ours.
    deny(&stage, "s3", "HeadBucket").await;
    let ran = doctor(&stage, error).await;
    ran.assert("bucket-owner", "wrong", "somebody else's");
    assert!(next(&ran).contains("bucket_suffix"), "{ran:?}");
    create_bucket(&stage, "berthcare-photos-staging").await;
    let ran = doctor(&stage, error).await;
    ran.assert("bucket-owner", "wrong", "this account's");
    assert!(
        next(&ran).contains(
            "import 'module.storage.aws_s3_bucket.this[\"photos\"]' berthcare-photos-staging"
        ),
        "{ran:?}"
    );
    deny(&stage, "s3", "*").await;
    let ran = doctor(&stage, error).await;
    ran.assert("bucket-owner", "unknown", "access denied");
    assert_eq!(ran.code, Some(3));
}

/// A VPC with two subnets and a group; the database in them.
async fn network(stage: &Stage) -> (String, String) {
    let ec2 = &stage.clients.ec2;
    let vpc = ec2
        .create_vpc()
        .cidr_block("10.0.0.0/16")
        .send()
        .await
        .unwrap();
    let vpc = vpc.vpc().unwrap().vpc_id().unwrap().to_owned();
    let mut subnets = Vec::new();
    for (block, zone) in [
        ("10.0.1.0/24", "ca-central-1a"),
        ("10.0.2.0/24", "ca-central-1b"),
    ] {
        let subnet = ec2
            .create_subnet()
            .vpc_id(&vpc)
            .cidr_block(block)
            .availability_zone(zone);
        let subnet = subnet.send().await.unwrap();
        subnets.push(subnet.subnet().unwrap().subnet_id().unwrap().to_owned());
    }
    let group = ec2
        .create_security_group()
        .vpc_id(&vpc)
        .group_name("db")
        .description("db");
    let group = group.send().await.unwrap().group_id().unwrap().to_owned();
    let rds = &stage.clients.rds;
    let groups = rds
        .create_db_subnet_group()
        .db_subnet_group_name("g")
        .db_subnet_group_description("g");
    groups.set_subnet_ids(Some(subnets)).send().await.unwrap();
    rds.create_db_instance()
        .db_instance_identifier("berthcare-staging-postgres")
        .db_instance_class("db.t4g.medium")
        .engine("postgres")
        .allocated_storage(20)
        .master_username("jo")
        .master_user_password("x1234567890")
        .db_subnet_group_name("g")
        .vpc_security_group_ids(&group)
        .publicly_accessible(false)
        .send()
        .await
        .unwrap();
    time_passes(stage).await;
    (vpc, group)
}

#[tokio::test]
async fn the_way_to_the_database_is_looked_at() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let (_, group) = network(&stage).await;
    let ran = doctor(&stage, "Connection timeout").await;
    ran.assert("db-status", "ok", "available");
    ran.assert("db-public", "ok", "private");
    ran.assert("security-group", "wrong", "nobody is let in");
    ran.assert("network-acl", "ok", "allowed");
    let told = next(&ran);
    assert!(
        told.contains("AWS-StartPortForwardingSessionToRemoteHost"),
        "{told}"
    );
    let open = async |range: &str| {
        let rule = aws_sdk_ec2::types::IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(5432)
            .to_port(5432)
            .ip_ranges(
                aws_sdk_ec2::types::IpRange::builder()
                    .cidr_ip(range)
                    .build(),
            )
            .build();
        let ec2 = &stage.clients.ec2;
        let allow = ec2.authorize_security_group_ingress().group_id(&group);
        allow.ip_permissions(rule).send().await.unwrap();
    };
    open("10.0.0.0/16").await;
    let ran = doctor(&stage, "Connection timeout").await;
    ran.assert("security-group", "ok", "10.0.0.0/16");
    open("0.0.0.0/0").await;
    let ran = doctor(&stage, "Connection timeout").await;
    ran.assert("security-group", "wrong", "0.0.0.0/0");
    deny(&stage, "ec2", "Describe*").await;
    let ran = doctor(&stage, "Connection timeout").await;
    for what in ["security-group", "route", "network-acl"] {
        ran.assert(what, "unknown", "access denied");
    }
    ran.assert("db-status", "ok", "available");
    assert_eq!(ran.code, Some(3));
}

#[tokio::test]
async fn what_holds_a_network_is_told() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let ec2 = &stage.clients.ec2;
    let (vpc, _) = network(&stage).await;
    let error =
        format!("deleting EC2 VPC ({vpc}): DependencyViolation: The vpc '{vpc}' has dependencies");
    let ran = doctor(&stage, &error).await;
    ran.assert("in-use", "ok", "no network interface");
    let subnets = ec2.describe_subnets().send().await.unwrap();
    let subnet = subnets
        .subnets()
        .iter()
        .find(|subnet| subnet.vpc_id() == Some(&vpc))
        .unwrap();
    let made = ec2
        .create_network_interface()
        .subnet_id(subnet.subnet_id().unwrap());
    made.description("left by a load balancer")
        .send()
        .await
        .unwrap();
    let ran = doctor(&stage, &error).await;
    ran.assert("in-use", "wrong", "eni-");
    deny(&stage, "ec2", "DescribeNetworkInterfaces").await;
    doctor(&stage, &error)
        .await
        .assert("in-use", "unknown", "access denied");
}

#[tokio::test]
async fn credentials_keys_and_regions_are_looked_at() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let expired = "api error ExpiredToken: The security token included in the request is expired";
    doctor(&stage, expired)
        .await
        .assert("credentials", "ok", "account ");
    let key = stage.clients.kms.create_key().send().await.unwrap();
    let key = key.key_metadata().unwrap().clone();
    let arn = key.arn().unwrap().to_owned();
    stage.output("kms_key_arn", arn.clone());
    let error = format!("KMSInvalidStateException: {arn} is pending deletion.");
    doctor(&stage, &error).await.assert("key", "ok", "Enabled");
    let delete = stage
        .clients
        .kms
        .schedule_key_deletion()
        .key_id(&arn)
        .pending_window_in_days(7);
    delete.send().await.unwrap();
    // Named by the error, or by terraform.
    for error in [error.as_str(), "inaccessible-encryption-credentials"] {
        let ran = doctor(&stage, error).await;
        ran.assert("key", "wrong", "PendingDeletion");
        assert!(
            next(&ran).contains(&format!("aws kms cancel-key-deletion --key-id {arn}")),
            "{ran:?}"
        );
    }
    let ran = doctor(
        &stage,
        "OptInRequired: You are not subscribed to this service in ca-west-1",
    )
    .await;
    assert!(next(&ran).contains("--region-name ca-west-1"), "{ran:?}");
    deny(&stage, "kms", "DescribeKey").await;
    doctor(&stage, &error)
        .await
        .assert("key", "unknown", "access denied");
    deny(&stage, "sts", "*").await;
    doctor(&stage, expired)
        .await
        .assert("credentials", "unknown", "access denied");
    let ran = doctor(&stage, "ThrottlingException: Rate exceeded").await;
    assert!(next(&ran).contains("-parallelism=3"), "{ran:?}");
}

#[tokio::test]
async fn a_permission_is_looked_up_for_who_lacks_it() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let error = "AccessDenied: User: arn:aws:sts::000000000000:assumed-role/ci/run is not authorized to perform: rds:CreateDBInstance on resource: arn:aws:rds:ca-central-1:000000000000:db:x";
    deny(&stage, "iam", "SimulatePrincipalPolicy").await;
    let ran = doctor(&stage, error).await;
    ran.assert("permission", "unknown", "access denied");
    let told = ran.json().to_string();
    assert!(
        told.contains("rds:CreateDBInstance by arn:aws:iam::000000000000:role/ci"),
        "{told}"
    );
    let ran = doctor(
        &stage,
        "UnauthorizedOperation: Encoded authorization failure message: AbC",
    )
    .await;
    ran.assert("permission", "unknown", "names no action");
    assert!(
        next(&ran).contains("decode-authorization-message"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn a_forbidden_page_leads_to_distribution_policy_and_object() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let ran = doctor(&stage, "403 Forbidden").await;
    ran.assert("cdn-status", "unknown", "names no distribution");
    create_bucket(&stage, "berthcare-photos-staging").await;
    let distribution = distribution(&stage, "berthcare-photos-staging").await;
    stage.output("cloudfront_distribution_id", distribution.0);
    let error = "GET https://d1.cloudfront.net/photos/a.jpg?sig=x: 403 Forbidden";
    let ran = doctor(&stage, error).await;
    ran.assert("cdn-oac", "wrong", "none");
    ran.assert("cdn-policy", "wrong", "absent");
    ran.assert("cdn-object", "wrong", "not there");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::berthcare-photos-staging/*",
        "Condition": {"StringEquals": {"AWS:SourceArn": distribution.1}}}]});
    let s3 = &stage.clients.home.s3;
    let put = s3.put_bucket_policy().bucket("berthcare-photos-staging");
    put.policy(policy.to_string()).send().await.unwrap();
    let put = s3
        .put_object()
        .bucket("berthcare-photos-staging")
        .key("photos/a.jpg");
    put.send().await.unwrap();
    let ran = doctor(&stage, error).await;
    ran.assert("cdn-policy", "ok", "lets this distribution read");
    ran.assert("cdn-object", "ok", "it is there");
    deny(&stage, "s3", "*").await;
    let ran = doctor(&stage, error).await;
    for what in ["cdn-policy", "cdn-object", "bucket-public-block", "cdn-key"] {
        ran.assert(what, "unknown", "access denied");
    }
    deny(&stage, "cloudfront", "*").await;
    let ran = doctor(&stage, error).await;
    ran.assert("cdn-status", "unknown", "access denied");
    assert_eq!(ran.code, Some(3));
}

/// A distribution over a bucket, without an access control; its id and ARN.
async fn distribution(stage: &Stage, bucket: &str) -> (String, String) {
    use aws_sdk_cloudfront::types::{
        DefaultCacheBehavior, DistributionConfig, Origin, Origins, S3OriginConfig,
        ViewerProtocolPolicy,
    };
    let origin = Origin::builder()
        .id("photos")
        .domain_name(format!("{bucket}.s3.ca-central-1.amazonaws.com"))
        .s3_origin_config(S3OriginConfig::builder().origin_access_identity("").build())
        .build()
        .unwrap();
    let behaviour = DefaultCacheBehavior::builder()
        .target_origin_id("photos")
        .viewer_protocol_policy(ViewerProtocolPolicy::RedirectToHttps)
        .build()
        .unwrap();
    let config = DistributionConfig::builder()
        .caller_reference("x")
        .comment("")
        .enabled(true)
        .origins(
            Origins::builder()
                .quantity(1)
                .items(origin)
                .build()
                .unwrap(),
        )
        .default_cache_behavior(behaviour)
        .build()
        .unwrap();
    let made = stage
        .clients
        .cloudfront
        .create_distribution()
        .distribution_config(config);
    let made = made.send().await.unwrap();
    let made = made.distribution().unwrap();
    (made.id().to_owned(), made.arn().to_owned())
}

#[tokio::test]
async fn an_unknown_error_is_not_repeated_and_not_fine() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let error = format!(
        "Error: oops {PASSWORD} in module.cache.random_password.auth_token, api error Strange: {TOKEN}"
    );
    let ran = stage
        .run_reading(&["doctor", "--stdin", "--output", "json"], &error)
        .await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let clues = ran.json()["clues"].to_string();
    assert!(
        clues.contains("module.cache.random_password.auth_token"),
        "{clues}"
    );
    assert!(clues.contains("api error Strange"), "{clues}");
    // A known one neither; the log is read from its end.
    let log = stage.folder("logs").join("apply.log");
    let long = format!(
        "{}\n{error}\nThrottlingException: {PASSWORD}",
        "line\n".repeat(1 << 20)
    );
    std::fs::write(&log, long).unwrap();
    let ran = stage
        .run(&["doctor", "--last", text(&log), "--output", "json"])
        .await;
    ran.assert("credentials", "ok", "account");
    let ran = stage.run(&["doctor", &error]).await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(stage.run(&["doctor"]).await.code, Some(2));
    assert_eq!(
        stage.run(&["doctor", "--last", "no-such-file"]).await.code,
        Some(2)
    );
}

#[tokio::test]
async fn what_a_lock_says_is_shown_in_every_form_and_acts_in_none() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    backend(&stage).await;
    let hostile = "jo\u{1b}[8mhidden\u{9b}2J\u{202e}\u{200b}\u{7f}\rx\nwrong  forged";
    let info = json!({"ID": ID, "Operation": hostile, "Info": hostile, "Who": hostile, "Version": hostile,
        "Created": "2026-11-22T10:00:00Z", "Path": hostile});
    let place = format!("{BUCKET}/{KEY}\u{1b}[2J");
    row(&stage, &place, "Info", &info.to_string()).await;
    let error = "Error: Error acquiring the state lock";
    let forms = [
        &["--output", "table"][..],
        &["--output", "json"],
        &["--format", "markdown"],
        &["--format", "html"],
        &["--format", "junit"],
        &["--format", "sarif"],
    ];
    for form in forms {
        let ran = stage.run(&[&["doctor", error][..], form].concat()).await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        for text in [&ran.stdout, &ran.stderr] {
            assert_eq!(&report::escape::lines(text), text, "{form:?}");
            assert!(!text.contains("\nwrong  forged"), "{form:?}: {text}");
        }
        assert!(ran.stdout.contains("8mhidden"), "{form:?}: {}", ran.stdout);
    }
}
