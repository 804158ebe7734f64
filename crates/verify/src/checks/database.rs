//! Item 3: the database.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbEngineVersion, DbInstance, Filter, PendingMaintenanceAction};
use report::finding::{Observation, Severity, Unobserved};

use super::Context;
use crate::check::{Answer, Check};
use crate::named;

mod judge;
#[cfg(test)]
mod tests;

const fn rds(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
) -> Check {
    Check {
        id,
        item: Some(3),
        severity,
        title,
        why,
        fix,
    }
}

static AVAILABLE: Check = rds(
    "rds-available",
    Severity::Critical,
    "the database is there and serves",
    "the application has no data",
    "look at the events of the instance: aws rds describe-events --source-type db-instance",
);
static MULTI_AZ: Check = rds(
    "rds-multi-az",
    Severity::High,
    "a standby in a second zone",
    "losing one zone loses the database until somebody restores it",
    "terraform apply; it happens in the maintenance window unless applied immediately",
);
static ENCRYPTED: Check = rds(
    "rds-encrypted",
    Severity::Critical,
    "storage encrypted with the stack's key",
    "health data lies open, or under a key that the stack does not control",
    "an instance cannot be encrypted later: copy a snapshot with the key, restore it, import it",
);
static RETENTION: Check = rds(
    "rds-backup-retention",
    Severity::High,
    "automated backups are kept long enough",
    "damage that is noticed late cannot be undone",
    "terraform apply; look at backup_retention_days of modules/database",
);
static RESTORABLE: Check = rds(
    "rds-restorable",
    Severity::High,
    "the database can be restored to a moment ago",
    "everything since then is lost when it has to be restored",
    "look at the events of the instance; RDS uploads its log every 5 minutes",
);
static INSIGHTS: Check = rds(
    "rds-performance-insights",
    Severity::Low,
    "Performance Insights is on and keeps a week",
    "nobody can tell afterwards what made the database slow",
    "terraform apply; look at insights_retention_days of modules/database",
);
static INSIGHTS_KEY: Check = rds(
    "rds-performance-insights-key",
    Severity::Medium,
    "Performance Insights is encrypted with the stack's key",
    "texts of statements, which may hold health data, lie under a key that the stack does not control",
    "the key cannot be changed: switch Performance Insights off, apply, and on again with the key",
);
static PRIVATE: Check = rds(
    "rds-private",
    Severity::Critical,
    "no public address",
    "the database can be reached from the internet",
    "terraform apply",
);
static SUBNETS: Check = rds(
    "rds-subnets",
    Severity::High,
    "in the private subnets, and in no others",
    "it lies, or fails over, where the application or the internet can reach it otherwise than planned",
    "terraform apply; look at the subnet group",
);
static GROUPS: Check = rds(
    "rds-security-groups",
    Severity::Critical,
    "its own security group, and no other",
    "others than the application's tasks can connect, or the tasks cannot",
    "terraform apply",
);
static PROTECTED: Check = rds(
    "rds-deletion-protection",
    Severity::High,
    "protected from deletion",
    "one call, or one mistaken plan, deletes the database",
    "terraform apply; look at deletion_protection of environments/staging",
);
static AUTOSCALING: Check = rds(
    "rds-storage-autoscaling",
    Severity::Medium,
    "storage grows by itself as far as planned",
    "a full disk stops the database",
    "terraform apply; look at max_allocated_storage_gb of modules/database",
);
static OFFERED: Check = rds(
    "rds-version-offered",
    Severity::Medium,
    "RDS still offers its minor version for new instances",
    "a rebuild or a restore elsewhere fails, and AWS upgrades at a time of its own choice",
    "upgrade to a newer minor: engine_version of environments/staging",
);
static ENGINE: Check = rds(
    "rds-engine",
    Severity::Medium,
    "the engine and version that are wanted",
    "the application meets another database than the one it was tested with, or pays for extended support",
    "upgrade, or say in [expect] of infra.toml what is wanted: db_engine, db_version",
);
static CLASS: Check = rds(
    "rds-class",
    Severity::Low,
    "the instance class that is wanted",
    "it is too small for its load, or costs more than was planned",
    "terraform apply; or say in [expect] of infra.toml what is wanted: db_class",
);
static STORAGE: Check = rds(
    "rds-storage",
    Severity::Low,
    "as much storage as is wanted",
    "it begins to grow at once, and small volumes are slow ones",
    "terraform apply; or say in [expect] of infra.toml what is wanted: db_storage_gb",
);
static UPGRADES: Check = rds(
    "rds-minor-upgrades",
    Severity::Low,
    "minor versions are upgraded by themselves",
    "fixes of PostgreSQL do not arrive",
    "terraform apply",
);
static TLS: Check = rds(
    "rds-tls",
    Severity::Critical,
    "connections without TLS are refused",
    "passwords and health data can travel in the clear",
    "set rds.force_ssl to 1 in the parameter group: terraform apply",
);
static LOGS: Check = rds(
    "rds-log-exports",
    Severity::Medium,
    "logs go to CloudWatch",
    "the logs are gone with the instance, and nobody watches them",
    "terraform apply",
);
static COPY_TAGS: Check = rds(
    "rds-copy-tags",
    Severity::Low,
    "snapshots get its tags",
    "snapshots belong to nobody, in bills and in rules",
    "terraform apply",
);
static PENDING: Check = rds(
    "rds-nothing-pending",
    Severity::Low,
    "no change waits to be applied",
    "what was applied does not hold yet, and will change at the next window or restart",
    "wait for the maintenance window, or apply with apply_immediately; a static parameter wants a reboot",
);
static MAINTENANCE: Check = rds(
    "rds-maintenance",
    Severity::Low,
    "no maintenance that AWS starts by itself",
    "the database restarts at a time that nobody chose",
    "choose the time: aws rds apply-pending-maintenance-action",
);
static PASSWORD: Check = Check {
    item: Some(10),
    ..rds(
        "rds-password-managed",
        Severity::High,
        "RDS keeps and rotates the master password in the secret that terraform names",
        "the password is never changed, or is not the one in the secret",
        "terraform apply; a secret that is impaired wants its KMS key back",
    )
};

/// All but the first are asked only of an instance that is there.
pub(super) static CHECKS: &[&Check] = &[
    &AVAILABLE,
    &MULTI_AZ,
    &ENCRYPTED,
    &RETENTION,
    &RESTORABLE,
    &INSIGHTS,
    &INSIGHTS_KEY,
    &PRIVATE,
    &SUBNETS,
    &GROUPS,
    &PROTECTED,
    &AUTOSCALING,
    &OFFERED,
    &ENGINE,
    &CLASS,
    &STORAGE,
    &UPGRADES,
    &TLS,
    &LOGS,
    &COPY_TAGS,
    &PENDING,
    &MAINTENANCE,
    &PASSWORD,
];

/// What RDS shows besides the instance.
struct Picture {
    versions: Observation<Vec<DbEngineVersion>>,
    parameters: Observation<BTreeMap<String, String>>,
    maintenance: Observation<Vec<PendingMaintenanceAction>>,
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let (id, instance) = match context.located.text("db_identifier") {
        Ok(id) => (id, named::database(context.clients, id).await),
        Err(unobserved) => ("database", Err(unobserved)),
    };
    match instance {
        Ok(instance) => {
            let picture = observe(context, &instance).await;
            judge::judge(context, id, &instance, &picture)
        }
        Err(unobserved) => super::unseen(CHECKS, id, &unobserved),
    }
}

async fn observe(context: Context<'_>, instance: &DbInstance) -> Picture {
    let rds = &context.clients.rds;
    let id = instance.db_instance_identifier().unwrap_or_default();
    let call = |operation| context.clients.call("RDS", operation, id);
    let versions = async {
        let pages = rds
            .describe_db_engine_versions()
            .set_engine(instance.engine.clone())
            .set_engine_version(instance.engine_version.clone())
            // Those that are no longer offered as well: not to be listed would say nothing.
            .include_all(true);
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| Unobserved::from(call("DescribeDBEngineVersions").failed(error)))
    };
    let maintenance = async {
        let arn = instance
            .db_instance_arn()
            .ok_or_else(|| Unobserved::missing("RDS", "DBInstanceArn"))?;
        let pages = rds
            .describe_pending_maintenance_actions()
            .resource_identifier(arn);
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        let found = found.map_err(|error| {
            Unobserved::from(call("DescribePendingMaintenanceActions").failed(error))
        })?;
        let details = found
            .into_iter()
            .filter(|found| found.resource_identifier() == Some(arn))
            .flat_map(|found| found.pending_maintenance_action_details.unwrap_or_default());
        Ok(details.collect())
    };
    let parameters = parameters(context, instance, &[FORCE_SSL]);
    let (versions, parameters, maintenance) = tokio::join!(versions, parameters, maintenance);
    Picture {
        versions,
        parameters,
        maintenance,
    }
}

const FORCE_SSL: &str = "rds.force_ssl";
const MAX_CONNECTIONS: &str = "max_connections";

/// How many connections a database takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connections {
    /// So many.
    Exactly(i64),
    /// As RDS reckons from the memory of the class, of which it keeps a part to itself: from so many to so many.
    Between(i64, i64),
}

/// The values of some parameters of an instance's parameter group; one without a value is left out.
async fn parameters(
    context: Context<'_>,
    instance: &DbInstance,
    names: &[&str],
) -> Observation<BTreeMap<String, String>> {
    let group = instance
        .db_parameter_groups()
        .first()
        .and_then(|group| group.db_parameter_group_name())
        .ok_or_else(|| Unobserved::missing("RDS", "DBParameterGroups"))?;
    let filter = Filter::builder()
        .name("parameter-name")
        .set_values(Some(names.iter().map(|name| (*name).to_owned()).collect()))
        .build();
    let pages = context
        .clients
        .rds
        .describe_db_parameters()
        .db_parameter_group_name(group)
        .filters(filter);
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let found = found.map_err(|error| {
        let call = context.clients.call("RDS", "DescribeDBParameters", group);
        Unobserved::from(call.failed(error))
    })?;
    Ok(found
        .into_iter()
        .filter_map(|parameter| Some((parameter.parameter_name?, parameter.parameter_value?)))
        .collect())
}

/// The memory of an instance class in GiB, by its family and size.
/// <https://aws.amazon.com/rds/instance-types/>
fn memory_gib(class: &str) -> Option<i64> {
    let mut parts = class.strip_prefix("db.")?.split('.');
    let (family, size) = (parts.next()?, parts.next()?);
    let burstable = || match size {
        "micro" => Some(1),
        "small" => Some(2),
        "medium" => Some(4),
        "large" => Some(8),
        "xlarge" => Some(16),
        "2xlarge" => Some(32),
        _ => None,
    };
    let larges = || match size {
        "large" => Some(1),
        "xlarge" => Some(2),
        other => Some(2 * other.strip_suffix("xlarge")?.parse::<i64>().ok()?),
    };
    match family.chars().next()? {
        't' => burstable(),
        'm' => larges().map(|larges| 8 * larges),
        'r' | 'x' => larges().map(|larges| 16 * larges),
        _ => None,
    }
}

/// What a value of max_connections says: a number, or RDS's own formula,
/// `LEAST({DBInstanceClassMemory/9531392},5000)`.
fn connections(value: &str, class: Option<&str>) -> Option<Connections> {
    if let Ok(exactly) = value.parse() {
        return Some(Connections::Exactly(exactly));
    }
    let (_, formula) = value.split_once("{DBInstanceClassMemory/")?;
    let (divisor, rest) = formula.split_once('}')?;
    let divisor: i64 = divisor.parse().ok().filter(|divisor| *divisor > 0)?;
    let least = rest
        .strip_prefix(',')
        .and_then(|rest| rest.strip_suffix(')'));
    let least: i64 = least
        .and_then(|least| least.parse().ok())
        .unwrap_or(i64::MAX);
    let most = (memory_gib(class?)? << 30) / divisor;
    // Of small classes up to a third is the system's.
    Some(Connections::Between(
        (most * 2 / 3).min(least),
        most.min(least),
    ))
}

/// How many connections the database takes; absent where there is no database.
pub(super) async fn max_connections(context: Context<'_>) -> Observation<Connections> {
    let id = context.located.text("db_identifier")?;
    let instance = named::database(context.clients, id).await?;
    let parameters = parameters(context, &instance, &[MAX_CONNECTIONS]).await;
    let parameters = parameters.map_err(|unobserved| Unobserved {
        // It is the database that may be absent.
        absent: false,
        ..unobserved
    })?;
    let value = parameters
        .get(MAX_CONNECTIONS)
        .ok_or_else(|| Unobserved::because("the parameter group shows no max_connections"))?;
    connections(value, instance.db_instance_class()).ok_or_else(|| {
        Unobserved::because(format!("max_connections cannot be reckoned from {value}"))
    })
}
