use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use cost::{Currency, Limit, Scenario, Service, Tax, Usd};
use jiff::civil::Date;
use rust_decimal::Decimal;
use settings::Region;

/// `cost`.
#[derive(Debug, Subcommand)]
pub enum CostCommand {
    /// Price a month, line by line
    #[command(after_long_help = "\
Examples:
  verify-staging cost estimate
  verify-staging cost estimate --plan plan.json --usage infracost-usage.yml
  verify-staging cost estimate --currency CAD --rate 1.3825 --rate-date 2026-11-20 --tax GST=5")]
    Estimate(PaidArgs),
    /// Put the estimate beside the staging guide's cost table
    #[command(after_long_help = "\
Examples:
  verify-staging cost guide")]
    Guide(EstimateArgs),
    /// Price recovery in the DR region: choices, strategies, a failover day, a drill
    #[command(after_long_help = "\
Examples:
  verify-staging cost recovery
  verify-staging cost recovery --drills records")]
    Recovery(RecoveryArgs),
    /// Say what could be saved, and what that gives up
    #[command(after_long_help = "\
Examples:
  verify-staging cost tips --plan plan.json")]
    Tips(EstimateArgs),
    /// Compare two plans or states, or one stack in two regions; with limits exit 1 above one, 3 when something has no price
    #[command(after_long_help = "\
Examples:
  verify-staging cost diff before.json after.json --markdown --svg month.svg
  verify-staging cost diff before.json after.json --markdown --limit 300 --increase 50
  verify-staging cost diff --regions ca-central-1 us-east-1")]
    Diff(DiffArgs),
    /// Hold the estimate against limits: exit 1 above one, 3 when something has no price
    #[command(after_long_help = "\
Examples:
  verify-staging cost budget --plan plan.json --limit 300 --scenario high
  verify-staging cost budget --plan plan.json --increase 50 --service rds=150 --tag Team=data=100")]
    Budget(BudgetArgs),
    /// Write a usage file: what CloudWatch measured, or the defaults
    #[command(after_long_help = "\
Examples:
  verify-staging cost usage --from-cloudwatch --live --write infracost-usage.yml")]
    Usage(UsageArgs),
    /// Put what AWS billed in a month beside the estimate; every request to Cost Explorer costs $0.01
    #[command(after_long_help = "\
Examples:
  verify-staging cost actual --month 2026-10")]
    Actual(ActualArgs),
    /// The price book
    #[command(subcommand)]
    Prices(PricesCommand),
}

/// `cost prices`.
#[derive(Debug, Subcommand)]
pub enum PricesCommand {
    /// List prices, with their age and confidence
    #[command(after_long_help = "\
Examples:
  verify-staging cost prices show --region ca-west-1")]
    Show(ShowArgs),
    /// Look for prices that are missing, derived, assumed or old: exit 1 when there are any
    #[command(after_long_help = "\
Examples:
  verify-staging cost prices check --region ca-west-1")]
    Check(CheckArgs),
    /// Ask AWS, or read its bulk offer files, and write a new edition; shows what changes first
    #[command(after_long_help = "\
Examples:
  verify-staging cost prices refresh --write prices.csv
  verify-staging cost prices refresh --offers offers/v1.0/aws --write prices.csv")]
    Refresh(RefreshArgs),
}

/// What is priced, and how.
#[derive(Debug, Args)]
pub struct EstimateArgs {
    /// What `terraform show -json` wrote of a plan or state, - for standard input; the guide's stack with
    /// the names of the settings unless given
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// What AWS shows of the guide's stack in both regions of the settings, by their tags and names
    #[arg(long, conflicts_with_all = ["plan", "region"])]
    pub live: bool,
    /// What it is priced with.
    #[command(flatten)]
    pub pricing: PricingArgs,
}

/// What a stack is priced with.
#[derive(Debug, Args)]
pub struct PricingArgs {
    /// Usage, as an infracost-usage.yml
    #[arg(long, value_name = "FILE")]
    pub usage: Option<PathBuf>,
    /// Take nothing for use that the usage file does not say: it is unknown then, and the total a lower bound
    #[arg(long)]
    pub no_defaults: bool,
    /// Another price book
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
    /// Region of resources that do not say theirs; that of the plan or the settings unless given
    #[arg(long, value_name = "REGION")]
    pub region: Option<Region>,
    /// Region to recover in; that of the settings unless given
    #[arg(long, value_name = "REGION")]
    pub dr_region: Option<Region>,
    /// Price the stack as if it were in this region
    #[arg(long, value_name = "REGION")]
    pub move_to: Option<Region>,
    /// Take off what an account gets for nothing every month
    #[arg(long)]
    pub free_tier: bool,
    /// Hours a week that databases run
    #[arg(long, value_name = "HOURS", default_value_t = 168, value_parser = clap::value_parser!(u8).range(0..=168))]
    pub database_hours: u8,
    /// Days after which a price counts as old
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub max_price_age: u16,
    /// Print Markdown instead of a table
    #[arg(long, conflicts_with = "html")]
    pub markdown: bool,
    /// Print a page of HTML with charts instead of a table; it needs nothing else
    #[arg(long)]
    pub html: bool,
}

/// `cost estimate`.
#[derive(Debug, Args)]
pub struct PaidArgs {
    /// What is priced, and how.
    #[command(flatten)]
    pub estimate: EstimateArgs,
    /// Tell as well what it is in this currency, by its code; AWS itself bills in US dollars or by its own rate
    #[arg(long, value_name = "CODE", requires = "rate")]
    pub currency: Option<Currency>,
    /// How much of the currency a US dollar costs
    #[arg(long, value_name = "RATE", requires = "currency")]
    pub rate: Option<Decimal>,
    /// The day of the rate; today unless given
    #[arg(long, value_name = "YYYY-MM-DD", requires = "rate")]
    pub rate_date: Option<Date>,
    /// Tell as well what a tax of so many percent adds; may be repeated, none is on top of another one
    #[arg(long, value_name = "NAME=PERCENT")]
    pub tax: Vec<Tax>,
}

/// `cost recovery`.
#[derive(Debug, Args)]
pub struct RecoveryArgs {
    /// What is priced, and how.
    #[command(flatten)]
    pub estimate: EstimateArgs,
    /// A folder with the records of runs (`reports` and `runs`, as dr-runbook keeps them on its machine), whose measurements
    /// are put beside the choices; with --live those of the bucket in which runs are recorded, unless given
    #[arg(long, value_name = "FOLDER")]
    pub drills: Option<PathBuf>,
    /// How long a drill takes
    #[arg(long, value_name = "HOURS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=730))]
    pub drill_hours: u16,
}

/// `cost diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The plan or state before
    #[arg(
        value_name = "BEFORE",
        requires = "after",
        required_unless_present = "regions"
    )]
    pub before: Option<PathBuf>,
    /// The plan or state after
    #[arg(value_name = "AFTER")]
    pub after: Option<PathBuf>,
    /// Two regions for one stack, instead of two plans
    #[arg(long, value_names = ["REGION", "OTHER"], num_args = 2, conflicts_with_all = ["before", "move_to", "region"])]
    pub regions: Vec<Region>,
    /// The stack for --regions; the guide's, with the names of the settings, unless given
    #[arg(long, value_name = "FILE", requires = "regions")]
    pub plan: Option<PathBuf>,
    /// Where to write the picture; the Markdown then shows it, for places that take images beside it
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// What AFTER, or the stack in the OTHER region, is held against.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// What they are priced with.
    #[command(flatten)]
    pub pricing: PricingArgs,
}

/// `cost budget`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("any-limit").args(["limit", "service", "tag", "increase"]).multiple(true).required(true))]
pub struct BudgetArgs {
    /// What is priced, and how.
    #[command(flatten)]
    pub estimate: EstimateArgs,
    /// What it is held against.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// The plan or state to compare with
    #[arg(long, value_name = "FILE", requires = "increase")]
    pub before: Option<PathBuf>,
}

/// Limits of a month.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// Dollars a month, at most
    #[arg(long, value_name = "USD")]
    pub limit: Option<Usd>,
    /// Dollars a month of a service, at most; may be repeated
    #[arg(long, value_name = "SERVICE=USD", value_parser = Limit::of_service)]
    pub service: Vec<Limit>,
    /// Dollars a month of what carries a tag, at most; may be repeated
    #[arg(long, value_name = "KEY=VALUE=USD", value_parser = Limit::of_tag)]
    pub tag: Vec<Limit>,
    /// Dollars a month more than before, at most: than BEFORE or --before, else than the state that the plan was made from
    #[arg(long, value_name = "USD")]
    pub increase: Option<Usd>,
    /// Take a lower bound that keeps a limit for within it
    #[arg(long)]
    pub allow_lower_bound: bool,
    /// With how much usage
    #[arg(long, value_enum, default_value = "expected")]
    pub scenario: ScenarioArg,
}

/// How much is used.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ScenarioArg {
    /// Little
    Low,
    /// As much as the usage file or the defaults say
    Expected,
    /// Much
    High,
}

impl From<ScenarioArg> for Scenario {
    fn from(scenario: ScenarioArg) -> Self {
        match scenario {
            ScenarioArg::Low => Self::Low,
            ScenarioArg::Expected => Self::Expected,
            ScenarioArg::High => Self::High,
        }
    }
}

/// `cost prices show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Only of this region, and those that hold everywhere; may be repeated
    #[arg(long, value_name = "REGION")]
    pub region: Vec<Region>,
    /// Only of this service, as in AmazonRDS
    #[arg(long, value_name = "CODE")]
    pub service: Option<Service>,
    /// Another price book
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
}

/// `cost prices check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// In this region; may be repeated; those of the settings unless given
    #[arg(long, value_name = "REGION")]
    pub region: Vec<Region>,
    /// Days after which a price counts as old
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub max_price_age: u16,
    /// Another price book
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
}

/// `cost prices refresh`.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// Of this region; may be repeated; those of the settings unless given, those of the file with --offer
    #[arg(long, value_name = "REGION")]
    pub region: Vec<Region>,
    /// Read a bulk offer file (offers/v1.0/aws/CODE/current/REGION/index.json) instead of asking AWS; may be
    /// repeated
    #[arg(long, value_name = "FILE")]
    pub offer: Vec<PathBuf>,
    /// Read every bulk offer file below a folder, as of offers/v1.0/aws, instead of asking AWS
    #[arg(long, value_name = "FOLDER")]
    pub offers: Option<PathBuf>,
    /// The price book to begin with; that of this release unless given
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
    /// Where to write the new edition, which --prices reads; nothing is written unless given. FILE.partial beside it keeps what
    /// is settled, so that the same command goes on on the same day
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub markdown: bool,
}

/// `cost usage`.
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// Ask CloudWatch what was used; AWS charges for the metrics asked for ($0.01 for 1,000)
    #[arg(long)]
    pub from_cloudwatch: bool,
    /// Days before today that are made a month
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=92))]
    pub days: u16,
    /// What `terraform show -json` wrote of a state, - for standard input, which has the names that AWS gave;
    /// the guide's stack with the names of the settings unless given
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// What AWS shows of the guide's stack in both regions of the settings, by their tags and names
    #[arg(long, conflicts_with_all = ["plan", "region"])]
    pub live: bool,
    /// Region of resources that do not say theirs; that of the state or the settings unless given
    #[arg(long, value_name = "REGION")]
    pub region: Option<Region>,
    /// Where to write the usage file, which --usage reads; standard output unless given
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

/// `cost actual`.
#[derive(Debug, Args)]
pub struct ActualArgs {
    /// What is priced, and how.
    #[command(flatten)]
    pub estimate: EstimateArgs,
    /// A month that is over; the last one unless given
    #[arg(long, value_name = "YYYY-MM")]
    pub month: Option<String>,
    /// Only what carries this tag; may be repeated; Project and Environment of the settings unless given
    #[arg(long, value_name = "KEY=VALUE")]
    pub tag: Vec<String>,
}
