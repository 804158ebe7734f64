//! Where Terraform's state lies, as `init-backend apply` makes it.

use super::Stack;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    PublicAccessBlockConfiguration, VersioningConfiguration,
};

pub(crate) async fn build(stack: &mut Stack) {
    let (s3, state) = (&stack.clients.s3, &stack.names);
    let place = BucketLocationConstraint::from(super::REGION);
    let place = CreateBucketConfiguration::builder().location_constraint(place);
    let made = s3.create_bucket().bucket(&state.bucket);
    let made = made.create_bucket_configuration(place.build()).send().await;
    made.expect("a bucket");
    versions(stack, BucketVersioningStatus::Enabled).await;
    let all = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true);
    let blocked = s3.put_public_access_block().bucket(&state.bucket);
    let blocked = blocked.public_access_block_configuration(all.build());
    blocked.send().await.expect("blocked");
    let put = s3.put_object().bucket(&state.bucket);
    let put = put.key(&state.key).body(stack.state.file().into());
    put.send().await.expect("a state");
    table(stack, "LockID").await;
}

/// Whether the state's bucket keeps versions.
pub async fn versions(stack: &Stack, status: BucketVersioningStatus) {
    let kept = VersioningConfiguration::builder().status(status).build();
    let bucket = &stack.names.bucket;
    let set = stack.clients.s3.put_bucket_versioning().bucket(bucket);
    let set = set.versioning_configuration(kept).send().await;
    set.expect("versions");
}

/// Makes the table of locks, with this key.
pub async fn table(stack: &Stack, key: &str) {
    let element = KeySchemaElement::builder().attribute_name(key);
    let element = element.key_type(KeyType::Hash).build().expect("a key");
    let attribute = AttributeDefinition::builder().attribute_name(key);
    let attribute = attribute.attribute_type(ScalarAttributeType::S).build();
    let made = stack.clients.dynamodb.create_table();
    let made = made.table_name(locks(stack)).key_schema(element);
    let made = made.attribute_definitions(attribute.expect("an attribute"));
    let made = made.billing_mode(BillingMode::PayPerRequest).send().await;
    made.expect("a table");
}

/// The name of the table of locks.
pub fn locks(stack: &Stack) -> String {
    stack.names.lock_table.clone()
}
