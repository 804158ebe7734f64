//! The program, as people run it: what it prints, how it ends, what it leaves.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

mod account;
mod bucket;
mod check;
mod cost;
mod credentials;
mod drift;
mod evidence;
mod forms;
mod modes;
mod prices;
mod redaction;
mod secrets;
mod stage;
mod terraform;
