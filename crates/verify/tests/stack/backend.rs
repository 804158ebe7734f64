//! Where Terraform's state lies, as `init-backend apply` makes it, and ways of breaking it.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    PublicAccessBlockConfiguration, VersioningConfiguration,
};
use futures::FutureExt as _;

use crate::Stack;
use crate::mutation::{Mutation, show};

pub(crate) async fn build(stack: &mut Stack) {
    let (s3, state) = (&stack.clients.home.s3, &stack.settings.state);
    let place = BucketLocationConstraint::from(crate::region().as_str());
    let place = CreateBucketConfiguration::builder().location_constraint(place);
    let made = s3.create_bucket().bucket(state.bucket.as_str());
    let made = made.create_bucket_configuration(place.build()).send().await;
    made.expect("a bucket");
    versions(stack, BucketVersioningStatus::Enabled).await;
    let all = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true);
    let blocked = s3.put_public_access_block().bucket(state.bucket.as_str());
    let blocked = blocked.public_access_block_configuration(all.build());
    blocked.send().await.expect("blocked");
    let put = s3.put_object().bucket(state.bucket.as_str());
    let put = put.key(state.key.as_str()).body(b"{}".to_vec().into());
    put.send().await.expect("a state");
    table(stack, "LockID").await;
}

async fn versions(stack: &Stack, status: BucketVersioningStatus) {
    let kept = VersioningConfiguration::builder().status(status).build();
    let bucket = stack.settings.state.bucket.as_str();
    let set = stack.clients.home.s3.put_bucket_versioning().bucket(bucket);
    let set = set.versioning_configuration(kept).send().await;
    set.expect("versions");
}

async fn table(stack: &Stack, key: &str) {
    let element = KeySchemaElement::builder().attribute_name(key);
    let element = element.key_type(KeyType::Hash).build().expect("a key");
    let attribute = AttributeDefinition::builder().attribute_name(key);
    let attribute = attribute.attribute_type(ScalarAttributeType::S).build();
    let made = stack.clients.home.dynamodb.create_table();
    let made = made.table_name(locks(stack)).key_schema(element);
    let made = made.attribute_definitions(attribute.expect("an attribute"));
    let made = made.billing_mode(BillingMode::PayPerRequest).send().await;
    made.expect("a table");
}

async fn without_table(stack: &Stack) {
    let gone = stack.clients.home.dynamodb.delete_table();
    let gone = gone.table_name(locks(stack)).send().await;
    gone.expect("no table");
}

fn locks(stack: &Stack) -> String {
    let table = stack.settings.state.lock_table.as_ref();
    table.expect("a table of the settings").to_string()
}

pub(crate) fn mutations() -> Vec<Mutation> {
    let it = |name, breaks, apply| Mutation {
        name,
        item: None,
        breaks,
        apply,
    };
    vec![
        it(
            "the state's bucket keeps no more versions",
            &["state-bucket"],
            |stack| versions(stack, BucketVersioningStatus::Suspended).boxed(),
        ),
        it(
            "the state's bucket may be made public",
            &["state-bucket"],
            |stack| {
                async {
                    let bucket = stack.settings.state.bucket.as_str();
                    let open = stack.clients.home.s3.delete_public_access_block();
                    open.bucket(bucket).send().await.expect("nothing blocked");
                }
                .boxed()
            },
        ),
        it("the state is deleted", &["state-there"], |stack| {
            async {
                let state = &stack.settings.state;
                let gone = stack.clients.home.s3.delete_object();
                let gone = gone.bucket(state.bucket.as_str()).key(state.key.as_str());
                gone.send().await.expect("a delete marker");
            }
            .boxed()
        }),
        it("the lock table is deleted", &["state-locks"], |stack| {
            without_table(stack).boxed()
        }),
        it(
            "the lock table has another key",
            &["state-locks"],
            |stack| {
                async {
                    without_table(stack).await;
                    table(stack, "Lock").await;
                }
                .boxed()
            },
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_breaking_the_backend_is_noticed() {
    show(mutations()).await;
}
