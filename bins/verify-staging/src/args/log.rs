use clap::Args;

use super::capture::EvidenceArgs;

/// `log`.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Where evidence is kept.
    #[command(flatten)]
    pub evidence: EvidenceArgs,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub markdown: bool,
}
