//! The DR environment's root module turned to the DR region's state.

use serde_json::{Value, json};
use state_backend::{RootFailure, RootPlan, SideName};
use terraform::RootModule;

use super::terraform::with_lines;
use super::{EnvironmentRoot, RegionLoss};
use crate::{Check, Host, StepError, Store};

/// What names no root module is nothing to bring up.
pub(super) const NO_ROOT: &str = "the settings name no root module (failover.terraform)";

pub(super) fn root<'r, S, H>(
    of: &'r RegionLoss<'_, S, H>,
) -> Result<Option<&'r EnvironmentRoot>, StepError> {
    match &of.root {
        Ok(root) => Ok(root.as_ref()),
        Err(problem) => Err(StepError::unchecked(problem.clone())),
    }
}

pub(super) fn check<S: Store, H: Host>(of: &RegionLoss<'_, S, H>) -> Result<Check, StepError> {
    Ok(match root(of)? {
        None => Check::NotApplicable(NO_ROOT.to_owned()),
        // It ends alike each time, and what terraform remembers of an earlier init says nothing about the state.
        Some(root) => Check::Todo {
            what: format!("terraform init -reconfigure in {}", root.folder.display()),
            needs_approval: false,
        },
    })
}

pub(super) async fn apply<S: Store, H: Host>(of: &RegionLoss<'_, S, H>) -> Result<(), StepError> {
    let Some(root) = root(of)? else {
        return Ok(());
    };
    let environment = root.terraform.environment();
    let module = RootModule::read(&root.folder, environment).map_err(StepError::wrong)?;
    let plans = RootPlan::all(
        of.settings,
        &root.endpoints,
        SideName::Dr,
        &[module],
        environment,
    );
    let plans = plans.map_err(StepError::refused)?;
    let backend = of.backend().await?;
    let states = backend.failover_plan(of.host.now()).await;
    for plan in plans {
        let turned = match plan.approve_after(states.handover(), true) {
            Ok(approved) => {
                backend
                    .turn_root(&approved, &root.terraform, &of.holder, of.observer)
                    .await
            }
            Err(stays) => *stays,
        };
        if let Some(failed) = turned.failed {
            return Err(not_turned(failed));
        }
    }
    Ok(())
}

/// A root that was not turned, with what helps.
pub(super) fn not_turned(failed: RootFailure) -> StepError {
    let told = with_lines(crate::lease::causes(&failed.error), &failed.terraform);
    let error = StepError::wrong(told);
    let commands: Vec<String> = failed.commands.iter().map(ToString::to_string).collect();
    match commands.is_empty() {
        true => error,
        false => error.hint(commands.join(" or ")),
    }
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
) -> Result<Value, StepError> {
    let Some(root) = root(of)? else {
        return Ok(Value::Null);
    };
    // Which terraform has just taken up, by its own answer.
    let resources = root
        .terraform
        .state_list()
        .await
        .map_err(StepError::wrong)?;
    Ok(json!({"folder": root.folder, "resources": resources.len()}))
}
