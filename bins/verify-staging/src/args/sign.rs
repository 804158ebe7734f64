use clap::Args;

use super::capture::EvidenceArgs;

/// `sign`.
#[derive(Debug, Clone, Args)]
pub struct SignArgs {
    /// An item of the log, by its title or its output: "VPC ID", vpc_id
    #[arg(value_name = "ITEM")]
    pub item: String,
    /// Who has looked at it
    #[arg(long, value_name = "NAME")]
    pub by: String,
    /// What there is to say about it
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Where evidence is kept.
    #[command(flatten)]
    pub evidence: EvidenceArgs,
}
