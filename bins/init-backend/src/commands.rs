mod apply;
mod backfill;
mod failback;
mod failover;
mod integrity;
mod locks;
mod metrics;
mod plan;
mod render;
mod repair;
mod restore;
mod roots;
mod runs;
mod status;
mod verify;

use std::time::Duration;

use aws_env::{AwsEnv, Call, ErrorClass};
use cli::{Exit, Failure, GlobalArgs, Interrupts, OutputFormat, Progress};
use report::{Document, Report};
use serde::Serialize;
use settings::Settings;
use state_backend::{
    Backend, Canary, CanaryError, CanaryOptions, ConnectError, Handover, HeldLocks, Left, LeftKind,
    LockHolder, Problem, SideName,
};

use crate::args::RepairCommand;
use crate::{Cli, Command};

pub(crate) async fn run(cli: Cli, interrupts: Interrupts) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Plan(args) => plan::run(&global, &args).await,
        Command::Apply(args) => apply::run(&global, &args).await,
        Command::Verify(args) => verify::run(&global, &args).await,
        Command::Render(args) => render::run(&global, &args).await,
        Command::Status => status::run(&global).await,
        Command::Metrics => metrics::run(&global).await,
        Command::Integrity(args) => integrity::run(&global, &args).await,
        Command::Locks => locks::list(&global).await,
        Command::Unlock(args) => locks::release(&global, &args).await,
        Command::Restore(args) => restore::run(&global, &args).await,
        Command::Repair(RepairCommand::Digest(args)) => repair::digest(&global, &args).await,
        Command::Backfill(args) => backfill::run(&global, &args).await,
        Command::Failover(args) => failover::run(&global, &args, &interrupts).await,
        Command::Failback(args) => failback::run(&global, &args, &interrupts).await,
        Command::Completion(args) => cli::print_completion(&global, &args, crate::command()),
        Command::Man(args) => cli::print_man(&global, &args, crate::command()),
    }
}

/// A result, and the canary that was run for it: null when none was.
#[derive(Serialize)]
struct Proven<R> {
    #[serde(flatten)]
    result: R,
    canary: Option<Canary>,
}

impl<R: Report> Report for Proven<R> {
    const KIND: &'static str = R::KIND;

    fn document(&self) -> Document {
        let document = self.result.document();
        match &self.canary {
            Some(canary) => document.append(canary.document()),
            None => document,
        }
    }
}

/// Proves replication, with bytes that no other run has written.
async fn run_canary(
    backend: &Backend,
    timeout: Duration,
    progress: &Progress,
) -> Result<Canary, Failure> {
    let options = CanaryOptions {
        timeout,
        now: cli::now(),
        token: format!("replication canary {} {}\n", cli::now(), std::process::id()),
    };
    backend.canary(&options, progress).await.map_err(|error| {
        let (exit, hint) = match &error {
            CanaryError::Failed => (
                Exit::Wrong,
                "`init-backend verify` checks the role's permissions and the DR bucket",
            ),
            CanaryError::Altered => (
                Exit::Wrong,
                "something else writes to the DR bucket; `init-backend verify` checks what may",
            ),
            CanaryError::KeyOfState => (
                Exit::Usage,
                "set another state.key in the configuration, or run `init-backend apply --skip-canary`",
            ),
            CanaryError::NoDrRegion => (Exit::Unchecked, "set [state.dr] in the configuration"),
            CanaryError::RegionLost { .. } => (
                Exit::Unchecked,
                "`init-backend status` shows what answers; prove replication with \
                 `init-backend verify --canary` when both regions do",
            ),
            CanaryError::Call(error) => (Exit::Unchecked, canary_call_hint(error)),
            CanaryError::TimedOut { last, .. } => (Exit::Unchecked, canary_status_hint(last)),
        };
        let error = anyhow::Error::new(error).context("failed to prove replication");
        Failure::new(exit, error).hint(hint)
    })
}

/// What helps against a call of the canary that failed.
fn canary_call_hint(error: &aws_env::Error) -> &'static str {
    match (error.class, error.call.operation) {
        (ErrorClass::Denied, "PutObject" | "HeadObject") => {
            "the caller needs s3:PutObject and s3:GetObjectVersion below init-backend/ in the primary \
             bucket, and its key's kms:GenerateDataKey"
        }
        (ErrorClass::Denied, "GetObject") => {
            "the caller needs s3:GetObjectVersion below init-backend/ in the DR bucket, and its key's \
             kms:Decrypt"
        }
        (ErrorClass::Denied, _) => {
            "the caller needs s3:ListBucketVersions and s3:DeleteObjectVersion in both buckets"
        }
        (ErrorClass::Absent, _) => {
            "`init-backend plan` shows what is missing, and `init-backend apply` makes it"
        }
        _ => TRY_AGAIN,
    }
}

/// What helps when the canary did not arrive in time, by the last status of its replication.
fn canary_status_hint(last: &str) -> &'static str {
    match last {
        "PENDING" => {
            "S3 is at it, and promises no time: \
             `init-backend verify --canary --canary-timeout 30m` waits longer"
        }
        last if last.starts_with("none") => {
            "S3 has no rule for the canary: `init-backend verify` compares the replication rule"
        }
        _ => TRY_AGAIN,
    }
}

const TRY_AGAIN: &str =
    "the backend itself is in place; `init-backend verify --canary` tries again";

/// Prints a result with its canary. A canary that failed ends the program after that; of two JSON documents only the
/// error is printed.
fn print_with_canary<R: Report>(
    global: &GlobalArgs,
    result: R,
    canary: Option<Result<Canary, Failure>>,
) -> Result<(), Failure> {
    let (canary, failure) = match canary.transpose() {
        Ok(canary) => (canary, None),
        Err(failure) => (None, Some(failure)),
    };
    if failure.is_none() || global.output != OutputFormat::Json {
        cli::print(global, &Proven { result, canary })?;
    }
    failure.map_or(Ok(()), Err)
}

/// What a failover or failback ends with: somebody who holds a lock is a guard's matter, what is left for another reason
/// is wrong, and what nobody answered is not known.
fn exit_of(handover: &Handover) -> Exit {
    let left = handover.left().map(exit_of_left);
    let lost = handover.lost_writes().map(|_| Exit::Wrong);
    let problems = handover.problems().map(|_| Exit::Unchecked);
    left.chain(lost).chain(problems).collect()
}

/// What a failover or failback can be helped with: a table or bucket that is not there is made by `apply`, which needs no
/// other region for it.
fn hints(handover: &Handover, to: SideName) -> Vec<String> {
    let missing = handover.problems().map(Problem::error).filter(|error| {
        // Of a single object or row, that it is not there is a result.
        let is_whole = error.call.service == "DynamoDB" || error.call.operation.starts_with("List");
        error.class == ErrorClass::Absent && is_whole
    });
    let mut hints: Vec<String> = missing
        .map(|error| {
            let Call {
                region, resource, ..
            } = &error.call;
            let other = match to {
                SideName::Dr => ", without the primary region",
                SideName::Primary => "",
            };
            format!(
                "The {resource} is missing in {region}: `init-backend apply --yes` makes what is missing there{other}."
            )
        })
        .collect();
    hints.sort();
    hints.dedup();
    hints
}

fn exit_of_left(left: &Left) -> Exit {
    match left.kind {
        LeftKind::Locked | LeftKind::Unversioned => Exit::Refused,
        LeftKind::Interrupted => Exit::Interrupted,
        _ => Exit::Wrong,
    }
}

/// How the locks that this run takes say whose they are.
fn lock_holder() -> LockHolder {
    let time = cli::now();
    LockHolder {
        who: cli::operator(),
        time,
        token: format!("{time} {}", std::process::id()),
        held: HeldLocks::default(),
    }
}

/// Locks that an interruption names: the rest is listed by `locks`.
const LOCKS_NAMED: usize = 10;

/// What an interruption leaves of a run's locks, and how they are released.
fn locks_left(held: &HeldLocks, otherwise: &str) -> Vec<String> {
    let commands = held.unlock_commands();
    let named: Vec<String> = commands
        .iter()
        .take(LOCKS_NAMED)
        .map(|command| format!("`{command}`"))
        .collect();
    if named.is_empty() {
        return Vec::new();
    }
    let more = match commands.len() - named.len() {
        0 => String::new(),
        more => format!("; `init-backend locks` shows {more} more"),
    };
    let named = named.join(", ");
    vec![format!(
        "locks may be left, which {otherwise}, or {named}{more}"
    )]
}

async fn connect(global: &GlobalArgs) -> Result<Backend, Failure> {
    let (settings, env) = environment(global).await?;
    connect_with(&settings, &env).await
}

/// The settings, and what calls AWS with them.
async fn environment(global: &GlobalArgs) -> Result<(Settings, AwsEnv), Failure> {
    let settings = cli::load_settings(global)?;
    cli::residency_notes(&settings);
    let env = cli::aws_env(Some(&settings)).await?;
    Ok((settings, env))
}

async fn connect_with(settings: &Settings, env: &AwsEnv) -> Result<Backend, Failure> {
    let both = env.both(settings.regions.primary, settings.regions.dr);
    Backend::connect(settings, &both)
        .await
        .map_err(not_connected)
}

fn not_connected(error: ConnectError) -> Failure {
    match error {
        ConnectError::Call(error) => Failure::aws("reach AWS", error),
        ConnectError::NoDrSide => Failure::new(
            Exit::Usage,
            anyhow::Error::new(error).context("failed to begin"),
        )
        .hint("set [state.dr] in the configuration"),
        other => Failure::new(
            Exit::Refused,
            anyhow::Error::new(other).context("failed to begin"),
        )
        .hint("`AWS_PROFILE` chooses the credentials; `account` in the settings says whose backend it is"),
    }
}
