use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use report::finding::Severity;
use verify::{Check, Grade, Pattern};

use super::side::SideArgs;
use super::waivers::WaiverArgs;

/// Where terraform's outputs come from.
#[derive(Debug, Clone, Args)]
pub struct OutputsArgs {
    /// What `terraform output -json` wrote; - for standard input. Without it terraform is asked
    #[arg(long, value_name = "FILE")]
    pub outputs: Option<PathBuf>,

    /// The environment's folder, in which terraform is asked [default: terraform/environments/staging; of the DR side
    /// what failover.terraform of the settings names]
    #[arg(long, value_name = "DIR", conflicts_with = "outputs")]
    pub chdir: Option<PathBuf>,
}

/// From what resources are known, besides the settings and AWS.
#[derive(Debug, Clone, Args)]
pub struct ResourcesArgs {
    /// Where terraform's outputs come from.
    #[command(flatten)]
    pub outputs: OutputsArgs,

    /// Terraform's state in the place of its outputs: what `terraform state pull` or `terraform show -json` wrote, or s3
    /// for the object that the settings name
    #[arg(long, value_name = "FILE|s3", conflicts_with_all = ["outputs", "chdir"])]
    pub state: Option<PathBuf>,

    /// Ask AWS alone which resources are the environment's, and terraform nothing
    #[arg(long, conflicts_with_all = ["outputs", "chdir", "state"])]
    pub account: bool,
}

/// `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Where ids come from.
    #[command(flatten)]
    pub source: ResourcesArgs,

    /// Which side is meant.
    #[command(flatten)]
    pub side: SideArgs,

    /// Only these: an item from 1 to 15, a check such as rds-multi-az, an area such as rds; may be repeated
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub only: Vec<Pattern>,

    /// Not these
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub skip: Vec<Pattern>,

    /// In which form the result is given.
    #[command(flatten)]
    pub form: cli::FormArgs,

    /// Ask again every INTERVAL until interrupted, and print only what changed; ends as the last run did
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "1m", value_parser = cli::duration_within(SHORTEST..=LONGEST))]
    pub watch: Option<Duration>,

    /// Exit 1 only for failed checks of this severity or a worse one, and of these demands: the guide's alone, good
    /// practice's too, or the account's as well; unknown stays exit 3
    #[arg(
        long,
        value_enum,
        value_name = "SEVERITY|GRADE",
        value_delimiter = ',',
        default_value = "low"
    )]
    pub fail_on: Vec<FailOnArg>,

    /// What is accepted.
    #[command(flatten)]
    pub waivers: WaiverArgs,

    /// Say which checks there are, and call nothing
    #[arg(long, conflicts_with_all = ["outputs", "chdir", "state", "account", "side", "format", "watch"])]
    pub list: bool,
}

/// Which failed checks count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOnArg {
    /// Untidy
    Low,
    /// Weakens the environment, or what is known of it
    Medium,
    /// Something will not survive a fault, or a fault will not be noticed
    High,
    /// Data can be read or lost
    Critical,
    /// What the deployment guide demands
    Guide,
    /// That, and good practice
    Practice,
    /// That, and what is of the whole account: everything
    Account,
}

/// The least severity and the last grade that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FailOn {
    /// A failed check of a lower one does not count.
    pub(crate) severity: Severity,
    /// Nor one that is less binding.
    pub(crate) grade: Grade,
}

impl FailOn {
    /// What the arguments say together.
    pub(crate) fn new(args: &[FailOnArg]) -> Self {
        let mut fail_on = Self {
            severity: Severity::Low,
            grade: Grade::Account,
        };
        for arg in args {
            match arg {
                FailOnArg::Low => fail_on.severity = Severity::Low,
                FailOnArg::Medium => fail_on.severity = Severity::Medium,
                FailOnArg::High => fail_on.severity = Severity::High,
                FailOnArg::Critical => fail_on.severity = Severity::Critical,
                FailOnArg::Guide => fail_on.grade = Grade::Guide,
                FailOnArg::Practice => fail_on.grade = Grade::Practice,
                FailOnArg::Account => fail_on.grade = Grade::Account,
            }
        }
        fail_on
    }

    /// Whether a failed check counts.
    pub(crate) fn counts(&self, check: &Check) -> bool {
        check.severity >= self.severity && check.grade() <= self.grade
    }
}

/// All checks together make some 250 calls.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(24);
