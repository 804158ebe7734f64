use clap::Args;
use terraform::PlanDigest;

use super::plan::{LimitArgs, RunsArgs};
use super::root::FolderArgs;

/// `apply`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApplyArgs {
    /// The deployment whose plan is applied; the newest of the folder unless given
    pub(crate) deployment: Option<String>,

    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    #[command(flatten)]
    pub(crate) runs: RunsArgs,
    #[command(flatten)]
    pub(crate) limit: LimitArgs,

    /// The digest of the plan that was reviewed: no other is applied
    #[arg(long, value_name = "SHA256")]
    pub(crate) digest: Option<PlanDigest>,

    /// The environment's name, where the plan destroys something; --yes and --auto-approve do not answer that
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,

    /// Apply without asking, as in CI; what destroys something still needs --confirm
    #[arg(long)]
    pub(crate) auto_approve: bool,

    /// Do nothing where the plan has no changes
    #[arg(long)]
    pub(crate) if_changed: bool,
}

/// `status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArgs {
    /// The deployment; the newest of the folder unless given
    pub(crate) deployment: Option<String>,

    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    #[command(flatten)]
    pub(crate) runs: RunsArgs,
}
