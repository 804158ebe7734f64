use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::check::OutputsArgs;
use super::side::SideArgs;

/// `env`.
#[derive(Debug, Clone, Args)]
pub struct EnvArgs {
    /// Where names come from.
    #[command(flatten)]
    pub source: OutputsArgs,

    /// Which side is meant.
    #[command(flatten)]
    pub side: SideArgs,

    /// How it is written [default: dotenv; json with --output json]
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// Write it to this file, which nobody else may read, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Where the application finds RDS's certificates (PEM): the database's has to be of one of them
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/ssl/certs/rds-global-bundle.pem"
    )]
    pub rds_ca: PathBuf,

    /// Write the values of secrets, not where they are; not for ecs
    #[arg(long)]
    pub reveal: bool,
}

/// How an environment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// NAME=value, a line each
    Dotenv,
    /// One object
    Json,
    /// "environment" and "secrets" of a container definition
    Ecs,
}
