//! A planned failover, and what puts one back that was given up.

use std::time::Duration;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs};
use dr::database::At;
use report::finding::Status;
use runbook::{
    Declared, Evidence, LossWindow, Marker, Mode, PreflightRequest, Reach, RunState, StepStatus,
    SwitchoverRequest, UndoRequest, Unhealthy, not_known, not_possible, plan_switchover, plan_undo,
    preflight,
};
use tokio::sync::watch;

use super::carry::{beside, carry, dr_root, tell_chosen};
use super::failback::{ask, both, object_runs};
use super::failover::{despite_residency, not_failed_over, settings_digest, versions};
use super::looks::window;
use super::records::{Context, Places};
use crate::args::{Approve, CarryArgs, FailoverArgs, RecordsArgs};
use crate::machine::Machine;

pub(super) async fn run(
    global: &GlobalArgs,
    args: &FailoverArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    for_region_loss_alone(args)?;
    let machine = Machine::new();
    let context = Context::open(global).await?;
    let places = Places::of(&context, &args.carry.records)?;
    not_failed_over(&context, &places, false).await?;
    let despite_residency = despite_residency(&context, args)?;
    let both = both(&context);
    let window = window(args.window);
    let (primary, dr) = tokio::join!(
        ask(&both.primary, window, &machine),
        ask(&both.dr, window, &machine)
    );
    let declared = Declared::both_healthy(primary, dr, cli::now()).map_err(|unhealthy| {
        Failure::new(Exit::Refused, unhealthy).hint(
            "a move wants both regions; where the primary one is lost, `dr-runbook failover` does without it",
        )
    })?;
    let not_ready = Box::pin(not_ready(global, &context, &places, &machine)).await?;
    // Made before writers stand still.
    object_runs(&places.folder)?;
    let request = SwitchoverRequest {
        settings: &context.settings,
        settings_digest: settings_digest(&context)?,
        account: context.account.clone(),
        declared: declared.as_exercise(args.drill),
        not_ready,
        despite_residency,
        versions: versions(),
    };
    let plan = Box::pin(plan_switchover(request, &both, &machine)).await;
    tell_chosen(&plan, &args.carry)?;
    if args.dry_run {
        cli::print(global, &plan)?;
        return Ok(Exit::Fine);
    }
    super::show(global, &plan)?;
    let unknown = not_known(&plan);
    if !unknown.is_empty() {
        return Err(
            Failure::new(Exit::Unchecked, anyhow!("{}", unknown.join("; ")))
                .hint("the primary region serves: run the same command again"),
        );
    }
    let impossible = not_possible(&plan, &args.carry.skip);
    if !impossible.is_empty() {
        return Err(
            Failure::new(Exit::Refused, anyhow!("{}", impossible.join("; "))).hint(
                "mend it first, while everybody can write; or leave the steps out with --skip STEP --reason TEXT",
            ),
        );
    }
    let question = format!("Move {} to {}?", plan.environment, plan.dr);
    let open = super::begin(global, &question, places.records, places.copy, plan).await?;
    let args = (&args.carry, None);
    Box::pin(carry(global, &context, open, &places.folder, args, stop)).await
}

/// What only a lost region needs would be passed over in silence.
fn for_region_loss_alone(args: &FailoverArgs) -> Result<(), Failure> {
    let given = [
        ("--lost", !args.lost.is_empty()),
        ("--declare-lost", args.declare_lost.is_some()),
        ("--fault", args.fault.is_some()),
        ("--at", args.at != At::Latest),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((option, _)) => Err(Failure::new(
            Exit::Usage,
            anyhow!("{option} is for the loss of a region, and a planned move loses nothing"),
        )),
    }
}

/// What a preflight finds that is not as it should be.
async fn not_ready(
    global: &GlobalArgs,
    context: &Context,
    places: &Places,
    machine: &Machine,
) -> Result<Vec<String>, Failure> {
    let both = both(context);
    let sign_in = context.env.sign_in().await;
    let request = PreflightRequest {
        settings: &context.settings,
        settings_digest: settings_digest(context)?,
        reach: Reach::Both(&both),
        sign_in: sign_in.map_err(|error| error.to_string()),
        store: &places.records,
        host: machine,
        root: dr_root(global, context).await,
        folder: places.folder.join("preflight"),
        beside: beside(global)?,
        versions: versions(),
    };
    let found = preflight(request).await;
    let items = found.areas.iter().flat_map(|area| &area.items);
    let items = items.filter(|item| !matches!(item.status, Status::Ok | Status::Skipped));
    let told = items.map(|item| {
        let seen = item.seen.as_deref().or(item.reason.as_deref());
        format!(
            "{} of {}: {}",
            item.what,
            item.resource,
            seen.unwrap_or("not known")
        )
    });
    Ok(told.collect())
}

/// Whether a run is a switchover that has not been cut over.
pub(super) fn is_to_be_undone(run: &RunState, marker: Option<&Marker>) -> bool {
    let is_moved = marker.is_some_and(|marker| marker.failed_over && marker.run == run.plan.run);
    run.plan.mode == Mode::Planned && !is_moved
}

/// Puts back what a switchover has changed that was given up before its cut-over.
pub(super) async fn undo(
    global: &GlobalArgs,
    records: &RecordsArgs,
    switchover: &RunState,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let machine = Machine::new();
    let context = Context::open(global).await?;
    let places = Places::of(&context, records)?;
    let both = both(&context);
    let evidence = ask(&both.primary, LossWindow::ONCE, &machine).await;
    let declared = match Declared::healthy(evidence, cli::now()) {
        Ok(declared) => declared,
        Err(unhealthy) => {
            is_gone(switchover, &unhealthy);
            return Ok(Exit::Unchecked);
        }
    };
    let request = UndoRequest {
        settings: &context.settings,
        settings_digest: settings_digest(&context)?,
        account: context.account.clone(),
        declared: declared.as_exercise(switchover.plan.declared.exercise),
        switchover,
        versions: versions(),
    };
    let Some(plan) = plan_undo(request, &machine) else {
        cli::note("it had changed nothing");
        return Ok(Exit::Fine);
    };
    super::show(global, &plan)?;
    let open = super::begin(global, "Put that back?", places.records, places.copy, plan);
    let open = open.await?;
    let args = CarryArgs {
        approve: Approve::Gates,
        skip: Vec::new(),
        reason: None,
        only: Vec::new(),
        wait_for_approval: Duration::ZERO,
        terraform_grace: Duration::from_mins(10),
        records: records.clone(),
    };
    let exit = carry(global, &context, open, &places.folder, (&args, None), stop);
    let exit = Box::pin(exit).await?;
    if exit == Exit::Fine && has_drained(switchover) {
        let primary = switchover.plan.primary;
        cli::note(&format!(
            "what writes in {primary} may go on: start it again"
        ));
    }
    Ok(exit)
}

fn has_drained(switchover: &RunState) -> bool {
    let mut steps = switchover.steps.iter();
    steps.any(|(id, step)| id.kind() == "drain" && step.status != StepStatus::Pending)
}

/// There is nothing to put back in a region that does not answer.
fn is_gone(switchover: &RunState, unhealthy: &Unhealthy) {
    let primary = switchover.plan.primary;
    cli::note(&format!("{unhealthy}: nothing is put back"));
    cli::note(&format!(
        "where {primary} is lost, `dr-runbook failover` goes on without it; once it serves again, `{}` puts back what is left",
        super::abandon_command(&switchover.plan.run)
    ));
}

/// Says what to do where a switchover has stopped since the primary region is gone.
pub(super) async fn advise(context: &Context, run: &RunState) {
    let machine = Machine::new();
    let evidence: Evidence = ask(&both(context).primary, LossWindow::ONCE, &machine).await;
    if evidence.is_healthy() {
        return;
    }
    let primary = run.plan.primary;
    cli::note(&format!(
        "{primary} does not serve: where it is lost, `{}` and then `dr-runbook failover` go on without it",
        super::abandon_command(&run.plan.run)
    ));
}
