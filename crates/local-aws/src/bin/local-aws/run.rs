//! From the command line to the exit status.

use std::process::ExitCode;

use clap::Parser;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::{Arguments, Command};
use crate::command::{self, bucket, detached, exec, fault, rds, region, status, up};
use crate::outcome::{EXEC_FAILED, FAILED, USAGE, log, report};

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::Become(arguments) = arguments.command {
        // No threads yet: the tie to the parent holds for the thread that makes it.
        return ExitCode::from(exec::r#become(arguments));
    }
    trace(arguments.verbose);
    let failed = match arguments.command {
        Command::Exec(_) => EXEC_FAILED,
        _ => FAILED,
    };
    let result = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let result = runtime.block_on(run(arguments.command));
            // Interrupted during an installation, do not wait for it: it ends with this process.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(anyhow::Error::from(error).context("start the runtime")),
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        // What clap cannot know, but is wrong usage all the same.
        let unfit = error.is::<local_aws::UnfitFault>();
        report(&error, if unfit { USAGE } else { failed })
    }))
}

fn trace(verbose: u8) {
    let own = |level| Targets::new().with_target("local_aws", level);
    let shown = match verbose {
        0 => own(LevelFilter::INFO),
        1 => own(LevelFilter::DEBUG),
        _ => Targets::new().with_default(LevelFilter::TRACE),
    };
    let (stderr, colour) = log();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(stderr)
        .with_target(false)
        .with_ansi(colour)
        .without_time();
    tracing_subscriber::registry()
        .with(lines)
        .with(shown)
        .init();
}

async fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Up(arguments) if arguments.detach => detached::up(arguments.start).await?,
        Command::Up(arguments) => up::up(arguments).await?,
        Command::Down(at) => detached::down(&at).await?,
        Command::Status(arguments) => status::print_status(&arguments).await?,
        Command::Region(arguments) => region::switch(&arguments).await?,
        Command::Bucket(arguments) => bucket::change(&arguments).await?,
        Command::Fault(arguments) => fault::act(arguments).await?,
        Command::Rds(arguments) => rds::act(arguments).await?,
        Command::Log(arguments) => command::log::print_log(&arguments).await?,
        Command::Exec(arguments) => return exec::exec(arguments).await,
        // Handled before there was a runtime.
        Command::Become(arguments) => return Ok(exec::r#become(arguments)),
    }
    Ok(0)
}
