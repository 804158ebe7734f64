//! The library from outside: real SDK clients, real emulators.

#![expect(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod clients;
mod faults;
mod regions;
