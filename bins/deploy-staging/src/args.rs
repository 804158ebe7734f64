pub(crate) mod check;
pub(crate) mod root;

use clap::{Parser, Subcommand};
use cli::{CompletionArgs, GlobalArgs};

use check::CheckArgs;

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
  deploy-staging check
  deploy-staging check --chdir terraform/environments/dr --var-file team.tfvars

Exit codes:
  0 fine · 1 checked and found wrong · 2 usage or configuration · 3 could not be checked or done
  4 refused by a guard: nothing was changed · 130 interrupted";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look whether everything is there that a deployment needs; changes nothing
    Check(CheckArgs),
    /// Print a completion script
    Completion(CompletionArgs),
}
