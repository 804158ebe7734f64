//! Applies that are killed, interrupted, or cannot write their state: what `status` knows, and what `resume` puts in order.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use local_aws::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::stage::{CODE, Stage, stage};

/// Two resources that are made one after the other, each until the test lets it end.
const WAITS: &str = r#"
resource "terraform_data" "first" {
  provisioner "local-exec" { command = "touch first; while [ ! -e go ]; do sleep 0.05; done" }
}
resource "terraform_data" "second" {
  input = terraform_data.first.id
  provisioner "local-exec" { command = "touch second; while [ ! -e go2 ]; do sleep 0.05; done" }
}
"#;

const APPLY: [&str; 5] = ["apply", "--auto-approve", "--confirm", "staging", "--yes"];

/// Whether a moment of an apply has come.
type HasCome = fn(&Stage, &Applying) -> bool;

/// An apply that goes on beside the test.
struct Applying {
    child: Child,
    folder: PathBuf,
}

async fn waiting(stage: &Stage) -> Applying {
    stage.write("stack/main.tf", &format!("{CODE}{WAITS}"));
    let planned = stage.ends(0, &["plan", "--output", "json"]).await.json();
    let folder = stage.path("state/deploy-staging/berthcare-staging");
    let folder = folder.join(planned["id"].as_str().unwrap());
    let child = stage
        .command(&[&APPLY[..], &["--chdir", "stack"]].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Applying { child, folder }
}

/// Until `is` holds; half a minute is never too long for what takes none.
async fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within 30 s");
}

fn signal(signal: &str, target: &str) {
    let mut kill = Command::new("kill");
    kill.args([signal, "--", target]).stderr(Stdio::null());
    kill.status().unwrap();
}

impl Applying {
    fn kill(&mut self) {
        signal("-KILL", &self.child.id().to_string());
        self.child.wait().unwrap();
    }

    /// The whole machine dies: the program, its terraform with all that runs below it, and the watchdog.
    fn kill_all(&mut self) {
        let parent = self.child.id().to_string();
        let children = Command::new("ps")
            .args(["-o", "pid=", "--ppid", &parent])
            .output();
        let children = String::from_utf8(children.unwrap().stdout).unwrap();
        signal("-KILL", &parent);
        for child in children.split_whitespace() {
            signal("-KILL", &format!("-{child}"));
        }
        self.child.wait().unwrap();
    }
}

async fn status(stage: &Stage) -> Value {
    let arguments = ["status", "--output", "json", "--chdir", "stack"];
    stage.run(&arguments).await.json()
}

/// Lets everything end, and shows that the environment gets there.
async fn finish(stage: &Stage) {
    for file in ["stack/go", "stack/go2"] {
        stage.write(file, "");
    }
    stage.ends(0, &APPLY).await;
    let planned = stage.ends(0, &["plan", "--output", "json"]).await.json();
    assert_eq!(planned["changes"], false, "{planned:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_killed_at_any_moment_is_resumed() {
    let moments: [(&str, HasCome); 4] = [
        ("the intent is on record", |_, of| {
            of.folder.join("apply.json").exists()
        }),
        ("terraform is on record", |_, of| {
            of.folder.join("terraform.json").exists()
        }),
        ("a resource is being made", |stage, _| {
            stage.path("stack/first").exists()
        }),
        ("one is made, and another is being made", |stage, _| {
            stage.path("stack/second").exists()
        }),
    ];
    for (at, (moment, has_come)) in moments.into_iter().enumerate() {
        let stage = stage!(Stage::open());
        let mut applying = waiting(&stage).await;
        if at == 3 {
            stage.write("stack/go", "");
        }
        until(moment, || has_come(&stage, &applying)).await;
        applying.kill();
        let told = status(&stage).await;
        let standing = &told["standing"];
        assert!(
            *standing == json!("died") || *standing == json!("applying"),
            "{moment}: {told:#}"
        );
        // It is the same plan, and was begun.
        stage.ends(4, &APPLY).await;
        let resumed = stage
            .ends(0, &["resume", "--yes", "--output", "json"])
            .await;
        assert_eq!(resumed.json()["kind"], "deployment-plan", "{moment}");
        finish(&stage).await;
        assert!(!applying.folder.join("plan").exists(), "{moment}");
    }
}

/// Everything is killed at once, in the middle of the first resource; where its progress is.
async fn machine_dies(stage: &Stage, applying: &mut Applying) -> PathBuf {
    until("a resource is being made", || {
        stage.path("stack/first").exists()
    })
    .await;
    let progress = applying.folder.join("progress.jsonl");
    until("progress", || {
        fs::metadata(&progress).is_ok_and(|of| of.len() > 0)
    })
    .await;
    applying.kill_all();
    progress
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_whose_machine_died_leaves_a_lock_that_resume_releases_by_proof() {
    let stage = stage!(Stage::open());
    let mut applying = waiting(&stage).await;
    machine_dies(&stage, &mut applying).await;
    let told = status(&stage).await;
    assert_eq!(told["standing"], "died", "{told:#}");
    assert_eq!(told["locks"][0]["is_own"], true, "{told:#}");
    // Without somebody who agrees the lock stays.
    let refused = stage.ends(4, &["resume"]).await.stderr;
    assert!(refused.contains("this apply's"), "{refused}");
    let resumed = stage.ends(0, &["resume", "--yes"]).await.stderr;
    assert!(resumed.contains("released the lock"), "{resumed}");
    assert_eq!(status(&stage).await["locks"], json!([]));
    finish(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_leaves_a_lock_that_is_not_proven_to_be_its_own() {
    let stage = stage!(Stage::open());
    let mut applying = waiting(&stage).await;
    let progress = machine_dies(&stage, &mut applying).await;
    // As if it had died before the first resource began: it may have waited for somebody else's lock.
    fs::write(&progress, "").unwrap();
    let refused = stage.ends(4, &["resume", "--yes"]).await.stderr;
    assert!(refused.contains("init-backend unlock"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_interrupted_once_lets_terraform_end_and_write_its_state() {
    let stage = stage!(Stage::open());
    let mut applying = waiting(&stage).await;
    until("a resource is being made", || {
        stage.path("stack/first").exists()
    })
    .await;
    signal("-INT", &applying.child.id().to_string());
    let mut ended = None;
    until("the end", || {
        ended = applying.child.try_wait().unwrap();
        ended.is_some()
    })
    .await;
    assert_eq!(ended.unwrap().code(), Some(130));
    let told = status(&stage).await;
    assert_eq!(
        told["standing"],
        json!({"ended": "interrupted"}),
        "{told:#}"
    );
    assert_eq!(told["locks"], json!([]));
    stage.ends(0, &["resume", "--yes"]).await;
    finish(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_could_not_be_written_is_pushed_once_and_with_care() {
    let stage = stage!(Stage::open());
    let mut applying = waiting(&stage).await;
    until("a resource is being made", || {
        stage.path("stack/first").exists()
    })
    .await;
    // As when credentials expire half-way: neither the state nor the end of the lock gets through.
    for operation in ["PutObject", "DeleteObject"] {
        let fault = Fault::new(FaultKind::Denied)
            .service("s3")
            .operation(operation);
        stage.aws.add_fault(fault);
    }
    stage.write("stack/go", "");
    stage.write("stack/go2", "");
    let mut ended = None;
    until("the end", || {
        ended = applying.child.try_wait().unwrap();
        ended.is_some()
    })
    .await;
    assert_eq!(ended.unwrap().code(), Some(3));
    stage.aws.clear_faults();
    let errored = stage.path("stack/errored.tfstate");
    let kept = fs::read(&errored).unwrap();
    let told = status(&stage).await;
    assert_eq!(told["errored"]["verdict"], "push", "{told:#}");
    assert_eq!(told["locks"][0]["is_own"], true, "{told:#}");
    let troubles = told["diagnosis"]["diagnoses"].to_string();
    assert!(troubles.contains("access-denied"), "{troubles}");
    // Nothing is planned on top of it.
    stage.ends(4, &["plan"]).await;
    // Of another form than terraform's.
    let other = String::from_utf8(kept.clone()).unwrap();
    fs::write(
        &errored,
        other
            .replace("\"resources\"", "\"resources_\"")
            .replace("\"version\": 4", "\"version\": 9"),
    )
    .unwrap();
    let refused = stage.ends(4, &["resume", "--yes"]).await.stderr;
    assert!(
        refused.contains("no state that terraform can read"),
        "{refused}"
    );
    fs::write(&errored, &kept).unwrap();
    let resumed = stage.ends(0, &["resume", "--yes"]).await.stderr;
    assert!(resumed.contains("pushed the state"), "{resumed}");
    assert!(!errored.exists());
    let planned = stage.ends(0, &["plan", "--output", "json"]).await.json();
    assert_eq!(planned["changes"], false, "{planned:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_of_an_apply_that_is_not_on_record_is_left_to_a_person() {
    let stage = stage!(Stage::open());
    stage.write("stack/errored.tfstate", "{}");
    let refused = stage.ends(4, &["resume", "--yes"]).await.stderr;
    assert!(refused.contains("state push errored.tfstate"), "{refused}");
    assert!(stage.path("stack/errored.tfstate").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn destroy_needs_the_name_and_leaves_nothing() {
    let stage = stage!(Stage::open());
    stage.ends(0, &["plan"]).await;
    stage.ends(0, &APPLY).await;
    let shown = stage
        .ends(0, &["destroy", "--dry-run", "--output", "json"])
        .await
        .json();
    assert_eq!(shown["destroyed"].as_array().unwrap().len(), 2);
    for given in [&["--yes"][..], &["--confirm", "production"]] {
        stage.ends(4, &[&["destroy"], given].concat()).await;
    }
    assert_eq!(stage.serial(), 1);
    stage.ends(0, &["destroy", "--confirm", "staging"]).await;
    assert_eq!(stage.terraform(&["state", "list"]), "");
}
