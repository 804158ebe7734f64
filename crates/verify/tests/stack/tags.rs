//! Tags taken away, or changed, by the service of each kind of resource.

use aws_sdk_ec2::types::Tag;
use futures::FutureExt as _;

use crate::Stack;
use crate::mutation::{Mutation, show};
use local_aws::stack::network::id;

const OWNER: &str = "Owner";

async fn without_owner(stack: &Stack, id: &str) {
    let gone = stack.clients.ec2.delete_tags().resources(id);
    let gone = gone.tags(Tag::builder().key(OWNER).build()).send().await;
    gone.expect("no tag");
}

async fn with(stack: &Stack, id: String, key: &str, value: &str) {
    let tag = Tag::builder().key(key).value(value).build();
    let tagged = stack.clients.ec2.create_tags().resources(id);
    tagged.tags(tag).send().await.expect("a tag");
}

async fn address(stack: &Stack) {
    let address = stack.state.one("aws_eip", "\"0\"");
    without_owner(stack, address.text("id")).await;
}

async fn key(stack: &Stack) {
    let gone = stack.clients.kms.untag_resource();
    let gone = gone.key_id(id(stack, "kms_key_arn")).tag_keys(OWNER);
    gone.send().await.expect("no tag");
}

async fn log_group(stack: &Stack) {
    let group = stack.state.one("aws_cloudwatch_log_group", "networking");
    let gone = stack.clients.logs.untag_resource().tag_keys(OWNER);
    let gone = gone.resource_arn(group.text("arn")).send().await;
    gone.expect("no tag");
}

async fn role(stack: &Stack) {
    let role = stack.state.one("aws_iam_role", "module.networking");
    let gone = stack.clients.iam.untag_role().role_name(role.text("name"));
    gone.tag_keys(OWNER).send().await.expect("no tag");
}

async fn bucket(stack: &Stack) {
    let gone = stack.clients.home.s3.delete_bucket_tagging();
    let gone = gone.bucket(id(stack, "s3_bucket_photos")).send().await;
    gone.expect("no tags");
}

async fn database(stack: &Stack) {
    let gone = stack
        .clients
        .rds
        .remove_tags_from_resource()
        .tag_keys(OWNER);
    let gone = gone.resource_name(id(stack, "db_arn")).send().await;
    gone.expect("no tag");
}

async fn cache(stack: &Stack) {
    let group = stack.state.one("aws_elasticache_subnet_group", "cache");
    let region = crate::region();
    let arn = format!(
        "arn:aws:elasticache:{region}:{}:subnetgroup:{}",
        crate::ACCOUNT,
        group.text("name")
    );
    let gone = stack.clients.elasticache.remove_tags_from_resource();
    let gone = gone.resource_name(arn).tag_keys(OWNER).send().await;
    gone.expect("no tag");
}

async fn secret(stack: &Stack) {
    let gone = stack.clients.secrets.untag_resource().tag_keys(OWNER);
    let gone = gone.secret_id(id(stack, "redis_credentials_secret_arn"));
    gone.send().await.expect("no tag");
}

async fn distribution(stack: &Stack) {
    let id = id(stack, "cloudfront_distribution_id");
    let arn = format!("arn:aws:cloudfront::{}:distribution/{id}", crate::ACCOUNT);
    let keys = aws_sdk_cloudfront::types::TagKeys::builder().items(OWNER);
    let gone = stack.clients.cloudfront.untag_resource().resource(arn);
    gone.tag_keys(keys.build()).send().await.expect("no tag");
}

async fn topic(stack: &Stack) {
    let gone = stack.clients.global_sns.untag_resource().tag_keys(OWNER);
    let gone = gone.resource_arn(id(stack, "sns_global_alerts_topic_arn"));
    gone.send().await.expect("no tag");
}

async fn alarm(stack: &Stack) {
    let arn = format!(
        "arn:aws:cloudwatch:{}:{}:alarm:berthcare-staging-rds-cpu",
        crate::region(),
        crate::ACCOUNT
    );
    let gone = stack.clients.home.cloudwatch.untag_resource();
    let arn = stack.state.called(&arn);
    let gone = gone.resource_arn(arn).tag_keys(OWNER).send().await;
    gone.expect("no tag");
}

macro_rules! mutation {
    ($name:literal, $breaks:literal, $apply:expr) => {
        Mutation {
            name: $name,
            item: Some(15),
            breaks: &[$breaks],
            apply: $apply,
        }
    };
}

pub(crate) fn mutations() -> Vec<Mutation> {
    vec![
        mutation!("the VPC has another project", "tags-network", |stack| {
            with(stack, id(stack, "vpc_id"), "Project", "other").boxed()
        }),
        mutation!(
            "a subnet has another environment",
            "tags-network",
            |stack| {
                with(
                    stack,
                    id(stack, "private_subnet_ids"),
                    "Environment",
                    "Staging",
                )
                .boxed()
            }
        ),
        mutation!(
            "an address of a NAT gateway has no owner",
            "tags-network",
            |stack| { address(stack).boxed() }
        ),
        mutation!(
            "a group has another value of a tag of the settings",
            "tags-groups",
            |stack| {
                with(
                    stack,
                    id(stack, "rds_security_group_id"),
                    "DataClass",
                    "public",
                )
                .boxed()
            }
        ),
        mutation!("the key has no owner", "tags-key", |stack| key(stack)
            .boxed()),
        mutation!("a log group has no owner", "tags-logs", |stack| log_group(
            stack
        )
        .boxed()),
        mutation!("a role has no owner", "tags-roles", |stack| role(stack)
            .boxed()),
        mutation!("a bucket has no tags", "tags-buckets", |stack| bucket(
            stack
        )
        .boxed()),
        mutation!("the database has no owner", "tags-database", |stack| {
            database(stack).boxed()
        }),
        mutation!(
            "the subnet group of Redis has no owner",
            "tags-cache",
            |stack| { cache(stack).boxed() }
        ),
        mutation!("a secret has no owner", "tags-secrets", |stack| secret(
            stack
        )
        .boxed()),
        mutation!("the distribution has no owner", "tags-cdn", |stack| {
            distribution(stack).boxed()
        }),
        mutation!("CloudFront's topic has no owner", "tags-topics", |stack| {
            topic(stack).boxed()
        }),
        mutation!("an alarm has no owner", "tags-alarms", |stack| alarm(stack)
            .boxed()),
    ]
}

#[tokio::test]
async fn each_tag_that_is_missing_is_noticed() {
    show(mutations()).await;
}
