use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{Finished, Programs};

/// A root module with the S3 backend and nothing that needs a provider from a registry.
const MODULE: &str = r#"terraform {
  required_version = ">= 1.10"
  backend "s3" {}
}

variable "note" {
  type        = string
  description = "Changes with every write of the state."
  default     = "first"
}

variable "restored_database" {
  type        = string
  description = "The instance that a failback has restored."
  default     = null
}

variable "run" {
  type        = string
  description = "The failback."
  default     = ""
}

resource "terraform_data" "network" {
  input = { cidr = "10.0.0.0/16", note = var.note }
}

resource "terraform_data" "database" {
  count = 2
  input = { network = terraform_data.network.id, index = count.index }
}

output "note" {
  value = terraform_data.network.output.note
}
"#;

/// A root module that is nearly empty until a failover fills it.
const DR_MODULE: &str = r#"terraform {
  required_version = ">= 1.10"
  backend "s3" { key = "dr/terraform.tfstate" }
}

variable "mode" {
  type        = string
  description = "pilot-light or full."
  default     = "pilot-light"
}

variable "restored_database" {
  type        = string
  description = "The instance that the failover has restored."
  default     = null
}

variable "run" {
  type        = string
  description = "The failover."
  default     = ""
}

variable "start_application" {
  type        = bool
  description = "Whether tasks run."
  default     = false
}

resource "terraform_data" "network" {
  input = { cidr = "10.1.0.0/16" }
}

resource "terraform_data" "application" {
  count = var.mode == "full" ? 3 : 0
  input = { database = var.restored_database, index = count.index }
}

output "mode" {
  value = var.mode
}
"#;

/// The terraform of this machine, in a root module of its own.
#[derive(Debug, Clone)]
pub struct Terraform {
    programs: Programs,
    folder: PathBuf,
}

impl Terraform {
    /// Writes the module into `stack/` below the programs' folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(programs: &Programs, folder: &Path) -> Result<Self> {
        Self::of(programs, folder.join("stack"), MODULE)
    }

    /// Writes the module of the DR environment into `dr/` below the programs' folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn dr(programs: &Programs, folder: &Path) -> Result<Self> {
        Self::of(programs, folder.join("dr"), DR_MODULE)
    }

    fn of(programs: &Programs, folder: PathBuf, module: &str) -> Result<Self> {
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join("main.tf"), module))
            .context("failed to write the Terraform module")?;
        Ok(Self {
            programs: programs.clone(),
            folder,
        })
    }

    /// Runs `terraform` with `arguments` in the module's folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished> {
        let mut command = Command::new("terraform");
        command
            .arg(format!("-chdir={}", self.folder.display()))
            .args(arguments);
        self.programs.finish(command)
    }

    /// `terraform init` with a rendered backend file.
    ///
    /// # Errors
    /// When it fails.
    pub fn init(&self, backend: &str, arguments: &[&str]) -> Result<Finished> {
        let file = format!("-backend-config=../{backend}");
        let mut all = vec!["init", "-no-color", file.as_str()];
        all.extend(arguments);
        self.run(&all)?.exits(0)
    }
}

/// The first tool that this machine lacks, as one line that names it.
pub fn missing_tool() -> Option<String> {
    let terraform = match Command::new("terraform")
        .arg("version")
        .arg("-json")
        .output()
    {
        Ok(output) => output,
        Err(_) => return Some("terraform >= 1.10 is missing: it is not on the PATH".to_owned()),
    };
    let version = serde_json::from_slice::<serde_json::Value>(&terraform.stdout)
        .ok()
        .and_then(|version| version["terraform_version"].as_str().map(str::to_owned))
        .unwrap_or_default();
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or_default());
    let found = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    (found < (1, 10)).then(|| format!("terraform >= 1.10 is missing: found {version:?}"))
}
