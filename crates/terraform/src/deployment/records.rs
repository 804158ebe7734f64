//! What the records say of a deployment.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Deployment, RecordError};
use crate::child::ChildId;
use crate::diagnostic::Diagnostic;
use crate::event::{ChangeCounts, Event};

pub(super) const INTENT: &str = "apply.json";
pub(super) const CHILD: &str = "terraform.json";
pub(super) const PROGRESS: &str = "progress.jsonl";
pub(super) const OUTCOME: &str = "outcome.json";
pub(super) const DIAGNOSTICS: &str = "diagnostics.txt";
const SETTLED: &str = "settled.json";

/// A line of progress is never this long, in bytes.
const MOST_LINE: u64 = 64 << 10;
/// What terraform said of errors is kept up to so many bytes.
const MOST_DIAGNOSTICS: u64 = 4 << 20;

/// An apply is about to begin. Written before terraform is started, and once: no second process begins another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyIntent {
    /// When it was written, before terraform began.
    pub at: Timestamp,
    /// Who applies, as `user@host`.
    pub by: String,
    /// The machine, since its last start: the process means something there alone.
    pub machine: String,
}

/// How an apply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// Everything is as planned.
    Done,
    /// Terraform failed.
    Failed,
    /// It was interrupted, and ended what was under way.
    Interrupted,
}

/// How an apply ended, as far as its process knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyOutcome {
    /// When terraform had ended.
    pub at: Timestamp,
    /// Whether all was applied, and if not, what ended it.
    pub ended: Ended,
    /// How many resources were changed.
    pub changes: Option<ChangeCounts>,
}

/// What was left of an apply that did not end well was put in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// When the last step was done.
    pub at: Timestamp,
    /// Who put it in order, as `user@host`.
    pub by: String,
    /// What was done, in words.
    pub steps: Vec<String>,
}

/// Where a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceStanding {
    /// It began, and nothing more is recorded.
    Began,
    /// It is done.
    Done,
    /// It failed.
    Failed,
}

/// The last that is recorded of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceProgress {
    /// Its address, as Terraform writes it.
    pub address: String,
    /// Where it is.
    pub standing: ResourceStanding,
    /// When it began.
    pub began: Timestamp,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// Where a deployment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its plan can be applied.
    Planned,
    /// Terraform is at it.
    Applying,
    /// The apply began, and its terraform is not known to have ended: it may run on another machine.
    Unknown,
    /// The process that applied is gone, and so is its terraform; nothing says how it ended.
    Died,
    /// It ended, and was recorded.
    Ended(Ended),
}

/// What the records say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeploymentState {
    /// Where it is.
    pub standing: Standing,
    /// That an apply began.
    pub intent: Option<ApplyIntent>,
    /// The process of terraform.
    pub child: Option<ChildId>,
    /// How it ended.
    pub outcome: Option<ApplyOutcome>,
    /// What was put in order afterwards.
    pub settled: Option<Settled>,
    /// Resources in the order in which they began.
    pub resources: Vec<ResourceProgress>,
}

impl DeploymentState {
    /// Whether something may be left of it: a lock, a state that is not pushed, resources that are half made.
    pub fn needs_settling(&self) -> bool {
        let is_over = matches!(
            self.standing,
            Standing::Planned | Standing::Ended(Ended::Done)
        );
        !is_over && self.settled.is_none()
    }

    /// Whether a lock that was taken at `taken`, by the clock of this machine, is the one of this apply. Whoever holds a
    /// lock is alone: when the first resource began, this apply had it, so that one which was taken between its intent and
    /// that moment, and is still there, is its own. Without a resource that began nothing proves it: the apply may have
    /// waited for another's.
    pub fn owns_lock(&self, taken: Timestamp, machine: &str) -> bool {
        let Some(intent) = self.intent.as_ref().filter(|of| of.machine == machine) else {
            return false;
        };
        let first = self.resources.iter().map(|of| of.began).min();
        first.is_some_and(|first| intent.at <= taken && taken <= first)
    }
}

impl Deployment {
    /// What the records say. `machine` is this machine since its last start.
    ///
    /// # Errors
    /// When a record is there and cannot be read.
    pub fn state(&self, machine: &str) -> Result<DeploymentState, RecordError> {
        let intent = self.intent()?;
        let child: Option<ChildId> = self.read(CHILD)?;
        let outcome: Option<ApplyOutcome> = self.read(OUTCOME)?;
        let standing = match (&intent, &outcome) {
            (_, Some(outcome)) => Standing::Ended(outcome.ended),
            (None, None) => Standing::Planned,
            (Some(intent), None) if intent.machine != machine => Standing::Unknown,
            (Some(_), None) => match child.map(|child| child.is_running()) {
                Some(Some(true)) => Standing::Applying,
                Some(None) => Standing::Unknown,
                // Without a process on record terraform had not begun, or only just: it ends with its parent.
                Some(Some(false)) | None => Standing::Died,
            },
        };
        Ok(DeploymentState {
            standing,
            intent,
            child,
            outcome,
            settled: self.read(SETTLED)?,
            resources: resources(&self.folder.join(PROGRESS))?,
        })
    }

    /// Writes down that what was left is in order. The plan file goes: it holds values of variables, and will never be
    /// applied again.
    ///
    /// # Errors
    /// When that was written before, or cannot be.
    pub fn settle(&self, settled: &Settled) -> Result<(), RecordError> {
        self.write(SETTLED, settled)?;
        if let Err(error) = self.discard_plan() {
            tracing::warn!(%error, "the plan file is still there");
        }
        Ok(())
    }

    /// What terraform said of errors. It may quote secrets.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn diagnostics(&self) -> Result<Option<String>, RecordError> {
        let path = self.folder.join(DIAGNOSTICS);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read_limited(&path, 2 * MOST_DIAGNOSTICS)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub(super) fn intent(&self) -> Result<Option<ApplyIntent>, RecordError> {
        self.read(INTENT)
    }
}

/// Errors in terraform's own words, one after the other.
pub(super) fn text(diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics.iter().filter(|one| one.is_error()) {
        let address = diagnostic
            .address
            .iter()
            .map(|address| format!("  with {address}"));
        let lines = std::iter::once(format!("Error: {}", diagnostic.summary))
            .chain(address)
            .chain([diagnostic.detail.clone(), String::new()]);
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        if text.len() as u64 > MOST_DIAGNOSTICS {
            break;
        }
    }
    text
}

/// The last of each resource. A line that a death has cut off counts for nothing.
fn resources(path: &Path) -> Result<Vec<ResourceProgress>, RecordError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            let path = path.to_owned();
            return Err(files::FileError::Read { path, source }.into());
        }
    };
    let mut found: Vec<ResourceProgress> = Vec::new();
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = io::Read::take(&mut reader, MOST_LINE);
        match limited.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(source) => {
                let path = path.to_owned();
                return Err(files::FileError::Read { path, source }.into());
            }
        }
        let Ok(progress) = serde_json::from_slice::<ResourceProgress>(&line) else {
            continue;
        };
        match found.iter_mut().find(|of| of.address == progress.address) {
            Some(known) => {
                // What the end says of the beginning is by whole seconds.
                let began = known.began;
                *known = ResourceProgress { began, ..progress };
            }
            None => found.push(progress),
        }
    }
    Ok(found)
}

/// Progress that is written down line by line. Where that fails, the apply goes on: its outcome counts.
pub(super) struct ProgressLog(Option<File>);

impl ProgressLog {
    pub(super) fn open(deployment: &Deployment) -> Result<Self, RecordError> {
        let file = files::create_new_secret(&deployment.folder().join(PROGRESS))?;
        Ok(Self(Some(file)))
    }

    pub(super) fn event(&mut self, event: &Event, at: Timestamp) {
        let (address, standing, elapsed) = match event {
            Event::Started { address, .. } => (address, ResourceStanding::Began, None),
            Event::Completed {
                address, elapsed, ..
            } => (address, ResourceStanding::Done, Some(*elapsed)),
            Event::Errored {
                address, elapsed, ..
            } => (address, ResourceStanding::Failed, Some(*elapsed)),
            _ => return,
        };
        let elapsed_before = elapsed.and_then(|elapsed| at.checked_sub(elapsed).ok());
        let progress = ResourceProgress {
            address: address.clone(),
            standing,
            began: elapsed_before.unwrap_or(at),
            seconds: elapsed.as_ref().map(Duration::as_secs),
        };
        let written = self.0.as_mut().map(|file| append(file, &progress));
        if let Some(Err(error)) = written {
            tracing::warn!(%error, "progress is not recorded any more");
            self.0 = None;
        }
    }
}

fn append(file: &mut File, progress: &ResourceProgress) -> io::Result<()> {
    let mut line = serde_json::to_vec(progress)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}

/// The text of errors, for its owner alone.
pub(super) fn write_diagnostics(deployment: &Deployment, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(deployment.folder().join(DIAGNOSTICS))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
