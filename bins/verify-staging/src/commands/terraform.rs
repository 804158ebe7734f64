//! Terraform's outputs, from a file or from terraform itself.

use std::path::Path;
use std::process::Stdio;

use anyhow::anyhow;
use cli::{Exit, Failure};
use tokio::process::Command;
use verify::Outputs;

use crate::args::check::OutputsArgs;

/// The outputs that `args` name.
pub(super) async fn outputs(args: &OutputsArgs) -> Result<Outputs, Failure> {
    let (json, from) = match &args.outputs {
        Some(path) => (
            cli::read_input(path, Outputs::MOST_BYTES)?,
            path.display().to_string(),
        ),
        None => (ask(&args.chdir).await?, args.chdir.display().to_string()),
    };
    Outputs::parse(&json).map_err(|error| {
        let context = format!("failed to use the outputs of {from}");
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(context)).hint(
            "write them with `terraform output -json > FILE` in the environment's folder, after an apply",
        )
    })
}

/// Terraform's own words stay off the terminal: an error may quote a sensitive value.
async fn ask(folder: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: anyhow::Error| {
        Failure::new(
            Exit::Usage,
            error.context(format!("failed to ask terraform in {}", folder.display())),
        )
        .hint("name the environment's folder with --chdir, or give --outputs FILE")
    };
    if !folder.is_dir() {
        return Err(failed(anyhow!("there is no such folder")));
    }
    let done = Command::new("terraform")
        .args(["output", "-json", "-no-color"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(error.into()))?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let known = KNOWN_ERRORS.iter().find(|known| said.contains(**known));
    let reason = known.map_or("run `terraform output` there to see why", |known| known);
    Err(failed(anyhow!("{}: {reason}", done.status)))
}

/// What terraform complains of most. Other words of it are not repeated, not even a line.
const KNOWN_ERRORS: [&str; 8] = [
    "Backend initialization required",
    "Backend configuration changed",
    "Module not installed",
    "Error acquiring the state lock",
    "No valid credential sources found",
    "Unable to access object",
    "state data in S3 does not have the expected content",
    "Unsupported Terraform Core version",
];
