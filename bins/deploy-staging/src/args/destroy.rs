use clap::Args;

use super::plan::RunsArgs;
use super::root::RootArgs;

/// `destroy`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DestroyArgs {
    #[command(flatten)]
    pub(crate) root: RootArgs,
    #[command(flatten)]
    pub(crate) runs: RunsArgs,

    /// The environment's name: agrees to what is destroyed; --yes does not answer that
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,

    /// Show what would be destroyed, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
