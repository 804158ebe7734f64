//! Fails an environment over to its DR region and back, step by step, and survives its own death.

use std::process::ExitCode;

fn main() -> ExitCode {
    dr_runbook::run(std::env::args_os())
}
