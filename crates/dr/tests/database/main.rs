//! Databases against a local AWS whose RDS takes time.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a check that fails ends its test"
)]

mod backups;
mod copies;
mod emulators;
mod killed;
mod pins;
mod replicas;
mod restores;
mod retired;
mod stage;
