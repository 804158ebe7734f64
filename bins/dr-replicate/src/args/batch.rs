//! Flags of `sync` about S3 Batch Operations.

use clap::{Args, ValueEnum};
use dr::objects::ManifestUrl;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
    /// This machine asks S3 for each copy
    Own,
    /// A job of S3 Batch Operations in the destination's region
    Batch,
}

/// How jobs are made and followed.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// Who copies: this machine, or jobs of S3 Batch Operations
    #[arg(long, value_enum, default_value = "own", value_name = "WHO")]
    pub(crate) engine: EngineArg,
    /// The role that S3 takes on for a job
    #[arg(long, value_name = "ARN", required_if_eq("engine", "batch"), value_parser = role)]
    pub(crate) role_arn: Option<String>,
    /// manifest.json of the source's S3 Inventory: the list of the job, instead of one that is written from the plan
    #[arg(long, value_name = "S3URL", requires = "role_arn")]
    pub(crate) inventory: Option<ManifestUrl>,
    /// Jobs of a higher priority run first
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) priority: i32,
    /// Only follow this job of an earlier run; may be given more than once
    #[arg(long, value_name = "ID", conflicts_with_all = ["engine", "delete", "dry_run"])]
    pub(crate) job: Vec<String>,
    /// Follow jobs for this many minutes, then leave them running
    #[arg(long, value_name = "MINUTES", default_value_t = 720)]
    pub(crate) wait: u32,
}

fn role(text: &str) -> Result<String, String> {
    let mut parts = text.split(':');
    let right = parts.next() == Some("arn")
        && parts
            .next()
            .is_some_and(|partition| partition.starts_with("aws"))
        && parts.next() == Some("iam")
        && parts.next() == Some("")
        && parts.next().is_some_and(|account| {
            account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
        })
        && parts
            .next()
            .is_some_and(|name| name.len() > 5 && name.starts_with("role/"))
        && parts.next().is_none();
    if right {
        Ok(text.to_owned())
    } else {
        Err("not the ARN of a role: arn:aws:iam::123456789012:role/NAME".to_owned())
    }
}
