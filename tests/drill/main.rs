//! The main job, end to end: bootstrap the state backend, write real state with terraform, lose the
//! primary region, and go on in the other one.

mod steps;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use cli::{Exit, Failure, GlobalArgs};
use report::{Document, Mark, Report};

/// Bootstrap, real state, region loss, read the state in the other region
#[derive(Debug, Parser)]
#[command(name = "drill", version)]
struct Args {
    #[command(flatten)]
    global: GlobalArgs,
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
    // The drill serves the local AWS while it waits for programs: that takes threads of its own.
    let drilled = tokio::task::spawn_blocking(|| {
        tokio::runtime::Runtime::new()?.block_on(steps::run(&cli::Progress::new()))
    })
    .await
    .map_err(anyhow::Error::from)
    .flatten()
    .map_err(|error| Failure::new(Exit::Wrong, error))?;
    cli::print(&args.global, &drilled)?;
    Ok(if drilled.passed() {
        Exit::Fine
    } else {
        Exit::Wrong
    })
}

impl Report for steps::Drilled {
    const KIND: &'static str = "drill";

    fn document(&self) -> Document {
        let rows = self
            .steps
            .iter()
            .map(|step| {
                (
                    Mark::Ok,
                    vec![
                        format!("{:.2} s", step.at.as_secs_f64()),
                        step.what.clone(),
                        step.result.clone(),
                    ],
                )
            })
            .collect();
        Document::new()
            .heading("Drill: the Terraform state survives its region")
            .table(["At", "Step", "Result"], rows)
            .text(format!(
                "RTO of the state: {:.2} s from the loss of {} until Terraform listed the state in {} (objective {:.0} s).",
                self.rto.as_secs_f64(),
                self.primary,
                self.dr,
                self.rto_objective.as_secs_f64(),
            ))
            .text(format!(
                "RPO of the state: {} of {} writes lost; the last one was {:.2} s old when the region went, and was in {} {:.2} s after Terraform returned.",
                self.writes_lost,
                self.writes,
                self.age_at_loss.as_secs_f64(),
                self.dr,
                self.replicated_after.as_secs_f64(),
            ))
            .text(format!(
                "Calls to {} after the loss: {}, all of them to ask whether it is there.",
                self.primary, self.calls_to_lost_region
            ))
            .text(
                "Measured on a local AWS: the times are those of this machine, the order and the calls are those of AWS.",
            )
    }
}
