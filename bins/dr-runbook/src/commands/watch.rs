//! The ledger: what would be lost, looked at again and again.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use aws_env::Both;
use cli::{Exit, Failure, GlobalArgs};
use report::finding::Status;
use runbook::{
    AlarmRequest, AlarmsError, LookRequest, Measured, Overdue, Practised, append_to_file,
    bring_to_store, keep_alarms, last_preflight, measure, publish, read_drills,
};
use settings::TopicArn;
use tokio::sync::watch;

use super::records::{Context, Places, Records, marker};
use crate::args::WatchArgs;

/// What one look speaks for that nobody says when the next one comes.
const ONCE: Duration = Duration::from_mins(15);

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &WatchArgs,
    mut stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let context = Context::open(global).await?;
    // Nothing has a copy whose age could be told, and the region that is left is not asked.
    context.protected(Exit::Wrong)?;
    let region = context.dr.region().region();
    if let Some(topic) = args
        .alarms
        .as_ref()
        .filter(|topic| topic.region() != region)
    {
        let error = anyhow!("{topic} is not in {region}, where the metrics are");
        return Err(
            Failure::new(Exit::Usage, error).hint("an alarm tells a topic of its own region")
        );
    }
    let places = Places::of(&context, &args.records)?;
    let file = match &args.ledger {
        Some(file) => file.clone(),
        None => {
            let made = files::create_secret_folder(&places.folder);
            made.map_err(|error| Failure::new(Exit::Unchecked, error))?;
            places.folder.join("ledger.txt")
        }
    };
    let holds = args
        .holds
        .or(args.every.map(|every| every * 3))
        .unwrap_or(ONCE);
    let holds = u32::try_from(holds.as_secs()).unwrap_or(u32::MAX);
    let mut worst = Exit::Fine;
    loop {
        let exit = look(global, &context, (&places.records, &file), args, holds).await;
        let Some(every) = args.every else {
            return exit;
        };
        worst = match exit {
            Ok(exit) => worst.worst(exit),
            // What fails now may do so no more at the next look.
            Err(failure) => {
                cli::note(&format!("this look failed: {}", failure.lines().join("; ")));
                worst.worst(failure.exit())
            }
        };
        let is_stopped = tokio::select! {
            () = tokio::time::sleep(every) => false,
            changed = stop.changed() => changed.is_err() || *stop.borrow(),
        };
        if is_stopped {
            return Ok(worst);
        }
    }
}

async fn look(
    global: &GlobalArgs,
    context: &Context,
    (records, file): (&Records, &Path),
    args: &WatchArgs,
    holds: u32,
) -> Result<Exit, Failure> {
    let failed_over = marker(records).await?.filter(|marker| marker.failed_over);
    if let Some(marker) = &failed_over {
        cli::note(&format!(
            "the environment is failed over by run {}: the primary region is not asked",
            marker.run
        ));
    }
    let regions = context.settings.regions;
    let both: Option<Both> = (!args.alone && failed_over.is_none())
        .then(|| context.env.both(regions.primary, regions.dr));
    let request = LookRequest {
        settings: &context.settings,
        dr: &context.dr,
        both: both.as_ref(),
        now: cli::now(),
        holds,
    };
    let measured = Box::pin(measure(&request)).await;
    cli::print(global, &measured)?;
    let unkept = |error| Failure::new(Exit::Unchecked, anyhow::Error::new(error));
    append_to_file(file, &measured.sample).map_err(unkept)?;
    let kept = bring_to_store(records, file, measured.sample.at).await;
    kept.map_err(|error| {
        unkept(error).hint("it is in the file of this machine; the next look brings it there")
    })?;
    if args.metrics {
        let overdue = overdue(context, records, &measured).await;
        let published = publish(&context.dr, &measured, overdue).await;
        published.map_err(|error| Failure::aws("publish metrics", error))?;
        if let Some(topic) = &args.alarms {
            keep(context, &measured, topic).await?;
        }
    }
    Ok(match (measured.is_beyond(), measured.is_known()) {
        (true, _) => Exit::Wrong,
        (false, true) => Exit::Fine,
        (false, false) => Exit::Unchecked,
    })
}

/// Keeps the alarms of what is measured.
async fn keep(context: &Context, measured: &Measured, topic: &TopicArn) -> Result<(), Failure> {
    let request = AlarmRequest {
        holds: Duration::from_secs(measured.sample.holds.into()),
        topic,
    };
    let written = keep_alarms(&context.dr, measured, request).await;
    let written = written.map_err(|error| match error {
        AlarmsError::Aws(error) => Failure::aws("keep alarms", *error),
        taken @ AlarmsError::Taken(_) => Failure::new(Exit::Refused, taken)
            .hint("give that one another name, or delete it: what it is of is somebody else's"),
    })?;
    for name in written {
        cli::note(&format!("wrote the alarm {name}"));
    }
    Ok(())
}

/// What the records say that somebody has to see to.
async fn overdue(context: &Context, records: &Records, measured: &Measured) -> Overdue {
    let preflight = match last_preflight(records).await {
        Err(_) => None,
        Ok(last) => Some(last.is_none_or(|last| {
            last.found.is_err() || last.found.is_ok_and(|found| found.verdict() != Status::Ok)
        })),
    };
    let drill = read_drills(records).await.ok().map(|drills| {
        let asked = Practised {
            environment: &measured.environment,
            account: context.account.as_deref(),
            at: measured.sample.at,
            in_emulator: false,
        };
        // Without a record that counts nothing has been practised.
        !asked.judge(&drills).is_ok_and(|(well, _)| well)
    });
    Overdue { preflight, drill }
}
