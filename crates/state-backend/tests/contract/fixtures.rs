//! What the checks begin with: buckets, tables and locks, by `apply` or as others have made them.

use aws_env::RegionClients;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use report::Silent;
use state_backend::{Applied, Backend, Lock, SideName};

use crate::{EXAMPLE, Stage};

pub(crate) const BUCKET: &str = "berthcare-terraform-state";
pub(crate) const DR_BUCKET: &str = "berthcare-terraform-state-dr";
pub(crate) const TABLE: &str = "berthcare-terraform-locks";

/// Plans, and applies what nothing speaks against.
pub(crate) async fn apply(backend: &Backend) -> Applied {
    let approved = backend.plan().await.approve().expect("nothing is refused");
    backend.apply(&approved, &Silent).await
}

/// A bucket and a table as another tool may have made them. Not by `apply`: an emulator that heeds
/// bucket policies refuses objects over plain HTTP then, and rightly.
pub(crate) async fn bare(stage: &Stage) -> Backend {
    let backend = stage.backend().await;
    let clients = stage.env.region(backend.spec().primary.region);
    let canada = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::CaCentral1)
        .build();
    clients
        .s3
        .create_bucket()
        .bucket(BUCKET)
        .create_bucket_configuration(canada)
        .send()
        .await
        .expect("created");
    create_table(stage, "LockID").await;
    backend
}

pub(crate) async fn create_table(stage: &Stage, key: &str) {
    let primary = stage.env.region("ca-central-1".parse().expect("a region"));
    create_table_in(&primary, key).await;
}

pub(crate) async fn create_table_in(clients: &RegionClients, key: &str) {
    let attribute = AttributeDefinition::builder()
        .attribute_name(key)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .expect("complete");
    let schema = KeySchemaElement::builder()
        .attribute_name(key)
        .key_type(KeyType::Hash)
        .build()
        .expect("complete");
    clients
        .dynamodb
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(attribute)
        .key_schema(schema)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .expect("created");
}

pub(crate) fn global_table() -> String {
    EXAMPLE
        .replace("strategy = \"replication\"", "strategy = \"global-table\"")
        .replace("lock_table = \"berthcare-terraform-locks-dr\"\n", "")
}

pub(crate) fn info(id: &str) -> String {
    format!(
        r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"jo@laptop","Version":"1.11.4","Created":"2026-11-22T09:00:00Z","Path":"{BUCKET}/staging/terraform.tfstate"}}"#
    )
}

/// The lock of the primary side's state, wherever the table is.
pub(crate) async fn put_row(clients: &RegionClients, id: &str) {
    clients
        .dynamodb
        .put_item()
        .table_name(TABLE)
        .item(
            "LockID",
            AttributeValue::S(format!("{BUCKET}/staging/terraform.tfstate")),
        )
        .item("Info", AttributeValue::S(info(id)))
        .send()
        .await
        .expect("the row is written");
}

pub(crate) async fn lock_both(stage: &Stage, backend: &Backend, id: &str) {
    let clients = stage.env.region(backend.spec().primary.region);
    put_row(&clients, id).await;
    clients
        .s3
        .put_object()
        .bucket(BUCKET)
        .key("staging/terraform.tfstate.tflock")
        .body(info(id).into_bytes().into())
        .send()
        .await
        .expect("the object is written");
}

pub(crate) async fn listed(backend: &Backend) -> Vec<Lock> {
    let locks = backend.locks(SideName::Primary).await;
    assert!(locks.unknown.is_empty(), "{locks:?}");
    locks.held
}
