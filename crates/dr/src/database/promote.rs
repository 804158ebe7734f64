//! A read replica that becomes an instance of its own: where there is one, what is brought back is as fresh as it gets.
//!
//! What is promoted carries tags that say so, written before the call: a run that was killed is told by them, since a replica
//! that has been promoted looks like any other instance.

use std::time::Duration;

use aws_env::{DbInstanceState, WaiterConfig};
use jiff::Timestamp;
use report::{Document, Mark, Observer, Report};
use serde::{Deserialize, Serialize};
use settings::{Database, Objectives, Region, Tags};

use super::as_of::{AsOf, CLOCKS};
use super::lag::replica_data_time;
use super::retire::{Look, Wait, Whose, may_pass, said, stays};
use super::snapshot::arn_region;
use super::{
    Instance, Kind, RdsClients, RecoveryPoint, Refusal, RetireError, provenance_tags, show,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct PromoteRequest<'a> {
    /// The database, as the settings have it.
    pub database: &'a Database,
    /// The region of what the replica follows.
    pub primary: Region,
    /// The region of the replica.
    pub region: Region,
    /// Its identifier.
    pub replica: &'a str,
    /// The moment that the RPO is counted to: of the loss, or now.
    pub as_of: AsOf,
    /// What has to be achieved.
    pub objectives: Objectives,
    /// Tags that the instance gets, beside those that say what it was.
    pub tags: &'a Tags,
}

/// What has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromoteStep {
    /// It follows its source, and is promoted.
    Begin,
    /// It was promoted by this program; what it is now is checked.
    Verify,
}

/// What promoting a replica would do. It can be written down, and carried out by another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromotionPlan {
    /// Identifier of the database, as the settings have it.
    pub database: String,
    /// Identifier of the replica, which stays that of the instance.
    pub replica: String,
    /// Its ARN.
    pub arn: String,
    /// Its resource ID, which no later instance of the same name has.
    pub resource_id: String,
    /// The ARN of what it follows.
    pub source: String,
    /// Its region.
    pub region: Region,
    /// What has to be done.
    pub step: PromoteStep,
    /// The time of its data when this was planned, or was promoted; `None` where its lag is not known.
    pub data_time: Option<Timestamp>,
    /// What would be lost, in seconds; `None` where that is not known.
    pub rpo_seconds: Option<u64>,
    /// What may be lost by the settings, in seconds.
    pub rpo_objective_seconds: u64,
    /// Why the time of its data is not known, where it is not.
    pub problem: Option<String>,
    /// Days for which its automated backups are kept from then on.
    pub retention_days: u32,
    /// Tags that it gets, beside those that say what it was.
    pub tags: Tags,
}

impl Report for PromotionPlan {
    const KIND: &'static str = "promotion-plan";

    fn document(&self) -> Document {
        let word = match self.step {
            PromoteStep::Begin => "promote",
            PromoteStep::Verify => "check",
        };
        let row = |setting: &str, value: String| (Mark::Plain, vec![setting.to_owned(), value]);
        let length = |seconds| report::duration(Duration::from_secs(seconds));
        let unknown = || self.problem.clone().unwrap_or_else(|| CLOCKS.to_owned());
        let rows = vec![
            row("follows", self.source.clone()),
            row("data of", self.data_time.map_or_else(unknown, show::time)),
            row(
                "RPO",
                format!(
                    "{} (objective {})",
                    self.rpo_seconds.map_or_else(unknown, length),
                    length(self.rpo_objective_seconds)
                ),
            ),
            row("backups kept", format!("{} days", self.retention_days)),
        ];
        Document::new()
            .heading(format!(
                "Plan: {word} {} in {}, a replica of {}",
                self.replica, self.region, self.database
            ))
            .table(["", ""], rows)
    }
}

/// What has to be done so that `there` takes the database over. `points` are those of its region.
///
/// # Errors
/// When it is not there, or neither follows the database nor was promoted here.
pub fn plan_promotion(
    request: &PromoteRequest<'_>,
    points: &[RecoveryPoint],
    there: Option<&Instance>,
) -> Result<PromotionPlan, Refusal> {
    let database = request.database.id.to_string();
    let Some(there) = there else {
        return Err(Refusal::NoInstance {
            database: request.replica.to_owned(),
            region: request.region,
        });
    };
    let other = |found: String| {
        Err(Refusal::NotThatInstance {
            instance: there.id.clone(),
            region: request.region,
            wanted: format!("a replica of {database} in {}", request.primary),
            found,
        })
    };
    let (step, source) = match (&there.replica_of, promoted_from(there)) {
        (Some(source), _) => (PromoteStep::Begin, source.clone()),
        (None, Some(source)) => (PromoteStep::Verify, source),
        (None, None) => return other(format!("it follows nothing, and is {}", there.status)),
    };
    let is_of = source.rsplit(':').next() == Some(database.as_str())
        && arn_region(&source) == Some(request.primary.as_str());
    if !is_of {
        return other(format!("it follows {source}"));
    }
    let Some(resource_id) = there.resource_id.clone() else {
        return other("RDS shows no resource ID of it".to_owned());
    };
    let point = points
        .iter()
        .find(|point| point.kind == Kind::Replica && point.id == there.id);
    let promoted_at = || there.tags.get(provenance_tags::DATA_TIME)?.parse().ok();
    let (data_time, problem) = match step {
        PromoteStep::Begin => (
            point.and_then(|point| point.latest),
            point.and_then(|point| point.problem.clone()),
        ),
        PromoteStep::Verify => (promoted_at(), None),
    };
    Ok(PromotionPlan {
        replica: there.id.clone(),
        arn: there.arn.clone(),
        resource_id,
        source,
        region: request.region,
        step,
        data_time,
        rpo_seconds: data_time.and_then(|time| request.as_of.seconds(time)),
        rpo_objective_seconds: request.objectives.rpo_database.as_secs(),
        problem,
        retention_days: request.database.retention_days,
        tags: request.tags.clone(),
        database,
    })
}

/// What an instance followed before it was promoted here.
fn promoted_from(there: &Instance) -> Option<String> {
    let tag = |key: &str| there.tags.get(key).map(String::as_str);
    let is_ours = provenance_tags::ours(&there.tags)
        && tag(provenance_tags::POINT_KIND) == Some(Kind::Replica.name());
    tag(provenance_tags::SOURCE)
        .filter(|_| is_ours)
        .map(str::to_owned)
}

/// A replica that is an instance of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promoted {
    /// Its identifier.
    pub instance: String,
    /// Where it is.
    pub region: Region,
    /// Its endpoint as `HOST:PORT`.
    pub endpoint: Option<String>,
    /// The ARN of what it followed.
    pub source: String,
    /// The time of its data when it was promoted; `None` where its lag was not known.
    pub data_time: Option<Timestamp>,
    /// What is lost, in seconds, up to the moment that the plan counts to; `None` where that is not known.
    pub rpo_seconds: Option<u64>,
    /// What may be lost by the settings, in seconds.
    pub rpo_objective_seconds: u64,
}

impl Promoted {
    /// Whether the objective is met; `None` where it is not known.
    pub fn meets_objective(&self) -> Option<bool> {
        self.rpo_seconds
            .map(|rpo| rpo <= self.rpo_objective_seconds)
    }
}

impl Report for Promoted {
    const KIND: &'static str = "promotion";

    fn document(&self) -> Document {
        let length = |seconds| report::duration(Duration::from_secs(seconds));
        let (mark, rpo) = match (self.meets_objective(), self.rpo_seconds) {
            (Some(true), Some(rpo)) => (Mark::Ok, length(rpo)),
            (Some(false), Some(rpo)) => (Mark::Wrong, length(rpo)),
            _ => (Mark::Unknown, "not known".to_owned()),
        };
        let data = self.data_time.map_or("not known".to_owned(), show::time);
        let endpoint = self.endpoint.as_deref().unwrap_or("no endpoint");
        let cells = ["RPO".to_owned(), rpo, length(self.rpo_objective_seconds)];
        Document::new()
            .heading(format!("{} in {}", self.instance, self.region))
            .text(format!("{endpoint}, promoted from a replica of {}, data of {data}", self.source))
            .table(["Objective", "Found", "Wanted"], vec![(mark, cells.to_vec())])
            .text("It keeps what the replica had: class, groups, password and protection are not changed by promoting it.")
    }
}

/// Promotes the replica of `plan`, or takes up what was begun, and waits until it is an instance of its own that serves. With
/// `holds` it is promoted only when its lag shows that it has all that was written up to then: for a move that loses nothing,
/// the moment after which nothing is written any more. `now` is the time at which this is called, by this machine's clock.
/// Calls the site's region only.
///
/// # Errors
/// [`RetireError::Refused`] when it is another instance by now, or follows something else; see [`RetireError`] otherwise.
/// Nothing that was begun is undone; the same plan takes it up again.
pub async fn promote(
    site: &RdsClients,
    plan: &PromotionPlan,
    holds: Option<Timestamp>,
    (waiter, now): (WaiterConfig, Timestamp),
    observer: &dyn Observer,
) -> Result<Promoted, RetireError> {
    let whose = Whose::Known {
        arn: plan.arn.clone(),
        resource_id: plan.resource_id.clone(),
    };
    let wait = Wait::begin(site, "promote", &plan.replica, waiter, observer);
    wait.until(async || {
        let there = match site.instance(&plan.replica).await {
            Ok(Some(there)) => there,
            Ok(None) => {
                return Err(RetireError::Refused(Refusal::NoInstance {
                    database: plan.replica.clone(),
                    region: site.region(),
                }));
            }
            Err(error) if error.is_transient() => return Ok(Look::Pending(said(&error))),
            Err(error) => return Err(error.into()),
        };
        whose.check(&there, site.region())?;
        if stays(&there) {
            return Err(RetireError::Ended {
                what: plan.replica.clone(),
                region: site.region(),
                status: there.status,
            });
        }
        let is_promoted = promoted_from(&there).as_ref() == Some(&plan.source);
        match &there.replica_of {
            None if is_promoted => Ok(settled(plan, there)),
            Some(source) if *source == plan.source => {
                match advance(site, plan, &there, (holds, now)).await {
                    Ok(status) => Ok(Look::Pending(status)),
                    Err(error) if may_pass(&error) => Ok(Look::Pending(said(&error))),
                    Err(error) => Err(error.into()),
                }
            }
            other => Err(RetireError::Refused(Refusal::NotThatInstance {
                instance: there.id.clone(),
                region: site.region(),
                wanted: format!("a replica of {}", plan.source),
                found: match other {
                    Some(source) => format!("it follows {source}"),
                    None => "it follows nothing, and was not promoted by dr-replicate".to_owned(),
                },
            })),
        }
    })
    .await
}

/// One that follows nothing any more serves before long.
fn settled(plan: &PromotionPlan, there: Instance) -> Look<Promoted> {
    if DbInstanceState::of(&there.status) != DbInstanceState::Serves {
        return Look::Pending(there.status);
    }
    let data_time = there.tags.get(provenance_tags::DATA_TIME);
    let data_time = data_time.and_then(|time| time.parse::<Timestamp>().ok());
    // What the plan saw was lost up to its moment; what was replayed until the promotion is not.
    let gained = |planned: Timestamp, promoted: Timestamp| {
        let gained = promoted.duration_since(planned).as_secs();
        u64::try_from(gained).unwrap_or_default()
    };
    let rpo_seconds = match (plan.rpo_seconds, plan.data_time, data_time) {
        (Some(rpo), Some(planned), Some(promoted)) => {
            Some(rpo.saturating_sub(gained(planned, promoted)))
        }
        _ => None,
    };
    Look::Done(Promoted {
        instance: there.id,
        region: plan.region,
        endpoint: there.endpoint,
        source: plan.source.clone(),
        data_time,
        rpo_seconds,
        rpo_objective_seconds: plan.rpo_objective_seconds,
    })
}

/// Takes the next step of a replica that follows its source; what it is waiting for, in words.
async fn advance(
    site: &RdsClients,
    plan: &PromotionPlan,
    there: &Instance,
    (holds, now): (Option<Timestamp>, Timestamp),
) -> Result<String, aws_env::Error> {
    let data_time = replica_data_time(site, &plan.replica, site.time(now)).await;
    let data_time = match (data_time, holds) {
        (Ok(Some(time)), Some(holds)) if time < holds => {
            return Ok(format!(
                "data of {}, not yet of {}",
                show::time(time),
                show::time(holds)
            ));
        }
        (Ok(None), Some(_)) => return Ok("its lag is not known".to_owned()),
        (Err(error), Some(_)) => return Err(error),
        (Ok(time), _) => time,
        // Without a moment to wait for the lag is told and decides nothing.
        (Err(_), None) => None,
    };
    if there.status != "available" {
        return Ok(there.status.clone());
    }
    let call = site.call("AddTagsToResource", &plan.replica);
    let mut own = vec![
        (provenance_tags::DATABASE, plan.database.clone()),
        (provenance_tags::SOURCE, plan.source.clone()),
        (provenance_tags::POINT, plan.replica.clone()),
        (provenance_tags::POINT_KIND, Kind::Replica.name().to_owned()),
        (provenance_tags::BEGUN, site.time(now).to_string()),
    ];
    own.extend(data_time.map(|time| (provenance_tags::DATA_TIME, time.to_string())));
    let tags = provenance_tags::tags(&own, &plan.tags);
    let request = site.rds.add_tags_to_resource().resource_name(&plan.arn);
    let request = request.set_tags(Some(tags)).send().await;
    request.map_err(|error| call.failed(error))?;
    let retention = i32::try_from(plan.retention_days).unwrap_or(i32::MAX);
    let call = site.call("PromoteReadReplica", &plan.replica);
    let request = site.rds.promote_read_replica();
    let request = request
        .db_instance_identifier(&plan.replica)
        .backup_retention_period(retention);
    request.send().await.map_err(|error| call.failed(error))?;
    site.applied("promote replica", &plan.replica);
    Ok("promoted".to_owned())
}
