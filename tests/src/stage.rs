//! What a test begins with: a local AWS with the backend applied, and a folder with the guide's configuration.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use local_aws::LocalAws;
use tempfile::TempDir;

use crate::{Finished, Programs, missing_tool, settings};

/// The backend of [`settings()`] on a local AWS of its own, and root modules that work with it.
#[derive(Debug)]
pub struct Stage {
    /// The local AWS.
    pub aws: LocalAws,
    /// The programs, which run in the folder.
    pub programs: Programs,
    /// The folder, with `infra.toml`.
    pub folder: TempDir,
}

impl Stage {
    /// With the backend applied by the program `drill`. `None` where this machine cannot run a local AWS; the reason has
    /// been printed.
    pub async fn open(drill: &str) -> Result<Option<Self>> {
        let stage = Self::bare(drill).await?;
        if let Some(stage) = &stage {
            stage.run("init-backend", &["apply", "--yes"])?.exits(0)?;
        }
        Ok(stage)
    }

    /// As [`Stage::open`], and nothing applied yet.
    pub async fn bare(drill: &str) -> Result<Option<Self>> {
        let Some(aws) = LocalAws::start_or_skip().await? else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("infra.toml"), settings())?;
        let programs = Programs::new(drill, folder.path(), &aws);
        Ok(Some(Self {
            aws,
            programs,
            folder,
        }))
    }

    /// As [`Stage::open`], where the real terraform and the AWS CLI are at hand.
    pub async fn open_with_terraform(drill: &str) -> Result<Option<Self>> {
        match missing_tool() {
            Some(why) => {
                skipped(&why);
                Ok(None)
            }
            None => Self::open(drill).await,
        }
    }

    /// The folder of a root module.
    pub fn root(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A root module of one file.
    pub fn write_root(&self, name: &str, code: &str) -> Result<()> {
        fs::create_dir_all(self.root(name))?;
        Ok(fs::write(self.root(name).join("main.tf"), code)?)
    }

    /// A root module initialised in the primary region. The key of the settings is left out for one whose code names its
    /// own.
    pub fn init_root(&self, name: &str, has_own_key: bool) -> Result<()> {
        let rendered = self.init_backend(&["render", "primary"])?.exits(0)?;
        let rendered = rendered.stdout();
        let lines = rendered.lines();
        let lines = lines.filter(|line| !(has_own_key && line.starts_with("key ")));
        let config = lines.collect::<Vec<_>>().join("\n");
        fs::write(self.root(name).join("by-hand.s3.tfbackend"), config)?;
        let init = ["init", "-backend-config=by-hand.s3.tfbackend"];
        self.terraform(name, &init)?.exits(0)?;
        Ok(())
    }

    /// `init-backend` in the folder.
    pub fn init_backend(&self, arguments: &[&str]) -> Result<Finished> {
        self.run("init-backend", arguments)
    }

    /// A program in the folder.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Finished> {
        tokio::task::block_in_place(|| self.programs.run(program, arguments))
    }

    /// Another program of this machine in the folder.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> Result<Finished> {
        tokio::task::block_in_place(|| self.programs.run_tool(name, arguments))
    }

    /// terraform for a root module.
    pub fn terraform(&self, root: &str, arguments: &[&str]) -> Result<Finished> {
        let folder = format!("-chdir={}", self.root(root).display());
        self.tool("terraform", &[&[folder.as_str()], arguments].concat())
    }
}

/// Says why a test does not run here.
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
