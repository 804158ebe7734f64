//! Root modules turned from one region to the other, with the real terraform.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use end_to_end::{EXAMPLE, Stage};
use jiff::Timestamp;
use jiff::civil::date;
use local_aws::{REMOVED_VARIABLES, RegionState};
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

/// Two roots, which nobody has initialised yet.
struct Roots {
    stage: Stage,
    settings: Settings,
}

impl Roots {
    async fn open() -> Result<Option<Self>> {
        let drill = env!("CARGO_BIN_EXE_drill");
        let Some(stage) = Stage::open_with_terraform(drill).await? else {
            return Ok(None);
        };
        for (root, code) in [
            ("staging", STAGING),
            ("network", NETWORK),
            ("network/subnets", SUBNETS),
        ] {
            stage.write_root(root, code)?;
        }
        let settings = Settings::parse(EXAMPLE, date(2026, 11, 22))?;
        Ok(Some(Self { stage, settings }))
    }

    fn root(&self, name: &str) -> PathBuf {
        self.stage.root(name)
    }

    /// Both roots applied in the primary region, one of them in a workspace.
    fn apply_in_primary(&self) -> Result<()> {
        let stage = &self.stage;
        for (root, has_own_key) in [("staging", false), ("network", true)] {
            stage.init_root(root, has_own_key)?;
        }
        stage
            .terraform("network", &["workspace", "new", "prod"])?
            .exits(0)?;
        for root in ["staging", "network"] {
            stage
                .terraform(root, &["apply", "-auto-approve"])?
                .exits(0)?;
        }
        Ok(())
    }

    async fn backend(&self) -> Result<Backend> {
        let regions = &self.settings.regions;
        let env = aws_env::AwsEnv::load(aws_env::Options {
            endpoint_url: Some(self.stage.aws.endpoint().to_owned()),
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
        let aws = self.stage.aws.environment().into_iter();
        let aws = aws.map(|(name, value)| (name.into(), value.into()));
        Environment::new(own.chain(aws))
    }

    fn plans(&self, side: SideName, roots: &[&str]) -> Result<Vec<RootPlan>> {
        let endpoint = Some(self.stage.aws.endpoint().to_owned());
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
        let terraform = Terraform::find(self.stage.folder.path(), self.environment()).await?;
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
            if self.stage.tool("aws", &head)?.code() == Some(0) {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        anyhow::bail!("{key} is not replicated")
    }
}

const DR_BUCKET: &str = "berthcare-terraform-state-dr";
const NETWORK_STATE: &str = "team/workspaces/prod/net/terraform.tfstate";

// aws-behaviour: 4
// aws-behaviour: 44
#[tokio::test(flavor = "multi_thread")]
async fn roots_are_turned_to_the_region_that_is_left_with_the_keys_that_they_have() -> Result<()> {
    let Some(roots) = Roots::open().await? else {
        return Ok(());
    };
    roots.apply_in_primary()?;
    for key in ["staging/terraform.tfstate", NETWORK_STATE] {
        roots.replicated(key).await?;
    }
    roots.stage.aws.set_region(PRIMARY, RegionState::BlackHole);
    roots.stage.aws.clear_log();

    let failover = ["failover", "--dir", "staging", "--dir", "network"];
    let planned = [&failover[..], &["--dry-run"]].concat();
    let planned = roots.stage.init_backend(&planned)?.exits(0)?.stdout();
    for part in ["its last init", "its backend block", NETWORK_STATE, "new"] {
        ensure!(planned.contains(part), "{part}: {planned}");
    }
    ensure!(!roots.root("staging/dr.s3.tfbackend").exists());
    let yes = [&failover[..], &["--yes", "--output", "json"]].concat();
    let turned = roots.stage.init_backend(&yes)?.exits(0)?.json()?;
    for (root, resources) in [(0, 1), (1, 3)] {
        let root = &turned["roots"][root];
        assert_eq!(root["failed"], Value::Null, "{turned:#}");
        assert_eq!(root["resources"], resources, "{turned:#}");
        assert_eq!(root["locks"], json!(["s3", "dynamodb"]), "{turned:#}");
    }
    // Of all that the program and terraform asked, nothing was meant for the lost region.
    let log = roots.stage.aws.log();
    ensure!(log.len() > 20, "{log:#?}");
    let lost = log
        .iter()
        .filter(|entry| entry.region.as_deref() == Some(PRIMARY));
    assert_eq!(lost.count(), 0, "{log:#?}");
    for root in ["staging", "network"] {
        roots
            .stage
            .terraform(root, &["plan", "-detailed-exitcode", "-no-color"])?
            .exits(0)?;
    }
    let locks = roots
        .stage
        .init_backend(&["locks", "--output", "json"])?
        .json()?;
    let held = &locks["sides"][1];
    assert_eq!(held["locks"], serde_json::json!([]), "{held:#}");
    assert_eq!(held["unknown"], serde_json::json!([]), "{held:#}");

    // Again: the same end.
    let file = roots.root("staging/dr.s3.tfbackend");
    let written = fs::metadata(&file)?.modified()?;
    let plans = roots.plans(SideName::Dr, &["staging", "network"])?;
    assert!(plans.iter().all(|plan| plan.found == FoundFile::Current));
    let again = roots.stage.init_backend(&yes)?.exits(0)?.json()?;
    assert_eq!(again["roots"], turned["roots"]);
    assert_eq!(fs::metadata(&file)?.modified()?, written);

    // And back.
    roots.stage.aws.set_region(PRIMARY, RegionState::Up);
    let backend = roots.backend().await?;
    let plans = roots.plans(SideName::Primary, &["staging", "network"])?;
    assert_eq!(plans[0].key_from, KeyFrom::Init);
    for root in roots.turn(&backend, plans).await? {
        ensure!(root.failed.is_none(), "{root:#?}");
    }
    roots
        .stage
        .terraform("network", &["plan", "-detailed-exitcode", "-no-color"])?
        .exits(0)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_is_not_turned_where_that_would_be_wrong_and_says_at_which_step() -> Result<()> {
    let Some(roots) = Roots::open().await? else {
        return Ok(());
    };
    let backend = roots.backend().await?;
    roots.apply_in_primary()?;
    roots.replicated("staging/terraform.tfstate").await?;

    // A file of somebody's own stays.
    let file = roots.root("staging/dr.s3.tfbackend");
    fs::write(&file, "key = \"mine\"\n")?;
    let plan = roots.plans(SideName::Dr, &["staging"])?.remove(0);
    assert_eq!(plan.found, FoundFile::Other);
    let refused = plan.approve(false).err().context("refused")?;
    ensure!(matches!(refused, RootError::OtherFile { .. }), "{refused}");
    assert_eq!(fs::read_to_string(&file)?, "key = \"mine\"\n");
    fs::remove_file(&file)?;

    // Somebody at work keeps the lock.
    let lock = "staging/terraform.tfstate.tflock";
    let held = roots.stage.folder.path().join("lock");
    fs::write(
        &held,
        r#"{"ID":"9db590f1-b6fe-c5f2-2678-8804f089deba","Who":"kim@desk"}"#,
    )?;
    let body = held.display().to_string();
    let put = ["s3api", "put-object", "--bucket", DR_BUCKET, "--key", lock];
    let put = [&put[..], &["--body", &body, "--region", "us-east-1"]].concat();
    roots.stage.tool("aws", &put)?.exits(0)?;
    let plans = roots.plans(SideName::Dr, &["staging"])?;
    let turned = roots.turn(&backend, plans).await?.remove(0);
    let failed = turned.failed.context("failed")?;
    assert_eq!(failed.step, RootStep::Lock);
    let text = failed.error.to_string();
    ensure!(text.contains("kim@desk"), "{text}");
    let locks = backend.locks(SideName::Dr).await;
    assert_eq!(locks.held.len(), 1, "nothing of ours is left: {locks:#?}");
    // The program does not even begin: the state was left.
    fs::remove_file(&file)?;
    let failover = ["failover", "--dir", "staging", "--yes", "--output", "json"];
    let left = roots.stage.init_backend(&failover)?.exits(4)?.json()?;
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
    roots.stage.tool("aws", &gone)?.exits(0)?;
    let plans = roots.plans(SideName::Dr, &["staging"])?;
    let turned = roots.turn(&backend, plans).await?.remove(0);
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
    let Some(roots) = Roots::open().await? else {
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
        fs::write(roots.root("staging/main.tf"), code)?;
        let error = roots.plans(SideName::Dr, &["staging"]).err();
        let error = format!("{:#}", error.with_context(|| code.to_owned())?);
        ensure!(
            error.contains(wanted) && error.contains("staging"),
            "{error}"
        );
    }
    // Two folders that would work with one state.
    fs::write(roots.root("staging/main.tf"), STAGING)?;
    fs::write(roots.root("network/main.tf"), STAGING)?;
    let error = roots.plans(SideName::Dr, &["staging", "network"]).err();
    let error = error.context("one state for two")?.to_string();
    ensure!(error.contains("would both have the state"), "{error}");
    Ok(())
}
