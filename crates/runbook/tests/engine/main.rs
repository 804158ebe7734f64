//! The engine against a simulated store and a simulated AWS: one thread, a paused clock, and everything that could go
//! otherwise decided by a seed or counted request by request.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

mod approvals;
mod kills;
mod moves;
mod schedules;
mod world;
