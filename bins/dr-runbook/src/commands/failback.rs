//! The way back.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use aws_env::{Both, DrOnly, RegionAccess};
use cli::{Exit, Failure, GlobalArgs};
use dr::objects::JournalKey;
use files::Secrecy;
use runbook::{
    Decisions, Declared, EnvironmentRoot, Evidence, FailbackRequest, LossWindow, Mode, ObjectRuns,
    OpenRun, PlannedMove, RegionLoss, RunId, RunState, TurnedSettings, keep_decisions, not_known,
    plan_failback, read_decisions, read_run,
};
use tokio::sync::watch;

use super::carry::{carry, tell_chosen};
use super::failover::{current, settings_digest, versions};
use super::looks::{asking, window};
use super::records::{Context, Places, Records, marker};
use crate::args::FailbackArgs;
use crate::machine::Machine;

/// Copies of objects under way at once.
const CONCURRENCY: usize = 32;
/// Two million keys of 128 bytes.
const LARGEST_DECISIONS: u64 = 256 << 20;

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &FailbackArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let machine = Machine::new();
    let context = Context::open(global).await?;
    let places = Places::of(&context, &args.carry.records)?;
    context.protected(Exit::Refused)?;
    let failover = failover(&context, &places.records).await?;
    let both = both(&context);
    let declared = declared(&both, args.window, &machine).await?;
    // The way back from a drill is one as well.
    let declared = declared.as_exercise(failover.plan.declared.exercise);
    let text = match &args.decisions.conflicts {
        Some(path) => decisions_text(path)?,
        None => String::new(),
    };
    let decisions = decisions(&text)?;
    let objects = object_runs(&places.folder)?;
    let request = FailbackRequest {
        settings: &context.settings,
        settings_digest: settings_digest(&context)?,
        account: context.account.clone(),
        declared,
        failover: &failover,
        objects: &objects,
        decisions: &decisions,
        versions: versions(),
    };
    let plan = Box::pin(plan_failback(request, &both, &machine)).await;
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
                .hint("the DR region serves: run the same command again"),
        );
    }
    let question = format!("Bring {} back to {}?", plan.environment, plan.primary);
    let open = super::begin(global, &question, places.records, places.copy, plan).await?;
    Box::pin(carry(
        global,
        &context,
        open,
        &places.folder,
        (&args.carry, args.decisions.conflicts.as_deref()),
        stop,
    ))
    .await
}

/// The run that brought the environment to the DR region.
async fn failover(context: &Context, records: &Records) -> Result<RunState, Failure> {
    let marker = marker(records).await?;
    current(context, marker.as_ref())?;
    let Some(marker) = marker.filter(|marker| marker.failed_over) else {
        return Err(
            Failure::new(Exit::Refused, anyhow!("the environment is not failed over"))
                .hint("there is nothing to bring back: `dr-runbook runs list` shows what was done"),
        );
    };
    let run = read_run(records, &marker.run).await;
    let (run, _) = run.map_err(super::not_opened)?;
    match run.plan.mode {
        Mode::RegionLoss | Mode::Planned => Ok(run),
        Mode::Failback | Mode::Undo | Mode::Commit => Err(Failure::new(
            Exit::Wrong,
            anyhow!(
                "run {} has marked the environment as failed over, and is no failover",
                marker.run
            ),
        )),
    }
}

pub(super) fn both(context: &Context) -> Both {
    let regions = context.settings.regions;
    context.env.both(regions.primary, regions.dr)
}

/// What a region shows that is to serve.
pub(super) async fn ask(region: &RegionAccess, window: LossWindow, machine: &Machine) -> Evidence {
    cli::note(&asking(&[region.region()], window, false));
    Evidence::gather_health(region, window, machine).await
}

/// Decides whether the primary region serves, by every look at it.
async fn declared(both: &Both, wanted: Duration, machine: &Machine) -> Result<Declared, Failure> {
    let evidence = ask(&both.primary, window(wanted), machine).await;
    Declared::healthy(evidence, cli::now()).map_err(|unhealthy| {
        Failure::new(Exit::Refused, unhealthy)
            .hint("a region that comes and goes is none to go back to: wait, and try again")
    })
}

/// Where runs that copy objects keep their journals, and the key of those, made where there is none.
pub(super) fn object_runs(folder: &Path) -> Result<ObjectRuns, Failure> {
    let folder = folder.join("objects");
    let failed = |error: files::FileError| Failure::new(Exit::Unchecked, error);
    files::create_secret_folder(&folder).map_err(failed)?;
    let path = folder.join("journal.key");
    let made = JournalKey::new(rand::random());
    match files::write_new_file(&path, made.to_text().as_bytes(), Secrecy::Secret) {
        Ok(()) | Err(files::FileError::Exists { .. }) => {}
        Err(error) => return Err(failed(error)),
    }
    let text = files::read_limited(&path, 1 << 10).map_err(failed)?;
    let key = JournalKey::parse(&String::from_utf8_lossy(&text));
    let key = key.map_err(|error| {
        Failure::new(
            Exit::Usage,
            anyhow::Error::new(error).context(format!("failed to use {}", path.display())),
        )
    })?;
    Ok(ObjectRuns {
        folder,
        key,
        concurrency: CONCURRENCY,
    })
}

fn decisions_text(path: &Path) -> Result<String, Failure> {
    let bytes = files::read_limited(path, LARGEST_DECISIONS)
        .map_err(|error| Failure::new(Exit::Usage, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("failed to read {}", path.display()));
        Failure::new(Exit::Usage, error)
    })
}

fn decisions(text: &str) -> Result<Decisions, Failure> {
    Decisions::parse(text).map_err(|error| {
        Failure::new(Exit::Usage, error)
            .hint("the list of what is undecided has a line for each, with `keep` left empty")
    })
}

/// What was decided is kept beside the records of the run, for whoever goes on with it.
async fn kept_decisions(
    records: &Records,
    run: &RunId,
    given: Option<&Path>,
) -> Result<Decisions, Failure> {
    let failed = |error| Failure::new(Exit::Unchecked, error);
    let text = match given {
        Some(path) => {
            let text = decisions_text(path)?;
            decisions(&text)?;
            keep_decisions(records, run, &text).await.map_err(failed)?;
            text
        }
        None => read_decisions(records, run).await.map_err(failed)?,
    };
    decisions(&text)
}

/// What the steps of a planned move are made of.
pub(super) struct Way<'a> {
    pub(super) context: &'a Context,
    pub(super) turned: &'a TurnedSettings,
    /// Where the run keeps what belongs to it on this machine.
    pub(super) folder: &'a Path,
    /// The root module of the primary environment, on the way back.
    pub(super) root: Result<Option<EnvironmentRoot>, String>,
}

impl<'a> Way<'a> {
    /// The steps, of which `dr` does those in the DR region.
    pub(super) async fn steps(
        self,
        dr: RegionLoss<'a, Records, Machine>,
        open: &OpenRun<Records, Machine>,
        conflicts: Option<&Path>,
    ) -> Result<PlannedMove<'a, Records, Machine>, Failure> {
        let settings = &self.context.settings;
        let permit = open.lease().permit();
        let both = both(self.context);
        let runs = self.folder.parent().and_then(Path::parent);
        let mode = open.state().plan.mode;
        let primary = self.context.env.dr_only(settings.regions.primary);
        let (target, receiving) = match mode {
            Mode::Failback => (&self.turned.primary, &primary),
            _ => (settings, &self.context.dr),
        };
        let home = match mode {
            Mode::Planned => &self.turned.brought_up,
            _ => &self.turned.pilot_light,
        };
        let view = |settings, region: &DrOnly, root, folder| RegionLoss {
            settings,
            dr: region.under(&permit),
            store: dr.store.clone(),
            host: dr.host.clone(),
            folder: self.folder.join(folder),
            root,
            hooks: dr.hooks.clone(),
            holder: dr.holder.clone(),
            observer: dr.observer,
        };
        Ok(PlannedMove {
            settings,
            both: Both {
                primary: both.primary.under(&permit),
                dr: both.dr.under(&permit),
                global: both.global.under(&permit),
            },
            mode,
            target: view(target, receiving, self.root, "primary"),
            home: view(home, &primary, dr.root.clone(), "pilot-light"),
            dr,
            objects: object_runs(runs.unwrap_or(self.folder))?,
            decisions: kept_decisions(open.store(), &open.state().plan.run, conflicts).await?,
        })
    }
}
