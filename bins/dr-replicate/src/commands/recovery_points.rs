use cli::{Exit, Failure, GlobalArgs};
use dr::database::{AsOf, RecoveryPoints, recovery_points};
use report::{Document, Report};
use serde::Serialize;

use super::databases::{RegionLossContext, chosen, joined, show};
use crate::args::database::RecoveryPointsArgs;

/// What `recovery-points` prints.
#[derive(Serialize)]
struct Found {
    databases: Vec<RecoveryPoints>,
}

impl Report for Found {
    const KIND: &'static str = "recovery-points";

    fn document(&self) -> Document {
        joined(self.databases.iter())
    }
}

pub(crate) async fn run(global: &GlobalArgs, args: &RecoveryPointsArgs) -> Result<Exit, Failure> {
    let context = RegionLossContext::open(global, args.database.side).await?;
    let settings = &context.settings;
    let databases = chosen(
        settings,
        args.database.side,
        args.database.database.as_ref(),
    )?;
    let dr = context.dr().await?;
    let as_of = args
        .as_of
        .map_or_else(|| AsOf::Now(cli::now()), AsOf::Moment);
    let primary = settings.regions.primary;
    let objective = settings.objectives.rpo_database;
    let mut found = Found {
        databases: Vec::new(),
    };
    for database in &databases {
        let points = recovery_points(&dr, database, primary, objective, as_of)
            .await
            .map_err(|error| Failure::aws("find the recovery points", error))?;
        found.databases.push(points);
    }
    show(global, args.markdown, &found)?;
    let exits = found.databases.iter();
    let exits = exits.map(|points| match points.meets_objective() {
        Some(true) => Exit::Fine,
        None if points.freshest().is_some() => Exit::Unchecked,
        Some(false) | None => Exit::Wrong,
    });
    Ok(exits.collect())
}
