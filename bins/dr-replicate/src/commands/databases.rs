//! From settings to the databases and to RDS in the regions that a command needs.

use anyhow::anyhow;
use aws_env::{AwsEnv, DrOnly, RegionAccess, WaiterConfig};
use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use dr::database::{RdsClients, Refusal};
use report::{Document, Lines, Report};
use serde::Serialize;
use settings::{Database, DbIdentifier, Settings};
use tokio::sync::watch;

use crate::args::database::{SideArg, WaiterArgs};

/// What settings say, and the way to AWS.
pub(super) struct DatabaseContext {
    pub(super) settings: Settings,
    env: AwsEnv,
}

/// What settings say, and the way to the DR region alone: for what has to work after the loss of the primary one.
pub(super) struct RegionLossContext {
    pub(super) settings: Settings,
    access: DrOnly,
}

impl RegionLossContext {
    pub(super) async fn open(global: &GlobalArgs, side: SideArg) -> Result<Self, Failure> {
        let settings = load_settings(global, side)?;
        let access = cli::aws_env(Some(&settings))
            .await?
            .dr_only(settings.regions.dr);
        Ok(Self { settings, access })
    }

    /// RDS in the DR region, which answers.
    pub(super) async fn dr(&self) -> Result<RdsClients, Failure> {
        reach(self.access.region()).await
    }
}

impl DatabaseContext {
    pub(super) async fn open(global: &GlobalArgs, side: SideArg) -> Result<Self, Failure> {
        let settings = load_settings(global, side)?;
        let env = cli::aws_env(Some(&settings)).await?;
        Ok(Self { settings, env })
    }

    /// RDS in the DR region, which answers.
    pub(super) async fn dr(&self) -> Result<RdsClients, Failure> {
        reach(&self.env.access(self.settings.regions.dr)).await
    }

    /// RDS in the primary region, which answers.
    pub(super) async fn primary(&self) -> Result<RdsClients, Failure> {
        reach(&self.env.access(self.settings.regions.primary)).await
    }
}

/// The settings, with `dr` as what receives: on the way back that is the primary region, and the source of each database its
/// instance in the DR region.
fn load_settings(global: &GlobalArgs, side: SideArg) -> Result<Settings, Failure> {
    let mut settings = cli::load_settings(global)?;
    cli::residency_notes(&settings);
    if side == SideArg::Primary {
        let regions = settings.regions;
        settings.regions.primary = regions.dr;
        settings.regions.dr = regions.primary;
        let all = settings.databases.iter();
        let turned: Vec<Database> = all.filter_map(Database::turned).collect();
        if turned.is_empty() {
            let hint =
                "add [databases.failback] to it, with what an instance gets in the primary region";
            let error = anyhow!("failed to find a database with a way back in the settings");
            return Err(Failure::new(Exit::Usage, error).hint(hint));
        }
        settings.databases = turned;
    }
    Ok(settings)
}

/// Its identifier in the primary region, by which it is named on the command line in both directions.
fn primary_id(database: &Database, side: SideArg) -> &DbIdentifier {
    match side {
        SideArg::Dr => &database.id,
        SideArg::Primary => &database.dr_id,
    }
}

/// RDS in a region that answers: that is known within seconds, before anything else is tried.
async fn reach(access: &RegionAccess) -> Result<RdsClients, Failure> {
    let reached = access.clients().account_id().await;
    reached.map_err(|error| Failure::aws(&format!("reach {}", access.region()), error))?;
    Ok(RdsClients::new(access))
}

/// The database of this identifier in the primary region, or all of them.
pub(super) fn chosen(
    settings: &Settings,
    side: SideArg,
    wanted: Option<&DbIdentifier>,
) -> Result<Vec<Database>, Failure> {
    let all = &settings.databases;
    let chosen: Vec<Database> = all
        .iter()
        .filter(|database| wanted.is_none_or(|wanted| primary_id(database, side) == wanted))
        .cloned()
        .collect();
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let known: Vec<&str> = all
        .iter()
        .map(|database| primary_id(database, side).as_str())
        .collect();
    Err(match wanted {
        Some(wanted) => unknown(&format!("failed to find database {wanted}"), &known),
        None => unknown("failed to find any database", &known),
    })
}

pub(super) fn unknown(what: &str, known: &[&str]) -> Failure {
    let hint = if known.is_empty() {
        "settings have no [[databases]]".to_owned()
    } else {
        format!("settings have: {}", known.join(", "))
    };
    Failure::new(Exit::Usage, anyhow!("{what} in the settings")).hint(hint)
}

pub(super) fn waiter(args: &WaiterArgs, objective: std::time::Duration) -> WaiterConfig {
    WaiterConfig::every(args.poll, args.deadline.unwrap_or(objective))
}

/// A refusal, as the end of the program.
pub(super) fn refused(refusal: &Refusal) -> Failure {
    let hint = refusal.hint();
    let error = match exit(refusal) {
        Exit::Refused => anyhow!("refused, and nothing was changed: {refusal}"),
        _ => anyhow!("nothing was changed: {refusal}"),
    };
    Failure::new(exit(refusal), error).hint(hint)
}

/// A database that nothing is done for, while the others go on.
#[derive(Serialize)]
pub(super) struct LeftOut {
    database: String,
    why: String,
    hint: String,
    #[serde(skip)]
    exit: Exit,
}

impl LeftOut {
    pub(super) fn new(database: &Database, refusal: &Refusal) -> Self {
        Self {
            database: database.id.to_string(),
            why: refusal.to_string(),
            hint: refusal.hint(),
            exit: exit(refusal),
        }
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    pub(super) fn add_to(&self, document: Document) -> Document {
        document.text(Lines::of([
            format!("{}: {}", self.database, self.why),
            format!("hint: {}", self.hint),
        ]))
    }
}

/// Says of a database that is a cluster what it is, instead of `refusal`. Where RDS does not say, `refusal` stands.
pub(super) async fn by_name(site: &RdsClients, id: &str, refusal: Refusal) -> Refusal {
    match site.refuse_cluster(id).await {
        Ok(Some(cluster)) => cluster,
        Ok(None) | Err(_) => refusal,
    }
}

/// How a refusal ends the program.
fn exit(refusal: &Refusal) -> Exit {
    if refusal.is_configuration() {
        Exit::Usage
    } else if refusal.is_finding() {
        Exit::Wrong
    } else {
        Exit::Refused
    }
}

/// Prints a plan before a question; with JSON only the result is printed.
pub(super) fn show_plan<R: Report>(global: &GlobalArgs, plan: &R) -> Result<(), Failure> {
    match global.output {
        OutputFormat::Table => cli::print(global, plan),
        OutputFormat::Json => Ok(()),
    }
}

/// Prints a result, as Markdown if asked for.
pub(super) fn show<R: Report>(
    global: &GlobalArgs,
    markdown: bool,
    result: &R,
) -> Result<(), Failure> {
    if markdown && global.output == OutputFormat::Table {
        cli::print_text(&result.document().to_markdown());
        return Ok(());
    }
    cli::print(global, result)
}

/// Ends a wait at the first interrupt: whatever is under way goes on in AWS.
pub(super) async fn until_stopped<T>(
    mut stop: watch::Receiver<bool>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        ended = work => ended,
        Ok(_) = stop.wait_for(|stop| *stop) => Err(Failure::new(
            Exit::Interrupted,
            anyhow!("interrupted"),
        )
        .hint("what was begun goes on in AWS; run the same command again to continue")),
    }
}

/// Several results as one.
pub(super) fn joined<'a, R: Report + 'a>(results: impl Iterator<Item = &'a R>) -> Document {
    let mut document = Document::new();
    for result in results {
        document = document.append(result.document());
    }
    document
}
