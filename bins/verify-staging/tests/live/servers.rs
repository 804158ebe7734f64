//! Real servers on loopback ports, with files of their own.

pub(crate) mod postgres;
pub(crate) mod redis;

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// A server that ends with its test.
pub(crate) struct Server {
    pub(crate) port: u16,
    child: Child,
    files: TempDir,
}

impl Server {
    pub(crate) fn via(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.files.path().join("log")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = kill_process(id, Signal::QUIT);
        }
        let _ = self.child.wait();
    }
}

/// A port on which nobody listens.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A user other than root, since PostgreSQL refuses to run as root.
pub(crate) fn other_user() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields[0] == name).then(|| (fields[2].parse().unwrap(), fields[3].parse().unwrap()))
        })
    };
    find("postgres").or_else(|| find("nobody"))
}

/// A command as that user, with nothing of this process's environment.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null());
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command
}

/// Gives a file to that user, and to nobody else.
fn give(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    if let Some((user, group)) = other_user() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

/// Waits until somebody listens; panics with the server's log when it has ended.
fn wait_for(port: u16, child: &mut Child, log: &Path) {
    loop {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        if let Some(status) = child.try_wait().unwrap() {
            let told = std::fs::read_to_string(log).unwrap_or_default();
            panic!("the server ended ({status}): {told}");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A program by its name: where PATH leads, or where Debian keeps PostgreSQL.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    folders.extend(debian.map(|entry| entry.path().join("bin")));
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
