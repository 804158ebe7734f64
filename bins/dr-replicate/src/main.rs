//! Copies, compares and puts back the objects of buckets in two regions.

use std::process::ExitCode;

fn main() -> ExitCode {
    dr_replicate::run(std::env::args_os())
}
