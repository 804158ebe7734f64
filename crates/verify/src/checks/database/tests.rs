use aws_sdk_rds::types::{
    DbParameterGroupStatus, DbSubnetGroup, MasterUserSecret, PendingModifiedValues, Subnet,
    VpcSecurityGroupMembership,
};
use aws_smithy_types::DateTime;
use report::finding::Status;
use serde_json::json;

use super::super::asked::Asked;
use super::*;

const KEY: &str = "arn:aws:kms:ca-central-1:123456789012:key/1";
const SECRET: &str = "arn:aws:secretsmanager:ca-central-1:123456789012:secret:rds!db-1";

fn instance() -> DbInstance {
    let subnets = ["subnet-a", "subnet-b"].map(|id| {
        let subnet = Subnet::builder();
        subnet.subnet_identifier(id).build()
    });
    let secret = MasterUserSecret::builder()
        .secret_arn(SECRET)
        .secret_status("active");
    let group = DbParameterGroupStatus::builder()
        .db_parameter_group_name("pg")
        .parameter_apply_status("in-sync");
    let security = VpcSecurityGroupMembership::builder().vpc_security_group_id("sg-1");
    let subnets = DbSubnetGroup::builder().set_subnets(Some(subnets.to_vec()));
    DbInstance::builder()
        .db_instance_identifier("db")
        .db_instance_status("available")
        .multi_az(true)
        .storage_encrypted(true)
        .kms_key_id(KEY)
        .backup_retention_period(7)
        // Ten minutes before the question is asked.
        .latest_restorable_time(DateTime::from_secs(1_793_533_800))
        .performance_insights_enabled(true)
        .performance_insights_kms_key_id(KEY)
        .performance_insights_retention_period(7)
        .publicly_accessible(false)
        .db_subnet_group(subnets.build())
        .vpc_security_groups(security.build())
        .deletion_protection(true)
        .allocated_storage(100)
        .max_allocated_storage(500)
        .engine("postgres")
        .engine_version("15.15")
        .db_instance_class("db.t4g.medium")
        .auto_minor_version_upgrade(true)
        .enabled_cloudwatch_logs_exports("postgresql")
        .enabled_cloudwatch_logs_exports("upgrade")
        .copy_tags_to_snapshot(true)
        .db_parameter_groups(group.build())
        .master_user_secret(secret.build())
        .build()
}

fn picture() -> Picture {
    let version = DbEngineVersion::builder()
        .engine_version("15.15")
        .status("available");
    Picture {
        versions: Ok(vec![version.build()]),
        parameters: Ok(BTreeMap::from([(FORCE_SSL.to_owned(), "1".to_owned())])),
        maintenance: Ok(Vec::new()),
    }
}

/// The checks that are not ok, with what they are instead.
async fn not_ok(change: impl FnOnce(&mut DbInstance, &mut Picture)) -> Vec<(&'static str, Status)> {
    let outputs = [
        ("db_identifier", "db".into()),
        ("kms_key_arn", KEY.into()),
        ("private_subnet_ids", json!(["subnet-b", "subnet-a"])),
        ("rds_security_group_id", "sg-1".into()),
        ("db_master_secret_arn", SECRET.into()),
    ];
    let asked = Asked::new(&outputs).await;
    let (mut instance, mut picture) = (instance(), picture());
    change(&mut instance, &mut picture);
    let answers = judge::judge(asked.context(), "db", &instance, &picture);
    assert_eq!(answers.len(), CHECKS.len());
    answers
        .into_iter()
        .filter(|answer| answer.status != Status::Ok)
        .map(|answer| (answer.check.id, answer.status))
        .collect()
}

#[tokio::test]
async fn what_rds_does_not_show_is_unknown() {
    assert_eq!(not_ok(|_, _| {}).await, []);
    let empty = not_ok(|instance, picture| {
        *instance = DbInstance::builder().build();
        picture.versions = Err(Unobserved::because("denied"));
        picture.parameters = Ok(BTreeMap::new());
        picture.maintenance = Err(Unobserved::because("denied"));
    })
    .await;
    // RDS leaves these out when there are none: no secret of its own, no exports.
    let none = ["rds-log-exports", "rds-password-managed"];
    for (id, status) in &empty {
        let wanted = if none.contains(id) {
            Status::Wrong
        } else {
            Status::Unknown
        };
        assert_eq!(*status, wanted, "{id}");
    }
    assert_eq!(empty.len(), CHECKS.len(), "nothing is ok");
}

#[tokio::test]
async fn a_log_that_is_not_uploaded_is_noticed() {
    let minutes = |minutes: i64| {
        not_ok(move |instance, _| {
            let at = 1_793_534_400 - minutes * 60;
            instance.latest_restorable_time = Some(DateTime::from_secs(at));
        })
    };
    assert_eq!(minutes(30).await, []);
    assert_eq!(minutes(60).await, [("rds-restorable", Status::Wrong)]);
    // This machine's clock is behind; who knows how far.
    assert_eq!(minutes(-60).await, [("rds-restorable", Status::Unknown)]);
}

// aws-behaviour: 33
#[tokio::test]
async fn a_version_that_rds_withdrew_is_told_from_one_that_it_does_not_list() {
    let status = |status: &'static str| {
        not_ok(move |_, picture| {
            let version = DbEngineVersion::builder().engine_version("15.15");
            picture.versions = Ok(vec![version.status(status).build()]);
        })
    };
    assert_eq!(
        status("deprecated").await,
        [("rds-version-offered", Status::Wrong)]
    );
    let none = not_ok(|_, picture| picture.versions = Ok(Vec::new())).await;
    assert_eq!(none, [("rds-version-offered", Status::Unknown)]);
}

#[tokio::test]
async fn a_secret_that_rds_cannot_rotate_is_noticed() {
    let secret = |status: &'static str| {
        not_ok(move |instance, _| {
            let secret = MasterUserSecret::builder().secret_arn(SECRET);
            instance.master_user_secret = Some(secret.secret_status(status).build());
        })
    };
    assert_eq!(secret("rotating").await, []);
    assert_eq!(
        secret("impaired").await,
        [("rds-password-managed", Status::Wrong)]
    );
}

#[tokio::test]
async fn maintenance_without_a_date_is_shown_and_no_fault() {
    let action = |date: Option<i64>| {
        not_ok(move |_, picture| {
            let action = PendingMaintenanceAction::builder()
                .action("system-update")
                .set_auto_applied_after_date(date.map(DateTime::from_secs));
            picture.maintenance = Ok(vec![action.build()]);
        })
    };
    assert_eq!(action(None).await, []);
    assert_eq!(
        action(Some(1_800_000_000)).await,
        [("rds-maintenance", Status::Wrong)]
    );
}

#[tokio::test]
async fn a_change_that_waits_is_noticed_even_if_it_has_no_name_here() {
    let waits = not_ok(|instance, _| {
        let values = PendingModifiedValues::builder().dedicated_log_volume(true);
        instance.pending_modified_values = Some(values.build());
    });
    assert_eq!(waits.await, [("rds-nothing-pending", Status::Wrong)]);
    let none = not_ok(|instance, _| {
        instance.pending_modified_values = Some(PendingModifiedValues::builder().build());
    });
    assert_eq!(none.await, []);
}

#[tokio::test]
async fn a_database_of_another_version_class_or_size_is_noticed() {
    let other = not_ok(|db, picture| {
        db.engine_version = Some("16.11".to_owned());
        db.db_instance_class = Some("db.t4g.micro".to_owned());
        db.allocated_storage = Some(20);
        let version = DbEngineVersion::builder().engine_version("16.11");
        picture.versions = Ok(vec![version.status("available").build()]);
    });
    let wrong = ["rds-engine", "rds-class", "rds-storage"].map(|id| (id, Status::Wrong));
    assert_eq!(other.await, wrong);
}

#[test]
fn connections_are_reckoned_from_the_memory_of_the_class() {
    const FORMULA: &str = "LEAST({DBInstanceClassMemory/9531392},5000)";
    let of = |class: &str| connections(FORMULA, Some(class));
    assert_eq!(connections("200", None), Some(Connections::Exactly(200)));
    assert_eq!(of("db.t4g.medium"), Some(Connections::Between(300, 450)));
    assert_eq!(
        of("db.r6g.16xlarge"),
        Some(Connections::Between(5000, 5000))
    );
    assert_eq!(of("db.m7g.2xlarge"), Some(Connections::Between(2402, 3604)));
    assert_eq!(of("db.strange.large"), None);
    assert_eq!(connections(FORMULA, None), None);
    assert_eq!(connections("GREATEST(1,2)", Some("db.t4g.medium")), None);
}
