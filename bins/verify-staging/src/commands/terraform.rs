//! Terraform's outputs, from a file or from terraform itself.

use std::path::Path;

use cli::{Exit, Failure};
use evidence::{Outputs, Redactor};
use report::ShellCommand;
use terraform::{Environment, Error, Terraform};

/// The outputs of `file`, or else those that terraform says in `folder`.
pub(super) async fn outputs(file: Option<&Path>, folder: &Path) -> Result<Outputs, Failure> {
    match file {
        Some(path) => of_file(path),
        None => of_folder(&find(folder).await?, folder).await,
    }
}

/// The outputs that `terraform output -json` wrote into a file.
pub(super) fn of_file(path: &Path) -> Result<Outputs, Failure> {
    let json = cli::read_input(path, Outputs::MOST_BYTES)?;
    let outputs = Outputs::parse(&json).map_err(|error| unusable(error, path))?;
    redact_log(&outputs);
    Ok(outputs)
}

/// The outputs of the environment's folder.
pub(super) async fn of_folder(terraform: &Terraform, folder: &Path) -> Result<Outputs, Failure> {
    let outputs = terraform.output().await;
    let outputs = outputs.map_err(|error| failure(error, folder))?;
    let outputs = Outputs::new(outputs).map_err(|error| unusable(error, folder))?;
    redact_log(&outputs);
    Ok(outputs)
}

/// A sensitive output may be the name of what is asked for, and the log of calls shows names.
pub(super) fn redact_log(outputs: &Outputs) {
    let redactor = Redactor::for_display(Some(outputs));
    cli::redact_log(move |line| redactor.sentence(line));
}

/// The terraform of this machine, for the environment's folder.
pub(super) async fn find(folder: &Path) -> Result<Terraform, Failure> {
    let environment = Environment::new(std::env::vars_os());
    let found = Terraform::find(folder, environment).await;
    found.map_err(|error| failure(error, folder))
}

fn unusable(error: evidence::OutputsError, from: &Path) -> Failure {
    let context = format!("failed to use the outputs of {}", from.display());
    Failure::new(Exit::Usage, anyhow::Error::new(error).context(context)).hint(
        "write them with `terraform output -json > FILE` in the environment's folder, after an apply",
    )
}

/// Terraform's own words stay off the terminal, but for those that quote nothing.
fn failure(error: Error, folder: &Path) -> Failure {
    let shown = folder.display().to_string();
    let terraform = ShellCommand::new("terraform").joined("-chdir=", &shown);
    let hint = match &error {
        Error::NotInstalled | Error::TooOld { .. } | Error::NoVersion { .. } => {
            let oldest = Terraform::OLDEST;
            format!(
                "install terraform {oldest} or later (https://developer.hashicorp.com/terraform/install), or give --outputs FILE"
            )
        }
        Error::NoFolder { .. } => {
            "name the environment's folder with --chdir, or give --outputs FILE".to_owned()
        }
        Error::Failed { diagnostics, .. } if diagnostics.iter().any(wants_init) => {
            format!("run `{}`, or give --outputs FILE", terraform.words("init"))
        }
        _ => format!(
            "run `{}` to see what terraform says, or give --outputs FILE",
            terraform.words("output")
        ),
    };
    let context = format!("failed to ask terraform in {shown}");
    Failure::new(Exit::Usage, anyhow::Error::new(error).context(context)).hint(hint)
}

fn wants_init(diagnostic: &terraform::Diagnostic) -> bool {
    matches!(
        diagnostic.fixed_words(),
        Some(
            "Backend initialization required"
                | "Backend configuration changed"
                | "Inconsistent dependency lock file"
                | "Module not installed"
                | "Required plugins are not installed"
        )
    )
}
