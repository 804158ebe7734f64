use clap::Args;
use jiff::civil::Date;
use settings::Region;

use super::root::RootArgs;

/// `init`.
#[derive(Debug, Clone, Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub(crate) root: RootArgs,

    /// The region to recover in; another one of the same country unless given
    #[arg(long, value_name = "REGION")]
    pub(crate) dr: Option<Region>,

    /// Why data may lie in a DR region of another country
    #[arg(long, value_name = "TEXT", requires_all = ["approved_by", "expires"])]
    pub(crate) residency_reason: Option<String>,

    /// Who has approved that
    #[arg(long, value_name = "NAME", requires = "residency_reason")]
    pub(crate) approved_by: Option<String>,

    /// Its last day
    #[arg(long, value_name = "DATE", requires = "residency_reason")]
    pub(crate) expires: Option<Date>,

    /// Show it, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
