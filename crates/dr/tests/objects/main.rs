//! Sync, parity and undo against a local AWS: real HTTP, two regions, versions.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

mod batch;
mod inventory;
mod model;
mod parts;
mod stage;
mod traps;
