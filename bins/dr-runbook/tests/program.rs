//! The program: what it refuses, and what it asks.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

use std::process::Output;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options, RegionClients};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    VersioningConfiguration,
};
use local_aws::{Builder, LocalAws, REMOVED_VARIABLES, RegionState};
use tempfile::TempDir;

const SETTINGS: &str = r#"
project = "berthcare"
environment = "staging"
regions = { primary = "ca-central-1", dr = "ca-west-1" }
[state]
bucket = "bc-state"
key = "staging/terraform.tfstate"
locking = ["s3"]
[state.dr]
bucket = "bc-state-dr"
role = "replicate-state"
"#;

struct Stage {
    aws: LocalAws,
    folder: TempDir,
}

const STATE: &str = r#"{"version":4,"terraform_version":"1.11.4","serial":3,"lineage":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","outputs":{},"resources":[]}"#;

/// A local AWS; `None` where this machine cannot run one, and then the reason has been printed.
async fn started(builder: Builder) -> Option<LocalAws> {
    builder.start_or_skip().await.unwrap()
}

async fn environment(aws: &LocalAws) -> AwsEnv {
    let env = AwsEnv::load(Options {
        endpoint_url: Some(aws.endpoint().to_owned()),
        credentials: Some(Credentials::new("test", "test", None, None, "tests")),
        ..Options::default()
    });
    env.await.unwrap()
}

impl Stage {
    /// An environment of one state bucket, whose primary region is lost.
    async fn open() -> Option<Self> {
        let aws = started(LocalAws::builder()).await?;
        let env = environment(&aws).await;
        for (region, bucket) in [("ca-west-1", "bc-state-dr"), ("ca-central-1", "bc-state")] {
            make_bucket(&env.region(region.parse().unwrap()), bucket).await;
        }
        aws.set_region("ca-central-1", RegionState::Refuse);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("infra.toml"), SETTINGS).unwrap();
        Some(Self { aws, folder })
    }

    /// A state, and its replica.
    async fn write_states(&self) {
        let env = environment(&self.aws).await;
        for (region, bucket) in [("ca-west-1", "bc-state-dr"), ("ca-central-1", "bc-state")] {
            let clients = env.region(region.parse().unwrap());
            let put = clients.s3.put_object().bucket(bucket);
            let put = put.key("staging/terraform.tfstate");
            put.body(STATE.as_bytes().to_vec().into())
                .send()
                .await
                .unwrap();
        }
    }

    /// The program, which has no terminal to ask on.
    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("dr-runbook"));
        for name in REMOVED_VARIABLES.iter().copied().chain(["INFRA_CONFIG"]) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .envs(self.aws.environment())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .current_dir(self.folder.path());
        command
    }

    /// Runs the program, and checks how it ends.
    async fn run(&self, arguments: &[&str], code: i32) -> (String, String) {
        self.run_with(&[], arguments, code).await
    }

    /// With other variables.
    async fn run_with(
        &self,
        variables: &[(&str, &str)],
        arguments: &[&str],
        code: i32,
    ) -> (String, String) {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        finish(command, arguments, code).await
    }

    /// By a shell that prepares for it.
    async fn run_under(&self, script: &str, arguments: &[&str], code: i32) -> (String, String) {
        let own = self.command(arguments);
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).arg(own.get_program());
        command.args(own.get_args());
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(self.folder.path());
        finish(command, arguments, code).await
    }
}

/// A bucket that keeps versions.
async fn make_bucket(clients: &RegionClients, bucket: &str) {
    let location = BucketLocationConstraint::from(clients.region.as_str());
    let location = CreateBucketConfiguration::builder().location_constraint(location);
    let create = clients.s3.create_bucket().bucket(bucket);
    let create = create.create_bucket_configuration(location.build());
    create.send().await.unwrap();
    let versioning = VersioningConfiguration::builder();
    let versioning = versioning.status(BucketVersioningStatus::Enabled);
    let put = clients.s3.put_bucket_versioning().bucket(bucket);
    let put = put.versioning_configuration(versioning.build());
    put.send().await.unwrap();
}

async fn finish(
    mut command: std::process::Command,
    arguments: &[&str],
    code: i32,
) -> (String, String) {
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output {
        status,
        stdout,
        stderr,
    } = ended.await.unwrap();
    let (stdout, stderr) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert_eq!(
        status.code(),
        Some(code),
        "{arguments:?}\n{stdout}\n{stderr}"
    );
    (stdout, stderr)
}

macro_rules! stage {
    () => {
        match Stage::open().await {
            Some(stage) => stage,
            None => return,
        }
    };
}

#[path = "program/drill.rs"]
mod drill;
#[path = "program/operators.rs"]
mod operators;
#[path = "program/report.rs"]
mod report;
#[path = "program/watch.rs"]
mod watch;

#[tokio::test(flavor = "multi_thread")]
async fn failover_is_refused_where_nothing_is_lost_or_the_dr_region_is() {
    let stage = stage!();
    let (_, told) = stage.run(&["failover", "--fault", "yesterday"], 2).await;
    assert!(
        told.contains("\"yesterday\" is no time such as 2026-11-30T03:15:00Z")
            && !told.contains("parse"),
        "{told}"
    );
    let lost = ["failover", "--window", "0s", "--yes", "--lost"];
    let (_, told) = stage.run(&[&lost[..], &["ca-west-1"]].concat(), 4).await;
    assert!(
        told.contains("ca-west-1 is to take over and was named as lost"),
        "{told}"
    );
    let (_, told) = stage.run(&[&lost[..], &["us-east-1"]].concat(), 2).await;
    assert!(
        told.contains("is not among the lost regions")
            && told.contains("nothing of it can be changed until us-east-1 is back"),
        "{told}"
    );
    stage.aws.set_region("ca-central-1", RegionState::Up);
    let (_, told) = stage.run(&["failover", "--window", "0s", "--yes"], 4).await;
    assert!(
        told.contains("ca-central-1 answers: it is not lost")
            && told.contains("asking ca-central-1 once"),
        "{told}"
    );
    stage.aws.set_region("ca-west-1", RegionState::Refuse);
    stage.run(&["failover", "--window", "0s", "--yes"], 3).await;
    stage.aws.set_region("ca-west-1", RegionState::Up);
    let (told, _) = stage.run(&["runs", "list"], 0).await;
    assert!(told.contains("There are none."), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn yes_answers_no_step_and_another_terminal_does() {
    let stage = stage!();
    // A step that there is not is told before anything begins.
    for how in ["--dry-run", "--yes"] {
        let mut unknown = vec!["failover", "--window", "0s", how, "--reason", "x"];
        unknown.extend(["--skip", "nothing"]);
        let (_, told) = stage.run(&unknown, 2).await;
        assert!(told.contains("has no step nothing"), "{told}");
    }
    // Nor is anything left of a run that this machine could not keep.
    let nowhere = ["failover", "--window", "0s", "--yes", "--runs-dir"];
    let (_, told) = stage
        .run(&[&nowhere[..], &["/proc/none"]].concat(), 3)
        .await;
    assert!(
        told.contains("cannot keep the record /proc/none/"),
        "{told}"
    );
    let (told, _) = stage.run(&["runs", "list"], 0).await;
    assert!(told.contains("There are none."), "{told}");
    let (told, _) = stage.run(&["status"], 0).await;
    assert!(!told.contains("has no run"), "{told}");
    let shown = ["failover", "--window", "0s", "--dry-run", "--reason", "x"];
    let shown = [&shown[..], &["--skip", "verify"]].concat();
    let (_, told) = stage.run(&shown, 0).await;
    assert!(told.contains("verify is left out: x"), "{told}");
    let each = ["failover", "--window", "0s", "--approve", "each", "--yes"];
    let (_, told) = stage.run(&each, 4).await;
    assert!(told.contains("agrees to declare"), "{told}");
    // Another failover, meanwhile.
    let (_, told) = stage.run(&["failover", "--window", "0s", "--yes"], 4).await;
    assert!(told.contains("is not over"), "{told}");
    let run = stage.last_run().await;
    stage
        .run(&["runs", "approve", &run, "nothing", "--by", "Kim"], 4)
        .await;
    let agree = ["runs", "approve", &run, "declare", "--by", "Kim"];
    let (_, told) = stage.run(&agree, 0).await;
    let resume = format!("nobody carries the run: `dr-runbook runs resume {run}` goes on with it");
    assert!(told.contains(&resume), "{told}");
    let (told, _) = stage.run(&["runs", "resume", "--approve", "each"], 4).await;
    assert!(told.contains(" declare "), "{told}");
    stage
        .run(
            &[
                "runs",
                "resume",
                "--approve",
                "auto",
                "--skip",
                "nothing",
                "--reason",
                "x",
            ],
            2,
        )
        .await;
    let (told, _) = stage.run(&["runs", "resume", "--approve", "auto"], 0).await;
    assert!(told.contains("finished"), "{told}");
    // It is there already.
    let (_, told) = stage.run(&["failover", "--window", "0s", "--yes"], 4).await;
    assert!(
        told.contains("the environment is failed over to ca-west-1 already"),
        "{told}"
    );
    stage.run(&["runs", "resume"], 4).await;
    std::fs::write(
        stage.folder.path().join("infra.toml"),
        format!("{SETTINGS}\n[objectives]\nrto = \"1h\"\n"),
    )
    .unwrap();
    stage
        .run(
            &[
                "runs", "abandon", &run, "--by", "Kim", "--reason", "x", "--yes",
            ],
            4,
        )
        .await;
}

impl Stage {
    /// The state of the DR region, which Terraform has written there.
    async fn fail_over(&self) {
        let failover = ["failover", "--window", "0s", "--approve", "auto", "--yes"];
        self.run(&failover, 0).await;
        self.aws.set_region("ca-central-1", RegionState::Up);
    }

    /// The newest run.
    async fn last_run(&self) -> String {
        let (told, _) = self.run(&["runs", "list"], 0).await;
        let run = told
            .lines()
            .find_map(|line| line.split_whitespace().find(|word| word.starts_with("20")));
        run.unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failback_is_refused_where_nothing_is_to_be_brought_back_or_the_region_does_not_serve() {
    let stage = stage!();
    stage.aws.set_region("ca-central-1", RegionState::Up);
    let back = ["failback", "--window", "0s", "--yes"];
    let (_, told) = stage.run(&back, 4).await;
    assert!(
        told.contains("the environment is not failed over"),
        "{told}"
    );
    stage.aws.set_region("ca-central-1", RegionState::Refuse);
    stage.fail_over().await;
    // One silent service is enough.
    let silent = local_aws::Fault::new(local_aws::FaultKind::RequestLost).service("rds");
    let silent = stage.aws.add_fault(silent.region("ca-central-1"));
    let (_, told) = stage.run(&back, 4).await;
    assert!(
        told.contains("ca-central-1 does not serve at every look"),
        "{told}"
    );
    stage.aws.remove_fault(silent);
    let wrong = stage.folder.path().join("wrong.jsonl");
    std::fs::write(&wrong, "a.jpg\n").unwrap();
    let wrong = wrong.display().to_string();
    let decided = [&back[..], &["--conflicts", &wrong]].concat();
    let (_, told) = stage.run(&decided, 2).await;
    assert!(
        told.contains("line 1 of the decisions is neither"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failback_that_is_given_up_says_where_the_environment_is() {
    let stage = stage!();
    stage.fail_over().await;
    let back = ["failback", "--window", "0s", "--yes"];
    let (_, told) = stage.run(&back, 4).await;
    assert!(told.contains("agrees to drain"), "{told}");
    let run = stage.last_run().await;
    // Another failover in the middle: the environment is there.
    let (_, told) = stage.run(&["failover", "--window", "0s", "--yes"], 4).await;
    assert!(
        told.contains("is failed over to ca-west-1 already"),
        "{told}"
    );
    // The primary region may be gone by then.
    stage.aws.set_region("ca-central-1", RegionState::Refuse);
    let abandon = [
        "runs",
        "abandon",
        &run,
        "--by",
        "Kim",
        "--reason",
        "gone again",
        "--yes",
    ];
    let (told, noted) = stage.run(&abandon, 0).await;
    assert!(told.contains("abandoned by Kim"), "{told}");
    assert!(noted.contains("the environment is in ca-west-1"), "{noted}");
    let agree = ["runs", "approve", &run, "drain", "--by", "Sam"];
    let (_, told) = stage.run(&agree, 4).await;
    assert!(
        told.contains("was abandoned") && told.contains("no approval is of use to it"),
        "{told}"
    );
    stage.aws.set_region("ca-central-1", RegionState::Up);
    let all = ["failback", "--window", "0s", "--approve", "auto", "--yes"];
    // Another one that waits is what is meant.
    stage.run(&back, 4).await;
    let (_, told) = stage.run(&agree, 4).await;
    let other = stage.last_run().await;
    let show = format!("run {other} came after it and is not over: `dr-runbook runs show {other}`");
    assert!(told.contains(&show), "{told}");
    let resume = ["runs", "resume", "--approve", "auto"];
    stage.run(&resume, 0).await;
    let (_, told) = stage.run(&all, 4).await;
    assert!(
        told.contains("the environment is not failed over"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn account_in_which_nothing_was_made_is_told_what_makes_the_bucket_with_the_records() {
    let stage = stage!();
    let fresh = SETTINGS.replace("bc-state-dr", "bc-state-never-made");
    std::fs::write(stage.folder.path().join("infra.toml"), fresh).unwrap();
    let failover = ["failover", "--window", "0s", "--yes"];
    for command in [&failover[..], &["runs", "list"], &["runs", "show"]] {
        let (_, told) = stage.run(command, 3).await;
        assert!(
            told.contains("`init-backend apply` makes the state's copy"),
            "{command:?}: {told}"
        );
    }
}

/// The commands of a runbook, in their order, as words.
fn commands(runbook: &str) -> Vec<Vec<String>> {
    let lines = runbook.lines();
    let lines = lines.filter_map(|line| line.strip_prefix("    dr-runbook "));
    let words = |line: &str| -> Vec<String> {
        let quoted = line
            .split('\'')
            .enumerate()
            .flat_map(|(at, part)| match at % 2 {
                0 => part
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>(),
                _ => vec![part.to_owned()],
            });
        quoted.collect()
    };
    lines.map(words).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn runbook_of_the_failback_can_be_followed_command_by_command() {
    let stage = stage!();
    stage.fail_over().await;
    let decisions = stage.folder.path().join("decisions.jsonl");
    std::fs::write(&decisions, "").unwrap();
    let decisions = decisions.display().to_string();
    let runbook = include_str!("../../../docs/runbooks/failback.md");
    let mut ended = Vec::new();
    for command in commands(runbook) {
        let run = match command.first().map(String::as_str) {
            Some("runs") => stage.last_run().await,
            _ => String::new(),
        };
        let words = command.iter().map(|word| match word.as_str() {
            "RUN" => run.as_str(),
            "FILE" => decisions.as_str(),
            word => word,
        });
        let mut words: Vec<&str> = words.collect();
        // Nobody is at the terminal, and the minute is not waited for.
        let told: Vec<&str> = match (words[0], words.get(1).copied()) {
            ("failback", Some("--dry-run")) => vec!["--window", "0s"],
            ("failback", _) => vec!["--window", "0s", "--yes"],
            (_, Some("abandon")) => vec!["--yes"],
            _ => vec![],
        };
        words.extend(told);
        // What waits for somebody ends with 4, and so does giving up what is over.
        let code = match (words[0], words.get(1).copied(), ended.len()) {
            ("failback", Some("--dry-run"), _) => 0,
            ("failback", ..) => 4,
            (_, Some("resume"), 0..5) => 4,
            (_, Some("abandon"), _) => 4,
            _ => 0,
        };
        stage.run(&words, code).await;
        ended.push(command.join(" "));
    }
    assert_eq!(ended.len(), 9, "{ended:#?}");
    let (told, _) = stage.run(&["runs", "show"], 0).await;
    assert!(told.contains("finished"), "{told}");
}

/// What a command of a runbook is given beside what stands there: nobody is at the terminal, and the minute is not waited for.
fn unattended(words: &[&str]) -> Vec<&'static str> {
    match (words[0], words.contains(&"--dry-run"), words.get(1)) {
        ("failover" | "failback", true, _) => vec!["--window", "0s"],
        ("failover" | "failback", false, _) => vec!["--window", "0s", "--yes"],
        (_, _, Some(&"abandon")) => vec!["--yes"],
        _ => vec![],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runbook_of_the_failover_can_be_followed_command_by_command() {
    let stage = stage!();
    stage.aws.set_region("ca-central-1", RegionState::Up);
    stage.write_states().await;
    stage.aws.set_region("ca-central-1", RegionState::Refuse);
    let runbook = include_str!("../../../docs/runbooks/failover.md");
    let mut ended = Vec::new();
    for command in commands(runbook) {
        let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
        words.extend(unattended(&words));
        let (told, _) = stage.run(&words, 0).await;
        ended.push((command.join(" "), told));
    }
    let [(_, planned), (_, done), (_, shown)] = ended.as_slice() else {
        panic!("{ended:#?}");
    };
    // What the runbook says that is to be seen.
    assert!(
        planned.contains("ca-central-1") && planned.contains("declare"),
        "{planned}"
    );
    for told in [done, shown] {
        assert!(told.contains("finished"), "{told}");
    }
    assert!(shown.contains("RTO"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runbook_of_the_switchover_can_be_followed_command_by_command() {
    let stage = stage!();
    stage.aws.set_region("ca-central-1", RegionState::Up);
    stage.write_states().await;
    let runbook = include_str!("../../../docs/runbooks/switchover.md");
    // What waits for somebody ends with 4, and so does giving up what was cut over.
    let codes = [0, 4, 0, 4, 0, 4, 0, 0, 0, 4, 0];
    let commands = commands(runbook);
    assert_eq!(commands.len(), codes.len(), "{commands:#?}");
    for (command, code) in commands.iter().zip(codes) {
        let run = match command[0].as_str() {
            "runs" => stage.last_run().await,
            _ => String::new(),
        };
        let words = command.iter().map(|word| match word.as_str() {
            "RUN" => run.as_str(),
            word => word,
        });
        let mut words: Vec<&str> = words.collect();
        words.extend(unattended(&words));
        stage.run(&words, code).await;
    }
    let (told, _) = stage.run(&["runs", "show"], 0).await;
    assert!(told.contains("finished"), "{told}");
    // It leads home again.
    let back = ["failback", "--window", "0s", "--approve", "auto", "--yes"];
    stage.run(&back, 0).await;
}

impl Stage {
    /// Follows the commands of a runbook, each of which ends as its code says. Nobody is at the terminal.
    async fn follow(&self, commands: &[Vec<String>], codes: &[i32]) -> String {
        assert_eq!(commands.len(), codes.len(), "{commands:#?}");
        let mut told = String::new();
        for (command, code) in commands.iter().zip(codes) {
            let run = match command[0].as_str() {
                "runs" => self.last_run().await,
                _ => String::new(),
            };
            let words = command.iter().map(|word| match word.as_str() {
                "RUN" => run.as_str(),
                "REGION" => "us-west-2",
                word => word,
            });
            let mut words: Vec<&str> = words.collect();
            match (words[0], words.contains(&"--dry-run")) {
                ("commit", true) => words.extend(["--window", "0s"]),
                ("commit", false) => words.extend(["--window", "0s", "--yes"]),
                _ => {}
            }
            let (stdout, stderr) = self.run(&words, *code).await;
            told = format!("{told}{stdout}{stderr}");
        }
        told
    }

    /// The requests that the primary region had since the log was cleared.
    fn asked_of_primary(&self) -> usize {
        let log = self.aws.log().into_iter();
        let asked = log.filter(|entry| entry.region.as_deref() == Some("ca-central-1"));
        asked.count()
    }

    fn settings(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("infra.toml")).unwrap()
    }

    fn write_settings(&self, text: &str) {
        std::fs::write(self.folder.path().join("infra.toml"), text).unwrap();
    }

    /// An environment that was failed over and stays, whose data may lie in the United States.
    async fn lost_for_good(&self) -> String {
        let text = format!("# Ours.\n{SETTINGS}\n[residency]\ncountries = [\"CA\", \"US\"]\n");
        self.write_settings(&text);
        self.aws.set_region("ca-central-1", RegionState::Up);
        self.write_states().await;
        self.aws.set_region("ca-central-1", RegionState::Refuse);
        self.fail_over().await;
        self.aws.set_region("ca-central-1", RegionState::Refuse);
        self.aws.clear_log();
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runbook_of_the_commit_can_be_followed_command_by_command() {
    let stage = stage!();
    let before = stage.lost_for_good().await;
    let commands = commands(include_str!("../../../docs/runbooks/commit.md"));
    let (with_dr, without) = commands.split_at(6);
    // What waits for somebody ends with 4; the preflight finds what people have to make.
    let told = stage.follow(with_dr, &[0, 4, 0, 0, 0, 3]).await;
    assert!(
        told.contains("+ primary = \"ca-west-1\"")
            || told.contains("+ regions = { primary = \"ca-west-1\""),
        "{told}"
    );
    assert!(told.contains("ca-west-1, recovered in us-west-2"), "{told}");
    assert_eq!(stage.asked_of_primary(), 0);
    let after = stage.settings();
    assert!(
        after.contains("# Ours.") && after.contains("bc-state-us-west-2"),
        "{after}"
    );
    let kept = std::fs::read_to_string(stage.folder.path().join("infra.toml.kept-1"));
    assert_eq!(kept.unwrap(), before);
    let (runs, _) = stage.run(&["runs", "list"], 0).await;
    assert!(
        runs.contains("commit") && runs.contains("region-loss"),
        "{runs}"
    );
    // A machine that has the old file yet is refused, and makes the new one of it.
    stage.write_settings(&before);
    let failover = ["failover", "--window", "0s", "--yes"];
    let (_, told) = stage.run(&failover, 4).await;
    assert!(told.contains("the primary region is ca-west-1"), "{told}");
    let (_, told) = stage.run(&["failback", "--window", "0s", "--yes"], 4).await;
    assert!(told.contains("the primary region is ca-west-1"), "{told}");
    stage.run(&["status"], 1).await;
    let (printed, _) = stage.run(&["commit", "--print-config"], 0).await;
    assert_eq!(printed, after);
    stage.run(&["commit", "--yes"], 0).await;
    assert_eq!(stage.settings(), after);
    let (_, told) = stage.run(&["commit", "--window", "0s", "--yes"], 4).await;
    assert!(
        told.contains("the environment is not failed over"),
        "{told}"
    );

    let stage = stage!();
    stage.lost_for_good().await;
    let codes = [4, 0, 0, 1, 4, 0, 0];
    let told = stage.follow(without, &codes).await;
    assert!(told.contains("unprotected"), "{told}");
    assert_eq!(stage.asked_of_primary(), 0);
    assert_eq!(stage.settings().matches("unprotected").count(), 0);
    stage.run(&["status"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commit_is_refused_where_it_would_lead_nowhere() {
    let stage = stage!();
    let commit = ["commit", "--window", "0s", "--yes"];
    let (_, told) = stage.run(&commit, 4).await;
    assert!(
        told.contains("the environment is not failed over"),
        "{told}"
    );
    let before = stage.lost_for_good().await;
    let to = |region: &'static str| [&commit[..], &["--dr", region]].concat();
    let (_, told) = stage.run(&to("ca-central-1"), 4).await;
    assert!(
        told.contains("is the region that is left, or was lost"),
        "{told}"
    );
    let (_, told) = stage.run(&to("ca-west-1"), 4).await;
    assert!(
        told.contains("is where the environment is to stay"),
        "{told}"
    );
    let (_, told) = stage.run(&to("eu-west-1"), 4).await;
    assert!(
        told.contains("the settings that come of it are refused"),
        "{told}"
    );
    stage.run(&["commit", "--dr-kms", "x"], 2).await;
    // Nothing is begun beside another run.
    let each = [&commit[..], &["--approve", "each"]].concat();
    stage.run(&each, 4).await;
    let (_, told) = stage.run(&commit, 4).await;
    assert!(told.contains("is not over"), "{told}");
    let run = stage.last_run().await;
    let abandon = [
        "runs", "abandon", &run, "--by", "Kim", "--reason", "x", "--yes",
    ];
    stage.run(&abandon, 0).await;
    assert_eq!(stage.asked_of_primary(), 0);
    assert_eq!(stage.settings(), before);
    // Unprotected, it goes nowhere.
    let all = [&commit[..], &["--approve", "auto"]].concat();
    let (_, told) = stage.run(&all, 0).await;
    assert!(told.contains("unprotected: "), "{told}");
    let (_, told) = stage.run(&commit, 4).await;
    assert!(
        told.contains("the environment stays in ca-west-1 already"),
        "{told}"
    );
    for (command, code) in [
        ("failover", 4),
        ("failback", 4),
        ("preflight", 1),
        ("watch", 1),
    ] {
        let (_, told) = stage.run(&[command], code).await;
        assert!(told.contains("the environment is unprotected"), "{told}");
    }
    let (told, _) = stage.run(&["status"], 1).await;
    assert!(told.contains("recovered nowhere"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runbook_of_the_drill_can_be_followed_command_by_command() {
    let stage = stage!();
    stage.aws.set_region("ca-central-1", RegionState::Up);
    stage.write_states().await;
    let runbook = include_str!("../../../docs/runbooks/drill.md");
    // Status, a preflight that does not know all, the plan, there, a look, the plan back, back, and what it showed.
    let codes = [0, 3, 0, 4, 0, 4, 0, 4, 0, 0, 0, 0, 4, 0, 4, 0, 0, 0, 0];
    let commands = commands(runbook);
    assert_eq!(commands.len(), codes.len(), "{commands:#?}");
    for (command, code) in commands.iter().zip(codes) {
        let run = match command[0].as_str() {
            "runs" => stage.last_run().await,
            _ => String::new(),
        };
        let words = command.iter().map(|word| match word.as_str() {
            "RUN" => run.as_str(),
            word => word,
        });
        let mut words: Vec<&str> = words.collect();
        words.extend(unattended(&words));
        stage.run(&words, code).await;
    }
    let (told, _) = stage.run(&["report", "--format", "markdown"], 0).await;
    assert!(
        told.contains("Failback of berthcare-staging") && told.contains("a drill"),
        "{told}"
    );
    let (told, _) = stage.run(&["status"], 0).await;
    assert!(told.contains("ca-central-1"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn switchover_is_refused_without_both_regions_and_given_up_before_its_cut_over() {
    let stage = stage!();
    let planned = ["failover", "--mode", "planned", "--window", "0s", "--yes"];
    let (_, told) = stage.run(&planned, 4).await;
    assert!(
        told.contains("ca-central-1 does not serve at every look")
            && told.contains("`dr-runbook failover` does without it"),
        "{told}"
    );
    stage.aws.set_region("ca-central-1", RegionState::Up);
    let (_, told) = stage
        .run(&[&planned[..], &["--lost", "ca-central-1"]].concat(), 2)
        .await;
    assert!(
        told.contains("--lost is for the loss of a region"),
        "{told}"
    );
    stage.run(&planned, 4).await;
    let run = stage.last_run().await;
    let agree = ["runs", "approve", &run, "regions", "--by", "Kim"];
    stage.run(&agree, 0).await;
    let (_, told) = stage.run(&["runs", "resume"], 4).await;
    assert!(told.contains("agrees to drain"), "{told}");
    let agree = ["runs", "approve", &run, "drain", "--by", "Kim"];
    stage.run(&agree, 0).await;
    stage.run(&["runs", "resume"], 4).await;
    // It is lost before the cut-over: there is nothing to put back.
    stage.aws.set_region("ca-central-1", RegionState::Refuse);
    let (_, told) = stage.run(&["runs", "resume", "--approve", "auto"], 3).await;
    assert!(
        told.contains("and then `dr-runbook failover` go on without it"),
        "{told}"
    );
    let abandon = [
        "runs", "abandon", &run, "--by", "Kim", "--reason", "lost", "--yes",
    ];
    let (_, told) = stage.run(&abandon, 3).await;
    assert!(told.contains("nothing is put back"), "{told}");
    let markdown = ["report", &run, "--format", "markdown"];
    let (told, _) = stage.run(&markdown, 0).await;
    for line in ["left in:** ca-central-1", "put back:** by no run"] {
        assert!(told.contains(line), "{told}");
    }
    assert!(
        told.contains("not known: the run was given up before"),
        "{told}"
    );
    // It was not lost after all: the same command puts back what there is.
    stage.aws.set_region("ca-central-1", RegionState::Up);
    let (_, told) = stage.run(&abandon, 0).await;
    assert!(
        told.contains("what writes in ca-central-1 may go on"),
        "{told}"
    );
    let (_, told) = stage.run(&abandon, 4).await;
    assert!(told.contains("came after it"), "{told}");
    let undo = stage.last_run().await;
    let (told, _) = stage.run(&["report", &run, "--output", "json"], 0).await;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let given_up = &told["given_up"];
    assert_eq!(
        (&given_up["by"], &given_up["reason"], &given_up["serves"]),
        (&"Kim".into(), &"lost".into(), &"ca-central-1".into()),
        "{told:#}"
    );
    assert_eq!(given_up["put_back"]["run"], undo.as_str(), "{told:#}");
    assert_eq!(
        given_up["put_back"]["end"]["status"], "finished",
        "{told:#}"
    );
    // Writers stood still until they were told to go on, and not for ever.
    assert_eq!(
        told["unavailable"]["until"], given_up["put_back"]["writers"],
        "{told:#}"
    );
    assert!(told["unavailable"]["until"].is_string(), "{told:#}");
    let (told, _) = stage.run(&["status"], 0).await;
    assert!(told.contains("ca-central-1"), "{told}");
    stage.aws.set_region("ca-central-1", RegionState::Refuse);
    let lost = ["failover", "--window", "0s", "--approve", "auto", "--yes"];
    stage.run(&lost, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_ends_by_what_it_found_and_leaves_it_for_status_and_export() {
    let stage = stage!();
    stage.aws.set_region("ca-central-1", RegionState::Up);
    // Nothing has been replicated, and no role is named: wrong counts before unknown.
    let (told, _) = stage.run(&["preflight"], 1).await;
    assert!(
        told.contains("not ready") && told.contains("What to do"),
        "{told}"
    );
    let (json, _) = stage
        .run(&["preflight", "--alone", "--output", "json"], 1)
        .await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["kind"], &json["alone"]),
        (&"preflight".into(), &true.into())
    );
    let xml = stage.folder.path().join("report.xml");
    let junit = [
        "preflight",
        "--alone",
        "--format",
        "junit",
        "--out",
        xml.to_str().unwrap(),
    ];
    stage.run(&junit, 1).await;
    let written = std::fs::read_to_string(&xml).unwrap();
    assert!(
        written.contains("<testsuites") && written.contains("failures="),
        "{written}"
    );
    let (html, _) = stage
        .run(&["preflight", "--alone", "--format", "html"], 1)
        .await;
    assert!(
        html.starts_with("<!") && html.contains("Preflight of berthcare-staging"),
        "{html}"
    );
    let (told, _) = stage.run(&["status"], 0).await;
    assert!(
        told.contains("last preflight") && told.contains("today, without the primary region"),
        "{told}"
    );
    let export = stage.folder.path().join("export");
    let folder = export.to_str().unwrap();
    stage.run(&["preflight", "export", folder], 0).await;
    let mode = |path: &std::path::Path| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(&export), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&export).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    let wanted = [
        "failover.md",
        "index.html",
        "infra.toml",
        "preflight.html",
        "preflight.json",
        "preflight.md",
    ];
    assert_eq!(names, wanted);
    let (_, told) = stage.run(&["preflight", "export", folder], 2).await;
    assert!(told.contains("is there already"), "{told}");
    // Without the DR region nothing is known, and none of that is fine.
    stage.aws.set_region("ca-west-1", RegionState::Refuse);
    let ended = stage.run(&["preflight", "--alone"], 3).await;
    assert!(ended.0.contains("not known to be ready"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_export_without_a_preflight_says_what_makes_one() {
    let stage = stage!();
    let folder = stage.folder.path().join("export");
    let (_, told) = stage
        .run(&["preflight", "export", folder.to_str().unwrap()], 3)
        .await;
    assert!(
        told.contains("dr-runbook preflight") && !folder.exists(),
        "{told}"
    );
}

/// Waits, at most a minute, until there is something.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed().as_secs() < 60, "waited in vain");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hook_dies_with_its_program_and_is_run_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = stage!();
    let file = |name: &str| stage.folder.path().join(name);
    let hooks = "[hooks]\nbefore-traffic = { command = [\"./smoke\"], timeout = \"1h\" }\n";
    std::fs::write(file("infra.toml"), format!("{SETTINGS}\n{hooks}")).unwrap();
    let script = |body: &str| {
        std::fs::write(file("smoke"), format!("#!/bin/sh\n{body}\n")).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(file("smoke"), executable).unwrap();
    };
    // Deaf to what asks it to end, as a process of its own too.
    script(
        "trap '' INT TERM; sleep 600 & echo $! >child; echo $$ >begun; while :; do sleep 0.1; done",
    );
    let auto = ["--approve", "auto", "--yes", "--output", "json"];
    let failover = [&["failover", "--window", "0s"][..], &auto].concat();
    let mut killed = stage.command(&failover);
    let mut killed = killed
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let number = |name: &str| {
        std::fs::read_to_string(file(name))
            .ok()?
            .trim()
            .parse::<u32>()
            .ok()
    };
    tokio::task::block_in_place(|| {
        until(|| number("begun"));
        killed.kill().unwrap();
        killed.wait().unwrap();
    });
    let ids = [number("begun").unwrap(), number("child").unwrap()];
    script("echo $DR_ATTEMPT >attempt");
    // It goes on when the first one has ended.
    let resume = [&["runs", "resume"][..], &auto].concat();
    let (told, _) = stage.run(&resume, 0).await;
    for id in ids {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        assert!(
            stat.is_empty() || stat.contains(") Z "),
            "it still runs: {stat}"
        );
    }
    let attempt = std::fs::read_to_string(file("attempt")).unwrap();
    assert_eq!(attempt, "2\n", "{told}");
}

/// What each step's outcome says of its problem, with its hint, by step.
fn problems(json: &str) -> std::collections::BTreeMap<String, String> {
    let run: serde_json::Value = serde_json::from_str(json).unwrap();
    let steps = run["steps"].as_object().unwrap();
    let failed = steps.iter().filter(|(_, step)| step["status"] == "failed");
    failed
        .map(|(id, step)| {
            let outcome = &step["outcome"];
            let text = |key: &str| outcome[key].as_str().unwrap_or_default();
            (id.clone(), format!("{} {}", text("problem"), text("hint")))
        })
        .collect()
}

const AUTO: [&str; 7] = [
    "--window",
    "0s",
    "--approve",
    "auto",
    "--yes",
    "--output",
    "json",
];

#[tokio::test(flavor = "multi_thread")]
async fn terraform_that_is_missing_or_too_old_stops_its_steps_and_no_other() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = stage!();
    let file = |name: &str| stage.folder.path().join(name);
    std::fs::create_dir_all(file("dr")).unwrap();
    std::fs::create_dir_all(file("bin")).unwrap();
    let failover = "[failover]\nterraform = \"dr\"\nmarker_bucket = \"bc-state-dr\"\n";
    std::fs::write(file("infra.toml"), format!("{SETTINGS}\n{failover}")).unwrap();
    let path = file("bin").into_os_string().into_string().unwrap();
    let arguments = [&["failover"][..], &AUTO].concat();
    let (told, _) = stage.run_with(&[("PATH", &path)], &arguments, 3).await;
    let wanted = "terraform is not installed: no folder of PATH has it";
    assert!(problems(&told)["backend"].contains(wanted), "{told}");
    let old = "#!/bin/sh\necho '{\"terraform_version\":\"1.5.7\"}'\n";
    std::fs::write(file("bin/terraform"), old).unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(file("bin/terraform"), executable).unwrap();
    let resume = [&["runs", "resume"][..], &AUTO[2..]].concat();
    let (told, _) = stage.run_with(&[("PATH", &path)], &resume, 3).await;
    assert!(
        problems(&told)["backend"]
            .contains("is terraform 1.5.7, and 1.10.0 is the oldest that this works with"),
        "{told}"
    );
    // Somebody else brings the environment up.
    let skip = [
        "--skip",
        "backend",
        "--skip",
        "terraform",
        "--reason",
        "by hand",
    ];
    let (told, _) = stage.run(&[&resume[..], &skip].concat(), 0).await;
    assert!(told.contains("\"finished\""), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_written_end_a_run_that_can_be_resumed() {
    use local_aws::{Fault, FaultKind};
    let stage = stage!();
    let failover = [&["failover"][..], &AUTO].concat();
    // The bucket, from a moment on.
    let denied = Fault::new(FaultKind::Denied)
        .service("s3")
        .operation("PutObject");
    let denied = stage.aws.add_fault(denied);
    let (_, told) = stage.run(&failover, 3).await;
    assert!(
        told.contains("AccessDenied") && told.contains("s3://bc-state-dr/"),
        "{told}"
    );
    stage.aws.remove_fault(denied);
    // This machine's disk: no file gets longer than nothing.
    let full = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
    let (_, told) = stage.run_under(full, &failover, 3).await;
    assert!(told.contains("File too large"), "{told}");
    assert!(told.contains("--runs-dir"), "{told}");
    let (told, _) = stage.run(&failover, 0).await;
    assert!(told.contains("\"finished\""), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_table_that_is_gone_is_told_and_can_be_left_out() {
    let stage = stage!();
    let settings = SETTINGS
        .replace(
            "locking = [\"s3\"]",
            "locking = [\"dynamodb\", \"s3\"]\nlock_table = \"bc-locks\"",
        )
        .replace("[state.dr]\n", "[state.dr]\nlock_table = \"bc-locks-dr\"\n");
    std::fs::write(stage.folder.path().join("infra.toml"), settings).unwrap();
    let failover = [&["failover"][..], &AUTO].concat();
    let (told, _) = stage.run(&failover, 3).await;
    let problem = &problems(&told)["state"];
    assert!(problem.contains("bc-locks-dr"), "{problem}");
    assert!(problem.contains("--skip state"), "{problem}");
    let resume = [&["runs", "resume"][..], &AUTO[2..]].concat();
    let skip = [
        "--skip", "state", "--skip", "verify", "--reason", "no table",
    ];
    let (told, _) = stage.run(&[&resume[..], &skip].concat(), 0).await;
    assert!(told.contains("\"finished\""), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exception_that_has_run_out_stops_no_failover_that_somebody_answers_for() {
    let stage = stage!();
    let exception = |region: &str| {
        format!(
            "[[residency.exceptions]]\nregion = {region:?}\nreason = \"why\"\napproved_by = \"who\"\nexpires = 2020-01-01\n"
        )
    };
    let residency = format!(
        "[residency]\ncountries = [\"US\"]\n{}{}",
        exception("ca-central-1"),
        exception("ca-west-1")
    );
    std::fs::write(
        stage.folder.path().join("infra.toml"),
        format!("{SETTINGS}{residency}"),
    )
    .unwrap();
    let failover = ["failover", "--window", "0s", "--approve", "auto", "--yes"];
    let (_, told) = stage.run(&failover, 4).await;
    assert!(
        told.contains("has run out") && told.contains("--despite-residency REASON"),
        "{told}"
    );
    let (_, told) = stage
        .run(&["failover", "--window", "0s", "--dry-run"], 0)
        .await;
    assert!(!told.contains("has run out"), "{told}");
    let answered = [&failover[..], &["--despite-residency", "patients need it"]].concat();
    stage.run(&answered, 0).await;
    let (json, _) = stage.run(&["runs", "show", "--output", "json"], 0).await;
    let run: serde_json::Value = serde_json::from_str(&json).unwrap();
    let noted = &run["steps"]["report"]["outcome"]["result"]["residency"];
    assert_eq!(noted["despite"], "patients need it", "{run}");
    assert_eq!(noted["exceptions"].as_array().unwrap().len(), 2, "{run}");
    // What follows from the records is in JSON, Markdown and the page alike.
    let facts = &run["facts"];
    let outside = &facts["outside_country"];
    assert_eq!(outside["region"], "ca-west-1", "{facts:#}");
    assert_eq!(
        (&outside["country"], &outside["until"]),
        (&"CA".into(), &serde_json::Value::Null)
    );
    assert_eq!(outside["despite"], "patients need it");
    assert!(outside["seconds"].is_u64(), "{facts:#}");
    assert!(
        facts["report"]["rto_from_detection_seconds"].is_u64(),
        "{facts:#}"
    );
    assert!(
        facts["report"]["clocks"]["detected"].is_string(),
        "{facts:#}"
    );
    assert_eq!(
        facts["report"]["kinds"]["states"]["rpo_seconds"],
        serde_json::Value::Null
    );
    assert!(run["calls"]["ca-west-1"].as_u64().unwrap() > 20, "{run:#}");
    assert!(
        run["calls"]["ca-central-1"].as_u64().unwrap() > 2,
        "{run:#}"
    );
    let page = stage.folder.path().join("page.html");
    let html = page.to_str().unwrap();
    let (markdown, _) = stage
        .run(&["runs", "show", "--markdown", "--html", html], 0)
        .await;
    let page = std::fs::read_to_string(&page).unwrap();
    for told in [
        "RTO, from when it was seen",
        "RPO of Terraform states",
        "When what happened",
        "Outside the country",
        "patients need it",
        "Calls until the last record",
        "an hour in the DR region costs",
    ] {
        assert!(markdown.contains(told), "{told}: {markdown}");
        assert!(page.contains(told), "{told}: {page}");
    }
}
