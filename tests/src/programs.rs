use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use local_aws::{LocalAws, REMOVED_VARIABLES};

/// The first argument with which the drill becomes one of the programs. One executable with all
/// programs in it needs one build, and is the program in every other respect.
pub const AS: &str = "--as";

/// Runs a program when `arguments` begin with [`AS`] and its name.
pub fn run_as(arguments: &[OsString]) -> Option<ExitCode> {
    let [_, flag, name, ..] = arguments else {
        return None;
    };
    if flag != AS {
        return None;
    }
    let arguments = arguments[2..].to_vec();
    match name.to_str() {
        Some("dr-replicate") => Some(dr_replicate::run(arguments)),
        Some("dr-runbook") => Some(dr_runbook::run(arguments)),
        Some("init-backend") => Some(init_backend::run(arguments)),
        _ => Some(ExitCode::from(2)),
    }
}

/// The programs, in a folder, with the environment of a local AWS.
#[derive(Debug, Clone)]
pub struct Programs {
    executable: PathBuf,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Finished {
    shown: String,
    output: Output,
}

impl Programs {
    /// `executable` is the drill; `folder` is where the programs run and find `infra.toml`.
    pub fn new(executable: impl Into<PathBuf>, folder: &Path, aws: &LocalAws) -> Self {
        Self {
            executable: executable.into(),
            folder: folder.to_owned(),
            environment: aws.environment(),
        }
    }

    /// The same, with another variable in their environment.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Finished> {
        let mut command = Command::new(&self.executable);
        command.arg(AS).arg(program).args(arguments);
        self.finish(command)
    }

    /// Runs a command of the machine to its end, with the same environment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run_tool(&self, tool: &str, arguments: &[&str]) -> Result<Finished> {
        let mut command = Command::new(tool);
        command.args(arguments);
        self.finish(command)
    }

    /// Starts a program, which goes on beside the caller and says nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Result<Child> {
        let mut command = Command::new(&self.executable);
        command.arg(AS).arg(program).args(arguments);
        self.prepare(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("failed to start {program}"))
    }

    fn prepare(&self, command: &mut Command) {
        for name in REMOVED_VARIABLES
            .iter()
            .copied()
            .chain(["TF_CLI_CONFIG_FILE", "INFRA_CONFIG"])
        {
            command.env_remove(name);
        }
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("CHECKPOINT_DISABLE", "1")
            .env("XDG_STATE_HOME", self.folder.join("state"))
            .current_dir(&self.folder);
    }

    pub(crate) fn finish(&self, mut command: Command) -> Result<Finished> {
        self.prepare(&mut command);
        let shown = [command.get_program()]
            .into_iter()
            .chain(command.get_args())
            .map(OsStr::to_string_lossy)
            .collect::<Vec<_>>()
            .join(" ");
        let output = command
            .output()
            .with_context(|| format!("failed to start {shown}"))?;
        Ok(Finished { shown, output })
    }
}

impl Finished {
    /// The exit status; `None` for a signal.
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Standard output.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Standard error.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// This, if the exit status is `code`.
    ///
    /// # Errors
    /// With everything it printed, if it is another.
    pub fn exits(self, code: i32) -> Result<Self> {
        if self.code() == Some(code) {
            return Ok(self);
        }
        bail!(
            "{} ended with {} instead of {code}\n{}{}",
            self.shown,
            self.output.status,
            self.stdout(),
            self.stderr()
        )
    }

    /// Standard output as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout())
            .with_context(|| format!("{} printed no JSON:\n{}", self.shown, self.stdout()))
    }
}
