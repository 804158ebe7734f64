//! Real rows through snapshots, recoveries and the loss of a region.

use aws_sdk_rds::primitives::DateTime;
use aws_sdk_rds::types::DbInstance;
use local_aws::{LocalAws, Rds, RdsData, RdsOptions, RegionState};
use tokio_postgres::{Client, NoTls};

use super::{DR, PRIMARY, available, client, created, minutes, skipped, snapshot, stepped, taken};

/// `None`, after a line that says why, where there is no PostgreSQL.
async fn start() -> Option<(LocalAws, Rds)> {
    let options = RdsOptions {
        data: RdsData::WhereInstalled,
        ..stepped()
    };
    let (aws, rds) = super::start(options).await?;
    if let Some(why) = rds.data_missing() {
        skipped(why);
        return None;
    }
    Some((aws, rds))
}

macro_rules! start_or_return {
    () => {
        match start().await {
            Some(started) => started,
            None => return,
        }
    };
}

/// A connection as the application has it.
async fn connect(instance: &DbInstance, password: &str) -> Result<Client, tokio_postgres::Error> {
    let endpoint = instance.endpoint().unwrap();
    let (client, connection) = tokio_postgres::Config::new()
        .host(endpoint.address().unwrap())
        .port(u16::try_from(endpoint.port().unwrap()).unwrap())
        .user("app")
        .password(password)
        .dbname("staging")
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn open(instance: &DbInstance) -> Client {
    connect(instance, "correct-horse").await.unwrap()
}

async fn write(client: &Client, row: i32) {
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS visits (id int PRIMARY KEY)")
        .await
        .unwrap();
    client
        .execute("INSERT INTO visits VALUES ($1)", &[&row])
        .await
        .unwrap();
}

async fn rows(instance: &DbInstance) -> Vec<i32> {
    let client = open(instance).await;
    let rows = client
        .query("SELECT id FROM visits ORDER BY id", &[])
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_snapshot_holds_the_rows_of_its_moment() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    let made = created(&primary, &rds, "app").await;
    let app = open(&made).await;
    write(&app, 1).await;
    let source = taken(&primary, &rds, "app", "seed").await;
    write(&app, 2).await;
    dr.copy_db_snapshot()
        .source_db_snapshot_identifier(source.db_snapshot_arn().unwrap())
        .target_db_snapshot_identifier("seed-dr")
        .send()
        .await
        .unwrap();
    rds.step(minutes(10)).await;
    aws.set_region(PRIMARY, RegionState::Refuse);
    assert_eq!(snapshot(&dr, "seed-dr").await.status(), Some("available"));
    dr.restore_db_instance_from_db_snapshot()
        .db_snapshot_identifier("seed-dr")
        .db_instance_identifier("app-dr")
        .send()
        .await
        .unwrap();
    rds.step(minutes(6)).await;
    let restored = available(&dr, "app-dr").await;
    assert_eq!(rows(&restored).await, [1]);
    write(&open(&restored).await, 3).await;
    assert!(
        connect(&made, "correct-horse").await.is_err(),
        "its region is off"
    );
}

// aws-behaviour: 6
#[tokio::test]
async fn a_replicated_backup_loses_what_was_not_archived_and_nothing_else() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    let made = created(&primary, &rds, "app").await;
    let app = open(&made).await;
    write(&app, 1).await;
    let replicated = dr
        .start_db_instance_automated_backups_replication()
        .source_db_instance_arn(made.db_instance_arn().unwrap())
        .backup_retention_period(3)
        .send()
        .await
        .unwrap();
    let backup = replicated.db_instance_automated_backup().unwrap();
    assert_eq!(backup.status(), Some("pending"));
    let arn = backup.db_instance_automated_backups_arn().unwrap();
    // To two minutes after an upload.
    let into = rds.now().as_second() % 300;
    rds.step(std::time::Duration::from_secs(
        u64::try_from(300 - into).unwrap() + 120,
    ))
    .await;
    write(&app, 2).await;
    rds.step(minutes(5)).await;
    // Uploaded three minutes from now, and not before the region is lost.
    write(&app, 3).await;
    rds.step(minutes(2)).await;
    aws.set_region(PRIMARY, RegionState::Refuse);
    let lost_at = rds.now();
    rds.step(minutes(30)).await;

    let found = dr
        .describe_db_instance_automated_backups()
        .db_instance_automated_backups_arn(arn)
        .send()
        .await
        .unwrap();
    let found = &found.db_instance_automated_backups()[0];
    assert_eq!(found.status(), Some("replicating"));
    assert_eq!(found.region(), Some(PRIMARY));
    let latest = found.restore_window().unwrap().latest_time().unwrap();
    let lag = lost_at.as_second() - latest.secs();
    assert_eq!(lag, 240, "4 min after the last upload");
    let restore = |id: &str| {
        dr.restore_db_instance_to_point_in_time()
            .source_db_instance_automated_backups_arn(arn)
            .target_db_instance_identifier(id)
    };
    restore("latest")
        .use_latest_restorable_time(true)
        .send()
        .await
        .unwrap();
    // Between the two uploads of rows 1 and 2.
    restore("earlier")
        .restore_time(DateTime::from_secs(latest.secs() - 240))
        .send()
        .await
        .unwrap();
    rds.step(minutes(6)).await;
    for (id, expected) in [("latest", &[1, 2][..]), ("earlier", &[1][..])] {
        let restored = available(&dr, id).await;
        assert_eq!(rows(&restored).await, expected, "{id}");
    }
    let error = restore("x").restore_time(*latest).send().await.unwrap_err();
    assert_eq!(super::code(&error), "InvalidParameterValue");

    // The region comes back with all that was committed there.
    aws.set_region(PRIMARY, RegionState::Up);
    rds.step(minutes(10)).await;
    assert_eq!(rows(&available(&primary, "app").await).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_point_in_time_is_exact_and_survives_a_restart() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let app = open(&created(&client, &rds, "app").await).await;
    let mut times = Vec::new();
    for row in 1..=4 {
        write(&app, row).await;
        // Whole seconds: this one ends before the next row comes.
        times.push(rds.now().as_second() + 1);
        rds.step(minutes(2)).await;
    }
    rds.step(minutes(5)).await;
    let restore = async |id: &str, time: i64| {
        client
            .restore_db_instance_to_point_in_time()
            .source_db_instance_identifier("app")
            .target_db_instance_identifier(id)
            .restore_time(DateTime::from_secs(time))
            .send()
            .await
            .unwrap();
    };
    restore("second", times[1]).await;
    restore("third", times[2] + 60).await;
    rds.step(minutes(6)).await;
    assert_eq!(rows(&available(&client, "second").await).await, [1, 2]);
    let third = available(&client, "third").await;
    assert_eq!(rows(&third).await, [1, 2, 3]);
    // The restored one is an instance like any other: it is backed up, stopped, started, restored from.
    write(&open(&third).await, 30).await;
    client
        .stop_db_instance()
        .db_instance_identifier("third")
        .send()
        .await
        .unwrap();
    rds.step(minutes(2)).await;
    assert!(connect(&third, "correct-horse").await.is_err());
    client
        .start_db_instance()
        .db_instance_identifier("third")
        .send()
        .await
        .unwrap();
    rds.step(minutes(7)).await;
    let again = available(&client, "third").await;
    assert_eq!(rows(&again).await, [1, 2, 3, 30]);
    client
        .restore_db_instance_to_point_in_time()
        .source_db_instance_identifier("third")
        .target_db_instance_identifier("fourth")
        .use_latest_restorable_time(true)
        .send()
        .await
        .unwrap();
    client
        .modify_db_instance()
        .db_instance_identifier("third")
        .master_user_password("battery-staple")
        .send()
        .await
        .unwrap();
    connect(&again, "battery-staple").await.unwrap_err();
    rds.step(minutes(2)).await;
    connect(&again, "battery-staple").await.unwrap();
    assert!(connect(&again, "correct-horse").await.is_err());
    rds.step(minutes(6)).await;
    assert_eq!(
        rows(&available(&client, "fourth").await).await,
        [1, 2, 3, 30]
    );
}

#[tokio::test]
async fn a_replica_follows_and_is_promoted() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    let made = created(&primary, &rds, "app").await;
    let app = open(&made).await;
    write(&app, 1).await;
    dr.create_db_instance_read_replica()
        .source_db_instance_identifier(made.db_instance_arn().unwrap())
        .db_instance_identifier("app-replica")
        .send()
        .await
        .unwrap();
    rds.step(minutes(6)).await;
    let replica = available(&dr, "app-replica").await;
    assert_eq!(
        replica.read_replica_source_db_instance_identifier(),
        made.db_instance_arn()
    );
    write(&app, 2).await;
    while rows(&replica).await != [1, 2] {
        tokio::task::yield_now().await;
    }
    let reader = open(&replica).await;
    reader
        .execute("INSERT INTO visits VALUES (9)", &[])
        .await
        .unwrap_err();
    aws.set_region(PRIMARY, RegionState::Refuse);
    dr.promote_read_replica()
        .db_instance_identifier("app-replica")
        .backup_retention_period(7)
        .send()
        .await
        .unwrap();
    rds.step(minutes(10)).await;
    let promoted = available(&dr, "app-replica").await;
    assert_eq!(promoted.read_replica_source_db_instance_identifier(), None);
    assert!(promoted.latest_restorable_time().is_some());
    write(&open(&promoted).await, 3).await;
    assert_eq!(rows(&promoted).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_replica_outlives_its_source() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    let made = created(&primary, &rds, "app").await;
    write(&open(&made).await, 1).await;
    dr.create_db_instance_read_replica()
        .source_db_instance_identifier(made.db_instance_arn().unwrap())
        .db_instance_identifier("app-replica")
        .send()
        .await
        .unwrap();
    rds.step(minutes(6)).await;
    primary
        .delete_db_instance()
        .db_instance_identifier("app")
        .skip_final_snapshot(true)
        .send()
        .await
        .unwrap();
    rds.step(minutes(2)).await;
    let alone = available(&dr, "app-replica").await;
    assert_eq!(alone.read_replica_source_db_instance_identifier(), None);
    write(&open(&alone).await, 2).await;
    assert_eq!(rows(&alone).await, [1, 2]);
}
