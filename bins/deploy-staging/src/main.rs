//! Plans and applies an environment with Terraform: reviewed, recorded, and gone on with after a death.

use std::process::ExitCode;

fn main() -> ExitCode {
    deploy_staging::run(std::env::args_os())
}
