//! The program `local-aws`: AWS on one loopback port, for drills and tests.

mod args;
mod detached;
mod exec;
mod fault;
mod instance;
mod log;
mod outcome;
mod region;
mod run;
mod status;
mod up;

fn main() -> std::process::ExitCode {
    run::main()
}
