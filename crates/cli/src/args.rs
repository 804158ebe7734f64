use std::path::PathBuf;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

/// The flags of every program, before or after the subcommand.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// The configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "infra.toml",
        env = "INFRA_CONFIG"
    )]
    pub config: PathBuf,

    /// What to print on standard output
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub output: OutputFormat,

    /// Do it without asking
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,

    /// Tell more on standard error: -v what is done, -vv every call
    #[arg(long, short = 'v', global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// Tables and text for people
    #[default]
    Table,
    /// One JSON document and nothing else
    Json,
}

/// `completion SHELL`.
#[derive(Debug, Clone, Args)]
pub struct CompletionArgs {
    /// The shell to complete in
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the completion script of the program whose arguments are `C`.
pub fn print_completion<C: CommandFactory>(args: &CompletionArgs) {
    let mut command = C::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    crate::print_text(&String::from_utf8_lossy(&script));
}
