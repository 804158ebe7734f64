//! The program against a local AWS: exit codes, what it refuses, and what it leaves alone.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a check that fails ends its test"
)]

#[macro_use]
mod stage;

mod calls;
mod failback;
mod interrupts;
mod inventory;
mod jobs;
mod journal;
mod kills;
mod misuse;
mod objects;
mod owners;
mod runs;
mod several;
mod terminal;
