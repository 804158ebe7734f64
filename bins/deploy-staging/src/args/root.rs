use std::path::PathBuf;

use clap::Args;

/// Which root module is deployed.
#[derive(Debug, Clone, Args)]
pub(crate) struct FolderArgs {
    /// The environment's folder
    #[arg(
        long,
        value_name = "DIR",
        default_value = "terraform/environments/staging"
    )]
    pub(crate) chdir: PathBuf,
}

/// Which root module is deployed, with which values.
#[derive(Debug, Clone, Args)]
pub(crate) struct RootArgs {
    #[command(flatten)]
    pub(crate) folder: FolderArgs,

    /// A file with values of variables, besides those that terraform reads by itself; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) var_file: Vec<PathBuf>,
}
