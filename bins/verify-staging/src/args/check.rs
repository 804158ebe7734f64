use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use report::finding::Severity;
use verify::Pattern;

use super::side::SideArgs;

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

/// `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Where ids come from.
    #[command(flatten)]
    pub source: OutputsArgs,

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

    /// Exit 1 only for failed checks of this severity or a worse one; unknown stays exit 3
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "low")]
    pub fail_on: SeverityArg,

    /// Say which checks there are, and call nothing
    #[arg(long, conflicts_with_all = ["outputs", "chdir", "side", "format", "watch"])]
    pub list: bool,
}

/// How bad a failed check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SeverityArg {
    /// Untidy
    Low,
    /// Weakens the environment, or what is known of it
    Medium,
    /// Something will not survive a fault, or a fault will not be noticed
    High,
    /// Data can be read or lost
    Critical,
}

impl From<SeverityArg> for Severity {
    fn from(arg: SeverityArg) -> Self {
        match arg {
            SeverityArg::Low => Self::Low,
            SeverityArg::Medium => Self::Medium,
            SeverityArg::High => Self::High,
            SeverityArg::Critical => Self::Critical,
        }
    }
}

/// All checks together make some 250 calls.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(24);
