//! Drill after drill with the real terraform: into the DR region and back, and nothing is left that the next one would
//! stumble over.

use std::time::Duration;

use anyhow::{Context as _, Result};
use end_to_end::Stage;
use local_aws::RegionState;
use serde_json::{Value, json};

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

/// Two roots in the primary region, of which one works in a workspace.
struct Drills(Stage);

impl Drills {
    async fn open() -> Result<Option<Self>> {
        let drill = env!("CARGO_BIN_EXE_drill");
        let Some(stage) = Stage::open_with_terraform(drill).await? else {
            return Ok(None);
        };
        let key = "    key = \"net/terraform.tfstate\"\n";
        for (root, key) in [("staging", ""), ("network", key)] {
            stage.write_root(root, &code(key))?;
            stage.init_root(root, !key.is_empty())?;
        }
        stage
            .terraform("network", &["workspace", "new", "prod"])?
            .exits(0)?;
        Ok(Some(Self(stage)))
    }

    fn apply(&self, note: &str) -> Result<()> {
        let note = format!("-var=note={note}");
        for root in ROOTS {
            let apply = ["apply", "-auto-approve", "-no-color", &note];
            self.0.terraform(root, &apply)?.exits(0)?;
        }
        Ok(())
    }

    fn assert_plans_are_empty(&self, note: &str) -> Result<()> {
        let note = format!("-var=note={note}");
        for root in ROOTS {
            let plan = ["plan", "-detailed-exitcode", "-no-color", &note];
            self.0.terraform(root, &plan)?.exits(0)?;
        }
        Ok(())
    }

    /// The relation of each state once it is `wanted` for all, with what `status` ends with then.
    fn status(&self, wanted: &str, exit: i32) -> Result<Value> {
        let mut last = Value::Null;
        for _ in 0..300 {
            let status = self.0.init_backend(&["status", "--output", "json"])?;
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
        let turned = self.0.init_backend(&all)?.exits(0)?.json()?;
        for root in turned["roots"].as_array().context("roots")? {
            assert_eq!(root["failed"], Value::Null, "{turned:#}");
            assert_eq!(root["resources"], 1, "{turned:#}");
            assert_eq!(root["locks"], json!(["s3", "dynamodb"]), "{turned:#}");
        }
        Ok(())
    }

    fn assert_nothing_is_locked(&self) -> Result<()> {
        let locks = self.0.init_backend(&["locks", "--output", "json"])?;
        let locks = locks.exits(0)?.json()?;
        for side in locks["sides"].as_array().context("sides")? {
            assert_eq!(side["locks"], json!([]), "{locks:#}");
        }
        Ok(())
    }
}

// aws-behaviour: 46
#[tokio::test(flavor = "multi_thread")]
async fn ten_drills_and_failbacks_in_a_row_leave_every_plan_empty_and_every_status_right()
-> Result<()> {
    let Some(stage) = Drills::open().await? else {
        return Ok(());
    };
    for drill in 0..DRILLS {
        let (here, there) = (format!("primary-{drill}"), format!("dr-{drill}"));
        stage.apply(&here)?;
        stage.status("same", 0)?;

        stage.0.aws.set_region(PRIMARY, RegionState::Refuse);
        stage.turn("failover")?;
        stage.assert_plans_are_empty(&here)?;
        stage.apply(&there)?;
        let lost = stage.status("unknown", 3)?;
        assert_eq!(
            lost["states"][0]["copies"][1]["digest"], "matches",
            "{lost:#}"
        );

        stage.0.aws.set_region(PRIMARY, RegionState::Up);
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
    stage.0.init_backend(&["verify"])?.exits(0)?;
    Ok(())
}
