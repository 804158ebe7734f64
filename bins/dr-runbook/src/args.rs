use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use cli::{CompletionArgs, FormArgs, GlobalArgs, ManArgs};
use dr::database::At;
use jiff::Timestamp;
use runbook::{DrillId, Policy, RunId};
use settings::{KmsKeyArn, Region, TopicArn};

/// Fails an environment over to its DR region and back, step by step, and survives its own death
#[derive(Debug, Parser)]
#[command(
    name = "dr-runbook",
    version,
    after_help = "Exit codes: 0 fine, 1 a step found something wrong, 2 usage, 3 could not be done or known, \
                  4 refused by a guard or left for a person, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fail over to the DR region
    #[command(after_help = FAILOVER_EXAMPLES)]
    Failover(FailoverArgs),
    /// Look now at everything that a failover will need, and change nothing
    #[command(after_help = PREFLIGHT_EXAMPLES)]
    Preflight(PreflightArgs),
    /// Bring the environment back to its primary region, which serves again
    #[command(after_help = FAILBACK_EXAMPLES)]
    Failback(FailbackArgs),
    /// Stay where the environment was failed over to: that region is the primary one for good
    #[command(after_help = COMMIT_EXAMPLES)]
    Commit(CommitArgs),
    /// Hold a drill next to the environment: a failover over copies in the DR region, measured and taken away
    #[command(after_help = DRILL_EXAMPLES)]
    Drill(DrillArgs),
    /// Say which region serves, who carries a run, and what was looked at and practised last
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Look at what would be lost now, and keep that in the ledger: once, or at an interval until Ctrl-C
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(WatchArgs),
    /// Tell dates and facts of a run to officers: unavailable from when to when, what may be lost, who decided what
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Look at runs, go on with one, agree to what one asks, or give one up
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Print the completion script of a shell
    Completion(CompletionArgs),
    /// Print the manual page, or write one of each command
    Man(ManArgs),
}

const FAILOVER_EXAMPLES: &str = "\
Examples:
  dr-runbook failover --dry-run              what would be done, and from which recovery points
  dr-runbook failover --approve auto --yes   without questions, as in a drill
  dr-runbook failover --declare-lost 'AWS says so on the phone' --by 'Kim Roy'
  dr-runbook failover --lost ca-central-1,us-east-1
  dr-runbook failover --mode planned --dry-run  a move while both regions serve, which loses nothing";

const PREFLIGHT_EXAMPLES: &str = "\
Examples:
  dr-runbook preflight                                  what is ready, what is not, and what to do
  dr-runbook preflight --alone                          without one call to the primary region
  dr-runbook preflight --format junit --out report.xml  for a CI system; html, markdown and sarif as well
  dr-runbook preflight export ~/failover-staging        the last one, with what to do, for a laptop without a network

Exit codes: 0 everything is as it should be, 1 something is not, 3 something is not known.";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PreflightArgs {
    #[command(subcommand)]
    pub(crate) command: Option<PreflightCommand>,

    #[command(flatten)]
    pub(crate) look: LookArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PreflightCommand {
    /// Write guide, last preflight and last run into a new folder that opens without a network
    #[command(after_help = "Examples:\n  dr-runbook preflight export ~/failover-staging")]
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The folder, which must not be there yet
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,

    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    /// Call the DR region alone, as in an outage; what only the primary one tells is left out
    #[arg(long)]
    pub(crate) alone: bool,

    #[command(flatten)]
    pub(crate) form: FormArgs,

    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

const DRILL_EXAMPLES: &str = "\
Examples:
  dr-runbook drill --isolated --dry-run   what would be restored and copied, and what that costs
  dr-runbook drill --isolated --yes       from CI, once a quarter
  dr-runbook drill clean                  takes away what has expired, of drills that died";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct DrillArgs {
    #[command(subcommand)]
    pub(crate) command: Option<DrillCommand>,

    #[command(flatten)]
    pub(crate) hold: HoldArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DrillCommand {
    /// Take away what drills have left: what has expired, or all of one drill
    #[command(
        after_help = "Examples:\n  dr-runbook drill clean --dry-run\n  dr-runbook drill clean 4f1c0a9be2d37586"
    )]
    Clean(CleanArgs),
}

#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// Next to the environment, which is read and not changed: everything that is made has names and tags of the drill
    #[arg(long, required = true)]
    pub(crate) isolated: bool,

    /// After how long anybody may take away what it made, where it died
    #[arg(long, value_name = "DURATION", default_value = "8h", value_parser = cli::duration_within(Duration::from_mins(10)..=Duration::from_hours(7 * 24)))]
    pub(crate) expires: Duration,

    /// Leave what it made, to be looked at, until it expires
    #[arg(long)]
    pub(crate) keep: bool,

    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// The drill, whether it has expired or not; all that have expired unless given
    pub(crate) drill: Option<DrillId>,

    /// Show what drills have left, and take nothing away
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const STATUS_EXAMPLES: &str = "\
Examples:
  dr-runbook status
  dr-runbook status --format html --out status.html    with the quarter as pictures";

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Say what was achieved by this file of `watch`, and not by what lies beside the records of runs
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) form: ReportFormArgs,

    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

const WATCH_EXAMPLES: &str = "\
Examples:
  dr-runbook watch                         once, from cron or CI
  dr-runbook watch --every 5m --metrics    until Ctrl-C, with metrics for alarms in the DR region
  dr-runbook watch --every 5m --metrics --alarms arn:aws:sns:us-east-1:111122223333:on-call
                                           with the alarms as well
  dr-runbook watch --alone                 without one call to the primary region
  dr-runbook status                        what was achieved

Exit codes of one look: 0 all within the objectives, 1 something is beyond its objective, 3 something is not known or
                        could not be kept. At an interval: the worst of all looks; Ctrl-C itself is no error.";

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Look again and again, so far apart
    #[arg(long, value_name = "DURATION", value_parser = cli::duration_within(Duration::from_secs(10)..=Duration::from_hours(24)))]
    pub(crate) every: Option<Duration>,

    /// For how long a look speaks; three intervals unless given, or 15m for one look. What no look speaks for is not known
    #[arg(long, value_name = "DURATION", value_parser = cli::duration_within(Duration::from_secs(10)..=Duration::from_hours(48)))]
    pub(crate) holds: Option<Duration>,

    /// Keep looks in this file; in ledger.txt beside the records of this machine unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,

    /// Publish metrics in the DR region: what would be lost, whether the last preflight fails, whether a drill is overdue
    #[arg(long)]
    pub(crate) metrics: bool,

    /// Keep alarms of these metrics in the DR region, which tell this topic there: age and lag beyond their objectives, a preflight
    /// that fails, a drill that is overdue, and that nothing was published for as long as a look speaks
    #[arg(long, value_name = "ARN", requires = "metrics")]
    pub(crate) alarms: Option<TopicArn>,

    /// Call the DR region alone; what the primary one tells is not known
    #[arg(long)]
    pub(crate) alone: bool,

    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

const REPORT_EXAMPLES: &str = "\
Examples:
  dr-runbook report                                        of the last run that is finished
  dr-runbook report RUN --format html --out report.html    a page that opens without a network, and prints
  dr-runbook report RUN --format markdown                  for a ticket
  dr-runbook report RUN --output json

Exit codes: 0 the records bear it out, 1 the run's record says something else than its journal, or the journal was changed,
            3 the record is missing, or something cannot be read.";

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The run; the last one that is finished unless given
    pub(crate) run: Option<RunId>,

    #[command(flatten)]
    pub(crate) form: ReportFormArgs,

    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

/// In which form something is told that has no findings.
#[derive(Debug, Args)]
pub(crate) struct ReportFormArgs {
    /// Another form than --output has
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<ReportFormat>,

    /// Write what --format says to FILE, and print as --output says
    #[arg(long, value_name = "FILE", requires = "format")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// GitHub-flavoured Markdown
    Markdown,
    /// One page that needs nothing else
    Html,
}

const FAILBACK_EXAMPLES: &str = "\
Examples:
  dr-runbook failback --dry-run                   what the primary region did meanwhile, and what would be done
  dr-runbook failback --conflicts decisions.jsonl  with what was decided about what both regions have written";

const COMMIT_EXAMPLES: &str = "\
Examples:
  dr-runbook commit --dr us-west-2 --dry-run   what would be done, and how infra.toml changes
  dr-runbook commit --dr us-west-2             the region that serves is the primary one, recovered in us-west-2
  dr-runbook commit                            the same without a copy anywhere, until --dr gives it one
  dr-runbook commit --print-config             the settings that come of it, and nothing is done";

#[derive(Debug, Args)]
pub(crate) struct CommitArgs {
    /// The new DR region; without one the environment is unprotected until it is given
    #[arg(long, value_name = "REGION")]
    pub(crate) dr: Option<Region>,

    /// A key of KMS in the new DR region, for what is encrypted with one
    #[arg(long, value_name = "ARN", requires = "dr")]
    pub(crate) dr_kms: Option<KmsKeyArn>,

    /// A topic in the new DR region that the alarms of the state's replication tell; without it there are none
    #[arg(long, value_name = "ARN", requires = "dr")]
    pub(crate) dr_topic: Option<TopicArn>,

    /// For how long the regions are asked that the environment is going to have: they have to answer at every look
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = cli::duration)]
    pub(crate) window: Duration,

    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print the settings that come of it, and do nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) print_config: bool,

    #[command(flatten)]
    pub(crate) carry: CarryArgs,
}

/// What was decided, on the way back.
#[derive(Debug, Args)]
pub(crate) struct DecisionsArgs {
    /// On the way back: what was decided about objects and states that both regions have written. A line for each,
    /// {"bucket": "photos", "key": "a.jpg", "keep": "dr"} or {"state": "a.tfstate", "keep": "primary"}
    #[arg(long, value_name = "FILE")]
    pub(crate) conflicts: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FailbackArgs {
    /// For how long the primary region is asked: it has to answer at every look
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = cli::duration)]
    pub(crate) window: Duration,

    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) decisions: DecisionsArgs,

    #[command(flatten)]
    pub(crate) carry: CarryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FailoverArgs {
    /// What it is: the primary region is lost, or both serve and the environment is moved without losing anything
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub(crate) mode: FailoverMode,

    /// The regions that are lost, the primary one among them; the primary one alone unless given
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    pub(crate) lost: Vec<Region>,

    /// It is an exercise: its record, its report and those of its way back say so
    #[arg(long)]
    pub(crate) drill: bool,

    /// Declare them lost although what they answer does not decide it, for this reason
    #[arg(long, value_name = "REASON", requires = "by")]
    pub(crate) declare_lost: Option<String>,

    /// Who declares that
    #[arg(long, value_name = "NAME", requires = "declare_lost")]
    pub(crate) by: Option<String>,

    /// Go on although the exception from the residency policy that the DR region needs has run out, for this reason, which is
    /// recorded
    #[arg(long, value_name = "REASON")]
    pub(crate) despite_residency: Option<String>,

    /// For how long the regions are asked before they count as lost, or, in a planned move, as serving
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = cli::duration)]
    pub(crate) window: Duration,

    /// When the region was lost, where that is known: losses count from there
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) fault: Option<Timestamp>,

    /// The time that databases are restored to: latest, or a time
    #[arg(long, value_name = "TIME", default_value = "latest")]
    pub(crate) at: At,

    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) carry: CarryArgs,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let time = text.parse();
    time.map_err(|_| format!("{text:?} is no time such as 2026-11-30T03:15:00Z"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum FailoverMode {
    #[default]
    RegionLoss,
    Planned,
}

/// How steps are taken.
#[derive(Debug, Args)]
pub(crate) struct CarryArgs {
    /// Before which steps a person is asked
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) approve: Approve,

    /// Leave a step out; --reason says why
    #[arg(long, value_name = "STEP", requires = "reason")]
    pub(crate) skip: Vec<String>,

    /// Why the steps of --skip are left out
    #[arg(long, value_name = "TEXT", requires = "skip")]
    pub(crate) reason: Option<String>,

    /// Take these steps alone
    #[arg(long, value_name = "STEP")]
    pub(crate) only: Vec<String>,

    /// How long an approval is waited for where there is no terminal to ask on
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = cli::duration)]
    pub(crate) wait_for_approval: Duration,

    /// How long terraform may take to end after Ctrl-C, before it is killed
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = cli::duration_within(Duration::from_secs(1)..=Duration::from_hours(24)))]
    pub(crate) terraform_grace: Duration,

    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

/// Where records lie besides the bucket.
#[derive(Debug, Clone, Args)]
pub(crate) struct RecordsArgs {
    /// The folder for the records, pages and plans of runs on this machine
    #[arg(long, value_name = "DIR")]
    pub(crate) runs_dir: Option<PathBuf>,

    /// Where a run is recorded: in the bucket for journals, or, where that cannot be used, on this machine alone. Then no
    /// other machine can go on with it, or is kept from beginning another one
    #[arg(long, value_enum, default_value_t, value_name = "PLACE")]
    pub(crate) journal: JournalPlace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum JournalPlace {
    #[default]
    Bucket,
    Local,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Approve {
    /// Before none: who begins it agrees to all of it
    Auto,
    /// Before those that lose or delete something
    #[default]
    Gates,
    /// Before each that changes something
    Each,
}

impl From<Approve> for Policy {
    fn from(approve: Approve) -> Self {
        match approve {
            Approve::Auto => Self::Auto,
            Approve::Gates => Self::Gates,
            Approve::Each => Self::Each,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// The runs of the environment, the newest first
    #[command(after_long_help = "\
Examples:
  dr-runbook runs list")]
    List(RecordsArgs),
    /// Where a run is
    #[command(after_long_help = "\
Examples:
  dr-runbook runs show
  dr-runbook runs show RUN --html run.html")]
    Show(ShowArgs),
    /// Go on with a run that was left, or whose process died
    #[command(after_help = "Examples:\n  dr-runbook runs resume RUN\n  \
                            dr-runbook runs resume RUN --skip restore/app --reason 'it is not needed'")]
    Resume(ResumeArgs),
    /// Agree to what a step of a run asks; whoever carries the run goes on
    #[command(after_long_help = "\
Examples:
  dr-runbook runs approve RUN drain --by 'Kim Roy' --reason 'the application is stopped'")]
    Approve(ApproveArgs),
    /// Give a run up; what it made stays, but of a planned failover before its cut-over: that is put back
    #[command(after_long_help = "\
Examples:
  dr-runbook runs abandon RUN --by 'Kim Roy' --reason 'the region is back'")]
    Abandon(AbandonArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The run; the one that is not over unless given
    pub(crate) run: Option<RunId>,
    /// Write the page of the run to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub(crate) markdown: bool,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The run; the one that is not over unless given
    pub(crate) run: Option<RunId>,
    #[command(flatten)]
    pub(crate) decisions: DecisionsArgs,
    #[command(flatten)]
    pub(crate) carry: CarryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The run
    pub(crate) run: RunId,
    /// The step that asks
    pub(crate) step: String,
    /// Who agrees
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AbandonArgs {
    /// The run
    pub(crate) run: RunId,
    /// Who gives it up
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}
