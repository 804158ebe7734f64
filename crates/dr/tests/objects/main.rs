//! Sync, parity and undo against a local AWS: real HTTP, two regions, versions.

mod model;
mod stage;
mod traps;
