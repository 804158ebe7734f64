//! Checks a staging environment: what AWS shows, and what it costs.

use std::process::ExitCode;

fn main() -> ExitCode {
    verify_staging::run(std::env::args_os())
}
