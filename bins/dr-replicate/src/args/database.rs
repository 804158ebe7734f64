//! Arguments of the commands for databases.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use dr::database::At;
use jiff::Timestamp;
use settings::DbIdentifier;

#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// A database of the settings, by its identifier in the primary region [default: all of them]
    #[arg(long, value_name = "ID")]
    pub(crate) database: Option<DbIdentifier>,
    /// The side that receives, or has received. With primary it is the way back, as [databases.failback] says: the instance
    /// in the DR region is the source
    #[arg(long, value_enum, default_value = "dr")]
    pub(crate) side: SideArg,
}

/// The side that receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SideArg {
    /// Where it ran before the failover
    Primary,
    /// Where it goes on when the primary region is lost
    Dr,
}

/// How long to wait.
#[derive(Debug, Args)]
pub(crate) struct WaiterArgs {
    /// Stop waiting after this long, as in 45m; what is under way goes on, and the same command takes it up
    /// [default: the objective in the settings]
    #[arg(long, value_name = "DURATION", value_parser = cli::duration)]
    pub(crate) deadline: Option<Duration>,
    /// The pause between two looks at AWS
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = cli::duration)]
    pub(crate) poll: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupsCommand {
    /// Replicate automated backups to the DR region: minutes of RPO
    #[command(after_long_help = "\
Examples:
  dr-replicate backups enable --dry-run
  dr-replicate backups enable --database berthcare-staging-postgres")]
    Enable(BackupsChangeArgs),
    /// Show how far the replicated backups are behind
    #[command(after_long_help = "\
Examples:
  dr-replicate backups status
  dr-replicate backups status --as-of 2026-11-22T11:50:00Z")]
    Status(BackupsStatusArgs),
    /// Stop replicating them
    #[command(after_long_help = "\
Examples:
  dr-replicate backups disable --database berthcare-staging-postgres --dry-run")]
    Disable(BackupsChangeArgs),
}

/// `backups enable` and `backups disable`.
#[derive(Debug, Args)]
pub(crate) struct BackupsChangeArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupsStatusArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// The moment that the lag is counted to [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<Timestamp>,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotsCommand {
    /// List the snapshots in the DR region
    #[command(after_long_help = "\
Examples:
  dr-replicate snapshots list --source")]
    List(SnapshotsListArgs),
    /// Copy the newest snapshots of the primary region to the DR region
    #[command(after_long_help = "\
Examples:
  dr-replicate snapshots copy
  dr-replicate snapshots copy --last 7 --deadline 3h
  dr-replicate snapshots copy --side primary                  the way back")]
    Copy(SnapshotsCopyArgs),
    /// Delete copies that the policy does not keep
    #[command(after_long_help = "\
Examples:
  dr-replicate snapshots prune --dry-run
  dr-replicate snapshots prune --keep-last 7 --keep-days 30")]
    Prune(SnapshotsPruneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotsListArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Those in the primary region too, and which of them have a copy
    #[arg(long)]
    pub(crate) source: bool,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotsCopyArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// How many of the newest
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) last: u16,
    /// Only this one: its identifier or ARN
    #[arg(long, value_name = "ID", conflicts_with = "last")]
    pub(crate) snapshot: Option<String>,
    /// Copies that may be in progress in the receiving region at once, those of others included [default: as many as AWS
    /// takes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) quota: Option<u16>,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long to wait.
    #[command(flatten)]
    pub(crate) waiter: WaiterArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotsPruneArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Keep at least this many of the newest good ones [default: the settings]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep_last: Option<u32>,
    /// Keep all that are younger than this many days [default: the settings]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=3650))]
    pub(crate) keep_days: Option<u32>,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RecoveryPointsArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// The moment that the RPO is counted to, such as that of the loss [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<Timestamp>,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The instance to restore as
    #[arg(long, value_name = "ID")]
    pub(crate) target: DbIdentifier,
    /// The database of the settings, by its identifier in the primary region [default: the one that has the target as its
    /// identifier on that side]
    #[arg(long, value_name = "ID")]
    pub(crate) database: Option<DbIdentifier>,
    /// The side to restore in. With primary it is the way back, as [databases.failback] says, and only the primary region
    /// is called
    #[arg(long, value_enum, default_value = "dr")]
    pub(crate) side: SideArg,
    /// The time to restore: latest, or a time such as 2026-11-22T11:50:00Z
    #[arg(long, value_name = "TIME", default_value = "latest")]
    pub(crate) at: At,
    /// Only from this recovery point, as `recovery-points` shows it [default: the freshest]
    #[arg(long, value_name = "RECOVERY_POINT")]
    pub(crate) from: Option<String>,
    /// The moment that the RPO is counted to, such as that of the loss [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<Timestamp>,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long to wait.
    #[command(flatten)]
    pub(crate) waiter: WaiterArgs,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// The read replica, which becomes an instance of its own under the identifier that it has
    #[arg(long, value_name = "ID")]
    pub(crate) replica: DbIdentifier,
    /// The database of the settings that it follows, by its identifier in the primary region [default: the only one]
    #[arg(long, value_name = "ID")]
    pub(crate) database: Option<DbIdentifier>,
    /// The side of the replica. With primary it is the way back, as [databases.failback] says
    #[arg(long, value_enum, default_value = "dr")]
    pub(crate) side: SideArg,
    /// Promote it only when its lag shows that it has all that was written up to this moment, such as the one after which
    /// nothing is written any more [default: at once]
    #[arg(long, value_name = "TIME")]
    pub(crate) holds: Option<Timestamp>,
    /// The moment that the RPO is counted to, such as that of the loss [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<Timestamp>,
    /// Print the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long to wait.
    #[command(flatten)]
    pub(crate) waiter: WaiterArgs,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub(crate) markdown: bool,
}
