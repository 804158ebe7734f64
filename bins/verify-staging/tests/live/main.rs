//! The program against what runs: a local AWS, and real PostgreSQL and Redis servers with TLS. Whatever it
//! prints, and every file that it writes, is searched for the secrets that were planted.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a check that fails ends its test, and a test that cannot run says so"
)]

mod application_user;
mod certificates;
mod doctor;
mod env;
mod errors;
mod hunt;
mod maintenance;
mod permissions;
#[path = "../../../../tests/src/policies.rs"]
#[expect(
    unreachable_pub,
    reason = "it is a module of another package's library"
)]
mod policies;
mod practice;
mod probe;
mod servers;
mod side;
mod stage;
