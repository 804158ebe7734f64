//! The program, on a local AWS with real state and locks, and with the real terraform.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a check that fails ends its test"
)]

mod apply;
mod check;
mod deaths;
mod getting_started;
mod guide;
mod init;
mod next;
mod plan;
mod stage;
