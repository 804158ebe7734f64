//! The program `local-aws`: AWS on one loopback port, for drills and tests.

mod args;
mod command;
mod instance;
mod outcome;
mod run;

fn main() -> std::process::ExitCode {
    run::main()
}
