//! `exec`: one command with a local AWS of its own.

use std::io::{self, IsTerminal};
use std::os::unix::process::{CommandExt, ExitStatusExt, parent_id};
use std::process::{Command, ExitStatus};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Become, Exec};
use crate::instance::{self, Announced};
use crate::outcome::{NOT_FOUND, NOT_RUNNABLE, report};

pub(crate) async fn exec(arguments: Exec) -> anyhow::Result<u8> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let start = instance::start(arguments.start);
    let aws = tokio::select! {
        aws = start => aws?,
        _ = interrupt.recv() => return Ok(128 + 2),
        _ = terminate.recv() => return Ok(128 + 15),
    };
    let mut command = Command::new(std::env::current_exe().context("find this program")?);
    command
        .arg("become")
        .arg(std::process::id().to_string())
        .arg("--")
        .args(&arguments.command);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(instance::is_removed) {
            command.env_remove(name);
        }
    }
    command.envs(instance::environment(&aws));
    let announced = Announced::announce_if_possible(&aws);
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .context("start the command")?;
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let forward = |signal| {
        if let Some(pid) = pid {
            // It may have ended in between.
            let _ = kill_process(pid, signal);
        }
    };
    // A terminal sends Ctrl-C to the command as well: twice would mean "at once" to some programs.
    let in_terminal = io::stdin().is_terminal();
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.context("wait for the command")?,
            _ = interrupt.recv() => if !in_terminal { forward(Signal::INT) },
            _ = terminate.recv() => forward(Signal::TERM),
        }
    };
    drop(announced);
    aws.stop().await;
    Ok(exit_status(status))
}

/// As a shell would say it.
fn exit_status(status: ExitStatus) -> u8 {
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    number
        .and_then(|number| u8::try_from(number).ok())
        .unwrap_or(u8::MAX)
}

/// Turns this process into the command, tied to the life of its parent.
pub(crate) fn r#become(arguments: Become) -> u8 {
    // macOS cannot tie them: there a command outlives a `local-aws exec` that was killed with -9.
    #[cfg(target_os = "linux")]
    {
        // Holds across exec(2). An old kernel or a sandbox may refuse it: no reason not to run.
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    }
    if parent_id() != arguments.parent {
        return NOT_RUNNABLE;
    }
    let Some((program, rest)) = arguments.command.split_first() else {
        return NOT_RUNNABLE;
    };
    let error = Command::new(program).args(rest).exec();
    let status = if error.kind() == io::ErrorKind::NotFound {
        NOT_FOUND
    } else {
        NOT_RUNNABLE
    };
    report(
        &anyhow::Error::from(error).context(format!("run {}", program.display())),
        status,
    )
}
