use cli::{Exit, Failure, GlobalArgs, Progress};
use dr::database::{
    Copied, CopyOptions, CopyPlan, PrunePlan, Pruned, RdsClients, SnapshotList, copy, plan_copies,
    plan_prune, prune, refuse_copies,
};
use report::{Document, Report};
use serde::Serialize;
use settings::{CopiesKept, Database};
use tokio::sync::watch;

use super::databases::{
    DatabaseContext, LeftOut, by_name, chosen, refused, show, show_plan, until_stopped, waiter,
};
use crate::args::database::{
    SnapshotsCommand, SnapshotsCopyArgs, SnapshotsListArgs, SnapshotsPruneArgs,
};

/// What `copy` and `prune` print: of each database the plan, and what became of it.
#[derive(Serialize)]
struct Entries<P, D> {
    databases: Vec<Entry<P, D>>,
    /// Databases that nothing is done for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<LeftOut>,
}

#[derive(Serialize)]
struct Entry<P, D> {
    plan: P,
    /// Null when nothing was to be done, or with --dry-run.
    done: Option<D>,
}

impl<P: Report, D: Report> Report for Entries<P, D> {
    const KIND: &'static str = "snapshots-run";

    fn document(&self) -> Document {
        let one = |entry: &Entry<P, D>| match &entry.done {
            Some(done) => done.document(),
            None => entry.plan.document(),
        };
        let add = |document: Document, entry| document.append(one(entry));
        let document = self.databases.iter().fold(Document::new(), add);
        let left = self.left_out.iter();
        left.fold(document, |document, left| left.add_to(document))
    }
}

pub(crate) async fn run(
    global: &GlobalArgs,
    command: &SnapshotsCommand,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    match command {
        SnapshotsCommand::List(args) => list(global, args).await,
        SnapshotsCommand::Copy(args) => until_stopped(stop, copy_all(global, args)).await,
        SnapshotsCommand::Prune(args) => prune_all(global, args).await,
    }
}

async fn list(global: &GlobalArgs, args: &SnapshotsListArgs) -> Result<Exit, Failure> {
    let context = DatabaseContext::open(global, args.database.side).await?;
    let databases = chosen(
        &context.settings,
        args.database.side,
        args.database.database.as_ref(),
    )?;
    let failed = |error| Failure::aws("list the snapshots", error);
    let dr = context.dr().await?;
    let mut list = SnapshotList {
        region: dr.region(),
        source_region: context.settings.regions.primary,
        copies: Vec::new(),
        sources: args.source.then(Vec::new),
    };
    for database in &databases {
        let found = dr.snapshots(Some(database.id.as_str())).await;
        list.copies.extend(found.map_err(failed)?);
    }
    if let Some(sources) = &mut list.sources {
        let primary = context.primary().await?;
        for database in &databases {
            let found = primary.snapshots(Some(database.id.as_str())).await;
            sources.extend(found.map_err(failed)?);
        }
        sources.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.taken));
    }
    list.copies
        .sort_by_key(|snapshot| std::cmp::Reverse(snapshot.taken));
    show(global, args.markdown, &list)?;
    Ok(Exit::Fine)
}

async fn copy_all(global: &GlobalArgs, args: &SnapshotsCopyArgs) -> Result<Exit, Failure> {
    let context = DatabaseContext::open(global, args.database.side).await?;
    let databases = chosen(
        &context.settings,
        args.database.side,
        args.database.database.as_ref(),
    )?;
    let (primary, dr) = tokio::try_join!(context.primary(), context.dr())?;
    let (mut result, planned) = plan_all(args, &databases, &primary, &dr).await?;
    let missing: usize = result
        .databases
        .iter()
        .map(|entry| entry.plan.missing())
        .sum();
    let is_done = result.databases.iter().all(|entry| entry.plan.is_done());
    if args.dry_run || is_done {
        cli::print(global, &result)?;
        return Ok(left_out(&result, Exit::Fine));
    }
    show_plan(global, &result)?;
    if missing > 0 {
        let question = format!("Copy {missing} snapshots to {}?", dr.region());
        cli::confirm(global, &question)?;
    }
    let progress = Progress::new();
    let mut exit = Exit::Fine;
    for (entry, database) in result.databases.iter_mut().zip(planned) {
        let options = CopyOptions {
            key: database.kms.as_ref().map(ToString::to_string),
            tags: context.settings.tags.clone(),
            quota: args.quota.map(usize::from),
            waiter: waiter(&args.waiter, context.settings.objectives.rpo_database),
        };
        let copied = copy(&dr, &entry.plan, &options, &progress)
            .await
            .map_err(|error| {
                Failure::aws("copy the snapshots", error)
                    .hint("copies that were begun go on in AWS; the same command takes them up")
            })?;
        match copied {
            Ok(copied) => {
                exit = exit.worst(end(&copied));
                entry.done = Some(copied);
            }
            Err(refusal) if databases.len() == 1 => return Err(refused(&refusal)),
            Err(refusal) => result.left_out.push(LeftOut::new(database, &refusal)),
        }
    }
    cli::print(global, &result)?;
    Ok(left_out(&result, exit))
}

/// The plan of each database, and those that have one.
async fn plan_all<'a>(
    args: &SnapshotsCopyArgs,
    databases: &'a [Database],
    primary: &RdsClients,
    dr: &RdsClients,
) -> Result<(Entries<CopyPlan, Copied>, Vec<&'a Database>), Failure> {
    let regions = (primary.region(), dr.region());
    let (last, only) = (usize::from(args.last), args.snapshot.as_deref());
    let mut result = Entries {
        databases: Vec::new(),
        left_out: Vec::new(),
    };
    let mut planned = Vec::new();
    for database in databases {
        let id = database.id.as_str();
        let (sources, present) =
            tokio::try_join!(primary.snapshots(Some(id)), dr.snapshots(Some(id)))
                .map_err(|error| Failure::aws("list the snapshots", error))?;
        let planned_one = match plan_copies(&sources, &present, id, regions, last, only) {
            // Of a cluster there are no snapshots of instances.
            Err(refusal) if sources.is_empty() => Err(by_name(primary, id, refusal).await),
            planned_one => planned_one,
        };
        let planned_one = match planned_one {
            Ok(plan) => {
                let key = database.kms.as_ref().map(ToString::to_string);
                let refused = refuse_copies(dr, &plan, key.as_deref()).await;
                let refused = refused.map_err(|error| Failure::aws("look at the key", error))?;
                refused.map_or(Ok(plan), Err)
            }
            Err(refusal) => Err(refusal),
        };
        match planned_one {
            Ok(plan) => {
                result.databases.push(Entry { plan, done: None });
                planned.push(database);
            }
            // One database alone fails as a whole; of several the others go on.
            Err(refusal) if databases.len() == 1 => return Err(refused(&refusal)),
            Err(refusal) => result.left_out.push(LeftOut::new(database, &refusal)),
        }
    }
    Ok((result, planned))
}

/// The worst of `exit` and of what was left out.
fn left_out<P, D>(result: &Entries<P, D>, exit: Exit) -> Exit {
    result
        .left_out
        .iter()
        .map(LeftOut::exit)
        .fold(exit, Exit::worst)
}

fn end(copied: &Copied) -> Exit {
    if copied.has_failed() {
        Exit::Wrong
    } else if copied.is_complete() {
        Exit::Fine
    } else {
        Exit::Unchecked
    }
}

async fn prune_all(global: &GlobalArgs, args: &SnapshotsPruneArgs) -> Result<Exit, Failure> {
    let context = DatabaseContext::open(global, args.database.side).await?;
    let databases = chosen(
        &context.settings,
        args.database.side,
        args.database.database.as_ref(),
    )?;
    let dr = context.dr().await?;
    let regions = (context.settings.regions.primary, dr.region());
    let failed = |error| Failure::aws("list the snapshots", error);
    let mut result: Entries<PrunePlan, Pruned> = Entries {
        databases: Vec::new(),
        left_out: Vec::new(),
    };
    let mut approved = Vec::new();
    for database in &databases {
        let id = database.id.as_str();
        let policy = CopiesKept {
            keep_last: args.keep_last.unwrap_or(database.copies.keep_last),
            keep_days: args.keep_days.unwrap_or(database.copies.keep_days),
        };
        let present = dr.snapshots(Some(id)).await.map_err(failed)?;
        let plan = plan_prune(&present, id, regions, policy, dr.time(cli::now()));
        let pass = plan.clone().approve();
        approved.push(pass.map_err(|refusal| refused(&refusal))?);
        result.databases.push(Entry { plan, done: None });
    }
    let deletions = |entry: &Entry<PrunePlan, Pruned>| entry.plan.deletions().len();
    let count: usize = result.databases.iter().map(deletions).sum();
    if args.dry_run || count == 0 {
        cli::print(global, &result)?;
        return Ok(Exit::Fine);
    }
    show_plan(global, &result)?;
    let question = format!("Delete {count} snapshots in {}?", dr.region());
    cli::confirm_name(global, &question, "delete")?;
    let mut exit = Exit::Fine;
    for (entry, approved) in result.databases.iter_mut().zip(&approved) {
        let pruned = prune(&dr, approved, dr.time(cli::now()))
            .await
            .map_err(failed)?;
        if !pruned.is_complete() {
            exit = Exit::Unchecked;
        }
        entry.done = Some(pruned);
    }
    cli::print(global, &result)?;
    Ok(exit)
}
