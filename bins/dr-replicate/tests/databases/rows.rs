//! Rows of a real PostgreSQL that survive the loss of a region.

use std::time::Duration;

use jiff::Timestamp;
use local_aws::{RdsData, RegionState};
use tokio_postgres::{Client, NoTls};

use crate::stage::{DR, ID, PASSWORD, PRIMARY, Stage, TARGET, minutes};

/// Logs are uploaded every 5 minutes.
const INTERVAL: i64 = 300;

async fn connect(endpoint: &str) -> Client {
    let (host, port) = endpoint.rsplit_once(':').unwrap();
    let (client, connection) = tokio_postgres::Config::new()
        .host(host)
        .port(port.parse().unwrap())
        .user("app")
        .password(PASSWORD)
        .dbname("staging")
        .connect(NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

// aws-behaviour: 5
// aws-behaviour: 6
#[tokio::test]
async fn restore_after_a_loss_prints_the_rpo_that_is_measured() {
    let Some(stage) = Stage::open(RdsData::WhereInstalled, false).await else {
        return;
    };
    if let Some(why) = stage.rds.data_missing() {
        eprintln!("skipped: no PostgreSQL behind RDS: {why}");
        return;
    }
    stage.json(0, &["backups", "enable", "--yes"]).await;
    stage.rds.step(minutes(10)).await;
    let instance = stage
        .from
        .describe_db_instances()
        .db_instance_identifier(ID);
    let instance = instance.send().await.unwrap();
    let endpoint = instance.db_instances()[0].endpoint().unwrap();
    let endpoint = format!(
        "{}:{}",
        endpoint.address().unwrap(),
        endpoint.port().unwrap()
    );
    let primary = connect(&endpoint).await;
    primary
        .batch_execute("create table written (n int primary key)")
        .await
        .unwrap();
    // A row a minute, each with the simulated time of its commit.
    let mut committed: Vec<Timestamp> = Vec::new();
    for n in 0..23_i32 {
        primary
            .execute("insert into written values ($1)", &[&n])
            .await
            .unwrap();
        committed.push(stage.rds.now());
        stage.rds.step(minutes(1)).await;
    }
    let lost = stage.rds.now();
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    stage.rds.step(Duration::ZERO).await;
    stage.aws.clear_log();

    let as_of = lost.to_string();
    let restore = ["restore", "--target", TARGET, "--as-of", &as_of];
    let restore = [&restore[..], &["--yes", "--poll", "100ms"]].concat();
    let done = stage.json(0, &restore).await;
    assert_eq!(done["plan"]["choice"]["kind"], "replicated-backup");
    let called = stage.aws.log();
    let away = called
        .iter()
        .filter(|entry| entry.region.as_deref() != Some(DR));
    assert_eq!(away.count(), 0);

    let restored = connect(done["done"]["endpoint"].as_str().unwrap()).await;
    let rows = restored
        .query("select n from written order by n", &[])
        .await
        .unwrap();
    let survived: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    let expected: Vec<i32> = (0..i32::try_from(survived.len()).unwrap()).collect();
    assert_eq!(
        survived, expected,
        "the rows that survive are the oldest ones"
    );
    assert!(
        !survived.is_empty() && survived.len() < committed.len(),
        "{survived:?}"
    );
    let data_time: Timestamp = done["plan"]["choice"]["data_time"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    for (n, at) in committed.iter().enumerate() {
        // What was committed before the last archived log is there; what came after is not.
        assert_eq!(
            n < survived.len(),
            *at <= data_time,
            "row {n} of {at}, data of {data_time}"
        );
    }
    let measured = lost.as_second() - committed[survived.len() - 1].as_second();
    let printed = done["done"]["rpo_seconds"].as_i64().unwrap();
    assert!(
        (printed - measured).abs() <= INTERVAL,
        "printed {printed}, measured {measured}"
    );
}
