//! Preflights of whole environments on the local AWS: one that is ready, and the same with one thing broken.
#![expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a check that fails ends its test, and one that cannot run says so"
)]

mod breaks;
mod stage;
mod terraform;
mod whole;
