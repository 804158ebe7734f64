//! Terraform as a child: what it writes is read within limits, an interrupt lets it end, and it does not outlive this
//! process for long.

mod capture;
mod id;
mod transcript;
mod watchdog;

use std::ffi::OsString;
use std::fs::File;
use std::future::Future;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use self::capture::{Lines, Tail, Whole};
use crate::diagnostic::Diagnostic;
use crate::environment::Environment;
use crate::error::Error;
use crate::event::{ChangeCounts, Event};

pub use self::id::ChildId;
pub use self::transcript::Transcript;
pub use self::watchdog::Watchdog;

/// Waits until this process has told the watchdog the child's ID, and then becomes terraform, with the same ID. A
/// process that dies before that starts no terraform.
const GATE: &str = r#"read -r word && [ "$word" = go ] && exec "$@"; exit 125"#;

/// After terraform's end, how long what it wrote is waited for: a grandchild may hold its pipes open.
const DRAIN: Duration = Duration::from_secs(2);

/// At most this much of standard error is kept, its end.
const MAX_STDERR_BYTES: usize = 1 << 20;

/// At most so many diagnostics are kept.
const MAX_DIAGNOSTICS: usize = 1_000;

/// What a command writes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Progress, a line of JSON for each step.
    Progress,
    /// A result of at most so many bytes.
    Result {
        /// How many.
        max_bytes: u64,
    },
}

/// How a command is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Invocation<'a> {
    pub(crate) program: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) environment: &'a Environment,
    /// What errors call it, as in `state pull`.
    pub(crate) command: &'static str,
    pub(crate) arguments: &'a [OsString],
    pub(crate) output: Output,
    /// How long it may take to end when it was interrupted, or this process has died.
    pub(crate) grace: Duration,
    /// An absolute path: what is written to standard output is added to this file as well, also after the death of this
    /// process.
    pub(crate) transcript: Option<&'a Path>,
}

/// A terraform that runs.
///
/// When it is dropped before its end, or this process dies in whatever way, a watchdog interrupts terraform, so that it
/// writes its state and gives its lock back, and kills it only when it has not ended within the time of grace.
#[derive(Debug)]
pub struct Running {
    command: &'static str,
    output: Output,
    id: ChildId,
    grace: Duration,
    started: Instant,
    child: Child,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
    transcript: Option<File>,
    watchdog: Watchdog,
}

/// A terraform whose process is there and waits: nothing is done before [`Prepared::go`]. Dropped, or when this process
/// dies, it ends without having begun.
#[derive(Debug)]
pub struct Prepared(Running);

/// How terraform ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit code: 0, or one that its command has for a result.
    pub code: i32,
    /// What it complained of: warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// How many resources change or were changed, of a command that tells.
    pub changes: Option<ChangeCounts>,
    /// What it wrote, of a command without progress.
    pub(crate) stdout: Vec<u8>,
}

impl Prepared {
    pub(crate) async fn start(invocation: &Invocation<'_>) -> Result<Self, Error> {
        let command = invocation.command;
        if !invocation.folder.is_dir() {
            let folder = invocation.folder.to_owned();
            return Err(Error::NoFolder { folder });
        }
        let prepared = Running::spawn(invocation).await;
        let prepared = prepared.map_err(|source| Error::Run { command, source });
        prepared.map(Self)
    }

    /// Which process it is, and will be.
    pub fn id(&self) -> ChildId {
        self.0.id
    }

    /// Begins.
    ///
    /// # Errors
    /// When the process is gone.
    pub async fn go(self) -> Result<Running, Error> {
        let Self(mut running) = self;
        let command = running.command;
        if let Some(mut gate) = running.child.stdin.take() {
            let opened = gate.write_all(b"go\n").await;
            opened.map_err(|source| Error::Run { command, source })?;
        }
        tracing::debug!(command, pid = running.id.pid, "terraform started");
        Ok(running)
    }
}

impl Running {
    pub(crate) async fn start(invocation: &Invocation<'_>) -> Result<Self, Error> {
        Prepared::start(invocation).await?.go().await
    }

    async fn spawn(invocation: &Invocation<'_>) -> io::Result<Self> {
        let transcript = invocation.transcript.map(transcript::open).transpose()?;
        let (stdout, stdout_writer) = output_pipe()?;
        let (stderr, stderr_writer) = output_pipe()?;
        let mut watchdog = Watchdog::start(
            invocation.environment.get("PATH"),
            invocation.grace,
            invocation.transcript,
            (clone(&stdout)?, clone(&stderr)?),
        )?;
        let child = Command::new("/bin/sh")
            .args(["-c", GATE, "terraform"])
            .arg(invocation.program)
            .args(invocation.arguments)
            .current_dir(invocation.folder)
            .env_clear()
            .envs(invocation.environment.iter())
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("CHECKPOINT_DISABLE", "1")
            .stdin(Stdio::piped())
            .stdout(stdout_writer)
            .stderr(stderr_writer)
            // A terminal sends Ctrl-C to every process of its foreground group. Together with the one that is passed
            // on, terraform would get two, and at the second it ends at once and loses what it has not yet written.
            .process_group(0)
            .spawn()?;
        let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
        let id = ChildId::of(pid);
        watchdog.guard(pid).await?;
        Ok(Self {
            command: invocation.command,
            output: invocation.output,
            id,
            grace: invocation.grace,
            started: Instant::now(),
            child,
            stdout,
            stderr,
            transcript,
            watchdog,
        })
    }

    /// Which process it is.
    pub fn id(&self) -> ChildId {
        self.id
    }

    /// How long it may take to end when it was interrupted.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Waits for the end of terraform, and hands each event to `on_event`. When `stop` is ready, terraform is
    /// interrupted once, and waited for: it ends what is under way, writes its state and gives its lock back. One that has
    /// not ended within its time of grace is killed, with all that it has started.
    ///
    /// # Errors
    /// When it fails, is interrupted before it is done, does not end when it is interrupted, or finds the state locked.
    pub async fn finish(
        self,
        stop: impl Future<Output = ()>,
        on_event: impl FnMut(&Event),
    ) -> Result<Finished, Error> {
        self.finish_with(&[0], stop, on_event).await
    }

    /// `fine` are the exit codes that are results.
    pub(crate) async fn finish_with(
        mut self,
        fine: &[i32],
        stop: impl Future<Output = ()>,
        on_event: impl FnMut(&Event),
    ) -> Result<Finished, Error> {
        let command = self.command;
        let mut written = Written::new(self.output, on_event);
        let (status, stopped) = self
            .read_until_end(stop, &mut written)
            .await
            .map_err(|source| Error::Run { command, source })?;
        if status.code().is_none() {
            // Killed: its providers would go on with what they were asked for.
            self.id.end_group();
        }
        self.watchdog.dismiss().await;
        tracing::debug!(
            command,
            pid = self.id.pid,
            ms = self.started.elapsed().as_millis(),
            %status,
            "terraform ended"
        );
        written.finished(command, status, stopped, fine)
    }

    async fn read_until_end(
        &mut self,
        stop: impl Future<Output = ()>,
        written: &mut Written<impl FnMut(&Event)>,
    ) -> io::Result<(ExitStatus, Stopped)> {
        let mut stop = std::pin::pin!(stop);
        let mut stopped = Stopped::No;
        let mut out_of_grace = std::pin::pin!(tokio::time::sleep(Duration::MAX));
        let (mut out, mut err) = (vec![0; 64 << 10], vec![0; 16 << 10]);
        let (mut out_open, mut err_open) = (true, true);
        let mut status = None;
        let mut drained = std::pin::pin!(tokio::time::sleep(Duration::MAX));
        while status.is_none() || out_open || err_open {
            tokio::select! {
                read = read(&mut self.stdout, &mut out), if out_open => match read? {
                    0 => out_open = false,
                    bytes => {
                        self.transcribe(&out[..bytes]);
                        written.stdout(&out[..bytes]);
                    }
                },
                read = read(&mut self.stderr, &mut err), if err_open => match read? {
                    0 => err_open = false,
                    bytes => written.stderr.push(&err[..bytes]),
                },
                ended = self.child.wait(), if status.is_none() => {
                    status = Some(ended?);
                    drained.as_mut().set(tokio::time::sleep(DRAIN));
                }
                () = &mut stop, if stopped == Stopped::No && status.is_none() => {
                    stopped = Stopped::Interrupted;
                    self.interrupt().await;
                    out_of_grace.as_mut().set(tokio::time::sleep(self.grace));
                }
                () = &mut out_of_grace, if stopped == Stopped::Interrupted && status.is_none() => {
                    stopped = Stopped::Killed(self.grace);
                    self.id.kill_group();
                    // Where the system does not tell what the group is.
                    let _ = self.child.start_kill();
                }
                () = &mut drained, if status.is_some() => break,
            }
        }
        match status {
            Some(status) => Ok((status, stopped)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Before anything is made of it: a process that dies here has lost nothing that it had read.
    fn transcribe(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.transcript
            && let Err(error) = file.write_all(bytes)
        {
            tracing::warn!("the transcript of terraform is cut off: {error}");
            self.transcript = None;
        }
    }

    /// Only before its end was seen: after that, its ID may be another process's.
    async fn interrupt(&mut self) {
        // Before: should this process die now, terraform goes on to its end, and writes its state. After a second
        // interrupt it would not.
        self.watchdog.was_interrupted().await;
        let pid = self
            .child
            .id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            tracing::debug!(
                command = self.command,
                pid = self.id.pid,
                "terraform interrupted"
            );
            // It may have ended just now.
            let _ = kill_process(pid, Signal::INT);
        }
    }
}

/// A pipe whose reading end does not block, also where the watchdog has it: whether it does is a property of the pipe's
/// end, not of the descriptor.
fn output_pipe() -> io::Result<(pipe::Receiver, Stdio)> {
    let (reader, writer) = io::pipe()?;
    Ok((
        pipe::Receiver::from_owned_fd(reader.into())?,
        Stdio::from(writer),
    ))
}

fn clone(receiver: &pipe::Receiver) -> io::Result<Stdio> {
    use std::os::fd::AsFd as _;
    receiver.as_fd().try_clone_to_owned().map(Stdio::from)
}

async fn read(pipe: &mut pipe::Receiver, into: &mut [u8]) -> io::Result<usize> {
    tokio::io::AsyncReadExt::read(pipe, into).await
}

/// What was done to end a terraform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    No,
    Interrupted,
    /// It had so much time after its interrupt.
    Killed(Duration),
}

/// What terraform has written so far.
struct Written<F> {
    on_event: F,
    lines: Lines,
    whole: Option<Whole>,
    stderr: Tail,
    diagnostics: Vec<Diagnostic>,
    changes: Option<ChangeCounts>,
}

impl<F: FnMut(&Event)> Written<F> {
    fn new(output: Output, on_event: F) -> Self {
        Self {
            on_event,
            lines: Lines::default(),
            whole: match output {
                Output::Progress => None,
                Output::Result { max_bytes } => Some(Whole::new(max_bytes)),
            },
            stderr: Tail::new(MAX_STDERR_BYTES),
            diagnostics: Vec::new(),
            changes: None,
        }
    }

    fn stdout(&mut self, bytes: &[u8]) {
        if let Some(whole) = &mut self.whole {
            whole.push(bytes);
            return;
        }
        for line in self.lines.push(bytes) {
            self.line(&line);
        }
    }

    fn line(&mut self, line: &str) {
        let event = Event::from_line(line);
        match &event {
            Event::Diagnostic(diagnostic) if self.diagnostics.len() < MAX_DIAGNOSTICS => {
                self.diagnostics.push(diagnostic.clone());
            }
            Event::Counted(changes) => self.changes = Some(*changes),
            Event::Completed {
                address, action, ..
            } => tracing::info!(resource = address, step = ?action, "terraform applied"),
            _ => {}
        }
        (self.on_event)(&event);
    }

    fn finished(
        mut self,
        command: &'static str,
        status: ExitStatus,
        stopped: Stopped,
        fine: &[i32],
    ) -> Result<Finished, Error> {
        if let Some(last) = self.lines.rest() {
            self.line(&last);
        }
        let mut diagnostics = self.diagnostics;
        diagnostics.extend(Diagnostic::from_text(&self.stderr.text()));
        let code = status.code().filter(|code| fine.contains(code));
        let Some(code) = code else {
            if let Some(lock) = diagnostics.iter().find_map(Diagnostic::lock) {
                let lock = Box::new(lock);
                return Err(Error::Locked { command, lock });
            }
            if !diagnostics.iter().any(Diagnostic::is_error) {
                diagnostics.extend(Diagnostic::of_words(&self.stderr.text()));
            }
            let status = status.to_string();
            return Err(match stopped {
                Stopped::No => Error::Failed {
                    command,
                    status,
                    diagnostics,
                },
                Stopped::Interrupted => Error::Interrupted {
                    command,
                    status,
                    diagnostics,
                },
                Stopped::Killed(grace) => Error::Deaf {
                    command,
                    grace,
                    diagnostics,
                },
            });
        };
        let stdout = match self.whole {
            None => Vec::new(),
            Some(whole) => whole
                .bytes()
                .map_err(|max_bytes| Error::TooLong { command, max_bytes })?,
        };
        Ok(Finished {
            code,
            diagnostics,
            changes: self.changes,
            stdout,
        })
    }
}
