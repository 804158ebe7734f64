use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;
use report::{Document, Report};
use serde::Serialize;

use crate::{Exit, Failure};

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

    /// Tell more on standard error: -v each step that is applied, -vv each call to AWS, -vvv what libraries say
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

/// A length of time on the command line ([`settings::parse_duration`]).
///
/// # Errors
/// When it is not written as in `90s`, `15m`, `1h30m` or `7d`.
pub fn duration(text: &str) -> Result<Duration, settings::DurationError> {
    settings::parse_duration(text)
}

/// As [`duration`], within bounds.
pub fn duration_within(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let length = duration(text).map_err(|error| error.to_string())?;
        if bounds.contains(&length) {
            return Ok(length);
        }
        let [least, most] = [bounds.start(), bounds.end()].map(|bound| report::duration(*bound));
        Err(format!("{text} is not between {least} and {most}"))
    }
}

/// `completion SHELL`.
#[derive(Debug, Clone, Args)]
pub struct CompletionArgs {
    /// The shell to complete in
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A completion script as a document.
#[derive(Serialize)]
struct Completion {
    shell: String,
    script: String,
}

impl Report for Completion {
    const KIND: &'static str = "completion";

    fn document(&self) -> Document {
        Document::new().text(self.script.as_str())
    }
}

/// Prints the completion script of a program: as it is, for a shell to read, or in a document.
///
/// # Errors
/// As [`print`](crate::print).
pub fn print_completion(
    global: &GlobalArgs,
    args: &CompletionArgs,
    mut command: Command,
) -> Result<Exit, Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match global.output {
        OutputFormat::Table => crate::print_data(&script),
        OutputFormat::Json => {
            let shell = args.shell.to_string();
            crate::print(global, &Completion { shell, script })?;
        }
    }
    Ok(Exit::Fine)
}
