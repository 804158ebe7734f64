//! `up`: serve until somebody ends it.

use std::future::Future;
use std::os::unix::process::parent_id;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::args::Up;
use crate::instance::{self, Announced};
use crate::outcome::print;

/// How often it looks whether the process that started it is still there.
const PARENT_CHECK: Duration = Duration::from_millis(300);

pub(crate) async fn up(arguments: Up) -> anyhow::Result<()> {
    let background = arguments.background;
    let parent = parent_id();
    // Before the start: a signal during the installation of an emulator must not be lost.
    let signals = signals()?;
    let parent_gone = async {
        if background {
            std::future::pending::<()>().await;
        }
        parent_gone(parent).await;
    };
    let serve = async {
        if background {
            // Its own session: the end of the terminal is not its end. Fails only for the leader of a
            // process group, which has its own already.
            let _ = rustix::process::setsid();
        }
        let aws = instance::start(arguments.start).await?;
        let announced = if background {
            Some(Announced::announce(&aws, true)?)
        } else {
            Announced::announce_if_possible(&aws)
        };
        // At once: a reader may go once it has read what it wants.
        let lines = instance::shell_lines(&aws).join("\n");
        print(lines + if background { "\n" } else { "" })?;
        aws.stop_requested().await;
        drop(announced);
        aws.stop().await;
        anyhow::Ok(())
    };
    tokio::select! {
        result = serve => result,
        () = signals => Ok(()),
        () = parent_gone => Ok(()),
    }
}

/// Resolves with the first Ctrl-C, SIGTERM or SIGHUP.
fn signals() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Resolves when `parent` is no longer the parent. Looking works on every system, and also when the
/// thread that started this process ends before its process does, which Linux's signal for a parent's
/// death does not tell apart.
async fn parent_gone(parent: u32) {
    while parent_id() == parent {
        tokio::time::sleep(PARENT_CHECK).await;
    }
}
