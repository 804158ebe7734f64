//! An emulator as a child process that never outlives this one.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::{Execution, Wanted};
use crate::error::StartError;

/// A child that dies with this value, and with this process however it ends: it reads a pipe that only
/// this process holds open (the standard library opens it close-on-exec) and exits at its end.
pub(super) struct Process {
    child: Child,
    port: u16,
    output: File,
    /// Where the emulator is, so that what it writes is here. Removed with this value; the child does it if this process
    /// is killed.
    _folder: TempDir,
}

/// A command that runs `parts` one after the other in a group of its own, tied to this process's life.
fn command(python: &Path, parts: &[&str]) -> Command {
    let program = format!("{}\n{}", include_str!("life.py"), parts.join("\n"));
    let mut command = Command::new(python);
    // -I: neither the user's site packages nor the working directory get a say.
    command.args(["-I", "-c", &program]).stdin(Stdio::piped());
    // Its own group: Ctrl-C in a terminal goes to this process, which then ends the child.
    command.process_group(0);
    command
}

/// Runs `python -m module arguments` to its end.
pub(super) fn run_module(python: &Path, module: &str, arguments: &[&OsStr]) -> io::Result<Output> {
    let mut child = command(python, &[include_str!("module.py")])
        .arg(module)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Held, not closed as waiting would do it: its end is the child's end.
    let life = child.stdin.take();
    let output = child.wait_with_output();
    drop(life);
    output
}

impl Process {
    /// Runs `bootstrap` with a loopback port to serve.
    pub(super) async fn start(
        python: &Path,
        bootstrap: &[&str],
        wanted: &Wanted,
    ) -> Result<Self, StartError> {
        let output = tempfile::tempfile().map_err(|source| StartError::Child { source })?;
        let folder = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|source| StartError::Child { source })?;
        let enter: &[&str] = &[include_str!("folder.py")];
        let parts = [&LISTEN, enter, bootstrap].concat();
        let mut child = command(python, &parts)
            .env_clear()
            .envs(inherited())
            .envs(environment(wanted))
            .env("LOCAL_AWS_FOLDER", folder.path())
            .stdout(Stdio::piped())
            .stderr(
                output
                    .try_clone()
                    .map_err(|source| StartError::Child { source })?,
            )
            .spawn()
            .map_err(|source| StartError::Child { source })?;
        let stdout = child.stdout.take();
        let mut process = Self {
            child,
            port: 0,
            output,
            _folder: folder,
        };
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout
                .map(|stdout| BufReader::new(stdout).read_line(&mut line))
                .transpose()
                .map(|_| line)
        });
        let port = line
            .await
            .ok()
            .and_then(Result::ok)
            .and_then(|line| line.trim().parse().ok());
        match port {
            Some(port) => process.port = port,
            None => {
                return Err(StartError::NoPort {
                    output: process.end(),
                });
            }
        }
        Ok(process)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the child and returns the end of what it wrote.
    pub(super) fn end(&mut self) -> String {
        self.kill();
        let mut text = Vec::new();
        if self.output.rewind().is_ok() {
            // Diagnostics only: what cannot be read is left out.
            let _ = self.output.read_to_end(&mut text);
        }
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn kill(&mut self) {
        drop(self.child.stdin.take());
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Some(group), Ok(None)) = (id, self.child.try_wait()) {
            // It may have ended in between.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Nothing else of this process's environment may reach the emulator: it would read credentials,
/// persistence settings and the address of a container engine from there.
fn inherited() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    ["PATH", "HOME", "TMPDIR", "LANG"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// What every emulator begins with: its port, and who may ask it.
pub(super) const LISTEN: [&str; 2] = [include_str!("listen.py"), include_str!("guard.py")];

/// Settings for the emulator.
pub(super) fn environment(wanted: &Wanted) -> [(&'static str, String); 11] {
    [
        // URLs in answers (queues, functions) lead through the proxy.
        ("GATEWAY_PORT", wanted.proxy_port.to_string()),
        ("LOCAL_AWS_SECRET", wanted.secret.reveal().to_owned()),
        (
            "LOCAL_AWS_EXECUTIONS",
            wanted
                .executions
                .iter()
                .map(Execution::to_string)
                .collect::<Vec<_>>()
                .join(","),
        ),
        ("LOG_LEVEL", "WARNING".into()),
        ("PERSIST_STATE", "0".into()),
        ("S3_PERSIST", "0".into()),
        ("SFTP_ENABLED", "0".into()),
        ("IOT_MTLS_ENABLED", "0".into()),
        // No such socket: the emulator starts no containers, which could outlive it.
        ("DOCKER_HOST", "unix:///nonexistent/docker.sock".into()),
        ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ("PYTHONUNBUFFERED", "1".into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An emulator behind `guard.py` that answers with every header that it is shown.
    const SHOWN: &str = r#"
import asyncio

given = [(b"host", b"localhost"), (b"X-Local-Aws-Secret", b"right"), (b"x-local-aws-secret", b"right")]
scope = {"type": "http", "headers": given}


async def asgi(scope, receive, send):
    print(scope["headers"])


def wsgi(environ, start_response):
    print(sorted(environ))


asyncio.run(guarded_asgi(asgi)(scope, None, None))
guarded_wsgi(wsgi)({"HTTP_HOST": "localhost", "HTTP_X_LOCAL_AWS_SECRET": "right"}, None)
"#;

    #[test]
    fn emulators_are_not_shown_the_secret() {
        let program = format!("import os, sys\n{}{SHOWN}", include_str!("guard.py"));
        let mut python = Command::new("python3");
        let python = python.args(["-I", "-c", &program]);
        let Ok(output) = python.env("LOCAL_AWS_SECRET", "right").output() else {
            eprintln!("skipped: there is no python3");
            return;
        };
        assert!(output.status.success(), "{output:?}");
        let shown = "[(b'host', b'localhost')]\n['HTTP_HOST']\n";
        assert_eq!(String::from_utf8_lossy(&output.stdout), shown);
    }
}
