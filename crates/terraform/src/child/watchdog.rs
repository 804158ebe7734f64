use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

/// Reads a pipe that only the parent holds open. At its end the parent is gone, and terraform is interrupted, unless the
/// parent has done so already; it writes its state and gives its lock back. What has not ended then is killed.
///
/// Standard output and standard error are the reading ends of terraform's pipes. Without a reader terraform would die
/// of SIGPIPE at its next line, with its state unwritten and its lock held, so that the watchdog keeps them open and
/// empties them. They do not block. What it reads of standard output goes into the transcript, where there is one.
///
/// `-$pid` is the process group, whose number is not used again while one process is in it.
const PROGRAM: &str = r#"
read -r pid || exit 0
interrupted=
while read -r word; do
  case "$word" in ended) exit 0 ;; interrupted) interrupted=yes ;; esac
done
[ -n "$interrupted" ] || kill -INT "$pid"
rounds=$1
while kill -0 "-$pid"; do
  [ "$rounds" -gt 0 ] || { kill -KILL "-$pid"; break; }
  rounds=$((rounds - 1))
  cat <&1 >>"$2"
  cat <&2 >/dev/null
  sleep 0.1
done
cat <&1 >>"$2"
printf '\n%s\n' "$3" >>"$2"
"#;

/// The last line of a transcript whose watchdog has ended terraform, or seen it end.
pub(super) const LAST_LINE: &str = r#"{"type":"transcript_end"}"#;

/// Rounds of the loop in a second.
const ROUNDS_PER_SECOND: u64 = 10;

/// A process that ends terraform, or another child, when this process has ended.
#[derive(Debug)]
pub struct Watchdog {
    child: Child,
    control: Option<ChildStdin>,
}

impl Watchdog {
    /// `outputs` are clones of the reading ends of terraform's standard output and error.
    pub(super) fn start(
        path: Option<&OsStr>,
        grace: Duration,
        transcript: Option<&Path>,
        (stdout, stderr): (Stdio, Stdio),
    ) -> io::Result<Self> {
        let mut folders = path.map_or_else(OsString::new, OsStr::to_owned);
        folders.push(":/usr/bin:/bin");
        let mut child = Command::new("/bin/sh")
            .args(["-c", PROGRAM, "terraform-watchdog"])
            .arg((grace.as_secs() * ROUNDS_PER_SECOND).to_string())
            .arg(transcript.unwrap_or(Path::new("/dev/null")))
            .arg(LAST_LINE)
            .current_dir("/")
            .env_clear()
            .env("PATH", folders)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            // Ctrl-C in a terminal must not end it first.
            .process_group(0)
            .spawn()?;
        let control = child.stdin.take();
        Ok(Self { child, control })
    }

    /// One for a child whose output nobody has to read.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_alone(path: Option<&OsStr>, grace: Duration) -> io::Result<Self> {
        Self::start(path, grace, None, (Stdio::null(), Stdio::null()))
    }

    /// From now on it watches over the process `pid`, which leads a process group.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn guard(&mut self, pid: u32) -> io::Result<()> {
        self.tell(&format!("{pid}\n")).await
    }

    /// The child is interrupted now by whoever watches over it, and is not to be once more.
    pub(super) async fn was_interrupted(&mut self) {
        // One that is gone interrupts nobody.
        let _ = self.tell("interrupted\n").await;
    }

    /// The child has ended, and been waited for.
    pub async fn dismiss(&mut self) {
        // One that is gone needs no word.
        let _ = self.tell("ended\n").await;
        self.control = None;
        let _ = self.child.wait().await;
    }

    async fn tell(&mut self, line: &str) -> io::Result<()> {
        match &mut self.control {
            Some(control) => control.write_all(line.as_bytes()).await,
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}
