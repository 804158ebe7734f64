//! The main job, end to end: an environment with state, objects and rows loses its region while it is written to, goes on in the
//! other one, by a failover that is killed in the middle, comes home with all that was written on both sides, loses its region
//! once more, and comes home again.

mod back;
mod over;
mod steps;
mod world;
mod writers;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cli::{Exit, Failure, GlobalArgs};
use report::{Document, Mark, Report};

/// Build an environment, lose its region, fail over, fail back, and all that once more, and count what was lost each time
#[derive(Debug, Parser)]
#[command(name = "drill", version)]
struct Args {
    #[command(flatten)]
    global: GlobalArgs,
    /// The file for the page of the run
    #[arg(long, value_name = "FILE", default_value = "drill.html")]
    page: PathBuf,
    /// End in the DR region
    #[arg(long)]
    quick: bool,
    /// Lose no region: move the environment while both serve, and back
    #[arg(long, conflicts_with = "quick")]
    planned: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(exit) = end_to_end::run_as(&arguments) {
        return exit;
    }
    cli::run(arguments, |args: &Args| &args.global, drill)
}

async fn drill(args: Args) -> Result<Exit, Failure> {
    if let Some(missing) = end_to_end::missing_tool() {
        return Err(Failure::new(Exit::Usage, anyhow::anyhow!(missing)));
    }
    let page = std::path::absolute(&args.page)
        .map_err(|error| Failure::new(Exit::Usage, anyhow::Error::from(error)))?;
    let quick = args.quick;
    let observer = cli::Progress::new();
    if args.planned {
        let moved = on_threads(async move || steps::run_planned(&observer, &page).await).await?;
        cli::print(&args.global, &moved)?;
        return Ok(exit(moved.passed));
    }
    let drilled = on_threads(async move || steps::run(&observer, &page, quick).await).await?;
    cli::print(&args.global, &drilled)?;
    Ok(exit(drilled.passed))
}

fn exit(passed: bool) -> Exit {
    match passed {
        true => Exit::Fine,
        false => Exit::Wrong,
    }
}

/// The drill serves the local AWS while it waits for programs: that takes threads of its own.
async fn on_threads<T: Send + 'static>(
    work: impl AsyncFnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let worked =
        tokio::task::spawn_blocking(move || tokio::runtime::Runtime::new()?.block_on(work()));
    let worked = worked.await.map_err(anyhow::Error::from).flatten();
    worked.map_err(|error| Failure::new(Exit::Wrong, error))
}

impl Report for steps::Drilled {
    const KIND: &'static str = "drill";

    fn document(&self) -> Document {
        let rows = self.steps.iter().map(|step| {
            let at = format!("{:.2} s", step.at.as_secs_f64());
            (Mark::Ok, vec![at, step.what.clone(), step.result.clone()])
        });
        let length = |length: Option<Duration>| {
            length.map_or_else(|| "not measured".to_owned(), report::duration)
        };
        let losses = self.losses.iter().map(|loss| {
            let cells = vec![
                loss.kind.to_owned(),
                loss.confirmed.to_string(),
                loss.lost.to_string(),
                length(loss.measured),
                length(loss.claimed),
            ];
            (Mark::Plain, cells)
        });
        let document = Document::new()
            .heading("Drill: an environment survives its region")
            .table(["At", "Step", "Result"], rows.collect())
            .table(
                ["What", "Confirmed", "Lost", "RPO measured", "RPO in the report"],
                losses.collect(),
            )
            .text(format!(
                "RTO: {:.2} s from the loss of {} until everything was verified in {}; {} in the report, from the first look \
                 without an answer until it was verified (objective {}).",
                self.rto.as_secs_f64(),
                self.primary,
                self.dr,
                length(self.rto_claimed),
                report::duration(self.rto_objective),
            ))
            .text(format!(
                "Calls to {} after the loss: {}, all of them to ask whether it is there.",
                self.primary, self.calls_to_lost_region
            ))
            .text(format!("The page of the run: {}", self.page.display()))
            .text(
                "Measured on a local AWS: the times are those of this machine, the order and the calls are those of AWS. The root \
                 modules are of terraform_data, which is state, locks and plans without a provider; RDS is 40 times as fast as AWS's.",
            );
        match &self.without_rows {
            Some(why) => document.text(format!("No rows: {why}.")),
            None => document,
        }
    }
}
