//! Whether what a restored instance is to get is there: asked before it begins, since RDS refuses one thing at a time, and
//! only when the restore is called for.

use aws_env::{Error, pages};
use serde::Serialize;

use crate::database::clients::is_any;
use crate::database::{Engine, KeyProblem, RdsClients, RestorePlan, check_key};

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
    /// The key of the recovery point cannot be used.
    #[error("the key {key} cannot be used: {problem}")]
    Key {
        /// Its ARN.
        key: String,
        /// What KMS has against it.
        problem: KeyProblem,
    },
    /// The account may have no more of something in this region.
    #[error("the quota {quota} is used up: {used} of {most}")]
    Quota {
        /// Its name among RDS's account attributes.
        quota: String,
        /// How much is used.
        used: i64,
        /// How much there may be.
        most: i64,
    },
}

/// What was found out about the target of a restore.
#[derive(Debug, Default, Serialize)]
pub struct TargetCheck {
    /// What is in the way: the restore would be refused, or fail.
    pub problems: Vec<TargetProblem>,
    /// What could not be found out, with the reason: AWS tells when the restore begins.
    pub unknown: Vec<String>,
}

impl TargetCheck {
    fn take(&mut self, asked: &str, answer: Result<Vec<TargetProblem>, Error>) {
        match answer {
            Ok(problems) => self.problems.extend(problems),
            Err(error) => self.unknown.push(format!("{asked}: {error}")),
        }
    }
}

/// Asks whether subnet group, parameter group, version, class, key and quota allow what `plan` begins. Security groups are
/// EC2's, and not asked for.
pub async fn check_restore_target(site: &RdsClients, plan: &RestorePlan) -> TargetCheck {
    let (subnets, parameters, class, key, quota) = tokio::join!(
        subnet_group(site, plan),
        parameter_group(site, plan),
        class(site, plan),
        key(site, plan),
        quota(site)
    );
    let mut check = TargetCheck::default();
    check.take("the subnet group", subnets);
    check.take("the parameter group", parameters);
    check.take("the class", class);
    check.take("the key", key);
    check.take("the quota", quota);
    if plan.engine.is_none() {
        let why = "class and family of the parameter group: RDS does not say which engine the recovery point is of";
        check.unknown.push(why.to_owned());
    }
    check
        .unknown
        .push("the security groups: they are EC2's, which is not asked".to_owned());
    check
}

async fn subnet_group(site: &RdsClients, plan: &RestorePlan) -> Result<Vec<TargetProblem>, Error> {
    let name = plan.wanted.subnet_group.as_str();
    let request = site.rds.describe_db_subnet_groups();
    let answer = request.db_subnet_group_name(name).send().await;
    let call = site.call("DescribeDBSubnetGroups", name);
    match answer.map_err(|error| call.failed(error)) {
        Ok(answer) if !answer.db_subnet_groups().is_empty() => Ok(Vec::new()),
        Ok(_) => Ok(vec![TargetProblem::NoSubnetGroup(name.to_owned())]),
        Err(error) if is_any(&error, &["DBSubnetGroupNotFoundFault"]) => {
            Ok(vec![TargetProblem::NoSubnetGroup(name.to_owned())])
        }
        Err(error) => Err(error),
    }
}

async fn parameter_group(
    site: &RdsClients,
    plan: &RestorePlan,
) -> Result<Vec<TargetProblem>, Error> {
    let name = plan.wanted.parameter_group.as_str();
    let none = || Ok(vec![TargetProblem::NoParameterGroup(name.to_owned())]);
    let request = site.rds.describe_db_parameter_groups();
    let answer = request.db_parameter_group_name(name).send().await;
    let call = site.call("DescribeDBParameterGroups", name);
    let groups = match answer.map_err(|error| call.clone().failed(error)) {
        Ok(answer) => answer.db_parameter_groups.unwrap_or_default(),
        Err(error) if is_any(&error, &["DBParameterGroupNotFound"]) => return none(),
        Err(error) => return Err(error),
    };
    let Some(group) = groups.first() else {
        return none();
    };
    let Some(engine) = &plan.engine else {
        return Ok(Vec::new());
    };
    let found = group
        .db_parameter_group_family()
        .ok_or_else(|| Error::unexpected(call, "the group has no family"))?;
    let request = site.rds.describe_db_engine_versions();
    let request = request
        .engine(&engine.name)
        .engine_version(&engine.version)
        // A version that is withdrawn for new instances is still restored.
        .include_all(true);
    let call = site.call("DescribeDBEngineVersions", engine.to_string());
    let versions = pages(call, request.into_paginator().items().send()).await?;
    let version = versions
        .iter()
        .find(|version| version.engine_version() == Some(&engine.version));
    let Some(wanted) = version.and_then(|version| version.db_parameter_group_family()) else {
        return Ok(vec![TargetProblem::Version(engine.clone())]);
    };
    Ok(match found == wanted {
        true => Vec::new(),
        false => vec![TargetProblem::ParameterGroupFamily {
            group: name.to_owned(),
            found: found.to_owned(),
            engine: engine.clone(),
            wanted: wanted.to_owned(),
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

async fn quota(site: &RdsClients) -> Result<Vec<TargetProblem>, Error> {
    /// One more of these is made; how much storage a recovery point takes is not said by all.
    const INSTANCES: &str = "DBInstances";
    let call = site.call("DescribeAccountAttributes", INSTANCES);
    let answer = site.rds.describe_account_attributes().send().await;
    let answer = answer.map_err(|error| call.clone().failed(error))?;
    let mut quotas = answer.account_quotas().iter();
    let found = quotas.find(|quota| quota.account_quota_name() == Some(INSTANCES));
    let (Some(used), Some(most)) = (
        found.and_then(|quota| quota.used()),
        found.and_then(|quota| quota.max()),
    ) else {
        return Err(Error::unexpected(
            call,
            "the quota is not among the answers",
        ));
    };
    Ok(match used < most {
        true => Vec::new(),
        false => vec![TargetProblem::Quota {
            quota: INSTANCES.to_owned(),
            used,
            most,
        }],
    })
}
