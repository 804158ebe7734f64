use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use clap::Parser;
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::screen::{self, LogLine, Stream};
use crate::signals::{First, Signals};
use crate::{Exit, Failure, GlobalArgs, OutputFormat};

/// Parses the arguments, runs `program` until it ends or is interrupted, and tells how it ended. A program that computes
/// and does not hear the interrupt is ended half a second later, and at the next one at once.
pub fn run<C, F>(
    arguments: impl IntoIterator<Item = OsString>,
    global: impl FnOnce(&C) -> &GlobalArgs,
    program: impl FnOnce(C) -> F,
) -> ExitCode
where
    C: Parser,
    F: Future<Output = Result<Exit, Failure>>,
{
    let ending = |signal: &str| Err(interruption(signal));
    run_until(arguments, global, First::Ends, ending, program)
}

/// Like [`run`], for a program that repeats: once it has said how it ends so far, an interrupt ends it that way.
pub fn run_repeating<C, F>(
    arguments: impl IntoIterator<Item = OsString>,
    global: impl FnOnce(&C) -> &GlobalArgs,
    program: impl FnOnce(C, watch::Sender<Option<Exit>>) -> F,
) -> ExitCode
where
    C: Parser,
    F: Future<Output = Result<Exit, Failure>>,
{
    let (so_far, last) = watch::channel(None);
    let ending = move |signal: &str| {
        let ended = *last.borrow();
        ended.ok_or_else(|| interruption(signal))
    };
    run_until(arguments, global, First::Ends, ending, |parsed| {
        program(parsed, so_far)
    })
}

/// Like [`run`], but the first interrupt only sets the flag that the program gets, for it to end what is
/// under way; the second ends it.
pub fn run_draining<C, F>(
    arguments: impl IntoIterator<Item = OsString>,
    global: impl FnOnce(&C) -> &GlobalArgs,
    program: impl FnOnce(C, watch::Receiver<bool>) -> F,
) -> ExitCode
where
    C: Parser,
    F: Future<Output = Result<Exit, Failure>>,
{
    let (stop, stopping) = watch::channel(false);
    let ending = |signal: &str| Err(interruption(signal));
    run_until(arguments, global, First::Drains(stop), ending, |parsed| {
        program(parsed, stopping)
    })
}

/// What a program makes of interrupts while it runs: before it has said anything, they end it.
#[derive(Clone, Default)]
pub struct Interrupts {
    stop: Arc<watch::Sender<bool>>,
    left: Arc<Mutex<Option<Left>>>,
}

/// What an interruption leaves, one hint for each.
type Left = Box<dyn Fn() -> Vec<String> + Send>;

impl std::fmt::Debug for Interrupts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupts").finish_non_exhaustive()
    }
}

impl Interrupts {
    /// As long as the receiver is kept, the first interrupt only sets its flag, for the program to end what is under way.
    pub fn heed(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// What is said of an interrupt that ends the program: what it leaves at that moment, and how that is put right.
    pub fn leave(&self, left: impl Fn() -> Vec<String> + Send + 'static) {
        let mut known = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Box::new(left));
    }

    fn left(&self) -> Vec<String> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.as_ref().map(|left| left()).unwrap_or_default()
    }
}

/// Like [`run`], for a program that says itself when an interrupt lets it end what is under way, and what it leaves.
pub fn run_heeding<C, F>(
    arguments: impl IntoIterator<Item = OsString>,
    global: impl FnOnce(&C) -> &GlobalArgs,
    program: impl FnOnce(C, Interrupts) -> F,
) -> ExitCode
where
    C: Parser,
    F: Future<Output = Result<Exit, Failure>>,
{
    let interrupts = Interrupts::default();
    let first = First::DrainsWhenHeeded(interrupts.stop.clone());
    let known = interrupts.clone();
    let ending = move |signal: &str| {
        let left = known.left().into_iter();
        Err(left.fold(interruption(signal), Failure::hint))
    };
    run_until(arguments, global, first, ending, |parsed| {
        program(parsed, interrupts)
    })
}

fn interruption(signal: &str) -> Failure {
    Failure::new(
        Exit::Interrupted,
        anyhow::anyhow!("interrupted by {signal}"),
    )
    .hint("what was done stays done; run the same command again to continue")
}

fn run_until<C, F>(
    arguments: impl IntoIterator<Item = OsString>,
    global: impl FnOnce(&C) -> &GlobalArgs,
    first: First,
    ending: impl Fn(&str) -> Result<Exit, Failure> + Clone + Send + 'static,
    program: impl FnOnce(C) -> F,
) -> ExitCode
where
    C: Parser,
    F: Future<Output = Result<Exit, Failure>>,
{
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = match C::try_parse_from(&arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let to = match error.use_stderr() {
                true => Stream::Stderr,
                false => Stream::Stdout,
            };
            match to.is_terminal() && crate::output::has_colours() {
                true => to.styled_lines(&error.render().ansi().to_string()),
                false => to.lines(&error.render().to_string()),
            }
            if to == Stream::Stdout {
                return Exit::Fine.into();
            }
            if wants_json(&arguments) {
                let failure = Failure::new(Exit::Usage, anyhow::anyhow!(error.to_string()));
                print_json(&failure);
            }
            return Exit::Usage.into();
        }
    };
    let (verbose, format) = {
        let global = global(&parsed);
        (global.verbose, global.output)
    };
    trace(verbose);
    // Programs wait for AWS nearly all the time. One thread serves some thousand calls a second, without waking
    // others for each of them, and memory is not spread over an allocator's arena for each thread.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return tell(&Failure::new(Exit::Unchecked, error), format).into(),
    };
    let by_force = ending.clone();
    let ended = move |signal| match by_force(signal) {
        Ok(exit) => exit as u8,
        Err(failure) => tell(&failure, format) as u8,
    };
    let mut signals = match Signals::listen(first, screen::line, ended) {
        Ok(signals) => signals,
        Err(error) => {
            let error = anyhow::Error::new(error).context("failed to listen for interrupts");
            return tell(&Failure::new(Exit::Unchecked, error), format).into();
        }
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = program(parsed) => outcome,
            signal = signals.end() => ending(signal),
        }
    });
    // A call that hangs must not hold up the end of the program.
    runtime.shutdown_background();
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => tell(&failure, format).into(),
    }
}

/// Before the arguments are understood.
fn wants_json(arguments: &[OsString]) -> bool {
    let separate = arguments
        .windows(2)
        .any(|pair| pair[0] == "--output" && pair[1] == "json");
    separate || arguments.iter().any(|argument| argument == "--output=json")
}

fn tell(failure: &Failure, format: OutputFormat) -> Exit {
    Stream::Stderr.lines(&(failure.lines().join("\n") + "\n"));
    if format == OutputFormat::Json {
        print_json(failure);
    }
    failure.exit()
}

fn print_json(failure: &Failure) {
    // A JSON value is always written.
    if let Ok(text) = report::escape::json(&failure.to_json()) {
        Stream::Stdout.lines(&format!("{text}\n"));
    }
}

/// The targets of this project: what its own crates tell. `-v` shows the steps that are applied, `-vv` every call to
/// AWS, `-vvv` whatever the libraries below say as well.
const OWN: [&str; 17] = [
    "aws_env",
    "cli",
    "cost",
    "deploy_staging",
    "dr",
    "dr_replicate",
    "dr_runbook",
    "evidence",
    "init_backend",
    "probe",
    "runbook",
    "settings",
    "snapshot_copier",
    "state_backend",
    "terraform",
    "verify",
    "verify_staging",
];

/// What every line of the log goes through before it is shown.
type Redaction = Box<dyn Fn(&str) -> String + Send + Sync>;

static REDACTIONS: RwLock<Vec<Redaction>> = RwLock::new(Vec::new());

/// Has every line of the log go through `redact` from now on, for secrets that only the program knows: a resource can be
/// called what an output marks as sensitive, and the log of calls names resources. Each of those given counts: a run may
/// read the outputs of two environments.
pub fn redact_log(redact: impl Fn(&str) -> String + Send + Sync + 'static) {
    let mut redactions = REDACTIONS.write().unwrap_or_else(PoisonError::into_inner);
    redactions.push(Box::new(redact));
}

/// A line of the log as it may be shown, if anything has to be hidden.
fn redacted(line: &str) -> Option<String> {
    let redactions = REDACTIONS.read().unwrap_or_else(PoisonError::into_inner);
    let (first, others) = redactions.split_first()?;
    Some(
        others
            .iter()
            .fold(first(line), |line, redact| redact(&line)),
    )
}

/// `RUST_LOG` wins. The SDK's own events carry no credentials at these levels.
fn trace(verbose: u8) {
    let own = |level| Targets::new().with_targets(OWN.map(|target| (target, level)));
    let default = match verbose {
        // The credential chain warns of every source that has none.
        0 => Targets::new()
            .with_default(LevelFilter::WARN)
            .with_target("aws_config", LevelFilter::ERROR),
        1 => own(LevelFilter::INFO).with_default(LevelFilter::WARN),
        2 => own(LevelFilter::DEBUG).with_default(LevelFilter::WARN),
        _ => Targets::new().with_default(LevelFilter::DEBUG),
    };
    // Targets and levels, without spans and fields.
    let named = std::env::var("RUST_LOG").unwrap_or_default();
    let named: Vec<&str> = named.split(',').filter(|part| !part.is_empty()).collect();
    let named = match named.is_empty() {
        true => None,
        false => named.join(",").parse::<Targets>().ok(),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| LogLine(redacted))
        .with_ansi(Stream::Stderr.is_terminal())
        .without_time();
    let subscriber = tracing_subscriber::registry()
        .with(lines)
        .with(named.unwrap_or(default));
    // In one process only the first program sets it.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
