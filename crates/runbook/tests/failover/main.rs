//! A failover on the local AWS: its own calls over HTTP, with the primary region off.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

mod faults;
mod stage;
mod whole;
