//! A terraform that does not heed Ctrl-C: the failover ends all the same, by itself or at the second one, and whoever goes on
//! with the run finds no lock that a person has to release.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::Stage;
use local_aws::RegionState;
use serde_json::{Value, json};

const PRIMARY: &str = "ca-central-1";
/// This only ends a test that went wrong.
const DEADLINE: Duration = Duration::from_secs(120);

const SETTINGS: &str = r#"
project = "berthcare"
environment = "deaf"
regions = { primary = "ca-central-1", dr = "us-east-1" }
[[residency.exceptions]]
region = "us-east-1"
reason = "a test"
approved_by = "Privacy Officer"
expires = 2099-12-31
[state]
bucket = "berthcare-terraform-state"
lock_table = "berthcare-terraform-locks"
key = "deaf/terraform.tfstate"
locking = ["dynamodb", "s3"]
[state.dr]
bucket = "berthcare-terraform-state-dr"
lock_table = "berthcare-terraform-locks-dr"
role = "S3TerraformStateReplicationRole"
[failover]
terraform = "deaf"
variables = { mode = "full" }
"#;

const CODE: &str = r#"
terraform {
  backend "s3" { key = "deaf/terraform.tfstate" }
}
variable "mode" { default = "pilot-light" }
resource "terraform_data" "application" {
  count = var.mode == "full" ? 1 : 0
}
"#;

/// The real terraform, but for an apply while the file `deaf` is there: it hears no interrupt, and never ends.
const DEAF: &str = r#"#!/bin/sh
for word; do
  if [ "$word" = apply ] && [ -e deaf ]; then
    trap '' INT
    echo $$ >>begun
    while :; do sleep 0.05; done
  fi
done
exec "$REAL_TERRAFORM" "$@"
"#;

struct Environment {
    stage: Stage,
}

impl Environment {
    async fn build() -> Result<Option<Self>> {
        let Some(stage) = Stage::open_with_terraform(env!("CARGO_BIN_EXE_drill")).await? else {
            return Ok(None);
        };
        let folder = stage.folder.path();
        fs::write(folder.join("deaf.toml"), SETTINGS)?;
        stage.write_root("deaf", CODE)?;
        stage.init_root("deaf", true)?;
        stage
            .terraform("deaf", &["apply", "-auto-approve", "-no-color"])?
            .exits(0)?;
        until("the state is replicated", || {
            let status = stage
                .init_backend(&["status", "--output", "json"])
                .ok()?
                .json()
                .ok()?;
            let states = status["states"].as_array()?;
            let mut same = states.iter().filter(|state| state["relation"] == "same");
            same.next().map(drop)
        })?;
        stage.aws.set_region(PRIMARY, RegionState::Refuse);
        let bin = folder.join("bin");
        fs::create_dir(&bin)?;
        fs::write(bin.join("terraform"), DEAF)?;
        fs::set_permissions(bin.join("terraform"), fs::Permissions::from_mode(0o755))?;
        fs::write(folder.join("deaf/deaf"), "")?;
        Ok(Some(Self { stage }))
    }

    /// The program with the deaf terraform.
    fn start(&self, command: &[&str]) -> Result<Child> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path);
        let real = folders
            .map(|folder| folder.join("terraform"))
            .find(|path| path.is_file())
            .context("terraform")?;
        let own = self.stage.folder.path().join("bin");
        let folders = std::iter::once(own).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders)?
            .to_string_lossy()
            .into_owned();
        let real = real.to_string_lossy().into_owned();
        let arguments = [&["--config", "deaf.toml"][..], command].concat();
        let programs = self.stage.programs.clone();
        let programs = programs.with("PATH", path).with("REAL_TERRAFORM", real);
        programs.start("dr-runbook", &arguments)
    }

    /// How many applies have begun that do not listen.
    fn begun(&self) -> usize {
        let begun = self.stage.root("deaf/begun");
        fs::read_to_string(begun)
            .unwrap_or_default()
            .lines()
            .count()
    }

    /// What is recorded of the step, on this machine.
    fn records(&self) -> String {
        let mut texts = String::new();
        let mut folders = vec![self.stage.root("state")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path => texts.push_str(&fs::read_to_string(path).unwrap_or_default()),
                }
            }
        }
        texts
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(begun.elapsed() < DEADLINE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn interrupt(child: &Child) -> Result<()> {
    let sent = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()?;
    ensure!(sent.success(), "it has ended");
    Ok(())
}

const FAIL_OVER: [&str; 6] = [
    "failover",
    "--window",
    "0s",
    "--yes",
    "--terraform-grace",
    "1s",
];
const RESUME: [&str; 6] = [
    "runs",
    "resume",
    "--approve",
    "auto",
    "--terraform-grace",
    "1s",
];

fn carry(environment: &Environment) -> Result<()> {
    // Once: what is under way has its time of grace, and no more.
    let mut failover = environment.start(&FAIL_OVER)?;
    until("terraform applies", || {
        (environment.begun() == 1).then_some(())
    })?;
    interrupt(&failover)?;
    assert_eq!(failover.wait()?.code(), Some(130));
    let told = "did not end within 1s of its interrupt, and was killed";
    ensure!(
        environment.records().contains(told),
        "{}",
        environment.records()
    );
    // Twice: at once, and terraform's watchdog sees to it.
    let mut resumed = environment.start(&RESUME)?;
    until("terraform applies again", || {
        (environment.begun() == 2).then_some(())
    })?;
    interrupt(&resumed)?;
    interrupt(&resumed)?;
    assert_eq!(resumed.wait()?.code(), Some(130));
    // A terraform that listens.
    fs::remove_file(environment.stage.root("deaf/deaf"))?;
    let ended = environment.start(&RESUME)?.wait()?;
    ensure!(ended.success(), "{ended} {}", environment.records());
    let stage = &environment.stage;
    let plan = ["plan", "-detailed-exitcode", "-no-color"];
    stage.terraform("deaf", &plan)?.exits(0)?;
    let locks: Value = stage
        .init_backend(&["locks", "--output", "json"])?
        .exits(3)?
        .json()?;
    let sides = locks["sides"].as_array().context("sides")?;
    let dr = sides.iter().find(|side| side["side"] == "dr");
    let dr = dr.with_context(|| format!("{locks:#}"))?;
    assert_eq!(dr["locks"], json!([]), "{locks:#}");
    assert_eq!(dr["unknown"], json!([]), "{locks:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_whose_terraform_is_deaf_to_interrupts_ends_and_can_be_resumed() -> Result<()> {
    let Some(environment) = Environment::build().await? else {
        return Ok(());
    };
    tokio::task::block_in_place(|| carry(&environment))
}
