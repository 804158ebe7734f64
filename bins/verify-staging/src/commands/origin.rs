//! Where a capture comes from: terraform's version, its state, and the commit of the environment's folder.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use verify::evidence::{Commit, Origin, StateHead};

use crate::args::capture::SourceArgs;

/// Everything that can be found out. What cannot be is named with its reason.
pub(super) async fn find(args: &SourceArgs) -> Origin {
    let args = args.clone();
    let found = tokio::task::spawn_blocking(move || Finder::default().find(&args)).await;
    found.unwrap_or_default()
}

#[derive(Default)]
struct Finder {
    unknown: Vec<String>,
}

impl Finder {
    fn find(mut self, args: &SourceArgs) -> Origin {
        let state = self.state(args);
        let terraform = match (&args.from, &state) {
            (None, _) => self.terraform(&args.chdir),
            (Some(_), Some(state)) => Some(state.terraform_version.clone()),
            (Some(_), None) => {
                self.miss("terraform's version", "outputs come from a file");
                None
            }
        };
        let commit = self.commit(&args.chdir);
        Origin {
            terraform,
            commit,
            state,
            unknown: self.unknown,
        }
    }

    fn miss(&mut self, what: &str, why: &str) {
        self.unknown.push(format!("{what}: {why}"));
    }

    fn state(&mut self, args: &SourceArgs) -> Option<StateHead> {
        let what = "serial and lineage";
        if let Some(path) = &args.state {
            let file = std::fs::File::open(path);
            let head = file.map(|file| StateHead::read(std::io::BufReader::new(file)));
            return match head {
                Ok(Ok(head)) => Some(head),
                Ok(Err(_)) => {
                    self.miss(what, "the file holds no terraform state");
                    None
                }
                Err(error) => {
                    self.miss(what, &format!("the file cannot be read ({})", error.kind()));
                    None
                }
            };
        }
        if args.from.is_some() {
            self.miss(what, "outputs come from a file");
            return None;
        }
        let pulled = pull(&args.chdir);
        if pulled.is_none() {
            self.miss(what, "`terraform state pull` gave no state");
        }
        pulled
    }

    fn terraform(&mut self, folder: &Path) -> Option<String> {
        #[derive(Deserialize)]
        struct Version {
            terraform_version: String,
        }
        let told = output(folder, "terraform", ["version", "-json"]);
        let version = told.and_then(|json| serde_json::from_slice::<Version>(&json).ok());
        let plain = |text: &str| {
            text.len() < 32
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
        };
        match version {
            Some(version) if plain(&version.terraform_version) => Some(version.terraform_version),
            _ => {
                self.miss("terraform's version", "`terraform version` did not tell it");
                None
            }
        }
    }

    fn commit(&mut self, folder: &Path) -> Option<Commit> {
        let id = output(folder, "git", ["rev-parse", "--verify", "HEAD"])
            .and_then(|text| String::from_utf8(text).ok())
            .map(|text| text.trim().to_owned())
            .filter(|id| id.len() >= 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let status = output(folder, "git", ["status", "--porcelain", "--", "."]);
        match id.zip(status) {
            Some((id, status)) => Some(Commit {
                id,
                dirty: !status.is_empty(),
            }),
            None => {
                self.miss(
                    "commit",
                    "the environment's folder is in no git repository with a commit",
                );
                None
            }
        }
    }
}

/// The head of the state; the rest goes by without being kept.
fn pull(folder: &Path) -> Option<StateHead> {
    let mut child = command(folder, "terraform")
        .args(["state", "pull"])
        .spawn()
        .ok()?;
    let head = child
        .stdout
        .take()
        .map(|pipe| StateHead::read(std::io::BufReader::new(pipe)));
    let ended = child.wait().ok()?;
    head?.ok().filter(|_| ended.success())
}

fn output<const N: usize>(folder: &Path, program: &str, arguments: [&str; N]) -> Option<Vec<u8>> {
    let done = command(folder, program).args(arguments).output().ok()?;
    done.status.success().then_some(done.stdout)
}

/// What programs complain of stays off the terminal: it may quote a sensitive value.
fn command(folder: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}
