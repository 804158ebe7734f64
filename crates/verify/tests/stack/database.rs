//! The database, and ways of breaking it.

use crate::mutation::{ByUnitTest, Mutation};
use crate::{Stack, region};
use aws_sdk_rds::operation::create_db_instance::builders::CreateDBInstanceFluentBuilder;
use aws_sdk_rds::types::{ApplyMethod, CloudwatchLogsExportConfiguration, Parameter};
use futures::FutureExt as _;
use local_aws::stack::database::{create, id, settled};
use std::time::Duration;

/// A change of the instance, at once.
macro_rules! change {
    ($stack:ident, $($call:tt)*) => {{
        let change = $stack.clients.rds.modify_db_instance();
        let change = change.db_instance_identifier(id($stack)).apply_immediately(true);
        change.$($call)*.send().await.expect("a change");
        settled($stack).await;
    }};
}

/// The instance is deleted, and made anew in another way, past terraform: its secret is another one.
async fn anew(
    stack: &Stack,
    otherwise: impl FnOnce(CreateDBInstanceFluentBuilder) -> CreateDBInstanceFluentBuilder,
) {
    delete(stack).await;
    let made = otherwise(create(stack)).send().await;
    made.expect("an instance");
    settled(stack).await;
}

async fn delete(stack: &Stack) {
    let rds = &stack.clients.rds;
    let open = rds.modify_db_instance().db_instance_identifier(id(stack));
    let open = open.deletion_protection(false).send().await;
    open.expect("no protection");
    let gone = rds.delete_db_instance().db_instance_identifier(id(stack));
    let gone = gone.skip_final_snapshot(true).send().await;
    gone.expect("a deletion");
    let clock = stack.aws.rds().expect("RDS");
    clock.step(Duration::from_secs(600)).await;
}

/// A key that is not the stack's.
pub(crate) async fn another_key(stack: &Stack) -> String {
    let made = stack.clients.kms.create_key().send().await.expect("a key");
    made.key_metadata.and_then(|key| key.arn).expect("its ARN")
}

async fn parameter(stack: &Stack, name: &str, value: &str, how: ApplyMethod) {
    let it = stack.state.one("aws_db_instance", "module.database");
    let parameter = Parameter::builder()
        .parameter_name(name)
        .parameter_value(value)
        .apply_method(how)
        .build();
    stack
        .clients
        .rds
        .modify_db_parameter_group()
        .db_parameter_group_name(it.text("parameter_group_name"))
        .parameters(parameter)
        .send()
        .await
        .expect("a parameter");
}

const ANEW_OTHERWISE_ENCRYPTED: &[&str] = &[
    "rds-encrypted",
    // The secret that terraform knows went with the instance that it knew.
    "rds-password-managed",
    "secrets-exist",
    "secrets-key",
    "secrets-shape",
    "secrets-outsiders",
    "secrets-rotation",
    "residency-secrets",
];

pub(crate) fn mutations() -> Vec<Mutation> {
    let it = |name, breaks, apply| Mutation {
        name,
        item: Some(3),
        breaks,
        apply,
    };
    vec![
        it(
            "the database is deleted",
            &[
                "rds-available",
                "rds-multi-az",
                "rds-encrypted",
                "rds-backup-retention",
                "rds-restorable",
                "rds-performance-insights",
                "rds-performance-insights-key",
                "rds-private",
                "rds-subnets",
                "rds-security-groups",
                "rds-deletion-protection",
                "rds-storage-autoscaling",
                "rds-version-offered",
                "rds-engine",
                "rds-class",
                "rds-storage",
                "rds-minor-upgrades",
                "rds-tls",
                "rds-log-exports",
                "rds-copy-tags",
                "rds-nothing-pending",
                "rds-maintenance",
                "rds-password-managed",
                // Its password goes with it.
                "secrets-exist",
                "secrets-key",
                "secrets-shape",
                "secrets-outsiders",
                "secrets-rotation",
                // What the alarm should be set to is not known.
                "alarm-threshold",
                "tags-database",
                "residency-database",
                "residency-secrets",
            ],
            |stack| delete(stack).boxed(),
        ),
        it(
            "the database has a full disk",
            &["rds-available"],
            |stack| {
                async move {
                    let rds = stack.aws.rds().expect("RDS");
                    assert!(rds.set_instance_status(region().as_str(), &id(stack), "storage-full"));
                }
                .boxed()
            },
        ),
        it("the database has no standby", &["rds-multi-az"], |stack| {
            async move { change!(stack, multi_az(false)) }.boxed()
        }),
        it(
            "the database is made anew, encrypted with another key",
            ANEW_OTHERWISE_ENCRYPTED,
            |stack| {
                async move {
                    let key = another_key(stack).await;
                    anew(stack, |create| create.kms_key_id(key)).await;
                }
                .boxed()
            },
        ),
        it(
            "the database is made anew, not encrypted",
            ANEW_OTHERWISE_ENCRYPTED,
            |stack| {
                async move {
                    anew(stack, |create| {
                        create.storage_encrypted(false).set_kms_key_id(None)
                    })
                    .await;
                }
                .boxed()
            },
        ),
        it(
            "backups are kept for three days",
            &["rds-backup-retention"],
            |stack| async move { change!(stack, backup_retention_period(3)) }.boxed(),
        ),
        it(
            "automated backups are off",
            &["rds-backup-retention", "rds-restorable"],
            |stack| async move { change!(stack, backup_retention_period(0)) }.boxed(),
        ),
        it(
            "Performance Insights is off",
            &["rds-performance-insights", "rds-performance-insights-key"],
            |stack| async move { change!(stack, enable_performance_insights(false)) }.boxed(),
        ),
        it(
            "the database is made anew, Performance Insights under RDS's own key",
            &[
                "rds-performance-insights-key",
                "rds-password-managed",
                "secrets-exist",
                "secrets-key",
                "secrets-shape",
                "secrets-outsiders",
                "secrets-rotation",
                "residency-secrets",
            ],
            |stack| {
                async move {
                    anew(stack, |create| {
                        create.set_performance_insights_kms_key_id(None)
                    })
                    .await;
                }
                .boxed()
            },
        ),
        it(
            "the database has a public address",
            &["rds-private"],
            |stack| async move { change!(stack, publicly_accessible(true)) }.boxed(),
        ),
        it(
            "the subnet group has a public subnet",
            &["rds-subnets"],
            |stack| {
                async move {
                    let group = stack.state.one("aws_db_subnet_group", "module.database");
                    let public = stack.state.one("aws_subnet", "public[\"0\"]");
                    let mut subnets = group.texts("subnet_ids");
                    subnets.push(public.text("id").to_owned());
                    let change = stack.clients.rds.modify_db_subnet_group();
                    let change = change.db_subnet_group_name(group.text("name"));
                    let change = change.set_subnet_ids(Some(subnets)).send().await;
                    change.expect("a subnet group");
                }
                .boxed()
            },
        ),
        it(
            "the database has the load balancer's security group as well",
            &["rds-security-groups"],
            |stack| {
                async move {
                    let own = stack.state.one("aws_security_group", ".rds");
                    let other = stack.state.one("aws_security_group", ".alb");
                    let both = [own.text("id"), other.text("id")].map(str::to_owned);
                    change!(stack, set_vpc_security_group_ids(Some(both.to_vec())));
                }
                .boxed()
            },
        ),
        it(
            "the database has another security group",
            &["rds-security-groups"],
            |stack| {
                async move {
                    let other = stack.state.one("aws_security_group", ".alb");
                    change!(stack, vpc_security_group_ids(other.text("id")));
                }
                .boxed()
            },
        ),
        it(
            "the database is not protected from deletion",
            &["rds-deletion-protection"],
            |stack| async move { change!(stack, deletion_protection(false)) }.boxed(),
        ),
        it(
            "storage grows to 200 GiB only",
            &["rds-storage-autoscaling"],
            |stack| async move { change!(stack, max_allocated_storage(200)) }.boxed(),
        ),
        it(
            "storage does not grow",
            &["rds-storage-autoscaling"],
            |stack| async move { change!(stack, max_allocated_storage(100)) }.boxed(),
        ),
        it(
            "the minor version is retired",
            &["rds-version-offered"],
            |stack| {
                async move {
                    let version = settled(stack).await.engine_version.expect("a version");
                    stack.aws.rds().expect("RDS").retire_version(&version);
                }
                .boxed()
            },
        ),
        it(
            "minor versions are not upgraded",
            &["rds-minor-upgrades"],
            |stack| async move { change!(stack, auto_minor_version_upgrade(false)) }.boxed(),
        ),
        it(
            "the database takes connections without TLS",
            &["rds-tls"],
            |stack| parameter(stack, "rds.force_ssl", "0", ApplyMethod::Immediate).boxed(),
        ),
        it(
            "the upgrade log is not exported",
            &["rds-log-exports"],
            |stack| {
                async move {
                    let fewer = CloudwatchLogsExportConfiguration::builder();
                    let fewer = fewer.disable_log_types("upgrade").build();
                    change!(stack, cloudwatch_logs_export_configuration(fewer));
                }
                .boxed()
            },
        ),
        it("snapshots get no tags", &["rds-copy-tags"], |stack| {
            async move { change!(stack, copy_tags_to_snapshot(false)) }.boxed()
        }),
        it(
            "another instance class waits for the maintenance window",
            &["rds-nothing-pending"],
            |stack| {
                async move {
                    let change = stack.clients.rds.modify_db_instance();
                    let change = change.db_instance_identifier(id(stack));
                    let change = change.db_instance_class("db.t4g.large").send().await;
                    change.expect("a change");
                }
                .boxed()
            },
        ),
        it(
            "a parameter waits for a reboot",
            &["rds-nothing-pending"],
            |stack| {
                let how = ApplyMethod::PendingReboot;
                parameter(stack, "shared_preload_libraries", "pg_cron", how).boxed()
            },
        ),
        it(
            "the database takes fewer connections than the alarm thinks",
            &["rds-nothing-pending", "alarm-threshold"],
            |stack| parameter(stack, "max_connections", "100", ApplyMethod::PendingReboot).boxed(),
        ),
        it(
            "AWS has set a date for maintenance",
            &["rds-maintenance"],
            |stack| {
                async move {
                    let rds = stack.aws.rds().expect("RDS");
                    let at = Some("2026-12-24T18:00:00Z".parse().expect("a time"));
                    assert!(rds.plan_maintenance(
                        region().as_str(),
                        &id(stack),
                        "system-update",
                        at
                    ));
                }
                .boxed()
            },
        ),
        Mutation {
            item: Some(10),
            ..it(
                "the master password is set by hand",
                &[
                    "rds-password-managed",
                    "secrets-exist",
                    "secrets-key",
                    "secrets-shape",
                    "secrets-outsiders",
                    "secrets-rotation",
                    "residency-secrets",
                ],
                |stack| {
                    async move {
                        let change = stack.clients.rds.modify_db_instance();
                        let change = change.db_instance_identifier(id(stack));
                        let change = change.manage_master_user_password(false);
                        let change = change.master_user_password("by-hand-0123456789");
                        change
                            .apply_immediately(true)
                            .send()
                            .await
                            .expect("a change");
                        settled(stack).await;
                    }
                    .boxed()
                },
            )
        },
    ]
}

/// What the local AWS does not show.
pub(crate) const ELSEWHERE: &[ByUnitTest] = &[
    ByUnitTest {
        name: "the database is of another major version",
        item: Some(3),
        breaks: &["rds-engine"],
        test: "a_database_of_another_version_class_or_size_is_noticed",
    },
    ByUnitTest {
        name: "the database is of a smaller class",
        item: Some(3),
        breaks: &["rds-class"],
        test: "a_database_of_another_version_class_or_size_is_noticed",
    },
    ByUnitTest {
        name: "the database has a smaller disk",
        item: Some(3),
        breaks: &["rds-storage"],
        test: "a_database_of_another_version_class_or_size_is_noticed",
    },
    ByUnitTest {
        name: "RDS has not uploaded the database's log for an hour",
        item: Some(3),
        breaks: &["rds-restorable"],
        test: "a_log_that_is_not_uploaded_is_noticed",
    },
    ByUnitTest {
        name: "RDS cannot rotate the master password",
        item: Some(10),
        breaks: &["rds-password-managed"],
        test: "a_secret_that_rds_cannot_rotate_is_noticed",
    },
];

#[tokio::test]
async fn every_way_of_breaking_the_database_is_noticed() {
    crate::mutation::show(mutations()).await;
}
