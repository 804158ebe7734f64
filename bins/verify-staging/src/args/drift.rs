use std::path::PathBuf;

use clap::Args;

use super::capture::{EvidenceArgs, SourceArgs};

/// `drift`.
#[derive(Debug, Clone, Args)]
pub struct DriftArgs {
    /// A capture; the newest of the folder unless given
    #[arg(value_name = "A", conflicts_with = "plan")]
    pub before: Option<PathBuf>,
    /// A later capture; what there is now unless given
    #[arg(value_name = "B", conflicts_with_all = ["from", "state", "salt", "side"])]
    pub after: Option<PathBuf>,
    /// What `terraform show -json PLAN` wrote, instead of captures; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "state", "salt", "no_check", "side"])]
    pub plan: Option<PathBuf>,
    /// Which differences pass, and why; drift.toml of the folder unless given
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Where evidence is kept.
    #[command(flatten)]
    pub evidence: EvidenceArgs,
    /// Where what there is now comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub markdown: bool,
}
