//! A folder with settings and a root module, the state's backend on a local AWS, and the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options};
use local_aws::{LocalAws, REMOVED_VARIABLES};
use report::Silent;
use serde_json::Value;
use settings::Settings;
use state_backend::Backend;
use tempfile::TempDir;
use terraform::{Environment, Terraform};

pub(crate) const SETTINGS: &str = r#"
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

/// A root module that needs no provider from a registry.
pub(crate) const CODE: &str = r#"terraform {
  required_version = ">= 1.10"
  backend "s3" {}
}

variable "alarm_email" {
  type = string
}

variable "vpc_cidr" {
  type    = string
  default = "10.0.0.0/16"
}

resource "terraform_data" "network" {
  input = { cidr = var.vpc_cidr, email = var.alarm_email }
}

resource "terraform_data" "database" {
  triggers_replace = var.vpc_cidr
}

output "vpc_id" {
  value = terraform_data.network.id
}
"#;

pub(crate) const VALUES: &str = "alarm_email = \"ops@berthcare.ca\"\n";

pub(crate) struct Stage {
    pub(crate) aws: LocalAws,
    pub(crate) folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What the program said, and how it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

impl Stage {
    /// Without a backend.
    pub(crate) async fn bare() -> Option<Self> {
        let builder = LocalAws::builder();
        let aws = builder.start_or_skip().await.unwrap()?;
        let stage = Self {
            aws,
            folder: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        };
        stage.write("infra.toml", SETTINGS);
        stage.write("stack/main.tf", CODE);
        stage.write("stack/terraform.tfvars", VALUES);
        Some(stage)
    }

    /// With the backend of the settings, where the real terraform is at hand.
    pub(crate) async fn open() -> Option<Self> {
        let environment = Environment::new(std::env::vars_os());
        if let Err(error) = Terraform::find(Path::new("."), environment).await {
            skipped(&error.to_string());
            return None;
        }
        let stage = Self::bare().await?;
        let settings = Settings::parse(SETTINGS, jiff::Zoned::now().date()).unwrap();
        let env = AwsEnv::load(Options {
            endpoint_url: Some(stage.aws.endpoint().to_owned()),
            credentials: Some(Credentials::new("test", "test", None, None, "tests")),
            ..Options::default()
        });
        let regions = settings.regions;
        let both = env.await.unwrap().both(regions.primary, regions.dr);
        let backend = Backend::connect(&settings, &both).await.unwrap();
        let approved = backend.plan().await.approve().unwrap();
        backend.apply(&approved, &Silent).await;
        Some(stage)
    }

    /// Sets a variable of the programs' environment.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.prepared(env!("CARGO_BIN_EXE_deploy-staging"), arguments)
    }

    /// The real terraform, for the root module `stack`.
    pub(crate) fn terraform(&self, arguments: &[&str]) -> String {
        let arguments = [&["-chdir=stack"], arguments].concat();
        let output = self.prepared("terraform", &arguments).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}\n{stdout}{stderr}");
        stdout
    }

    /// The serial of the state that the backend has.
    pub(crate) fn serial(&self) -> u64 {
        let state: Value = serde_json::from_str(&self.terraform(&["state", "pull"])).unwrap();
        state["serial"].as_u64().unwrap()
    }

    fn prepared(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for name in REMOVED_VARIABLES
            .iter()
            .copied()
            .chain(["INFRA_CONFIG", "TF_CLI_CONFIG_FILE"])
        {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .envs(self.aws.environment())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("USER", "kim")
            .envs(self.environment.iter().cloned())
            .current_dir(self.folder.path());
        command
    }

    /// Runs the program, which has no terminal to ask on, to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments)).await
    }

    /// A script of bash in the folder, with the programs of `bin`.
    pub(crate) async fn shell(&self, script: &str) -> Ended {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = self.prepared("bash", &[script]);
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        ended(command).await
    }

    /// As [`Stage::run`], for the root module `stack`, ending with `code`.
    pub(crate) async fn ends(&self, code: i32, arguments: &[&str]) -> Ended {
        let arguments = [arguments, &["--chdir", "stack"]].concat();
        let ended = self.run(&arguments).await;
        assert_eq!(
            ended.code,
            Some(code),
            "{arguments:?}\n{}\n{}",
            ended.stdout,
            ended.stderr
        );
        ended
    }
}

async fn ended(mut command: Command) -> Ended {
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output {
        status,
        stdout,
        stderr,
    } = ended.await.unwrap();
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

macro_rules! stage {
    ($open:expr) => {
        match $open.await {
            Some(stage) => stage,
            None => return,
        }
    };
}

pub(crate) use stage;
