//! Staying where the environment was failed over to.

use std::path::Path;

use anyhow::anyhow;
use aws_env::Both;
use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use files::Secrecy;
use report::ShellCommand;
use runbook::{
    Commit, CommitInputs, CommitRequest, Declared, Marker, Mode, OpenRun, PlannedMove, RegionLoss,
    RunId, RunState, S3Store, carry_records, difference, plan_commit, read_run,
};
use settings::{Committed, CommittedError, NewDr, RUNS, Region, Settings, Source};
use tokio::sync::watch;

use super::carry::{carry, tell_chosen};
use super::failback::{ask, object_runs};
use super::failover::{digest_of, settings_digest, versions};
use super::looks::window;
use super::records::{Context, Places, Records, marker};
use crate::args::{CommitArgs, RecordsArgs};
use crate::machine::Machine;

pub(crate) async fn run(
    global: &GlobalArgs,
    args: &CommitArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let machine = Machine::new();
    let context = Context::open(global).await?;
    let places = Places::of(&context, &args.carry.records)?;
    let marker = marker(&places.records).await?;
    let Some(marker) = marker else {
        return Err(not_failed_over());
    };
    let last = read_run(&places.records, &marker.run).await;
    let (last, _) = last.map_err(super::not_opened)?;
    if let Some(why) = marker.contradicts(context.settings.regions) {
        return committed_already(global, args, &context, &last, why).await;
    }
    let to = stays_in(&context.settings, &marker, args.dr)?;
    if let Some(dr) = args.dr {
        not_lost(&context.settings, &last, (to, dr))?;
    }
    let run = RunId::new(&machine);
    let committed = Committed {
        to,
        dr: args.dr.map(|region| NewDr {
            region,
            kms: args.dr_kms.clone(),
            topic: args.dr_topic.clone(),
        }),
        run: run.to_string(),
    };
    let (before, text, means) = rewritten(global, &committed)?;
    if args.print_config {
        cli::print_text(&text);
        return Ok(Exit::Fine);
    }
    let declared = declared(&context, args, to, &machine).await?;
    let request = CommitRequest {
        run,
        settings: &context.settings,
        settings_digest: settings_digest(&context)?,
        committed: &committed,
        means_digest: digest_of(&means)?,
        means: &means,
        difference: difference(&before, &text),
        account: context.account.clone(),
        last: &last,
        declared,
        versions: versions(),
    };
    let plan = plan_commit(request, &machine);
    tell_chosen(&plan, &args.carry)?;
    if args.dry_run {
        cli::print(global, &plan)?;
        return Ok(Exit::Fine);
    }
    super::show(global, &plan)?;
    let question = format!("Make {to} the primary region of {}?", plan.environment);
    let open = super::begin(global, &question, places.records, places.copy, plan).await?;
    let carried = (&args.carry, None);
    Box::pin(carry(global, &context, open, &places.folder, carried, stop)).await
}

fn not_failed_over() -> Failure {
    Failure::new(Exit::Refused, anyhow!("the environment is not failed over")).hint(
        "there is nowhere to stay: `dr-runbook failover` or `dr-runbook failover --mode planned` moves it first",
    )
}

/// Where the environment is, if it may stay there.
fn stays_in(settings: &Settings, marker: &Marker, dr: Option<Region>) -> Result<Region, Failure> {
    match (&settings.unprotected, dr) {
        _ if marker.failed_over => Ok(marker.dr),
        (Some(_), Some(_)) => Ok(marker.primary),
        (Some(why), None) => Err(Failure::new(
            Exit::Refused,
            anyhow!("the environment stays in {} already: {why}", marker.primary),
        )
        .hint("`dr-runbook commit --dr REGION` gives it a DR region")),
        (None, _) => Err(not_failed_over()),
    }
}

/// A region that is lost is not called: neither as the new DR region nor where roles are made.
fn not_lost(
    settings: &Settings,
    last: &RunState,
    (to, dr): (Region, Region),
) -> Result<(), Failure> {
    let left = match settings.unprotected {
        None => settings.regions.primary,
        Some(_) => settings.regions.dr,
    };
    let mut lost = vec![left];
    lost.extend(&last.plan.declared.lost);
    let roles = aws_env::iam_region(to);
    if lost.contains(&dr) {
        let error = anyhow!("{dr} is the region that is left, or was lost");
        return Err(Failure::new(Exit::Refused, error).hint("name another region"));
    }
    if lost.contains(&roles) {
        let error =
            anyhow!("roles are made in {roles}, which is the region that is left, or was lost");
        return Err(Failure::new(Exit::Refused, error).hint(
            "`dr-runbook commit` stays without a DR region; `dr-runbook commit --dr REGION` gives it one once roles can be made",
        ));
    }
    Ok(())
}

/// That the regions serve which the environment has from then on.
async fn declared(
    context: &Context,
    args: &CommitArgs,
    to: Region,
    machine: &Machine,
) -> Result<Declared, Failure> {
    let (here, window) = (context.env.access(to), window(args.window));
    let declared = match args.dr {
        None => Declared::healthy(ask(&here, window, machine).await, cli::now()),
        Some(dr) => {
            let there = context.env.access(dr);
            let (here, there) =
                tokio::join!(ask(&here, window, machine), ask(&there, window, machine));
            Declared::both_healthy(here, there, cli::now())
        }
    };
    declared.map_err(|unhealthy| {
        Failure::new(Exit::Refused, unhealthy).hint("wait, and try again: nothing was changed")
    })
}

/// The text of the settings' file as it is and as it will be, and what that means.
fn rewritten(
    global: &GlobalArgs,
    committed: &Committed,
) -> Result<(String, String, Settings), Failure> {
    let (before, outputs) = cli::settings_text(global)?;
    let source = Source {
        text: &before,
        outputs: &outputs,
    };
    let today = cli::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let (text, means) = committed.rewrite(source, today).map_err(|error| {
        let hint = match &error {
            CommittedError::KeyMissing { .. } => {
                "name a key of the new DR region with --dr-kms ARN"
            }
            CommittedError::OtherRegion { .. } => {
                "keys and topics lie in the region that uses them"
            }
            CommittedError::Refused(_) => {
                "where data may lie is a decision for [residency]: write it down there first"
            }
            _ => "docs/runbooks/commit.md says what is named how",
        };
        Failure::new(Exit::Refused, error).hint(hint)
    })?;
    Ok((before, text, means))
}

/// The mark says that the environment was committed, by other settings than these. Of the run that did it, all that is left is
/// done here: its records go where the new settings look, and this file becomes them.
async fn committed_already(
    global: &GlobalArgs,
    args: &CommitArgs,
    context: &Context,
    last: &RunState,
    why: String,
) -> Result<Exit, Failure> {
    let Some(inputs) = CommitInputs::of(&last.plan) else {
        return Err(Failure::new(Exit::Refused, anyhow!("{why}"))
            .hint("the settings are of another arrangement: take those of now"));
    };
    if !last.status.is_over() {
        let hint = format!(
            "`{}` goes on with it",
            super::resume_command(&last.plan.run)
        );
        let error = anyhow!("run {} is not over", last.plan.run);
        return Err(Failure::new(Exit::Refused, error).hint(hint));
    }
    if args.dr.is_some_and(|dr| {
        inputs
            .committed
            .dr
            .as_ref()
            .is_none_or(|of| of.region != dr)
    }) {
        return Err(Failure::new(Exit::Refused, anyhow!("{why}"))
            .hint("`dr-runbook commit` without options writes the settings of that run; then begin another one"));
    }
    if args.print_config {
        let (_, text, _) = rewritten(global, &inputs.committed)?;
        cli::print_text(&text);
        return Ok(Exit::Fine);
    }
    cli::note(&why);
    if args.dry_run {
        cli::note("what is left is to bring the records along, and to write the settings");
        return Ok(Exit::Fine);
    }
    cli::confirm(global, &format!("Write {} anew?", global.config.display()))?;
    finish(global, context, &args.carry.records, last).await
}

/// What was decided when the run was planned.
fn planned(state: &RunState) -> Result<CommitInputs, Failure> {
    CommitInputs::of(&state.plan).ok_or_else(|| {
        let error = anyhow!("run {} is of another version", state.plan.run);
        Failure::new(Exit::Refused, error).hint("go on with the version that planned it")
    })
}

/// What the settings mean behind a run, by the file of this machine.
pub(super) fn means(global: &GlobalArgs, state: &RunState) -> Result<(String, Settings), Failure> {
    let inputs = planned(state)?;
    let (_, text, means) = rewritten(global, &inputs.committed)?;
    if digest_of(&means)? != inputs.settings {
        let error = anyhow!(
            "{} is not the file that run {} was planned with",
            global.config.display(),
            state.plan.run
        );
        return Err(Failure::new(Exit::Refused, error).hint("bring that one back, and try again"));
    }
    Ok((text, means))
}

/// The steps of a run that commits.
pub(super) fn steps<'a>(
    context: &Context,
    serves: RegionLoss<'a, Records, Machine>,
    means: &'a Settings,
    open: &OpenRun<Records, Machine>,
    folder: &Path,
) -> Result<Commit<'a, Records, Machine>, Failure> {
    let dr = planned(&open.state())?.committed.dr;
    let permit = open.lease().permit();
    let copies = match &dr {
        None => None,
        Some(new) => {
            let both = context.env.both(means.regions.primary, new.region);
            let in_new = context.env.dr_only(new.region);
            let view = || RegionLoss {
                settings: means,
                dr: in_new.under(&permit),
                store: serves.store.clone(),
                host: serves.host.clone(),
                folder: folder.join("new-dr"),
                root: Ok(None),
                hooks: serves.hooks.clone(),
                holder: serves.holder.clone(),
                observer: serves.observer,
            };
            let runs = folder.parent().and_then(Path::parent);
            Some(PlannedMove {
                settings: means,
                both: Both {
                    primary: both.primary.under(&permit),
                    dr: both.dr.under(&permit),
                    global: both.global.under(&permit),
                },
                mode: Mode::Commit,
                target: view(),
                home: view(),
                dr: view(),
                objects: object_runs(runs.unwrap_or(folder))?,
                decisions: runbook::Decisions::default(),
            })
        }
    };
    Ok(Commit {
        serves,
        means,
        kms: dr.and_then(|dr| dr.kms),
        copies,
    })
}

/// Behind the run: its records go where the new settings look, the file becomes them, and a preflight is made by them. Done
/// once more it does what is left.
pub(super) async fn finish(
    global: &GlobalArgs,
    context: &Context,
    records: &RecordsArgs,
    state: &RunState,
) -> Result<Exit, Failure> {
    let (text, means) = means(global, state)?;
    let again = ShellCommand::new("dr-runbook commit");
    let failed = |error: anyhow::Error| {
        Failure::new(Exit::Unchecked, error).hint(format!("`{again}` does what is left"))
    };
    let places = Places::of(context, records)?;
    if let (Records::Bucket(from), None) = (&places.records, &means.unprotected)
        && let Some(bucket) = means.journals()
    {
        let clients = context.env.dr_only(means.regions.dr).region().clients();
        let prefix = format!("{RUNS}{}/", state.plan.environment);
        let to = S3Store::new(clients, bucket.as_str(), prefix);
        let carried = carry_records(from.as_ref(), &to).await;
        let carried = carried.map_err(|error| failed(error.into()))?;
        cli::note(&format!(
            "{} brought to s3://{bucket}",
            report::counted(carried, "record")
        ));
    }
    // What a link leads to is written, and not the link.
    let path = global.config.canonicalize();
    let path = path.map_err(|error| failed(error.into()))?;
    let kept = files::keep_beside(&path).map_err(|error| failed(error.into()))?;
    let written = files::write_file(&path, text.as_bytes(), Secrecy::Public);
    written.map_err(|error| failed(error.into()))?;
    cli::note(&format!(
        "wrote {}; as it was: {}. Commit it where it is kept, for everybody who runs these programs",
        path.display(),
        kept.display()
    ));
    let left = state.plan.primary;
    cli::note(&format!(
        "what was in {left} is still there, and costs: buckets, instances, snapshots. Nothing here has called it"
    ));
    match &means.unprotected {
        Some(why) => {
            cli::note(&format!(
                "unprotected: {why}. `dr-runbook commit --dr REGION` gives it a DR region"
            ));
            Ok(Exit::Fine)
        }
        None => preflight(global, records).await,
    }
}

/// Shows what the next failover lacks. The environment is committed whatever it finds.
async fn preflight(global: &GlobalArgs, records: &RecordsArgs) -> Result<Exit, Failure> {
    let context = Context::unasked(global).await?;
    let places = Places::of(&context, records)?;
    let found = Box::pin(super::preflight::found(global, &context, &places, false)).await?;
    match global.output {
        OutputFormat::Table => cli::print(global, &found)?,
        OutputFormat::Json => cli::tell(&found),
    }
    Ok(Exit::Fine)
}
