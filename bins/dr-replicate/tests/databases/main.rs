//! The program's commands for databases, against a local AWS whose RDS takes time.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a check that fails ends its test"
)]

mod commands;
mod guide;
mod rows;
mod stage;
