use std::path::PathBuf;
use std::time::Duration;

use ::probe::Target;
use clap::Args;

use super::check::OutputsArgs;
use super::probe::Via;

/// `db-user`.
#[derive(Debug, Clone, Args)]
pub struct DbUserArgs {
    /// Where names come from.
    #[command(flatten)]
    pub source: OutputsArgs,

    /// The near end of a tunnel, such as 127.0.0.1:15432; the certificate is checked for the real host all the same
    #[arg(long, value_name = "HOST:PORT", value_parser = via)]
    pub via: Option<String>,

    /// Certificates of authorities (PEM) to trust beside the system's, such as those of RDS
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// The time that each session is given
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = cli::duration_within(Duration::from_millis(1)..=Duration::from_hours(1)))]
    pub timeout: Duration,

    /// Print the plan and stop
    #[arg(long)]
    pub dry_run: bool,
}

fn via(text: &str) -> Result<String, String> {
    let name = Target::Database;
    let via: Result<Via, _> = format!("database={text}").parse();
    match via {
        Ok(via) if via.target == name => Ok(via.address),
        _ => Err("as in 127.0.0.1:15432".to_owned()),
    }
}
