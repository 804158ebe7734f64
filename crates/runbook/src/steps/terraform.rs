//! The DR environment brought up by Terraform.
//!
//! A plan is applied by the process that has made it, and never again: after a death it is made anew, and a terraform
//! that the dead process had begun is waited for. What one made that was killed before it wrote its state is taken into the
//! state by import blocks. What the run sets is in a file that every later plan reads, so that a plain apply changes nothing.
//!
//! The state's lock is the run's own: a process of the run that goes on takes it away from one that is dead, together with
//! its terraform, and from nobody else.

mod adoption;
mod attempts;
mod control_plane;
mod hold;
mod variables;

use std::path::{Path, PathBuf};

use files::Secrecy;
use futures::FutureExt as _;
use serde_json::{Value, json};
use terraform::{
    Action, All, ChangeCounts, Document, ERRORED_STATE, Event, Plan, PlanOptions, Running,
    Terraform, Transcript, observe,
};
use tokio::sync::{Notify, mpsc};

use self::adoption::{Adoption, ImportFile};
use self::attempts::{Attempts, Note, Progress};
pub(crate) use self::control_plane::{changed_through, is_change};
use self::hold::{Hold, settle_earlier};
pub(crate) use self::variables::{RunVariables, TooManyDatabases, last_part};
use super::backend::{NO_ROOT, root};
use super::{EnvironmentRoot, RegionLoss};
use crate::failover::names;
use crate::store::overwrite;
use crate::{Check, Host, StepContext, StepError, Store};

/// The names of what the step keeps in the run's folder begin with this.
const NAMES: &str = "terraform-";
/// A plan. Each process has one of its own: a terraform that a dead one has begun may write its plan yet.
const PLAN: &str = ".plan";
/// What a terraform tells while it applies.
const TRANSCRIPT: &str = ".jsonl";

impl EnvironmentRoot {
    /// What the run sets. Terraform reads files of this ending by itself.
    fn variables_file(&self) -> String {
        format!("{}.auto.tfvars.json", self.variables)
    }

    /// The same beside the records, for another machine.
    fn variables_copy(&self) -> String {
        format!("{}.tfvars.json", self.variables)
    }
}

pub(super) async fn check<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let Some(root) = root(of)? else {
        return Ok(Check::NotApplicable(NO_ROOT.to_owned()));
    };
    // A run that goes on on another machine finds the folder as it was checked out there.
    let taken_up = hold::plan(of, root)?
        .take_up(&root.terraform)
        .boxed_local()
        .await;
    taken_up.map_err(StepError::unchecked)?;
    let mut attempts = Attempts::of(&context.notes());
    settle_earlier(of, root, &attempts, context).await?;
    attempts.add_transcripts(|name| {
        let path = of.folder.join(name);
        let transcript = Transcript::read(&path);
        transcript.unwrap_or_else(|error| {
            // What of it is not noted either is unknown then, and is asked about.
            tracing::warn!("{} cannot be read: {error}", path.display());
            None
        })
    });
    remove(&of.folder, PLAN);
    ImportFile::remove_left(&root.folder);
    let variables = variables(of, root, context)?;
    files::create_secret_folder(&of.folder).map_err(StepError::unchecked)?;
    let var_file = of.folder.join(root.variables_file());
    files::write_file(&var_file, &variables, Secrecy::Secret).map_err(StepError::unchecked)?;
    let hold = Hold::take(of, root, context).await?;
    let planned = planned(of, root, &var_file, &attempts, context).await;
    hold.release().await?;
    let planned = planned?;
    if let Some(problem) = lost_control_plane(&context.state().plan, &planned.plan) {
        return Err(problem);
    }
    if planned.counts.is_empty() && has(&root.folder.join(root.variables_file()), &variables) {
        return Ok(Check::Done(json!({"changes": 0})));
    }
    Ok(planned.todo(&root.folder, &attempts))
}

/// Terraform would make half of it, and wait for the rest until it gives up.
fn lost_control_plane(run: &crate::Plan, plan: &Plan) -> Option<StepError> {
    let control_plane = aws_env::iam_region(run.primary);
    let is_lost = run.declared.lost.contains(&control_plane);
    let needed = changed_through(&plan.resource_changes, control_plane);
    if !is_lost || needed.is_empty() {
        return None;
    }
    let refused = StepError::refused(format!(
        "{control_plane} is lost, which takes changes of {}: nothing was applied",
        needed.join(", ")
    ));
    Some(refused.hint(
        "what there is of IAM, CloudFront and Route 53 goes on serving, and database, objects and states are in the DR region; \
         take these changes out of the DR environment until that region is back, and `dr-runbook runs resume`",
    ))
}

/// A plan, and what of it comes from an apply that was cut off.
struct Planned {
    plan: Plan,
    counts: ChangeCounts,
    adoption: Adoption,
}

impl Planned {
    fn todo(&self, folder: &Path, attempts: &Attempts) -> Check {
        let counts = self.counts;
        let mut what = format!(
            "terraform apply in {}: {} to add, {} to change, {} to import, {} to destroy",
            folder.display(),
            counts.add,
            counts.change,
            counts.import,
            counts.remove
        );
        let deleted = self.plan.resource_changes.iter();
        let deleted = deleted.filter(|change| change.change.does(&Action::Delete));
        // What this run has made half nobody uses yet; a failover is to end without questions about it.
        let (own, others): (Vec<_>, Vec<_>) = deleted.partition(|change| {
            change.is_tainted()
                && change.change.is_replacement()
                && attempts.has_half_made(&change.address)
        });
        let mut told = |about: &str, addresses: Vec<&str>| {
            let is_any = !addresses.is_empty();
            if is_any {
                what = format!("{what}; {about}: {}", addresses.join(", "));
            }
            is_any
        };
        let addresses = |some: &[&terraform::ResourceChange]| -> Vec<String> {
            some.iter().map(|one| one.address.clone()).collect()
        };
        let (own, others) = (addresses(&own), addresses(&others));
        told("destroyed", others.iter().map(String::as_str).collect());
        told(
            "made anew, since an earlier apply of this run was cut off while it made them",
            own.iter().map(String::as_str).collect(),
        );
        told(
            "taken into the state, since an earlier apply of this run made them",
            self.adoption.imports.keys().map(String::as_str).collect(),
        );
        told(
            "made by an earlier apply of this run, and not to be imported by what is known of them",
            self.adoption.left.iter().map(String::as_str).collect(),
        );
        let is_unknown = told(
            "an earlier apply of this run was killed before it told whether it had made them, so that they may be made twice",
            self.adoption.unknown.iter().map(String::as_str).collect(),
        );
        Check::Todo {
            what,
            needs_approval: !others.is_empty() || is_unknown,
        }
    }
}

/// Plans, and once more with import blocks where a resource would be made that an earlier apply has made.
async fn planned<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    root: &EnvironmentRoot,
    var_file: &Path,
    attempts: &Attempts,
    context: &StepContext<'_>,
) -> Result<Planned, StepError> {
    let terraform = root.terraform.clone().under_own_lock();
    let plan = async || terraform_plan(of, &terraform, var_file, context).await;
    let counts = plan().await.map_err(failed)?;
    let shown = show(&terraform, &plan_file(of), context).await?;
    let mut adoption = Adoption::of(&attempts.orphans(), &shown);
    if adoption.imports.is_empty() {
        return Ok(Planned {
            plan: shown,
            counts,
            adoption,
        });
    }
    let with_imports = loop {
        // Also when none is left: a plan that failed may have been written over the first.
        let imports = ImportFile::write(&root.folder, &adoption.imports)?;
        let again = plan().await;
        drop(imports);
        match again {
            Ok(counts) => break counts,
            // What was looked for by its name, or deleted by somebody meanwhile, is not there: it is made.
            Err(error) if adoption.leave_out_absent(&error) => {}
            Err(error) => return Err(failed(error).hint(import_hint(&adoption))),
        }
    };
    Ok(Planned {
        plan: show(&terraform, &plan_file(of), context).await?,
        counts: with_imports,
        adoption,
    })
}

fn import_hint(adoption: &Adoption) -> String {
    let imports = adoption.imports.iter();
    let commands: Vec<String> = imports
        .map(|(address, id)| {
            let import = report::ShellCommand::new("terraform import");
            import.word(address).word(id).to_string()
        })
        .collect();
    format!(
        "an earlier apply of this run was killed after it had made what is not in the state; take it in by hand ({}) or \
         delete it, and resume the run",
        commands.join(", ")
    )
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let Some(root) = root(of)? else {
        return Ok(());
    };
    let variables = variables(of, root, context)?;
    keep(of, &root.variables_copy(), &variables).await?;
    let target = root.folder.join(root.variables_file());
    if target.exists() && !has(&target, &variables) {
        files::keep_beside(&target).map_err(StepError::unchecked)?;
    }
    files::write_file(&target, &variables, Secrecy::Public).map_err(StepError::unchecked)?;
    let hold = Hold::take(of, root, context).await?;
    let applied = terraform_apply(of, root, context).await;
    // It was applied, or never will be.
    remove(&of.folder, PLAN);
    let released = hold.release().await;
    applied?;
    released
}

/// Applies the plan that was agreed to, which this process has made: each check makes a new one.
async fn terraform_apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    root: &EnvironmentRoot,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let plan = plan_file(of);
    let terraform = root.terraform.clone().under_own_lock();
    let shown = show(&terraform, &plan, context).await?;
    let creates = shown.resource_changes.iter();
    let creates = creates.filter(|change| change.change.actions == [Action::Create]);
    let transcript = format!("{NAMES}{:016x}{TRANSCRIPT}", of.host.random());
    let path = std::path::absolute(of.folder.join(&transcript)).map_err(StepError::unchecked)?;
    let prepared = terraform.prepare_apply(&plan, hold::PATIENCE, Some(&path));
    let prepared = prepared.await;
    let prepared = prepared.map_err(failed)?;
    let began = Note::Began {
        child: prepared.id(),
        machine: of.host.holder().machine.clone(),
        transcript,
        creates: creates.map(|change| change.address.clone()).collect(),
    };
    // From here on whoever goes on with the run knows the process.
    context.note(json!(began)).await?;
    let running = prepared.go().await.map_err(failed)?;
    let finished = finish(of, running, context).await;
    let was_killed = finished.as_ref().is_err_and(terraform::Error::was_killed);
    let wrote_state = !was_killed && !root.folder.join(ERRORED_STATE).exists();
    context.note(json!(Note::Ended { wrote_state })).await?;
    finished.map_err(failed)
}

/// Waits for terraform, and writes down meanwhile what it makes.
async fn finish<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    running: Running,
    context: &StepContext<'_>,
) -> Result<(), terraform::Error> {
    let grace = running.grace();
    let (sender, mut events) = mpsc::unbounded_channel::<Event>();
    let unwritten = Notify::new();
    let stop = async {
        tokio::select! {
            () = context.stopped() => {}
            () = unwritten.notified() => {}
        }
        of.observer.waiting(
            "terraform",
            &format!(
                "it ends what is under way; unless it does within {}, it is killed",
                report::duration(grace)
            ),
        );
    };
    let finishing = running.finish(stop, move |event| {
        observe(event, of.observer);
        // Nobody reads any more only when noting has failed.
        let _ = sender.send(event.clone());
    });
    let noting = async {
        while let Some(event) = events.recv().await {
            let mut progress = Progress::default();
            let mut is_news = progress.add(&event);
            while let Ok(event) = events.try_recv() {
                is_news |= progress.add(&event);
            }
            if is_news && let Err(error) = context.note(json!(Note::Progress(progress))).await {
                // Nothing more is to be made that nobody writes down.
                tracing::warn!(
                    "terraform is interrupted: {}",
                    crate::lease::causes(&*error.source)
                );
                unwritten.notify_one();
                break;
            }
        }
    };
    let (finished, ()) = tokio::join!(finishing, noting);
    finished.map(|_| ())
}

/// What only reads: when the run is to stop it is left, and its watchdog ends it.
async fn unless_stopped<T>(
    reading: impl Future<Output = Result<T, terraform::Error>>,
    context: &StepContext<'_>,
) -> Result<T, StepError> {
    tokio::select! {
        read = reading => read.map_err(failed),
        () = context.stopped() => Err(StepError::interrupted()),
    }
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let Some(root) = root(of)? else {
        return Ok(Value::Null);
    };
    let resources = unless_stopped(root.terraform.state_list(), context).await?;
    // What an apply made that was cut off is in the state by now.
    remove(&of.folder, TRANSCRIPT);
    Ok(json!({"resources": resources.len()}))
}

/// What failed, and terraform's own words about it.
pub(super) fn with_lines(what: String, last: &[String]) -> String {
    match last.is_empty() {
        true => what,
        false => format!("{what}: {}", last.join("\n")),
    }
}

fn failed(error: terraform::Error) -> StepError {
    let was_killed = error.was_killed();
    let last = error.last_lines();
    let error = StepError::wrong(with_lines(crate::lease::causes(&error), &last));
    match was_killed {
        true => error.hint("`dr-runbook runs resume` looks for what it has made, and plans anew"),
        false => error,
    }
}

/// The plan of this process.
pub(super) fn plan_file<S, H: Host>(of: &RegionLoss<'_, S, H>) -> PathBuf {
    let holder = of.host.holder();
    let started = holder.started_ticks.unwrap_or_default();
    of.folder
        .join(format!("{NAMES}{}-{started}{PLAN}", holder.pid))
}

/// Removes what the step keeps with this ending: it may hold secrets.
fn remove(folder: &Path, ending: &str) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(NAMES)
            && name.ends_with(ending)
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!("{} is left: {error}", entry.path().display());
        }
    }
}

/// What the run sets.
fn variables<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    root: &EnvironmentRoot,
    context: &StepContext<'_>,
) -> Result<Vec<u8>, StepError> {
    let state = context.state();
    let steps = state.plan.steps.iter();
    let restored: Vec<String> = steps
        .filter(|step| step.id.kind() == names::RESTORE)
        .filter_map(|step| Some(state.result(&step.id)?.get("target")?.as_str()?.to_owned()))
        .collect();
    let run = last_part(&state.plan.run);
    let set = RunVariables::new(&of.settings.failover, &run, &restored);
    let set = set.map_err(|error| StepError::refused(error).hint(TooManyDatabases::HINT))?;
    let despite = state.plan.residency.despite.as_deref();
    let set = set.despite_residency(despite, &root.folder);
    set.to_file().map_err(StepError::wrong)
}

/// Keeps what the run sets where another machine finds it.
async fn keep<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    copy: &str,
    variables: &[u8],
) -> Result<(), StepError> {
    let store = &of.store;
    let written = overwrite(store, copy, variables).await;
    match written.map_err(StepError::unchecked)? {
        true => Ok(()),
        false => Err(StepError::unchecked(format!(
            "{} is written by somebody else at this moment",
            store.place(copy)
        ))),
    }
}

fn has(path: &Path, bytes: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|there| there == bytes)
}

async fn terraform_plan<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    terraform: &Terraform,
    var_file: &Path,
    context: &StepContext<'_>,
) -> Result<ChangeCounts, terraform::Error> {
    let options = PlanOptions {
        var_files: vec![var_file.to_owned()],
        ..PlanOptions::default()
    };
    let running = terraform.plan(&plan_file(of), &options).await?;
    let finished = running.finish(context.stopped(), |event| observe(event, of.observer));
    Ok(finished.await?.changes.unwrap_or_default())
}

async fn show(
    terraform: &Terraform,
    plan: &Path,
    context: &StepContext<'_>,
) -> Result<Plan, StepError> {
    match unless_stopped(terraform.show::<All>(Some(plan)), context).await? {
        Document::Plan(plan) => Ok(*plan),
        Document::State(_) => Err(StepError::wrong("terraform shows no plan")),
    }
}

#[cfg(test)]
mod tests {
    use terraform::ChildId;

    use super::*;

    fn deletion(address: &str, reason: Option<&str>, actions: &[&str]) -> Value {
        json!({"address": address, "mode": "managed", "type": "aws_eip", "name": "x", "action_reason": reason,
               "change": {"actions": actions}})
    }

    fn todo(changes: &[Value]) -> Check {
        let plan =
            json!({"format_version": "1.2", "planned_values": {}, "resource_changes": changes});
        let Document::Plan(plan) = Document::parse(plan.to_string().as_bytes()).unwrap() else {
            panic!("it has changes");
        };
        let began = Note::Began {
            child: ChildId {
                pid: 7,
                started_ticks: None,
            },
            machine: "here".to_owned(),
            transcript: "t".to_owned(),
            creates: ["aws_eip.own".to_owned()].into(),
        };
        let attempts = Attempts::of(&[json!(began), json!(Note::Ended { wrote_state: true })]);
        let counts = ChangeCounts {
            remove: changes.len(),
            ..ChangeCounts::default()
        };
        let planned = Planned {
            plan: *plan,
            counts,
            adoption: Adoption::default(),
        };
        planned.todo(Path::new("dr"), &attempts)
    }

    fn needs_approval(changes: &[Value]) -> bool {
        match todo(changes) {
            Check::Todo { needs_approval, .. } => needs_approval,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn todo_asks_before_all_that_is_destroyed_but_what_this_run_has_half_made() {
        let replace = &["delete", "create"][..];
        let tainted = Some("replace_because_tainted");
        assert!(!needs_approval(&[]));
        assert!(!needs_approval(&[deletion(
            "aws_eip.own",
            tainted,
            replace
        )]));
        for other in [
            deletion("aws_eip.own", tainted, &["delete"]),
            deletion(
                "aws_eip.own",
                Some("replace_because_cannot_update"),
                replace,
            ),
            deletion("aws_eip.own", None, replace),
            deletion("aws_eip.older", tainted, replace),
            deletion("aws_eip.own", None, &["delete"]),
        ] {
            assert!(needs_approval(std::slice::from_ref(&other)), "{other}");
            let both = [deletion("aws_eip.own", tainted, replace), other.clone()];
            assert!(needs_approval(&both), "{other}");
        }
    }

    #[test]
    fn remove_takes_only_what_the_step_keeps() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "terraform-7-1.plan",
            "terraform-a.jsonl",
            "run.html",
            "x.plan",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        remove(folder.path(), PLAN);
        let left = std::fs::read_dir(folder.path()).unwrap().flatten();
        let mut left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["run.html", "terraform-a.jsonl", "x.plan"]);
    }
}
