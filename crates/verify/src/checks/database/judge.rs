//! From what RDS shows to answers.

use std::collections::BTreeSet;

use aws_env::DbInstanceState;
use aws_sdk_rds::types::{DbInstance, PendingModifiedValues};
use jiff::Timestamp;
use report::finding::{Observation, Unobserved};
use settings::DatabaseSecrets;

use super::super::{Context, listed};
use super::{
    AUTOSCALING, AVAILABLE, CLASS, COPY_TAGS, ENCRYPTED, ENGINE, FORCE_SSL, GROUPS, INSIGHTS,
    INSIGHTS_KEY, LOGS, MAINTENANCE, MULTI_AZ, OFFERED, PASSWORD, PENDING, PRIVATE, PROTECTED,
    Picture, RESTORABLE, RETENTION, STORAGE, SUBNETS, TLS, UPGRADES,
};
use crate::check::{Answer, Check};
use crate::version::is_of;

/// RDS uploads its log every five minutes; six in a row that fail are a fault.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html>
const RESTORABLE_WITHIN_MINUTES: i64 = 30;

/// Performance Insights keeps seven days for nothing.
const INSIGHTS_DAYS: i32 = 7;

/// What PostgreSQL on RDS can send to CloudWatch.
const LOG_TYPES: [&str; 2] = ["postgresql", "upgrade"];

/// What is not asked then.
const ONE_SECRET: &str = "the master user is in the one secret that is wanted (db_secrets)";

type Shown = Observation<(bool, String)>;

pub(super) fn judge(
    context: Context<'_>,
    id: &str,
    db: &DbInstance,
    picture: &Picture,
) -> Vec<Answer> {
    let located = context.located;
    let expect = &context.wanted.expect;
    let (days, most) = (expect.backup_days, expect.db_max_storage_gb);
    let said = |name: &str| located.terraform(name);
    let is = |check: &'static Check, expected: &str, terraform, shown| {
        check.answer(id, expected, terraform, shown)
    };
    let key = said("kms_key_arn");
    let subnets = located.texts("private_subnet_ids");
    let none = || None::<String>;
    vec![
        is(
            &AVAILABLE,
            if expect.off_hours {
                "it serves, or is stopped"
            } else {
                "it serves"
            },
            said("db_identifier"),
            status(db, expect.off_hours),
        ),
        is(
            &MULTI_AZ,
            "true",
            none(),
            flag(db.multi_az, "MultiAZ", true),
        ),
        is(
            &ENCRYPTED,
            "with the stack's key",
            key.clone(),
            encrypted(context, db),
        ),
        is(
            &RETENTION,
            &format!("at least {days} days"),
            none(),
            retention(db, days),
        ),
        is(
            &RESTORABLE,
            &format!("to the last {RESTORABLE_WITHIN_MINUTES} minutes"),
            none(),
            match expect.off_hours && is_off(db) {
                true => Ok((true, "stopped: nothing is written".to_owned())),
                false => restorable(db, context.at),
            },
        ),
        is(
            &INSIGHTS,
            &format!("on, at least {INSIGHTS_DAYS} days"),
            none(),
            insights(db),
        ),
        insights_key(context, id, db),
        is(
            &PRIVATE,
            "false",
            none(),
            flag(db.publicly_accessible, "PubliclyAccessible", false),
        ),
        is(
            &SUBNETS,
            "the private subnets",
            said("private_subnet_ids"),
            subnets.and_then(|subnets| in_subnets(db, subnets)),
        ),
        is(
            &GROUPS,
            "the group of the database",
            said("rds_security_group_id"),
            located
                .text("rds_security_group_id")
                .and_then(|group| in_group(db, group)),
        ),
        is(
            &PROTECTED,
            "true",
            none(),
            flag(db.deletion_protection, "DeletionProtection", true),
        ),
        is(
            &AUTOSCALING,
            &format!("to {most} GiB"),
            none(),
            autoscaling(db, most),
        ),
        is(
            &OFFERED,
            "offered for new instances",
            said("db_engine_version"),
            offered(db, picture),
        ),
        is(
            &ENGINE,
            &format!("{} {}", expect.db_engine, expect.db_version),
            none(),
            engine(db, &expect.db_engine, &expect.db_version),
        ),
        is(
            &CLASS,
            &expect.db_class,
            none(),
            db.db_instance_class()
                .map(|class| (class == expect.db_class, class.to_owned()))
                .ok_or_else(|| Unobserved::missing("RDS", "DBInstanceClass")),
        ),
        is(
            &STORAGE,
            &format!("at least {} GiB", expect.db_storage_gb),
            none(),
            db.allocated_storage
                .map(|size| (size >= expect.db_storage_gb, format!("{size} GiB")))
                .ok_or_else(|| Unobserved::missing("RDS", "AllocatedStorage")),
        ),
        is(
            &UPGRADES,
            "true",
            none(),
            flag(
                db.auto_minor_version_upgrade,
                "AutoMinorVersionUpgrade",
                true,
            ),
        ),
        is(&TLS, "rds.force_ssl=1", none(), tls(picture)),
        is(&LOGS, &LOG_TYPES.join(", "), none(), Ok(log_exports(db))),
        is(
            &COPY_TAGS,
            "true",
            none(),
            flag(db.copy_tags_to_snapshot, "CopyTagsToSnapshot", true),
        ),
        is(&PENDING, "nothing", none(), pending(db)),
        is(
            &MAINTENANCE,
            "none with a date",
            none(),
            maintenance(picture),
        ),
        if expect.db_secrets == DatabaseSecrets::One {
            PASSWORD.skipped(id, ONE_SECRET)
        } else {
            is(
                &PASSWORD,
                "active, in the secret of db_master_secret_arn",
                said("db_master_secret_arn"),
                located
                    .text("db_master_secret_arn")
                    .and_then(|arn| password(db, arn)),
            )
        },
    ]
}

fn flag(value: Option<bool>, name: &str, wanted: bool) -> Shown {
    let value = value.ok_or_else(|| Unobserved::missing("RDS", name))?;
    Ok((value == wanted, value.to_string()))
}

/// What a database is in that is stopped for the night, or on its way there and back.
const OFF: [&str; 3] = ["stopped", "stopping", "starting"];

fn is_off(db: &DbInstance) -> bool {
    db.db_instance_status()
        .is_some_and(|status| OFF.contains(&status))
}

fn status(db: &DbInstance, off_hours: bool) -> Shown {
    let status = db
        .db_instance_status()
        .ok_or_else(|| Unobserved::missing("RDS", "DBInstanceStatus"))?;
    let fine = DbInstanceState::of(status).serves() || off_hours && is_off(db);
    Ok((fine, status.to_owned()))
}

fn encrypted(context: Context<'_>, db: &DbInstance) -> Shown {
    let wanted = context.located.text("kms_key_arn")?;
    if !db
        .storage_encrypted
        .ok_or_else(|| Unobserved::missing("RDS", "StorageEncrypted"))?
    {
        return Ok((false, "not encrypted".to_owned()));
    }
    let key = db
        .kms_key_id()
        .ok_or_else(|| Unobserved::missing("RDS", "KmsKeyId"))?;
    Ok((key == wanted, key.to_owned()))
}

fn retention(db: &DbInstance, wanted: i32) -> Shown {
    let days = db
        .backup_retention_period
        .ok_or_else(|| Unobserved::missing("RDS", "BackupRetentionPeriod"))?;
    Ok((days >= wanted, format!("{days} days")))
}

fn restorable(db: &DbInstance, now: Timestamp) -> Shown {
    if db.backup_retention_period == Some(0) {
        return Ok((false, "automated backups are off".to_owned()));
    }
    let latest = db
        .latest_restorable_time
        .ok_or_else(|| Unobserved::missing("RDS", "LatestRestorableTime"))?;
    let minutes = (now.as_second() - latest.secs()) / 60;
    if minutes < -RESTORABLE_WITHIN_MINUTES {
        return Err(Unobserved::because(format!(
            "RDS is {} minutes ahead of this machine's clock",
            -minutes
        )));
    }
    Ok((
        minutes <= RESTORABLE_WITHIN_MINUTES,
        format!("{latest}, {} minutes ago", minutes.max(0)),
    ))
}

fn insights(db: &DbInstance) -> Shown {
    if !flag(
        db.performance_insights_enabled,
        "PerformanceInsightsEnabled",
        true,
    )?
    .0
    {
        return Ok((false, "off".to_owned()));
    }
    let days = db
        .performance_insights_retention_period
        .ok_or_else(|| Unobserved::missing("RDS", "PerformanceInsightsRetentionPeriod"))?;
    Ok((days >= INSIGHTS_DAYS, format!("on, {days} days")))
}

fn insights_key(context: Context<'_>, id: &str, db: &DbInstance) -> Answer {
    if db.performance_insights_enabled == Some(false) {
        return INSIGHTS_KEY.skipped(id, "Performance Insights is off");
    }
    let wanted = context.located.text("kms_key_arn");
    let shown = wanted.clone().and_then(|wanted| {
        let key = db
            .performance_insights_kms_key_id()
            .ok_or_else(|| Unobserved::missing("RDS", "PerformanceInsightsKMSKeyId"))?;
        Ok((key == wanted, key.to_owned()))
    });
    let terraform = context.located.terraform("kms_key_arn");
    INSIGHTS_KEY.answer(id, "the stack's key", terraform, shown)
}

fn in_subnets(db: &DbInstance, wanted: Vec<&str>) -> Shown {
    let group = db
        .db_subnet_group()
        .ok_or_else(|| Unobserved::missing("RDS", "DBSubnetGroup"))?;
    let found: BTreeSet<&str> = group
        .subnets()
        .iter()
        .filter_map(|subnet| subnet.subnet_identifier())
        .collect();
    if found.is_empty() {
        return Err(Unobserved::missing("RDS", "DBSubnetGroup.Subnets"));
    }
    Ok((found == wanted.into_iter().collect(), listed(&found)))
}

fn in_group(db: &DbInstance, wanted: &str) -> Shown {
    let found: BTreeSet<&str> = db
        .vpc_security_groups()
        .iter()
        .filter_map(|group| group.vpc_security_group_id())
        .collect();
    if found.is_empty() {
        return Err(Unobserved::missing("RDS", "VpcSecurityGroups"));
    }
    Ok((found == BTreeSet::from([wanted]), listed(&found)))
}

/// RDS shows no limit where storage does not grow.
fn autoscaling(db: &DbInstance, wanted: i32) -> Shown {
    let size = db
        .allocated_storage
        .ok_or_else(|| Unobserved::missing("RDS", "AllocatedStorage"))?;
    Ok(match db.max_allocated_storage {
        Some(most) => (
            most >= wanted && most > size,
            format!("{size} GiB, to {most}"),
        ),
        None => (false, format!("{size} GiB, fixed")),
    })
}

fn engine(db: &DbInstance, wanted: &str, version: &str) -> Shown {
    let engine = db
        .engine()
        .ok_or_else(|| Unobserved::missing("RDS", "Engine"))?;
    let running = db
        .engine_version()
        .ok_or_else(|| Unobserved::missing("RDS", "EngineVersion"))?;
    let fine = engine == wanted && is_of(running, version);
    Ok((fine, format!("{engine} {running}")))
}

fn offered(db: &DbInstance, picture: &Picture) -> Shown {
    let running = db
        .engine_version()
        .ok_or_else(|| Unobserved::missing("RDS", "EngineVersion"))?;
    let versions = picture.versions.as_ref().map_err(Clone::clone)?;
    let status = versions
        .iter()
        .find(|version| version.engine_version() == Some(running))
        .ok_or_else(|| Unobserved::because(format!("RDS lists no version {running}")))?
        .status()
        .ok_or_else(|| Unobserved::missing("RDS", "Status of the version"))?;
    Ok((status == "available", format!("{running} is {status}")))
}

fn tls(picture: &Picture) -> Shown {
    let parameters = picture.parameters.as_ref().map_err(Clone::clone)?;
    let value = parameters
        .get(FORCE_SSL)
        .ok_or_else(|| Unobserved::because("the parameter group shows no rds.force_ssl"))?;
    Ok((value == "1", format!("{FORCE_SSL}={value}")))
}

fn log_exports(db: &DbInstance) -> (bool, String) {
    let found: BTreeSet<&str> = db
        .enabled_cloudwatch_logs_exports()
        .iter()
        .map(String::as_str)
        .collect();
    let all = LOG_TYPES.iter().all(|wanted| found.contains(wanted));
    (all, listed(&found))
}

fn pending(db: &DbInstance) -> Shown {
    let mut waits = Vec::new();
    if let Some(values) = &db.pending_modified_values
        && *values != PendingModifiedValues::builder().build()
    {
        waits.push(settings_of(values));
    }
    let groups = db.db_parameter_groups();
    if groups.is_empty() {
        return Err(Unobserved::missing("RDS", "DBParameterGroups"));
    }
    for group in groups {
        let status = group
            .parameter_apply_status()
            .ok_or_else(|| Unobserved::missing("RDS", "ParameterApplyStatus"))?;
        if status != "in-sync" {
            waits.push(format!("parameters: {status}"));
        }
    }
    if waits.is_empty() {
        return Ok((true, "nothing".to_owned()));
    }
    Ok((false, waits.join("; ")))
}

/// The changes that wait, by name; no value of a password is looked at.
fn settings_of(values: &PendingModifiedValues) -> String {
    let number = |name, value: Option<i32>| value.map(|value| format!("{name} {value}"));
    let text = |name, value: Option<&str>| value.map(|value| format!("{name} {value}"));
    let known: Vec<String> = [
        text("class", values.db_instance_class()),
        number("storage", values.allocated_storage),
        text("storage type", values.storage_type()),
        number("retention", values.backup_retention_period),
        values.multi_az.map(|on| format!("Multi-AZ {on}")),
        text("version", values.engine_version()),
        number("port", values.port),
        text("subnet group", values.db_subnet_group_name()),
        text("CA", values.ca_certificate_identifier()),
        values
            .master_user_password
            .as_ref()
            .map(|_| "the password".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if known.is_empty() {
        return "other settings".to_owned();
    }
    known.join(", ")
}

fn maintenance(picture: &Picture) -> Shown {
    let actions = picture.maintenance.as_ref().map_err(Clone::clone)?;
    let mut dated = false;
    let mut shown = Vec::new();
    for action in actions {
        let name = action
            .action()
            .ok_or_else(|| Unobserved::missing("RDS", "Action of pending maintenance"))?;
        let date = action
            .forced_apply_date
            .or(action.auto_applied_after_date)
            .or(action.current_apply_date);
        dated |= date.is_some();
        shown.push(match date {
            Some(date) => format!("{name} on {date}"),
            None => format!("{name}, when you choose"),
        });
    }
    if shown.is_empty() {
        return Ok((true, "none".to_owned()));
    }
    Ok((!dated, shown.join(", ")))
}

fn password(db: &DbInstance, wanted: &str) -> Shown {
    // RDS shows no secret where it does not keep the password.
    let Some(secret) = db.master_user_secret() else {
        return Ok((false, "not kept by RDS".to_owned()));
    };
    let arn = secret
        .secret_arn()
        .ok_or_else(|| Unobserved::missing("RDS", "MasterUserSecret.SecretArn"))?;
    let status = secret
        .secret_status()
        .ok_or_else(|| Unobserved::missing("RDS", "MasterUserSecret.SecretStatus"))?;
    let works = matches!(status, "active" | "rotating");
    Ok((works && arn == wanted, format!("{status}, in {arn}")))
}
