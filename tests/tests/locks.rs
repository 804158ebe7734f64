//! The locks that a terraform leaves which was killed, and what it takes to go on.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::{Finished, Stage};
use local_aws::REMOVED_VARIABLES;
use serde_json::Value;

/// With `hang`, an apply does not end by itself.
const CODE: &str = r#"
terraform {
  backend "s3" {}
}
variable "hang" { default = false }
resource "terraform_data" "work" {
  triggers_replace = var.hang
  provisioner "local-exec" {
    command = var.hang ? "touch began; exec sleep 600" : "true"
  }
}
"#;

/// One root in the primary region.
struct Root(Stage);

impl Root {
    async fn open() -> Result<Option<Self>> {
        let drill = env!("CARGO_BIN_EXE_drill");
        let Some(stage) = Stage::open_with_terraform(drill).await? else {
            return Ok(None);
        };
        stage.write_root("root", CODE)?;
        stage.init_root("root", false)?;
        Ok(Some(Self(stage)))
    }

    fn terraform(&self, arguments: &[&str]) -> Result<Finished> {
        self.0.terraform("root", arguments)
    }

    /// Begins an apply that does not end, waits until it is at work, and kills it with all that it has started.
    fn kill_an_apply(&self) -> Result<()> {
        let began = self.0.root("root").join("began");
        let _ = std::fs::remove_file(&began);
        let mut command = Command::new("terraform");
        for name in REMOVED_VARIABLES {
            command.env_remove(name);
        }
        let mut child = command
            .args(["apply", "-auto-approve", "-var=hang=true"])
            .current_dir(self.0.root("root"))
            .envs(self.0.aws.environment())
            .env_remove("TF_CLI_CONFIG_FILE")
            .env("CHECKPOINT_DISABLE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let is_at_work = tokio::task::block_in_place(|| wait_for(&began, &mut child));
        let group = format!("-{}", child.id());
        let killed = Command::new("kill").args(["-9", "--", &group]).status()?;
        child.wait()?;
        is_at_work?;
        ensure!(killed.success(), "the group {group} is not killed");
        Ok(())
    }

    fn held(&self) -> Result<Vec<Value>> {
        let locks = self.0.init_backend(&["locks", "--output", "json"])?;
        let locks = locks.exits(0)?.json()?;
        let held = locks["sides"][0]["locks"].as_array().cloned();
        held.context("locks")
    }

    fn unlock(&self, id: &str) -> Result<Finished> {
        self.0.init_backend(&["unlock", id, "--yes"])
    }
}

fn wait_for(file: &std::path::Path, child: &mut Child) -> Result<()> {
    let begun = Instant::now();
    while !file.exists() {
        ensure!(child.try_wait()?.is_none(), "the apply ended by itself");
        ensure!(begun.elapsed() < Duration::from_secs(120), "no apply began");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The value behind a label of terraform's lock message.
fn told(text: &str, label: &str) -> Result<String> {
    let line = text.lines().find_map(|line| {
        let line = line.trim_start_matches(['│', ' ']);
        line.strip_prefix(label).map(str::trim)
    });
    Ok(line
        .with_context(|| format!("no {label} in {text}"))?
        .to_owned())
}

// aws-behaviour: 21
// aws-behaviour: 22
// aws-behaviour: 44
#[tokio::test(flavor = "multi_thread")]
async fn locks_of_an_apply_that_was_killed_are_named_and_released_by_their_id_alone() -> Result<()>
{
    let Some(stage) = Root::open().await? else {
        return Ok(());
    };
    let path = |state: &str| format!("berthcare-terraform-state/{state}");
    for (workspace, state) in [
        ("default", "staging/terraform.tfstate"),
        ("prod", "env:/prod/staging/terraform.tfstate"),
    ] {
        if workspace != "default" {
            stage
                .terraform(&["workspace", "new", workspace])?
                .exits(0)?;
        }
        let apply = ["apply", "-auto-approve", "-no-color"];
        stage.terraform(&apply)?.exits(0)?;
        stage.kill_an_apply()?;

        // As terraform's own error names it, in both places.
        let blocked = stage.terraform(&apply)?.exits(1)?.stderr();
        let id = told(&blocked, "ID:")?;
        let held = stage.held()?;
        let places: Vec<_> = held.iter().map(|lock| lock["place"].clone()).collect();
        assert_eq!(places, [path(state), format!("{state}.tflock")]);
        for lock in &held {
            let info = &lock["info"];
            assert_eq!(info["ID"], *id, "{blocked}");
            assert_eq!(info["Who"], *told(&blocked, "Who:")?);
            assert_eq!(info["Operation"], *told(&blocked, "Operation:")?);
            assert_eq!(info["Path"], *told(&blocked, "Path:")?);
            assert_eq!(info["Path"], path(state));
        }
        let table = stage.0.init_backend(&["locks"])?.exits(0)?.stdout();
        ensure!(table.contains(&id), "{table}");

        // No other ID, the lock's in another case included.
        for wrong in [id.to_uppercase(), id.replacen(&id[..1], "g", 1)] {
            stage.unlock(&wrong)?.exits(2)?;
        }
        assert_eq!(stage.held()?.len(), 2);
        stage.terraform(&apply)?.exits(1)?;

        let released = stage.unlock(&id)?.exits(0)?.stdout();
        ensure!(released.contains(".tflock"), "{released}");
        assert_eq!(stage.held()?, Vec::<Value>::new());
        stage.terraform(&apply)?.exits(0)?;
        let empty = ["plan", "-detailed-exitcode", "-no-color"];
        stage.terraform(&empty)?.exits(0)?;
        assert_eq!(stage.held()?, Vec::<Value>::new());
    }
    Ok(())
}
