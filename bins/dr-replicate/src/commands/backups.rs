use std::time::Duration;

use aws_env::WaiterConfig;
use cli::{Exit, Failure, GlobalArgs};
use dr::database::{
    AsOf, BackupsReport, DisablePlan, EnablePlan, EnableStep, Health, disable, enable,
    plan_disable, plan_enable, refuse_enable, status,
};
use report::{Document, Report};
use serde::Serialize;

use super::databases::{
    DatabaseContext, LeftOut, by_name, chosen, joined, refused, show, show_plan,
};
use crate::args::database::{BackupsChangeArgs, BackupsCommand, BackupsStatusArgs};

/// A replication that was begun is shown within moments.
const SETTLED: WaiterConfig = WaiterConfig::every(Duration::from_secs(2), Duration::from_secs(120));

/// What `enable` prints.
#[derive(Serialize)]
struct Enabled {
    plans: Vec<EnablePlan>,
    /// Databases that nothing is done for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<LeftOut>,
    /// Whether the plans were carried out.
    applied: bool,
}

/// What `disable` prints.
#[derive(Serialize)]
struct Disabled {
    plans: Vec<DisablePlan>,
    /// Whether the plans were carried out.
    applied: bool,
}

impl Report for Enabled {
    const KIND: &'static str = "backups-enable";

    fn document(&self) -> Document {
        let document = joined(self.plans.iter());
        let left = self.left_out.iter();
        left.fold(document, |document, left| left.add_to(document))
    }
}

impl Report for Disabled {
    const KIND: &'static str = "backups-disable";

    fn document(&self) -> Document {
        if self.plans.is_empty() {
            return Document::new().text("No backups are replicated.");
        }
        joined(self.plans.iter())
    }
}

pub(crate) async fn run(global: &GlobalArgs, command: &BackupsCommand) -> Result<Exit, Failure> {
    match command {
        BackupsCommand::Enable(args) => start(global, args).await,
        BackupsCommand::Status(args) => show_status(global, args).await,
        BackupsCommand::Disable(args) => stop(global, args).await,
    }
}

async fn start(global: &GlobalArgs, args: &BackupsChangeArgs) -> Result<Exit, Failure> {
    let context = DatabaseContext::open(global, args.database.side).await?;
    let databases = chosen(
        &context.settings,
        args.database.side,
        args.database.database.as_ref(),
    )?;
    let (primary, dr) = tokio::try_join!(context.primary(), context.dr())?;
    let failed = |error| Failure::aws("look at the automated backups", error);
    let backups = dr.backups().await.map_err(failed)?;
    let regions = (primary.region(), dr.region());
    let (mut plans, mut left_out) = (Vec::new(), Vec::new());
    for database in &databases {
        let instance = primary
            .instance(database.id.as_str())
            .await
            .map_err(failed)?;
        let planned = match plan_enable(database, instance.as_ref(), &backups, regions) {
            Err(refusal) if instance.is_none() => {
                Err(by_name(&primary, database.id.as_str(), refusal).await)
            }
            planned => planned,
        };
        let planned = match planned {
            Ok(plan) => {
                let refused = refuse_enable(&dr, &plan).await.map_err(failed)?;
                refused.map_or(Ok(plan), Err)
            }
            Err(refusal) => Err(refusal),
        };
        match planned {
            Ok(plan) => plans.push(plan),
            // One database alone fails as a whole; of several the others go on.
            Err(refusal) if databases.len() == 1 => return Err(refused(&refusal)),
            Err(refusal) => left_out.push(LeftOut::new(database, &refusal)),
        }
    }
    let differs = |plan: &EnablePlan| matches!(plan.step, EnableStep::Differs(_));
    let exit = if plans.iter().any(differs) {
        Exit::Wrong
    } else {
        Exit::Fine
    };
    let starts = plans
        .iter()
        .filter(|plan| plan.step == EnableStep::Start)
        .count();
    let exit = left_out.iter().map(LeftOut::exit).fold(exit, Exit::worst);
    let mut enabled = Enabled {
        plans,
        left_out,
        applied: false,
    };
    if args.dry_run || starts == 0 {
        cli::print(global, &enabled)?;
        return Ok(exit);
    }
    show_plan(global, &enabled)?;
    let region = dr.region();
    let question = format!("Replicate the automated backups of {starts} databases to {region}?");
    cli::confirm(global, &question)?;
    for plan in &enabled.plans {
        let ended = enable(&dr, plan, &context.settings.tags, SETTLED).await;
        ended
            .map_err(|error| Failure::aws("replicate the automated backups", error))?
            .map_err(|refusal| refused(&refusal))?;
    }
    enabled.applied = true;
    match global.output {
        cli::OutputFormat::Json => cli::print(global, &enabled)?,
        cli::OutputFormat::Table => cli::print_text(
            "Replication has begun. The first backup arrives later: dr-replicate backups status\n",
        ),
    }
    Ok(exit)
}

async fn show_status(global: &GlobalArgs, args: &BackupsStatusArgs) -> Result<Exit, Failure> {
    let context = DatabaseContext::open(global, args.database.side).await?;
    let databases = chosen(
        &context.settings,
        args.database.side,
        args.database.database.as_ref(),
    )?;
    let dr = context.dr().await?;
    let backups = dr
        .backups()
        .await
        .map_err(|error| Failure::aws("look at the automated backups", error))?;
    let as_of = args
        .as_of
        .map_or_else(|| dr.at(AsOf::Now(cli::now())), AsOf::Moment);
    if let Some(clocks) = dr.clock_difference(cli::now()) {
        cli::note(&clocks);
    }
    let (primary, objective) = (
        context.settings.regions.primary,
        context.settings.objectives.rpo_database,
    );
    let report = BackupsReport {
        region: dr.region(),
        databases: databases
            .iter()
            .map(|database| status(database.id.as_str(), &backups, primary, objective, as_of))
            .collect(),
    };
    show(global, args.markdown, &report)?;
    let exits = report
        .databases
        .iter()
        .map(|database| match database.health {
            Health::Ok => Exit::Fine,
            Health::Wrong => Exit::Wrong,
            Health::Unknown => Exit::Unchecked,
        });
    Ok(exits.collect())
}

async fn stop(global: &GlobalArgs, args: &BackupsChangeArgs) -> Result<Exit, Failure> {
    let context = DatabaseContext::open(global, args.database.side).await?;
    let databases = chosen(
        &context.settings,
        args.database.side,
        args.database.database.as_ref(),
    )?;
    let dr = context.dr().await?;
    let backups = dr
        .backups()
        .await
        .map_err(|error| Failure::aws("look at the automated backups", error))?;
    let regions = (context.settings.regions.primary, dr.region());
    let plans = databases
        .iter()
        .filter_map(|database| plan_disable(database.id.as_str(), &backups, regions).transpose())
        .collect::<Result<Vec<DisablePlan>, _>>()
        .map_err(|refusal| refused(&refusal))?;
    let mut disabled = Disabled {
        plans,
        applied: false,
    };
    if args.dry_run || disabled.plans.is_empty() {
        cli::print(global, &disabled)?;
        return Ok(Exit::Fine);
    }
    show_plan(global, &disabled)?;
    let names: Vec<&str> = disabled
        .plans
        .iter()
        .map(|plan| plan.database.as_str())
        .collect();
    let question = "Stop replicating these backups?";
    cli::confirm_name(global, question, &names.join(" "))?;
    for plan in &disabled.plans {
        disable(&dr, plan)
            .await
            .map_err(|error| Failure::aws("stop replicating the automated backups", error))?;
    }
    disabled.applied = true;
    match global.output {
        cli::OutputFormat::Json => cli::print(global, &disabled)?,
        cli::OutputFormat::Table => cli::print_text("Replication is stopped.\n"),
    }
    Ok(Exit::Fine)
}
