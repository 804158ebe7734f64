use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_mangen::Man;
use report::{Document, Report};
use serde::Serialize;

use crate::{Exit, Failure, GlobalArgs, OutputFormat, Secrecy};

/// `man [--out DIR]`.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Write the page of the program and one of each command to this folder, such as ~/.local/share/man/man1
    /// [default: print that of the program]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// A page for man(1).
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ManPage {
    /// The name of its file.
    file: String,
    /// roff.
    text: String,
}

/// Pages as a document.
#[derive(Serialize)]
struct ManPages {
    pages: Vec<ManPage>,
}

impl Report for ManPages {
    const KIND: &'static str = "man";

    fn document(&self) -> Document {
        let texts = self.pages.iter();
        texts.fold(Document::new(), |document, page| {
            document.text(page.text.as_str())
        })
    }
}

/// Prints the manual page of a program, or writes that and those of its commands to a folder.
///
/// # Errors
/// Exit 2 when a file cannot be written; else as [`print`](crate::print).
pub fn print_man(global: &GlobalArgs, args: &ManArgs, command: Command) -> Result<Exit, Failure> {
    let pages = pages(command).context("no manual pages can be made");
    let mut pages = pages.map_err(|error| Failure::new(Exit::Unchecked, error))?;
    if let Some(folder) = &args.out {
        for page in &pages {
            crate::write_file(
                &folder.join(&page.file),
                page.text.as_bytes(),
                Secrecy::Public,
            )?;
        }
        crate::note(&format!(
            "{} pages are in {}",
            pages.len(),
            folder.display()
        ));
        return Ok(Exit::Fine);
    }
    pages.truncate(1);
    match global.output {
        OutputFormat::Table => pages.iter().for_each(|page| crate::print_data(&page.text)),
        OutputFormat::Json => crate::print(global, &ManPages { pages })?,
    }
    Ok(Exit::Fine)
}

/// The page of a program, and one for each of its commands.
fn pages(command: Command) -> io::Result<Vec<ManPage>> {
    // Commands get the name of their program with theirs when they are built.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, pages: &mut Vec<ManPage>) -> io::Result<()> {
    let man = Man::new(command.clone());
    let mut text = Vec::new();
    man.render(&mut text)?;
    // Lines of examples stay lines.
    let text = String::from_utf8_lossy(&text).replace(".SH EXTRA\n", ".SH EXAMPLES\n.nf\n");
    pages.push(ManPage {
        file: man.get_filename(),
        text,
    });
    let commands = command.get_subcommands();
    let mut shown = commands.filter(|command| !command.is_hide_set());
    shown.try_for_each(|command| add(command, pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_gets_a_page_that_refers_to_those_below_it() {
        let show = Command::new("show").after_long_help("Examples:\n  keep runs show 7");
        let runs = Command::new("runs").about("What was done").subcommand(show);
        let pages = pages(Command::new("keep").subcommand(runs)).unwrap();
        let files: Vec<&str> = pages.iter().map(|page| page.file.as_str()).collect();
        assert_eq!(files, ["keep.1", "keep-runs.1", "keep-runs-show.1"]);
        assert!(
            pages[0].text.contains("keep\\-runs(1)"),
            "{}",
            pages[0].text
        );
        assert!(pages[1].text.contains("What was done"), "{}", pages[1].text);
        assert!(
            pages[2]
                .text
                .contains("EXAMPLES\n.nf\nExamples:\n  keep runs show 7"),
            "{}",
            pages[2].text
        );
    }
}
