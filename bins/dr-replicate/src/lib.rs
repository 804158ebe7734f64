//! The program `dr-replicate`, as a library, so that another program can run it in its own process.

mod args;
mod commands;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Cli, Command};

/// Runs the program with `arguments`, of which the first is its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    cli::run_draining(arguments, |cli: &Cli| &cli.global, commands::run)
}

/// Its arguments: for completion, manual pages, and programs that have it as a command of their own.
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
