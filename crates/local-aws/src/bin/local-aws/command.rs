//! The subcommands.

pub(crate) mod bucket;
pub(crate) mod detached;
pub(crate) mod exec;
pub(crate) mod fault;
pub(crate) mod log;
pub(crate) mod rds;
pub(crate) mod region;
pub(crate) mod status;
pub(crate) mod up;
