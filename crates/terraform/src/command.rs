//! Terraform's commands.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::child::{Finished, Invocation, Output, Prepared, Running};
use crate::deployment::StateVersion;
use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::environment::Environment;
use crate::error::Error;
use crate::json::parse;
use crate::lock::LockId;
use crate::outputs::Outputs;
use crate::state_file::StateFile;
use crate::values::Keep;
use crate::version::Version;

/// The program's name.
const PROGRAM: &str = "terraform";

/// The file into which terraform writes a state that it could not write to the backend, in the folder where it runs.
pub const ERRORED_STATE: &str = "errored.tfstate";

/// The terraform of this machine, in the folder of one environment.
///
/// Relative paths are relative to that folder. Terraform is never asked to ask: what it would have to be told is an
/// error.
#[derive(Debug, Clone)]
pub struct Terraform {
    program: PathBuf,
    version: Version,
    folder: PathBuf,
    environment: Environment,
    grace: Duration,
    locks: bool,
}

/// How `init` is run.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// Files with the backend's settings. Single settings are not taken: they may be secrets, and the arguments of a
    /// process are everybody's to read.
    pub backend_configs: Vec<PathBuf>,
    /// Forgets which backend there was, and leaves the state where it is.
    pub reconfigure: bool,
    /// Leaves the backend alone, as for `validate`.
    pub without_backend: bool,
    /// Fails where the lock file would have to change.
    pub lockfile_readonly: bool,
}

/// How `plan` is run.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Files with variables.
    pub var_files: Vec<PathBuf>,
    /// Variables. They go through the environment, which no other user can read, unlike arguments.
    pub variables: BTreeMap<String, Value>,
    /// Only these resources, and what they need.
    pub targets: Vec<String>,
    /// Deletes everything.
    pub destroy: bool,
    /// Plans only what has changed outside terraform.
    pub refresh_only: bool,
    /// Believes the state, and asks no provider.
    pub without_refresh: bool,
    /// How long a lock that another run holds is waited for, in whole seconds.
    pub lock_timeout: Duration,
    /// Takes no lock: for a plan that only shows something, and is never applied.
    pub without_lock: bool,
}

/// What `validate` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Validation {
    /// There is no error.
    pub valid: bool,
    /// Errors and warnings.
    #[serde(default)]
    pub diagnostics: Vec<Diagnostic>,
}

impl Terraform {
    /// The oldest that this works with: since 1.10 the S3 backend locks without DynamoDB, and the modules of this
    /// project ask for it.
    pub const OLDEST: Version = Version::new(1, 10, 0);

    /// How long a terraform may take to end after it was interrupted, or this process has died, unless
    /// [`Self::with_grace`] says otherwise:
    /// providers give up what they wait for at once, and the state may take minutes to be written when S3 is slow.
    pub const GRACE: Duration = Duration::from_secs(10 * 60);

    /// Results of terraform are never this long, in bytes: plans of 1,000 resources have 4 MB.
    const MAX_RESULT_BYTES: u64 = 256 << 20;

    /// Lists and words for people are never this long, in bytes.
    const MAX_TEXT_BYTES: u64 = 16 << 20;

    /// The terraform that `PATH` of `environment` has, for `folder`. It is asked for its version, once.
    ///
    /// # Errors
    /// When it is not installed, or too old.
    pub async fn find(folder: &Path, environment: Environment) -> Result<Self, Error> {
        let program = environment
            .find_program(PROGRAM)
            .ok_or(Error::NotInstalled)?;
        Self::at(program, folder, environment).await
    }

    /// A certain terraform.
    ///
    /// # Errors
    /// When it does not run, or is too old.
    pub async fn at(
        program: PathBuf,
        folder: &Path,
        environment: Environment,
    ) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Said {
            terraform_version: String,
        }
        let mut terraform = Self {
            program,
            version: Self::OLDEST,
            folder: folder.to_owned(),
            environment,
            grace: Self::GRACE,
            locks: true,
        };
        let said = terraform.result("version", &["version", "-json"], Self::MAX_TEXT_BYTES);
        let program = &terraform.program;
        let no_version = || Error::NoVersion {
            program: program.clone(),
        };
        let said: Said = parse(&said.await?).map_err(|_| no_version())?;
        let found: Version = said.terraform_version.parse().map_err(|_| no_version())?;
        if found < Self::OLDEST {
            return Err(Error::TooOld {
                program: program.clone(),
                found,
                oldest: Self::OLDEST,
            });
        }
        terraform.version = found;
        Ok(terraform)
    }

    /// The same terraform for another folder.
    #[must_use]
    pub fn in_folder(&self, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            ..self.clone()
        }
    }

    /// With another time of grace.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// That takes no lock of the state, since its caller holds it.
    #[must_use]
    pub fn under_own_lock(self) -> Self {
        Self {
            locks: false,
            ..self
        }
    }

    /// The environment in which it runs.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Which terraform it is.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// `terraform init`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn init(&self, options: &InitOptions) -> Result<Running, Error> {
        let mut arguments = list(&["init", "-json", "-input=false"]);
        for file in &options.backend_configs {
            arguments.push(option("-backend-config=", file));
        }
        let flags = [
            (options.reconfigure, "-reconfigure"),
            (options.without_backend, "-backend=false"),
            (options.lockfile_readonly, "-lockfile=readonly"),
        ];
        arguments.extend(chosen(&flags));
        self.progress("init", &arguments, &self.environment).await
    }

    /// `terraform validate`. Errors of the code are a result.
    ///
    /// # Errors
    /// When it cannot be run, as before an init.
    pub async fn validate(&self) -> Result<Validation, Error> {
        let command = "validate";
        let arguments = list(&["validate", "-json"]);
        let finished = self.finish(command, &arguments, Self::MAX_TEXT_BYTES, &[0, 1]);
        parse(&finished.await?.stdout).map_err(|source| Error::Json { command, source })
    }

    /// `terraform fmt`, for the folder and what is below it: the files that it changed.
    ///
    /// # Errors
    /// When it cannot be run, or a file is no code.
    pub async fn fmt(&self) -> Result<Vec<PathBuf>, Error> {
        let arguments = ["fmt", "-list=true", "-recursive"];
        let text = self.result("fmt", &arguments, Self::MAX_TEXT_BYTES).await?;
        Ok(lines(&text).map(PathBuf::from).collect())
    }

    /// `terraform fmt -check`: the files that [`Self::fmt`] would change.
    ///
    /// # Errors
    /// When it cannot be run, or a file is no code.
    pub async fn fmt_check(&self) -> Result<Vec<PathBuf>, Error> {
        let arguments = list(&["fmt", "-check", "-list=true", "-recursive"]);
        // 3 says that there are some.
        let finished = self.finish("fmt", &arguments, Self::MAX_TEXT_BYTES, &[0, 3]);
        Ok(lines(&finished.await?.stdout).map(PathBuf::from).collect())
    }

    /// `terraform plan`, into the file `out`, which holds what the variables and the state hold, secrets included.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn plan(&self, out: &Path, options: &PlanOptions) -> Result<Running, Error> {
        let mut arguments = list(&["plan", "-json", "-input=false"]);
        arguments.push(option("-out=", out));
        arguments.push(self.locking(options.lock_timeout));
        for file in &options.var_files {
            arguments.push(option("-var-file=", file));
        }
        for address in &options.targets {
            arguments.push(option("-target=", address));
        }
        let flags = [
            (options.destroy, "-destroy"),
            (options.refresh_only, "-refresh-only"),
            (options.without_refresh, "-refresh=false"),
            (options.without_lock, "-lock=false"),
        ];
        arguments.extend(chosen(&flags));
        let mut environment = self.environment.clone();
        for (name, value) in &options.variables {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            environment = environment.with(format!("TF_VAR_{name}"), value);
        }
        self.progress("plan", &arguments, &environment).await
    }

    /// `terraform apply` of a plan that was written to a file, and of nothing else: what is applied has been looked at.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn apply(&self, plan: &Path, wait_for_lock: Duration) -> Result<Running, Error> {
        self.prepare_apply(plan, wait_for_lock, None)
            .await?
            .go()
            .await
    }

    /// As [`Self::apply`], of a process that is there and has not begun: whoever has to know of it can write it down first.
    ///
    /// Its lines of progress are added to the file `transcript`, an absolute path, as well; those too that it writes after the
    /// death of this process. They may quote secrets. [`Transcript`](crate::Transcript) reads them.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn prepare_apply(
        &self,
        plan: &Path,
        wait_for_lock: Duration,
        transcript: Option<&Path>,
    ) -> Result<Prepared, Error> {
        let mut arguments = list(&["apply", "-json", "-input=false"]);
        arguments.push(self.locking(wait_for_lock));
        arguments.push(file(plan));
        Prepared::start(&Invocation {
            transcript,
            ..self.invocation("apply", &arguments, Output::Progress)
        })
        .await
    }

    /// What `terraform show -json` writes of a plan file, or of the state when no file is given: for several readers.
    ///
    /// # Errors
    /// When it cannot be run, or there is no such file.
    pub async fn show_json(&self, plan: Option<&Path>) -> Result<Vec<u8>, Error> {
        let mut arguments = list(&["show", "-json", "-no-color"]);
        arguments.extend(plan.map(file));
        let finished = self.finish("show", &arguments, Self::MAX_RESULT_BYTES, &[0]);
        Ok(finished.await?.stdout)
    }

    /// `terraform show -json` of a plan file, or of the state when no file is given.
    ///
    /// # Errors
    /// When it cannot be run, or there is no such file.
    pub async fn show<K: Keep>(&self, plan: Option<&Path>) -> Result<Document<K>, Error> {
        let command = "show";
        Document::parse(&self.show_json(plan).await?)
            .map_err(|source| Error::Document { command, source })
    }

    /// `terraform output -json`. Before the first apply there are none.
    ///
    /// # Errors
    /// When it cannot be run, or the backend does not answer.
    pub async fn output(&self) -> Result<Outputs, Error> {
        let command = "output";
        let arguments = ["output", "-json", "-no-color"];
        let json = self
            .result(command, &arguments, Self::MAX_RESULT_BYTES)
            .await?;
        Outputs::parse(&json).map_err(|source| Error::Json { command, source })
    }

    /// `terraform state list`: addresses, also of data sources.
    ///
    /// # Errors
    /// When it cannot be run, or there is no state.
    pub async fn state_list(&self) -> Result<Vec<String>, Error> {
        let arguments = ["state", "list"];
        let text = self
            .result("state list", &arguments, Self::MAX_TEXT_BYTES)
            .await?;
        Ok(lines(&text).collect())
    }

    /// `terraform state list -id`: the addresses of what has this `id`.
    ///
    /// # Errors
    /// When it cannot be run, or there is no state.
    pub async fn state_find(&self, id: &str) -> Result<Vec<String>, Error> {
        let id = format!("-id={id}");
        let arguments = ["state", "list", &id];
        let text = self
            .result("state list", &arguments, Self::MAX_TEXT_BYTES)
            .await?;
        Ok(lines(&text).collect())
    }

    /// `terraform state rm`: the state forgets one resource, which stays as it is.
    ///
    /// # Errors
    /// When it cannot be run, or the state has no such resource.
    pub async fn state_remove(&self, address: &str, wait_for_lock: Duration) -> Result<(), Error> {
        let timeout = format!("-lock-timeout={}s", wait_for_lock.as_secs());
        let arguments = ["state", "rm", &timeout, "--", address];
        self.result("state rm", &arguments, Self::MAX_TEXT_BYTES)
            .await
            .map(drop)
    }

    /// `terraform state show`: one resource, in terraform's form for people. What is marked as
    /// sensitive is left out, and not what a provider made of it.
    ///
    /// # Errors
    /// When it cannot be run, or the state has no such resource.
    pub async fn state_show(&self, address: &str) -> Result<String, Error> {
        let arguments = ["state", "show", "-no-color", address];
        let text = self
            .result("state show", &arguments, Self::MAX_TEXT_BYTES)
            .await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// `terraform state pull`: what the backend has, secrets included. `None` when it has no state yet.
    ///
    /// # Errors
    /// When it cannot be run, or the backend does not answer.
    pub async fn state_pull(&self) -> Result<Option<Vec<u8>>, Error> {
        let arguments = ["state", "pull"];
        let bytes = self
            .result("state pull", &arguments, StateFile::MAX_BYTES)
            .await?;
        // Of a backend in S3 that has none, terraform writes the empty state that it would begin with.
        let is_begun = StateVersion::of(&bytes).is_none_or(|version| !version.lineage.is_empty());
        Ok((is_begun && !bytes.trim_ascii().is_empty()).then_some(bytes))
    }

    /// `terraform state push` of a file, into the backend: terraform refuses one of another lineage, or of an older serial.
    ///
    /// # Errors
    /// When it cannot be run, is refused, or the backend does not answer.
    pub async fn state_push(&self, path: &Path, wait_for_lock: Duration) -> Result<(), Error> {
        let mut arguments = list(&["state", "push"]);
        arguments.push(self.locking(wait_for_lock));
        arguments.push(file(path));
        let finished = self.finish("state push", &arguments, Self::MAX_TEXT_BYTES, &[0]);
        finished.await.map(drop)
    }

    /// `terraform import`: takes what has `id` into the state as `address`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn import(
        &self,
        address: &str,
        id: &str,
        wait_for_lock: Duration,
    ) -> Result<Running, Error> {
        let mut arguments = list(&["import", "-input=false", "-no-color"]);
        arguments.push(self.locking(wait_for_lock));
        // Neither is taken for an option.
        arguments.extend(list(&["--", address, id]));
        self.progress("import", &arguments, &self.environment).await
    }

    /// `terraform force-unlock`: takes a lock away from whoever holds it. Who does has to be known to be gone.
    ///
    /// # Errors
    /// When it cannot be run, or the lock has another ID.
    pub async fn force_unlock(&self, id: &LockId) -> Result<(), Error> {
        let arguments = ["force-unlock", "-force", id.as_str()];
        self.result("force-unlock", &arguments, Self::MAX_TEXT_BYTES)
            .await
            .map(drop)
    }

    fn locking(&self, timeout: Duration) -> OsString {
        match self.locks {
            true => format!("-lock-timeout={}s", timeout.as_secs()).into(),
            false => "-lock=false".into(),
        }
    }

    async fn progress(
        &self,
        command: &'static str,
        arguments: &[OsString],
        environment: &Environment,
    ) -> Result<Running, Error> {
        Running::start(&Invocation {
            environment,
            ..self.invocation(command, arguments, Output::Progress)
        })
        .await
    }

    async fn result(
        &self,
        command: &'static str,
        arguments: &[&str],
        max_bytes: u64,
    ) -> Result<Vec<u8>, Error> {
        let arguments = list(arguments);
        let finished = self.finish(command, &arguments, max_bytes, &[0]).await?;
        Ok(finished.stdout)
    }

    async fn finish(
        &self,
        command: &'static str,
        arguments: &[OsString],
        max_bytes: u64,
        fine: &[i32],
    ) -> Result<Finished, Error> {
        let output = Output::Result { max_bytes };
        let running = Running::start(&self.invocation(command, arguments, output)).await?;
        running.finish_with(fine, pending(), |_| {}).await
    }

    fn invocation<'a>(
        &'a self,
        command: &'static str,
        arguments: &'a [OsString],
        output: Output,
    ) -> Invocation<'a> {
        Invocation {
            program: &self.program,
            folder: &self.folder,
            environment: &self.environment,
            command,
            arguments,
            output,
            grace: self.grace,
            transcript: None,
        }
    }
}

fn list(arguments: &[&str]) -> Vec<OsString> {
    arguments.iter().map(OsString::from).collect()
}

fn option(name: &str, value: impl Into<OsString>) -> OsString {
    let mut option = OsString::from(name);
    option.push(value.into());
    option
}

fn chosen(flags: &[(bool, &'static str)]) -> impl Iterator<Item = OsString> {
    let chosen = flags.iter().filter(|(is, _)| *is);
    chosen.map(|(_, flag)| OsString::from(flag))
}

/// A file whose name begins with a hyphen is no option.
fn file(path: &Path) -> OsString {
    match path.as_os_str().as_encoded_bytes().first() {
        Some(b'-') => Path::new(".").join(path).into(),
        _ => path.into(),
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(text).into_owned();
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    lines.into_iter()
}
