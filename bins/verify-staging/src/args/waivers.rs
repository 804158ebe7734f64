use std::path::PathBuf;

use clap::Args;

/// What somebody has accepted although it is wrong.
#[derive(Debug, Clone, Args)]
pub struct WaiverArgs {
    /// Findings that are accepted, for a reason and until a day; without it waivers.toml beside infra.toml, if it is there
    #[arg(long, value_name = "FILE")]
    pub waivers: Option<PathBuf>,
}
