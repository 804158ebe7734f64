//! Command line.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use local_aws::{
    Base, Execution, FaultId, RdsClock, RegionState, UnknownAccount, UnknownRegion, known_account,
    known_region,
};

/// AWS on one loopback port, for drills and tests: regions that can be switched off, faults, a request log.
///
/// An emulator runs as a child process; state is in memory and gone at the end. Only 127.0.0.1 is
/// served. Nothing here speaks to AWS.
#[derive(Debug, Parser)]
#[command(name = "local-aws", version, max_term_width = 100, after_long_help = AFTER)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Say more on stderr; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

const AFTER: &str = "\
Examples:
  eval \"$(local-aws up --detach)\"          start in the background, set the environment
  local-aws region ca-central-1 down       from now on clients see a network failure there
  local-aws fault add slow-down --service s3 --share 0.3
  local-aws log --follow                   one JSON object per request
  local-aws down

  local-aws exec -- terraform apply        run one command with a local AWS of its own
  local-aws exec --stack practice -- bash  the same, with the staging guide's environment in it

Exit status: 0 fine, 2 wrong usage, 3 could not be done (`exec`: 125). `exec` passes on the status of
its command, 128 + n when signal n ended it, 126 and 127 when it could not be run or found.

The emulator is installed once, from the Python package index, into the user's cache directory;
LOCAL_AWS_CACHE names another directory. Python 3.10 or newer is needed.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start, print the environment as `export` lines, and serve until Ctrl-C.
    ///
    /// Also ends when the process that started it ends.
    Up(Up),
    /// Stop the instance that `up --detach` left in the background, or the one at LOCAL_AWS_URL.
    Down(At),
    /// Show what runs: URL, regions that are down, faults.
    Status(Status),
    /// Switch a region off or on.
    ///
    /// Global services (IAM, CloudFront, Route 53) are signed for us-east-1 and follow that region.
    #[command(after_help = "Example:\n  local-aws region ca-central-1 down --as blackhole")]
    Region(Region),
    /// Let a bucket belong to another account.
    ///
    /// As if somebody else had made it and allowed everybody everything: requests that expect another owner are
    /// refused, and nobody else can make a bucket of this name.
    #[command(after_help = "Example:\n  local-aws bucket photos-dr --owner 999999999999")]
    Bucket(Bucket),
    /// Let operations fail, or wait.
    Fault(Fault),
    /// Move the clock of the simulated RDS, change its quotas, choose how something ends.
    Rds(Rds),
    /// Print the requests so far, one JSON object per line.
    Log(Log),
    /// Run a command with a local AWS of its own, stop afterwards, pass its exit status on.
    ///
    /// Inside, `local-aws region`, `fault`, `log` and `status` find that instance by the environment.
    #[command(after_help = "Example:\n  local-aws exec --base moto -- cargo test")]
    Exec(Exec),
    /// Becomes the command of `exec`: ends with its parent where the system can do that.
    #[command(hide = true)]
    Become(Become),
}

/// How to start.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Emulator: ministack, moto, localstack, docker (ministack in a container), or http://HOST:PORT of one that runs already.
    #[arg(long, default_value_t = Base::Ministack, value_name = "BASE")]
    pub(crate) base: Base,
    /// Port on 127.0.0.1; 0 takes any that is free.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) port: u16,
    /// Append the request log to this file, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Seed for the share of requests that faults hit.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
    /// Time of the simulated RDS: simulated seconds in a real one, or `stepped` for `local-aws rds step` only.
    #[arg(long, default_value = "60", value_name = "CLOCK", value_parser = clock)]
    pub(crate) rds_clock: RdsClock,
    /// Let the emulator run the code of this service's functions or jobs (lambda, glue), as processes with your rights.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) allow_execution: Vec<Execution>,
    /// Put the staging guide's environment there, and what is known of it into this new folder: infra.toml, outputs.json.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) stack: Option<PathBuf>,
    /// No PostgreSQL servers behind the instances of RDS, even if PostgreSQL is installed.
    #[arg(long)]
    pub(crate) no_rds_data: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) start: Start,
    /// Go to the background once ready; `local-aws down` ends it.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Set by `--detach` for the process that stays.
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) background: bool,
}

/// The instance that a command is about.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// The instance's URL; otherwise LOCAL_AWS_URL, otherwise what `up --detach` started. Its token is LOCAL_AWS_TOKEN, or in
    /// the file that the instance left for its user.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) at: At,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Region {
    #[command(flatten)]
    pub(crate) at: At,
    /// Region, as in ca-central-1.
    #[arg(value_name = "NAME", value_parser = region)]
    pub(crate) name: String,
    /// Off or on.
    #[arg(value_enum)]
    pub(crate) direction: Direction,
    /// How clients see a region that is down: connections are reset, or nothing ever answers.
    #[arg(long = "as", value_enum, default_value_t = Look::Refuse, value_name = "HOW")]
    pub(crate) look: Look,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Direction {
    Down,
    Up,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Look {
    Refuse,
    Blackhole,
}

impl Region {
    /// The state asked for.
    pub(crate) fn state(&self) -> RegionState {
        match (self.direction, self.look) {
            (Direction::Up, _) => RegionState::Up,
            (Direction::Down, Look::Refuse) => RegionState::Refuse,
            (Direction::Down, Look::Blackhole) => RegionState::BlackHole,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Bucket {
    #[command(flatten)]
    pub(crate) at: At,
    /// The bucket's name; it need not exist yet.
    pub(crate) name: String,
    /// Number of the account that owns it from now on.
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub(crate) owner: String,
}

#[derive(Debug, Args)]
pub(crate) struct Fault {
    #[command(flatten)]
    pub(crate) at: At,
    #[command(subcommand)]
    pub(crate) action: FaultAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FaultAction {
    /// Add a fault; prints its id.
    #[command(after_help = "\
Examples:
  local-aws fault add slow-down --service s3 --share 0.3
  local-aws fault add response-lost --operation PutItem --times 1
  local-aws fault add request-lost --service rds --nth 3
  local-aws fault add error --code InsufficientDBInstanceCapacity --operation 'RestoreDBInstance*'
  local-aws fault add propagating --calls 2
  local-aws fault add latency --ms 250 --region ca-central-1")]
    Add(AddFault),
    /// List the faults.
    List {
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Remove one fault.
    Remove {
        /// As `fault list` shows it.
        #[arg(value_parser = |text: &str| text.parse().map(FaultId))]
        id: FaultId,
    },
    /// Remove all faults.
    Clear,
}

#[derive(Debug, Args)]
pub(crate) struct AddFault {
    /// What happens to a request that is hit.
    #[arg(value_enum)]
    pub(crate) kind: Kind,
    /// Milliseconds, for `latency`.
    #[arg(long, value_name = "N", required_if_eq("kind", "latency"))]
    pub(crate) ms: Option<NonZeroU64>,
    /// The error's code, for `error`: InsufficientDBInstanceCapacity, …
    #[arg(long, value_name = "CODE", required_if_eq("kind", "error"))]
    pub(crate) code: Option<String>,
    /// The error's HTTP status, for `error`.
    #[arg(long, value_name = "STATUS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(400..600))]
    pub(crate) status: u16,
    /// What the error says, for `error`.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) message: String,
    /// For how many calls a new bucket or table is young, for `propagating`.
    #[arg(long, value_name = "N", required_if_eq("kind", "propagating"))]
    pub(crate) calls: Option<NonZeroU64>,
    /// Only requests to this service, as it is signed: s3, dynamodb, iam.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Only this operation; `Put*` for all that begin with Put.
    #[arg(long)]
    pub(crate) operation: Option<String>,
    /// Only requests to this region.
    #[arg(long, value_parser = region)]
    pub(crate) region: Option<String>,
    /// Only this resource, as in the log: bucket/key, table, role; `bucket/*` for a beginning.
    #[arg(long)]
    pub(crate) resource: Option<String>,
    /// Only this share of the requests, 0 to 1.
    #[arg(long, default_value_t = 1.0, value_parser = share)]
    pub(crate) share: f64,
    /// Only this many requests.
    #[arg(long, value_name = "N")]
    pub(crate) times: Option<u64>,
    /// Only request number N of those that match, counted from 1 and from now.
    #[arg(long, value_name = "N", conflicts_with_all = ["share", "times"])]
    pub(crate) nth: Option<NonZeroU64>,
}

#[derive(Debug, Args)]
pub(crate) struct Rds {
    #[command(flatten)]
    pub(crate) at: At,
    #[command(subcommand)]
    pub(crate) action: RdsAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RdsAction {
    /// Print simulated time, quotas and counts, as JSON.
    Status,
    /// Move simulated time on: 30s, 5m, 2h, 7d.
    Step {
        /// A number and its unit.
        #[arg(value_parser = duration)]
        by: Duration,
    },
    /// Change one of the quotas.
    Quota {
        /// The quota, by the name that `rds status` has for it.
        #[arg(value_enum)]
        name: Quota,
        /// The new limit.
        most: u32,
    },
    /// Let an instance or a snapshot end in a status instead of `available`, once.
    #[command(after_help = "\
Example:
  local-aws rds end-as instance us-east-1 app-dr incompatible-parameters")]
    EndAs {
        /// Instance or snapshot.
        #[arg(value_enum)]
        kind: Resource,
        /// The region that the instance or snapshot is in.
        #[arg(value_parser = region)]
        region: String,
        /// Its id, or `beginning*`; it need not exist yet.
        id: String,
        /// failed, incompatible-parameters, incompatible-restore …
        status: String,
    },
    /// Say how far a read replica is behind, which CloudWatch shows as ReplicaLag.
    #[command(after_help = "\
Examples:
  local-aws rds replica-lag us-east-1 app-replica 10m
  local-aws rds replica-lag us-east-1 app-replica")]
    ReplicaLag {
        /// The region that the replica is in.
        #[arg(value_parser = region)]
        region: String,
        /// Its id.
        id: String,
        /// A number and its unit; without it RDS says nothing of it.
        #[arg(value_parser = duration)]
        lag: Option<Duration>,
    },
    /// Take an engine version out of the offer for new instances.
    Retire {
        /// As in 15.12.
        version: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Quota {
    ManualSnapshots,
    CopiesInProgress,
    ReplicatedBackups,
    Instances,
    StorageGib,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Resource {
    Instance,
    Snapshot,
}

fn clock(text: &str) -> Result<RdsClock, String> {
    match (text, text.parse()) {
        ("stepped", _) => Ok(RdsClock::Stepped),
        (_, Ok(factor @ 1..=1_000_000)) => Ok(RdsClock::Running { factor }),
        _ => match text.strip_prefix("asked:").map(str::parse) {
            Some(Ok(seconds @ 1..=1_000_000)) => Ok(RdsClock::Asked { seconds }),
            _ => Err(
                "a clock is a number from 1 to 1000000, `asked:` and such a number, or `stepped`"
                    .into(),
            ),
        },
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "a duration is a number and its unit, as in 30s, 5m, 2h, 7d".to_owned();
    let number = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let number: u32 = number.parse().map_err(|_| bad())?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

/// A region that AWS has: one that does not exist is never down, and a drill with it would prove nothing.
fn region(text: &str) -> Result<String, UnknownRegion> {
    known_region(text).map(|()| text.to_owned())
}

fn account(text: &str) -> Result<String, UnknownAccount> {
    known_account(text).map(|()| text.to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1".into()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Throttled: S3 503 SlowDown, DynamoDB ThrottlingException, others Throttling.
    SlowDown,
    /// 500.
    InternalError,
    /// 200 with nothing in it.
    Empty,
    /// A list comes in pages of one item, after a first page without any.
    Pages,
    /// AccessDenied.
    Denied,
    /// The request never arrives: the connection is reset before anything is carried out.
    #[value(alias = "reset")]
    RequestLost,
    /// The request is carried out and its response is lost.
    #[value(alias = "reset-after")]
    ResponseLost,
    /// The request is carried out, and a proxy answers in its place: 502 and a page of HTML.
    BadGateway,
    /// Each new bucket and table answers its first --calls calls as a young one does.
    Propagating,
    /// The service answers with the error --code.
    Error,
    /// The request waits first.
    Latency,
}

#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(flatten)]
    pub(crate) at: At,
    /// Go on with new requests as they come.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    pub(crate) start: Start,
    /// The command and its arguments.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Become {
    /// Id of the process that must still be the parent.
    pub(crate) parent: u32,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn latency_wants_its_milliseconds_and_a_share_its_range() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        parse("local-aws fault add latency --ms 5").unwrap();
        parse("local-aws fault add latency").unwrap_err();
        parse("local-aws fault add latency --ms 0").unwrap_err();
        parse("local-aws fault add request-lost --share 0.5").unwrap();
        parse("local-aws fault add request-lost --share 1.5").unwrap_err();
        parse("local-aws fault add reset-after --nth 2").unwrap();
        parse("local-aws fault add response-lost --nth 0").unwrap_err();
        parse("local-aws fault add response-lost --nth 2 --times 2").unwrap_err();
        parse("local-aws fault add response-lost --region ca-centrl-1").unwrap_err();
        parse("local-aws fault add error").unwrap_err();
        parse("local-aws fault add error --code A --status 200").unwrap_err();
        parse("local-aws fault add error --code A --status 503").unwrap();
        parse("local-aws fault add propagating").unwrap_err();
        parse("local-aws fault add propagating --calls 2").unwrap();
        parse("local-aws up --base ftp://x").unwrap_err();
        parse("local-aws region ca-central-1 down").unwrap();
        parse("local-aws region us-gov-west-1 up").unwrap();
        let unknown = parse("local-aws region ca-centrl-1 down").unwrap_err();
        assert_eq!(unknown.exit_code(), 2);
        assert!(unknown.to_string().contains("ca-central-1"), "{unknown}");
        parse("local-aws bucket b --owner 999999999999").unwrap();
        parse("local-aws bucket b --owner 9").unwrap_err();
        parse("local-aws bucket b").unwrap_err();
        parse("local-aws rds step 5m").unwrap();
        parse("local-aws rds step 5").unwrap_err();
        parse("local-aws rds step -5m").unwrap_err();
        parse("local-aws up --rds-clock 0").unwrap_err();
        parse("local-aws up --rds-clock stepped").unwrap();
        parse("local-aws up --rds-clock asked:60").unwrap();
        parse("local-aws up --rds-clock asked:0").unwrap_err();
        parse("local-aws exec").unwrap_err();
        let exec = parse("local-aws exec --seed 3 -- ls -l --seed 4").unwrap();
        let Command::Exec(exec) = exec.command else {
            panic!("{exec:?}")
        };
        assert_eq!((exec.start.seed, exec.command.len()), (3, 4));
    }
}
