//! Checks a staging environment; so far, what it costs.

use std::process::ExitCode;

fn main() -> ExitCode {
    verify_staging::run(std::env::args_os())
}
