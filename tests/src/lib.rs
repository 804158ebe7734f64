//! What the drill and the end-to-end tests share: terraform and the programs, on a local AWS.

mod programs;
mod stage;
mod terraform;

pub use programs::{AS, Finished, Programs, run_as};
pub use stage::{Stage, skipped};
pub use terraform::{Terraform, missing_tool};

/// The guide's own configuration.
pub const EXAMPLE: &str = include_str!("../../examples/berthcare-staging/infra.toml");
