pub(crate) mod check;
pub(crate) mod cost;

use clap::{Parser, Subcommand};
use cli::{CompletionArgs, GlobalArgs};

use check::CheckArgs;
use cost::CostCommand;

/// Checks a staging environment: what AWS shows beside what was promised, and what it costs
#[derive(Debug, Parser)]
#[command(name = "verify-staging", version, after_long_help = EXAMPLES)]
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
  verify-staging check
  terraform output -json | verify-staging check --outputs - --only rds,4
  verify-staging check --list
  verify-staging check --format junit --out checks.xml --fail-on high
  verify-staging check --watch 5m
  verify-staging cost estimate
  terraform show -json tfplan | verify-staging cost estimate --plan - --usage infracost-usage.yml
  verify-staging cost guide
  verify-staging cost recovery
  verify-staging cost tips --plan plan.json
  verify-staging cost diff before.json after.json --markdown
  verify-staging cost budget --plan plan.json --limit 300 --scenario high
  verify-staging cost prices check --region ca-west-1

Exit codes:
  0 fine · 1 checked and found wrong: a failed check, over the budget, prices missing or doubtful
  2 usage or configuration · 3 could not check: unreachable, denied, no data; the budget, when something has no price
  130 interrupted; check --watch: as the last run ended";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask AWS whether the environment is what was promised; changes nothing
    Check(CheckArgs),
    /// What the stack and its recovery cost; nothing is called
    #[command(subcommand)]
    Cost(CostCommand),
    /// Print a completion script
    Completion(CompletionArgs),
}
