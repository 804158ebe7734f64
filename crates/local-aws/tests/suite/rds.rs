//! RDS as the SDK sees it, with a clock that is stepped by hand.

use std::time::Duration;

use aws_sdk_rds::Client;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::types::{DbInstance, DbSnapshot};
use local_aws::{LocalAws, Rds, RdsClock, RdsOptions};

use crate::clients;

mod backups;
mod changes;
mod cli;
mod data;
mod groups;
mod instances;
mod operations;
mod program;
mod snapshots;

pub(crate) const PRIMARY: &str = "ca-central-1";
pub(crate) const DR: &str = "us-east-1";

/// A local AWS whose RDS stands still, or `None` where it cannot run.
pub(crate) async fn start(options: RdsOptions) -> Option<(LocalAws, Rds)> {
    let builder = LocalAws::builder().rds(options);
    let aws = builder.start_or_skip().await.unwrap()?;
    let rds = aws.rds().unwrap().clone();
    Some((aws, rds))
}

pub(crate) fn stepped() -> RdsOptions {
    RdsOptions {
        clock: RdsClock::Stepped,
        ..RdsOptions::default()
    }
}

macro_rules! start_or_return {
    () => {
        match crate::rds::start(crate::rds::stepped()).await {
            Some(started) => started,
            None => return,
        }
    };
}
pub(crate) use start_or_return;

#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

pub(crate) fn client(aws: &LocalAws, region: &str) -> Client {
    clients::rds(aws, region)
}

/// Code of an error answer.
pub(crate) fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> &str {
    error.code().unwrap_or("no code")
}

pub(crate) fn create(
    client: &Client,
    id: &str,
) -> aws_sdk_rds::operation::create_db_instance::builders::CreateDBInstanceFluentBuilder {
    client
        .create_db_instance()
        .db_instance_identifier(id)
        .engine("postgres")
        .db_instance_class("db.t4g.micro")
        .allocated_storage(20)
        .master_username("app")
        .master_user_password("correct-horse")
        .db_name("staging")
}

/// A new instance that is available.
pub(crate) async fn created(client: &Client, rds: &Rds, id: &str) -> DbInstance {
    create(client, id).send().await.unwrap();
    rds.step(minutes(5)).await;
    available(client, id).await
}

/// An instance, which must be available.
pub(crate) async fn available(client: &Client, id: &str) -> DbInstance {
    let instance = instance(client, id).await;
    let events = client.describe_events().send().await.unwrap();
    let events: Vec<_> = events
        .events()
        .iter()
        .map(|event| event.message())
        .collect();
    assert_eq!(
        instance.db_instance_status(),
        Some("available"),
        "{id}: {events:?}"
    );
    instance
}

pub(crate) async fn instance(client: &Client, id: &str) -> DbInstance {
    let answer = client
        .describe_db_instances()
        .db_instance_identifier(id)
        .send()
        .await
        .unwrap();
    answer.db_instances()[0].clone()
}

pub(crate) async fn snapshot(client: &Client, id: &str) -> DbSnapshot {
    let answer = client
        .describe_db_snapshots()
        .db_snapshot_identifier(id)
        .send()
        .await
        .unwrap();
    answer.db_snapshots()[0].clone()
}

/// A manual snapshot that is available.
pub(crate) async fn taken(client: &Client, rds: &Rds, of: &str, id: &str) -> DbSnapshot {
    client
        .create_db_snapshot()
        .db_instance_identifier(of)
        .db_snapshot_identifier(id)
        .send()
        .await
        .unwrap();
    rds.step(minutes(2)).await;
    snapshot(client, id).await
}
