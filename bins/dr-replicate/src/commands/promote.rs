use cli::{Exit, Failure, GlobalArgs, Progress};
use dr::database::{
    AsOf, PromoteRequest, PromoteStep, Promoted, PromotionPlan, RetireError, plan_promotion,
    promote, recovery_points,
};
use report::{Document, Report};
use serde::Serialize;
use settings::{Database, Settings};
use tokio::sync::watch;

use super::databases::{
    RegionLossContext, chosen, refused, show, show_plan, unknown, until_stopped, waiter,
};
use crate::args::database::PromoteArgs;

/// What `promote` prints.
#[derive(Serialize)]
struct Outcome {
    plan: PromotionPlan,
    /// Null with --dry-run.
    done: Option<Promoted>,
}

impl Report for Outcome {
    const KIND: &'static str = "promotion";

    fn document(&self) -> Document {
        match &self.done {
            Some(done) => done.document(),
            None => self.plan.document(),
        }
    }
}

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &PromoteArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let context = RegionLossContext::open(global, args.side).await?;
    let settings = &context.settings;
    let database = database(settings, args)?;
    let dr = context.dr().await?;
    let as_of = args.as_of.map_or(AsOf::Now(cli::now()), AsOf::Moment);
    let objectives = settings.objectives;
    let primary = settings.regions.primary;
    let failed = |error| Failure::aws("look at the replica", error);
    let found = recovery_points(&dr, &database, primary, objectives.rpo_database, as_of)
        .await
        .map_err(failed)?;
    if let Some(clocks) = &found.clocks {
        cli::note(clocks);
    }
    let there = dr.instance(args.replica.as_str()).await.map_err(failed)?;
    let request = PromoteRequest {
        database: &database,
        primary,
        region: dr.region(),
        replica: args.replica.as_str(),
        as_of: found.as_of,
        objectives,
        tags: &settings.tags,
    };
    let plan = plan_promotion(&request, &found.points, there.as_ref())
        .map_err(|refusal| refused(&refusal))?;
    let mut outcome = Outcome { plan, done: None };
    if args.dry_run {
        show(global, args.markdown, &outcome)?;
        return Ok(Exit::Fine);
    }
    show_plan(global, &outcome)?;
    if outcome.plan.step == PromoteStep::Begin {
        // It follows nothing from then on, and nothing makes it a replica again.
        let question = format!("Promote {}, for good?", args.replica);
        cli::confirm(global, &question)?;
    }
    let waiter = waiter(&args.waiter, objectives.rto);
    let work = async {
        let progress = Progress::new();
        let when = (waiter, cli::now());
        promote(&dr, &outcome.plan, args.holds, when, &progress)
            .await
            .map_err(failure)
    };
    let done = until_stopped(stop, work).await?;
    let exit = match done.meets_objective() {
        Some(true) => Exit::Fine,
        Some(false) => Exit::Wrong,
        None => Exit::Unchecked,
    };
    outcome.done = Some(done);
    show(global, args.markdown, &outcome)?;
    Ok(exit)
}

/// The database that is named, or the only one.
fn database(settings: &Settings, args: &PromoteArgs) -> Result<Database, Failure> {
    let mut databases = chosen(settings, args.side, args.database.as_ref())?;
    match (databases.pop(), databases.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => {
            let known: Vec<&str> = settings
                .databases
                .iter()
                .map(|one| one.id.as_str())
                .collect();
            let what = format!(
                "failed to tell which database {} is a replica of",
                args.replica
            );
            Err(unknown(&what, &known).hint("name the database with --database"))
        }
    }
}

fn failure(error: RetireError) -> Failure {
    let (exit, error) = match error {
        RetireError::Refused(refusal) => return refused(&refusal),
        RetireError::Aws(error) => return Failure::aws("promote the replica", error),
        RetireError::Ended { .. } => (Exit::Wrong, error),
        RetireError::Deadline { .. } => (Exit::Unchecked, error),
    };
    Failure::new(exit, error).hint("the same command takes it up; --deadline waits longer")
}
