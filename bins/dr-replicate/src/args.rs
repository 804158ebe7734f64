pub(crate) mod batch;
pub(crate) mod database;
pub(crate) mod estimate;
pub(crate) mod runs;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use cli::{CompletionArgs, GlobalArgs, ManArgs};
use dr::objects::{ChangeLimit, ManifestUrl, Mode, S3Location};
use settings::{AccountId, BucketName, KmsKeyArn, Region};

use batch::BatchArgs;
use database::{BackupsCommand, PromoteArgs, RecoveryPointsArgs, RestoreArgs, SnapshotsCommand};
use estimate::EstimateArgs;
use runs::RunsCommand;

/// Keeps a second region ready: objects compared, copied and put back; databases copied and restored
#[derive(Debug, Parser)]
#[command(name = "dr-replicate", version, after_long_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Flags of every program.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  dr-replicate parity
  dr-replicate parity --bucket berthcare-photos-staging \
      --inventory-from s3://inventory/berthcare-photos-staging/daily/2026-11-22T01-00Z/manifest.json \
      --inventory-to s3://inventory-dr/berthcare-photos-staging-dr/daily/2026-11-22T01-00Z/manifest.json
  dr-replicate estimate --bucket berthcare-photos-staging
  dr-replicate sync --bucket berthcare-photos-staging --dry-run
  dr-replicate sync --bucket berthcare-photos-staging --delete
  dr-replicate sync --bucket berthcare-photos-staging --engine batch \
      --role-arn arn:aws:iam::123456789012:role/berthcare-batch
  dr-replicate undo 20261122T185719Z-04711 --bucket berthcare-photos-staging
  dr-replicate runs list
  dr-replicate manifest --bucket berthcare-photos-staging --out photos.manifest
  dr-replicate reconcile --bucket berthcare-photos-staging --manifest photos.manifest
  dr-replicate sync --from s3://photos/2026 --to s3://photos-dr/2026 \\
      --from-region ca-central-1 --to-region us-east-1
  dr-replicate snapshots copy
  dr-replicate recovery-points
  dr-replicate restore --target berthcare-staging-postgres-dr

Exit codes:
  0 fine · 1 checked and found wrong · 2 usage or configuration · 3 could not check
  4 refused by a guard · 130 interrupted";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the destination hold what the source holds
    #[command(after_long_help = "\
Examples:
  dr-replicate sync --dry-run                                     every bucket of the settings
  dr-replicate sync --bucket berthcare-photos-staging --delete --max-delete 50
  dr-replicate sync --from s3://photos/2026 --to s3://photos-dr/2026 --from-region ca-central-1 --to-region us-east-1")]
    Sync(SyncArgs),
    /// Compare the two, change nothing: counts, bytes, digests, differences
    #[command(after_long_help = "\
Examples:
  dr-replicate parity
  dr-replicate parity --bucket berthcare-photos-staging --sample 100 --markdown")]
    Parity(ParityArgs),
    /// Say what a sync would take: objects, bytes, hours, dollars, and which engine
    #[command(after_long_help = "\
Examples:
  dr-replicate estimate
  dr-replicate estimate --bucket berthcare-photos-staging --longest 4")]
    Estimate(EstimateArgs),
    /// Put the destination back as a run found it
    #[command(after_long_help = "\
Examples:
  dr-replicate undo 20261122T185719Z-0123456789abcdef --bucket berthcare-photos-staging --dry-run
  dr-replicate undo 20261122T185719Z-0123456789abcdef --to s3://photos-dr/2026 --to-region us-east-1")]
    Undo(UndoArgs),
    /// Write down what the DR bucket holds, at the moment of the failover
    #[command(after_long_help = "\
Examples:
  dr-replicate manifest --bucket berthcare-photos-staging --out photos.manifest")]
    Manifest(ManifestArgs),
    /// Failback: bring what was written in the DR bucket to the primary, losing nothing on either side
    #[command(after_long_help = "\
Examples:
  dr-replicate reconcile --bucket berthcare-photos-staging --manifest photos.manifest --dry-run --undecided doubt.txt
  dr-replicate reconcile --bucket berthcare-photos-staging --manifest photos.manifest --keep-dr doubt.txt")]
    Reconcile(ReconcileArgs),
    /// Runs that have been written down: list, show, prune
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Automated backups of databases, replicated to the DR region
    #[command(subcommand)]
    Backups(BackupsCommand),
    /// Snapshots of databases, copied to the DR region
    #[command(subcommand)]
    Snapshots(SnapshotsCommand),
    /// Show what the DR region holds to restore databases from
    #[command(after_long_help = "\
Examples:
  dr-replicate recovery-points
  dr-replicate recovery-points --database berthcare-staging-postgres --as-of 2026-11-22T11:50:00Z")]
    RecoveryPoints(RecoveryPointsArgs),
    /// Restore a database in the DR region, calling no other
    #[command(after_long_help = "\
Examples:
  dr-replicate restore --target berthcare-staging-postgres-dr --dry-run
  dr-replicate restore --target berthcare-staging-postgres-dr --at 2026-11-22T11:50:00Z --deadline 2h
  dr-replicate restore --target berthcare-staging-postgres --side primary     the way back")]
    Restore(RestoreArgs),
    /// Make a read replica in the DR region an instance of its own, calling no other region
    #[command(after_long_help = "\
Examples:
  dr-replicate promote --replica berthcare-staging-postgres-dr --dry-run
  dr-replicate promote --replica berthcare-staging-postgres-dr --holds 2026-11-22T11:50:00Z")]
    Promote(PromoteArgs),
    /// Print a completion script
    Completion(CompletionArgs),
    /// Print the manual page, or write one of each command
    Man(ManArgs),
}

/// Which two buckets.
#[derive(Debug, Args)]
pub(crate) struct LocationArgs {
    /// A bucket of the settings: from it to its DR counterpart. May be given several times; every bucket of the settings
    /// unless given
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "to"])]
    pub(crate) bucket: Vec<BucketName>,
    /// The source: s3://BUCKET or s3://BUCKET/FOLDER
    #[arg(long, value_name = "S3URL", requires = "to")]
    pub(crate) from: Option<S3Location>,
    /// The destination: s3://BUCKET or s3://BUCKET/FOLDER
    #[arg(long, value_name = "S3URL", requires = "from")]
    pub(crate) to: Option<S3Location>,
    /// Region of the source; the settings' primary region unless given
    #[arg(long, value_name = "REGION")]
    pub(crate) from_region: Option<Region>,
    /// Region of the destination; the settings' DR region unless given
    #[arg(long, value_name = "REGION")]
    pub(crate) to_region: Option<Region>,
    /// Account that the source bucket has to belong to; the settings', else the credentials' own unless given
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) from_owner: Option<AccountId>,
    /// Account that the destination bucket has to belong to; the settings', else the credentials' own unless given
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) to_owner: Option<AccountId>,
}

/// Ranges of keys that are listed at once: each keeps a page of either side in memory. Four compare 100,000
/// objects in 16 MiB (benches/compare), and four pages in flight are 40,000 keys a second at 100 ms.
pub(crate) const LISTINGS: u16 = 4;

/// How to compare.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// What proves that two objects are the same
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    pub(crate) compare: CompareArg,
    /// Compare metadata, content headers and tags as well: four calls for every object
    #[arg(long)]
    pub(crate) headers: bool,
    /// Ranges of keys that are listed at once
    #[arg(long, value_name = "N", default_value_t = LISTINGS, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) listings: u16,
}

/// What proves that two objects are the same.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum CompareArg {
    /// ETags where they prove something, else checksums
    Auto,
    /// ETags of the listing only
    Etag,
    /// Checksums only: two calls for every object
    Checksum,
    /// Size, and a destination that is not older; no proof
    SizeMtime,
}

impl From<CompareArg> for Mode {
    fn from(compare: CompareArg) -> Self {
        match compare {
            CompareArg::Auto => Self::Auto,
            CompareArg::Etag => Self::Etag,
            CompareArg::Checksum => Self::Checksum,
            CompareArg::SizeMtime => Self::SizeMtime,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Which two buckets.
    #[command(flatten)]
    pub(crate) locations: LocationArgs,
    /// How to compare.
    #[command(flatten)]
    pub(crate) compare: CompareArgs,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete what the source does not have (by delete markers)
    #[arg(long)]
    pub(crate) delete: bool,
    /// Refuse to delete more than this: a number of objects or a percentage of the destination
    /// [default: 10% or 1000, whichever is less]
    #[arg(long, value_name = "N|P%", requires = "delete")]
    pub(crate) max_delete: Option<ChangeLimit>,
    /// Refuse to overwrite more than this: a number of objects or a percentage of the destination
    /// [default: 10% or 10000, whichever is less, and one at any rate]
    #[arg(long, value_name = "N|P%")]
    pub(crate) max_replace: Option<ChangeLimit>,
    /// Leave objects alone that are neither provably equal nor provably different
    #[arg(long)]
    pub(crate) leave_unproven: bool,
    /// Overwrite objects although the destination keeps no versions: this cannot be undone
    #[arg(long)]
    pub(crate) overwrite_unversioned: bool,
    /// KMS key of the destination region for the copies; the destination bucket's default unless given
    #[arg(long, value_name = "ARN")]
    pub(crate) kms_key: Option<KmsKeyArn>,
    #[command(flatten)]
    pub(crate) batch: BatchArgs,
    /// How it is carried out.
    #[command(flatten)]
    pub(crate) apply: ApplyArgs,
}

/// Where runs are written down.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// Where runs keep their files on this machine [default: the user's state directory]
    #[arg(long, value_name = "DIR", env = "DR_REPLICATE_RUNS")]
    pub(crate) runs: Option<PathBuf>,
    /// The key of the digests by which a journal in the bucket is known, made by a run where there is none
    /// [default: journal.key in the user's state directory]
    #[arg(long, value_name = "FILE", env = "DR_REPLICATE_JOURNAL_KEY")]
    pub(crate) journal_key: Option<PathBuf>,
}

/// How a plan is carried out.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// Copies under way at once, at most
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) concurrency: u16,
    #[command(flatten)]
    pub(crate) written: RunsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ParityArgs {
    /// Which two buckets.
    #[command(flatten)]
    pub(crate) locations: LocationArgs,
    /// How to compare.
    #[command(flatten)]
    pub(crate) compare: CompareArgs,
    /// Read this many objects on both sides and compare their bytes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) sample: usize,
    /// Compare what two S3 Inventory lists (CSV) say instead of listing: manifest.json of the source's
    #[arg(
        long,
        value_name = "S3URL",
        requires = "inventory_to",
        conflicts_with_all = ["from", "to", "compare", "headers", "listings", "sample"],
    )]
    pub(crate) inventory_from: Option<ManifestUrl>,
    /// manifest.json of the destination's inventory
    #[arg(long, value_name = "S3URL", requires = "inventory_from")]
    pub(crate) inventory_to: Option<ManifestUrl>,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub(crate) markdown: bool,
    #[command(flatten)]
    pub(crate) written: RunsArgs,
}

/// A bucket that runs changed, by its URL.
#[derive(Debug, Args)]
pub(crate) struct ChangedArgs {
    /// The bucket that the run changed
    #[arg(long, value_name = "S3URL")]
    pub(crate) to: Option<S3Location>,
    /// Its region; the settings' DR region unless given
    #[arg(long, value_name = "REGION")]
    pub(crate) to_region: Option<Region>,
    /// Account that it has to belong to; the settings', else the credentials' own unless given
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) to_owner: Option<AccountId>,
}

#[derive(Debug, Args)]
pub(crate) struct UndoArgs {
    /// The run, as `sync` printed it
    pub(crate) run: String,
    /// The bucket of the settings whose DR counterpart the run changed
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "to",
        conflicts_with = "to"
    )]
    pub(crate) bucket: Option<BucketName>,
    #[command(flatten)]
    pub(crate) changed: ChangedArgs,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Undo by a journal that is in the bucket alone and has no digests by the key at hand, as on another machine than
    /// the one that ran it: whoever may write to the bucket can have put it there, so look at the plan first
    #[arg(long)]
    pub(crate) trust_bucket_journal: bool,
    /// Region of what the run copied from, which tells what a killed run has written; the settings' unless given
    #[arg(long, value_name = "REGION")]
    pub(crate) from_region: Option<Region>,
    #[command(flatten)]
    pub(crate) written: RunsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// The bucket of the settings whose DR counterpart is written down
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: BucketName,
    /// The file; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    /// The bucket of the settings: from its DR counterpart to it
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: BucketName,
    /// What the DR bucket held at the moment of the failover, as `manifest` wrote it
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: PathBuf,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete in the primary what was deleted in the DR region and not written in the primary since
    #[arg(long)]
    pub(crate) delete: bool,
    /// Keys in doubt for which the DR region decides: its object or its deletion goes to the primary. A key a line, or a
    /// JSON string
    #[arg(long, value_name = "FILE")]
    pub(crate) keep_dr: Vec<PathBuf>,
    /// Keys in doubt for which the primary decides: it keeps what it has. As --keep-dr
    #[arg(long, value_name = "FILE")]
    pub(crate) keep_primary: Vec<PathBuf>,
    /// Bring back everything that the primary lacks and the DR region has as it was at the failover: for a primary that
    /// was rebuilt
    #[arg(long)]
    pub(crate) restore_deleted: bool,
    /// Write all keys in doubt to this file, which must not exist, as --keep-dr and --keep-primary read them
    #[arg(long, value_name = "FILE")]
    pub(crate) undecided: Option<PathBuf>,
    /// Refuse to delete more than this: a number of objects or a percentage of the primary
    /// [default: 10% or 1000, whichever is less]
    #[arg(long, value_name = "N|P%", requires = "delete")]
    pub(crate) max_delete: Option<ChangeLimit>,
    /// Refuse to overwrite more than this: a number of objects or a percentage of the primary
    /// [default: 10% or 10000, whichever is less, and one at any rate]
    #[arg(long, value_name = "N|P%")]
    pub(crate) max_replace: Option<ChangeLimit>,
    /// How it is carried out.
    #[command(flatten)]
    pub(crate) apply: ApplyArgs,
}
