pub(super) mod cost;
mod init;
mod protection;
mod report;

use std::path::PathBuf;

use ::report::finding::Status;
use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, Progress};
use evidence::drift::{Drift, Rules};
use jiff::Timestamp;
use terraform::{
    All, Deployment, Document, Plan, PlanOptions, PlanReview, PlannedDeployment, StateVersion,
    observe,
};
use tokio::sync::watch;

use super::context::{Context, stopped};
use super::{failure, root};
use crate::args::plan::{PlanArgs, RunsArgs};
use crate::args::root::RootArgs;

pub(super) use protection::{protected, protects};
pub(super) use report::{Planned, abroad};

pub(super) async fn run(
    global: &GlobalArgs,
    args: &PlanArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let context = Context::open(global, &args.root.folder, &args.runs).await?;
    let pricing = cost::Pricing::new(&args.limit)?;
    let request = Request {
        root: &args.root,
        runs: &args.runs,
        destroys_all: false,
    };
    let planned = make(&context, request, &pricing, stop).await?;
    match args.markdown {
        true => cli::print_text(&::report::Report::document(&planned).to_markdown()),
        false => cli::print(global, &planned)?,
    }
    let changes = match args.fail_on_changes && planned.has_changes() {
        true => Exit::Wrong,
        false => Exit::Fine,
    };
    Ok(changes.worst(planned.exit()))
}

/// What is to be planned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) root: &'a RootArgs,
    pub(super) runs: &'a RunsArgs,
    pub(super) destroys_all: bool,
}

/// Makes a plan and keeps it, after everything that can be looked at before.
pub(super) async fn make(
    context: &Context,
    request: Request<'_>,
    pricing: &cost::Pricing,
    stop: watch::Receiver<bool>,
) -> Result<Planned, Failure> {
    values_are_good(request.root, context)?;
    nothing_is_left(context)?;
    let at = cli::now();
    // In the order of their names, also those of one second.
    let id = format!(
        "{}-{:04x}",
        at.strftime("%Y%m%dT%H%M%S.%3fZ"),
        rand::random::<u16>()
    );
    let deployment = Deployment::create(&context.runs.join(&id));
    let deployment = deployment.map_err(|error| failure::record(error.into()))?;
    let made = made_in(context, request, pricing, stop, &deployment, (id, at)).await;
    if made.is_err()
        && let Err(error) = deployment.abandon()
    {
        cli::note(&format!("what was begun is still there: {error}"));
    }
    made
}

/// The plan in the folder that was made for it.
async fn made_in(
    context: &Context,
    request: Request<'_>,
    pricing: &cost::Pricing,
    stop: watch::Receiver<bool>,
    deployment: &Deployment,
    (id, at): (String, Timestamp),
) -> Result<Planned, Failure> {
    let progress = Progress::on_terminal();
    init::init(context, deployment, &progress, stop.clone()).await?;
    let unformatted = unformatted(context).await?;
    validate(context).await?;
    let state = context.terraform.state_pull().await;
    let state = state.map_err(|error| context.failed("read the state", error))?;
    let state = state.as_deref().and_then(StateVersion::of);
    let var_files = var_files(request.root)?;
    let options = PlanOptions {
        var_files: var_files.clone(),
        destroy: request.destroys_all,
        lock_timeout: request.runs.lock_timeout,
        ..PlanOptions::default()
    };
    let path = deployment.plan_path();
    let running = context.terraform.plan(&path, &options).await;
    let running = running.map_err(|error| context.failed("plan", error))?;
    let finished = running
        .finish(stopped(stop), |event| observe(event, &progress))
        .await;
    finished.map_err(|error| context.failed("plan", error))?;
    let json = context.terraform.show_json(Some(&path)).await;
    let json = json.map_err(|error| context.failed("read the plan", error))?;
    let plan = parsed(&json)?;
    let digest = deployment.digest();
    let planned = PlannedDeployment {
        id,
        at,
        by: cli::operator(),
        environment: context.settings.environment.to_string(),
        root: context.root.clone(),
        workspace: context.module()?.workspace,
        var_files,
        digest: digest.map_err(|error| failure::record(error.into()))?,
        terraform: context.terraform.version().to_string(),
        state,
        destroys_all: request.destroys_all,
        review: PlanReview::new(&plan),
    };
    deployment.record(&planned).map_err(failure::record)?;
    let today = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let drift = Drift::of_plan(&planned.id, &json, &Rules::default(), today);
    Ok(Planned::new(
        planned,
        unformatted,
        drift.ok(),
        pricing.price(&json, &context.settings),
        protected(&plan, &context.settings),
        &context.settings.residency,
        today,
    ))
}

/// Refuses values of which it is known that terraform or AWS would.
fn values_are_good(args: &RootArgs, context: &Context) -> Result<(), Failure> {
    let findings = root::judge_values(args, &context.settings);
    let wrong: Vec<_> = findings
        .iter()
        .filter(|finding| finding.status == Status::Wrong)
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let lines = wrong.iter().map(|finding| {
        let seen = [finding.seen.as_deref(), finding.reason.as_deref()];
        let seen: Vec<&str> = seen.into_iter().flatten().collect();
        format!("{}: {}", finding.resource, seen.join(": "))
    });
    let lines: Vec<String> = lines.collect();
    let error = anyhow!(lines.join("\n")).context("failed to accept the values of variables");
    let fixes = wrong.iter().filter_map(|finding| finding.fix.clone());
    Err(fixes.fold(Failure::new(Exit::Usage, error), Failure::hint))
}

/// Refuses to plan beside an apply, or from a state that is not the last one.
fn nothing_is_left(context: &Context) -> Result<(), Failure> {
    let errored = context.root.join(terraform::ERRORED_STATE);
    if errored.exists() {
        let error = anyhow!(
            "{} is the state of an apply that could not write it: what is there is not known to the backend",
            errored.display()
        );
        return Err(Failure::new(Exit::Refused, error)
            .hint("`deploy-staging resume` looks at both and pushes it"));
    }
    for (deployment, planned) in context.deployments()? {
        let state = deployment
            .state(&context.machine)
            .map_err(failure::record)?;
        if state.standing == terraform::Standing::Applying {
            let error = anyhow!("{} is being applied by this machine", planned.id);
            return Err(Failure::new(Exit::Refused, error)
                .hint("`deploy-staging status` shows where it is"));
        }
    }
    Ok(())
}

/// Files that `terraform fmt` would change. It is told, and stops nothing.
async fn unformatted(context: &Context) -> Result<Vec<String>, Failure> {
    let files = context.terraform.fmt_check().await;
    let files = files.map_err(|error| context.failed("look at the form of the code", error))?;
    Ok(files
        .iter()
        .map(|file| file.display().to_string())
        .collect())
}

async fn validate(context: &Context) -> Result<(), Failure> {
    let validation = context.terraform.validate().await;
    let validation = validation.map_err(|error| context.failed("validate the code", error))?;
    if validation.valid {
        return Ok(());
    }
    let errors = validation.diagnostics.iter().filter(|one| one.is_error());
    let lines = errors.map(|one| {
        let place = one.range.as_ref().map(|range| {
            let line = range.start.line;
            format!("{}:{line}: ", range.filename)
        });
        let line = format!("{}{}", place.unwrap_or_default(), one.summary);
        failure::redacted(&context.environment, &line)
    });
    let lines: Vec<String> = lines.collect();
    let error = anyhow!(lines.join("\n")).context("failed to accept the code");
    Err(Failure::new(Exit::Usage, error)
        .hint("`terraform validate` in the environment's folder says it at length"))
}

fn var_files(args: &RootArgs) -> Result<Vec<PathBuf>, Failure> {
    let absolute = args.var_file.iter().map(|path| {
        path.canonicalize().map_err(|error| {
            let error = anyhow!("cannot read {}: {error}", path.display());
            Failure::new(Exit::Usage, error)
        })
    });
    absolute.collect()
}

/// The plan of `terraform show -json`.
pub(super) fn parsed(json: &[u8]) -> Result<Plan, Failure> {
    match Document::<All>::parse(json) {
        Ok(Document::Plan(plan)) => Ok(*plan),
        Ok(Document::State(_)) => Err(Failure::new(
            Exit::Unchecked,
            anyhow!("terraform shows a state where the plan was asked for"),
        )),
        Err(error) => Err(Failure::new(Exit::Unchecked, error)),
    }
}
