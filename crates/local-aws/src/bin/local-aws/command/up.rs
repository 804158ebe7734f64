//! `up`: serve until somebody ends it.

use std::future::Future;
use std::os::unix::process::parent_id;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::args::Up;
use crate::instance::{self, Detached};
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
        if background {
            let process = std::process::id();
            Detached {
                url: aws.endpoint().to_owned(),
                process,
            }
            .write(&instance::cache_dir()?)?;
        }
        for line in instance::shell_lines(&aws) {
            print(line)?;
        }
        if background {
            print("")?;
        }
        aws.stop_requested().await;
        aws.stop().await;
        anyhow::Ok(())
    };
    let result = tokio::select! {
        result = serve => result,
        () = signals => Ok(()),
        () = parent_gone => Ok(()),
    };
    if background {
        Detached::forget(&instance::cache_dir()?, std::process::id());
    }
    result
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
