//! The call that restores.

use aws_env::Error;
use aws_sdk_rds::types::Tag;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{At, RestoreError, RestorePlan, RestoreStep, plan};
use crate::database::clients::is_any;
use crate::database::{Instance, Kind, RdsClients, Refusal, check_key, provenance_tags, show};

/// How a restore stands once it is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Begun {
    /// RDS has accepted it now.
    Accepted,
    /// RDS had accepted it before, as the instance's tags say: an earlier call whose answer was lost, or another run.
    Found,
}

/// Begins the restore of `plan`, and does not wait for it: when this returns, RDS has accepted it, now or before. The
/// time at which it began is written into the instance's tags, by the clock of RDS; `now` is this machine's. Calls the site's region only.
///
/// It may be called again, by whoever has the plan, after a death at any moment: what was begun is found by the name and
/// the tags of the instance, and nothing is made twice.
///
/// # Errors
/// [`RestoreError::Refused`] when the key does not do or the name is taken by something else; [`RestoreError::Ended`] when
/// the plan takes up an instance that is gone. An error of AWS otherwise: a transient one says nothing about whether it
/// was begun, and the next call finds out.
pub async fn begin_restore(
    site: &RdsClients,
    plan: &RestorePlan,
    now: Timestamp,
) -> Result<Begun, RestoreError> {
    if let Some(there) = site.instance(&plan.target).await? {
        return found(plan, &there);
    }
    if plan.step != RestoreStep::Begin {
        return Err(RestoreError::Ended {
            target: plan.target.clone(),
            region: plan.region,
            status: "deleted".to_owned(),
        });
    }
    if let Some(key) = &plan.key
        && let Err(problem) = check_key(site, key).await?
    {
        return Err(RestoreError::Refused(Refusal::Key {
            key: key.clone(),
            region: site.region(),
            problem,
        }));
    }
    // By the clock that the times of the data are of.
    let tags = provenance(plan, site.time(now));
    let sent = match plan.choice.kind {
        Kind::CopiedSnapshot => from_snapshot(site, plan, tags).await,
        // Replicas are promoted, and clusters left alone; a plan never chooses one.
        Kind::ReplicatedBackup | Kind::Replica | Kind::ClusterSnapshot => {
            from_backup(site, plan, tags).await
        }
    };
    let Err(error) = sent else {
        site.applied("begin restore", &plan.target);
        return Ok(Begun::Accepted);
    };
    if !is_any(&error, &["DBInstanceAlreadyExists"]) && !error.is_transient() {
        return Err(error.into());
    }
    // Its answer was lost, or another run was faster: what is there decides.
    match site.instance(&plan.target).await? {
        Some(there) => found(plan, &there),
        None if error.is_transient() => Err(error.into()),
        None => Err(Error::unexpected(error.call, "it exists and is not shown").into()),
    }
}

/// What has the name already: this restore, or something else.
fn found(plan: &RestorePlan, there: &Instance) -> Result<Begun, RestoreError> {
    match plan::begun_choice(there, &plan.database) {
        Some(begun) if begun == plan.choice => Ok(Begun::Found),
        _ => Err(RestoreError::Refused(plan::taken(plan.region, there))),
    }
}

/// What the instance says of where it comes from, for a run that takes the restore up.
fn provenance(plan: &RestorePlan, now: Timestamp) -> Vec<Tag> {
    let choice = &plan.choice;
    let own = [
        (provenance_tags::DATABASE, plan.database.clone()),
        (provenance_tags::POINT, choice.point.clone()),
        (provenance_tags::POINT_KIND, choice.kind.name().to_owned()),
        (provenance_tags::AT, choice.at.to_string()),
        (provenance_tags::DATA_TIME, choice.data_time.to_string()),
        (provenance_tags::BEGUN, now.to_string()),
    ];
    provenance_tags::tags(&own, &plan.tags)
}

fn security_groups(plan: &RestorePlan) -> Vec<String> {
    let groups = plan.wanted.security_groups.iter();
    groups.map(ToString::to_string).collect()
}

async fn from_snapshot(site: &RdsClients, plan: &RestorePlan, tags: Vec<Tag>) -> Result<(), Error> {
    let wanted = &plan.wanted;
    let request = site
        .rds
        .restore_db_instance_from_db_snapshot()
        .db_instance_identifier(&plan.target)
        .db_snapshot_identifier(&plan.choice.point)
        .set_db_instance_class(wanted.class.as_ref().map(ToString::to_string))
        .db_subnet_group_name(wanted.subnet_group.as_str())
        .db_parameter_group_name(wanted.parameter_group.as_str())
        .set_vpc_security_group_ids(Some(security_groups(plan)))
        .multi_az(wanted.multi_az)
        // With a subnet group whose VPC has an internet gateway AWS may choose otherwise.
        .publicly_accessible(false)
        .set_enable_cloudwatch_logs_exports(wanted.options.log_exports.clone())
        .set_enable_iam_database_authentication(wanted.options.iam_authentication)
        .set_copy_tags_to_snapshot(wanted.options.copy_tags)
        .set_tags(Some(tags));
    let call = site.call("RestoreDBInstanceFromDBSnapshot", &plan.target);
    request.send().await.map_err(|error| call.failed(error))?;
    Ok(())
}

async fn from_backup(site: &RdsClients, plan: &RestorePlan, tags: Vec<Tag>) -> Result<(), Error> {
    let wanted = &plan.wanted;
    let request = site
        .rds
        .restore_db_instance_to_point_in_time()
        .source_db_instance_automated_backups_arn(&plan.choice.point)
        .target_db_instance_identifier(&plan.target)
        .set_db_instance_class(wanted.class.as_ref().map(ToString::to_string))
        .db_subnet_group_name(wanted.subnet_group.as_str())
        .db_parameter_group_name(wanted.parameter_group.as_str())
        .set_vpc_security_group_ids(Some(security_groups(plan)))
        .multi_az(wanted.multi_az)
        // With a subnet group whose VPC has an internet gateway AWS may choose otherwise.
        .publicly_accessible(false)
        .set_enable_cloudwatch_logs_exports(wanted.options.log_exports.clone())
        .set_enable_iam_database_authentication(wanted.options.iam_authentication)
        .set_copy_tags_to_snapshot(wanted.options.copy_tags)
        .set_tags(Some(tags));
    let request = match plan.choice.at {
        At::Latest => request.use_latest_restorable_time(true),
        At::Time(time) => request.restore_time(show::date_time(time)),
    };
    let call = site.call("RestoreDBInstanceToPointInTime", &plan.target);
    request.send().await.map_err(|error| call.failed(error))?;
    Ok(())
}
