//! Snapshots and their copies across regions.

use aws_sdk_rds::types::Tag;
use local_aws::{RdsQuotas, RegionState};

use super::{
    DR, PRIMARY, client, code, create, created, minutes, snapshot, start_or_return, taken,
};
use crate::clients;

// aws-behaviour: 26
#[tokio::test]
async fn a_copy_across_regions_wants_the_arn() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    created(&primary, &rds, "app").await;
    let tag = Tag::builder().key("env").value("staging").build();
    primary
        .create_db_snapshot()
        .db_instance_identifier("app")
        .db_snapshot_identifier("seed")
        .tags(tag.clone())
        .send()
        .await
        .unwrap();
    rds.step(minutes(1)).await;
    let source = snapshot(&primary, "seed").await;
    assert_eq!(
        (source.status(), source.percent_progress()),
        (Some("creating"), Some(50))
    );
    let arn = source.db_snapshot_arn().unwrap().to_owned();
    let arn = arn.as_str();
    let copy = |source: &str| {
        dr.copy_db_snapshot()
            .source_db_snapshot_identifier(source)
            .target_db_snapshot_identifier("seed-dr")
    };
    let error = copy(arn).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidDBSnapshotState");
    rds.step(minutes(1)).await;
    let source = snapshot(&primary, "seed").await;

    let error = copy("seed").send().await.unwrap_err();
    assert!(error.into_service_error().is_db_snapshot_not_found_fault());
    // Told the source region, other SDKs sign a URL for it; an identifier is still no ARN.
    let error = copy("seed")
        .pre_signed_url("https://rds.ca-central-1.amazonaws.com/")
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    copy(arn)
        .pre_signed_url("https://rds.ca-central-1.amazonaws.com/")
        .copy_tags(true)
        .send()
        .await
        .unwrap();
    rds.step(minutes(4)).await;
    let copied = snapshot(&dr, "seed-dr").await;
    assert_eq!(
        (copied.status(), copied.percent_progress()),
        (Some("copying"), Some(40))
    );
    rds.step(minutes(6)).await;
    let copied = snapshot(&dr, "seed-dr").await;
    assert_eq!(
        (copied.status(), copied.percent_progress()),
        (Some("available"), Some(100))
    );
    assert_eq!(copied.source_region(), Some(PRIMARY));
    assert_eq!(copied.source_db_snapshot_identifier(), Some(arn));
    assert_eq!(
        copied.original_snapshot_create_time(),
        source.original_snapshot_create_time()
    );
    assert_eq!(copied.tag_list(), [tag]);
    let error = copy(arn).send().await.unwrap_err();
    assert!(
        error
            .into_service_error()
            .is_db_snapshot_already_exists_fault()
    );
    // A snapshot of another region is not there to be restored.
    let error = dr
        .restore_db_instance_from_db_snapshot()
        .db_snapshot_identifier(arn)
        .db_instance_identifier("app")
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_db_snapshot_not_found_fault());
}

// aws-behaviour: 27
#[tokio::test]
async fn a_target_id_with_a_colon_is_refused() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    created(&primary, &rds, "app").await;
    let automated = primary
        .describe_db_snapshots()
        .snapshot_type("automated")
        .send()
        .await
        .unwrap();
    let automated = &automated.db_snapshots()[0];
    let copy = |target: String| {
        dr.copy_db_snapshot()
            .source_db_snapshot_identifier(automated.db_snapshot_arn().unwrap())
            .target_db_snapshot_identifier(target)
    };
    let id = automated.db_snapshot_identifier().unwrap();
    let error = copy(format!("{id}-dr")).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    let copied = copy(format!("{}-dr", id.replace(':', "-")))
        .send()
        .await
        .unwrap();
    let copied = copied.db_snapshot().unwrap();
    assert_eq!(copied.snapshot_type(), Some("manual"));
    let error = primary
        .delete_db_snapshot()
        .db_snapshot_identifier(id)
        .send()
        .await
        .unwrap_err();
    assert!(
        error
            .into_service_error()
            .is_invalid_db_snapshot_state_fault()
    );
}

// aws-behaviour: 28
#[tokio::test]
async fn an_encrypted_copy_wants_a_key_of_the_destination() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    let key = async |region: &str| {
        let made = clients::kms(&aws, region)
            .create_key()
            .send()
            .await
            .unwrap();
        made.key_metadata().unwrap().arn().unwrap().to_owned()
    };
    let (near, far) = (key(PRIMARY).await, key(DR).await);
    let made = create(&primary, "app")
        .storage_encrypted(true)
        .kms_key_id(&near)
        .send()
        .await
        .unwrap();
    assert_eq!(
        made.db_instance().unwrap().kms_key_id(),
        Some(near.as_str())
    );
    rds.step(minutes(5)).await;
    let source = taken(&primary, &rds, "app", "seed").await;
    let copy = |target: &str| {
        dr.copy_db_snapshot()
            .source_db_snapshot_identifier(source.db_snapshot_arn().unwrap())
            .target_db_snapshot_identifier(target)
    };
    let error = copy("a").send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    let default = near.split(":key/").next().unwrap().to_owned() + ":alias/aws/rds";
    for wrong in [
        near.as_str(),
        default.as_str(),
        "11111111-2222-3333-4444-555555555555",
        "alias/none",
    ] {
        let error = copy("a").kms_key_id(wrong).send().await.unwrap_err();
        assert!(
            error.into_service_error().is_kms_key_not_accessible_fault(),
            "{wrong}"
        );
    }
    let copied = copy("a").kms_key_id(&far).send().await.unwrap();
    assert_eq!(
        copied.db_snapshot().unwrap().kms_key_id(),
        Some(far.as_str())
    );
    assert_eq!(copied.db_snapshot().unwrap().encrypted(), Some(true));
    clients::kms(&aws, DR)
        .disable_key()
        .key_id(&far)
        .send()
        .await
        .unwrap();
    let error = copy("b").kms_key_id(&far).send().await.unwrap_err();
    assert!(error.into_service_error().is_kms_key_not_accessible_fault());
    copy("c").kms_key_id("alias/aws/rds").send().await.unwrap();
}

// aws-behaviour: 31
#[tokio::test]
async fn quotas_hold_per_region() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    created(&primary, &rds, "app").await;
    let source = taken(&primary, &rds, "app", "seed").await;
    let copy = |number: usize| {
        dr.copy_db_snapshot()
            .source_db_snapshot_identifier(source.db_snapshot_arn().unwrap())
            .target_db_snapshot_identifier(format!("seed-{number}"))
            .send()
    };
    for number in 0..20 {
        copy(number).await.unwrap();
    }
    let error = copy(20).await.unwrap_err();
    assert_eq!(code(&error), "SnapshotQuotaExceeded");
    rds.step(minutes(10)).await;
    copy(20).await.unwrap();
    rds.set_quotas(RdsQuotas {
        manual_snapshots: 21,
        ..RdsQuotas::default()
    });
    let error = copy(21).await.unwrap_err();
    assert_eq!(code(&error), "SnapshotQuotaExceeded");
    rds.set_quotas(RdsQuotas::default());

    let mut pages = dr
        .describe_db_snapshots()
        .max_records(20)
        .into_paginator()
        .send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().db_snapshots().len());
    }
    assert_eq!(sizes, [20, 1]);
    let error = dr
        .describe_db_snapshots()
        .max_records(5)
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
}

#[tokio::test]
async fn a_copy_waits_for_its_source_region() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    created(&primary, &rds, "app").await;
    let source = taken(&primary, &rds, "app", "seed").await;
    let copy = |target: &str| {
        dr.copy_db_snapshot()
            .source_db_snapshot_identifier(source.db_snapshot_arn().unwrap())
            .target_db_snapshot_identifier(target)
            .send()
    };
    copy("a").await.unwrap();
    let error = primary
        .delete_db_snapshot()
        .db_snapshot_identifier("seed")
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "InvalidDBSnapshotState", "it is being copied");
    rds.step(minutes(5)).await;
    aws.set_region(PRIMARY, RegionState::BlackHole);
    rds.step(minutes(60)).await;
    let held = snapshot(&dr, "a").await;
    assert_eq!(
        (held.status(), held.percent_progress()),
        (Some("copying"), Some(50))
    );
    let error = copy("b").await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 503);
    let entry = aws.log().pop().unwrap();
    assert_eq!(entry.fault.as_deref(), Some("other-region-down"));
    aws.set_region(PRIMARY, RegionState::Up);
    rds.step(minutes(5)).await;
    assert_eq!(snapshot(&dr, "a").await.status(), Some("available"));
}

#[tokio::test]
async fn automated_snapshots_come_daily_and_go() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    create(&client, "app")
        .backup_retention_period(3)
        .preferred_backup_window("04:15-04:45")
        .send()
        .await
        .unwrap();
    rds.step(minutes(10 * 24 * 60)).await;
    let answer = client
        .describe_db_snapshots()
        .snapshot_type("automated")
        .send()
        .await
        .unwrap();
    let ids: Vec<_> = answer
        .db_snapshots()
        .iter()
        .filter_map(|snapshot| snapshot.db_snapshot_identifier())
        .collect();
    assert!(matches!(ids.len(), 3 | 4), "{ids:?}");
    assert!(ids.iter().all(|id| id.ends_with("-04-15")), "{ids:?}");
}
