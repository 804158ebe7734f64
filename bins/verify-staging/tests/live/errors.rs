//! Ordinary errors of `terraform init` and `terraform apply`, and of copies of snapshots.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use serde_json::json;

use crate::doctor::{
    BUCKET, KEY, TABLE, backend, create_bucket, create_database, deny, doctor, next, row,
    time_passes,
};
use crate::stage::Stage;

const DATABASE: &str = "berthcare-staging-postgres";

async fn table(stage: &Stage, key: &str) {
    let schema = KeySchemaElement::builder()
        .attribute_name(key)
        .key_type(KeyType::Hash);
    let attribute = AttributeDefinition::builder()
        .attribute_name(key)
        .attribute_type(ScalarAttributeType::S);
    let make = stage.clients.home.dynamodb.create_table().table_name(TABLE);
    make.billing_mode(BillingMode::PayPerRequest)
        .key_schema(schema.build().unwrap())
        .attribute_definitions(attribute.build().unwrap())
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn lock_table_that_is_missing_or_of_another_key_is_no_held_lock() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let error = "Error: Error acquiring the state lock\nResourceNotFoundException: Requested resource not found";
    let ran = doctor(&stage, error).await;
    ran.assert("lock-table", "wrong", "no such table in this region");
    assert_eq!(
        (ran.code, next(&ran).as_str()),
        (Some(1), "init-backend apply")
    );
    table(&stage, "lockid").await;
    let error =
        "Error acquiring the state lock\nValidationException: Missing the key lockid in the item";
    let ran = doctor(&stage, error).await;
    ran.assert("lock-table", "wrong", "its key is lockid");
    let delete = stage.clients.home.dynamodb.delete_table().table_name(TABLE);
    delete.send().await.unwrap();
    table(&stage, "LockID").await;
    let ran = doctor(&stage, error).await;
    ran.assert("lock-table", "ok", "with the key LockID");
    deny(&stage, "dynamodb", "DescribeTable").await;
    let ran = doctor(&stage, error).await;
    ran.assert("lock-table", "unknown", "access denied");
    assert_eq!(ran.code, Some(3));
}

#[tokio::test]
async fn bucket_of_the_backend_that_is_missing_is_made_by_init_backend() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let error =
        format!("Initializing the backend...\nError: S3 bucket \"{BUCKET}\" does not exist.");
    let ran = doctor(&stage, &error).await;
    ran.assert("backend-bucket", "wrong", "no such bucket");
    assert_eq!(
        (ran.code, next(&ran).as_str()),
        (Some(1), "init-backend apply")
    );
    let other = doctor(&stage, &error.replace(BUCKET, "acme-tfstate")).await;
    assert!(
        next(&other).contains("init-backend render primary"),
        "{other:?}"
    );
    create_bucket(&stage, BUCKET).await;
    let ran = doctor(&stage, &error).await;
    ran.assert("backend-bucket", "ok", "there now");
}

#[tokio::test]
async fn default_retention_is_told_from_a_held_lock() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    create_bucket(&stage, BUCKET).await;
    let error = "Error acquiring the state lock: Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
    let ran = doctor(&stage, error).await;
    ran.assert("object-lock", "ok", "no default retention");
    deny(&stage, "s3", "GetObjectLockConfiguration").await;
    let ran = doctor(&stage, error).await;
    ran.assert("object-lock", "unknown", "access denied");
    assert_eq!(ran.code, Some(3));
}

#[tokio::test]
async fn deleted_state_whose_digest_is_left_can_be_brought_back_or_dropped() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    backend(&stage).await;
    let s3 = &stage.clients.home.s3;
    row(&stage, &format!("{BUCKET}/{KEY}-md5"), "Digest", "0123").await;
    s3.delete_object()
        .bucket(BUCKET)
        .key(KEY)
        .send()
        .await
        .unwrap();
    let ran = doctor(
        &stage,
        "state data in S3 does not have the expected content.",
    )
    .await;
    ran.assert("state-digest", "wrong", "there is a row, and no state");
    let commands = next(&ran);
    assert!(
        commands.contains(&format!("init-backend restore --version VERSION {KEY}")),
        "{commands}"
    );
    assert!(commands.contains("aws dynamodb delete-item"), "{commands}");
}

#[tokio::test]
async fn apply_that_could_not_be_saved_is_pushed_before_another() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let error = "api error ExpiredToken: The provided token has expired.\nError: Failed to persist state to backend\nthe state has been written to the file \"errored.tfstate\"";
    let ran = doctor(&stage, error).await;
    ran.assert("credentials", "ok", "account");
    ran.assert("errored-state", "wrong", "the backend has the state before");
    assert!(next(&ran).contains("state push errored.tfstate"), "{ran:?}");
    assert_eq!(ran.code, Some(1));
}

#[tokio::test]
async fn name_that_is_taken_is_told_with_what_has_it() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let error = format!(
        "creating RDS DB Instance (restore to point-in-time) ({DATABASE}): DBInstanceAlreadyExists: DB instance already exists"
    );
    let ran = doctor(&stage, &error).await;
    ran.assert("db-instance", "ok", "none now");
    create_database(&stage).await;
    time_passes(&stage).await;
    let snapshot = format!("{DATABASE}-final");
    let make = stage.clients.rds.create_db_snapshot();
    make.db_instance_identifier(DATABASE)
        .db_snapshot_identifier(&snapshot)
        .send()
        .await
        .unwrap();
    let ran = doctor(&stage, &error).await;
    ran.assert("db-instance", "wrong", "there is one");
    ran.assert("final-snapshot", "wrong", &snapshot);
    deny(&stage, "rds", "Describe*").await;
    let ran = doctor(&stage, &error).await;
    ran.assert("db-instance", "unknown", "access denied");
    ran.assert("final-snapshot", "unknown", "access denied");
}

#[tokio::test]
async fn class_and_version_are_told_with_what_rds_offers_of_each() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let error = |version: &str| {
        format!(
            "RDS does not support creating a DB instance with the following combination: DBInstanceClass=db.t4g.medium, Engine=postgres, EngineVersion={version}, LicenseModel=postgresql-license."
        )
    };
    let ran = doctor(&stage, &error("11.5")).await;
    ran.assert("db-class", "wrong", "15.15");
    ran.assert("db-version", "wrong", "no class");
    let ran = doctor(&stage, &error("15.15")).await;
    ran.assert("db-class", "ok", "15.15");
    ran.assert("db-version", "ok", "db.t4g.medium");
    let full = "InsufficientDBInstanceCapacity: Cannot create a db.t4g.medium database instance because there are no availability zones with sufficient capacity";
    let ran = doctor(&stage, full).await;
    ran.assert("db-capacity", "wrong", "ca-central-1");
}

#[tokio::test]
async fn copies_are_counted_where_they_arrive() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let error = "SnapshotQuotaExceeded: Cannot copy more than 20 snapshots across regions";
    let ran = doctor(&stage, error).await;
    ran.assert("copies-in-progress", "ok", "none is in progress");
    create_database(&stage).await;
    time_passes(&stage).await;
    let make = stage.clients.rds.create_db_snapshot();
    let made = make
        .db_instance_identifier(DATABASE)
        .db_snapshot_identifier("a")
        .send()
        .await
        .unwrap();
    let source = made.db_snapshot.unwrap().db_snapshot_arn.unwrap();
    time_passes(&stage).await;
    let east = stage.env.access("us-east-1".parse().unwrap());
    let rds = aws_env::client!(aws_sdk_rds, &east);
    let copy = rds.copy_db_snapshot().source_db_snapshot_identifier(source);
    copy.target_db_snapshot_identifier("copy-of-a")
        .send()
        .await
        .unwrap();
    let ran = doctor(&stage, error).await;
    ran.assert("copies-in-progress", "wrong", "1 in progress: copy-of-a (");
}

#[tokio::test]
async fn network_secret_and_versions_are_looked_at_by_name() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let made = stage.clients.ec2.create_vpc().cidr_block("10.0.0.0/16");
    let vpc = made.send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let dns = "The specified VPC does not support DNS resolution, DNS hostnames, or both.";
    let ran = doctor(&stage, dns).await;
    ran.assert("vpc-dns", "unknown", "no vpc_id");
    stage.output("vpc_id", vpc.as_str());
    let ran = doctor(&stage, dns).await;
    ran.assert("vpc-dns", "wrong", "host names are off");
    assert!(next(&ran).contains("--enable-dns-hostnames"), "{ran:?}");

    let different =
        format!("The DB instance is in {vpc}, which is different VPC of sg-0a1 and subnet-0b2");
    let ran = doctor(&stage, &different).await;
    ran.assert("vpc", "wrong", "absent");

    stage.secret("acme/db", &json!({}).to_string()).await;
    let delete = stage.clients.secrets.delete_secret().secret_id("acme/db");
    delete.recovery_window_in_days(7).send().await.unwrap();
    let error = "creating Secrets Manager Secret (acme/db): a secret with this name is already scheduled for deletion.";
    let ran = doctor(&stage, error).await;
    ran.assert("secret", "wrong", "it was deleted on");
    assert!(
        next(&ran).contains("aws secretsmanager restore-secret"),
        "{ran:?}"
    );

    let east = stage.env.access("us-east-1".parse().unwrap()).clients();
    let make = east.s3.create_bucket().bucket("acme-copies");
    make.send().await.unwrap();
    let error = "Destination bucket must have versioning enabled. arn:aws:s3:::acme-copies";
    let ran = doctor(&stage, error).await;
    ran.assert("destination-versioning", "wrong", "never enabled");
    assert_eq!(ran.code, Some(1));
}
