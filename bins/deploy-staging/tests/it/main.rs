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
mod permissions;
mod plan;
#[path = "../../../../tests/src/policies.rs"]
#[expect(
    unreachable_pub,
    reason = "it is a module of another package's library"
)]
mod policies;
mod stage;
