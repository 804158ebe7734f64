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

/// Where an instance is reached.
async fn endpoint(rds: &aws_sdk_rds::Client, id: &str) -> String {
    let found = rds.describe_db_instances().db_instance_identifier(id);
    let found = found.send().await.unwrap();
    let endpoint = found.db_instances()[0].endpoint().unwrap();
    let (address, port) = (endpoint.address().unwrap(), endpoint.port().unwrap());
    format!("{address}:{port}")
}

/// A row a minute, each with the simulated time of its commit.
async fn write(stage: &Stage, client: &Client, rows: std::ops::Range<i32>) -> Vec<Timestamp> {
    let mut committed = Vec::new();
    for n in rows {
        let insert = "insert into written values ($1)";
        client.execute(insert, &[&n]).await.unwrap();
        committed.push(stage.rds.now());
        stage.rds.step(minutes(1)).await;
    }
    committed
}

/// Loses `away` and restores by `restore`, and checks that the rows that are there then are the oldest ones, as many as the
/// printed RPO says. What is restored, and how many of `committed` it has.
async fn lose_and_restore(
    stage: &Stage,
    (away, left): (&str, &str),
    restore: &[&str],
    committed: &[Timestamp],
) -> (Client, usize) {
    let lost = stage.rds.now();
    stage.aws.set_region(away, RegionState::Refuse);
    stage.rds.step(Duration::ZERO).await;
    stage.aws.clear_log();
    let as_of = lost.to_string();
    let more = ["--as-of", &as_of, "--yes", "--poll", "100ms"];
    let done = stage.json(0, &[restore, &more[..]].concat()).await;
    assert_eq!(done["plan"]["choice"]["kind"], "replicated-backup");
    let called = stage.aws.log();
    let elsewhere = called
        .iter()
        .filter(|entry| entry.region.as_deref() != Some(left));
    assert_eq!(elsewhere.count(), 0);

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
    let data_time = done["plan"]["choice"]["data_time"].as_str().unwrap();
    let data_time: Timestamp = data_time.parse().unwrap();
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
    (restored, survived.len())
}

// aws-behaviour: 5
// aws-behaviour: 6
#[tokio::test]
async fn restore_after_a_loss_prints_the_rpo_that_is_measured_both_ways() {
    let Some(stage) = Stage::open(RdsData::WhereInstalled, false).await else {
        return;
    };
    if let Some(why) = stage.rds.data_missing() {
        eprintln!("skipped: no PostgreSQL behind RDS: {why}");
        return;
    }
    stage.json(0, &["backups", "enable", "--yes"]).await;
    stage.rds.step(minutes(10)).await;
    let primary = connect(&endpoint(&stage.from, ID).await).await;
    let create = "create table written (n int primary key)";
    primary.batch_execute(create).await.unwrap();
    let mut committed = write(&stage, &primary, 0..23).await;
    let restore = ["restore", "--target", TARGET];
    let (there, rows) = lose_and_restore(&stage, (PRIMARY, DR), &restore, &committed).await;

    // The primary region is back, without its database, and the other one goes on.
    stage.aws.set_region(PRIMARY, RegionState::Up);
    drop(primary);
    let delete = stage.from.delete_db_instance().db_instance_identifier(ID);
    delete.skip_final_snapshot(true).send().await.unwrap();
    stage.rds.step(minutes(10)).await;
    let enable = ["backups", "enable", "--side", "primary", "--yes"];
    stage.json(0, &enable).await;
    stage.rds.step(minutes(10)).await;
    committed.truncate(rows);
    let from = i32::try_from(rows).unwrap();
    committed.extend(write(&stage, &there, from..from + 23).await);
    let restore = ["restore", "--side", "primary", "--target", ID];
    let (_, back) = lose_and_restore(&stage, (DR, PRIMARY), &restore, &committed).await;
    assert!(back > rows, "{back} rows are back, and {rows} went");
}
