//! Every state of the buckets, as the program shows them.

use aws_sdk_dynamodb::types::AttributeValue;

use local_aws::{Fault, FaultKind};

use crate::stage::{DR, EXAMPLE, PRIMARY, Stage};

const STATES: usize = 300;

async fn put(stage: &Stage, region: &str, bucket: &str, key: &str, body: Vec<u8>) {
    let s3 = stage.clients(region).await.s3;
    let put = s3.put_object().bucket(bucket).key(key).body(body.into());
    put.send().await.expect("the object is written");
}

fn state(serial: u64) -> Vec<u8> {
    format!(r#"{{"version":4,"terraform_version":"1.11.4","serial":{serial},"lineage":"l","resources":[]}}"#).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_is_read_once_on_each_side_and_the_worst_comes_first() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    for number in 0..STATES {
        let key = format!("env:/team-{number:03}/net/terraform.tfstate");
        put(&stage, PRIMARY, "berthcare-terraform-state", &key, state(3)).await;
    }
    // Written in DR, as in a drill.
    let drilled = "env:/team-007/net/terraform.tfstate";
    put(
        &stage,
        DR,
        "berthcare-terraform-state-dr",
        drilled,
        state(5),
    )
    .await;
    stage.aws.clear_log();
    let found = stage
        .run(&["integrity", "--output", "json"])
        .await
        .exits(1)
        .json();
    let states = found["states"].as_array().expect("states");
    // And the one of the settings, which was never written.
    assert_eq!(states.len(), STATES + 1);
    assert_eq!(states[0]["state"]["object"], drilled);
    assert_eq!(states[0]["state"]["workspace"], "team-007");
    assert_eq!(states[0]["relation"], "dr-ahead");
    assert_eq!(states[0]["serials"], 2);
    let log = stage.aws.log();
    let reads = log
        .iter()
        .filter(|entry| entry.operation == "GetObject")
        .count();
    assert_eq!(reads, 2 * STATES);
    assert!(log.iter().all(|entry| !entry.is_mutation()));

    let table = stage.run(&["integrity", "--state", drilled]).await.exits(1);
    assert!(
        table.stdout().contains("DR is 2 writes ahead"),
        "{}",
        table.stdout()
    );
    let one = stage
        .run(&[
            "integrity",
            "--state",
            "env:/team-008/net/terraform.tfstate",
        ])
        .await
        .exits(0);
    assert!(one.stdout().contains("1 state, well."), "{}", one.stdout());
    let none = stage.run(&["integrity", "--state", "nope"]).await.exits(2);
    assert!(
        none.stderr().contains("neither region has it"),
        "{}",
        none.stderr()
    );
}

async fn digest(stage: &Stage, region: &str, side: (&str, &str), key: &str, md5: &str) {
    let (bucket, table) = side;
    let row = format!("{bucket}/{key}-md5");
    let put = stage.clients(region).await.dynamodb;
    let put = put.put_item().table_name(table);
    let put = put.item("LockID", AttributeValue::S(row));
    let put = put.item("Digest", AttributeValue::S(md5.to_owned()));
    put.send().await.expect("the row is written");
}

// aws-behaviour: 46
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_digest_row_is_made_that_of_the_state_and_only_while_nobody_writes() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let key = "env:/prod/net/terraform.tfstate";
    put(&stage, DR, "berthcare-terraform-state-dr", key, state(3)).await;
    let side = (
        "berthcare-terraform-state-dr",
        "berthcare-terraform-locks-dr",
    );
    digest(&stage, DR, side, key, "0123").await;
    let repair = ["repair", "digest", key, "--side", "dr"];

    let lock = format!("{key}.tflock");
    put(&stage, DR, side.0, &lock, b"{}".to_vec()).await;
    let locked = stage
        .run(&[&repair[..], &["--yes"]].concat())
        .await
        .exits(4);
    assert!(locked.stderr().contains("is locked"), "{}", locked.stderr());
    let unlock = ["unlock", "--place", &lock, "--side", "dr", "--yes"];
    stage.run(&unlock).await.exits(0);

    let planned = stage
        .run(&[&repair[..], &["--dry-run"]].concat())
        .await
        .exits(0);
    assert!(
        planned.stdout().contains("0123 becomes"),
        "{}",
        planned.stdout()
    );
    stage.run(&["integrity", "--state", key]).await.exits(1);
    stage
        .run(&[&repair[..], &["--yes"]].concat())
        .await
        .exits(0);
    let found = stage
        .run(&["integrity", "--state", key, "--output", "json"])
        .await;
    let copy = found.exits(1).json()["states"][0]["copies"][1].clone();
    assert_eq!(copy["digest"], "matches");
    // Again: nothing to do.
    stage
        .run(&[&repair[..], &["--yes"]].concat())
        .await
        .exits(0);

    // A row is left of a state that is gone: Terraform would begin with an empty one.
    let s3 = stage.clients(DR).await.s3;
    let gone = s3.delete_object().bucket(side.0).key(key);
    gone.send().await.expect("deleted");
    let refused = stage
        .run(&[&repair[..], &["--yes"]].concat())
        .await
        .exits(4);
    assert!(
        refused.stderr().contains("can be brought back"),
        "{}",
        refused.stderr()
    );
}

// aws-behaviour: 45
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_state_and_an_older_one_are_brought_back_with_their_digest_rows() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let (bucket, key) = (
        "berthcare-terraform-state",
        "env:/prod/net work/terraform.tfstate",
    );
    let s3 = stage.clients(PRIMARY).await.s3;
    let write = async |serial| {
        let put = s3.put_object().bucket(bucket).key(key);
        let put = put
            .body(state(serial).into())
            .send()
            .await
            .expect("written");
        put.version_id.expect("versioned")
    };
    let (first, second) = (write(1).await, write(2).await);
    let delete = s3.delete_object().bucket(bucket).key(key);
    delete.send().await.expect("deleted");
    let side = (bucket, "berthcare-terraform-locks");
    digest(&stage, PRIMARY, side, key, "0123").await;

    let deleted = stage.run(&["integrity", "--state", key]).await.exits(1);
    assert!(deleted.stdout().contains(&second), "{}", deleted.stdout());
    let none = ["restore", key, "--version", "none"];
    let none = stage.run(&none).await.exits(2).stderr();
    let versions = "`aws s3api list-object-versions --region ca-central-1 --bucket berthcare-terraform-state \
                    --prefix 'env:/prod/net work/terraform.tfstate'`";
    assert!(none.contains(versions), "{none}");
    let back = ["restore", key, "--version", &second];
    let lock = format!("{key}.tflock");
    let held = s3.put_object().bucket(bucket).key(&lock);
    let held = held.body(br#"{"ID":"1"}"#.to_vec().into()).send();
    held.await.expect("written");
    let locked = stage.run(&back).await.exits(4).stderr();
    assert!(locked.contains("bring the version back"), "{locked}");
    assert!(!locked.contains("writes the row itself"), "{locked}");
    let free = s3.delete_object().bucket(bucket).key(&lock).send();
    free.await.expect("deleted");
    let planned = stage
        .run(&[&back[..], &["--dry-run"]].concat())
        .await
        .exits(0);
    assert!(
        planned.stdout().contains("Nothing was changed"),
        "{}",
        planned.stdout()
    );
    // The first answer is lost after S3 has acted.
    let lost = Fault::new(FaultKind::ResponseLost)
        .operation("CopyObject")
        .times(1);
    stage.aws.add_fault(lost);
    stage.run(&[&back[..], &["--yes"]].concat()).await.exits(0);
    let copy = |found: serde_json::Value| found["states"][0]["copies"][0].clone();
    let found = stage
        .run(&["integrity", "--state", key, "--output", "json"])
        .await
        .json();
    assert_eq!(copy(found.clone())["content"]["serial"], 2, "{found:#}");
    assert_eq!(copy(found)["digest"], "matches");
    stage.run(&[&back[..], &["--yes"]].concat()).await.exits(0);

    stage
        .run(&["restore", key, "--version", &first, "--yes"])
        .await
        .exits(0);
    let found = stage
        .run(&["integrity", "--state", key, "--output", "json"])
        .await
        .json();
    assert_eq!(copy(found.clone())["content"]["serial"], 1);
    assert_eq!(copy(found)["digest"], "matches");
}

/// A bucket that a team shares with other things, with a prefix of its own for workspaces.
// aws-behaviour: 44
#[tokio::test(flavor = "multi_thread")]
async fn states_are_those_of_the_keys_in_the_settings_in_every_workspace() {
    let key = "key = \"staging/terraform.tfstate\"";
    let keys = r#"keys = ["staging/terraform.tfstate", "net.tflock", "never/written"]"#;
    let config = EXAMPLE
        .replace(key, &format!("{key}\n{keys}"))
        .replace("\"env:\"", "\"team/ws\"");
    let Some(stage) = Stage::with(&config).await else {
        return;
    };
    stage.apply().await.exits(0);
    let (bucket, table) = ("berthcare-terraform-state", "berthcare-terraform-locks");
    let lock = |who: &str| format!(r#"{{"ID":"{who}","Who":"{who}@desk"}}"#).into_bytes();
    for (object, body) in [
        ("team/ws/prod/staging/terraform.tfstate", state(3)),
        ("net.tflock", state(4)),
        ("net.tflock.tflock", lock("ours")),
        // Of others: a plan, states and locks of keys that the settings do not name.
        ("plans/staging.json", b"[]".to_vec()),
        ("other/terraform.tfstate", state(5)),
        ("other/terraform.tfstate.tflock", lock("theirs")),
        ("env:/prod/staging/terraform.tfstate", state(6)),
    ] {
        put(&stage, PRIMARY, bucket, object, body).await;
    }
    let dynamodb = stage.clients(PRIMARY).await.dynamodb;
    for (object, who) in [
        ("other/terraform.tfstate", "theirs"),
        ("net.tflock", "ours"),
    ] {
        let put = dynamodb.put_item().table_name(table);
        let put = put.item("LockID", AttributeValue::S(format!("{bucket}/{object}")));
        let info = String::from_utf8(lock(who)).expect("text");
        let put = put.item("Info", AttributeValue::S(info));
        put.send().await.expect("the row is written");
    }

    let found = stage.run(&["integrity", "--output", "json"]).await.json();
    let states = found["states"].as_array().expect("states");
    let mut seen: Vec<_> = states
        .iter()
        .map(|state| {
            let text = |name: &str| state["state"][name].as_str().unwrap_or("-").to_owned();
            (text("key"), text("workspace"))
        })
        .collect();
    seen.sort();
    let wanted = [
        ("net.tflock", "-"),
        ("never/written", "-"),
        ("staging/terraform.tfstate", "prod"),
    ];
    assert_eq!(
        seen,
        wanted.map(|(key, name)| (key.to_owned(), name.to_owned()))
    );
    // Never silent, and no fault.
    let others = [
        "env:/prod/staging/terraform.tfstate",
        "other/terraform.tfstate",
        "plans/staging.json",
    ];
    assert_eq!(found["other_objects"], serde_json::json!(others));
    let told = format!(
        "3 other objects are in the buckets and not among the settings' `keys`, whatever state that may be: {}.",
        others.join(", ")
    );
    for command in ["status", "verify", "integrity"] {
        let shown = stage.run(&[command]).await.stdout();
        assert!(shown.contains(&told), "{command}: {shown}");
        let json = stage.run(&[command, "--output", "json"]).await.json();
        assert_eq!(json["other_objects"], found["other_objects"], "{command}");
    }
    let shown = stage.run(&["status"]).await.stdout();
    let told = "Named in the settings, and never written: never/written.";
    assert!(shown.contains(told), "{shown}");
    let of_others = shown.lines().filter(|line| line.contains("other/"));
    assert_eq!(of_others.count(), 1, "told, and no state: {shown}");

    let held = stage.run(&["locks", "--output", "json"]).await.json();
    let held = held["sides"][0]["locks"].as_array().expect("locks");
    let places: Vec<_> = held.iter().map(|lock| &lock["place"]).collect();
    assert_eq!(
        places,
        ["berthcare-terraform-state/net.tflock", "net.tflock.tflock"]
    );
    assert!(
        held.iter().all(|lock| lock["info"]["ID"] == "ours"),
        "{held:#?}"
    );

    // What is none of these states is none for any command.
    let other = "other/terraform.tfstate";
    let own = "net.tflock.tflock";
    for (object, why) in [
        (other, "is not among the settings' `keys`"),
        (
            own,
            "is a lock, a folder or this program's own, and no state",
        ),
    ] {
        for command in [
            vec!["integrity", "--state", object],
            vec!["restore", object, "--version", "null", "--yes"],
            vec!["repair", "digest", object, "--yes"],
            vec!["failback", "--keep-dr", object, "--yes"],
        ] {
            let refused = stage.run(&command).await.exits(2).stderr();
            assert!(refused.contains(&format!("{object} {why}")), "{refused}");
            assert_eq!(
                refused.contains("add its key"),
                object == other,
                "{refused}"
            );
        }
    }
    let refused = stage.run(&["unlock", "theirs", "--yes"]).await.exits(2);
    let refused = refused.stderr();
    assert!(
        refused.contains("of keys that `[state] keys` does not name"),
        "{refused}"
    );
    let code = format!("terraform {{\n  backend \"s3\" {{\n    key = \"{other}\"\n  }}\n}}\n");
    std::fs::create_dir(stage.path("root")).expect("a folder");
    std::fs::write(stage.path("root/main.tf"), code).expect("written");
    let refused = stage.run(&["failover", "--dir", "root", "--yes"]).await;
    let refused = refused.exits(2).stderr();
    for told in [
        "the state of root is none of the settings'".to_owned(),
        format!("{other} is not among the settings' `keys`"),
    ] {
        assert!(refused.contains(&told), "{refused}");
    }

    let rendered = stage.run(&["render", "dr"]).await.exits(0).stdout();
    let mut lines = rendered.lines();
    let prefix = lines.find(|line| line.starts_with("workspace_key_prefix "));
    assert!(
        prefix.is_some_and(|line| line.ends_with("= \"team/ws\"")),
        "{rendered}"
    );
}

/// A name that no region knows is misspelt, whoever is asked for it.
#[tokio::test(flavor = "multi_thread")]
async fn commands_for_a_state_that_no_region_has_end_alike() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    // Before anything is made nobody can tell what there is.
    stage.run(&["backfill", "--dry-run"]).await.exits(3);
    stage.apply().await.exits(0);
    for command in [
        vec!["integrity", "--state", "nosuch"],
        vec!["restore", "nosuch", "--version", "1", "--dry-run"],
        vec![
            "restore",
            "nosuch",
            "--version",
            "1",
            "--side",
            "dr",
            "--dry-run",
        ],
        vec!["repair", "digest", "nosuch", "--dry-run"],
        vec!["repair", "digest", "nosuch", "--side", "dr", "--dry-run"],
        vec!["failback", "--keep-dr", "nosuch", "--dry-run"],
    ] {
        stage.run(&command).await.exits(2);
    }
    // Of one that was deleted, or of which a row is left, a guard keeps the row.
    put(
        &stage,
        PRIMARY,
        "berthcare-terraform-state",
        "gone",
        state(1),
    )
    .await;
    let s3 = stage.clients(PRIMARY).await.s3;
    let gone = s3
        .delete_object()
        .bucket("berthcare-terraform-state")
        .key("gone");
    gone.send().await.expect("deleted");
    stage
        .run(&["repair", "digest", "gone", "--dry-run"])
        .await
        .exits(4);
    let dynamodb = stage.clients(PRIMARY).await.dynamodb;
    let row = dynamodb.put_item().table_name("berthcare-terraform-locks");
    let place = "berthcare-terraform-state/lost-md5".to_owned();
    let row = row.item("LockID", AttributeValue::S(place));
    let row = row.item("Digest", AttributeValue::S("0123".to_owned()));
    row.send().await.expect("the row is written");
    stage
        .run(&["repair", "digest", "lost", "--dry-run"])
        .await
        .exits(4);
}

/// A misspelt name, or nothing that was made yet: no states are known, which is not that there are none.
#[tokio::test(flavor = "multi_thread")]
async fn integrity_of_buckets_that_are_not_there_is_unknown() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let shown = stage.run(&["integrity"]).await.exits(3);
    assert!(
        shown.stdout().contains("NoSuchBucket"),
        "{}",
        shown.stdout()
    );
}
