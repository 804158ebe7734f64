//! The program against a local AWS: what an account shows, and what CloudWatch says of it.

use std::process::Output;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use local_aws::{Fault, FaultKind, LocalAws, REMOVED_VARIABLES};
use serde_json::Value;
use verify::EnvironmentClients;

use crate::cost::{SETTINGS, json_of, text};

struct Account {
    aws: LocalAws,
    clients: EnvironmentClients,
}

impl Account {
    async fn open() -> Option<Self> {
        let aws = LocalAws::start_or_skip().await.unwrap()?;
        let env = AwsEnv::load(Options {
            endpoint_url: Some(aws.endpoint().to_owned()),
            credentials: Some(Credentials::new("test", "test", None, None, "tests")),
            ..Options::default()
        })
        .await
        .unwrap();
        let region = "ca-central-1".parse().unwrap();
        let clients = EnvironmentClients::new(&env.access(region), &env.global(region));
        Some(Self { aws, clients })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_verify-staging"));
        for name in REMOVED_VARIABLES {
            command.env_remove(name);
        }
        let command = command
            .envs(self.aws.environment())
            .arg("cost")
            .args(arguments);
        command.args(["--config", SETTINGS]).output().unwrap()
    }

    /// A database of the stack and one of somebody else, a bucket, a secret, an address.
    async fn furnish(&self) {
        let tag = |key: &str, value: &str| {
            aws_sdk_rds::types::Tag::builder()
                .key(key)
                .value(value)
                .build()
        };
        for (id, environment) in [
            ("berthcare-staging-postgres", "staging"),
            ("other", "production"),
        ] {
            let request = self.clients.rds.create_db_instance();
            request
                .db_instance_identifier(id)
                .db_instance_class("db.t4g.medium")
                .engine("postgres")
                .multi_az(true)
                .storage_type("gp3")
                .allocated_storage(100)
                .master_username("app")
                .master_user_password("not-a-secret-1")
                .tags(tag("Project", "berthcare"))
                .tags(tag("Environment", environment))
                .send()
                .await
                .unwrap();
        }
        let location = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from("ca-central-1"))
            .build();
        let bucket = self
            .clients
            .home
            .s3
            .create_bucket()
            .bucket("berthcare-photos-staging");
        bucket
            .create_bucket_configuration(location)
            .send()
            .await
            .unwrap();
        let tag = |key: &str, value: &str| {
            aws_sdk_secretsmanager::types::Tag::builder()
                .key(key)
                .value(value)
                .build()
        };
        let secret = self
            .clients
            .secrets
            .create_secret()
            .name("berthcare-staging-redis");
        secret
            .secret_string("{}")
            .tags(tag("Project", "berthcare"))
            .tags(tag("Environment", "staging"))
            .send()
            .await
            .unwrap();
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::ElasticIp)
            .tags(tag("Project", "berthcare"))
            .tags(tag("Environment", "staging"))
            .build();
        let address = self.clients.ec2.allocate_address().tag_specifications(tags);
        address.send().await.unwrap();
        let topic = self
            .clients
            .sns
            .create_topic()
            .name("berthcare-staging-alerts");
        topic.send().await.unwrap();
    }
}

fn kinds(estimate: &Value) -> Vec<(String, String)> {
    let lines = estimate["lines"].as_array().unwrap().iter();
    lines
        .map(|line| {
            (
                line["item"].as_str().unwrap().to_owned(),
                line["resources"].to_string(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_priced_by_what_carries_the_tags_and_never_as_if_that_were_all() {
    let Some(account) = Account::open().await else {
        return;
    };
    account.furnish().await;
    let estimate = json_of(&account.run(&["estimate", "--live", "--output", "json"]));
    let found = kinds(&estimate);
    let of = |item: &str| {
        let line = found.iter().find(|(of, _)| of == item);
        line.unwrap_or_else(|| panic!("no {item}: {found:?}"))
            .1
            .clone()
    };
    let database = of("instance postgresql db.t4g.medium multi-az");
    assert_eq!(database, "[\"aws_db_instance.berthcare-staging-postgres\"]");
    assert!(of("storage standard").contains("aws_s3_bucket.berthcare-photos-staging"));
    assert!(of("secret").contains("berthcare-staging-redis"));
    assert!(of("public ipv4").contains("aws_eip."));
    // Not everything is looked for: more than this is spent.
    assert_eq!(
        (&estimate["source"], &estimate["lower_bound"]),
        (&"live".into(), &true.into())
    );
    assert!(
        estimate["notes"][0]
            .as_str()
            .unwrap()
            .contains("load balancers")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_does_not_answer_is_not_cheap() {
    let Some(account) = Account::open().await else {
        return;
    };
    account
        .aws
        .add_fault(Fault::new(FaultKind::Denied).operation("DescribeDBInstances"));
    let output = account.run(&["estimate", "--live"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(
        told.contains("RDS DescribeDBInstances") && told.contains("access denied"),
        "{told}"
    );
    assert!(output.stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn measured_usage_is_a_usage_file() {
    let Some(account) = Account::open().await else {
        return;
    };
    account.furnish().await;
    let size = |kind: &str, value: f64| {
        let dimension =
            |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        MetricDatum::builder()
            .metric_name("BucketSizeBytes")
            .dimensions(dimension("BucketName", "berthcare-photos-staging"))
            .dimensions(dimension("StorageType", kind))
            .timestamp(DateTime::from(
                std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 86_400),
            ))
            .value(value)
            .build()
    };
    let put = account
        .clients
        .home
        .cloudwatch
        .put_metric_data()
        .namespace("AWS/S3");
    put.metric_data(size("StandardStorage", 7.0 * 1_073_741_824.0))
        .send()
        .await
        .unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("usage.yml");
    let path = file.to_str().unwrap();
    let output = account.run(&["usage", "--from-cloudwatch", "--live", "--write", path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let yaml = std::fs::read_to_string(&file).unwrap();
    assert!(
        yaml.contains("      storage_gb: 7 # data on 1 of 30 days"),
        "{yaml}"
    );
    assert!(
        yaml.contains("# additional_backup_storage_gb: RDS publishes no metric"),
        "{yaml}"
    );
    let estimate = json_of(&account.run(&["estimate", "--usage", path, "--output", "json"]));
    assert_eq!(estimate["source"], "settings");
    account
        .aws
        .add_fault(Fault::new(FaultKind::Denied).operation("GetMetricData"));
    let output = account.run(&["usage", "--from-cloudwatch"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
}
