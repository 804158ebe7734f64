//! The DR environment brought up by Terraform.
//!
//! A plan is applied by the process that has made it, and never again: after a death it is made anew, and a terraform
//! that the dead process had begun is waited for. What the run sets is in a file that every later plan reads, so that a
//! plain apply changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use files::Secrecy;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use terraform::{
    Action, All, ChangeCounts, ChildId, Document, Plan, PlanOptions, Terraform, observe,
};
use tokio::time::sleep;

use super::backend::{NO_ROOT, root};
use super::{DrRoot, RegionLoss};
use crate::failover::{RestoreInputs, names};
use crate::store::overwrite;
use crate::{Check, Host, StepContext, StepError, Store};

/// What a failover sets. Terraform reads files of this ending by itself.
const VARIABLES: &str = "failover.auto.tfvars.json";
/// The same beside the records, for another machine.
const COPY: &str = "failover.tfvars.json";
const PLAN: &str = "terraform.plan";
/// How often it is looked whether the terraform of a dead process has ended.
const EVERY: Duration = Duration::from_secs(1);
/// A lock that somebody else holds is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(120);

/// What is on record before terraform changes anything.
#[derive(Debug, Serialize, Deserialize)]
struct Began {
    child: ChildId,
    machine: String,
}

pub(super) async fn check<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let Some(root) = root(of)? else {
        return Ok(Check::NotApplicable(NO_ROOT.to_owned()));
    };
    await_earlier(of, context).await?;
    let variables = variables(of, context)?;
    files::create_secret_folder(&of.folder).map_err(StepError::unchecked)?;
    let var_file = of.folder.join(VARIABLES);
    files::write_file(&var_file, &variables, Secrecy::Secret).map_err(StepError::unchecked)?;
    let (plan, counts) = plan(of, root, &var_file, context).await?;
    let destroyed: Vec<&str> = changed(&plan, &Action::Delete);
    if counts.is_empty() && has(&root.folder.join(VARIABLES), &variables) {
        return Ok(Check::Done(json!({"changes": 0})));
    }
    let mut what = format!(
        "terraform apply in {}: {} to add, {} to change, {} to import, {} to destroy",
        root.folder.display(),
        counts.add,
        counts.change,
        counts.import,
        counts.remove
    );
    if !destroyed.is_empty() {
        what = format!("{what} ({})", destroyed.join(", "));
    }
    Ok(Check::Todo {
        what,
        needs_approval: !destroyed.is_empty(),
    })
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let Some(root) = root(of)? else {
        return Ok(());
    };
    let variables = variables(of, context)?;
    keep(of, &variables).await?;
    let target = root.folder.join(VARIABLES);
    if target.exists() && !has(&target, &variables) {
        files::keep_beside(&target).map_err(StepError::unchecked)?;
    }
    files::write_file(&target, &variables, Secrecy::Public).map_err(StepError::unchecked)?;
    // The plan that was agreed to, by this process; each check makes a new one.
    let plan = of.folder.join(PLAN);
    let running = root.terraform.apply(&plan, LOCK_TIMEOUT).await;
    let running = running.map_err(failed)?;
    let began = Began {
        child: running.id(),
        machine: of.host.holder().machine.clone(),
    };
    context.note(json!(began)).await?;
    let finished = running.finish(context.stopped(), |event| observe(event, of.observer));
    finished.await.map_err(failed)?;
    Ok(())
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
) -> Result<Value, StepError> {
    let Some(root) = root(of)? else {
        return Ok(Value::Null);
    };
    let resources = root.terraform.state_list().await.map_err(failed)?;
    // It holds values of variables, and is of no use any more.
    let plan = of.folder.join(PLAN);
    if plan.exists() {
        std::fs::remove_file(&plan).map_err(StepError::unchecked)?;
    }
    Ok(json!({"resources": resources.len()}))
}

fn failed(error: terraform::Error) -> StepError {
    let last = error.last_lines();
    let mut told = vec![crate::lease::causes(&error)];
    told.extend(last);
    StepError::wrong(told.join("\n"))
}

/// Waits for a terraform that an earlier attempt of this machine began: it writes its state and gives its lock back. One
/// of another machine holds the state's lock, which is waited for.
async fn await_earlier<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    for note in context.notes() {
        let Ok(began) = Began::deserialize(&note) else {
            continue;
        };
        while began.machine == of.host.holder().machine && began.child.is_running() == Some(true) {
            let label = "terraform of the attempt before";
            of.observer
                .waiting(label, &format!("process {} ends", began.child.pid));
            tokio::select! {
                () = sleep(EVERY) => {}
                () = context.stopped() => return Err(StepError::interrupted()),
            }
        }
    }
    Ok(())
}

/// What a failover sets.
fn variables<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Vec<u8>, StepError> {
    let state = context.state();
    let failover = &of.settings.failover;
    let mut set: BTreeMap<&str, Value> = BTreeMap::new();
    for (name, value) in &failover.variables {
        set.insert(name, json!(value));
    }
    let steps = state.plan.steps.iter();
    let restored: Vec<String> = steps
        .filter(|step| step.id.kind() == names::RESTORE && state.result(&step.id).is_some())
        .filter_map(|step| RestoreInputs::deserialize(&step.inputs).ok())
        .map(|inputs| inputs.plan.target)
        .collect();
    match (&failover.restored_database, restored.as_slice()) {
        (Some(variable), [one]) => {
            set.insert(variable, json!(one));
        }
        (Some(variable), [_, _, ..]) => {
            return Err(StepError::refused(format!(
                "the variable {variable} takes one database, and {} were restored",
                restored.join(", ")
            ))
            .hint("take failover.restored_database out of the settings, and import them in the root module"));
        }
        _ => {}
    }
    serde_json::to_vec_pretty(&set).map_err(StepError::wrong)
}

/// Keeps what the run sets where another machine finds it.
async fn keep<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    variables: &[u8],
) -> Result<(), StepError> {
    let store = &of.store;
    let written = overwrite(store, COPY, variables).await;
    match written.map_err(StepError::unchecked)? {
        true => Ok(()),
        false => Err(StepError::unchecked(format!(
            "{} is written by somebody else at this moment",
            store.place(COPY)
        ))),
    }
}

fn has(path: &Path, bytes: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|there| there == bytes)
}

async fn plan<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    root: &DrRoot,
    var_file: &Path,
    context: &StepContext<'_>,
) -> Result<(Plan, ChangeCounts), StepError> {
    let out: PathBuf = of.folder.join(PLAN);
    let terraform: &Terraform = &root.terraform;
    let options = PlanOptions {
        var_files: vec![var_file.to_owned()],
        lock_timeout: LOCK_TIMEOUT,
        ..PlanOptions::default()
    };
    let running = terraform.plan(&out, &options).await.map_err(failed)?;
    let finished = running.finish(context.stopped(), |event| observe(event, of.observer));
    let counts = finished.await.map_err(failed)?.changes.unwrap_or_default();
    match terraform.show::<All>(Some(&out)).await.map_err(failed)? {
        Document::Plan(plan) => Ok((*plan, counts)),
        Document::State(_) => Err(StepError::wrong("terraform shows no plan")),
    }
}

fn changed<'p>(plan: &'p Plan, action: &Action) -> Vec<&'p str> {
    let changes = plan.resource_changes.iter();
    let changes = changes.filter(|change| change.change.does(action));
    changes.map(|change| change.address.as_str()).collect()
}
