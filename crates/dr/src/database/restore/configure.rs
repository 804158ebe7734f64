//! What an instance gets after its restore, by the ModifyDBInstance that must follow: a restore of PostgreSQL takes no
//! managed master password, and no call that restores takes Performance Insights. Deletion protection comes last as well: an
//! instance that fails while it is restored can be deleted, but not modified.

use std::collections::BTreeSet;

use aws_env::Error;
use aws_sdk_rds::types::CloudwatchLogsExportConfiguration;
use serde::Serialize;

use super::RestorePlan;
use crate::database::{Instance, RdsClients};

/// A setting that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Name of the setting, as the report shows it.
    pub setting: &'static str,
    /// What was asked for.
    pub wanted: String,
    /// What RDS shows.
    pub found: String,
}

pub(super) const MANAGED_PASSWORD: &str = "managed master password";
pub(super) const DELETION_PROTECTION: &str = "deletion protection";
pub(super) const LOG_EXPORTS: &str = "log exports";
pub(super) const IAM_AUTHENTICATION: &str = "IAM authentication";
pub(super) const COPY_TAGS: &str = "tags on snapshots";
pub(super) const INSIGHTS: &str = "Performance Insights";
pub(super) const MAX_STORAGE: &str = "storage grows to";

/// What the options have otherwise than the plan wants. What is not asked for is never a difference; what RDS does not show is.
pub(super) fn differences(plan: &RestorePlan, instance: &Instance) -> Vec<Difference> {
    let (wanted, found) = (&plan.wanted.options, &instance.options);
    let mut differences = Vec::new();
    let mut expect = |setting, wanted: Option<String>, found: String| {
        if let Some(wanted) = wanted
            && wanted != found
        {
            differences.push(Difference {
                setting,
                wanted,
                found,
            });
        }
    };
    let said = |flag: Option<bool>| flag.map(|flag| flag.to_string());
    let shown = |flag: Option<bool>| said(flag).unwrap_or_else(|| "not shown".to_owned());
    let password = match (&found.managed_password, found.password_pending) {
        (Some(_), _) => "true".to_owned(),
        (None, true) => "being made".to_owned(),
        (None, false) => "false".to_owned(),
    };
    expect(MANAGED_PASSWORD, said(wanted.managed_password), password);
    let protected = shown(found.deletion_protection);
    expect(
        DELETION_PROTECTION,
        said(wanted.deletion_protection),
        protected,
    );
    let list = |logs: &[String]| match logs {
        [] => "none".to_owned(),
        logs => logs.join(", "),
    };
    let logs = wanted.log_exports.as_deref().map(list);
    expect(LOG_EXPORTS, logs, list(&found.log_exports));
    let iam = shown(found.iam_authentication);
    expect(IAM_AUTHENTICATION, said(wanted.iam_authentication), iam);
    expect(COPY_TAGS, said(wanted.copy_tags), shown(found.copy_tags));
    let days = |days: u32| match days {
        0 => "off".to_owned(),
        days => format!("{days} days"),
    };
    let insights = found.insights_days.map_or("not shown".to_owned(), days);
    expect(INSIGHTS, wanted.insights_days.map(days), insights);
    let size = |size: u32| format!("{size} GiB");
    let most = found.max_storage_gb.map_or("not at all".to_owned(), size);
    expect(MAX_STORAGE, wanted.max_storage_gb.map(size), most);
    differences
}

/// The settings among `differences` that a ModifyDBInstance can change: storage is never made smaller, so that what has
/// grown beyond the settings stays. RDS takes a limit that is at least a tenth above what there is
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html>).
pub(super) fn changes(
    plan: &RestorePlan,
    instance: &Instance,
    differences: &[Difference],
) -> BTreeSet<&'static str> {
    let options = &instance.options;
    let has_room = || {
        let (Some(most), Some(size)) = (plan.wanted.options.max_storage_gb, options.storage_gb)
        else {
            return false;
        };
        u64::from(most) * 10 >= u64::from(size) * 11
    };
    let can_change = |setting: &&str| match *setting {
        MAX_STORAGE => has_room(),
        // Back from a managed one leads only a new password, which nobody has given.
        MANAGED_PASSWORD => {
            plan.wanted.options.managed_password == Some(true) && !options.password_pending
        }
        _ => true,
    };
    let settings = differences.iter().map(|difference| difference.setting);
    settings.filter(can_change).collect()
}

/// Asks RDS to make these as wanted.
///
/// # Errors
/// When RDS does not answer or refuses.
pub(super) async fn modify(
    site: &RdsClients,
    plan: &RestorePlan,
    instance: &Instance,
    changes: &BTreeSet<&'static str>,
) -> Result<(), Error> {
    let wanted = &plan.wanted.options;
    let mut request = site
        .rds
        .modify_db_instance()
        .db_instance_identifier(&plan.target)
        .apply_immediately(true);
    if changes.contains(MANAGED_PASSWORD) {
        request = request
            .manage_master_user_password(true)
            .set_master_user_secret_kms_key_id(plan.key.clone());
    }
    if changes.contains(DELETION_PROTECTION) {
        request = request.set_deletion_protection(wanted.deletion_protection);
    }
    if changes.contains(LOG_EXPORTS) {
        let wanted = wanted.log_exports.clone().unwrap_or_default();
        let found = &instance.options.log_exports;
        let without = |all: &[String], others: &[String]| -> Option<Vec<String>> {
            let left: Vec<String> = all
                .iter()
                .filter(|log| !others.contains(log))
                .cloned()
                .collect();
            (!left.is_empty()).then_some(left)
        };
        let logs = CloudwatchLogsExportConfiguration::builder()
            .set_enable_log_types(without(&wanted, found))
            .set_disable_log_types(without(found, &wanted))
            .build();
        request = request.cloudwatch_logs_export_configuration(logs);
    }
    if changes.contains(IAM_AUTHENTICATION) {
        request = request.set_enable_iam_database_authentication(wanted.iam_authentication);
    }
    if changes.contains(COPY_TAGS) {
        request = request.set_copy_tags_to_snapshot(wanted.copy_tags);
    }
    if changes.contains(INSIGHTS)
        && let Some(days) = wanted.insights_days
    {
        request = request.enable_performance_insights(days > 0);
        if days > 0 {
            let days = i32::try_from(days).unwrap_or(i32::MAX);
            // Its key is chosen once, when it begins.
            let begins = instance.options.insights_days == Some(0);
            request = request
                .performance_insights_retention_period(days)
                .set_performance_insights_kms_key_id(plan.key.clone().filter(|_| begins));
        }
    }
    if changes.contains(MAX_STORAGE) {
        let most = wanted
            .max_storage_gb
            .and_then(|most| i32::try_from(most).ok());
        request = request.set_max_allocated_storage(most);
    }
    let call = site.call("ModifyDBInstance", &plan.target);
    request.send().await.map_err(|error| call.failed(error))?;
    site.applied("set what a restore does not", &plan.target);
    Ok(())
}
