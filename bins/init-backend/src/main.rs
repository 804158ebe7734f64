//! Creates, checks and verifies the Terraform state backend in two regions.

use std::process::ExitCode;

fn main() -> ExitCode {
    init_backend::run(std::env::args_os())
}
