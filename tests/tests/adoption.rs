//! A failover whose terraform dies while it applies: with its parent, before it and after it. Whoever goes on with the run makes
//! nothing twice, leaves no lock behind and ends with an empty plan.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::{Finished, Stage};
use local_aws::RegionState;
use serde_json::{Value, json};
use terraform::ChildId;

const PRIMARY: &str = "ca-central-1";
/// This only ends a test that went wrong.
const DEADLINE: Duration = Duration::from_secs(60);
/// As many resources are made at once, before one that waits.
const QUICK: usize = 4;

/// The DR environment: resources that are made at once, and one whose making waits for the file `go`. Each notes in `made` that
/// it was made, which its provider would do at AWS.
fn code(root: &str) -> String {
    format!(
        r#"
terraform {{
  backend "s3" {{ key = "{root}/terraform.tfstate" }}
}}
variable "mode" {{ default = "pilot-light" }}
locals {{ full = var.mode == "full" ? 1 : 0 }}
resource "terraform_data" "network" {{ input = "10.1.0.0/16" }}
resource "terraform_data" "quick" {{
  count = local.full * {QUICK}
  input = {{ network = terraform_data.network.output, index = count.index }}
  provisioner "local-exec" {{ command = "echo quick ${{count.index}} >>made" }}
}}
resource "terraform_data" "slow" {{
  count      = local.full
  depends_on = [terraform_data.quick]
  provisioner "local-exec" {{
    command = "touch begun; [ ! -e fail ] || exit 1; while [ ! -e go ]; do sleep 0.05; done; echo slow >>made"
  }}
}}
"#
    )
}

/// Who is killed with -9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    Terraform,
    Runbook,
    Both,
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Terraform's process is on record.
    OnRecord,
    /// What is made at once is made, and on record.
    HalfMade,
}

const CASES: [(Killed, Moment); 6] = [
    (Killed::Terraform, Moment::OnRecord),
    (Killed::Terraform, Moment::HalfMade),
    (Killed::Runbook, Moment::OnRecord),
    (Killed::Runbook, Moment::HalfMade),
    (Killed::Both, Moment::OnRecord),
    (Killed::Both, Moment::HalfMade),
];

/// An environment of its own in the one backend.
struct Environment<'a> {
    stage: &'a Stage,
    name: String,
}

impl Environment<'_> {
    fn root(&self) -> PathBuf {
        self.stage.root(&self.name)
    }

    /// Its settings, and its DR environment in the primary region, nearly empty.
    fn build(&self) -> Result<()> {
        let name = &self.name;
        let settings = format!(
            r#"
project = "berthcare"
environment = "{name}"
regions = {{ primary = "{PRIMARY}", dr = "us-east-1" }}
[[residency.exceptions]]
region = "us-east-1"
reason = "a test"
approved_by = "Privacy Officer"
expires = 2099-12-31
[state]
bucket = "berthcare-terraform-state"
lock_table = "berthcare-terraform-locks"
key = "{name}/terraform.tfstate"
locking = ["dynamodb", "s3"]
[state.dr]
bucket = "berthcare-terraform-state-dr"
lock_table = "berthcare-terraform-locks-dr"
role = "S3TerraformStateReplicationRole"
[failover]
terraform = "{name}"
variables = {{ mode = "full" }}
"#
        );
        fs::write(self.root().with_extension("toml"), settings)?;
        self.stage.write_root(name, &code(name))?;
        self.stage.init_root(name, true)?;
        let apply = ["apply", "-auto-approve", "-no-color"];
        self.stage.terraform(name, &apply)?.exits(0)?;
        Ok(())
    }

    fn arguments<'a>(&self, config: &'a str, command: &[&'a str]) -> Vec<&'a str> {
        [&["--config", config][..], command].concat()
    }

    fn fail_over(&self) -> Result<Child> {
        let config = format!("{}.toml", self.name);
        let command = ["failover", "--window", "0s", "--yes"];
        let arguments = self.arguments(&config, &command);
        self.stage.programs.start("dr-runbook", &arguments)
    }

    /// Without a terminal, and without leave for anything that has to be asked.
    fn resume(&self) -> Result<Finished> {
        let config = format!("{}.toml", self.name);
        let arguments = self.arguments(&config, &["runs", "resume", "--output", "json"]);
        tokio::task::block_in_place(|| self.stage.programs.run("dr-runbook", &arguments))
    }

    /// The notes of the step, as the copy of the records on this machine has them.
    fn notes(&self) -> Vec<Value> {
        let environment = format!("berthcare-{}", self.name);
        let runs = self
            .stage
            .root("state/dr-runbook")
            .join(environment)
            .join("runs");
        let mut records = Vec::new();
        for run in fs::read_dir(runs).into_iter().flatten().flatten() {
            let files = fs::read_dir(run.path()).into_iter().flatten().flatten();
            records.extend(files.map(|file| file.path()));
        }
        records.sort();
        let read = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).ok()?).ok();
        let records = records.iter().filter_map(|path| read(path));
        let notes = records.filter(|record| record["event"]["step"] == "terraform");
        notes
            .map(|record| record["event"]["note"].clone())
            .collect()
    }

    /// The terraform that is on record last.
    fn child(&self) -> Option<ChildId> {
        let mut notes = self.notes();
        notes.retain(|note| note["apply"] == "began");
        serde_json::from_value(notes.pop()?["child"].clone()).ok()
    }

    fn made_on_record(&self) -> usize {
        let notes = self.notes();
        let made = notes.iter().filter_map(|note| note["made"].as_object());
        made.map(serde_json::Map::len).sum()
    }

    fn made(&self) -> Vec<String> {
        let text = fs::read_to_string(self.root().join("made")).unwrap_or_default();
        let mut made: Vec<String> = text.lines().map(str::to_owned).collect();
        made.sort();
        made
    }
}

fn kill(pid: u32) -> Result<()> {
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()?;
    ensure!(killed.success(), "{pid} was gone already");
    Ok(())
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

fn killed_and_resumed(environment: &Environment<'_>, who: Killed, at: Moment) -> Result<()> {
    let of = format!("{who:?} {at:?}");
    let mut runbook = environment.fail_over()?;
    let child = until("terraform is on record", || {
        let has_ended = runbook.try_wait().is_ok_and(|ended| ended.is_some());
        environment
            .child()
            .map(Some)
            .or_else(|| has_ended.then_some(None))
    })?;
    let Some(child) = child else {
        anyhow::bail!(
            "{of}: the failover ended before: {:?}",
            environment.resume()?
        );
    };
    if at == Moment::HalfMade {
        until("what is made at once is on record", || {
            (environment.made_on_record() == QUICK).then_some(())
        })?;
        until("the last one is begun", || {
            environment.root().join("begun").exists().then_some(())
        })?;
    }
    if who != Killed::Terraform {
        runbook.kill()?;
    }
    if who != Killed::Runbook {
        kill(child.pid)?;
    }
    let ended = runbook.wait()?;
    if who == Killed::Terraform {
        assert_eq!(ended.code(), Some(1), "{of}");
    }
    if at == Moment::HalfMade {
        assert_eq!(environment.made().len(), QUICK, "{of}");
    }
    let resumed = std::thread::scope(|scope| {
        let resuming = scope.spawn(|| environment.resume());
        // What an earlier terraform has begun does not go on by itself then.
        let again = || environment.child().filter(|other| *other != child);
        until("another terraform is on record", || {
            again()
                .map(drop)
                .or_else(|| resuming.is_finished().then_some(()))
        })?;
        fs::write(environment.root().join("go"), "")?;
        resuming
            .join()
            .map_err(|_| anyhow::anyhow!("the test went wrong"))?
    });
    let resumed = resumed?.exits(0).with_context(|| of.clone())?;
    let run = resumed.json()?;
    check_end(environment, &run, &of)
}

/// Everything is made once, nothing is locked, and nothing is left to do.
fn check_end(environment: &Environment<'_>, run: &Value, of: &str) -> Result<()> {
    assert_eq!(run["status"], "finished", "{of}: {run:#}");
    let mut wanted: Vec<String> = (0..QUICK).map(|index| format!("quick {index}")).collect();
    wanted.push("slow".to_owned());
    assert_eq!(environment.made(), wanted, "{of}: {run:#}");
    let plan = ["plan", "-detailed-exitcode", "-no-color"];
    environment
        .stage
        .terraform(&environment.name, &plan)?
        .exits(0)
        .with_context(|| of.to_owned())?;
    // The primary region does not answer: its locks are unknown.
    let locks = ["locks", "--output", "json"];
    let locks = environment.stage.init_backend(&locks)?.exits(3)?.json()?;
    let sides = locks["sides"].as_array().context("sides")?;
    let dr = sides.iter().find(|side| side["side"] == "dr");
    let dr = dr.with_context(|| format!("{locks:#}"))?;
    assert_eq!(dr["locks"], json!([]), "{of}: {locks:#}");
    assert_eq!(dr["unknown"], json!([]), "{of}: {locks:#}");
    let left = fs::read_dir(environment.root())?.flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(
        !left.iter().any(|name| name == "dr_runbook_adopted.tf"),
        "{of}: {left:?}"
    );
    Ok(())
}

/// What it had half made is tainted then, and made anew without a question. The folder is, as on another machine, as it was
/// checked out.
fn failed_and_resumed(environment: &Environment<'_>) -> Result<()> {
    fs::write(environment.root().join("fail"), "")?;
    let ended = environment.fail_over()?.wait()?;
    assert_eq!(ended.code(), Some(1));
    assert_eq!(environment.made().len(), QUICK);
    fs::remove_file(environment.root().join("fail"))?;
    fs::write(environment.root().join("go"), "")?;
    fs::remove_dir_all(environment.root().join(".terraform"))?;
    for file in fs::read_dir(environment.root())?.flatten() {
        if file
            .path()
            .extension()
            .is_some_and(|ending| ending == "tfbackend")
        {
            fs::remove_file(file.path())?;
        }
    }
    let run = environment.resume()?.exits(0)?.json()?;
    check_end(environment, &run, "failed half-way")
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_whose_terraform_or_its_parent_is_killed_makes_nothing_twice() -> Result<()> {
    let Some(stage) = Stage::open_with_terraform(env!("CARGO_BIN_EXE_drill")).await? else {
        return Ok(());
    };
    let environments: Vec<_> = (0..=CASES.len())
        .map(|case| Environment {
            stage: &stage,
            name: format!("e{case}"),
        })
        .collect();
    for environment in &environments {
        environment.build()?;
    }
    until("the states are replicated", || {
        let status = stage
            .init_backend(&["status", "--output", "json"])
            .ok()?
            .json()
            .ok()?;
        let states = status["states"].as_array()?;
        // The settings' own key has no state here.
        let same = states.iter().filter(|state| state["relation"] == "same");
        (same.count() == environments.len()).then_some(())
    })?;
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    for (environment, (who, at)) in environments.iter().zip(CASES) {
        tokio::task::block_in_place(|| killed_and_resumed(environment, who, at))?;
    }
    let last = environments.last().context("environments")?;
    tokio::task::block_in_place(|| failed_and_resumed(last))?;
    Ok(())
}
