//! Exit codes, refusals with their next step, and a run that is killed.

use std::process::Stdio;

use local_aws::{Fault, FaultKind, RdsData, RegionState};
use serde_json::{Value, json};

use crate::stage::{DR, ID, PROGRAM, Stage, TARGET, minutes};

const POLL: [&str; 3] = ["--yes", "--poll", "50ms"];

async fn stage() -> Option<Stage> {
    Stage::open(RdsData::Off, false).await
}

/// A snapshot, and its copy in the DR region.
async fn copied(stage: &Stage) {
    stage.take("seed").await;
    let copy = [&["snapshots", "copy"][..], &POLL].concat();
    stage.json(0, &copy).await;
}

#[tokio::test]
async fn snapshots_copy_that_is_killed_is_taken_up_by_the_next_run() {
    let Some(stage) = stage().await else {
        return;
    };
    stage.take("seed").await;
    let arguments = [&["snapshots", "copy"][..], &POLL].concat();
    let mut command = stage.command(PROGRAM, &arguments);
    let mut killed = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Time stands still: the copy is under way until somebody steps it.
    while stage.calls("CopyDBSnapshot") == 0 {
        assert!(
            killed.try_wait().unwrap().is_none(),
            "it ended before it began a copy"
        );
        tokio::task::yield_now().await;
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    stage.rds.step(minutes(2)).await;
    let done = stage.json(0, &arguments).await;
    let copied = &done["databases"][0]["done"]["snapshots"];
    assert_eq!(copied[0]["outcome"], "copied", "{done}");
    assert_eq!(stage.calls("CopyDBSnapshot"), 1);
    let left = stage.to.describe_db_snapshots().send().await.unwrap();
    assert_eq!(left.db_snapshots().len(), 1);
}

#[tokio::test]
async fn commands_that_end_badly_have_their_exit_code_and_next_step() {
    let Some(stage) = stage().await else {
        return;
    };
    // Nothing to restore from.
    let stderr = stage
        .stderr(1, &["restore", "--target", TARGET, "--yes"])
        .await;
    assert!(
        stderr
            .contains("us-east-1 has nothing that berthcare-staging-postgres can be restored from")
    );
    assert!(
        stderr.contains("hint: while the primary region answers"),
        "{stderr}"
    );
    let found = stage.json(1, &["recovery-points"]).await;
    assert_eq!(found["databases"][0]["points"], json!([]));
    // Usage.
    let stderr = stage
        .stderr(2, &["recovery-points", "--database", "other"])
        .await;
    assert!(
        stderr.contains("settings have: berthcare-staging-postgres"),
        "{stderr}"
    );
    stage.stderr(2, &["restore", "--target", "other"]).await;
    stage
        .stderr(2, &["restore", "--target", TARGET, "--at", "yesterday"])
        .await;
    // A plan changes nothing, and without --yes nobody is there to ask.
    stage.aws.clear_log();
    stage.stderr(0, &["snapshots", "copy", "--dry-run"]).await;
    let stderr = stage.stderr(4, &["snapshots", "copy"]).await;
    assert!(stderr.contains("give --yes"), "{stderr}");
    let stderr = stage.stderr(4, &["backups", "enable"]).await;
    assert!(stderr.contains("give --yes"), "{stderr}");
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
    // No replication is wrong, and one whose first backup has not arrived is unknown.
    stage.stderr(1, &["backups", "status"]).await;
    let enabled = stage.output(PROGRAM, &["backups", "enable", "--yes"]).await;
    assert!(enabled.status.success(), "{enabled:?}");
    let early = stage.output(PROGRAM, &["backups", "status"]).await;
    assert_eq!(early.status.code(), Some(3), "{early:?}");
    stage.rds.step(minutes(20)).await;
    stage.stderr(0, &["backups", "status"]).await;
    stage.stderr(4, &["backups", "disable"]).await;
    stage.stderr(0, &["backups", "disable", "--yes"]).await;
    stage.stderr(1, &["backups", "status"]).await;
    // Throttled, and then not there at all.
    let throttled = Fault::new(FaultKind::SlowDown).service("rds").share(0.3);
    stage.aws.add_fault(throttled);
    stage
        .stderr(0, &[&["snapshots", "copy"][..], &POLL].concat())
        .await;
    stage.aws.clear_faults();
    stage.aws.set_region(DR, RegionState::Refuse);
    let stderr = stage.stderr(3, &["recovery-points"]).await;
    assert!(stderr.contains("cannot be reached"), "{stderr}");
}

// aws-behaviour: 30
#[tokio::test]
async fn restore_at_its_deadline_ends_the_wait_and_not_the_restore() {
    let Some(stage) = stage().await else {
        return;
    };
    copied(&stage).await;
    let restore = [
        "restore",
        "--target",
        TARGET,
        "--yes",
        "--poll",
        "50ms",
        "--deadline",
    ];
    let hasty = [&restore[..], &["0s"]].concat();
    let output = stage.output(PROGRAM, &hasty).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("it goes on by itself"), "{stderr}");
    let patient = [&restore[..], &["1h"]].concat();
    let done = stage.json(0, &patient).await;
    assert_eq!(done["plan"]["step"], "resume");
    assert_eq!(done["done"]["differences"], json!([]));
    assert_eq!(stage.calls("RestoreDBInstanceFromDBSnapshot"), 1);
    let listed = stage.json(0, &["snapshots", "list", "--source"]).await;
    assert_eq!(listed["copies"].as_array().unwrap().len(), 1);
    let markdown = stage.run(&["recovery-points", "--markdown"]).await;
    let markdown = String::from_utf8_lossy(&markdown.stdout).into_owned();
    assert!(markdown.contains("| RPO | Data of |"), "{markdown}");
}

#[tokio::test]
async fn restore_is_through_once_the_server_accepts_connections() {
    let Some(stage) = Stage::open(RdsData::WhereInstalled, false).await else {
        return;
    };
    if let Some(why) = stage.rds.data_missing() {
        eprintln!("skipped: no PostgreSQL behind RDS: {why}");
        return;
    }
    copied(&stage).await;
    let restore = [&["restore", "--target", TARGET][..], &POLL].concat();
    let done = stage.json(0, &restore).await;
    assert_eq!(done["connection"]["state"], "accepted", "{done}");
    // By its status it serves, and nobody can connect.
    let stop = stage.to.stop_db_instance().db_instance_identifier(TARGET);
    stop.send().await.unwrap();
    stage.rds.step(minutes(10)).await;
    assert!(stage.rds.set_instance_status(DR, TARGET, "available"));
    let hasty = [&restore[..], &["--deadline", "0s"]].concat();
    let ended = stage.json(1, &hasty).await;
    assert_eq!(ended["done"]["differences"], json!([]));
    assert_eq!(ended["connection"]["state"], "rejected", "{ended}");
    let why = ended["connection"]["why"].as_str().unwrap();
    assert!(why.contains("connection refused"), "{why}");
    let text = stage.run(&hasty).await;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("does not accept connections"), "{text}");
    assert!(stage.rds.set_instance_status(DR, TARGET, "stopped"));
    let start = stage.to.start_db_instance().db_instance_identifier(TARGET);
    start.send().await.unwrap();
    let done = stage.json(0, &restore).await;
    assert_eq!(done["connection"]["state"], "accepted", "{done}");
}

#[tokio::test]
async fn restore_says_that_a_connection_cannot_be_tried_from_here() {
    let Some(stage) = stage().await else {
        return;
    };
    copied(&stage).await;
    // No server has the name that this instance gets.
    let restore = [&["restore", "--target", TARGET][..], &POLL].concat();
    let done = stage.json(0, &restore).await;
    assert_eq!(done["connection"]["state"], "untried", "{done}");
    let text = stage.run(&restore).await;
    assert_eq!(text.status.code(), Some(0), "{text:?}");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("could not be tried from here"), "{text}");
}

#[tokio::test]
async fn recovery_points_and_restore_count_by_the_clock_of_rds() {
    let Some(stage) = stage().await else {
        return;
    };
    copied(&stage).await;
    // It is two hours ahead of this machine, by whose clock the copy would be of later than now.
    stage.rds.step(minutes(120)).await;
    let points = stage.json(0, &["recovery-points"]).await;
    let found = &points["databases"][0];
    let rpo = found["points"][0]["rpo_seconds"].as_u64().unwrap();
    assert!((7_200..9_000).contains(&rpo), "{found}");
    let clocks = found["clocks"].as_str().unwrap();
    assert!(clocks.contains("behind that of RDS"), "{clocks}");
    let restore = ["restore", "--target", TARGET, "--yes", "--poll", "50ms"];
    let done = stage.json(0, &restore).await;
    let rpo = done["done"]["rpo_seconds"].as_u64().unwrap();
    assert!((7_200..9_000).contains(&rpo), "{done}");
    // Begun by the same clock as the data: nothing is newer, and the loss does not grow.
    let again = stage.json(0, &restore).await;
    assert_eq!(again["plan"]["step"], "verify");
    assert_eq!(again["plan"]["newer"], Value::Null);
    let grown = again["done"]["rpo_seconds"].as_u64().unwrap();
    assert!((rpo..rpo + 900).contains(&grown), "{again}");
}

#[tokio::test]
async fn snapshots_and_restore_go_back_to_the_primary_region() {
    let Some(stage) = stage().await else {
        return;
    };
    copied(&stage).await;
    let restore = ["restore", "--target", TARGET, "--yes", "--poll", "50ms"];
    stage.json(0, &restore).await;
    let take = stage.to.create_db_snapshot().db_instance_identifier(TARGET);
    take.db_snapshot_identifier("back").send().await.unwrap();
    stage.rds.step(minutes(5)).await;
    let copy = ["snapshots", "copy", "--side", "primary"];
    let copied = stage.json(0, &[&copy[..], &POLL].concat()).await;
    let copied = &copied["databases"][0]["done"];
    assert_eq!(copied["region"], "ca-central-1");
    assert_eq!(copied["snapshots"][0]["source"], "back");
    let list = ["snapshots", "list", "--side", "primary", "--source"];
    let listed = stage.json(0, &list).await;
    assert_eq!(listed["source_region"], "us-east-1");
    assert_eq!(listed["copies"][0]["database"], TARGET);
    let back = ["restore", "--side", "primary", "--target", ID, "--yes"];
    let back = [&back[..], &["--poll", "50ms"]].concat();
    // The old instance is in the way, and nothing of it is touched.
    let stderr = stage.stderr(4, &back).await;
    assert!(stderr.contains("not restored by this program"), "{stderr}");
    let delete = stage.from.delete_db_instance().db_instance_identifier(ID);
    delete.skip_final_snapshot(true).send().await.unwrap();
    stage.rds.step(minutes(10)).await;
    stage.aws.set_region(DR, RegionState::Refuse);
    let done = stage.json(0, &back).await;
    assert_eq!(done["plan"]["database"], TARGET);
    assert_eq!(done["plan"]["region"], "ca-central-1");
    assert_eq!(done["done"]["differences"], json!([]));
    let points = ["recovery-points", "--side", "primary", "--database", ID];
    let points = stage.json(0, &points).await;
    assert_eq!(points["databases"][0]["database"], TARGET);
    // Without a way back in the settings there is none.
    stage.aws.set_region(DR, RegionState::Up);
    stage.drop_settings("[databases.failback.restore]", "\n[objectives]");
    let stderr = stage.stderr(2, &list).await;
    assert!(
        stderr.contains("hint: add [databases.failback]"),
        "{stderr}"
    );
}

#[tokio::test]
async fn promote_makes_an_instance_of_a_replica_once_and_says_what_is_not_known() {
    let Some(stage) = stage().await else {
        return;
    };
    let none = ["promote", "--replica", "none", "--yes"];
    let stderr = stage.stderr(2, &none).await;
    assert!(
        stderr.contains("there is no instance none in us-east-1"),
        "{stderr}"
    );
    let arn = format!("arn:aws:rds:ca-central-1:000000000000:db:{ID}");
    let create = stage.to.create_db_instance_read_replica();
    let create = create.source_db_instance_identifier(arn);
    create
        .db_instance_identifier("follower")
        .send()
        .await
        .unwrap();
    stage.rds.step(minutes(10)).await;
    assert!(stage.rds.set_replica_lag(DR, "follower", None));
    let points = stage.json(1, &["recovery-points"]).await;
    let point = &points["databases"][0]["points"][0];
    assert_eq!(point["kind"], "replica", "{points}");
    let promote = ["promote", "--replica", "follower"];
    let stderr = stage.stderr(4, &promote).await;
    assert!(stderr.contains("give --yes"), "{stderr}");
    stage.aws.set_region("ca-central-1", RegionState::Refuse);
    // Nobody told CloudWatch how far it is behind: it is promoted, and what is lost is not known.
    let promote = [&promote[..], &POLL].concat();
    let done = stage.json(3, &promote).await;
    assert_eq!(done["plan"]["step"], "begin");
    assert_eq!(done["done"]["instance"], "follower");
    let again = stage.json(3, &promote).await;
    assert_eq!(again["plan"]["step"], "verify");
    assert_eq!(stage.calls("PromoteReadReplica"), 1);
}

#[tokio::test]
async fn restore_dry_run_refuses_what_rds_would() {
    let Some(stage) = stage().await else {
        return;
    };
    copied(&stage).await;
    let plan = ["restore", "--target", TARGET, "--dry-run"];
    let stderr = stage.stderr(0, &plan).await;
    assert!(!stderr.contains("not checked"), "{stderr}");
    let denied = Fault::new(FaultKind::Denied).operation("DescribeSecurityGroups");
    stage.aws.add_fault(denied);
    let stderr = stage.stderr(0, &plan).await;
    assert!(
        stderr.contains("not checked: the security groups"),
        "{stderr}"
    );
    stage.aws.clear_faults();
    stage.replace_settings("sg-00000001", "sg-0badbadbad0000000");
    let stderr = stage.stderr(4, &plan).await;
    assert!(
        stderr.contains("there is no security group sg-0badbadbad0000000"),
        "{stderr}"
    );
    let delete = stage.to.delete_db_subnet_group();
    let name = format!("{ID}-dr");
    delete.db_subnet_group_name(&name).send().await.unwrap();
    let stderr = stage.stderr(4, &plan).await;
    assert!(
        stderr.contains(&format!("there is no DB subnet group {name}")),
        "{stderr}"
    );
    assert!(
        stderr.contains("hint: name another in [databases.restore]"),
        "{stderr}"
    );
}

// aws-behaviour: 28
#[tokio::test]
async fn dry_runs_refuse_a_key_that_the_run_would_refuse() {
    let Some(stage) = Stage::open(RdsData::Off, true).await else {
        return;
    };
    stage.take("seed").await;
    let commands = [&["snapshots", "copy"][..], &["backups", "enable"]];
    let keys = stage.kms.list_keys().send().await.unwrap();
    for key in keys.keys() {
        let key = key.key_id().unwrap();
        stage.kms.disable_key().key_id(key).send().await.unwrap();
    }
    for command in commands {
        let plan = [command, &["--dry-run"]].concat();
        let stderr = stage.stderr(4, &plan).await;
        assert!(stderr.contains("its state is Disabled"), "{stderr}");
        let run = [command, &["--yes"]].concat();
        let refused = stage.stderr(4, &run).await;
        assert_eq!(refused, stderr);
    }
    stage.drop_settings("kms = \"arn:aws:kms:us-east-1:000", "\nretention_days = 7");
    for command in commands {
        let plan = [command, &["--dry-run"]].concat();
        let stderr = stage.stderr(2, &plan).await;
        assert!(stderr.contains("settings name no key"), "{stderr}");
    }
    assert!(!stage.aws.log().iter().any(|entry| {
        entry.operation == "CopyDBSnapshot"
            || entry.operation == "StartDBInstanceAutomatedBackupsReplication"
    }));
}

#[tokio::test]
async fn snapshots_copy_of_a_misspelt_snapshot_names_those_that_are_there() {
    let Some(stage) = stage().await else {
        return;
    };
    for id in ["before-release", "after-release"] {
        stage.take(id).await;
    }
    let copy = ["snapshots", "copy", "--database", ID, "--snapshot"];
    let copy = |id| [&copy[..], &[id], &POLL].concat();
    let stderr = stage.stderr(2, &copy("before-relaese")).await;
    assert!(
        stderr.contains(&format!(
            "ca-central-1 has no snapshot before-relaese of {ID}"
        )),
        "{stderr}"
    );
    let hint = stderr.lines().find(|line| line.starts_with("hint: "));
    let hint = hint.unwrap_or_default();
    for id in ["before-release", "after-release"] {
        assert!(hint.contains(id), "{stderr}");
    }
    assert_eq!(stage.calls("CopyDBSnapshot"), 0);
    let done = stage.json(0, &copy("before-release")).await;
    let copied = &done["databases"][0]["done"]["snapshots"][0];
    assert_eq!(copied["source"], "before-release", "{done}");
}

#[tokio::test]
async fn snapshots_copy_of_a_database_without_one_goes_on_with_the_others() {
    let Some(stage) = stage().await else {
        return;
    };
    stage.take("seed").await;
    stage.add_settings("[[databases]]\nid = \"new\"\ndr_id = \"new\"\n");
    let done = stage
        .json(1, &[&["snapshots", "copy"][..], &POLL].concat())
        .await;
    let copied = &done["databases"][0]["done"]["snapshots"][0];
    assert_eq!(copied["outcome"], "copied");
    let left = done["left_out"][0]["why"].as_str().unwrap();
    assert!(left.contains("no snapshot of new"), "{done}");
    let alone = ["snapshots", "copy", "--database", "new", "--yes"];
    let stderr = stage.stderr(1, &alone).await;
    assert!(
        stderr.contains("hint: make one: aws rds create-db-snapshot"),
        "{stderr}"
    );
    let planned = stage.json(2, &["backups", "enable", "--dry-run"]).await;
    assert_eq!(planned["plans"].as_array().unwrap().len(), 1);
}
