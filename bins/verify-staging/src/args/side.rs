use clap::{Args, ValueEnum};

/// Which side of the environment is meant.
#[derive(Debug, Clone, Copy, Args)]
pub struct SideArgs {
    /// Which side is meant; unless given it is asked of the mark that a failover leaves in the DR region
    #[arg(long, value_enum, value_name = "SIDE")]
    pub side: Option<Side>,
}

/// A side of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// In the primary region
    Primary,
    /// In the DR region; no other is called then
    Dr,
}
