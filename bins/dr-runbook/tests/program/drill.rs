//! A drill next to an environment leaves the account as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_env::RegionClients;
use local_aws::{Fault, FaultKind, LocalAws, RdsClock, RdsOptions, RegionState};
use serde_json::Value;

use super::{SETTINGS, STATE, Stage, environment, make_bucket, started, until};

const PRIMARY: &str = "ca-central-1";
const DR: &str = "ca-west-1";
const MORE: &str = r#"
[[buckets]]
name = "photos"
dr = "photos-dr"
[[databases]]
id = "app"
dr_id = "app-dr"
[databases.restore]
class = "db.t4g.medium"
multi_az = false
subnet_group = "dr"
parameter_group = "dr-postgres"
security_groups = ["sg-00000001"]
deletion_protection = true
log_exports = ["postgresql"]
"#;

struct Account {
    dr: RegionClients,
    rds: aws_sdk_rds::Client,
}

/// An environment with a state, objects and a database, whose primary region is lost.
async fn open() -> Option<(Stage, Account)> {
    let builder = LocalAws::builder().rds(RdsOptions {
        clock: RdsClock::Running { factor: 2000 },
        ..RdsOptions::default()
    });
    let aws = started(builder).await?;
    let env = environment(&aws).await;
    let (from, to) = (PRIMARY.parse().unwrap(), DR.parse().unwrap());
    let dr = env.region(to);
    for bucket in ["bc-state-dr", "photos-dr"] {
        make_bucket(&dr, bucket).await;
    }
    for (bucket, key, body) in [
        ("bc-state-dr", "staging/terraform.tfstate", STATE),
        ("photos-dr", "visits/1.jpg", "one"),
        ("photos-dr", "visits/2.jpg", "two"),
    ] {
        put(&dr, bucket, key, body).await;
    }
    let home = aws_env::client!(aws_sdk_rds, &env.access(from));
    let rds = aws_env::client!(aws_sdk_rds, &env.access(to));
    let create = home.create_db_instance().db_instance_identifier("app");
    let create = create
        .engine("postgres")
        .db_instance_class("db.t4g.medium")
        .allocated_storage(20)
        .master_username("app")
        .master_user_password("correct-horse")
        .backup_retention_period(7);
    let created = create.send().await.unwrap();
    let arn = created.db_instance().unwrap().db_instance_arn().unwrap();
    let clock = aws.rds().unwrap();
    clock.step(Duration::from_secs(10 * 60)).await;
    let group = rds.create_db_subnet_group().db_subnet_group_name("dr");
    let group = group
        .db_subnet_group_description("dr")
        .subnet_ids("subnet-00000001")
        .subnet_ids("subnet-00000002");
    group.send().await.unwrap();
    let group = rds.create_db_parameter_group();
    let group = group
        .db_parameter_group_name("dr-postgres")
        .db_parameter_group_family("postgres18")
        .description("dr");
    group.send().await.unwrap();
    let replicate = rds.start_db_instance_automated_backups_replication();
    let replicate = replicate
        .source_db_instance_arn(arn)
        .backup_retention_period(7);
    // Refused while the instance takes its own backup.
    while replicate.clone().send().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    clock.step(Duration::from_secs(60 * 60)).await;
    aws.set_region(PRIMARY, RegionState::Refuse);
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("{SETTINGS}{MORE}");
    std::fs::write(folder.path().join("infra.toml"), settings).unwrap();
    Some((Stage { aws, folder }, Account { dr, rds }))
}

async fn put(clients: &RegionClients, bucket: &str, key: &str, body: &str) {
    let put = clients.s3.put_object().bucket(bucket).key(key);
    let put = put.body(body.as_bytes().to_vec().into());
    put.send().await.unwrap();
}

impl Account {
    /// Everything that the DR region holds, with tags, versions and policies; but for what moves by itself.
    async fn inventory(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let buckets = self.dr.s3.list_buckets().send().await.unwrap();
        for bucket in buckets.buckets() {
            let name = bucket.name().unwrap();
            let policy = self.dr.s3.get_bucket_policy().bucket(name).send().await;
            let policy = policy.map(|found| found.policy).unwrap_or_default();
            let tags = self.dr.s3.get_bucket_tagging().bucket(name).send().await;
            let tags = tags.map(|found| found.tag_set).unwrap_or_default();
            all.insert(format!("bucket {name}"), format!("{policy:?} {tags:?}"));
            let versions = aws_env::list_versions(&self.dr, name, "").await.unwrap();
            for version in versions {
                let id = version.version_id.unwrap_or_default();
                all.insert(format!("object {name}/{} {id}", version.key), String::new());
            }
        }
        let instances = self.rds.describe_db_instances().send().await.unwrap();
        for instance in instances.db_instances() {
            let id = instance.db_instance_identifier().unwrap();
            let tags = format!("{:?}", instance.tag_list());
            all.insert(format!("instance {id}"), tags);
        }
        let backups = self.rds.describe_db_instance_automated_backups();
        let backups = backups.send().await.unwrap();
        for backup in backups.db_instance_automated_backups() {
            let arn = backup.db_instance_automated_backups_arn().unwrap();
            let tags = self.rds.list_tags_for_resource().resource_name(arn);
            let tags = tags.send().await.unwrap();
            let told = format!("{:?} {:?}", backup.status(), tags.tag_list());
            all.insert(format!("backup {arn}"), told);
        }
        let snapshots = self.rds.describe_db_snapshots().send().await.unwrap();
        for snapshot in snapshots.db_snapshots() {
            let id = snapshot.db_snapshot_identifier().unwrap();
            all.insert(
                format!("snapshot {id}"),
                format!("{:?}", snapshot.tag_list()),
            );
        }
        all
    }
}

impl Stage {
    /// What the drill's name is, as it says before it makes anything.
    fn drill_of(told: &str) -> Option<String> {
        let (_, rest) = told.split_once("the drill is ")?;
        rest.get(..16).map(str::to_owned)
    }

    /// That whatever was asked was asked of the DR region, and whatever was changed was the drill's.
    fn check_log(&self) {
        let log = self.aws.log();
        let elsewhere: Vec<_> = log
            .iter()
            .filter(|entry| entry.region.as_deref() != Some(DR))
            .collect();
        assert!(elsewhere.is_empty(), "{elsewhere:#?}");
        let is_of_drill = |resource: &Option<String>| {
            resource
                .as_deref()
                .is_some_and(|resource| resource.contains("drill-"))
        };
        let others: Vec<_> = log
            .iter()
            .filter(|entry| entry.is_mutation() && !is_of_drill(&entry.resource))
            .collect();
        assert!(others.is_empty(), "{others:#?}");
    }
}

const HOLD: [&str; 3] = ["drill", "--isolated", "--yes"];

#[tokio::test(flavor = "multi_thread")]
async fn drill_next_to_the_environment_leaves_the_account_as_it_was() {
    let Some((stage, account)) = open().await else {
        return;
    };
    let before = account.inventory().await;
    stage.aws.clear_log();
    let (_, told) = stage.run(&["drill", "--isolated", "--dry-run"], 0).await;
    // Two objects and a state, by whoever put them there.
    let bytes = STATE.len() + "onetwo".len();
    let copied = format!("it copies 3 objects of {bytes} bytes for ");
    assert!(told.contains(&copied), "{told}");
    // Of Calgary the price book has nothing, and that is no price of nothing.
    for unknown in [
        "while it lasts it costs an amount that is not known an hour",
        "the price book has no S3 in ca-west-1",
    ] {
        assert!(told.contains(unknown), "{told}");
    }
    assert!(!stage.aws.log().iter().any(local_aws::LogEntry::is_mutation));
    let (json, told) = stage
        .run(&[&HOLD[..], &["--output", "json"]].concat(), 0)
        .await;
    let run: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(run["status"], "finished", "{run:#}");
    assert_eq!(run["plan"]["environment"], "berthcare-staging-drill");
    // What a failover would do was done, but for what would change something of the environment.
    let status = |step: &str| run["steps"][step]["status"].clone();
    assert_eq!(status("pin"), "skipped");
    for step in ["restore/app", "state", "fence", "verify", "report"] {
        assert_eq!(status(step), "done", "{step}: {run:#}");
    }
    let drill = Stage::drill_of(&told).unwrap();
    let manifest = format!("manifest/drill-{drill}-1");
    let kept = &run["steps"][&manifest]["outcome"]["result"];
    assert_eq!(kept["objects"], 2, "{run:#}");
    assert!(told.contains("nothing of the drill is left"), "{told}");
    assert!(
        told.contains("it took ") && told.contains(", and what it has cost is not known"),
        "{told}"
    );
    stage.check_log();
    assert_eq!(account.inventory().await, before);
    // The environment was not failed over, and no run of it was begun.
    let (told, _) = stage.run(&["runs", "list"], 0).await;
    assert!(told.contains("There are none."), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn drill_that_dies_is_taken_away_by_its_tags_and_nothing_else_is() {
    let Some((stage, account)) = open().await else {
        return;
    };
    let before = account.inventory().await;
    stage.aws.clear_log();
    let mut command = stage.command(&HOLD);
    let mut child = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let log = || stage.aws.log();
    until(|| {
        let log = log();
        let mut begun = log.iter();
        begun
            .any(|entry| entry.operation.starts_with("RestoreDBInstance") && entry.status.is_some())
            .then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    // Whoever looks sees what is there, and takes nothing away that may be wanted.
    let (json, _) = stage
        .run(&["drill", "clean", "--dry-run", "--output", "json"], 0)
        .await;
    let found: Value = serde_json::from_str(&json).unwrap();
    let things = found["things"].as_array().unwrap();
    assert_eq!(things.len(), 3, "{found:#}");
    let drill = things[0]["drill"].as_str().unwrap().to_owned();
    let (_, told) = stage.run(&["drill", "clean", "--yes"], 0).await;
    let clean = format!("`dr-runbook drill clean {drill}` takes it away");
    assert!(told.contains(&clean), "{told}");
    assert_ne!(account.inventory().await, before);
    // A bucket of a drill's name is none of the drill by its name: this one holds something, and has no tags.
    let name = format!("drill-{drill}-9");
    make_bucket(&account.dr, &name).await;
    put(&account.dr, &name, "whose.txt", "somebody's").await;
    let (_, told) = stage.run(&["drill", "clean", &drill, "--yes"], 3).await;
    assert!(told.contains(&format!("{name} stays")), "{told}");
    let left = account.inventory().await;
    let others: Vec<&String> = left
        .keys()
        .filter(|key| !before.contains_key(*key))
        .collect();
    assert!(
        others.len() == 2 && others.iter().all(|key| key.contains(&name)),
        "{others:?}"
    );
    let versions = aws_env::list_versions(&account.dr, &name, "")
        .await
        .unwrap();
    let delete = account.dr.s3.delete_object().bucket(&name).key("whose.txt");
    let delete = delete.set_version_id(versions[0].version_id.clone());
    delete.send().await.unwrap();
    // Empty it may be of a drill that died before it had tagged it.
    stage.run(&["drill", "clean", &drill, "--yes"], 0).await;
    assert_eq!(account.inventory().await, before);
    stage.aws.clear_log();
    // A drill that cannot make what it needs takes away what it has made.
    let denied = Fault::new(FaultKind::Denied).operation("PutBucketVersioning");
    stage.aws.add_fault(denied);
    let (_, told) = stage.run(&HOLD, 3).await;
    assert!(told.contains(AGAIN), "{told}");
    stage.check_log();
    assert_eq!(account.inventory().await, before);
}

const AGAIN: &str = "`dr-runbook drill --isolated` holds another one";

#[tokio::test(flavor = "multi_thread")]
async fn drill_whose_step_fails_is_taken_away_and_held_again_rather_than_resumed() {
    let Some((stage, account)) = open().await else {
        return;
    };
    let before = account.inventory().await;
    let denied = Fault::new(FaultKind::Denied).operation("RestoreDBInstanceToPointInTime");
    stage.aws.add_fault(denied);
    let (shown, told) = stage.run(&HOLD, 3).await;
    let nothing = format!("nothing of the drill is left; {AGAIN}");
    assert!(told.contains(&nothing), "{told}");
    assert!(shown.contains("Not done: Restore app"), "{shown}");
    assert_eq!(account.inventory().await, before);
    // What is kept is taken away first.
    let (kept, noted) = stage.run(&[&HOLD[..], &["--keep"]].concat(), 3).await;
    let drill = Stage::drill_of(&noted).unwrap();
    let clean = format!("`dr-runbook drill clean {drill}` takes it away; {AGAIN}");
    assert!(noted.contains(&clean), "{noted}");
    for text in [shown, told, kept, noted] {
        assert!(!text.contains("runs resume"), "{text}");
    }
    stage.run(&["drill", "clean", &drill, "--yes"], 0).await;
    assert_eq!(account.inventory().await, before);
}

/// Changes of AWS between two at which the drill is killed.
const EVERY: usize = 9;

#[tokio::test(flavor = "multi_thread")]
async fn drill_killed_at_any_change_leaves_nothing_once_it_was_taken_away() {
    let Some((stage, account)) = open().await else {
        return;
    };
    let before = account.inventory().await;
    let mut kills = 0;
    for nth in (1..).step_by(EVERY) {
        stage.aws.clear_log();
        let mut command = stage.command(&HOLD);
        let command = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            let log = stage.aws.log();
            if log.iter().filter(|entry| entry.is_mutation()).count() >= nth {
                break None;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        child.kill().unwrap();
        child.wait().unwrap();
        // What was under way when it died may arrive after the first look.
        let mut looks = 0;
        while account.inventory().await != before {
            looks += 1;
            assert!(looks < 20, "{nth}: {:#?}", account.inventory().await);
            let list = ["drill", "clean", "--dry-run", "--output", "json"];
            let (json, _) = stage.run(&list, 0).await;
            let found: Value = serde_json::from_str(&json).unwrap();
            let things = found["things"].as_array().unwrap().iter();
            let drills: BTreeSet<&str> =
                things.filter_map(|thing| thing["drill"].as_str()).collect();
            for drill in drills {
                stage.run(&["drill", "clean", drill, "--yes"], 0).await;
            }
        }
        stage.check_log();
        match ended {
            Some(status) => {
                assert!(status.success(), "{nth}: {status}");
                break;
            }
            None => kills += 1,
        }
    }
    assert!(kills >= 3, "killed {kills} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn dr_region_stands_alone_when_it_is_looked_at_without_touching_anything() {
    let Some((stage, account)) = open().await else {
        return;
    };
    let before = account.inventory().await;
    stage.aws.clear_log();
    // What nobody has published, and who acts in an outage, is not known.
    let alone = ["preflight", "--alone", "--journal", "local"];
    let (told, _) = stage.run(&alone, 3).await;
    assert!(told.contains("recovery-point"), "{told}");
    let log = stage.aws.log();
    assert!(log.iter().all(|entry| entry.region.as_deref() == Some(DR)));
    let changed: Vec<_> = log.iter().filter(|entry| entry.is_mutation()).collect();
    assert!(changed.is_empty(), "{changed:#?}");
    assert_eq!(account.inventory().await, before);
}
