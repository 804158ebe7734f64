//! `check` against a local AWS: what it prints in each form, how it ends, and what it says when asked again.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use aws_env::{AwsEnv, Options};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use local_aws::{Fault, FaultKind, LocalAws, REMOVED_VARIABLES, RegionState};
use serde_json::{Value, json};

use crate::cost::SETTINGS;

const HOME: &str = "ca-central-1";
const PHOTOS: &str = "berthcare-photos-staging";

/// A local AWS, outputs that name a bucket, and a folder.
struct Stage {
    aws: LocalAws,
    folder: tempfile::TempDir,
}

impl Stage {
    /// `None` where this machine cannot run a local AWS; the reason has been printed.
    async fn open() -> Option<Self> {
        let aws = LocalAws::start_or_skip().await.unwrap()?;
        let folder = tempfile::tempdir().unwrap();
        let outputs = json!({"s3_bucket_photos": {"value": PHOTOS}, "s3_replication_rule_ids": {"value": {}}});
        std::fs::write(folder.path().join("outputs.json"), outputs.to_string()).unwrap();
        Some(Self { aws, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verify-staging"));
        for name in REMOVED_VARIABLES {
            command.env_remove(name);
        }
        command
            .envs(self.aws.environment())
            .env("INFRA_CONFIG", SETTINGS)
            .current_dir(self.folder.path())
            .args(["check", "--outputs", "outputs.json"])
            .args(arguments);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output());
        output.await.unwrap().unwrap()
    }

    /// The bucket, and nothing else of the environment.
    async fn make_bucket(&self) {
        let env = AwsEnv::load(Options {
            endpoint_url: Some(self.aws.endpoint().to_owned()),
            credentials: Some(aws_credential_types::Credentials::new(
                "test", "test", None, None, "test",
            )),
            ..Options::default()
        });
        let s3 = env.await.unwrap().region(HOME.parse().unwrap()).s3;
        let place = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::CaCentral1);
        let made = s3.create_bucket().bucket(PHOTOS);
        let made = made.create_bucket_configuration(place.build()).send().await;
        made.unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn exits(output: &Output, code: i32) -> String {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    stdout
}

const ONLY: [&str; 2] = ["--only", "s3-exists"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_what_to_do_in_every_form() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let table = exits(&stage.run(&ONLY).await, 1);
    for part in [
        PHOTOS,
        "s3-exists (critical)",
        "expected",
        "fix",
        "terraform apply",
        "5 Buckets",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let only = |more: &[&'static str]| [&ONLY, more].concat();
    let json = exits(&stage.run(&only(&["--output", "json"])).await, 1);
    let json: Value = serde_json::from_str(&json).unwrap();
    let of_photos = json["answers"].as_array().unwrap().iter();
    let of_photos: Vec<&Value> = of_photos
        .filter(|answer| answer["resource"] == PHOTOS)
        .collect();
    assert_eq!(of_photos.len(), 1, "{json}");
    assert_eq!(
        (&of_photos[0]["status"], &of_photos[0]["item"]),
        (&json!("wrong"), &json!(5))
    );
    assert!(of_photos[0]["why"].is_string() && of_photos[0]["fix"].is_string());

    for (format, begins, part) in [
        ("markdown", "## berthcare-staging", "| wrong |"),
        ("html", "<!doctype html>", "s3-exists"),
        ("junit", "<?xml", "<failure"),
        ("sarif", "{", "\"ruleId\": \"s3-exists\""),
    ] {
        let printed = exits(
            &stage
                .run(&[&ONLY[..], &["--format", format]].concat())
                .await,
            1,
        );
        let start = printed.get(..begins.len()).unwrap_or_default();
        assert!(
            start.eq_ignore_ascii_case(begins) && printed.contains(part),
            "{printed}"
        );
        // In a file the same, and the table for people.
        let file = [&ONLY[..], &["--format", format, "--out", "result"]].concat();
        let table = exits(&stage.run(&file).await, 1);
        assert!(table.contains("s3-exists (critical)"), "{table}");
        let written = std::fs::read_to_string(stage.path("result")).unwrap();
        assert!(written.contains(part), "{written}");
    }
    // Nothing else is left beside the file.
    let mut names: Vec<_> = std::fs::read_dir(stage.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["outputs.json", "result"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_does_not_answer_is_unknown_and_changes_nothing() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.aws.set_region(HOME, RegionState::Refuse);
    let json = exits(&stage.run(&["--only", "5,7", "--output", "json"]).await, 3);
    let json: Value = serde_json::from_str(&json).unwrap();
    let answers = json["answers"].as_array().unwrap();
    assert!(answers.len() > 10 && json["account"].is_null());
    for answer in answers {
        assert_eq!(answer["status"], "unknown", "{answer}");
        assert!(
            answer["reason"]
                .as_str()
                .unwrap()
                .contains("cannot be reached"),
            "{answer}"
        );
    }
    let mutations = stage.aws.log();
    assert!(!mutations.iter().any(local_aws::LogEntry::is_mutation));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_severities_that_matter_fail_but_unknown_never_passes() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.make_bucket().await;
    let skip = [
        "--skip",
        "s3-log-delivery",
        "--only",
        "s3-lifecycle-multipart",
    ];
    let run = async |more: &[&str]| stage.run(&[&skip[..], more].concat()).await;
    exits(&run(&[]).await, 1);
    exits(&run(&["--fail-on", "guide"]).await, 1);
    // It is of low severity, and of the other buckets, which are not there, nothing is asked.
    exits(&run(&["--fail-on", "medium"]).await, 0);
    exits(&run(&["--fail-on", "guide,medium"]).await, 0);
    let denied = Fault::new(FaultKind::Denied).service("s3");
    stage
        .aws
        .add_fault(denied.operation("GetBucketLifecycleConfiguration"));
    exits(&run(&["--fail-on", "medium"]).await, 3);
    stage.aws.clear_faults();
    let wrong = exits(
        &run(&["-v", "--only", "s3-exists", "--fail-on", "critical"]).await,
        1,
    );
    assert!(wrong.contains(&format!("s3-exists: {PHOTOS}")), "{wrong}");
}

/// The buckets that this test does not make.
const WAIVERS: &str = r#"
[[waivers]]
check = "s3-exists"
resource = "berthcare-documents-*"
reason = "Comes in the next sprint"
by = "Ada Lovelace"
expires = 2099-12-31
[[waivers]]
check = "s3-exists"
resource = "berthcare-signatures-*"
reason = "Comes in the next sprint"
by = "Ada Lovelace"
expires = 2099-12-31
[[waivers]]
check = "s3-exists"
resource = "logs bucket"
reason = "Logs are somebody else's"
by = "Ada Lovelace"
expires = 2099-12-31
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_shown_and_does_not_fail_until_it_runs_out() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.make_bucket().await;
    std::fs::write(stage.path("waivers.toml"), WAIVERS).unwrap();
    let accepted = [&ONLY[..], &["--waivers", "waivers.toml"]].concat();
    let json = [&accepted[..], &["--output", "json"]].concat();
    let json: Value = serde_json::from_str(&exits(&stage.run(&json).await, 0)).unwrap();
    let answers = json["answers"].as_array().unwrap();
    let waived: Vec<&Value> = answers
        .iter()
        .filter(|answer| answer["accepted"]["by"] == "Ada Lovelace")
        .collect();
    assert_eq!(waived.len(), 3, "{json}");
    assert!(waived.iter().all(|answer| answer["status"] == "skipped"));
    exits(&stage.run(&ONLY).await, 1);
    std::fs::write(
        stage.path("waivers.toml"),
        WAIVERS.replace("2099", "2026").replace("12-31", "01-31"),
    )
    .unwrap();
    let over = exits(&stage.run(&accepted).await, 1);
    assert!(over.contains("until 2026-01-31, which is over"), "{over}");
    std::fs::write(stage.path("waivers.toml"), "[[waivers]]\ncheck = 1\n").unwrap();
    exits(&stage.run(&accepted).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_are_found_in_a_state_and_in_the_account() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.make_bucket().await;
    let bucket = json!({"mode": "managed", "type": "aws_s3_bucket", "name": "pictures",
        "instances": [{"attributes": {"id": "clinic-images", "bucket": "clinic-images"}}]});
    let state = json!({"version": 4, "serial": 1, "lineage": "l", "resources": [bucket]});
    std::fs::write(stage.path("state.json"), state.to_string()).unwrap();
    let found = async |source: &[&str]| {
        let mut command = stage.command(&[]);
        let arguments = [&["check"], source, &ONLY[..], &["--output", "json"]].concat();
        let given: Vec<_> = command
            .get_envs()
            .map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned)))
            .collect();
        let mut again = Command::new(env!("CARGO_BIN_EXE_verify-staging"));
        for (name, value) in given {
            match value {
                Some(value) => again.env(name, value),
                None => again.env_remove(name),
            };
        }
        again.current_dir(stage.folder.path()).args(arguments);
        command = again;
        let output = tokio::task::spawn_blocking(move || command.output());
        let json: Value = serde_json::from_str(&exits(&output.await.unwrap().unwrap(), 1)).unwrap();
        let resources = json["resources"].as_array().unwrap().clone();
        let photos = resources
            .into_iter()
            .find(|one| one["role"] == "s3_bucket_photos");
        photos.unwrap()
    };
    let by_state = found(&["--state", "state.json"]).await;
    assert_eq!(
        (&by_state["value"], &by_state["origin"]),
        (&json!("clinic-images"), &json!("state"))
    );
    assert!(
        by_state["how"]
            .as_str()
            .unwrap()
            .contains("aws_s3_bucket.pictures")
    );
    let by_account = found(&["--account"]).await;
    assert_eq!(
        (&by_account["value"], &by_account["origin"]),
        (&json!(PHOTOS), &json!("settings"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_again_it_tells_what_changed_and_ends_as_the_last_run_did() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    std::fs::write(stage.path("waivers.toml"), WAIVERS).unwrap();
    let mut command = stage.command(&[
        "--only",
        "s3-exists",
        "--waivers",
        "waivers.toml",
        "--watch",
        "1s",
        "--output",
        "json",
    ]);
    let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(program.stdout.take().unwrap());
    let (documents, mut told) = tokio::sync::mpsc::unbounded_channel();
    let reader = std::thread::spawn(move || {
        // Each document ends with a brace at the beginning of a line.
        let mut text = String::new();
        for line in stdout.lines().map_while(Result::ok) {
            text.push_str(&line);
            if line == "}" {
                let document: Value = serde_json::from_str(&text).unwrap();
                let _ = documents.send(document);
                text.clear();
            }
        }
    });
    let first = told.recv().await.unwrap();
    assert!(
        first["answers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|answer| answer["status"] == "wrong")
    );
    stage.make_bucket().await;
    let second = told.recv().await.unwrap();
    let change = &second["changes"][0];
    assert_eq!(
        (&change["before"]["status"], &change["now"]["status"]),
        (&json!("wrong"), &json!("ok"))
    );
    assert_eq!(second["changes"].as_array().unwrap().len(), 1, "{second}");
    // The change is told before the run counts as ended: the next one has begun then.
    let calls = stage.aws.log().len();
    while stage.aws.log().len() == calls {
        tokio::task::yield_now().await;
    }
    let id = rustix::process::Pid::from_child(&program);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let status = tokio::task::spawn_blocking(move || program.wait());
    // Not 1, as the first run would have.
    assert_eq!(status.await.unwrap().unwrap().code(), Some(0));
    reader.join().unwrap();
    assert!(told.recv().await.is_none(), "nothing changed any more");
}

#[test]
fn what_does_not_go_together_is_refused_before_anything_is_called() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_verify-staging"))
            .env_clear()
            .env("INFRA_CONFIG", SETTINGS)
            .arg("check")
            .args(arguments)
            .output()
            .unwrap();
        exits(&output, 2);
        text(&output.stderr)
    };
    assert!(run(&["--watch", "--format", "html"]).contains("--out FILE"));
    assert!(run(&["--out", "x"]).contains("--format"));
    assert!(run(&["--watch", "0s"]).contains("0s is not between 1s and 1d"));
    assert!(run(&["--fail-on", "never"]).contains("critical"));
    assert!(run(&["--format", "pdf"]).contains("sarif"));
}
