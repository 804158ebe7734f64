//! Policies for IAM, written from what commands call on a local AWS, and held against it: those of `docs/iam`.
//!
//! Tests of programs that are packages of their own take this file by its path.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use local_aws::LogEntry;
use serde_json::{Value, json};

/// Where the policies are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("docs/iam"))
        .find(|folder| folder.is_dir())
        .unwrap_or_default()
}

/// Whether every action of a policy is taken away in turn (`EVERY_ACTION`), which takes minutes, and none may be unused.
pub fn every_action() -> bool {
    std::env::var_os("EVERY_ACTION").is_some()
}

/// The operation by its name, where the log has the path of a REST service.
fn operation(entry: &LogEntry) -> &str {
    match (entry.service.as_str(), entry.operation.split_once(' ')) {
        ("s3-control", Some(("GET", path))) if path.ends_with("/publicAccessBlock") => {
            "GetPublicAccessBlock"
        }
        ("s3-control", Some(("GET", path))) if path.ends_with("/jobs") => "ListJobs",
        ("s3-control", Some(("POST", path))) if path.ends_with("/jobs") => "CreateJob",
        ("s3-control", Some(("GET", _))) => "DescribeJob",
        ("cloudfront", Some(("GET", path))) => match path.split('/').collect::<Vec<_>>()[2..] {
            ["distribution"] => "ListDistributions",
            ["distribution", _] => "GetDistribution",
            ["distribution", _, "config"] => "GetDistributionConfig",
            ["origin-access-control", _] => "GetOriginAccessControl",
            ["key-group", _] => "GetKeyGroup",
            ["tagging"] => "ListTagsForResource",
            _ => &entry.operation,
        },
        _ => &entry.operation,
    }
}

/// The role of the settings, and that of batch jobs: handing out any other would be handing out its rights.
const ROLE: &str = "arn:aws:iam::*:role/S3TerraformStateReplicationRole";
const BATCH_ROLE: &str = "arn:aws:iam::*:role/BerthcareBatchCopy";

/// What a request is about, as a policy names it; `None` where the service, or the action, has no resources of its own.
fn resources(entry: &LogEntry, action: &str) -> Option<Vec<String>> {
    if action == "iam:PassRole" {
        let role = match entry.service.as_str() {
            "s3-control" => BATCH_ROLE,
            _ => ROLE,
        };
        return Some(vec![role.to_owned()]);
    }
    let resource = entry.resource.as_deref()?;
    match action.split(':').next()? {
        "s3" if entry.service == "s3" => {
            let bucket = resource.split('/').next()?;
            // Those of a drill have its random ID in their names.
            let bucket = match bucket.starts_with("drill-") {
                true => "drill-*",
                false => bucket,
            };
            Some(vec![
                format!("arn:aws:s3:::{bucket}"),
                format!("arn:aws:s3:::{bucket}/*"),
            ])
        }
        "secretsmanager" => {
            let region = entry.region.as_deref()?;
            // Secrets Manager ends the name in an ARN with six characters of its own.
            let (name, _) = resource.split_once(":secret:")?.1.rsplit_once('-')?;
            Some(vec![format!(
                "arn:aws:secretsmanager:{region}:*:secret:{name}-*"
            )])
        }
        "dynamodb" => {
            let region = entry.region.as_deref()?;
            let table = resource.rsplit('/').next()?;
            Some(vec![format!("arn:aws:dynamodb:{region}:*:table/{table}")])
        }
        "rds" if action == "rds:DeleteDBInstance" && resource.contains("drill-") => {
            Some(vec!["arn:aws:rds:*:*:db:drill-*".to_owned()])
        }
        "iam" if action.contains("Role") => {
            let role = resource.rsplit('/').next()?;
            Some(vec![format!("arn:aws:iam::*:role/{role}")])
        }
        _ => None,
    }
}

/// The policy for what was called, but for the actions in `besides`; with what AWS does in the caller's name, which no
/// request shows.
pub fn policy(log: &[LogEntry], implied: &[&str], besides: &[&str]) -> Value {
    // By service: the actions, and the resources, which are all where one action has none of its own. What a drill makes
    // stands apart: of the environment it changes nothing.
    let mut scoped: BTreeMap<(String, bool), (BTreeSet<String>, BTreeSet<String>)> =
        BTreeMap::new();
    let mut anywhere = BTreeSet::new();
    // What a lost region was asked never reached AWS.
    for entry in log.iter().filter(|entry| entry.status.is_some()) {
        let actions = aws_env::iam_actions(&entry.service, operation(entry));
        for action in actions {
            if besides.contains(&&*action) {
                continue;
            }
            match resources(entry, &action) {
                Some(named) => {
                    let prefix = action.split(':').next().unwrap_or_default().to_owned();
                    let is_of_drill = named.iter().any(|name| name.contains(":drill-"));
                    let statement = scoped.entry((prefix, is_of_drill)).or_default();
                    statement.0.insert(action);
                    statement.1.extend(named);
                }
                None => drop(anywhere.insert(action)),
            }
        }
    }
    let mut statements: Vec<Value> = scoped
        .into_values()
        .map(|(actions, resources)| {
            json!({"Effect": "Allow", "Action": actions, "Resource": resources})
        })
        .collect();
    if !anywhere.is_empty() {
        statements.push(json!({"Effect": "Allow", "Action": anywhere, "Resource": "*"}));
    }
    if implied.is_empty() {
        return json!({"Version": "2012-10-17", "Statement": statements});
    }
    statements.push(
        json!({"Sid": "OnBehalf", "Effect": "Allow", "Action": implied, "Resource": "*",
        "Condition": {"Bool": {"aws:ViaAWSService": "true"}}}),
    );
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The actions of a policy but for those that no request shows.
pub fn called(policy: &Value) -> Result<BTreeSet<String>> {
    let statements = policy["Statement"].as_array().context("no statements")?;
    let actions = statements
        .iter()
        .filter(|statement| statement["Sid"] != "OnBehalf")
        .flat_map(|statement| statement["Action"].as_array().into_iter().flatten())
        .map(|action| {
            action
                .as_str()
                .map(str::to_owned)
                .context("an action that is no text")
        });
    actions.collect()
}

/// What a policy allows: each action with each of its resources.
fn permitted(policy: &Value) -> Result<BTreeSet<(String, String)>> {
    let each = |value: &Value| -> Vec<String> {
        let one = value.as_str().map(str::to_owned);
        let all = value.as_array().into_iter().flatten();
        one.into_iter()
            .chain(all.filter_map(|one| Some(one.as_str()?.to_owned())))
            .collect()
    };
    let statements = policy["Statement"].as_array().context("no statements")?;
    let mut permitted = BTreeSet::new();
    for statement in statements {
        for action in each(&statement["Action"]) {
            let resources = each(&statement["Resource"]);
            permitted.extend(resources.into_iter().map(|of| (action.clone(), of)));
        }
    }
    Ok(permitted)
}

/// Holds the policy `made` of what was called against the one that is written down, and returns that. `WRITE_DOCS` writes it
/// anew.
///
/// # Errors
/// When the one that is written down lacks something, or, where every action is tried, has more.
pub fn hold(name: &str, made: &Value) -> Result<Value> {
    let path = folder().join(format!("{name}.json"));
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(made)? + "\n")?;
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    let (allowed, needed) = (permitted(&written)?, permitted(made)?);
    let lacks: Vec<_> = needed.difference(&allowed).collect();
    ensure!(
        lacks.is_empty(),
        "{} lacks {lacks:?}; WRITE_DOCS=1 writes it anew",
        path.display()
    );
    // How long a service takes decides whether a few of them are called at all.
    let unused: Vec<_> = allowed.difference(&needed).collect();
    ensure!(
        !every_action() || unused.is_empty(),
        "not called: {unused:?}"
    );
    Ok(written)
}

/// Whether the list of policies has the one of this name.
///
/// # Errors
/// When the list cannot be read.
pub fn is_listed(name: &str) -> Result<bool> {
    let listed = std::fs::read_to_string(folder().join("README.md"))?;
    Ok(listed.contains(&format!("[`{name}`]({name}.json)")))
}

/// The actions that are taken away in turn: each of them, or every ninth.
///
/// # Errors
/// When the policy is none.
pub fn taken_away(policy: &Value) -> Result<Vec<String>> {
    let step = if every_action() { 1 } else { 9 };
    let actions = called(policy)?;
    Ok(actions.into_iter().skip(step / 2).step_by(step).collect())
}

/// Services and operations that AWS refuses to who lacks `action`, as the log and faults have them.
pub fn refused_without(log: &[LogEntry], action: &str) -> BTreeSet<(String, String)> {
    let needs = |entry: &&LogEntry| {
        let actions = aws_env::iam_actions(&entry.service, operation(entry));
        actions.iter().any(|needed| needed == action)
    };
    let refused = log.iter().filter(needs);
    refused
        .map(|entry| (entry.service.clone(), entry.operation.clone()))
        .collect()
}
