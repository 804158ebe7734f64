use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ::probe::{HealthUrl, Target};
use clap::Args;

use super::check::OutputsArgs;
use super::side::SideArgs;

/// `probe`.
#[derive(Debug, Clone, Args)]
pub struct ProbeArgs {
    /// Where names come from.
    #[command(flatten)]
    pub source: OutputsArgs,

    /// Which side is meant.
    #[command(flatten)]
    pub side: SideArgs,

    /// In which form the result is given.
    #[command(flatten)]
    pub form: cli::FormArgs,

    /// Only these: dns, database, redis, buckets, http; may be repeated
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    pub only: Vec<Target>,

    /// A health page that has to answer 200 to 299; may be repeated
    #[arg(long, value_name = "URL")]
    pub http: Vec<HealthUrl>,

    /// The near end of a tunnel, such as database=127.0.0.1:15432 or redis=127.0.0.1:16379; certificates are
    /// checked for the real host all the same
    #[arg(long, value_name = "TARGET=HOST:PORT", value_delimiter = ',')]
    pub via: Vec<Via>,

    /// Certificates of authorities (PEM) to trust beside the system's, such as those of RDS
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// The time that each probe is given
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = cli::duration_within(SHORTEST..=LONGEST))]
    pub timeout: Duration,

    /// How often latency is measured
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub count: u16,
}

/// A target and the near end of a tunnel to it.
#[derive(Debug, Clone)]
pub struct Via {
    /// The database or Redis.
    pub target: Target,
    /// `HOST:PORT`.
    pub address: String,
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "as in database=127.0.0.1:15432 or redis=127.0.0.1:16379".to_owned();
        let (target, address) = text.split_once('=').ok_or_else(wrong)?;
        let target = target.parse().map_err(|_| wrong())?;
        let port = address
            .rsplit_once(':')
            .map(|(host, port)| (host.is_empty(), port.parse()));
        match (target, port) {
            (Target::Database | Target::Redis, Some((false, Ok(1u16..)))) => Ok(Self {
                target,
                address: address.to_owned(),
            }),
            _ => Err(wrong()),
        }
    }
}

/// Nobody waits longer for one answer.
const LONGEST: Duration = Duration::from_hours(1);
const SHORTEST: Duration = Duration::from_millis(1);
