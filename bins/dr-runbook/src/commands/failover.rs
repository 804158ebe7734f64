use std::collections::BTreeMap;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs};
use jiff::tz::TimeZone;
use runbook::{
    Declaration, Declared, Digest, Evidence, FailoverRequest, LeaseError, LeaseState, Loss,
    LossWindow, Marker, RunState, plan_failover, read_run,
};
use settings::{Region, Settings};
use tokio::sync::watch;

use super::carry::{carry, tell_chosen};
use super::looks::{asking, window};
use super::records::{Context, Places, marker};
use crate::args::{FailoverArgs, FailoverMode};
use crate::machine::Machine;

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &FailoverArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    if args.mode == FailoverMode::Planned {
        return Box::pin(super::switchover::run(global, args, stop)).await;
    }
    let machine = Machine::new();
    let context = Context::open(global).await?;
    let places = Places::of(&context, &args.carry.records)?;
    let given_up = not_failed_over(&context, &places, true).await?;
    if let Some(given_up) = &given_up {
        cli::note(&format!(
            "run {} was given up: this one goes on from what it left in {}, and counts from when that one saw the loss",
            given_up.plan.run, given_up.plan.dr
        ));
    }
    let despite_residency = despite_residency(&context, args)?;
    let declared = declared(&context, args, &machine).await?;
    let declared = declared.as_exercise(args.drill);
    let request = FailoverRequest {
        settings: &context.settings,
        settings_digest: settings_digest(&context)?,
        account: context.account.clone(),
        declared,
        despite_residency,
        fault: args.fault.or(given_up.and_then(|run| run.plan.fault)),
        at: args.at,
        versions: versions(),
    };
    let plan = plan_failover(request, &context.dr, &machine).await;
    tell_chosen(&plan, &args.carry)?;
    if args.dry_run {
        cli::print(global, &plan)?;
        return Ok(Exit::Fine);
    }
    super::show(global, &plan)?;
    let question = format!("Fail {} over to {}?", plan.environment, plan.dr);
    let open = super::begin(global, &question, places.records, places.copy, plan).await?;
    let args = (&args.carry, None);
    carry(global, &context, open, &places.folder, args, stop).await
}

/// Why it goes on although data may not lie in the DR region any more. A date stops no failover, but somebody has to say so; a dry
/// run shows what would be.
pub(super) fn despite_residency(
    context: &Context,
    args: &FailoverArgs,
) -> Result<Option<String>, Failure> {
    let today = cli::now().to_zoned(TimeZone::UTC).date();
    let expired = context.settings.expired_exceptions(today);
    let Some(used) = expired.first() else {
        return Ok(None);
    };
    let reason = args.despite_residency.clone();
    if reason.is_none() && !args.dry_run {
        let error = anyhow!("an exception from the residency policy has run out: {used}");
        return Err(Failure::new(Exit::Refused, error)
            .hint("somebody who may decide it says why with --despite-residency REASON; it goes into the run and its report"));
    }
    Ok(reason)
}

/// Of this software.
pub(super) fn versions() -> BTreeMap<String, String> {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    BTreeMap::from([(name.to_owned(), version.to_owned())])
}

/// Refuses what would begin a second failover on top of the first. A run that is not over is told by its lease. One that was given up
/// may be followed by another, where `follows` says so; it is returned.
pub(super) async fn not_failed_over(
    context: &Context,
    places: &Places,
    follows: bool,
) -> Result<Option<RunState>, Failure> {
    context.protected(Exit::Refused)?;
    let marker = marker(&places.records).await?;
    current(context, marker.as_ref())?;
    let Some(marker) = marker.filter(|marker| marker.failed_over) else {
        return Ok(None);
    };
    let run = read_run(&places.records, &marker.run).await;
    let (run, lease) = run.map_err(super::not_opened)?;
    if let Some(lease) = lease.filter(|lease| lease.state == LeaseState::Held) {
        return Err(super::not_opened(LeaseError::Held(Box::new(lease)).into()));
    }
    if follows && run.can_be_followed() {
        return Ok(Some(run));
    }
    let error = anyhow!(
        "the environment is failed over to {} already, by run {}",
        marker.dr,
        marker.run
    );
    let failure = Failure::new(Exit::Refused, error);
    Err(match run.status.is_over() {
        true => failure.hint(
            "a failover leads from the primary region; `dr-runbook failback` brings the environment there",
        ),
        false => failure.hint(format!(
            "`{}` goes on with it",
            super::resume_command(&marker.run)
        )),
    })
}

/// Refuses settings of before a commit.
pub(super) fn current(context: &Context, marker: Option<&Marker>) -> Result<(), Failure> {
    let why = marker.and_then(|marker| marker.contradicts(context.settings.regions));
    match why {
        None => Ok(()),
        Some(why) => Err(Failure::new(Exit::Refused, anyhow!("{why}")).hint(
            "take the settings of now; where nobody has them, `dr-runbook commit` writes them from these",
        )),
    }
}

/// Of the settings of a command.
pub(super) fn settings_digest(context: &Context) -> Result<Digest, Failure> {
    digest_of(&context.settings)
}

/// The same of any settings.
pub(super) fn digest_of(settings: &Settings) -> Result<Digest, Failure> {
    Digest::of_settings(settings).map_err(|error| Failure::new(Exit::Unchecked, error))
}

/// What still works where the region that the environment is in was not named.
fn only_others_lost(lost: &[Region], primary: Region) -> String {
    let control_plane = aws_env::iam_region(primary);
    match lost.contains(&control_plane) {
        true => format!(
            "the environment is not in {control_plane} and goes on; what there is of IAM, CloudFront and Route 53 goes on as well, \
             and nothing of it can be changed until {control_plane} is back. Where {primary} is lost too, name both"
        ),
        false => "a failover leads from there".to_owned(),
    }
}

/// Decides which regions are lost. From here on nothing calls them.
async fn declared(
    context: &Context,
    args: &FailoverArgs,
    machine: &Machine,
) -> Result<Declared, Failure> {
    let regions = context.settings.regions;
    let lost: Vec<Region> = match args.lost.is_empty() {
        true => vec![regions.primary],
        false => args.lost.clone(),
    };
    if lost.contains(&regions.dr) {
        return Err(Failure::new(Exit::Refused, Loss::DrNamed(regions.dr))
            .hint("name another DR region in the settings, or wait for this one"));
    }
    if !lost.contains(&regions.primary) {
        let error = anyhow!(
            "{} is where the environment runs, and is not among the lost regions",
            regions.primary
        );
        return Err(Failure::new(Exit::Usage, error).hint(only_others_lost(&lost, regions.primary)));
    }
    let declaration = match (&args.declare_lost, &args.by) {
        (Some(reason), Some(by)) => Some(Declaration {
            by: by.clone(),
            reason: reason.clone(),
        }),
        _ => None,
    };
    let window = match declaration {
        // A person has decided: one look, for the record.
        Some(_) => LossWindow::ONCE,
        None => window(args.window),
    };
    cli::note(&asking(&lost, window, true));
    let clients: Vec<_> = lost
        .iter()
        .map(|region| context.env.region(*region))
        .collect();
    let mut evidence = Vec::new();
    for clients in &clients {
        evidence.push(Evidence::gather(clients, window, machine).await);
    }
    Declared::decide(evidence, declaration, cli::now()).map_err(|loss| {
        let hint = match &loss {
            Loss::Answers(_) => {
                "while it answers, `dr-runbook failover --mode planned` moves the environment without losing anything; somebody \
                 who knows better says so with --declare-lost REASON --by NAME"
            }
            _ => "somebody who knows decides it with --declare-lost REASON --by NAME",
        };
        Failure::new(Exit::Refused, loss).hint(hint)
    })
}
