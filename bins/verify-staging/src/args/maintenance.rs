use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::check::ResourcesArgs;
use super::side::SideArgs;

/// `maintenance`.
#[derive(Debug, Clone, Args)]
pub struct MaintenanceArgs {
    /// Which of the guide's tasks
    #[arg(value_enum)]
    pub period: PeriodArg,

    /// Where names come from.
    #[command(flatten)]
    pub source: ResourcesArgs,

    /// Which side is meant.
    #[command(flatten)]
    pub side: SideArgs,

    /// In which form the result is given.
    #[command(flatten)]
    pub form: cli::FormArgs,

    /// A folder with the records of runs (`reports` and `runs`, as dr-runbook keeps them on its machine), for quarterly; the
    /// bucket in which runs are recorded unless given
    #[arg(long, value_name = "DIR")]
    pub drills: Option<PathBuf>,

    /// Print Markdown instead of a table
    #[arg(long, conflicts_with = "format")]
    pub markdown: bool,
}

/// How often a task comes around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PeriodArg {
    /// Alarms and their history, CPU, storage and connections, growth of the buckets
    Weekly,
    /// Rules of security groups; where costs and modules are looked at
    Monthly,
    /// Roles and their use, the last drill, minor versions
    Quarterly,
}
