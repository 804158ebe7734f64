//! Copies of snapshots to another region.

use aws_sdk_kms::types::KeyState;
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::{Context, Diagnosis, unseen};
use crate::EnvironmentClients;
use crate::named::key_state;

/// A copy to another region was asked for without a key of that region.
pub(super) async fn key(context: Context<'_>) -> Diagnosis {
    let dr = context.regions.dr().region();
    let clients = context.dr_clients();
    let mut findings = Vec::new();
    for database in &context.settings.databases {
        let Some(key) = &database.kms else {
            let seen = Ok((false, "the settings give it no key".to_owned()));
            findings.push(
                Finding::new(
                    "copy-key",
                    database.id.as_str(),
                    format!("a key of {dr}"),
                    seen,
                )
                .fix("set databases[].kms to the ARN of a key of the DR region"),
            );
            continue;
        };
        let seen = key_state(&clients, key.as_str()).await;
        let seen = seen.map(|(state, _)| {
            let is_enabled = state == KeyState::Enabled;
            (is_enabled, format!("{} in {dr}", state.as_str()))
        });
        findings.push(
            Finding::new(
                "copy-key",
                key.as_str(),
                format!("an enabled key of {dr}"),
                seen,
            )
            .fix("enable it, or name another key of the DR region"),
        );
    }
    if findings.is_empty() {
        let unobserved = Unobserved::because("the settings name no database");
        findings.push(unseen("copy-key", "a key", unobserved));
    }
    Diagnosis {
        trouble: "copy-without-key",
        meaning: "No key was given to the copy. What is encrypted in one region is encrypted anew in the other, with a key of that region: the key of the source does not exist there.",
        findings,
        next: vec![
            ShellCommand::new("dr-replicate snapshots copy")
                .comment("with the key of the settings; the AWS CLI takes --kms-key-id with a key of the destination region")
                .into(),
        ],
    }
}

/// As many copies across regions as may run at once: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_CopySnapshot.html>.
pub(super) async fn in_progress(context: Context<'_>) -> Diagnosis {
    let dr = context.regions.dr().region();
    let clients = context.dr_clients();
    let seen = copying(&clients).await;
    let next = ShellCommand::new("aws rds describe-db-snapshots")
        .option("--region", dr.as_str())
        .words(
            "--query 'DBSnapshots[?Status!=`available`].[DBSnapshotIdentifier,PercentProgress]'",
        );
    Diagnosis {
        trouble: "copies-in-progress",
        meaning: "An account may have only so many copies from other regions in progress in one region. They are counted where they arrive, and no quota of snapshots is full by that.",
        findings: vec![
            Finding::new(
                "copies-in-progress",
                dr.as_str(),
                "room for one more copy",
                seen,
            )
            .fix("wait until one of them is done, then copy again"),
        ],
        next: vec![next.into()],
    }
}

async fn copying(clients: &EnvironmentClients) -> Observation<(bool, String)> {
    let call = clients.call("RDS", "DescribeDBSnapshots", "copies");
    let asked = clients.rds.describe_db_snapshots().snapshot_type("manual");
    let found: Result<Vec<_>, _> = asked.into_paginator().items().send().collect().await;
    let found = found.map_err(|error| Unobserved::from(call.failed(error)))?;
    let here = clients.home.region.as_str();
    let copies: Vec<String> = found
        .iter()
        .filter(|of| matches!(of.status(), Some("copying" | "creating")))
        .filter(|of| {
            let source = of.source_db_snapshot_identifier();
            let from = source.and_then(|arn| arn.split(':').nth(3));
            of.source_region().or(from).is_some_and(|from| from != here)
        })
        .map(|of| {
            let name = of.db_snapshot_identifier().unwrap_or("one without a name");
            let percent = of.percent_progress();
            let percent = percent.map_or("?".to_owned(), |percent| percent.to_string());
            format!("{name} ({percent} %)")
        })
        .collect();
    Ok(match copies.is_empty() {
        true => (true, "none is in progress now: copy again".to_owned()),
        false => (
            false,
            format!("{} in progress: {}", copies.len(), copies.join(", ")),
        ),
    })
}

/// A name that RDS does not take: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CopyDBSnapshot.html>.
pub(super) fn identifier(context: Context<'_>, parameter: Option<&str>) -> Diagnosis {
    let mut findings: Vec<Finding> = context
        .settings
        .databases
        .iter()
        .flat_map(|of| [of.id.as_str(), of.dr_id.as_str()])
        .map(|name| {
            let seen = match refused(name) {
                Some(why) => (false, why.to_owned()),
                None => (true, "RDS takes it".to_owned()),
            };
            Finding::new("identifier", name, "a name that RDS takes", Ok(seen))
                .fix("give it another name in the settings")
        })
        .collect();
    findings.dedup_by(|a, b| a.resource == b.resource);
    let what = parameter.unwrap_or("an identifier");
    let unobserved = Unobserved::because("the error does not say which name it was");
    findings.push(unseen("identifier", what, unobserved));
    Diagnosis {
        trouble: "identifier",
        meaning: "Names of instances and snapshots begin with a letter, have letters, digits and single hyphens only, and no hyphen at the end. Names of automated snapshots begin with `rds:`, which a copy may not.",
        findings,
        next: Vec::new(),
    }
}

fn refused(name: &str) -> Option<&'static str> {
    let first = name.chars().next();
    if !first.is_some_and(|first| first.is_ascii_alphabetic()) {
        Some("it does not begin with a letter")
    } else if let Some(other) = name
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && *c != '-')
    {
        Some(match other {
            ':' => "it has a colon, as automated snapshots have",
            '_' => "it has an underscore",
            '.' => "it has a full stop",
            _ => "it has something else than letters, digits and hyphens",
        })
    } else if name.ends_with('-') {
        Some("it ends with a hyphen")
    } else if name.contains("--") {
        Some("it has two hyphens in a row")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifier_is_refused_as_rds_refuses_it() {
        for name in ["rds:a", "1a", "", "a_b", "a-", "a--b", "a.b", "é"] {
            assert!(refused(name).is_some(), "{name}");
        }
        for name in ["a", "berthcare-staging-postgres", "A-1"] {
            assert_eq!(refused(name), None, "{name}");
        }
    }
}
