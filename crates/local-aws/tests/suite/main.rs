//! The library from outside: real SDK clients, real emulators.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod batch;
mod browser;
mod buckets;
mod clients;
mod conditions;
mod docker;
mod encryption;
mod faults;
mod listing;
mod localstack;
mod pagination;
mod program;
mod propagation;
mod rds;
mod regions;
mod replication;
mod secrets;
mod strangers;
mod streaming;
