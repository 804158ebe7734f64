//! What the drill and the end-to-end tests share: terraform and the programs, on a local AWS.

pub mod policies;
mod programs;
mod stage;
mod terraform;

pub use programs::{AS, Finished, Programs, run_as};
pub use stage::{Stage, skipped};
pub use terraform::{Terraform, missing_tool};

/// The guide's own configuration.
pub const EXAMPLE: &str = include_str!("../../examples/berthcare-staging/infra.toml");

/// The example, with the security group that each region of the local AWS has: its RDS looks for those that it is given.
pub fn settings() -> String {
    let groups = ["sg-0a1b2c3d4e5f60718", "sg-0f1e2d3c4b5a69788"];
    let settings = groups.into_iter();
    settings.fold(EXAMPLE.to_owned(), |settings, group| {
        settings.replace(group, "sg-00000001")
    })
}
