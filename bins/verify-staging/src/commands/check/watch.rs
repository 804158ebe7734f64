use std::time::Duration;

use cli::{Exit, Failure, GlobalArgs, Progress, Secrecy};
use evidence::Redacted;
use tokio::sync::watch::Sender;
use tokio::time::MissedTickBehavior;
use verify::Checked;

use super::{Asking, ends, show};
use crate::args::check::{CheckArgs, FailOn};

/// Asks again and again; only an interrupt ends it.
pub(super) async fn run(
    global: &GlobalArgs,
    args: &CheckArgs,
    asking: &Asking,
    interval: Duration,
    so_far: &Sender<Option<Exit>>,
) -> Result<Exit, Failure> {
    let mut ticks = tokio::time::interval(interval);
    // A run that took longer than the interval is not made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<Redacted<Checked>> = None;
    loop {
        ticks.tick().await;
        let checked = asking.once(&Progress::on_terminal()).await;
        match &last {
            None => show(global, args, &checked)?,
            Some(last) => {
                if let (Some(format), Some(path)) = (args.form.format, &args.form.out) {
                    cli::write_file(
                        path,
                        cli::in_form(format, &global.config, &*checked)?.as_bytes(),
                        Secrecy::Secret,
                    )?;
                }
                let changes = checked.since(last);
                if !changes.is_empty() {
                    cli::print(global, &changes)?;
                }
            }
        }
        so_far.send_replace(Some(ends(&checked, FailOn::new(&args.fail_on))));
        last = Some(checked);
    }
}
