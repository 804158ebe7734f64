//! The real terraform with `terraform_data` and a local state, and scripts in its place for what it does not do on
//! demand.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking, and say what they skip"
)]

mod death;
mod real;
mod script;
mod stage;
