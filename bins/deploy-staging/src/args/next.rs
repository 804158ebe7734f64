use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::plan::RunsArgs;
use super::root::FolderArgs;

/// `next`.
#[derive(Debug, Clone, Args)]
pub(crate) struct NextArgs {
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    #[command(flatten)]
    pub(crate) runs: RunsArgs,

    /// The application's environment file
    #[arg(long, value_name = "FILE", default_value = ".env")]
    pub(crate) env_file: PathBuf,

    /// The folder of captures
    #[arg(long, value_name = "DIR", default_value = "docs/infra-verification")]
    pub(crate) evidence: PathBuf,

    /// Write down that a step is done that nothing here can see
    #[arg(long, value_enum, value_name = "STEP", requires = "by")]
    pub(crate) done: Option<ByHand>,

    /// Who says so
    #[arg(long, value_name = "NAME", requires = "done")]
    pub(crate) by: Option<String>,
}

/// Steps that nothing here can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ByHand {
    /// An image of the application is pushed
    Image,
    /// The database's migrations have run
    Migrations,
    /// Errors are tracked, own metrics and logs collected
    Monitoring,
    /// GuardDuty watches the account
    Guardduty,
    /// AWS Config records the account's settings
    Config,
    /// CloudFront is behind a web application firewall, or somebody has decided that it is not
    Firewall,
}
