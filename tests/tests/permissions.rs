//! The policies of docs/iam: each holds what its commands call and nothing else, and where one of its actions is missing,
//! the programs name that action.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end::{EXAMPLE, Finished, Stage, Terraform};
use local_aws::{Fault, FaultKind, LogEntry, RegionState};
use serde_json::{Value, json};
use settings::Settings;

#[path = "../drill/world.rs"]
#[expect(dead_code, reason = "the drill needs more of the world")]
mod world;

use world::World;

/// What is there before the commands of a policy run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing but the settings.
    Nothing,
    /// The backend.
    Backend,
    /// The backend, and the buckets of data with an object that only the primary region has.
    Buckets,
    /// The backend, and a database with what a restore needs, replicated to the DR region.
    Database,
    /// All of that, and the states of two environments in both regions.
    Ready,
    /// As ready as that, and the primary region is lost.
    Outage,
}

/// A policy and the commands that it is for.
struct Policy {
    /// Of its file in docs/iam.
    name: &'static str,
    /// Program, arguments, and exit codes with which it may end.
    commands: &'static [(&'static str, &'static [&'static str], &'static [i32])],
    before: Before,
    /// What AWS does with the caller's permissions besides, which no request shows.
    implied: &'static [&'static str],
}

/// S3 encrypts and decrypts for the caller.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>
const OBJECTS: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey"];

/// RDS asks the keys of snapshots, copies and instances for grants in the caller's name.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html>
const DATABASES: &[&str] = &[
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKey",
];

const BUCKET: &str = "berthcare-photos-staging";

const POLICIES: &[Policy] = &[
    Policy {
        name: "init-backend-read",
        commands: &[
            ("init-backend", &["plan"], &[0]),
            ("init-backend", &["verify"], &[0, 3]),
            ("init-backend", &["status"], &[0, 1, 3]),
            ("init-backend", &["metrics"], &[0, 1, 3]),
            ("init-backend", &["integrity"], &[0, 1, 3]),
            ("init-backend", &["locks"], &[0]),
        ],
        before: Before::Backend,
        implied: OBJECTS,
    },
    Policy {
        name: "init-backend-apply",
        commands: &[("init-backend", &["apply", "--yes"], &[0])],
        before: Before::Nothing,
        implied: OBJECTS,
    },
    Policy {
        name: "dr-replicate-read",
        commands: &[
            ("dr-replicate", &["parity"], &[1]),
            ("dr-replicate", &["sync", "--dry-run"], &[0]),
            ("dr-replicate", &["estimate", "--bucket", BUCKET], &[0]),
            ("dr-replicate", &["runs", "list"], &[0]),
        ],
        before: Before::Buckets,
        implied: OBJECTS,
    },
    Policy {
        name: "dr-replicate-sync",
        commands: &[
            ("dr-replicate", &["sync", "--yes"], &[0]),
            (
                "dr-replicate",
                &["manifest", "--bucket", BUCKET, "--out", "manifest"],
                &[0],
            ),
        ],
        before: Before::Buckets,
        implied: OBJECTS,
    },
    Policy {
        name: "dr-replicate-databases",
        commands: &[
            ("dr-replicate", &["backups", "status"], &[0, 1, 3]),
            ("dr-replicate", &["snapshots", "copy", "--yes"], &[0, 1]),
            ("dr-replicate", &["snapshots", "list"], &[0]),
            ("dr-replicate", &["recovery-points"], &[0]),
            (
                "dr-replicate",
                &[
                    "restore",
                    "--target",
                    "berthcare-staging-postgres-dr",
                    "--yes",
                ],
                &[0],
            ),
        ],
        before: Before::Database,
        implied: DATABASES,
    },
    Policy {
        name: "dr-runbook-preflight",
        commands: &[
            ("dr-runbook", &["preflight"], &[0, 1, 3]),
            ("dr-runbook", &["status"], &[0, 1, 3]),
        ],
        before: Before::Ready,
        implied: OBJECTS,
    },
    Policy {
        name: "dr-runbook-failover",
        commands: &[(
            "dr-runbook",
            &[
                "failover",
                "--window",
                "1s",
                "--approve",
                "auto",
                "--yes",
                "--output",
                "json",
            ],
            &[0, 1, 3],
        )],
        before: Before::Outage,
        implied: DATABASES,
    },
];

/// Actions without which the commands of a policy do as much as with them, and why.
const NOT_MISSED: &[(&str, &str)] = &[
    // Of a bucket that is not there S3 says so to everybody.
    ("init-backend-apply", "s3:ListBucket"),
];

/// Where a region is slow to answer, these ask whether it does: a refusal is an answer, and the permission is not needed.
const WHETHER_IT_ANSWERS: [&str; 2] = ["dynamodb:ListTables", "s3:ListAllMyBuckets"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/iam")
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
        _ => &entry.operation,
    }
}

/// The role of the settings: handing out any other would be handing out its rights.
const ROLE: &str = "arn:aws:iam::*:role/S3TerraformStateReplicationRole";

/// What a request is about, as a policy names it; `None` where the service, or the action, has no resources of its own.
fn resources(entry: &LogEntry, action: &str) -> Option<Vec<String>> {
    if action == "iam:PassRole" {
        return Some(vec![ROLE.to_owned()]);
    }
    let resource = entry.resource.as_deref()?;
    match action.split(':').next()? {
        "s3" if entry.service == "s3" => {
            let bucket = resource.split('/').next()?;
            Some(vec![
                format!("arn:aws:s3:::{bucket}"),
                format!("arn:aws:s3:::{bucket}/*"),
            ])
        }
        "dynamodb" => {
            let region = entry.region.as_deref()?;
            let table = resource.rsplit('/').next()?;
            Some(vec![format!("arn:aws:dynamodb:{region}:*:table/{table}")])
        }
        "iam" if action.contains("Role") => {
            let role = resource.rsplit('/').next()?;
            Some(vec![format!("arn:aws:iam::*:role/{role}")])
        }
        _ => None,
    }
}

/// The policy for what was called.
fn policy(log: &[LogEntry], implied: &[&str]) -> Value {
    // By service: the actions, and the resources, which are all where one action has none of its own.
    let mut scoped: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    let mut anywhere = BTreeSet::new();
    // What a lost region was asked never reached AWS.
    for entry in log.iter().filter(|entry| entry.status.is_some()) {
        let actions = aws_env::iam_actions(&entry.service, operation(entry));
        for action in actions {
            if WHETHER_IT_ANSWERS.contains(&&*action) {
                continue;
            }
            match resources(entry, &action) {
                Some(named) => {
                    let prefix = action.split(':').next().unwrap_or_default().to_owned();
                    let statement = scoped.entry(prefix).or_default();
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
    statements.push(
        json!({"Sid": "OnBehalf", "Effect": "Allow", "Action": implied, "Resource": "*",
        "Condition": {"Bool": {"aws:ViaAWSService": "true"}}}),
    );
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// A stage on which the commands of the policy can run, and nothing in the log yet.
async fn staged(before: Before) -> Result<Option<Stage>> {
    let drill = env!("CARGO_BIN_EXE_drill");
    let stage = match before {
        Before::Nothing => Stage::bare(drill).await?,
        Before::Ready | Before::Outage => Stage::open_with_terraform(drill).await?,
        _ => Stage::open(drill).await?,
    };
    let Some(stage) = stage else {
        return Ok(None);
    };
    let settings = Settings::parse(EXAMPLE, jiff::civil::date(2026, 11, 30))?;
    let primary = settings.regions.primary;
    let world = World::new(&stage.aws, settings).await?;
    if matches!(before, Before::Buckets | Before::Ready | Before::Outage) {
        make_objects(&world).await?;
    }
    if matches!(before, Before::Database | Before::Ready | Before::Outage) {
        world.make_database(&stage.aws).await?;
        let enable = ["backups", "enable", "--yes"];
        stage.run("dr-replicate", &enable)?.exits(0)?;
        let rds = stage.aws.rds().context("the local AWS has no RDS")?;
        rds.step(Duration::from_secs(3600)).await;
    }
    if matches!(before, Before::Ready | Before::Outage) {
        make_states(&stage)?;
    }
    if before == Before::Outage {
        stage.aws.set_region(primary.as_str(), RegionState::Refuse);
    }
    stage.aws.clear_log();
    Ok(Some(stage))
}

/// The buckets, and an object in one of them that its copy has not.
async fn make_objects(world: &World) -> Result<()> {
    world.make_buckets().await?;
    let put = world.primary.s3.put_object().bucket(BUCKET).key("a");
    put.body(b"a".to_vec().into()).send().await?;
    let delete = world.dr.s3.delete_object();
    let delete = delete.bucket(format!("{BUCKET}-dr")).key("a");
    delete.send().await?;
    Ok(())
}

/// The states of both environments, and their copies.
fn make_states(stage: &Stage) -> Result<()> {
    let folder = stage.folder.path();
    for (from, to) in [("dr", "dr"), ("staging", "stack")] {
        let from = format!("../../terraform/environments/{from}");
        let settings = std::fs::read_to_string(folder.join("infra.toml"))?;
        std::fs::write(folder.join("infra.toml"), settings.replace(&from, to))?;
    }
    let roots = [
        (Terraform::new(&stage.programs, folder)?, "stack"),
        (Terraform::dr(&stage.programs, folder)?, "dr"),
    ];
    for (root, folder) in roots {
        let file = format!("{folder}/primary.s3.tfbackend");
        let render = ["render", "primary", "--dir", folder, "--out", &file];
        stage.init_backend(&render)?.exits(0)?;
        tokio::task::block_in_place(|| {
            root.init(&file, &[])?;
            root.run(&["apply", "-auto-approve", "-no-color"])?.exits(0)
        })?;
    }
    loop {
        let status = stage
            .init_backend(&["status", "--output", "json"])?
            .json()?;
        let states = status["states"].as_array().map_or(&[][..], Vec::as_slice);
        if states.len() == 2 && states.iter().all(|state| state["relation"] == "same") {
            return Ok(());
        }
    }
}

fn run(stage: &Stage, policy: &Policy) -> Result<Vec<Finished>> {
    let mut all = Vec::new();
    for (program, arguments, _) in policy.commands {
        all.push(stage.run(program, arguments)?);
    }
    Ok(all)
}

/// The actions of a policy but for those that no request shows.
fn called(policy: &Value) -> Result<BTreeSet<String>> {
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

/// Runs the commands without one action, and says whether the programs named it.
async fn named(policy: &Policy, log: &[LogEntry], action: &str) -> Result<bool> {
    let Some(stage) = staged(policy.before).await? else {
        return Ok(true);
    };
    let mut refused = BTreeSet::new();
    for entry in log {
        let actions = aws_env::iam_actions(&entry.service, operation(entry));
        if actions.iter().any(|needed| needed == action) {
            refused.insert((entry.service.clone(), entry.operation.clone()));
        }
    }
    for (service, operation) in refused {
        let fault = Fault::new(FaultKind::Denied).service(service);
        stage.aws.add_fault(fault.operation(operation));
    }
    let told = run(&stage, policy)?;
    let is_named = |ran: &Finished| ran.stdout().contains(action) || ran.stderr().contains(action);
    Ok(told.iter().any(is_named))
}

async fn holds(name: &str) -> Result<()> {
    let policy = POLICIES.iter().find(|policy| policy.name == name);
    let policy = policy.context("no such policy")?;
    let Some(stage) = staged(policy.before).await? else {
        return Ok(());
    };
    for (ran, (program, arguments, codes)) in run(&stage, policy)?.iter().zip(policy.commands) {
        ensure!(
            ran.code().is_some_and(|code| codes.contains(&code)),
            "{program} {arguments:?}: {:?}\n{}{}",
            ran.code(),
            ran.stdout(),
            ran.stderr()
        );
    }
    let log = stage.aws.log();
    drop(stage);
    let made = self::policy(&log, policy.implied);
    let path = folder().join(format!("{name}.json"));
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made)? + "\n")?;
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    let every = std::env::var_os("EVERY_ACTION").is_some();
    let (allowed, needed) = (permitted(&written)?, permitted(&made)?);
    let mut lacks = needed.difference(&allowed).peekable();
    assert!(
        lacks.peek().is_none(),
        "{} lacks {:?}; WRITE_DOCS=1 writes it anew",
        path.display(),
        lacks.collect::<Vec<_>>()
    );
    // How long a service takes decides whether a few of them are called at all.
    let unused: Vec<_> = allowed.difference(&needed).collect();
    assert!(!every || unused.is_empty(), "not called: {unused:?}");
    // A stage for each of them is a matter of minutes.
    let step = if std::env::var_os("EVERY_ACTION").is_some() {
        1
    } else {
        9
    };
    let mut silent = Vec::new();
    for action in called(&written)?.iter().skip(step / 2).step_by(step) {
        let is_missed = !NOT_MISSED.contains(&(name, action));
        if is_missed && !named(policy, &log, action).await? {
            silent.push(action.clone());
        }
    }
    assert!(silent.is_empty(), "refused and not named: {silent:?}");
    Ok(())
}

macro_rules! policies {
    ($($test:ident: $name:literal,)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() -> Result<()> {
            holds($name).await
        }
    )*

    #[test]
    fn every_policy_is_tried_and_in_the_list() -> Result<()> {
        let tried = BTreeSet::from([$($name),*]);
        let all: BTreeSet<&str> = POLICIES.iter().map(|policy| policy.name).collect();
        assert_eq!(tried, all);
        let listed = std::fs::read_to_string(folder().join("README.md"))?;
        for name in all {
            assert!(listed.contains(&format!("[`{name}`]({name}.json)")), "{name}");
        }
        Ok(())
    }};
}

policies! {
    reading_the_backend_needs_its_policy: "init-backend-read",
    applying_the_backend_needs_its_policy: "init-backend-apply",
    comparing_buckets_needs_its_policy: "dr-replicate-read",
    copying_objects_needs_its_policy: "dr-replicate-sync",
    restoring_databases_needs_its_policy: "dr-replicate-databases",
    looking_ahead_needs_its_policy: "dr-runbook-preflight",
    failing_over_needs_its_policy: "dr-runbook-failover",
}
