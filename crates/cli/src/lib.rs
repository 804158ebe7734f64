//! What every program shares: flags, exit codes, errors with hints, progress, prompts.
//!
//! The only place that prints, reads the environment, asks the clock and decides an exit code.

mod args;
mod environment;
mod failure;
mod file;
mod form;
mod man;
mod output;
mod progress;
mod question;
mod run;
mod screen;
mod signals;
mod terminal;

pub use args::{
    CompletionArgs, GlobalArgs, OutputFormat, duration, duration_within, print_completion,
};
pub use environment::{
    aws_env, load_settings, load_settings_in_emergency, machine, now, operator, settings_text,
};
pub use failure::{Exit, Failure};
pub use file::{Secrecy, read_input, read_text, write_file};
pub use form::{FormArgs, Format, in_form, print_in_form};
pub use man::{ManArgs, print_man};
pub use output::{
    confirm, confirm_name, note, print, print_data, print_text, residency_notes, tell,
};
pub use progress::Progress;
pub use run::{Interrupts, redact_log, run, run_draining, run_heeding, run_repeating};
