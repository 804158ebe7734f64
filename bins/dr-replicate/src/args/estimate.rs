//! `estimate`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use dr::objects::ManifestUrl;

use super::{LISTINGS, LocationArgs, RunsArgs};

/// What a sync would take.
#[derive(Debug, Args)]
pub(crate) struct EstimateArgs {
    /// Which two buckets.
    #[command(flatten)]
    pub(crate) locations: LocationArgs,
    /// manifest.json of an S3 Inventory (CSV) of the source, instead of listing
    #[arg(long, value_name = "S3URL", requires = "inventory_to", conflicts_with_all = ["from", "to", "listings"])]
    pub(crate) inventory_from: Option<ManifestUrl>,
    /// manifest.json of the destination's inventory
    #[arg(long, value_name = "S3URL", requires = "inventory_from")]
    pub(crate) inventory_to: Option<ManifestUrl>,
    /// Ranges of keys that are listed at once
    #[arg(long, value_name = "N", default_value_t = LISTINGS, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) listings: u16,
    /// Copy requests that this machine makes in a second; 1,500 were measured against a server of two cores
    #[arg(long, value_name = "N", default_value = "1500")]
    pub(crate) own_rate: NonZeroU32,
    /// Objects that a batch job copies in a second; assumed, not measured
    #[arg(long, value_name = "N", default_value = "500")]
    pub(crate) batch_rate: NonZeroU32,
    /// Mebibytes that S3 moves in a second; assumed, not measured
    #[arg(long, value_name = "MIB", default_value = "1000")]
    pub(crate) throughput: NonZeroU32,
    /// Take a job when this machine would need more hours, and the job fewer
    #[arg(long, value_name = "HOURS", default_value_t = 8)]
    pub(crate) longest: u32,
    /// Another price book, as `verify-staging cost prices refresh` writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) written: RunsArgs,
}
