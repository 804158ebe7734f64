pub(crate) mod audit;
pub(crate) mod capture;
pub(crate) mod check;
pub(crate) mod cost;
pub(crate) mod db_user;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod env;
pub(crate) mod log;
pub(crate) mod maintenance;
pub(crate) mod probe;
pub(crate) mod side;
pub(crate) mod sign;
pub(crate) mod waivers;

use audit::AuditArgs;
use capture::CaptureArgs;
use check::CheckArgs;
use clap::{Parser, Subcommand};
use cli::{CompletionArgs, GlobalArgs, ManArgs};
use cost::CostCommand;
use db_user::DbUserArgs;
use doctor::DoctorArgs;
use drift::DriftArgs;
use env::EnvArgs;
use log::LogArgs;
use maintenance::MaintenanceArgs;
use probe::ProbeArgs;
use sign::SignArgs;

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
  verify-staging check --format junit --out checks.xml --fail-on high
  verify-staging check --watch 5m
  verify-staging check --list
  verify-staging check --side dr --chdir terraform/environments/dr
  verify-staging probe --via database=127.0.0.1:15432 --ca global-bundle.pem --only database --count 100
  verify-staging db-user --via 127.0.0.1:15432 --ca global-bundle.pem --dry-run
  verify-staging env --format ecs
  terraform apply 2>&1 | tee apply.log; verify-staging doctor --last apply.log
  verify-staging maintenance quarterly
  verify-staging capture --to s3://my-evidence/staging
  verify-staging sign 'RDS endpoint' --by 'Ada Lovelace'
  verify-staging drift
  terraform show -json tfplan | verify-staging drift --plan -
  verify-staging audit
  verify-staging cost estimate
  terraform show -json tfplan | verify-staging cost estimate --plan - --usage infracost-usage.yml
  verify-staging cost guide
  verify-staging cost recovery
  verify-staging cost tips --plan plan.json
  verify-staging cost diff before.json after.json --markdown --svg month.svg
  verify-staging cost diff --regions ca-central-1 us-east-1
  verify-staging cost budget --plan plan.json --limit 300 --scenario high
  verify-staging cost prices check --region ca-west-1
  verify-staging cost prices refresh --write prices.csv
  verify-staging cost usage --from-cloudwatch --live --write infracost-usage.yml
  verify-staging cost actual --month 2026-10

Exit codes:
  0 fine · 1 checked and found wrong: a failed check, drift, a broken chain, an unsigned row, over the budget,
  prices missing or doubtful
  2 usage or configuration · 3 could not check: unreachable, denied, no data; the budget, when something has no price
  4 refused by a guard: a chain that is not whole is not continued, a database is not the one that was meant
  130 interrupted; check --watch: as the last run ended";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask AWS whether the environment is what was promised; changes nothing
    #[command(after_long_help = "\
Examples:
  verify-staging check
  verify-staging check --only rds,4
  verify-staging check --format junit --out checks.xml --fail-on high
  verify-staging check --watch 5m")]
    Check(CheckArgs),
    /// Ask database, Redis, buckets and health pages as the application does; leaves nothing behind
    #[command(after_long_help = "\
Examples:
  verify-staging probe
  verify-staging probe --via database=127.0.0.1:15432 --ca global-bundle.pem --only database --count 100")]
    Probe(ProbeArgs),
    /// Make the application's user of the database, or make it again what it should be: plan, question, one transaction
    #[command(after_long_help = "\
Examples:
  verify-staging db-user --dry-run
  verify-staging db-user --via 127.0.0.1:15432 --ca global-bundle.pem")]
    DbUser(DbUserArgs),
    /// Write the application's environment; secrets by reference
    #[command(after_long_help = "\
Examples:
  verify-staging env
  verify-staging env --format ecs --out task.json")]
    Env(EnvArgs),
    /// Find out what is behind an error: looks, and gives the fix as a command; changes nothing
    #[command(after_long_help = "\
Examples:
  verify-staging doctor --last apply.log
  verify-staging doctor 'Error acquiring the state lock'")]
    Doctor(DoctorArgs),
    /// The guide's weekly, monthly and quarterly tasks as reports; changes nothing
    #[command(after_long_help = "\
Examples:
  verify-staging maintenance weekly
  verify-staging maintenance quarterly --format html --out quarter.html")]
    Maintenance(MaintenanceArgs),
    /// Keep what terraform and AWS say now, without secrets, in a chain that shows every later edit
    #[command(after_long_help = "\
Examples:
  verify-staging capture
  verify-staging capture --to s3://my-evidence/staging --retain-days 2555")]
    Capture(CaptureArgs),
    /// Show the table of recorded values and who has reviewed each: exit 1 when a review is missing or outdated
    #[command(after_long_help = "\
Examples:
  verify-staging log
  verify-staging log --markdown")]
    Log(LogArgs),
    /// Record that somebody has reviewed a recorded value
    #[command(after_long_help = "\
Examples:
  verify-staging sign 'RDS endpoint' --by 'Ada Lovelace'")]
    Sign(SignArgs),
    /// Check that captures and reviews are as they were written: exit 1 with the place when one is not
    #[command(after_long_help = "\
Examples:
  verify-staging audit")]
    Audit(AuditArgs),
    /// Show what has changed between captures, since the newest, or in a plan: exit 1 when something has
    #[command(after_long_help = "\
Examples:
  verify-staging drift                 since the newest capture
  verify-staging drift before.json after.json
  verify-staging drift --plan plan.json")]
    Drift(DriftArgs),
    /// What the stack and its recovery cost; calls AWS only where it says so
    #[command(subcommand)]
    Cost(CostCommand),
    /// Print a completion script
    Completion(CompletionArgs),
    /// Print the manual page, or write one of each command
    Man(ManArgs),
}
