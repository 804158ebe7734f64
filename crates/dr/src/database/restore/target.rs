//! Whether what a restored instance is to get is there: asked before it begins, since RDS refuses one thing at a time, and
//! only when the restore is called for.

use std::collections::BTreeMap;

use aws_env::{Call, Error, pages};
use aws_sdk_ec2::types::Filter;
use aws_sdk_rds::types::DbEngineVersion;
use report::ShellCommand;
use report::finding::{Finding, Unobserved};
use serde::Serialize;
use settings::Region;

use crate::database::clients::is_any;
use crate::database::limits::{Quota, request_increase};
use crate::database::{Engine, KeyProblem, RdsClients, RestorePlan, check_key, quotas};

/// One more of these is made.
const INSTANCES: &str = "DBInstances";
/// GiB of all instances together.
const STORAGE: &str = "AllocatedStorage";

/// Why the instance cannot be made as the settings want it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TargetProblem {
    /// The DB subnet group is not there.
    #[error("there is no DB subnet group {0}")]
    NoSubnetGroup(String),
    /// The DB parameter group is not there.
    #[error("there is no DB parameter group {0}")]
    NoParameterGroup(String),
    /// The DB parameter group is for another engine or major version.
    #[error("the DB parameter group {group} is of the family {found}, and {engine} wants {wanted}")]
    ParameterGroupFamily {
        /// Its name.
        group: String,
        /// The family that it is of.
        found: String,
        /// What the database runs.
        engine: Engine,
        /// The family of that.
        wanted: String,
    },
    /// The security group is not there.
    #[error("there is no security group {0}")]
    NoSecurityGroup(String),
    /// The security group is of another VPC than the subnets.
    #[error(
        "the security group {group} is in {found}, and the DB subnet group {subnet_group} in {wanted}"
    )]
    SecurityGroupVpc {
        /// Its ID.
        group: String,
        /// The VPC that it is in.
        found: String,
        /// The subnet group of the settings.
        subnet_group: String,
        /// The VPC that that is in.
        wanted: String,
    },
    /// The version is not known in this region.
    #[error("RDS knows no {0} here")]
    Version(Engine),
    /// The class is not offered for this engine and version in this region.
    #[error("{engine} is not offered on {class} here")]
    Class {
        /// The class that the settings name.
        class: String,
        /// What the database runs.
        engine: Engine,
    },
    /// The engine has no such logs to export.
    #[error("{engine} has no log {} to export: {}", logs.join(", "), known.join(", "))]
    LogExports {
        /// Those of the settings that it does not have.
        logs: Vec<String>,
        /// What the database runs.
        engine: Engine,
        /// Those that it has.
        known: Vec<String>,
    },
    /// The key of the recovery point cannot be used.
    #[error("the key {key} cannot be used: {problem}")]
    Key {
        /// Its ARN.
        key: String,
        /// What KMS has against it.
        problem: KeyProblem,
    },
    /// The account may have no more of something in this region.
    #[error("the quota {quota} has no room for {needed}: {used} of {most} are used")]
    Quota {
        /// Its name among RDS's account attributes.
        quota: String,
        /// How much more is wanted.
        needed: i64,
        /// How much is used.
        used: i64,
        /// How much there may be.
        most: i64,
        /// By which Service Quotas knows it, where that has answered.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
}

impl TargetProblem {
    /// What to do about it.
    pub fn fix(&self, region: Region) -> String {
        match self {
            Self::NoSubnetGroup(_)
            | Self::NoParameterGroup(_)
            | Self::ParameterGroupFamily { .. }
            | Self::NoSecurityGroup(_) => {
                "name another in [databases.restore], or make it: `terraform apply` of that region's environment does"
                    .to_owned()
            }
            Self::SecurityGroupVpc { wanted, .. } => format!(
                "name one of that VPC in [databases.restore]: {}",
                ShellCommand::new("aws ec2 describe-security-groups")
                    .option("--region", region.as_str())
                    .option("--filters", format!("Name=vpc-id,Values={wanted}"))
            ),
            Self::Version(_) => "restore to another version is not possible: upgrade the source first".to_owned(),
            Self::Class { class, .. } => format!(
                "name a class in [databases.restore] that {region} offers instead of {class}: {}",
                ShellCommand::new("aws rds describe-orderable-db-instance-options --engine postgres")
                    .option("--region", region.as_str())
            ),
            Self::LogExports { known, .. } => format!(
                "name some of these in `log_exports` of [databases.restore]: {}",
                known.join(", ")
            ),
            Self::Key { key, problem } => problem.fix(key, region),
            Self::Quota {
                code, used, needed, ..
            } => {
                request_increase(region, code.as_deref(), used.checked_add(*needed)).into()
            }
        }
    }
}

/// What was found out about the target of a restore.
#[derive(Debug, Default, Serialize)]
pub struct TargetCheck {
    /// What is in the way: the restore would be refused, or fail.
    pub problems: Vec<TargetProblem>,
    /// What could not be found out, with the reason: AWS tells when the restore begins.
    pub unknown: Vec<String>,
    /// Each thing that was asked, in the order of asking: ok, wrong or unknown, with what to do.
    pub findings: Vec<Finding>,
}

impl TargetCheck {
    /// `asked` is what was asked about, in words; `resource` its name, and `expected` what it should be.
    fn take(
        &mut self,
        region: Region,
        (asked, what): (&str, &'static str),
        resource: &str,
        expected: &str,
        answer: Result<Vec<TargetProblem>, String>,
    ) {
        let seen = match &answer {
            Ok(problems) if problems.is_empty() => Ok((true, expected.to_owned())),
            Ok(problems) => {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Ok((false, problems.join("; ")))
            }
            Err(error) => Err(Unobserved::because(error.clone())),
        };
        let mut finding = Finding::new(what, resource, expected, seen);
        match answer {
            Ok(problems) => {
                if let Some(problem) = problems.first() {
                    finding = finding.fix(problem.fix(region));
                }
                self.problems.extend(problems);
            }
            Err(error) => self.unknown.push(format!("{asked}: {error}")),
        }
        self.findings.push(finding);
    }

    /// A restore takes the engine's default option group, which RDS has everywhere. Options are what other engines than
    /// PostgreSQL have: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithOptionGroups.html>
    fn option_group(&mut self, plan: &RestorePlan) {
        let what = "database-option-group";
        match &plan.engine {
            Some(engine) if engine.name == "postgres" => self.findings.push(Finding::skipped(
                what,
                "the default one",
                "a restore takes the engine's default one: PostgreSQL has no options",
            )),
            engine => {
                let engine = engine.as_ref().map_or("an unknown engine", |one| &one.name);
                let why = format!(
                    "a restore of {engine} takes the default one, and options that others have are missing"
                );
                self.unknown(
                    ("the option group", what),
                    "the default one".to_owned(),
                    &why,
                );
            }
        }
    }

    fn unknown(&mut self, (asked, what): (&str, &'static str), resource: String, why: &str) {
        self.unknown.push(format!("{asked}: {why}"));
        let finding = Finding::new(what, resource, "there", Err(Unobserved::because(why)));
        self.findings.push(finding);
    }
}

/// Asks whether subnet group, parameter group, version, class, logs, key, quotas and security groups allow what `plan` begins.
pub async fn check_restore_target(site: &RdsClients, plan: &RestorePlan) -> TargetCheck {
    let (subnets, family, version, class, key, quotas, groups) = tokio::join!(
        subnet_group(site, plan),
        family(site, plan),
        version(site, plan),
        class(site, plan),
        key(site, plan),
        quotas(site),
        security_groups(site, plan)
    );
    let said = |error: Error| error.to_string();
    let (version, quotas) = (version.map_err(said), quotas.map_err(said));
    let parameters = judge_family(plan, family.map_err(said), &version);
    let logs = version.and_then(|version| judge_logs(plan, version.as_ref()));
    let (vpc, subnets) = match subnets {
        Ok(Ok(vpc)) => (Some(vpc), Ok(Vec::new())),
        Ok(Err(problem)) => (None, Ok(vec![problem])),
        Err(error) => (None, Err(said(error))),
    };
    let mut check = TargetCheck::default();
    let (wanted, region) = (&plan.wanted, site.region());
    let group = wanted.subnet_group.as_str();
    let asked = ("the subnet group", "database-subnet-group");
    check.take(region, asked, group, "there", subnets);
    let group = wanted.parameter_group.as_str();
    let asked = ("the parameter group", "database-parameter-group");
    check.take(
        region,
        asked,
        group,
        "there, of the engine's family",
        parameters,
    );
    let name = wanted
        .class
        .as_ref()
        .map_or("the source's", |class| class.as_str());
    let asked = ("the class", "database-class");
    check.take(
        region,
        asked,
        name,
        "offered for the engine and version",
        class.map_err(said),
    );
    let names = wanted.options.log_exports.as_deref().unwrap_or_default();
    let asked = ("the logs to export", "database-log-exports");
    let expected = "those that the engine has";
    check.take(region, asked, &names.join(", "), expected, logs);
    let name = plan.key.as_deref().unwrap_or("not encrypted");
    let asked = ("the key", "database-key");
    check.take(region, asked, name, "usable", key.map_err(said));
    let asked = ("the quota", "database-quota");
    let room = |name, needed| match &quotas {
        Ok(quotas) => judge_quota(quotas, name, needed),
        Err(error) => Err(error.clone()),
    };
    let expected = "room for one more";
    check.take(region, asked, INSTANCES, expected, room(INSTANCES, 1));
    match plan.storage_gb {
        Some(gib) => {
            let expected = format!("room for {gib} GiB more");
            let room = room(STORAGE, i64::from(gib));
            check.take(region, asked, STORAGE, &expected, room);
        }
        None => {
            let asked = ("the quota of storage", "database-quota");
            let why = "RDS does not say how much storage the recovery point takes";
            check.unknown(asked, STORAGE.to_owned(), why);
        }
    }
    if plan.engine.is_none() {
        let asked = (
            "class, logs and family of the parameter group",
            "database-engine",
        );
        let why = "RDS does not say which engine the recovery point is of";
        check.unknown(asked, plan.choice.point.clone(), why);
    }
    let names: Vec<&str> = wanted.security_groups.iter().map(AsRef::as_ref).collect();
    let groups = groups.map_err(said);
    let judged = groups.map(|groups| judge_security_groups(plan, &groups, vpc.as_deref()));
    let asked = ("the security groups", "database-security-group");
    let expected = "there, in the VPC of the subnet group";
    check.take(region, asked, &names.join(", "), expected, judged);
    check.option_group(plan);
    check
}

/// The VPC of the subnet group, or what is wrong with it.
async fn subnet_group(
    site: &RdsClients,
    plan: &RestorePlan,
) -> Result<Result<String, TargetProblem>, Error> {
    let name = plan.wanted.subnet_group.as_str();
    let none = || Ok(Err(TargetProblem::NoSubnetGroup(name.to_owned())));
    let request = site.rds.describe_db_subnet_groups();
    let answer = request.db_subnet_group_name(name).send().await;
    let call = site.call("DescribeDBSubnetGroups", name);
    let groups = match answer.map_err(|error| call.clone().failed(error)) {
        Ok(answer) => answer.db_subnet_groups.unwrap_or_default(),
        Err(error) if is_any(&error, &["DBSubnetGroupNotFoundFault"]) => return none(),
        Err(error) => return Err(error),
    };
    match groups.into_iter().next() {
        Some(group) => group
            .vpc_id
            .map(Ok)
            .ok_or_else(|| Error::unexpected(call, "the group has no VPC")),
        None => none(),
    }
}

/// Each security group of the plan that is there, and its VPC.
async fn security_groups(
    site: &RdsClients,
    plan: &RestorePlan,
) -> Result<BTreeMap<String, Option<String>>, Error> {
    let wanted = plan.wanted.security_groups.iter().map(ToString::to_string);
    let wanted: Vec<String> = wanted.collect();
    let call = Call {
        service: "EC2",
        ..site.call("DescribeSecurityGroups", wanted.join(", "))
    };
    // EC2 refuses the whole question where one of the IDs that are asked for is not there; a filter passes what is there.
    let those = Filter::builder().name("group-id").set_values(Some(wanted));
    let request = site.ec2.describe_security_groups().filters(those.build());
    let found = pages(call, request.into_paginator().items().send()).await?;
    let found = found.into_iter();
    Ok(found
        .filter_map(|group| Some((group.group_id?, group.vpc_id)))
        .collect())
}

/// `vpc` is that of the subnet group, where it is there.
fn judge_security_groups(
    plan: &RestorePlan,
    found: &BTreeMap<String, Option<String>>,
    vpc: Option<&str>,
) -> Vec<TargetProblem> {
    let wanted = plan.wanted.security_groups.iter().map(AsRef::as_ref);
    let problem = |group: &str| match (found.get(group), vpc) {
        (None, _) => Some(TargetProblem::NoSecurityGroup(group.to_owned())),
        (Some(Some(found)), Some(wanted)) if found != wanted => {
            Some(TargetProblem::SecurityGroupVpc {
                group: group.to_owned(),
                found: found.clone(),
                subnet_group: plan.wanted.subnet_group.to_string(),
                wanted: wanted.to_owned(),
            })
        }
        (Some(_), _) => None,
    };
    wanted.filter_map(problem).collect()
}

/// What RDS says of the version that the recovery point ran; `None` where that is not known, or has nothing to be asked for.
async fn version(site: &RdsClients, plan: &RestorePlan) -> Result<Option<DbEngineVersion>, Error> {
    let Some(engine) = &plan.engine else {
        return Ok(None);
    };
    let request = site.rds.describe_db_engine_versions();
    let request = request
        .engine(&engine.name)
        .engine_version(&engine.version)
        // A version that is withdrawn for new instances is still restored.
        .include_all(true);
    let call = site.call("DescribeDBEngineVersions", engine.to_string());
    let versions = pages(call, request.into_paginator().items().send()).await?;
    let mut versions = versions.into_iter();
    Ok(versions.find(|version| version.engine_version() == Some(&engine.version)))
}

/// The family of the parameter group; `None` where there is no such group.
async fn family(site: &RdsClients, plan: &RestorePlan) -> Result<Option<String>, Error> {
    let name = plan.wanted.parameter_group.as_str();
    let request = site.rds.describe_db_parameter_groups();
    let answer = request.db_parameter_group_name(name).send().await;
    let call = site.call("DescribeDBParameterGroups", name);
    let groups = match answer.map_err(|error| call.clone().failed(error)) {
        Ok(answer) => answer.db_parameter_groups.unwrap_or_default(),
        Err(error) if is_any(&error, &["DBParameterGroupNotFound"]) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(group) = groups.into_iter().next() else {
        return Ok(None);
    };
    let family = group.db_parameter_group_family;
    family
        .map(Some)
        .ok_or_else(|| Error::unexpected(call, "the group has no family"))
}

fn judge_family(
    plan: &RestorePlan,
    found: Result<Option<String>, String>,
    version: &Result<Option<DbEngineVersion>, String>,
) -> Result<Vec<TargetProblem>, String> {
    let group = plan.wanted.parameter_group.to_string();
    let Some(found) = found? else {
        return Ok(vec![TargetProblem::NoParameterGroup(group)]);
    };
    let Some(engine) = plan.engine.clone() else {
        return Ok(Vec::new());
    };
    let version = version.as_ref().map_err(Clone::clone)?.as_ref();
    let wanted = version.and_then(|version| version.db_parameter_group_family());
    Ok(match wanted {
        None => vec![TargetProblem::Version(engine)],
        Some(wanted) if found == wanted => Vec::new(),
        Some(wanted) => vec![TargetProblem::ParameterGroupFamily {
            group,
            found,
            engine,
            wanted: wanted.to_owned(),
        }],
    })
}

/// A version that is not known is told with the parameter group.
fn judge_logs(
    plan: &RestorePlan,
    version: Option<&DbEngineVersion>,
) -> Result<Vec<TargetProblem>, String> {
    let wanted = plan.wanted.options.log_exports.iter().flatten();
    let (Some(engine), Some(version), Some(_)) = (&plan.engine, version, wanted.clone().next())
    else {
        return Ok(Vec::new());
    };
    let Some(known) = &version.exportable_log_types else {
        return Err(format!("RDS does not say which logs {engine} has"));
    };
    let logs: Vec<String> = wanted.filter(|log| !known.contains(log)).cloned().collect();
    Ok(match logs.is_empty() {
        true => Vec::new(),
        false => vec![TargetProblem::LogExports {
            logs,
            engine: engine.clone(),
            known: known.clone(),
        }],
    })
}

/// That of the source is not known here, and was offered to it.
async fn class(site: &RdsClients, plan: &RestorePlan) -> Result<Vec<TargetProblem>, Error> {
    let (Some(class), Some(engine)) = (&plan.wanted.class, &plan.engine) else {
        return Ok(Vec::new());
    };
    let request = site.rds.describe_orderable_db_instance_options();
    let request = request
        .engine(&engine.name)
        .engine_version(&engine.version)
        .db_instance_class(class.to_string());
    let call = site.call("DescribeOrderableDBInstanceOptions", class.to_string());
    let offered = pages(call, request.into_paginator().items().send()).await?;
    Ok(match offered.is_empty() {
        false => Vec::new(),
        true => vec![TargetProblem::Class {
            class: class.to_string(),
            engine: engine.clone(),
        }],
    })
}

async fn key(site: &RdsClients, plan: &RestorePlan) -> Result<Vec<TargetProblem>, Error> {
    let Some(key) = &plan.key else {
        return Ok(Vec::new());
    };
    let checked = check_key(site, key).await?;
    let problem = checked.err().map(|problem| TargetProblem::Key {
        key: key.clone(),
        problem,
    });
    Ok(problem.into_iter().collect())
}

/// Whether there is room for `needed` more of what the quota of this name counts.
fn judge_quota(quotas: &[Quota], name: &str, needed: i64) -> Result<Vec<TargetProblem>, String> {
    let Some(quota) = quotas.iter().find(|quota| quota.name == name) else {
        return Err(format!("RDS does not tell the quota {name}"));
    };
    Ok(match quota.most.saturating_sub(quota.used) >= needed {
        true => Vec::new(),
        false => vec![TargetProblem::Quota {
            quota: quota.name.clone(),
            needed,
            used: quota.used,
            most: quota.most,
            code: quota.code.clone(),
        }],
    })
}
