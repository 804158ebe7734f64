//! `runs`.

use std::time::Duration;

use clap::{Args, Subcommand};
use settings::BucketName;

use super::{ChangedArgs, RunsArgs};

/// Runs that have been written down.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List the runs whose journals this machine or a bucket has
    #[command(after_long_help = "\
Examples:
  dr-replicate runs list")]
    List(RunsListArgs),
    /// Show what one run did
    #[command(after_long_help = "\
Examples:
  dr-replicate runs show 20261122T185719Z-0123456789abcdef")]
    Show(RunsShowArgs),
    /// Remove the journals of runs that ended long ago
    #[command(after_long_help = "\
Examples:
  dr-replicate runs prune --older-than 180d --dry-run")]
    Prune(RunsPruneArgs),
}

/// Where journals are looked for, besides on this machine: in the settings' bucket for journals, and in the buckets that
/// runs of earlier versions changed.
#[derive(Debug, Args)]
pub(crate) struct JournalsArgs {
    /// Look also into this bucket of the settings and its DR counterpart; into all of them unless given
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    pub(crate) bucket: Option<BucketName>,
    #[command(flatten)]
    pub(crate) changed: ChangedArgs,
    #[command(flatten)]
    pub(crate) written: RunsArgs,
}

/// `runs list`.
#[derive(Debug, Args)]
pub(crate) struct RunsListArgs {
    #[command(flatten)]
    pub(crate) journals: JournalsArgs,
}

/// `runs show`.
#[derive(Debug, Args)]
pub(crate) struct RunsShowArgs {
    /// The run, as `sync` printed it
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) journals: JournalsArgs,
}

/// `runs prune`.
#[derive(Debug, Args)]
pub(crate) struct RunsPruneArgs {
    /// Runs that began longer ago than this (90d, 12h)
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = settings::parse_duration)]
    pub(crate) older_than: Duration,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) journals: JournalsArgs,
}
