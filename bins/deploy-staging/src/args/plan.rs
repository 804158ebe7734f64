use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use cost::Usd;

use super::root::RootArgs;

/// `plan`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) root: RootArgs,
    #[command(flatten)]
    pub(crate) runs: RunsArgs,
    #[command(flatten)]
    pub(crate) limit: LimitArgs,

    /// End with exit 1 when there is something to change
    #[arg(long)]
    pub(crate) fail_on_changes: bool,

    /// Print Markdown for a pull request instead of a table
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// Where deployments are kept, and how a state's lock is waited for.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunsArgs {
    /// The folder for plans and records on this machine
    #[arg(long, value_name = "DIR")]
    pub(crate) runs_dir: Option<PathBuf>,

    /// How long a lock that another run holds is waited for
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = cli::duration)]
    pub(crate) lock_timeout: Duration,
}

/// What a plan may cost more.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LimitArgs {
    /// Stop when a month gets dearer by more dollars than this, or nobody knows by how many
    #[arg(long, value_name = "USD")]
    pub(crate) max_increase: Option<Usd>,

    /// Usage, as an infracost-usage.yml
    #[arg(long, value_name = "FILE")]
    pub(crate) usage: Option<PathBuf>,
}
