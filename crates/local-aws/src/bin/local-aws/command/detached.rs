//! `up --detach` and `down`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use local_aws::RdsClock;
use tokio::time::Instant;

use crate::args::{At, Start};
use crate::instance::{self, Run};
use crate::outcome::{Hinted, print};

/// How long `down` waits for the end. It takes a fraction of a second.
const END_WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn up(arguments: Start) -> anyhow::Result<()> {
    let cache = instance::cache_dir()?;
    instance::make_private(&cache)?;
    // One at a time, also when two are started at once.
    let lock = instance::private_file(&cache.join("detached.lock"))
        .context("open the lock of `up --detach`")?;
    lock.lock().context("lock out another `up --detach`")?;
    if let Some(detached) = Run::in_background(&cache)
        && detached.runs().await
    {
        let what = format!("start another local AWS: one runs at {}", detached.url);
        return Err(Hinted::new(what, "`local-aws down` ends it").into());
    }
    let path = cache.join("detached.log");
    let mut log =
        instance::private_file(&path).with_context(|| format!("open {}", path.display()))?;
    let mut child = spawn(arguments, &log)?;
    let stdout = child
        .stdout
        .take()
        .context("read from the background process")?;
    let lines =
        tokio::task::spawn_blocking(move || read_environment(BufReader::new(stdout))).await?;
    match lines {
        Some(lines) => lines.into_iter().try_for_each(print),
        None => {
            child.wait()?;
            log.seek(SeekFrom::Start(0))?;
            let mut text = String::new();
            File::open(&path)?.read_to_string(&mut text)?;
            // It ends with the error that the background process printed.
            let text = text.trim_end();
            let text = text
                .rfind("error: failed to ")
                .map_or(text, |at| &text[at + 17..]);
            anyhow::bail!("{text}")
        }
    }
}

fn spawn(arguments: Start, log: &File) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe().context("find this program")?);
    command
        .args(["up", "--background", "--base", &arguments.base.to_string()])
        .args([
            "--port",
            &arguments.port.to_string(),
            "--seed",
            &arguments.seed.to_string(),
        ]);
    let clock = match arguments.rds_clock {
        RdsClock::Stepped => "stepped".to_owned(),
        RdsClock::Running { factor } => factor.to_string(),
        RdsClock::Asked { seconds } => format!("asked:{seconds}"),
    };
    command.args(["--rds-clock", &clock]);
    for execution in &arguments.allow_execution {
        command.args(["--allow-execution", &execution.to_string()]);
    }
    if arguments.no_rds_data {
        command.arg("--no-rds-data");
    }
    if let Some(path) = arguments.stack {
        command
            .arg("--stack")
            .arg(std::path::absolute(&path).context("read the path of --stack")?);
    }
    if let Some(path) = arguments.log {
        command
            .arg("--log")
            .arg(std::path::absolute(&path).context("read the path of --log")?);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?)
        .spawn()
        .context("start a background process")
}

/// The lines up to the empty one, which says that it is ready.
fn read_environment(mut stdout: impl BufRead) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stdout.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => return Some(lines),
            text => lines.push(text.to_owned()),
        }
    }
}

pub(crate) async fn down(at: &At) -> anyhow::Result<()> {
    let control = instance::find(at)?;
    let status = match control.status().await {
        Ok(status) => status,
        Err(error) => {
            instance::forget_dead(control.url())?;
            return Err(error.into());
        }
    };
    control.stop().await?;
    let deadline = Instant::now() + END_WITHIN;
    while instance::is_alive(status.process) && control.status().await.is_ok() {
        anyhow::ensure!(
            Instant::now() < deadline,
            "see process {} end within {} s",
            status.process,
            END_WITHIN.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    print(format_args!("stopped {}", status.endpoint))
}
