//! What DR wrote, brought back, as the program does it; and the program killed in the middle.

use std::process::Stdio;
use std::time::Duration;

use local_aws::{Fault, FaultKind, RegionState};
use serde_json::Value;

use crate::failover::{
    BUCKET, DR_BUCKET, DR_TABLE, KEY, NOW as FAILOVER, lock, outcome, put, row, state,
};
use crate::stage::{DR, EXAMPLE, PRIMARY, Stage};

const NOW: [&str; 4] = ["failback", "--yes", "--output", "json"];

/// A drill: failed over, and written in DR as Terraform does, with the row.
async fn drill(stage: &Stage, serial: u64) {
    put(stage, PRIMARY, BUCKET, KEY, state(serial, "")).await;
    stage.run(&FAILOVER).await.exits(0);
    put(stage, DR, DR_BUCKET, KEY, state(serial + 2, "drill")).await;
    row(
        stage,
        DR,
        DR_TABLE,
        &format!("{DR_BUCKET}/{KEY}-md5"),
        "0123",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failback_shows_its_plan_asks_and_brings_back_once() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    drill(&stage, 7).await;
    stage.aws.clear_log();
    let planned = stage
        .run(&["failback", "--dry-run"])
        .await
        .exits(0)
        .stdout();
    for part in [
        "Failback: us-east-1 to ca-central-1",
        "Account 000000000000, bucket berthcare-terraform-state, lock table berthcare-terraform-locks.",
        "DR is 2 writes ahead",
        "serial 9 copied to primary, over serial 7",
        "primary: digest row written",
        "dr: digest row taken away",
        "1 state: 0 ready, 1 to be made ready, 0 left, 0 unknown.",
    ] {
        assert!(planned.contains(part), "{part}: {planned}");
    }
    let unasked = stage.run(&["failback"]).await.exits(4);
    assert!(
        unasked
            .stderr()
            .contains("Terraform will work in ca-central-1 again"),
        "{}",
        unasked.stderr()
    );
    assert_eq!(stage.mutations(), Vec::<String>::new());

    let done = stage.run(&NOW).await.exits(0).json();
    assert_eq!(
        (&done["kind"], &done["version"], &done["applied"]),
        (&"failback".into(), &1.into(), &true.into())
    );
    assert_eq!(outcome(&done, KEY), "done");
    let steps = done["states"][0]["steps"].as_array().expect("steps").iter();
    let steps: Vec<&Value> = steps.map(|step| &step["step"]).collect();
    assert_eq!(steps, ["copy-state", "write-digest", "remove-digest"]);
    assert_eq!(done["states"][0]["relation"], "same");
    stage.aws.clear_log();
    let again = stage.run(&NOW).await.exits(0).json();
    assert_eq!(outcome(&again, KEY), "ready");
    assert_eq!(stage.mutations(), Vec::<String>::new());
    stage.run(&["verify"]).await.exits(0);
    // And so it stays when the primary region writes.
    put(&stage, PRIMARY, BUCKET, KEY, state(10, "")).await;
    let md5 = stage.run(&["repair", "digest", KEY, "--yes"]).await;
    md5.exits(0);
    stage.run(&["status"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn failback_names_what_it_leaves_and_ends_by_the_worst_of_it() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    drill(&stage, 7).await;
    // The primary region has moved, and it has not reached DR.
    let s3 = stage.clients(PRIMARY).await.s3;
    let off = s3.delete_bucket_replication().bucket(BUCKET).send().await;
    off.expect("switched off");
    put(&stage, PRIMARY, BUCKET, KEY, state(8, "primary")).await;
    stage.aws.clear_log();
    let left = stage.run(&["failback", "--yes"]).await.exits(1).stdout();
    for part in [
        "ca-central-1 has serial 8 (version ",
        "us-east-1 has serial 9 (version ",
        "the one that is ahead does not come from the other: `init-backend failback --keep-primary staging/terraform.tfstate",
        "`init-backend failback --keep-dr staging/terraform.tfstate  # to keep that of us-east-1`",
    ] {
        assert!(left.contains(part), "{part}: {left}");
    }
    assert_eq!(stage.mutations(), Vec::<String>::new());

    put(&stage, DR, DR_BUCKET, "new", state(1, "")).await;
    put(&stage, PRIMARY, BUCKET, "new.tflock", lock("1111")).await;
    let locked = stage.run(&NOW).await.exits(4).json();
    assert_eq!(outcome(&locked, "new"), "left");
    let mut states = locked["states"].as_array().expect("states").iter();
    let new = states.find(|state| state["state"]["object"] == "new");
    assert_eq!(
        new.map(|state| &state["left"]["kind"]),
        Some(&"locked".into())
    );
    assert_eq!(stage.mutations().len(), 2, "what this test put there alone");

    stage.aws.set_region(DR, RegionState::Refuse);
    stage.run(&["failback", "--yes"]).await.exits(3);
    let alone = EXAMPLE
        .split("[state.dr]")
        .next()
        .expect("the part before it");
    stage.configure(alone);
    let alone = stage.run(&["failback", "--yes"]).await.exits(2);
    assert!(alone.stderr().contains("no DR side"), "{}", alone.stderr());
}

/// A write of DR's that replication has put the primary's over is named, and makes nothing else wait.
// aws-behaviour: 46
#[tokio::test(flavor = "multi_thread")]
async fn failback_after_replication_wrote_over_dr_names_what_was_lost() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    drill(&stage, 7).await;
    put(&stage, PRIMARY, BUCKET, KEY, state(8, "primary")).await;
    let done = stage.run(&NOW).await.exits(1).json();
    assert_eq!(outcome(&done, KEY), "done");
    assert_eq!(done["states"][0]["overwritten"]["serial"], 9);
    assert_eq!(done["states"][0]["copies"][1]["digest"], "absent");
}

/// Killed with -9 while one of its requests is under way: before AWS has it, or after AWS has acted.
#[tokio::test(flavor = "multi_thread")]
async fn failover_and_failback_killed_in_the_middle_are_taken_up() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let mut serial = 1;
    for (command, operation) in [
        ("failover", "PutItem"),
        ("failover", "DeleteObject"),
        ("failback", "CopyObject"),
        ("failback", "PutItem"),
        ("failback", "DeleteItem"),
    ] {
        for acted in [false, true] {
            serial += 3;
            drill(&stage, serial).await;
            if command == "failover" {
                put(&stage, PRIMARY, BUCKET, KEY, state(serial + 3, "")).await;
                let lock_key = format!("{KEY}.tflock");
                put(&stage, PRIMARY, BUCKET, &lock_key, lock("1111")).await;
            }
            kill_at(&stage, command, operation, acted).await;
            let exit = if command == "failover" {
                &FAILOVER
            } else {
                &NOW
            };
            let done = stage.run(exit).await.json();
            let outcome = outcome(&done, KEY);
            assert!(
                ["ready", "done"].contains(&outcome),
                "{operation} {acted}: {done:#}"
            );
            let copies = &done["states"][0]["copies"];
            let rows: Vec<&Value> = copies
                .as_array()
                .expect("copies")
                .iter()
                .map(|copy| &copy["digest"])
                .collect();
            match command {
                "failover" => assert_eq!(rows, ["matches"]),
                _ => assert_eq!(rows, ["matches", "absent"]),
            }
            stage.run(&NOW).await;
            let s3 = stage.clients(PRIMARY).await.s3;
            let unlocked = s3
                .delete_object()
                .bucket(BUCKET)
                .key(format!("{KEY}.tflock"));
            unlocked.send().await.expect("released");
        }
    }
}

/// Both regions wrote one state, and one of them has deleted another: nothing is done before somebody chooses.
#[tokio::test(flavor = "multi_thread")]
async fn failback_with_choices_asks_does_them_and_tells_how_they_are_undone() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    for key in [KEY, "gone", "same"] {
        put(&stage, PRIMARY, BUCKET, key, state(7, "")).await;
    }
    let (primary, dr) = (stage.clients(PRIMARY).await.s3, stage.clients(DR).await.s3);
    let off = primary.delete_bucket_replication().bucket(BUCKET).send();
    off.await.expect("switched off");
    put(&stage, PRIMARY, BUCKET, KEY, state(8, "primary")).await;
    put(&stage, DR, DR_BUCKET, KEY, state(8, "drill")).await;
    let gone = dr.delete_object().bucket(DR_BUCKET).key("gone").send();
    gone.await.expect("deleted");

    stage.aws.clear_log();
    let left = stage.run(&["failback", "--yes"]).await.exits(1).stdout();
    for part in [
        "gone: it is deleted in us-east-1, whose last version is ",
        "`init-backend failback --bring-back gone  # to have it in both`",
        "`init-backend failback --stay-deleted gone  # to delete it in both`",
    ] {
        assert!(left.contains(part), "{part}: {left}");
    }
    let wrong = [
        (
            vec!["--keep-dr", "same"],
            "keep-dr does not fit same: the same",
        ),
        (
            vec!["--keep-dr", "gone"],
            "keep-dr does not fit gone: it is deleted in us-east-1",
        ),
        (
            vec!["--keep-primary", "none"],
            "keep-primary does not fit none: ",
        ),
        (
            vec!["--keep-dr", KEY, "--keep-primary", KEY],
            "has two choices, keep-dr and keep-primary",
        ),
    ];
    for (choice, text) in wrong {
        let refused = [&["failback", "--yes"], &choice[..]].concat();
        let refused = stage.run(&refused).await.exits(2).stderr();
        assert!(refused.contains(text), "{text}: {refused}");
    }
    let choices = ["--keep-dr", KEY, "--stay-deleted", "gone"];
    let unasked = [&["failback"], &choices[..]].concat();
    let unasked = stage.run(&unasked).await.exits(4).stderr();
    let question = "again from now on, and by your choice 1 state is written over and 1 deleted";
    assert!(unasked.contains(question), "{unasked}");
    assert_eq!(stage.mutations(), Vec::<String>::new());

    let all = [&NOW[..], &choices[..]].concat();
    let done = stage.run(&all).await.exits(0).json();
    let of = |key: &str| {
        let mut states = done["states"].as_array().expect("states").iter();
        states
            .find(|state| state["state"]["object"] == key)
            .expect("it is told")
    };
    assert_eq!(of(KEY)["resolution"], "keep-dr", "{done:#}");
    assert_eq!(of("gone")["resolution"], "stay-deleted", "{done:#}");
    let there = primary.get_object().bucket(BUCKET).key(KEY).send().await;
    let there = there.expect("there").body.collect().await.expect("a body");
    assert_eq!(there.to_vec(), state(8, "drill"));
    let gone = primary
        .head_object()
        .bucket(BUCKET)
        .key("gone")
        .send()
        .await;
    assert!(gone.is_err(), "{gone:?}");
    // The very command that is told brings it back.
    for (key, was) in [(KEY, state(8, "primary")), ("gone", state(7, ""))] {
        let undo = of(key)["steps"][0]["undo"].as_str().expect("a command");
        let words: Vec<&str> = undo.split(' ').skip(1).chain(["--yes"]).collect();
        stage.run(&words).await.exits(0);
        let there = primary.get_object().bucket(BUCKET).key(key).send().await;
        let there = there.expect("there").body.collect().await.expect("a body");
        assert_eq!(there.to_vec(), was, "{undo}");
    }
}

/// Of a run on another machine nobody here knows whether it has ended: its locks stay, and are told.
#[tokio::test(flavor = "multi_thread")]
async fn failback_after_a_killed_one_of_another_machine_names_its_lock() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    drill(&stage, 7).await;
    kill_at(&stage, "failback", "CopyObject", false).await;
    let known = stage.path("state");
    std::fs::rename(&known, stage.path("elsewhere")).expect("moved");
    let refused = stage.run(&["failback", "--yes"]).await.exits(4).stdout();
    assert!(refused.contains(", Failback) since "), "{refused}");
    assert!(refused.contains("`init-backend unlock "), "{refused}");
    std::fs::rename(stage.path("elsewhere"), &known).expect("moved back");
    let done = stage.run(&["failback", "--yes"]).await.exits(0).stdout();
    assert!(
        done.contains("Failback) released, whose run was killed"),
        "{done}"
    );
    let locks = stage.run(&["locks"]).await.exits(0).stdout();
    assert!(locks.contains("None is held"), "{locks}");
}

/// Interrupted once, it ends what is under way and begins nothing more; twice, it names the locks that it leaves.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn failback_that_is_interrupted_leaves_no_lock_or_names_it() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    // More than are done at once.
    let keys: Vec<String> = (0..20)
        .map(|at| format!("{at}/terraform.tfstate"))
        .collect();
    let ahead = async |serial: u64| {
        for key in &keys {
            put(&stage, PRIMARY, BUCKET, key, state(serial, "")).await;
            put(&stage, DR, DR_BUCKET, key, state(serial + 1, "drill")).await;
        }
    };
    let no_lock = async || {
        let locks = stage.run(&["locks"]).await.exits(0).stdout();
        assert!(locks.contains("None is held"), "{locks}");
    };
    ahead(1).await;
    let child = hold(&stage, Duration::from_secs(2)).await;
    interrupt(&child);
    let ended = child.wait_with_output().expect("it ends");
    let (stdout, stderr) = (text(&ended.stdout), text(&ended.stderr));
    assert_eq!(ended.status.code(), Some(130), "{stderr}\n{stdout}");
    assert!(stderr.contains("finishing what is under way"), "{stderr}");
    assert!(
        stdout.contains("the failback was interrupted before it came to it"),
        "{stdout}"
    );
    assert!(stdout.contains("16 made ready, 4 left"), "{stdout}");
    stage.aws.clear_faults();
    no_lock().await;
    stage.run(&["failback", "--yes"]).await.exits(0);

    ahead(5).await;
    let child = hold(&stage, Duration::from_secs(600)).await;
    for _ in 0..2 {
        interrupt(&child);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ended = child.wait_with_output().expect("it ends");
    let stderr = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{stderr}");
    stage.aws.clear_faults();
    let named = stderr
        .split('`')
        .filter(|part| part.starts_with("init-backend unlock "));
    let named: Vec<&str> = named.collect();
    assert!(
        named.iter().any(|command| command.ends_with(" --side dr")),
        "{stderr}"
    );
    // Of 16 states, on two sides each.
    let more = "`init-backend locks` shows 22 more";
    assert!(named.len() == 10 && stderr.contains(more), "{stderr}");
    for command in named.iter().take(2) {
        let words: Vec<&str> = command.split(' ').skip(1).chain(["--yes"]).collect();
        stage.run(&words).await.exits(0);
    }
    assert!(
        stderr.contains("the next `init-backend failback` on this machine"),
        "{stderr}"
    );
    stage.run(&["failback", "--yes"]).await;
    no_lock().await;
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A failback whose copies take this long, when all that are done at once have begun.
#[cfg(unix)]
async fn hold(stage: &Stage, time: Duration) -> std::process::Child {
    let slow = Fault::new(FaultKind::Latency(time)).operation("CopyObject");
    stage.aws.clear_log();
    stage.aws.add_fault(slow);
    let mut child = stage.command(&["failback", "--yes"]);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().expect("the program starts");
    let locks = || {
        let log = stage.aws.log().into_iter();
        let put = log.filter(|entry| {
            let resource = entry.resource.as_deref().unwrap_or_default();
            entry.operation == "PutObject" && resource.ends_with(".tflock")
        });
        put.count()
    };
    while locks() < 32 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child
}

#[cfg(unix)]
fn interrupt(child: &std::process::Child) {
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(sent.expect("kill runs").success());
}

async fn kill_at(stage: &Stage, command: &str, operation: &str, acted: bool) {
    let hangs = Duration::from_secs(600);
    // The answer never comes: of what was asked next, nothing arrives.
    let kinds = match acted {
        true => vec![FaultKind::ResponseLost, FaultKind::Latency(hangs)],
        false => vec![FaultKind::Latency(hangs)],
    };
    let mut last = None;
    for (nth, kind) in kinds.into_iter().enumerate() {
        let fault = Fault::new(kind).operation(operation).nth(nth as u64 + 1);
        last = Some(stage.aws.add_fault(fault));
    }
    let mut child = stage
        .command(&[command, "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let was_hit = || {
        let mut faults = stage.aws.faults().into_iter();
        faults.any(|(id, fault)| Some(id) == last && fault.times == Some(0))
    };
    while !was_hit() {
        let ended = child.try_wait().expect("waited");
        assert!(ended.is_none(), "{command} {operation} {acted}: {ended:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("waited");
    stage.aws.clear_faults();
}
