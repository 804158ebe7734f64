//! Drill after drill with the real terraform: into the DR region and back, and nothing is left that the next one would
//! stumble over.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use end_to_end::{EXAMPLE, Finished, Programs, missing_tool};
use jiff::Timestamp;
use local_aws::{LocalAws, RegionState};
use serde_json::{Value, json};
use terraform::LockInfo;

const PRIMARY: &str = "ca-central-1";
const ROOTS: [&str; 2] = ["staging", "network"];
const DIRS: [&str; 4] = ["--dir", "staging", "--dir", "network"];
const DRILLS: u64 = 10;

/// Resources of every kind that a provider from a registry is not needed for.
fn code(key: &str) -> String {
    format!(
        r#"
terraform {{
  backend "s3" {{
{key}  }}
}}
variable "note" {{}}
resource "terraform_data" "database" {{
  count = 2
  input = {{ workspace = terraform.workspace, note = var.note, index = count.index }}
}}
"#
    )
}

struct Stage {
    aws: LocalAws,
    programs: Programs,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Two roots in the primary region, of which one works in a workspace.
    async fn open() -> Result<Option<Self>> {
        if let Some(why) = missing_tool() {
            skipped(&why);
            return Ok(None);
        }
        let Some(aws) = LocalAws::start_or_skip().await? else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("infra.toml"), EXAMPLE)?;
        let programs = Programs::new(env!("CARGO_BIN_EXE_drill"), folder.path(), &aws);
        let stage = Self {
            aws,
            programs,
            folder,
        };
        stage.init_backend(&["apply", "--yes"])?.exits(0)?;
        let rendered = stage.init_backend(&["render", "primary"])?.exits(0)?;
        let rendered = rendered.stdout();
        let keyless = rendered.lines().filter(|line| !line.starts_with("key "));
        let keyless = keyless.collect::<Vec<_>>().join("\n");
        let key = "    key = \"net/terraform.tfstate\"\n";
        for (root, config, key) in [
            ("staging", rendered.as_str(), ""),
            ("network", &keyless, key),
        ] {
            fs::create_dir(stage.root(root))?;
            fs::write(stage.root(root).join("main.tf"), code(key))?;
            fs::write(stage.root(root).join("first.s3.tfbackend"), config)?;
            let init = ["init", "-backend-config=first.s3.tfbackend"];
            stage.terraform(root, &init)?.exits(0)?;
        }
        stage
            .terraform("network", &["workspace", "new", "prod"])?
            .exits(0)?;
        Ok(Some(stage))
    }

    fn root(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn init_backend(&self, arguments: &[&str]) -> Result<Finished> {
        tokio::task::block_in_place(|| self.programs.run("init-backend", arguments))
    }

    fn terraform(&self, root: &str, arguments: &[&str]) -> Result<Finished> {
        let folder = format!("-chdir={}", self.root(root).display());
        let all = [&[folder.as_str()], arguments].concat();
        tokio::task::block_in_place(|| self.programs.run_tool("terraform", &all))
    }

    /// A command that takes the lock. Terraform's SDK sends a conditional write again when it has seen no answer, and is
    /// then refused by the lock that it has taken itself. Nobody else works here, so a lock that is younger than the
    /// command is its own, and is released as an operator would.
    fn locking(&self, root: &str, arguments: &[&str]) -> Result<Finished> {
        let begun = Timestamp::now();
        let ran = self.terraform(root, arguments)?;
        let lock = LockInfo::from_message(&ran.stderr());
        let Some(lock) = lock.filter(|lock| lock.created.is_some_and(|time| time >= begun)) else {
            return Ok(ran);
        };
        let side = match lock.path.starts_with("berthcare-terraform-state-dr/") {
            true => "dr",
            false => "primary",
        };
        let unlock = ["unlock", lock.id.as_str(), "--yes", "--side", side];
        self.init_backend(&unlock)?.exits(0)?;
        self.terraform(root, arguments)
    }

    fn apply(&self, note: &str) -> Result<()> {
        let note = format!("-var=note={note}");
        for root in ROOTS {
            let apply = ["apply", "-auto-approve", "-no-color", &note];
            self.locking(root, &apply)?.exits(0)?;
        }
        Ok(())
    }

    fn assert_plans_are_empty(&self, note: &str) -> Result<()> {
        let note = format!("-var=note={note}");
        for root in ROOTS {
            let plan = ["plan", "-detailed-exitcode", "-no-color", &note];
            self.locking(root, &plan)?.exits(0)?;
        }
        Ok(())
    }

    /// The relation of each state once it is `wanted` for all, with what `status` ends with then.
    fn status(&self, wanted: &str, exit: i32) -> Result<Value> {
        let mut last = Value::Null;
        for _ in 0..300 {
            let status = self.init_backend(&["status", "--output", "json"])?;
            let code = status.code();
            last = status.json()?;
            let states = last["states"].as_array().context("states")?;
            let is_wanted = states.iter().all(|state| state["relation"] == wanted);
            if is_wanted && states.len() == ROOTS.len() && code == Some(exit) {
                return Ok(last);
            }
            // Replication is on its way.
            std::thread::sleep(Duration::from_millis(100));
        }
        anyhow::bail!("the states are not {wanted}, with exit {exit}: {last:#}")
    }

    fn turn(&self, command: &str) -> Result<()> {
        let all = [&[command, "--yes", "--output", "json"], &DIRS[..]].concat();
        let turned = self.init_backend(&all)?.exits(0)?.json()?;
        for root in turned["roots"].as_array().context("roots")? {
            assert_eq!(root["failed"], Value::Null, "{turned:#}");
            assert_eq!(root["resources"], 1, "{turned:#}");
            assert_eq!(root["locks"], json!(["s3", "dynamodb"]), "{turned:#}");
        }
        Ok(())
    }

    fn assert_nothing_is_locked(&self) -> Result<()> {
        let locks = self.init_backend(&["locks", "--output", "json"])?;
        let locks = locks.exits(0)?.json()?;
        for side in locks["sides"].as_array().context("sides")? {
            assert_eq!(side["locks"], json!([]), "{locks:#}");
        }
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

// aws-behaviour: 46
#[tokio::test(flavor = "multi_thread")]
async fn ten_drills_and_failbacks_in_a_row_leave_every_plan_empty_and_every_status_right()
-> Result<()> {
    let Some(stage) = Stage::open().await? else {
        return Ok(());
    };
    for drill in 0..DRILLS {
        let (here, there) = (format!("primary-{drill}"), format!("dr-{drill}"));
        stage.apply(&here)?;
        stage.status("same", 0)?;

        stage.aws.set_region(PRIMARY, RegionState::Refuse);
        stage.turn("failover")?;
        stage.assert_plans_are_empty(&here)?;
        stage.apply(&there)?;
        let lost = stage.status("unknown", 3)?;
        assert_eq!(
            lost["states"][0]["copies"][1]["digest"], "matches",
            "{lost:#}"
        );

        stage.aws.set_region(PRIMARY, RegionState::Up);
        let ahead = stage.status("dr-ahead", 1)?;
        let states = ahead["states"].as_array().context("states")?;
        assert!(
            states.iter().all(|state| state["serials"] == 1),
            "{ahead:#}"
        );
        stage.turn("failback")?;
        stage.assert_plans_are_empty(&there)?;
        stage.status("same", 0)?;
        stage.assert_nothing_is_locked()?;
    }
    stage.init_backend(&["verify"])?.exits(0)?;
    Ok(())
}
