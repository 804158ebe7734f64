//! The program against a local AWS: what it changes, what it refuses, what it survives.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a check that fails ends its test"
)]

mod apply;
mod backfill;
mod bad_input;
mod credentials;
mod failback;
mod failover;
mod faults;
mod integrity;
mod locks;
mod outputs;
mod page;
mod questions;
mod roots;
mod stage;
