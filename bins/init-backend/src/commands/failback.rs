use cli::{Exit, Failure, GlobalArgs, Interrupts, Progress};
use report::counted;
use state_backend::{
    FailbackError, FailbackRun, Handover, HandoverStep, LeftKind, Resolution, Resolutions, SideName,
};

use super::roots::{self, Roots};
use super::runs::Runs;
use crate::args::{ChoiceArgs, FailbackArgs};

const SIDE: SideName = SideName::Primary;

/// What becomes of locks that are left, if nobody does anything.
const NEXT: &str = "the next `init-backend failback` on this machine releases";

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &FailbackArgs,
    interrupts: &Interrupts,
) -> Result<Exit, Failure> {
    let resolutions = resolutions(&args.choices).map_err(not_planned)?;
    let (settings, env) = super::environment(global).await?;
    let backend = super::connect_with(&settings, &env).await?;
    let roots = Roots::plan(&args.roots, &settings, &env.endpoints(), SIDE).await?;
    let holder = super::lock_holder();
    let runs = Runs::open(&holder);
    let planning = FailbackRun {
        holder: &holder,
        has_ended: &|info| runs.have_ended(info),
        is_stopped: &|| false,
    };
    let plan = backend.failback_plan(&resolutions, planning, cli::now());
    let plan = plan.await;
    let plan = plan.map_err(not_planned)?;
    let roots = roots.beside_plan(plan.handover());
    let shown = (&plan, plan.handover());
    let from_now_on = format!("again from now on{}", replaced(plan.handover()));
    if let Some(exit) = roots.agree(global, args.dry_run, shown, SIDE, &from_now_on)? {
        return Ok(exit);
    }
    let progress = Progress::new();
    let begun = runs.begin();
    let held = holder.held.clone();
    interrupts.leave(move || super::locks_left(&held, NEXT));
    let stop = interrupts.heed();
    let run = FailbackRun {
        is_stopped: &|| *stop.borrow(),
        ..planning
    };
    let result = backend.failback(&plan.approve(), run, &progress).await;
    let is_stopped = *stop.borrow();
    drop(stop);
    let mut left = result.handover().left();
    let has_left_locks = left.any(|left| left.kind == LeftKind::Locked);
    if let Some(begun) = begun
        && !has_left_locks
        && result.handover().problems().next().is_none()
    {
        begun.end();
    }
    let turn = async |root: &_, terraform: &_, holder: &_, progress: &Progress| {
        backend.turn_root(root, terraform, holder, progress).await
    };
    let roots = match is_stopped {
        true => roots.interrupted(result.handover()),
        false => {
            roots
                .turn(result.handover(), interrupts, &progress, turn)
                .await
        }
    };
    roots::print_done(global, (&result, result.handover()), SIDE, &roots)
}

fn resolutions(args: &ChoiceArgs) -> Result<Resolutions, FailbackError> {
    let mut resolutions = Resolutions::default();
    for (states, resolution) in [
        (&args.keep_dr, Resolution::KeepDr),
        (&args.keep_primary, Resolution::KeepPrimary),
        (&args.bring_back, Resolution::BringBack),
        (&args.stay_deleted, Resolution::StayDeleted),
    ] {
        for state in states {
            resolutions.choose(state, resolution)?;
        }
    }
    Ok(resolutions)
}

/// What a question has to say of states that are written over or deleted by choice.
fn replaced(handover: &Handover) -> String {
    let chosen = handover.states.iter();
    let chosen = chosen.filter(|state| state.resolution.is_some());
    let steps: Vec<&HandoverStep> = chosen.flat_map(|state| &state.steps).collect();
    let count = |of: fn(&HandoverStep) -> bool| steps.iter().filter(|step| of(step)).count();
    let written =
        count(|step| matches!(step, HandoverStep::CopyState(copy) if copy.undo.is_some()));
    let deleted = count(|step| matches!(step, HandoverStep::DeleteState(_)));
    let states = |count: usize| counted(count, "state");
    match (written, deleted) {
        (0, 0) => String::new(),
        (written, 0) => format!(
            ", and {} written over by your choice",
            are(&states(written), written)
        ),
        (0, deleted) => format!(
            ", and {} deleted by your choice",
            are(&states(deleted), deleted)
        ),
        (written, deleted) => format!(
            ", and by your choice {} written over and {deleted} deleted",
            are(&states(written), written)
        ),
    }
}

fn are(states: &str, count: usize) -> String {
    match count {
        1 => format!("{states} is"),
        _ => format!("{states} are"),
    }
}

fn not_planned(error: FailbackError) -> Failure {
    let hint = match &error {
        FailbackError::NoDrSide => "set [state.dr] in the configuration",
        FailbackError::NotAState(error) => super::repair::not_a_state(error),
        FailbackError::ChosenTwice { .. } => "leave one of the two out",
        _ => "`init-backend failback --dry-run` shows each state, and what can be chosen",
    };
    let error = anyhow::Error::new(error).context("failed to plan the failback");
    Failure::new(Exit::Usage, error).hint(hint)
}
