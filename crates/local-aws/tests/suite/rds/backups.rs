//! Automated backups, here and replicated; what RDS offers.

use aws_sdk_rds::Client;
use aws_sdk_rds::types::{DbInstanceAutomatedBackup, Filter};
use local_aws::{RdsQuotas, RegionState};

use super::{
    DR, PRIMARY, available, client, code, create, created, instance, minutes, start_or_return,
};
use crate::clients;

async fn backups(client: &Client) -> Vec<DbInstanceAutomatedBackup> {
    let answer = client
        .describe_db_instance_automated_backups()
        .send()
        .await
        .unwrap();
    answer.db_instance_automated_backups().to_vec()
}

fn latest(backup: &DbInstanceAutomatedBackup) -> i64 {
    let window = backup.restore_window().unwrap();
    window.latest_time().map_or(0, |time| time.secs())
}

// aws-behaviour: 5
// aws-behaviour: 6
#[tokio::test]
async fn a_replicated_backup_follows_late_and_outlives_its_region() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    let made = created(&primary, &rds, "app").await;
    let arn = made.db_instance_arn().unwrap();
    let start = || {
        dr.start_db_instance_automated_backups_replication()
            .source_db_instance_arn(arn)
    };
    start().send().await.unwrap();
    let error = start().send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidDBInstanceAutomatedBackupState");
    let [pending] = &backups(&dr).await[..] else {
        panic!()
    };
    assert_eq!((pending.status(), latest(pending)), (Some("pending"), 0));
    let backup = pending.db_instance_automated_backups_arn().unwrap();
    let following = instance(&primary, "app").await;
    assert_eq!(
        following.db_instance_automated_backups_replications()[0]
            .db_instance_automated_backups_arn(),
        Some(backup)
    );
    // To a minute after an upload.
    let into = u64::try_from(rds.now().as_second() % 300).unwrap();
    rds.step(std::time::Duration::from_secs(300 - into + 60))
        .await;
    rds.step(minutes(5)).await;
    let here = instance(&primary, "app")
        .await
        .latest_restorable_time()
        .unwrap()
        .secs();
    let there = &backups(&dr).await[0];
    assert_eq!(there.status(), Some("replicating"));
    assert_eq!(latest(there), here - 300, "not yet arrived");
    rds.step(minutes(1)).await;
    assert_eq!(latest(&backups(&dr).await[0]), here);

    // Uploaded a minute ago, and on its way.
    rds.step(minutes(4)).await;
    aws.set_region(PRIMARY, RegionState::BlackHole);
    rds.step(minutes(60)).await;
    assert_eq!(latest(&backups(&dr).await[0]), here, "nothing more arrives");
    aws.clear_log();
    dr.restore_db_instance_to_point_in_time()
        .source_db_instance_automated_backups_arn(backup)
        .target_db_instance_identifier("app-dr")
        .use_latest_restorable_time(true)
        .send()
        .await
        .unwrap();
    rds.step(minutes(6)).await;
    available(&dr, "app-dr").await;
    assert!(
        aws.log()
            .iter()
            .all(|entry| entry.region.as_deref() == Some(DR))
    );
    let error = start().send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 503);

    // Stopping is said to the region that keeps the copy.
    let delete = || {
        dr.delete_db_instance_automated_backup()
            .db_instance_automated_backups_arn(backup)
    };
    let error = delete().send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidDBInstanceAutomatedBackupState");
    dr.stop_db_instance_automated_backups_replication()
        .source_db_instance_arn(arn)
        .send()
        .await
        .unwrap();
    let kept = backups(&dr).await;
    let kept = kept
        .iter()
        .find(|found| found.db_instance_automated_backups_arn() == Some(backup))
        .unwrap();
    assert_eq!((kept.status(), latest(kept)), (Some("retained"), here));
    delete().send().await.unwrap();
    let error = dr
        .describe_db_instance_automated_backups()
        .db_instance_automated_backups_arn(backup)
        .send()
        .await
        .unwrap_err();
    assert!(
        error
            .into_service_error()
            .is_db_instance_automated_backup_not_found_fault()
    );
}

#[tokio::test]
async fn replication_wants_backups_a_key_and_room() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    create(&primary, "none")
        .backup_retention_period(0)
        .send()
        .await
        .unwrap();
    create(&primary, "secret")
        .storage_encrypted(true)
        .send()
        .await
        .unwrap();
    create(&primary, "app").send().await.unwrap();
    rds.step(minutes(5)).await;
    let arn = |id: &str| format!("arn:aws:rds:{PRIMARY}:000000000000:db:{id}");
    let start = |client: &Client, source: String| {
        client
            .start_db_instance_automated_backups_replication()
            .source_db_instance_arn(source)
    };
    let error = start(&dr, "app".into()).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    let error = start(&primary, arn("app")).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    let error = start(&dr, arn("absent")).send().await.unwrap_err();
    assert!(error.into_service_error().is_db_instance_not_found_fault());
    let error = start(&dr, arn("none")).send().await.unwrap_err();
    assert!(
        error
            .into_service_error()
            .is_invalid_db_instance_state_fault()
    );
    let error = start(&dr, arn("secret")).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    let error = start(&dr, arn("secret"))
        .kms_key_id("alias/none")
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_kms_key_not_accessible_fault());
    let error = start(&dr, arn("app"))
        .backup_retention_period(36)
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    let key = clients::kms(&aws, DR).create_key().send().await.unwrap();
    let key = key.key_metadata().unwrap().key_id().to_owned();
    rds.set_quotas(RdsQuotas {
        replicated_backups: 1,
        ..RdsQuotas::default()
    });
    start(&dr, arn("secret"))
        .kms_key_id(&key)
        .send()
        .await
        .unwrap();
    assert!(backups(&dr).await[0].kms_key_id().unwrap().contains(&key));
    let error = start(&dr, arn("app")).send().await.unwrap_err();
    assert!(
        error
            .into_service_error()
            .is_db_instance_automated_backup_quota_exceeded_fault()
    );

    let restore = |source: &str| {
        primary
            .restore_db_instance_to_point_in_time()
            .source_db_instance_identifier(source)
            .target_db_instance_identifier("x")
    };
    let error = restore("none")
        .use_latest_restorable_time(true)
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "PointInTimeRestoreNotEnabled");
    let error = restore("app").send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    // Without backups there is nothing to replicate any more, either.
    primary
        .modify_db_instance()
        .db_instance_identifier("secret")
        .backup_retention_period(0)
        .send()
        .await
        .unwrap();
    assert_eq!(backups(&dr).await[0].status(), Some("retained"));
}

#[tokio::test]
async fn a_deleted_instance_leaves_its_backups_if_told_to() {
    let (aws, rds) = start_or_return!();
    let primary = client(&aws, PRIMARY);
    for (id, delete) in [("kept", false), ("gone", true)] {
        created(&primary, &rds, id).await;
        primary
            .delete_db_instance()
            .db_instance_identifier(id)
            .skip_final_snapshot(true)
            .delete_automated_backups(delete)
            .send()
            .await
            .unwrap();
    }
    rds.step(minutes(2)).await;
    let left = backups(&primary).await;
    let [left] = &left[..] else {
        panic!("{left:?}")
    };
    assert_eq!(
        (left.db_instance_identifier(), left.status()),
        (Some("kept"), Some("retained"))
    );
    primary
        .restore_db_instance_to_point_in_time()
        .source_dbi_resource_id(left.dbi_resource_id().unwrap())
        .target_db_instance_identifier("again")
        .use_latest_restorable_time(true)
        .send()
        .await
        .unwrap();
    rds.step(minutes(6)).await;
    available(&primary, "again").await;
}

// aws-behaviour: 33
#[tokio::test]
async fn the_offer_changes() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let versions = async |all: bool| {
        let answer = client
            .describe_db_engine_versions()
            .engine("postgres")
            .engine_version("15")
            .include_all(all)
            .send()
            .await
            .unwrap();
        answer
            .db_engine_versions()
            .iter()
            .filter_map(|version| version.engine_version().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert!(!versions(false).await.contains(&"15.5".to_owned()));
    assert!(versions(true).await.contains(&"15.5".to_owned()));
    let newest = versions(false).await.pop().unwrap();
    create(&client, "app")
        .engine_version(&newest)
        .send()
        .await
        .unwrap();
    rds.retire_version(&newest);
    assert!(!versions(false).await.contains(&newest));
    let error = create(&client, "b")
        .engine_version(&newest)
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    rds.step(minutes(5)).await;
    assert_eq!(
        available(&client, "app").await.engine_version(),
        Some(newest.as_str())
    );
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    for number in 0..25 {
        create(&client, &format!("app-{number:02}"))
            .send()
            .await
            .unwrap();
    }
    rds.step(minutes(5)).await;
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let page = client
        .describe_db_instances()
        .max_records(20)
        .send()
        .await
        .unwrap();
    let rest = client
        .describe_db_instances()
        .max_records(20)
        .marker(page.marker().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(
        (page.db_instances().len(), rest.db_instances().len()),
        (20, 5)
    );
    assert_eq!(rest.marker(), None);
    let one = client
        .describe_db_instances()
        .filters(filter("db-instance-id", "app-07"))
        .send()
        .await
        .unwrap();
    assert_eq!(one.db_instances().len(), 1);
    let error = client
        .describe_db_instances()
        .filters(filter("colour", "red"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    let regions = client.describe_source_regions().send().await.unwrap();
    assert!(regions.source_regions().iter().any(|region| {
        region.region_name() == Some(DR)
            && region.supports_db_instance_automated_backups_replication() == Some(true)
    }));
    let attributes = client.describe_account_attributes().send().await.unwrap();
    let instances = attributes
        .account_quotas()
        .iter()
        .find(|quota| quota.account_quota_name() == Some("DBInstances"))
        .unwrap();
    assert_eq!((instances.used(), instances.max()), (Some(25), Some(40)));
}
