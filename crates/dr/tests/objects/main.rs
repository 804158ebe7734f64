//! Sync, parity and undo against a local AWS: real HTTP, two regions, versions.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

#[macro_use]
mod stage;

mod backlog;
mod batch;
mod caveats;
mod emulators;
mod fence;
mod guard;
mod histories;
mod inventory;
mod keyed;
mod killed;
mod manifest;
mod model;
mod others;
mod parts;
mod plans;
mod resolutions;
mod traps;
