use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser as NotEmpty;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use cli::{CompletionArgs, GlobalArgs, ManArgs};
use settings::RoleArn;
use state_backend::{BackfillLimits, SideName};

/// Creates, checks and verifies the Terraform state backend in two regions
#[derive(Debug, Parser)]
#[command(name = "init-backend", version, after_long_help = EXAMPLES)]
pub struct Cli {
    /// Flags of every program.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  init-backend plan                          what exists, what is missing, what differs
  init-backend apply                         create and harden both sides, then prove replication
  init-backend verify --output json          read everything back, item by item
  init-backend metrics                       how late the DR region's copy is
  init-backend render dr --out dr.s3.tfbackend
  terraform init -reconfigure -backend-config=dr.s3.tfbackend

Exit codes:
  0 fine · 1 checked and found wrong · 2 usage or configuration · 3 could not check
  4 refused by a guard · 130 interrupted";

/// The subcommands, in the order in which a backend is set up and lived with.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what exists, what is missing and what differs; change nothing
    #[command(after_long_help = "\
Examples:
  init-backend plan
  init-backend plan --check              in CI: exit 1 when something is pending")]
    Plan(PlanArgs),
    /// Create what is missing and strengthen what is weaker; delete nothing
    #[command(after_long_help = "\
Examples:
  init-backend apply
  init-backend apply --yes --canary-timeout 30m")]
    Apply(ApplyArgs),
    /// Read everything back and report it item by item
    #[command(after_long_help = "\
Examples:
  init-backend verify
  init-backend verify --canary --output json")]
    Verify(VerifyArgs),
    /// Write the backend configuration of one region for `terraform init`
    #[command(after_long_help = "\
Examples:
  init-backend render primary --out terraform/environments/staging/staging.s3.tfbackend
  init-backend render dr --dir terraform/environments/dr")]
    Render(RenderArgs),
    /// Show tables, locks, state and replication of both regions
    #[command(after_long_help = "\
Examples:
  init-backend status
  init-backend status --output json")]
    Status,
    /// Show what S3 measures of the state's replication
    #[command(after_long_help = "\
Examples:
  init-backend metrics")]
    Metrics,
    /// Compare every state in both regions
    #[command(after_long_help = "\
Examples:
  init-backend integrity
  init-backend integrity --state env:/prod/net/terraform.tfstate")]
    Integrity(IntegrityArgs),
    /// List the locks that are held, and by whom
    #[command(after_long_help = "\
Examples:
  init-backend locks
  init-backend locks --output json")]
    Locks,
    /// Release one lock by its ID
    #[command(after_long_help = UNLOCK_EXAMPLES)]
    Unlock(UnlockArgs),
    /// Bring back an earlier version of a state
    #[command(after_long_help = RESTORE_EXAMPLES)]
    Restore(RestoreArgs),
    /// Make right what Terraform refuses to read
    #[command(subcommand)]
    Repair(RepairCommand),
    /// Copy to the DR region what was there before replication was
    #[command(after_long_help = BACKFILL_EXAMPLES)]
    Backfill(BackfillArgs),
    /// Make every state ready for Terraform in the DR region, without one call to the primary region
    #[command(after_long_help = FAILOVER_EXAMPLES)]
    Failover(FailoverArgs),
    /// Bring what DR wrote back to the primary region, where that has not moved meanwhile
    #[command(after_long_help = FAILBACK_EXAMPLES)]
    Failback(FailbackArgs),
    /// Print a completion script
    Completion(CompletionArgs),
    /// Print the manual page, or write one of each command
    Man(ManArgs),
}

/// What `plan` takes.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Exit 1 when something is pending
    #[arg(long)]
    pub check: bool,
}

/// What `apply` takes.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Do not prove replication with a canary object
    #[arg(long)]
    pub skip_canary: bool,
    /// How the canary runs.
    #[command(flatten)]
    pub canary_options: CanaryArgs,
}

/// What `verify` takes.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Also prove replication with a canary object, which is removed again
    #[arg(long)]
    pub canary: bool,
    /// How the canary runs.
    #[command(flatten)]
    pub canary_options: CanaryArgs,
}

/// What every command that runs the canary takes.
#[derive(Debug, Args)]
pub struct CanaryArgs {
    /// How long the canary may take to replicate
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = cli::duration_within(Duration::ZERO..=LONGEST))]
    pub canary_timeout: Duration,
}

/// Replication that takes longer than this is broken.
const LONGEST: Duration = Duration::from_hours(24);

/// What `render` takes.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Which region
    #[arg(value_enum)]
    pub side: SideArg,
    /// Write to FILE instead of standard output; an existing file that differs needs --yes
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The root module that it is for, whose code may name the key of its states; without this FILE's folder, where that
    /// is a root module with a backend in S3, else the key of the settings is taken
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
}

/// What `integrity` takes.
#[derive(Debug, Args)]
pub struct IntegrityArgs {
    /// Only this state: the key of its object, such as env:/prod/net/terraform.tfstate
    #[arg(long, value_name = "KEY", value_parser = NotEmpty::new())]
    pub state: Option<String>,
}

const RESTORE_EXAMPLES: &str = "\
Examples:
  init-backend restore staging/terraform.tfstate --version 3sL4kqtJlcpXroDTDmJ --dry-run
  init-backend restore staging/terraform.tfstate --version null --yes   as it was before versioning
  init-backend restore env:/prod/net/terraform.tfstate --version 3sL4kqtJlcpXroDTDmJ --side dr

Exit codes:
  0 brought back, or there already · 2 no such state or version
  3 something could not be asked or done · 4 somebody holds its lock, or has written it since
  130 interrupted";

/// What `restore` takes.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The key of the state's object, as `integrity` shows it
    #[arg(value_parser = NotEmpty::new())]
    pub state: String,
    /// The version of that object
    #[arg(long, value_name = "VERSION", value_parser = NotEmpty::new())]
    pub version: String,
    /// The region in which it is brought back
    #[arg(long, value_enum, default_value = "primary")]
    pub side: SideArg,
    /// Show what would be brought back, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

const BACKFILL_EXAMPLES: &str = "\
Examples:
  init-backend backfill --dry-run            what is in the primary region alone, and why
  init-backend backfill --yes --output json
  init-backend backfill --role-arn arn:aws:iam::111122223333:role/batch-replication --no-wait

Exit codes:
  0 both regions have everything · 1 objects are left, each with the reason
  2 the role cannot be used · 3 something could not be asked, or a job runs on
  4 a run in the DR region holds a lock · 130 interrupted";

/// What `backfill` takes.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// Show what would be copied and why, and copy nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The role that S3 takes on for a job of S3 Batch Replication, which brings what is too large or too many to be copied
    /// here; without one, that of the settings (`batch_role`), and without that such objects are left
    #[arg(long, value_name = "ARN")]
    pub role_arn: Option<RoleArn>,
    /// Follow a job for this long, then leave it running
    #[arg(long, value_name = "DURATION", default_value = "12h", value_parser = cli::duration_within(Duration::ZERO..=LONGEST))]
    pub wait: Duration,
    /// Do not follow a job
    #[arg(long, conflicts_with = "wait")]
    pub no_wait: bool,
    /// Leave objects of more bytes than this to S3
    #[arg(long, value_name = "BYTES", default_value_t = BackfillLimits::default().bytes)]
    pub batch_above: u64,
}

const FAILOVER_EXAMPLES: &str = "\
Examples:
  init-backend failover --dry-run            what would be done to each state, and nothing else
  init-backend failover --yes --output json
  init-backend failover --dir environments/staging --dir environments/network

Exit codes:
  0 every state is ready · 1 states are left, each with the reason
  3 something could not be asked or done
  4 a state is left because somebody in the DR region holds its lock; the others are done
  130 interrupted";

/// What `failover` takes.
#[derive(Debug, Args)]
pub struct FailoverArgs {
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Whose backends are turned.
    #[command(flatten)]
    pub roots: RootArgs,
}

/// What every command takes that turns root modules.
#[derive(Debug, Args)]
pub struct RootArgs {
    /// The folder of a root module whose backend is to be turned with the states; may be given several times
    #[arg(long, value_name = "FOLDER")]
    pub dir: Vec<PathBuf>,
}

const FAILBACK_EXAMPLES: &str = "\
Examples:
  init-backend failback --dry-run            what would be done to each state, and nothing else
  init-backend failback --yes --output json
  init-backend failback --dir environments/staging --dir environments/network
  init-backend failback --keep-dr net/terraform.tfstate --stay-deleted old/terraform.tfstate

Exit codes:
  0 every state is ready · 1 states are left, each with the reason
  2 a choice is for a state that needs none · 3 something could not be asked or done
  4 a state is left because somebody holds its lock in one of the regions, or its bucket keeps
    no versions; the others are done · 130 interrupted";

/// What `failback` takes.
#[derive(Debug, Args)]
pub struct FailbackArgs {
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Whose backends are turned. Before the choices, whose heading counts for all that follows.
    #[command(flatten)]
    pub roots: RootArgs,
    /// What becomes of states that both regions have written, or that one has deleted.
    #[command(flatten)]
    pub choices: ChoiceArgs,
}

/// Choices for states that nobody but a person can decide on. STATE is the key of the state's object.
#[derive(Debug, Args)]
#[command(next_help_heading = "Choices")]
pub struct ChoiceArgs {
    /// Both regions wrote it: write the DR region's copy over the primary region's; may be given several times
    #[arg(long, value_name = "STATE", value_parser = NotEmpty::new())]
    pub keep_dr: Vec<String>,
    /// Both regions wrote it: write the primary region's copy over the DR region's; may be given several times
    #[arg(long, value_name = "STATE", value_parser = NotEmpty::new())]
    pub keep_primary: Vec<String>,
    /// One region deleted it: bring the other region's copy to it; may be given several times
    #[arg(long, value_name = "STATE", value_parser = NotEmpty::new())]
    pub bring_back: Vec<String>,
    /// One region deleted it: delete it in the other one as well; may be given several times
    #[arg(long, value_name = "STATE", value_parser = NotEmpty::new())]
    pub stay_deleted: Vec<String>,
}

/// What `repair` takes.
#[derive(Debug, Subcommand)]
pub enum RepairCommand {
    /// Write the digest row of the state that is there
    #[command(after_long_help = "\
Examples:
  init-backend repair digest staging/terraform.tfstate --dry-run
  init-backend repair digest staging/terraform.tfstate --side dr")]
    Digest(RepairDigestArgs),
}

/// What `repair digest` takes.
#[derive(Debug, Args)]
pub struct RepairDigestArgs {
    /// The key of the state's object, as `integrity` shows it
    #[arg(value_parser = NotEmpty::new())]
    pub state: String,
    /// The region whose row is written
    #[arg(long, value_enum, default_value = "primary")]
    pub side: SideArg,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

const UNLOCK_EXAMPLES: &str = "\
Examples:
  init-backend unlock 9db590f1-b6fe-c5f2-2678-8804f089deba
  init-backend unlock 9db590f1-b6fe-c5f2-2678-8804f089deba --side dr --yes
  init-backend unlock --place staging/terraform.tfstate.tflock    a lock that has no ID

Exit codes:
  0 released · 2 no lock has this ID · 3 something could not be asked or done
  4 it changed hands, or the state was written since and nobody has confirmed
  130 interrupted";

/// What `unlock` takes.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("lock").required(true).args(["id", "place"])))]
pub struct UnlockArgs {
    /// The lock's ID, as `locks` and Terraform's error message show it
    #[arg(value_parser = NotEmpty::new())]
    pub id: Option<String>,
    /// The place of a lock that has no ID, as `locks` shows it: the row's LockID, or the key of the object
    #[arg(long, value_name = "PLACE", value_parser = NotEmpty::new())]
    pub place: Option<String>,
    /// The ID or the place once more: needed where the state was written after the lock was taken
    #[arg(long, value_name = "ID", value_parser = NotEmpty::new())]
    pub confirm: Option<String>,
    /// The region that holds it
    #[arg(long, value_enum, default_value = "primary")]
    pub side: SideArg,
}

/// A side, on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SideArg {
    /// Where Terraform works every day
    Primary,
    /// Where it goes on when the primary region is lost
    Dr,
}

impl From<SideArg> for SideName {
    fn from(side: SideArg) -> Self {
        match side {
            SideArg::Primary => Self::Primary,
            SideArg::Dr => Self::Dr,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// The width to which help is wrapped at most; a longer line is broken anywhere.
    const WIDTH: usize = 100;

    #[test]
    fn help_of_each_command_that_changes_states_has_examples_and_no_line_too_long() {
        let cli = Cli::command();
        for name in ["unlock", "restore", "backfill", "failover", "failback"] {
            let command = cli.find_subcommand(name).unwrap();
            let after = command.get_after_long_help().unwrap().to_string();
            let example = format!("  init-backend {name} ");
            assert!(
                after.lines().any(|line| line.starts_with(&example)),
                "{name}"
            );
            assert!(
                after.contains("Exit codes:") && after.contains("130 interrupted"),
                "{name}"
            );
            for line in after.lines() {
                assert!(line.chars().count() < WIDTH, "{name}: {line}");
            }
        }
    }

    #[test]
    fn help_of_failback_has_choices_under_their_heading_and_nothing_else() {
        let cli = Cli::command();
        let failback = cli.find_subcommand("failback").unwrap();
        let under = failback
            .get_arguments()
            .filter(|argument| argument.get_help_heading() == Some("Choices"));
        let mut names = Vec::new();
        for argument in under {
            names.push(argument.get_id().as_str());
            let help = argument.get_help().unwrap().to_string();
            assert!(help.ends_with("may be given several times"), "{help}");
        }
        assert_eq!(
            names,
            ["keep_dr", "keep_primary", "bring_back", "stay_deleted"]
        );
    }
}
