//! The library from outside: real SDK clients, real emulators.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod buckets;
mod clients;
mod docker;
mod faults;
mod program;
mod regions;
mod streaming;
