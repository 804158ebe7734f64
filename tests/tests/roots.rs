//! Root modules turned from one region to the other, with the real terraform.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use end_to_end::{EXAMPLE, Finished, Programs, missing_tool};
use jiff::Timestamp;
use jiff::civil::date;
use local_aws::{LocalAws, REMOVED_VARIABLES, RegionState};
use report::Silent;
use serde_json::{Value, json};
use settings::Settings;
use state_backend::{
    Backend, FoundFile, KeyFrom, LockHolder, RootError, RootPlan, RootStep, SideName, TurnError,
    TurnedRoot,
};
use terraform::{Environment, RootModule, Terraform};

const PRIMARY: &str = "ca-central-1";

/// Its key comes from `-backend-config`.
const STAGING: &str = r#"
terraform {
  backend "s3" {}
}
resource "terraform_data" "service" {
  for_each = { "a.b" = 1, "c[0]" = 2 }
  input    = each.value
}
"#;

/// Its key stands in its code, and it has a workspace prefix of its own.
const NETWORK: &str = r#"
terraform {
  backend "s3" {
    bucket               = "berthcare-terraform-state"
    key                  = "net/terraform.tfstate"
    workspace_key_prefix = "team/workspaces"
  }
}
variable "zone" { default = "a" }
resource "terraform_data" "vpc" {
  input = "${terraform.workspace}-${var.zone}"
}
module "subnets" {
  source   = "./subnets"
  for_each = toset(["data", "web.1"])
}
"#;

const SUBNETS: &str = "resource \"terraform_data\" \"subnet\" {\n  count = 2\n}\n";

struct Stage {
    aws: LocalAws,
    programs: Programs,
    folder: tempfile::TempDir,
    settings: Settings,
}

impl Stage {
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
            settings: Settings::parse(EXAMPLE, date(2026, 11, 22))?,
        };
        stage.run("init-backend", &["apply", "--yes"])?.exits(0)?;
        for (root, code) in [("staging", STAGING), ("network", NETWORK)] {
            fs::create_dir_all(stage.root(root))?;
            fs::write(stage.root(root).join("main.tf"), code)?;
        }
        fs::create_dir(stage.root("network/subnets"))?;
        fs::write(stage.root("network/subnets/main.tf"), SUBNETS)?;
        Ok(Some(stage))
    }

    fn root(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Finished> {
        tokio::task::block_in_place(|| self.programs.run(program, arguments))
    }

    fn terraform(&self, root: &str, arguments: &[&str]) -> Result<Finished> {
        let folder = format!("-chdir={}", self.root(root).display());
        let mut all = vec![folder.as_str()];
        all.extend(arguments);
        tokio::task::block_in_place(|| self.programs.run_tool("terraform", &all))
    }

    /// Both roots applied in the primary region, one of them in a workspace.
    fn apply_in_primary(&self) -> Result<()> {
        let rendered = self.run("init-backend", &["render", "primary"])?.exits(0)?;
        for (root, key) in [("staging", ""), ("network", "net/terraform.tfstate")] {
            let lines = rendered.stdout();
            let lines = lines
                .lines()
                .filter(|line| key.is_empty() || !line.starts_with("key "));
            let text = lines.collect::<Vec<_>>().join("\n");
            fs::write(self.root(root).join("by-hand.s3.tfbackend"), text)?;
            let init = ["init", "-backend-config=by-hand.s3.tfbackend"];
            self.terraform(root, &init)?.exits(0)?;
        }
        self.terraform("network", &["workspace", "new", "prod"])?
            .exits(0)?;
        for root in ["staging", "network"] {
            self.terraform(root, &["apply", "-auto-approve"])?
                .exits(0)?;
        }
        Ok(())
    }

    async fn backend(&self) -> Result<Backend> {
        let regions = &self.settings.regions;
        let env = aws_env::AwsEnv::load(aws_env::Options {
            endpoint_url: Some(self.aws.endpoint().to_owned()),
            credentials: Some(aws_credential_types::Credentials::new(
                "test", "test", None, None, "test",
            )),
            ..aws_env::Options::default()
        })
        .await?;
        Ok(Backend::connect(&self.settings, &env.both(regions.primary, regions.dr)).await?)
    }

    fn environment(&self) -> Environment {
        let own = std::env::vars_os()
            .filter(|(name, _)| !REMOVED_VARIABLES.iter().any(|removed| name == removed));
        let aws = self.aws.environment().into_iter();
        let aws = aws.map(|(name, value)| (name.into(), value.into()));
        Environment::new(own.chain(aws))
    }

    fn plans(&self, side: SideName, roots: &[&str]) -> Result<Vec<RootPlan>> {
        let endpoint = Some(self.aws.endpoint().to_owned());
        let endpoints = aws_env::Endpoints {
            s3: endpoint.clone(),
            dynamodb: endpoint.clone(),
            iam: endpoint.clone(),
            sts: endpoint,
        };
        let environment = self.environment();
        let roots = roots
            .iter()
            .map(|root| Ok(RootModule::read(&self.root(root), &environment)?));
        let roots = roots.collect::<Result<Vec<_>>>()?;
        let plans = RootPlan::all(&self.settings, &endpoints, side, &roots, &environment);
        Ok(plans?)
    }

    async fn turn(&self, backend: &Backend, plans: Vec<RootPlan>) -> Result<Vec<TurnedRoot>> {
        let terraform = Terraform::find(self.folder.path(), self.environment()).await?;
        let probe = LockHolder {
            held: state_backend::HeldLocks::default(),
            who: "jo@laptop".to_owned(),
            time: Timestamp::now(),
            token: format!("{:?}", std::time::Instant::now()),
        };
        let mut turned = Vec::new();
        for plan in plans {
            let root = plan.approve(false)?;
            turned.push(backend.turn_root(&root, &terraform, &probe, &Silent).await);
        }
        Ok(turned)
    }

    /// Waits until replication has brought an object to the DR bucket.
    async fn replicated(&self, key: &str) -> Result<()> {
        for _ in 0..600 {
            let head = ["s3api", "head-object", "--bucket", DR_BUCKET, "--key", key];
            let head = [&head[..], &["--region", "us-east-1"]].concat();
            if tokio::task::block_in_place(|| self.programs.run_tool("aws", &head))?.code()
                == Some(0)
            {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        anyhow::bail!("{key} is not replicated")
    }
}

const DR_BUCKET: &str = "berthcare-terraform-state-dr";
const NETWORK_STATE: &str = "team/workspaces/prod/net/terraform.tfstate";

#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

// aws-behaviour: 4
// aws-behaviour: 44
#[tokio::test(flavor = "multi_thread")]
async fn roots_are_turned_to_the_region_that_is_left_with_the_keys_that_they_have() -> Result<()> {
    let Some(stage) = Stage::open().await? else {
        return Ok(());
    };
    stage.apply_in_primary()?;
    for key in ["staging/terraform.tfstate", NETWORK_STATE] {
        stage.replicated(key).await?;
    }
    stage.aws.set_region(PRIMARY, RegionState::BlackHole);
    stage.aws.clear_log();

    let failover = ["failover", "--dir", "staging", "--dir", "network"];
    let planned = [&failover[..], &["--dry-run"]].concat();
    let planned = stage.run("init-backend", &planned)?.exits(0)?.stdout();
    for part in ["its last init", "its backend block", NETWORK_STATE, "new"] {
        ensure!(planned.contains(part), "{part}: {planned}");
    }
    ensure!(!stage.root("staging/dr.s3.tfbackend").exists());
    let yes = [&failover[..], &["--yes", "--output", "json"]].concat();
    let turned = stage.run("init-backend", &yes)?.exits(0)?.json()?;
    for (root, resources) in [(0, 1), (1, 3)] {
        let root = &turned["roots"][root];
        assert_eq!(root["failed"], Value::Null, "{turned:#}");
        assert_eq!(root["resources"], resources, "{turned:#}");
        assert_eq!(root["locks"], json!(["s3", "dynamodb"]), "{turned:#}");
    }
    // Of all that the program and terraform asked, nothing was meant for the lost region.
    let log = stage.aws.log();
    ensure!(log.len() > 20, "{log:#?}");
    let lost = log
        .iter()
        .filter(|entry| entry.region.as_deref() == Some(PRIMARY));
    assert_eq!(lost.count(), 0, "{log:#?}");
    for root in ["staging", "network"] {
        stage
            .terraform(root, &["plan", "-detailed-exitcode", "-no-color"])?
            .exits(0)?;
    }
    let locks = stage
        .run("init-backend", &["locks", "--output", "json"])?
        .json()?;
    let held = &locks["sides"][1];
    assert_eq!(held["locks"], serde_json::json!([]), "{held:#}");
    assert_eq!(held["unknown"], serde_json::json!([]), "{held:#}");

    // Again: the same end.
    let file = stage.root("staging/dr.s3.tfbackend");
    let written = fs::metadata(&file)?.modified()?;
    let plans = stage.plans(SideName::Dr, &["staging", "network"])?;
    assert!(plans.iter().all(|plan| plan.found == FoundFile::Current));
    let again = stage.run("init-backend", &yes)?.exits(0)?.json()?;
    assert_eq!(again["roots"], turned["roots"]);
    assert_eq!(fs::metadata(&file)?.modified()?, written);

    // And back.
    stage.aws.set_region(PRIMARY, RegionState::Up);
    let backend = stage.backend().await?;
    let plans = stage.plans(SideName::Primary, &["staging", "network"])?;
    assert_eq!(plans[0].key_from, KeyFrom::Init);
    for root in stage.turn(&backend, plans).await? {
        ensure!(root.failed.is_none(), "{root:#?}");
    }
    stage
        .terraform("network", &["plan", "-detailed-exitcode", "-no-color"])?
        .exits(0)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_is_not_turned_where_that_would_be_wrong_and_says_at_which_step() -> Result<()> {
    let Some(stage) = Stage::open().await? else {
        return Ok(());
    };
    let backend = stage.backend().await?;
    stage.apply_in_primary()?;
    stage.replicated("staging/terraform.tfstate").await?;

    // A file of somebody's own stays.
    let file = stage.root("staging/dr.s3.tfbackend");
    fs::write(&file, "key = \"mine\"\n")?;
    let plan = stage.plans(SideName::Dr, &["staging"])?.remove(0);
    assert_eq!(plan.found, FoundFile::Other);
    let refused = plan.approve(false).err().context("refused")?;
    ensure!(matches!(refused, RootError::OtherFile { .. }), "{refused}");
    assert_eq!(fs::read_to_string(&file)?, "key = \"mine\"\n");
    fs::remove_file(&file)?;

    // Somebody at work keeps the lock.
    let lock = "staging/terraform.tfstate.tflock";
    let held = stage.folder.path().join("lock");
    fs::write(
        &held,
        r#"{"ID":"9db590f1-b6fe-c5f2-2678-8804f089deba","Who":"kim@desk"}"#,
    )?;
    let body = held.display().to_string();
    let put = ["s3api", "put-object", "--bucket", DR_BUCKET, "--key", lock];
    let put = [&put[..], &["--body", &body, "--region", "us-east-1"]].concat();
    tokio::task::block_in_place(|| stage.programs.run_tool("aws", &put))?.exits(0)?;
    let plans = stage.plans(SideName::Dr, &["staging"])?;
    let turned = stage.turn(&backend, plans).await?.remove(0);
    let failed = turned.failed.context("failed")?;
    assert_eq!(failed.step, RootStep::Lock);
    let text = failed.error.to_string();
    ensure!(text.contains("kim@desk"), "{text}");
    let locks = backend.locks(SideName::Dr).await;
    assert_eq!(locks.held.len(), 1, "nothing of ours is left: {locks:#?}");
    // The program does not even begin: the state was left.
    fs::remove_file(&file)?;
    let failover = ["failover", "--dir", "staging", "--yes", "--output", "json"];
    let left = stage.run("init-backend", &failover)?.exits(4)?.json()?;
    let failed = &left["roots"][0]["failed"];
    let text = failed["error"].as_str().unwrap_or_default();
    ensure!(text.contains("was not made ready"), "{left:#}");
    ensure!(!file.exists());
    let id = "9db590f1-b6fe-c5f2-2678-8804f089deba";
    backend.release(SideName::Dr, id).await?;

    // What terraform would begin anew is not there.
    let gone = ["s3api", "delete-object", "--bucket", DR_BUCKET, "--key"];
    let gone = [
        &gone[..],
        &["staging/terraform.tfstate", "--region", "us-east-1"],
    ]
    .concat();
    tokio::task::block_in_place(|| stage.programs.run_tool("aws", &gone))?.exits(0)?;
    let plans = stage.plans(SideName::Dr, &["staging"])?;
    let turned = stage.turn(&backend, plans).await?.remove(0);
    let failed = turned.failed.context("failed")?;
    assert_eq!(failed.step, RootStep::List);
    let is_gone = matches!(
        &failed.error,
        TurnError::NoState {
            version: Some(_),
            ..
        }
    );
    ensure!(is_gone, "{:?}", failed.error);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_whose_backend_is_not_known_is_an_error_that_names_its_folder() -> Result<()> {
    let Some(stage) = Stage::open().await? else {
        return Ok(());
    };
    let rows = [
        ("resource \"terraform_data\" \"a\" {}", "no backend block"),
        (
            "terraform {\n  backend \"local\" {}\n}",
            "is \"local\", and not \"s3\"",
        ),
        ("terraform {\n  cloud {}\n}", "is \"cloud\""),
        (
            "terraform {\n  backend \"s3\" {\n    key = \"${var.a}/k\"\n  }\n}",
            "`key` in the backend block",
        ),
        (
            "terraform {\n  backend \"s3\" {\n    bucket = \"another-one\"\n  }\n}",
            "the bucket another-one",
        ),
        (
            "terraform {\n  backend \"s3\" {\n    sts_region = \"ca-central-1\"\n  }\n}",
            "`sts_region`",
        ),
    ];
    for (code, wanted) in rows {
        fs::write(stage.root("staging/main.tf"), code)?;
        let error = stage.plans(SideName::Dr, &["staging"]).err();
        let error = format!("{:#}", error.with_context(|| code.to_owned())?);
        ensure!(
            error.contains(wanted) && error.contains("staging"),
            "{error}"
        );
    }
    // Two folders that would work with one state.
    fs::write(stage.root("staging/main.tf"), STAGING)?;
    fs::write(stage.root("network/main.tf"), STAGING)?;
    let error = stage.plans(SideName::Dr, &["staging", "network"]).err();
    let error = error.context("one state for two")?.to_string();
    ensure!(error.contains("would both have the state"), "{error}");
    Ok(())
}
