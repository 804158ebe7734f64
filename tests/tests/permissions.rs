//! The policies of docs/iam: each holds what its commands call and nothing else, and where one of its actions is missing,
//! the programs name that action.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end::{EXAMPLE, Finished, Stage, Terraform, policies};
use local_aws::{Fault, FaultKind, LogEntry, RegionState};
use serde_json::json;
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
    /// As well a run that was carried out, and a manifest; since then each region has been written to.
    Synced,
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

/// Stands for the name of the run that was carried out before.
const RUN: &str = "RUN";

/// A job that S3 has forgotten.
const JOB: &str = "00000000-0000-0000-0000-000000000001";

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
                &[
                    "sync",
                    "--bucket",
                    BUCKET,
                    "--delete",
                    "--max-delete",
                    "100%",
                    "--yes",
                ],
                &[0],
            ),
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
        name: "dr-replicate-batch",
        commands: &[
            // No emulator runs such jobs.
            (
                "dr-replicate",
                &[
                    "sync",
                    "--bucket",
                    BUCKET,
                    "--engine",
                    "batch",
                    "--role-arn",
                    "arn:aws:iam::000000000000:role/BerthcareBatchCopy",
                    "--yes",
                ],
                &[3],
            ),
            (
                "dr-replicate",
                &["sync", "--bucket", BUCKET, "--job", JOB, "--wait", "0"],
                &[3],
            ),
        ],
        before: Before::Buckets,
        implied: OBJECTS,
    },
    Policy {
        name: "dr-replicate-failback",
        commands: &[
            // Somebody has written to the copy since.
            (
                "dr-replicate",
                &["undo", RUN, "--bucket", BUCKET, "--yes"],
                &[1],
            ),
            (
                "dr-replicate",
                &[
                    "reconcile",
                    "--bucket",
                    BUCKET,
                    "--manifest",
                    "manifest",
                    "--delete",
                    "--max-delete",
                    "100%",
                    "--yes",
                ],
                &[0],
            ),
        ],
        before: Before::Synced,
        implied: OBJECTS,
    },
    Policy {
        name: "dr-replicate-prune",
        commands: &[
            ("dr-replicate", &["runs", "show", RUN], &[0]),
            (
                "dr-replicate",
                &["runs", "prune", "--older-than", "0s", "--yes"],
                &[0],
            ),
        ],
        before: Before::Synced,
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
    Policy {
        name: "dr-runbook-watch",
        commands: &[(
            "dr-runbook",
            &[
                "watch",
                "--metrics",
                "--alarms",
                "arn:aws:sns:us-east-1:000000000000:on-call",
            ],
            &[0, 1, 3],
        )],
        before: Before::Ready,
        implied: OBJECTS,
    },
    Policy {
        name: "dr-runbook-drill",
        commands: &[
            ("dr-runbook", &["drill", "--isolated", "--yes"], &[0]),
            ("dr-runbook", &["drill", "clean", "--yes"], &[0]),
        ],
        before: Before::Ready,
        implied: DATABASES,
    },
];

/// Actions without which the commands of a policy do as much as with them, and why.
const NOT_MISSED: &[(&str, &str)] = &[
    // Of a bucket that is not there S3 says so to everybody.
    ("init-backend-apply", "s3:ListBucket"),
    // Locks and digests say nothing of how many serials a state is behind.
    ("dr-runbook-watch", "dynamodb:Scan"),
];

/// A drill finds what it has left among all buckets.
const LISTS_BUCKETS: (&str, &str) = ("dr-runbook-drill", "s3:ListAllMyBuckets");

/// Their commands delete by delete markers, and journals in a bucket that keeps its versions: they remove none for good.
const DELETE_BY_MARKERS: [&str; 2] = ["dr-replicate-sync", "dr-replicate-prune"];

/// Where a region is slow to answer, these ask whether it does: a refusal is an answer, and the permission is not needed.
const WHETHER_IT_ANSWERS: [&str; 2] = ["dynamodb:ListTables", "s3:ListAllMyBuckets"];

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
    let has_objects = [
        Before::Buckets,
        Before::Synced,
        Before::Ready,
        Before::Outage,
    ];
    if has_objects.contains(&before) {
        make_objects(&world).await?;
    }
    if before == Before::Buckets {
        make_many(&world).await?;
    }
    if before == Before::Synced {
        make_run(&stage, &world).await?;
    }
    if matches!(before, Before::Buckets | Before::Synced) {
        leave_uploads(&stage, &world).await?;
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

/// So many objects in doubt that lists of versions are read, whose checksums tell; and one that only the copy has.
async fn make_many(world: &World) -> Result<()> {
    let copy = format!("{BUCKET}-dr");
    for number in 0..20 {
        let key = format!("many/{number}");
        for (clients, bucket) in [(&world.primary, BUCKET), (&world.dr, &copy)] {
            let put = clients.s3.put_object().bucket(bucket).key(&key);
            put.body(b"a".to_vec().into()).send().await?;
        }
    }
    let put = world.dr.s3.put_object().bucket(&copy).key("stray");
    put.body(b"s".to_vec().into()).send().await?;
    Ok(())
}

/// A sync that was carried out, as it looks once its jobs were made; a manifest; and what the DR region did since.
async fn make_run(stage: &Stage, world: &World) -> Result<()> {
    let copy = format!("{BUCKET}-dr");
    let write = async |key: &str| {
        let put = world.dr.s3.put_object().bucket(&copy).key(key);
        put.body(b"in DR".to_vec().into()).send().await
    };
    let put = world.primary.s3.put_object().bucket(BUCKET).key("deleted");
    put.body(b"d".to_vec().into()).send().await?;
    write("stray").await?;
    let sync = ["sync", "--bucket", BUCKET, "--delete", "--yes"];
    let sync = [&sync[..], &["--max-delete", "100%"]].concat();
    stage.run("dr-replicate", &sync)?.exits(0)?;
    let journal = runs(stage).join(first_run(stage)?).join("journal.jsonl");
    let text = std::fs::read_to_string(&journal)?;
    let (begin, _) = text.trim_end().rsplit_once('\n').context("one line")?;
    let jobs = [
        json!({"record": "job-asked", "token": "made"}),
        json!({"record": "job", "token": "made", "id": JOB}),
        json!({"record": "job-asked", "token": "never-heard-of"}),
        json!({"record": "end", "complete": false}),
    ];
    let jobs = jobs.map(|line| line.to_string()).join("\n");
    std::fs::write(&journal, format!("{begin}\n{jobs}\n"))?;
    let manifest = ["manifest", "--bucket", BUCKET, "--out", "manifest"];
    stage.run("dr-replicate", &manifest)?.exits(0)?;
    write("a").await?;
    write("new").await?;
    let delete = world.dr.s3.delete_object().bucket(&copy);
    delete.key("deleted").send().await?;
    Ok(())
}

fn runs(stage: &Stage) -> PathBuf {
    stage.folder.path().join("state/dr-replicate/runs")
}

/// The name of the run that this machine carried out first.
fn first_run(stage: &Stage) -> Result<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(runs(stage))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.into_iter().min().context("no run")
}

/// What a sync and a reconcile left open that were killed.
async fn leave_uploads(stage: &Stage, world: &World) -> Result<()> {
    let copy = format!("{BUCKET}-dr");
    let sides = [
        (&world.dr, BUCKET, &*copy),
        (&world.primary, &*copy, BUCKET),
    ];
    for (clients, from, to) in sides {
        let begin = clients.s3.create_multipart_upload().bucket(to).key("large");
        let upload = begin.send().await?.upload_id.context("no upload")?;
        let run = format!("killed-{to}");
        let lines = [
            json!({"record": "run", "run": run, "command": "sync", "started": "2026-11-01T00:00:00Z",
                "source": format!("s3://{from}/"), "destination": format!("s3://{to}/")}),
            json!({"record": "upload", "key": "large", "upload": upload}),
        ];
        let folder = runs(stage).join(&run);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("lock"), "")?;
        let lines = lines.map(|line| line.to_string() + "\n").concat();
        std::fs::write(folder.join("journal.jsonl"), lines)?;
    }
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
        let mut arguments = arguments.to_vec();
        let run = match arguments.contains(&RUN) {
            true => first_run(stage)?,
            false => String::new(),
        };
        for argument in arguments.iter_mut().filter(|argument| **argument == RUN) {
            *argument = &run;
        }
        all.push(stage.run(program, &arguments)?);
    }
    Ok(all)
}

/// Runs the commands without one action, and says whether the programs named it.
async fn named(policy: &Policy, log: &[LogEntry], action: &str) -> Result<bool> {
    let Some(stage) = staged(policy.before).await? else {
        return Ok(true);
    };
    for (service, operation) in policies::refused_without(log, action) {
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
    let mut besides = WHETHER_IT_ANSWERS.to_vec();
    besides.retain(|action| (name, *action) != LISTS_BUCKETS);
    if DELETE_BY_MARKERS.contains(&name) {
        besides.push("s3:DeleteObjectVersion");
    }
    let made = policies::policy(&log, policy.implied, &besides);
    let written = policies::hold(name, &made)?;
    let mut silent = Vec::new();
    // A stage for each of them is a matter of minutes.
    for action in policies::taken_away(&written)? {
        let is_missed = !NOT_MISSED.contains(&(name, &action));
        if is_missed && !named(policy, &log, &action).await? {
            silent.push(action);
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
        for name in all {
            assert!(policies::is_listed(name)?, "{name}");
        }
        Ok(())
    }};
}

policies! {
    reading_the_backend_needs_its_policy: "init-backend-read",
    applying_the_backend_needs_its_policy: "init-backend-apply",
    comparing_buckets_needs_its_policy: "dr-replicate-read",
    copying_objects_needs_its_policy: "dr-replicate-sync",
    copying_by_jobs_needs_its_policy: "dr-replicate-batch",
    bringing_objects_back_needs_its_policy: "dr-replicate-failback",
    removing_journals_needs_its_policy: "dr-replicate-prune",
    restoring_databases_needs_its_policy: "dr-replicate-databases",
    looking_ahead_needs_its_policy: "dr-runbook-preflight",
    failing_over_needs_its_policy: "dr-runbook-failover",
    watching_needs_its_policy: "dr-runbook-watch",
    practising_needs_its_policy: "dr-runbook-drill",
}
