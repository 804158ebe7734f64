//! A failover on the local AWS, with the primary region off, and the way back: their own calls over HTTP.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

mod both;
mod commit;
mod consistency;
mod failback;
mod faults;
mod hooks;
mod odds;
mod secrets;
mod stage;
mod switchover;
mod whole;
