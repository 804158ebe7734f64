use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// In which form a result is given, besides a table and JSON.
#[derive(Debug, Clone, Args)]
pub struct FormArgs {
    /// Another form than --output has: for a pull request, a browser, a CI system, code scanning
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Write what --format says to FILE, and print as --output says
    #[arg(long, value_name = "FILE", requires = "format")]
    pub out: Option<PathBuf>,
}

/// Forms of the result besides a table and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// GitHub-flavoured Markdown
    Markdown,
    /// One page that needs nothing else
    Html,
    /// JUnit XML: wrong is a failure, unknown an error
    Junit,
    /// SARIF 2.1.0, of what is wrong or unknown
    Sarif,
}
