//! Ends the servers with this process, however it ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Reads a pipe that only this process holds open; at its end it stops the servers below a directory and
/// removes that.
const PROGRAM: &str = r#"
while read -r _; do :; done
for file in "$1"/*/*/data/postmaster.pid; do
  [ -f "$file" ] && kill -QUIT "$(head -n 1 "$file")"
done 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf "$1" 2>/dev/null && break
  sleep 0.1
done
"#;

/// A process that waits for the end of this one.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    pub(super) fn start(root: &Path) -> io::Result<Self> {
        Command::new("sh")
            .args(["-c", PROGRAM, "local-aws-rds"])
            .arg(root)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal must not end it first.
            .process_group(0)
            .spawn()
            .map(Self)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It does its work in some milliseconds.
        let _ = self.0.wait();
    }
}
