//! The database: slow to come, not to be reached, of a version that is not there.

use aws_env::DbInstanceState;
use aws_sdk_rds::types::{DbInstance, SourceType};
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::network::{self, Side};
use super::{Context, Diagnosis, unseen};
use crate::named;

/// What RDS remembers: events of the last day.
const EVENT_MINUTES: i32 = 24 * 60;
/// The newest of them are enough.
const EVENTS: usize = 10;

fn status(id: &str, instance: &Observation<DbInstance>, why: &str) -> Finding {
    let seen = instance
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|instance| {
            let status = instance
                .db_instance_status()
                .ok_or_else(|| Unobserved::because("RDS tells no status"))?;
            Ok((DbInstanceState::of(status).serves(), status.to_owned()))
        });
    Finding::new("db-status", id, "it serves", seen).fix(why)
}

pub(super) async fn slow(context: Context<'_>, named: Option<String>) -> Diagnosis {
    let id = named.unwrap_or_else(|| context.database());
    let (instance, events) =
        tokio::join!(named::database(context.clients, &id), events(context, &id));
    let mut findings = vec![status(
        &id,
        &instance,
        "wait: a Multi-AZ instance takes 10 to 15 minutes, and more when it restores; a status that names a fault does not pass by itself",
    )];
    let mut next = vec![
        ShellCommand::new("aws rds wait db-instance-available")
            .option("--db-instance-identifier", &id)
            .option("--region", context.region())
            .into(),
    ];
    if let Ok(instance) = &instance {
        findings.push(groups(&id, instance));
        let status = instance.db_instance_status();
        if status.is_some_and(|status| DbInstanceState::of(status).serves()) {
            // What timed out is tainted: the next apply would destroy the instance that is there now.
            next = vec![
                context
                    .terraform()
                    .words("untaint")
                    .word("module.database.aws_db_instance.this[0]")
                    .into(),
                context.terraform().words("plan").into(),
            ];
        }
    }
    match events {
        Ok(events) if events.is_empty() => {
            let unobserved = Unobserved::because("RDS remembers no event of the last day");
            findings.push(unseen("db-events", &id, unobserved));
        }
        Ok(events) => {
            let seen = Ok((true, events.join("; ")));
            findings.push(Finding::new("db-events", &id, "what RDS did", seen));
        }
        Err(unobserved) => findings.push(unseen("db-events", &id, unobserved)),
    }
    Diagnosis {
        trouble: "rds-timeout",
        meaning: "Terraform gave up waiting. RDS goes on by itself; what it says now counts.",
        findings,
        next,
    }
}

async fn events(context: Context<'_>, id: &str) -> Observation<Vec<String>> {
    let call = context.clients.call("RDS", "DescribeEvents", id);
    let found: Result<Vec<_>, _> = context
        .clients
        .rds
        .describe_events()
        .source_identifier(id)
        .source_type(SourceType::DbInstance)
        .duration(EVENT_MINUTES)
        .into_paginator()
        .items()
        .send()
        .collect()
        .await;
    let found = found.map_err(|error| Unobserved::from(call.failed(error)))?;
    let newest = found.len().saturating_sub(EVENTS);
    Ok(found[newest..]
        .iter()
        .map(|event| {
            let at = event.date().map(ToString::to_string).unwrap_or_default();
            format!("{at} {}", event.message().unwrap_or("?"))
        })
        .collect())
}

/// A Multi-AZ instance needs subnets in two zones.
fn groups(id: &str, instance: &DbInstance) -> Finding {
    let seen = instance
        .db_subnet_group()
        .ok_or_else(|| Unobserved::because("RDS tells no subnet group"))
        .map(|group| {
            let mut zones: Vec<&str> = group
                .subnets()
                .iter()
                .filter(|subnet| subnet.subnet_status() == Some("Active"))
                .filter_map(|subnet| subnet.subnet_availability_zone()?.name())
                .collect();
            zones.sort_unstable();
            zones.dedup();
            let status = group
                .subnet_group_status()
                .unwrap_or("of an unknown status");
            let right = status == "Complete" && zones.len() >= 2;
            (
                right,
                format!("{status}, in {} zones: {}", zones.len(), zones.join(", ")),
            )
        });
    Finding::new("db-subnet-group", id, "complete, with subnets in two zones", seen)
        .fix("look at availability_zones and at the private subnets: an instance finds no place without them")
}

pub(super) async fn unreachable(context: Context<'_>) -> Diagnosis {
    let id = context.database();
    let instance = named::database(context.clients, &id).await;
    let mut findings = vec![status(
        &id,
        &instance,
        "wait for the instance, or start it: aws rds start-db-instance --db-instance-identifier ID",
    )];
    let mut host = "HOST".to_owned();
    let mut port = 5432;
    match &instance {
        Ok(instance) => {
            let public = instance
                .publicly_accessible()
                .ok_or_else(|| Unobserved::because("RDS does not tell"))
                .map(|public| match public {
                    true => (false, "it has a public address".to_owned()),
                    false => (
                        true,
                        "private, as it should be: it is reached from inside the VPC only"
                            .to_owned(),
                    ),
                });
            findings.push(
                Finding::new("db-public", &id, "no public address", public)
                    .fix("publicly_accessible = false, then terraform apply"),
            );
            if let Some(endpoint) = instance.endpoint() {
                host = endpoint.address().unwrap_or("HOST").to_owned();
                port = endpoint.port().unwrap_or(port);
            }
            let security: Vec<&str> = instance
                .vpc_security_groups()
                .iter()
                .filter_map(|group| group.vpc_security_group_id())
                .collect();
            let subnets: Vec<&str> = instance
                .db_subnet_group()
                .iter()
                .flat_map(|group| group.subnets())
                .filter_map(|subnet| subnet.subnet_identifier())
                .collect();
            findings.push(groups(&id, instance));
            findings.extend(
                network::way_in(
                    context,
                    &Side {
                        security,
                        subnets,
                        port,
                    },
                )
                .await,
            );
        }
        Err(unobserved) => {
            for what in ["db-public", "security-group", "route", "network-acl"] {
                findings.push(unseen(what, &id, unobserved.clone()));
            }
        }
    }
    let next = vec![
        ShellCommand::new("aws ssm start-session")
            .option("--region", context.region())
            .words("--target INSTANCE --document-name AWS-StartPortForwardingSessionToRemoteHost --parameters")
            .joined("host=", format!("{host},portNumber={port},localPortNumber=15432"))
            .into(),
        "verify-staging probe --only database --via database=127.0.0.1:15432 --ca global-bundle.pem".to_owned(),
    ];
    Diagnosis {
        trouble: "no-connection",
        meaning: "The database lies in private subnets, by design: from elsewhere it takes a tunnel through a host in \
                  the VPC (Session Manager, a bastion, a VPN).",
        findings,
        next,
    }
}

pub(super) async fn version(context: Context<'_>, wanted: Option<&str>) -> Diagnosis {
    let call = context
        .clients
        .call("RDS", "DescribeDBEngineVersions", "postgres");
    let request = context
        .clients
        .rds
        .describe_db_engine_versions()
        .engine("postgres");
    let major = wanted
        .and_then(|version| version.split('.').next())
        .unwrap_or("15");
    let found: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
    let offered: Observation<Vec<String>> = found
        .map_err(|error| Unobserved::from(call.failed(error)))
        .map(|versions| {
            let mut names: Vec<String> = versions
                .iter()
                .filter(|version| version.status().is_none_or(|status| status == "available"))
                .filter_map(|version| version.engine_version().map(str::to_owned))
                .filter(|version| version.split('.').next() == Some(major))
                .collect();
            names.sort_by_key(|name| crate::version::numbers(name));
            names
        })
        .and_then(|names| match names.is_empty() {
            true => Err(Unobserved::because(format!(
                "RDS lists no version {major} at all"
            ))),
            false => Ok(names),
        });
    let newest = offered
        .as_ref()
        .ok()
        .and_then(|names| names.last().cloned());
    let shown = wanted.unwrap_or("the wanted version").to_owned();
    let seen = offered.map(|names| {
        let there = wanted.is_some_and(|wanted| names.iter().any(|name| name == wanted));
        (there, format!("offered: {}", names.join(", ")))
    });
    let finding = Finding::new("db-version", shown, "offered for new instances", seen).fix(
        match &newest {
            Some(newest) => format!("db_engine_version = \"{newest}\", or \"{major}\" for whatever is newest, in terraform.tfvars; then terraform apply"),
            None => "see the versions that are offered".to_owned(),
        },
    );
    Diagnosis {
        trouble: "engine-version",
        meaning: "AWS retires minor versions: one that runs may still not be had for a new instance.",
        findings: vec![finding],
        next: vec![
            ShellCommand::new("aws rds describe-db-engine-versions --engine postgres")
                .option("--region", context.region())
                .words("--query 'DBEngineVersions[].EngineVersion'")
                .into(),
        ],
    }
}
