//! The programs of PostgreSQL, and the user that they run as.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};

use rustix::process::geteuid;
use tokio::process::Command;

use super::{DataError, at};

/// Where PostgreSQL is installed.
#[derive(Debug)]
pub(crate) struct Tools {
    directory: PathBuf,
    /// PostgreSQL refuses to run as root.
    user: Option<User>,
}

#[derive(Clone, Copy, Debug)]
struct User {
    id: u32,
    group: u32,
}

const NEEDED: [&str; 3] = ["initdb", "postgres", "pg_basebackup"];

impl Tools {
    /// Looks for them; says what is missing.
    pub(crate) fn find() -> Result<Self, String> {
        let directory = directories()
            .into_iter()
            .find(|directory| NEEDED.iter().all(|name| directory.join(name).is_file()))
            .ok_or("PostgreSQL's initdb, postgres and pg_basebackup are not installed")?;
        let user = if geteuid().is_root() {
            let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
            let user = ["postgres", "nobody"]
                .iter()
                .find_map(|name| user(&users, name));
            Some(user.ok_or(
                "PostgreSQL does not run as root, and there is no user postgres or nobody",
            )?)
        } else {
            None
        };
        let tools = Self { directory, user };
        tools.probe()?;
        Ok(tools)
    }

    /// Whether the user can run the programs, and write where they do: initdb fails without `/dev/null`.
    fn probe(&self) -> Result<(), String> {
        let mut command = StdCommand::new("sh");
        command
            .args(["-c", "exec \"$0\" --version > /dev/null"])
            .arg(self.directory.join("postgres"))
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user.id).gid(user.group);
        }
        let why = match command.output() {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        Err(format!(
            "PostgreSQL is installed, but its user cannot run it: {why}"
        ))
    }

    /// A command as the servers' user.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let program = program.as_ref();
        let own = self.directory.join(program);
        let mut command = if own.is_file() {
            Command::new(own)
        } else {
            Command::new(program)
        };
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("LC_ALL", "C")
            // Not where this process is: the user may not be allowed there.
            .current_dir("/")
            .stdin(Stdio::null())
            // Ctrl-C in a terminal is for this process, which then ends the servers.
            .process_group(0);
        if let Some(user) = self.user {
            command.uid(user.id).gid(user.group);
        }
        command
    }

    /// Runs a command to its end.
    pub(super) async fn run(
        &self,
        program: &'static str,
        prepare: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<(), DataError> {
        let mut command = self.command(program);
        let output = prepare(&mut command)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|source| DataError::Run { program, source })?;
        if output.status.success() {
            return Ok(());
        }
        Err(DataError::Failed {
            program,
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Makes a directory of the servers' user; PostgreSQL refuses one that others may enter.
    pub(super) fn make(&self, path: &Path) -> Result<(), DataError> {
        fs::create_dir_all(path).map_err(at(path))?;
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(at(path))?;
        self.give(path)
    }

    /// Gives a file to the servers' user, and to nobody else.
    pub(super) fn give_alone(&self, path: &Path) -> Result<(), DataError> {
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(at(path))?;
        self.give(path)
    }

    /// Gives a file or directory to the servers' user.
    pub(super) fn give(&self, path: &Path) -> Result<(), DataError> {
        match self.user {
            Some(user) => {
                std::os::unix::fs::chown(path, Some(user.id), Some(user.group)).map_err(at(path))
            }
            None => Ok(()),
        }
    }
}

/// Where the programs may be, best first.
fn directories() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let path = std::env::var_os("PATH").unwrap_or_default();
    for directory in std::env::split_paths(&path) {
        // A link may lead to where the others are.
        if let Ok(program) = fs::canonicalize(directory.join("initdb")) {
            found.extend(program.parent().map(Path::to_owned));
        }
    }
    let debian = Path::new("/usr/lib/postgresql");
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(debian)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    found.extend(versions.into_iter().rev().map(|(_, directory)| directory));
    if let Ok(output) = StdCommand::new("pg_config").arg("--bindir").output() {
        let text = String::from_utf8_lossy(&output.stdout);
        found.push(PathBuf::from(text.trim()));
    }
    found
}

/// A line of `/etc/passwd`: name, password, id, group.
fn user(users: &str, name: &str) -> Option<User> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let (id, group) = (fields.nth(1)?, fields.next()?);
        found.then(|| {
            Some(User {
                id: id.parse().ok()?,
                group: group.parse().ok()?,
            })
        })?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:104::/var:/bin/sh\nbroken\n";
        let found = user(users, "postgres").unwrap();
        assert_eq!((found.id, found.group), (101, 104));
        assert!(user(users, "nobody").is_none());
    }
}
