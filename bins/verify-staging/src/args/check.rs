use std::path::PathBuf;

use clap::Args;
use verify::Pattern;

/// Where terraform's outputs come from.
#[derive(Debug, Clone, Args)]
pub struct OutputsArgs {
    /// What `terraform output -json` wrote; - for standard input. Without it terraform is asked
    #[arg(long, value_name = "FILE")]
    pub outputs: Option<PathBuf>,

    /// The environment's folder, in which terraform is asked
    #[arg(
        long,
        value_name = "DIR",
        default_value = "terraform/environments/staging",
        conflicts_with = "outputs"
    )]
    pub chdir: PathBuf,
}

/// `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Where ids come from.
    #[command(flatten)]
    pub source: OutputsArgs,

    /// Only these: an item from 1 to 15, a check such as rds-multi-az, an area such as rds; may be repeated
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub only: Vec<Pattern>,

    /// Not these
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub skip: Vec<Pattern>,

    /// Say which checks there are, and call nothing
    #[arg(long, conflicts_with_all = ["outputs", "chdir"])]
    pub list: bool,
}
