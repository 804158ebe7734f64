//! What every command works with.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use aws_env::{AwsEnv, Both};
use cli::{Exit, Failure, GlobalArgs};
use directories::ProjectDirs;
use settings::Settings;
use state_backend::Backend;
use terraform::{Deployment, Environment, PlannedDeployment, RootModule, Terraform};
use tokio::sync::watch;

use super::{failure, root};
use crate::args::plan::RunsArgs;
use crate::args::root::FolderArgs;

/// The settings, AWS, terraform and the folders.
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) env: AwsEnv,
    pub(super) terraform: Terraform,
    pub(super) environment: Environment,
    /// The root module's folder, without links.
    pub(super) root: PathBuf,
    /// Where deployments of the environment are kept.
    pub(super) runs: PathBuf,
    pub(super) machine: String,
}

impl Context {
    pub(super) async fn open(
        global: &GlobalArgs,
        of: &FolderArgs,
        runs: &RunsArgs,
    ) -> Result<Self, Failure> {
        let settings = cli::load_settings(global)?;
        cli::residency_notes(&settings);
        let env = cli::aws_env(Some(&settings)).await?;
        let environment = root::environment();
        let folder = of.chdir.canonicalize().map_err(|error| {
            let error = anyhow!("cannot use the folder {}: {error}", of.chdir.display());
            Failure::new(Exit::Usage, error).hint("name the environment's folder with --chdir")
        })?;
        let terraform = Terraform::find(&folder, environment.clone()).await;
        let terraform = terraform
            .map_err(|error| failure::terraform("find terraform", error, &folder, &environment))?;
        let runs = match &runs.runs_dir {
            Some(folder) => std::path::absolute(folder).unwrap_or_else(|_| folder.clone()),
            None => state()?,
        };
        let runs = runs.join(settings.name());
        Ok(Self {
            settings,
            env,
            terraform,
            environment,
            root: folder,
            runs,
            machine: cli::machine(),
        })
    }

    /// Both regions.
    pub(super) fn both(&self) -> Both {
        let regions = self.settings.regions;
        self.env.both(regions.primary, regions.dr)
    }

    /// The state's backend.
    pub(super) async fn backend(&self) -> Result<Backend, Failure> {
        let connected = Backend::connect(&self.settings, &self.both()).await;
        connected.map_err(|error| {
            let error = anyhow::Error::new(error).context("failed to reach the state's backend");
            Failure::new(Exit::Unchecked, error)
                .hint("`deploy-staging check` shows what is missing")
        })
    }

    /// What the folder of the root module says of its backend.
    pub(super) fn module(&self) -> Result<RootModule, Failure> {
        RootModule::read(&self.root, &self.environment)
            .map_err(|error| Failure::new(Exit::Usage, error))
    }

    /// The deployments of the root module, the newest first, with what was planned. A record that cannot be read is told,
    /// and keeps nobody from the others.
    pub(super) fn deployments(&self) -> Result<Vec<(Deployment, PlannedDeployment)>, Failure> {
        let all = Deployment::list(&self.runs);
        let all = all.map_err(|error| failure::record(error.into()))?;
        let mut found = Vec::new();
        for deployment in all {
            let planned = match deployment.planned() {
                Ok(planned) => planned,
                Err(error) => {
                    cli::note(&format!("left out: {error}"));
                    continue;
                }
            };
            if planned.root == self.root {
                found.push((deployment, planned));
            }
        }
        // Names tell the second alone.
        found.sort_by_key(|(_, planned)| std::cmp::Reverse(planned.at));
        Ok(found)
    }

    /// The deployment that is called `id`, or the newest.
    pub(super) fn deployment(
        &self,
        id: Option<&str>,
    ) -> Result<(Deployment, PlannedDeployment), Failure> {
        let found = self.deployments()?;
        let wanted = |planned: &PlannedDeployment| id.is_none_or(|id| planned.id == id);
        found
            .into_iter()
            .find(|(_, planned)| wanted(planned))
            .ok_or_else(|| {
                let error = match id {
                    Some(id) => {
                        anyhow!("no deployment of {} is called {id:?}", self.root.display())
                    }
                    None => anyhow!("there is no plan of {}", self.root.display()),
                };
                Failure::new(Exit::Usage, error).hint("`deploy-staging plan` makes one")
            })
    }

    /// A failure of terraform.
    pub(super) fn failed(&self, what: &str, error: terraform::Error) -> Failure {
        failure::terraform(what, error, &self.root, &self.environment)
    }
}

fn state() -> Result<PathBuf, Failure> {
    let dirs = ProjectDirs::from("", "", "deploy-staging");
    let dirs = dirs.map(|dirs| dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_owned());
    dirs.ok_or_else(|| {
        let error = anyhow!("failed to find the user's state directory");
        Failure::new(Exit::Usage, error).hint("give --runs-dir DIR")
    })
}

/// Ready when somebody has interrupted the program.
pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A path as it is written in commands: relative to this folder where it lies below it.
pub(super) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let below = here.ok().and_then(|here| path.strip_prefix(here).ok());
    below.unwrap_or(path).display().to_string()
}
