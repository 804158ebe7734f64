use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use evidence::{LockMode, Redaction, RedactionPolicy};

use super::side::SideArgs;
use super::waivers::WaiverArgs;

/// Where evidence is kept.
#[derive(Debug, Clone, Args)]
pub struct EvidenceArgs {
    /// The folder of captures and reviews
    #[arg(long, value_name = "DIR", default_value = "docs/infra-verification")]
    pub dir: PathBuf,
}

/// What a capture is made of.
#[derive(Debug, Clone, Args)]
pub struct SourceArgs {
    /// What `terraform output -json` wrote; - for standard input. Without it terraform is asked
    #[arg(long, visible_alias = "outputs", value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// The environment's folder: terraform is asked there, and git for its commit [default:
    /// terraform/environments/staging; of the DR side what failover.terraform of the settings names]
    #[arg(long, value_name = "DIR")]
    pub chdir: Option<PathBuf>,

    /// Which side is meant.
    #[command(flatten)]
    pub side: SideArgs,

    /// What `terraform state pull` wrote, for its serial and lineage; nothing else of it is read
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Ask AWS nothing; without --side the outputs say which side it is
    #[arg(long)]
    pub no_check: bool,

    /// What is accepted.
    #[command(flatten)]
    pub waivers: WaiverArgs,

    /// The file with the salt of fingerprints, if it is not .verify-salt in the folder
    #[arg(long, value_name = "FILE")]
    pub salt: Option<PathBuf>,
}

/// `capture`.
#[derive(Debug, Clone, Args)]
pub struct CaptureArgs {
    /// Where it is kept.
    #[command(flatten)]
    pub evidence: EvidenceArgs,
    /// What it is made of.
    #[command(flatten)]
    pub source: SourceArgs,

    /// What becomes of account ids
    #[arg(long, value_enum, value_name = "HOW", default_value = "fingerprint")]
    pub account_ids: RedactionArg,

    /// What becomes of host names of AWS and of addresses
    #[arg(long, value_enum, value_name = "HOW", default_value = "keep")]
    pub endpoints: RedactionArg,

    /// Put it there too, never over an object that is there, and with Object Lock where the bucket has it
    #[arg(long, value_name = "s3://BUCKET/PREFIX")]
    pub to: Option<Destination>,

    /// How Object Lock holds it, at least: a bucket whose default is stronger keeps it so. What is held in COMPLIANCE mode
    /// nobody can delete before its time, the account's root user and AWS included, and nobody can undo that
    #[arg(
        long,
        value_enum,
        value_name = "MODE",
        requires = "to",
        default_value = "governance"
    )]
    pub lock_mode: LockModeArg,

    /// Days for which Object Lock keeps it, where the bucket has no default of its own
    #[arg(long, value_name = "DAYS", requires = "to", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=36_500))]
    pub retain_days: u16,
}

impl CaptureArgs {
    pub(crate) fn redaction(&self) -> RedactionPolicy {
        RedactionPolicy {
            account_ids: self.account_ids.into(),
            endpoints: self.endpoints.into(),
        }
    }
}

/// How Object Lock holds an object.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LockModeArg {
    /// Whoever has s3:BypassGovernanceRetention can delete it
    Governance,
    /// Nobody can, whatever their rights
    Compliance,
}

impl From<LockModeArg> for LockMode {
    fn from(arg: LockModeArg) -> Self {
        match arg {
            LockModeArg::Governance => Self::Governance,
            LockModeArg::Compliance => Self::Compliance,
        }
    }
}

/// What becomes of something.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RedactionArg {
    /// It stays
    Keep,
    /// It goes, and whether it changed does not show
    Mask,
    /// It goes, and a fingerprint shows whether it changed
    Fingerprint,
}

impl From<RedactionArg> for Redaction {
    fn from(arg: RedactionArg) -> Self {
        match arg {
            RedactionArg::Keep => Self::Keep,
            RedactionArg::Mask => Self::Mask,
            RedactionArg::Fingerprint => Self::Fingerprint,
        }
    }
}

/// A place in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The bucket.
    pub bucket: String,
    /// What keys begin with: empty, or with a slash at its end.
    pub prefix: String,
}

impl FromStr for Destination {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("s3://").ok_or("it begins with s3://")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(letter) {
            return Err("the name of a bucket has 3 to 63 small letters, digits, dots and hyphens");
        }
        let prefix = prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: format!("{prefix}{slash}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_bucket_and_a_folder() {
        let parts = |text: &str| {
            let to: Result<Destination, _> = text.parse();
            to.map(|to| (to.bucket, to.prefix))
        };
        let of = |bucket: &str, prefix: &str| Ok((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(parts("s3://evidence"), of("evidence", ""));
        assert_eq!(parts("s3://evidence/a/b/"), of("evidence", "a/b/"));
        for bad in ["evidence/a", "s3://", "s3:///a", "s3://A_B/c"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }
}
