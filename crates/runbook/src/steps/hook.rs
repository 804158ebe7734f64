//! A command of the project, run between the steps of a failover.
//!
//! Whoever resumes a run whose process died cannot know how far a command had come: it is ended, and run again. It has to be
//! one that may be run again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use ::terraform::{ChildId, Watchdog};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::{Hook, HookPoint};
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, sleep_until};

use super::{RegionLoss, inputs};
use crate::failover::names;
use crate::record::Digest;
use crate::{Check, Host, PlannedStep, StepContext, StepError, Store};

/// Waits until the process is on record, and then becomes the command, with the same process ID.
const GATE: &str = r#"read -r word && [ "$word" = go ] && exec "$@" </dev/null; exit 125"#;
/// How long a command may take to end once it is asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// After its end, how long what it wrote is waited for: something that it has started may hold its output open.
const DRAIN: Duration = Duration::from_secs(1);
/// So much of its output is kept, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;
/// How often it is looked whether the command of a dead process has ended.
const EVERY: Duration = Duration::from_millis(200);

/// Where commands are run.
#[derive(Debug, Clone)]
pub struct HookPlace {
    /// The folder: that of the settings.
    pub folder: PathBuf,
    /// Their environment, to which that of the run is added.
    pub environment: Vec<(OsString, OsString)>,
}

/// What is decided when the run is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HookInputs {
    pub(crate) point: HookPoint,
    #[serde(flatten)]
    pub(crate) hook: Hook,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "hook")]
enum Note {
    /// On record before the command does anything.
    Began { child: ChildId, machine: String },
    /// When it has ended.
    Ended {
        /// As in `exit status: 0`.
        status: String,
        seconds: u64,
        /// What it wrote, on the machine that ran it.
        output: PathBuf,
        /// Of that.
        #[serde(default)]
        printed: Option<Digest>,
    },
}

pub(super) async fn check<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let HookInputs { hook, .. } = inputs(step)?;
    let notes = context.notes();
    let mut notes = notes.iter().filter_map(|note| Note::deserialize(note).ok());
    // That of another machine dies with its parent.
    if let Some(Note::Began { child, machine }) = notes.next_back()
        && machine == of.host.holder().machine
    {
        end_earlier(of, child, hook.timeout, context).await?;
    }
    Ok(Check::Todo {
        what: format!("run {}", shown(&hook.command)),
        needs_approval: false,
    })
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let HookInputs { point, hook } = inputs(step)?;
    files::create_secret_folder(&of.folder).map_err(StepError::unchecked)?;
    let attempt = context.attempt();
    // The command of a proof is run by two steps.
    let output = match step.id.kind() {
        names::HOOK => format!("hook-{point}-{attempt}.log"),
        other => format!("hook-{point}-{other}-{attempt}.log"),
    };
    let output = of.folder.join(output);
    let command = shown(&hook.command);
    let cannot =
        |source: io::Error| StepError::unchecked(format!("{command} cannot be run: {source}"));
    let file = files::create_secret(&output).map_err(StepError::unchecked)?;
    let prepared = Running::prepare(of, &hook, run_environment(of, point, context), file);
    let mut running = prepared.map_err(cannot)?;
    running.guard().await.map_err(cannot)?;
    let began = Note::Began {
        child: running.id,
        machine: of.host.holder().machine.clone(),
    };
    context.note(json!(began)).await?;
    let begun = Instant::now();
    let ended = running.finish(hook.timeout, context, || {
        let waited = report::duration(begun.elapsed());
        of.observer.waiting(&command, &waited);
    });
    let ended = ended.await.map_err(cannot)?;
    let status = ended.status.to_string();
    // No more is in it than was kept.
    let printed = std::fs::read(&output).map_err(cannot)?;
    context
        .note(json!(Note::Ended {
            status: status.clone(),
            seconds: begun.elapsed().as_secs(),
            output: output.clone(),
            printed: Some(Digest::of(&printed)),
        }))
        .await?;
    let error = match ended.why {
        Some(Why::Stopped) => return Err(StepError::interrupted()),
        Some(Why::Timeout) => StepError::wrong(format!(
            "{command} had not ended after {} and was killed, with what it had started",
            report::duration(hook.timeout)
        )),
        None if ended.status.success() => return Ok(()),
        None => StepError::wrong(format!("{command} ended with {status}")),
    };
    Err(error.hint(format!(
        "what it wrote is in {}; `dr-runbook runs resume` runs it again, --skip {} leaves it out",
        output.display(),
        step.id
    )))
}

pub(super) fn verify(context: &StepContext<'_>) -> Result<Value, StepError> {
    let notes = context.notes();
    let ended = notes
        .iter()
        .rev()
        .find_map(|note| match Note::deserialize(note) {
            Ok(Note::Ended {
                status,
                seconds,
                output,
                ..
            }) => Some(json!({"status": status, "seconds": seconds, "output": output})),
            _ => None,
        });
    ended.ok_or_else(|| StepError::wrong("the command has ended and is not on record"))
}

/// The digest of what the command has printed that this step ran last, where it came to an end.
pub(super) fn printed(context: &StepContext<'_>) -> Option<Digest> {
    let notes = context.notes();
    match Note::deserialize(notes.last()?) {
        Ok(Note::Ended { printed, .. }) => printed,
        _ => None,
    }
}

/// A command as people read it.
pub(super) fn shown(command: &[String]) -> String {
    let mut words = command.iter();
    let program = words.next().map_or("", String::as_str);
    let shown = report::ShellCommand::new("").word(program);
    let shown = words.fold(shown, |shown, word| shown.word(word));
    format!("`{}`", shown.to_string().trim())
}

/// What a command is told of the run. Nothing of it is secret.
fn run_environment<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    point: HookPoint,
    context: &StepContext<'_>,
) -> Vec<(&'static str, String)> {
    let state = context.state();
    let plan = &state.plan;
    let restores = plan
        .steps
        .iter()
        .filter(|step| step.id.kind() == names::RESTORE);
    let mut databases = BTreeMap::new();
    for step in restores {
        if let Some(result) = state.result(&step.id)
            && let Some((_, id)) = step.id.0.split_once('/')
        {
            let restored = json!({"identifier": result["target"], "endpoint": result["endpoint"]});
            databases.insert(id, restored);
        }
    }
    let lost: Vec<&str> = plan
        .declared
        .lost
        .iter()
        .map(|region| region.as_str())
        .collect();
    // In a planned move a command may be about the region that is left.
    let region = of.dr.region().region().to_string();
    let mut set = vec![
        ("DR_RUN", plan.run.to_string()),
        ("DR_HOOK", point.to_string()),
        ("DR_ATTEMPT", context.attempt().to_string()),
        ("DR_MODE", plan.mode.name().to_owned()),
        ("DR_EPOCH", context.epoch().to_string()),
        ("DR_ENVIRONMENT", plan.environment.clone()),
        ("DR_PRIMARY_REGION", plan.primary.to_string()),
        ("DR_LOST_REGIONS", lost.join(",")),
        ("DR_REGION", plan.dr.to_string()),
        // What asks no further goes to the region that is there.
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        ("DR_DATABASES", json!(databases).to_string()),
    ];
    if let Some(only) = databases.values().next().filter(|_| databases.len() == 1) {
        let endpoint = only["endpoint"].as_str().unwrap_or_default();
        set.push(("DR_DATABASE_ENDPOINT", endpoint.to_owned()));
    }
    set
}

/// Sees to it that nothing of a command runs any more whose parent died.
async fn end_earlier<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    child: ChildId,
    patience: Duration,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let begun = Instant::now();
    while child.end_group() == Some(false) {
        if begun.elapsed() >= patience {
            child.kill_group();
        }
        let what = format!("process {} ends", child.pid);
        of.observer
            .waiting("the command of the attempt before", &what);
        tokio::select! {
            () = sleep(EVERY) => {}
            () = context.stopped() => return Err(StepError::interrupted()),
        }
    }
    Ok(())
}

/// A command whose process is there.
struct Running {
    id: ChildId,
    child: Child,
    watchdog: Watchdog,
    output: pipe::Receiver,
    kept: Kept,
}

/// Why a command was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Timeout,
    Stopped,
}

struct Ended {
    status: ExitStatus,
    why: Option<Why>,
}

impl Running {
    fn prepare<S, H>(
        of: &RegionLoss<'_, S, H>,
        hook: &Hook,
        run: Vec<(&'static str, String)>,
        file: File,
    ) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let place = &of.hooks;
        let path = place.environment.iter().find(|(name, _)| name == "PATH");
        let watchdog = Watchdog::start_alone(path.map(|(_, path)| path.as_os_str()), GRACE)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", GATE, "hook"])
            .args(program(&place.folder, &hook.command))
            .current_dir(&place.folder)
            .env_clear()
            .envs(place.environment.iter().map(|(name, value)| (name, value)))
            .envs(run)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        let child = command.spawn()?;
        let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            id: ChildId::of(pid),
            child,
            watchdog,
            output: pipe::Receiver::from_owned_fd(reader.into())?,
            kept: Kept {
                file,
                room: MAX_OUTPUT,
                is_cut: false,
            },
        })
    }

    /// From here on it dies with this process.
    async fn guard(&mut self) -> io::Result<()> {
        self.watchdog.guard(self.id.pid).await
    }

    /// Begins, and waits for its end.
    async fn finish(
        &mut self,
        timeout: Duration,
        context: &StepContext<'_>,
        waiting: impl Fn(),
    ) -> io::Result<Ended> {
        if let Some(mut gate) = self.child.stdin.take() {
            gate.write_all(b"go\n").await?;
        }
        let mut bytes = vec![0; 16 << 10];
        let mut is_open = true;
        let mut status = None;
        let mut why = None;
        let mut end = Instant::now() + timeout;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        while status.is_none() || is_open {
            tokio::select! {
                read = self.output.read(&mut bytes), if is_open => match read? {
                    0 => is_open = false,
                    count => self.kept.add(&bytes[..count])?,
                },
                ended = self.child.wait(), if status.is_none() => {
                    status = Some(ended?);
                    self.id.end_group();
                    end = Instant::now() + DRAIN;
                }
                () = sleep_until(end) => match (status, why) {
                    (Some(_), _) => break,
                    (None, None) => {
                        why = Some(Why::Timeout);
                        self.id.terminate_group();
                        end = Instant::now() + GRACE;
                    }
                    (None, Some(_)) => {
                        self.id.kill_group();
                        end = Instant::now() + GRACE;
                    }
                },
                () = context.stopped(), if why.is_none() && status.is_none() => {
                    why = Some(Why::Stopped);
                    self.id.terminate_group();
                    end = Instant::now() + GRACE;
                }
                _ = tick.tick(), if status.is_none() => waiting(),
            }
        }
        self.watchdog.dismiss().await;
        let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Ended { status, why })
    }
}

/// The program and its arguments; one with a slash is beside the settings.
fn program(folder: &Path, command: &[String]) -> Vec<OsString> {
    let mut words: Vec<OsString> = command.iter().map(OsString::from).collect();
    if let Some(program) = words.first_mut()
        && command.first().is_some_and(|program| program.contains('/'))
    {
        *program = folder.join(&*program).into();
    }
    words
}

/// What is kept of a command's output.
struct Kept {
    file: File,
    room: u64,
    is_cut: bool,
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fits = usize::try_from(self.room).map_or(bytes.len(), |room| bytes.len().min(room));
        self.file.write_all(&bytes[..fits])?;
        self.room -= fits as u64;
        if fits < bytes.len() && !self.is_cut {
            self.is_cut = true;
            writeln!(self.file, "\n(cut off after {MAX_OUTPUT} bytes)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn kept_output_says_that_it_is_cut_off_wherever_the_reads_end() {
        for sizes in [[4, 3], [5, 1], [7, 0], [4, 1]] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut kept = Kept {
                file: file.reopen().unwrap(),
                room: 5,
                is_cut: false,
            };
            for size in sizes {
                kept.add(&b"xxxxxxx"[..size]).unwrap();
            }
            kept.add(b"").unwrap();
            let text = fs::read_to_string(file.path()).unwrap();
            let is_cut = sizes.iter().sum::<usize>() > 5;
            assert!(text.starts_with("xxxxx"), "{text}");
            assert_eq!(
                text.matches("cut off").count(),
                usize::from(is_cut),
                "{sizes:?}"
            );
        }
    }
}
