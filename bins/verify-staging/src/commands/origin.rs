//! Where a capture comes from: terraform's version, its state, and the commit of the environment's folder.

use std::path::Path;
use std::process::Stdio;

use evidence::{Commit, Origin, StateHead};
use terraform::{StateFile, Terraform};
use tokio::process::Command;

use crate::args::capture::SourceArgs;

/// Everything that can be found out. What cannot be is named with its reason. `terraform` is the one that was asked
/// for the outputs in `folder`; without it they come from a file.
pub(super) async fn find(
    args: &SourceArgs,
    folder: &Path,
    terraform: Option<&Terraform>,
) -> Origin {
    let mut unknown = Vec::new();
    let mut known = |what: &str, found: Result<_, String>| {
        found
            .map_err(|why| unknown.push(format!("{what}: {why}")))
            .ok()
    };
    let state = known("serial and lineage", state(args, terraform).await);
    let version = match (terraform, &state) {
        (Some(terraform), _) => Some(terraform.version().to_string()),
        (None, Some(state)) => Some(state.terraform_version.clone()),
        (None, None) => None,
    };
    if version.is_none() {
        unknown.push("terraform's version: outputs come from a file".to_owned());
    }
    let commit = commit(folder).await;
    if commit.is_none() {
        let why = "the environment's folder is in no git repository with a commit";
        unknown.push(format!("commit: {why}"));
    }
    Origin {
        terraform: version,
        commit,
        state,
        unknown,
    }
}

/// The head of the state; nothing else of it is kept.
async fn state(args: &SourceArgs, terraform: Option<&Terraform>) -> Result<StateHead, String> {
    let state = match (&args.state, terraform) {
        (Some(path), _) => cli::read_input(path, StateFile::MAX_BYTES)
            .map_err(|_| "the file cannot be read, or is too long".to_owned())?,
        (None, Some(terraform)) => match terraform.state_pull().await {
            Ok(Some(state)) => state,
            Ok(None) => return Err("there is no state yet".to_owned()),
            Err(_) => return Err("`terraform state pull` gave no state".to_owned()),
        },
        (None, None) => return Err("outputs come from a file".to_owned()),
    };
    let state = StateFile::parse(&state).map_err(|error| error.to_string())?;
    StateHead::new(&state).map_err(|error| error.to_string())
}

async fn commit(folder: &Path) -> Option<Commit> {
    let id = git(folder, &["rev-parse", "--verify", "HEAD"]).await?;
    let id = String::from_utf8(id).ok()?.trim().to_owned();
    if id.len() < 40 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let status = git(folder, &["status", "--porcelain", "--", "."]).await?;
    Some(Commit {
        id,
        dirty: !status.is_empty(),
    })
}

/// What git complains of stays off the terminal: it may quote a sensitive value.
async fn git(folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let done = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    done.status.success().then_some(done.stdout)
}
