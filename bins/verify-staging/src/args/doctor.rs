use std::path::PathBuf;

use clap::Args;

use super::check::OutputsArgs;
use super::side::SideArgs;

/// `doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// The error, as Terraform, AWS or a browser showed it
    #[arg(
        value_name = "ERROR TEXT",
        required_unless_present_any = ["last", "stdin"],
        conflicts_with_all = ["last", "stdin"]
    )]
    pub text: Option<String>,

    /// A log of the last run, in which the error is
    #[arg(long, value_name = "FILE", conflicts_with = "stdin")]
    pub last: Option<PathBuf>,

    /// Read the error from standard input: terraform apply 2>&1 | verify-staging doctor --stdin
    #[arg(long)]
    pub stdin: bool,

    /// Where ids come from; they are helpful and not necessary.
    #[command(flatten)]
    pub source: OutputsArgs,

    /// Which side is meant.
    #[command(flatten)]
    pub side: SideArgs,

    /// In which form the result is given.
    #[command(flatten)]
    pub form: cli::FormArgs,
}
