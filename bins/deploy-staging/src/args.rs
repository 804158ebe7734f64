pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod destroy;
pub(crate) mod init;
pub(crate) mod next;
pub(crate) mod plan;
pub(crate) mod root;

use clap::{Parser, Subcommand};
use cli::{CompletionArgs, GlobalArgs, ManArgs};

use apply::{ApplyArgs, StatusArgs};
use check::CheckArgs;
use destroy::DestroyArgs;
use init::InitArgs;
use next::NextArgs;
use plan::PlanArgs;

/// Plans and applies an environment with Terraform: reviewed, recorded, and gone on with after a death
#[derive(Debug, Parser)]
#[command(name = "deploy-staging", version, after_long_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  deploy-staging init --dry-run
  deploy-staging check
  deploy-staging plan
  deploy-staging plan --markdown > comment.md
  deploy-staging plan --max-increase 50 --fail-on-changes
  deploy-staging apply --digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  deploy-staging apply --auto-approve --if-changed --max-increase 50
  deploy-staging status
  deploy-staging resume
  deploy-staging destroy --dry-run
  deploy-staging next
  deploy-staging next --done migrations --by 'Kim Roy'
  deploy-staging check --chdir terraform/environments/dr --var-file team.tfvars

Exit codes:
  0 fine; a plan was made, whether or not it has changes
  1 checked and found wrong: a check that failed, a cost over its limit, data abroad; with --fail-on-changes a change
  2 usage or configuration · 3 could not be checked or done
  4 refused by a guard: nothing was changed · 130 interrupted";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first infra.toml from code, values, state and account; each line says where it comes from
    #[command(after_long_help = "\
Examples:
  deploy-staging init --dry-run
  deploy-staging init --dr us-east-1 --residency-reason 'no second region then' --approved-by 'Kim Roy' --expires 2027-06-30")]
    Init(InitArgs),
    /// Look whether everything is there that a deployment needs; changes nothing
    #[command(after_long_help = "\
Examples:
  deploy-staging check
  deploy-staging check --chdir terraform/environments/dr --var-file team.tfvars")]
    Check(CheckArgs),
    /// Make a plan, show what it would do and cost, and keep it to be applied; changes nothing
    #[command(after_long_help = "\
Examples:
  deploy-staging plan
  deploy-staging plan --markdown > comment.md
  deploy-staging plan --max-increase 50 --fail-on-changes")]
    Plan(PlanArgs),
    /// Apply a plan that was made and reviewed: that one, and once
    #[command(after_long_help = "\
Examples:
  deploy-staging apply
  deploy-staging apply --digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  deploy-staging apply --auto-approve --if-changed --max-increase 50     in CI")]
    Apply(ApplyArgs),
    /// Where a deployment is: what is made, what is not, what is left, and what to run
    #[command(after_long_help = "\
Examples:
  deploy-staging status
  deploy-staging status --output json")]
    Status(StatusArgs),
    /// Put in order what an apply has left that failed, was interrupted or died, and plan anew
    #[command(after_long_help = "\
Examples:
  deploy-staging resume")]
    Resume(StatusArgs),
    /// The steps after an apply: what is done and what is open, each with its command
    #[command(after_long_help = "\
Examples:
  deploy-staging next
  deploy-staging next --done migrations --by 'Kim Roy'")]
    Next(NextArgs),
    /// Destroy the environment, when its name is typed; refuses what the settings protect
    #[command(after_long_help = "\
Examples:
  deploy-staging destroy --dry-run
  deploy-staging destroy --confirm berthcare-staging")]
    Destroy(DestroyArgs),
    /// Print a completion script
    Completion(CompletionArgs),
    /// Print the manual page, or write one of each command
    Man(ManArgs),
}
