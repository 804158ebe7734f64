use std::cell::RefCell;

use cli::{Exit, Failure, GlobalArgs, Progress};
use dr::database::{
    AsOf, Instance, RdsClients, Refusal, RestoreError, RestorePlan, RestoreRequest, RestoreStep,
    Restored, check_restore_target, plan_restore, recovery_points, restore,
};
use probe::ServerConnection;
use report::{Document, Lines, Report};
use serde::Serialize;
use settings::{Database, Settings};
use tokio::sync::watch;

use super::databases::{
    RegionLossContext, chosen, refused, show, show_plan, unknown, until_stopped, waiter,
};
use crate::args::database::RestoreArgs;

/// What `restore` prints.
#[derive(Serialize)]
struct Outcome {
    plan: RestorePlan,
    /// Null with --dry-run.
    done: Option<Restored>,
    /// Whether the server accepts connections, by the last that was tried; null where none was.
    connection: Option<ServerConnection>,
}

/// What the report says of the server.
fn connection_text(connection: &ServerConnection) -> String {
    match connection {
        ServerConnection::Accepted => "It accepts connections.".to_owned(),
        ServerConnection::Rejected { why } => format!("It does not accept connections: {why}."),
        ServerConnection::Untried { why } => format!(
            "By its status it serves; whether it accepts connections could not be tried from here: {why}."
        ),
    }
}

impl Report for Outcome {
    const KIND: &'static str = "restore";

    fn document(&self) -> Document {
        match &self.done {
            Some(done) => {
                let texts = self.connection.as_ref().map(connection_text);
                done.document().text(Lines::of(texts))
            }
            None => self.plan.document(),
        }
    }
}

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &RestoreArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let context = RegionLossContext::open(global, args.side).await?;
    let settings = &context.settings;
    let database = database(settings, args)?;
    let dr = context.dr().await?;
    let begun = cli::now();
    let as_of = args.as_of.map_or(AsOf::Now(begun), AsOf::Moment);
    let objectives = settings.objectives;
    let primary = settings.regions.primary;
    let failed = |error| Failure::aws("find the recovery points", error);
    let found = recovery_points(&dr, &database, primary, objectives.rpo_database, as_of)
        .await
        .map_err(failed)?;
    if let Some(clocks) = &found.clocks {
        cli::note(clocks);
    }
    let there = dr.instance(args.target.as_str()).await.map_err(failed)?;
    let request = RestoreRequest {
        database: &database,
        target: args.target.as_str(),
        region: dr.region(),
        at: args.at,
        from: args.from.as_deref(),
        as_of: found.as_of,
        objectives,
        tags: &settings.tags,
    };
    let plan = plan_restore(&request, &found.points, there.as_ref())
        .map_err(|refusal| refused(&refusal))?;
    if plan.step == RestoreStep::Begin {
        check_target(&dr, &plan).await?;
    }
    let mut outcome = Outcome {
        plan,
        done: None,
        connection: None,
    };
    if args.dry_run {
        show(global, args.markdown, &outcome)?;
        return Ok(Exit::Fine);
    }
    show_plan(global, &outcome)?;
    if outcome.plan.step == RestoreStep::Begin {
        let question = format!("Restore {} as {}?", database.id, args.target);
        cli::confirm(global, &question)?;
    }
    let waiter = waiter(&args.waiter, objectives.rto);
    let last = RefCell::new(None);
    let connects = async |instance: &Instance| {
        let endpoint = instance.endpoint.as_deref();
        let connection = ServerConnection::to(endpoint, instance.engine_name()).await;
        let refused = match &connection {
            ServerConnection::Rejected { why } => Err(format!("and refuses connections: {why}")),
            ServerConnection::Accepted | ServerConnection::Untried { .. } => Ok(()),
        };
        last.replace(Some(connection));
        refused
    };
    let work = async {
        let progress = Progress::new();
        restore(&dr, &outcome.plan, waiter, cli::now(), connects, &progress)
            .await
            .map_err(failure)
    };
    let done = until_stopped(stop, work).await?;
    outcome.connection = last.into_inner();
    let exit = match (done.is_as_wanted(), &outcome.connection) {
        (_, Some(ServerConnection::Rejected { .. })) | (Some(false), _) => Exit::Wrong,
        (Some(true), _) => Exit::Fine,
        (None, _) => Exit::Unchecked,
    };
    outcome.done = Some(done);
    show(global, args.markdown, &outcome)?;
    Ok(exit)
}

/// Whether there is what the instance is to get: a plan that cannot be carried out is none.
async fn check_target(dr: &RdsClients, plan: &RestorePlan) -> Result<(), Failure> {
    let check = check_restore_target(dr, plan).await;
    for unknown in &check.unknown {
        cli::note(&format!("not checked: {unknown}"));
    }
    if check.problems.is_empty() {
        return Ok(());
    }
    Err(refused(&Refusal::Target {
        target: plan.target.clone(),
        region: plan.region,
        problems: check.problems,
    }))
}

/// The database that is named, else the one that is restored as the target.
fn database(settings: &Settings, args: &RestoreArgs) -> Result<Database, Failure> {
    if args.database.is_some() {
        let databases = chosen(settings, args.side, args.database.as_ref())?;
        if let Some(database) = databases.into_iter().next() {
            return Ok(database);
        }
    }
    let all = &settings.databases;
    let found = all.iter().find(|database| database.dr_id == args.target);
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|database| database.dr_id.as_str()).collect();
        let what = format!("failed to find a database that is {} there", args.target);
        unknown(&what, &known).hint("name the database with --database")
    })
}

fn failure(error: RestoreError) -> Failure {
    let hint = error.hint();
    let (exit, error) = match error {
        RestoreError::Refused(refusal) => return refused(&refusal),
        RestoreError::Aws(error) => return Failure::aws("restore the database", error),
        RestoreError::Ended { .. } => (Exit::Wrong, error),
        RestoreError::Deadline { .. } => (Exit::Unchecked, error),
    };
    let failure = Failure::new(exit, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
