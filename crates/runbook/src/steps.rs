//! The steps of a failover after the loss of a region. Each works with what reaches the DR region alone.

mod backend;
pub(crate) mod commit;
pub(crate) mod consistency;
mod declare;
mod fence;
pub(crate) mod hook;
mod manifest;
mod pin;
pub(crate) mod planned;
mod report;
mod restore;
pub(crate) mod secrets;
mod state;
mod terraform;
mod traffic;
mod verify;

use std::fmt;
use std::path::PathBuf;

use ::report::Observer;
use aws_env::{DrOnly, Endpoints};
use dr::database::{RdsClients, RunName};
use dr::objects::Pairing;
use futures::FutureExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use settings::Settings;
use state_backend::{DrBackend, LockHolder};

pub use self::commit::Commit;
pub use self::declare::{MARKER, Marker};
pub use self::hook::HookPlace;
pub use self::planned::{ObjectRuns, PlannedMove};
pub use self::report::{Clocks, DataKind, DatabaseLoss, KindLoss, RunReport};
pub(crate) use self::report::{FOLDER as REPORTS, keep as keep_record, key as record_key};
pub(crate) use self::terraform::{RunVariables, changed_through, is_change};
pub(crate) use self::traffic::KEY as TRAFFIC_KEY;

use crate::failover::{Impossible, names};
use crate::{
    Check, Host, PlannedStep, StepContext, StepError, StepErrorKind, StepId, Steps, Store,
};

/// Terraform, for a root module: of the DR environment, or, in a failback, of the primary one.
#[derive(Clone, Debug)]
pub struct EnvironmentRoot {
    /// The root module's folder.
    pub folder: PathBuf,
    /// The program.
    pub terraform: ::terraform::Terraform,
    /// Which endpoints the backend is told.
    pub endpoints: Endpoints,
    /// What the file of variables is called that a run writes into the folder: `failover`, of the DR environment, or
    /// `failback`.
    pub variables: &'static str,
}

/// Knows the steps of a failover after the loss of a region.
pub struct RegionLoss<'a, S, H> {
    /// The environment.
    pub settings: &'a Settings,
    /// The DR region, under the permit of the run's lease.
    pub dr: DrOnly,
    /// Where the run's records lie.
    pub store: S,
    /// This machine.
    pub host: H,
    /// The run's own folder on this machine.
    pub folder: PathBuf,
    /// Terraform, where the settings name a root module; else `None`. Why it cannot be run, where it cannot.
    pub root: Result<Option<EnvironmentRoot>, String>,
    /// Where commands of the project are run.
    pub hooks: HookPlace,
    /// How locks say who took them.
    pub holder: LockHolder,
    /// Is told how far steps are.
    pub observer: &'a dyn Observer,
}

impl<S, H> fmt::Debug for RegionLoss<'_, S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegionLoss({})", self.dr.region().region())
    }
}

/// The futures of steps lie on the heap: one of them takes more than the stack of a thread has, times those below.
impl<S: Store, H: Host> Steps for RegionLoss<'_, S, H> {
    async fn check(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Check, StepError> {
        match step.id.kind() {
            names::DECLARE => declare::check(self, context).boxed_local().await,
            names::PIN => pin::check(step),
            names::FENCE => fence::check(self, step, context).boxed_local().await,
            names::RESTORE => restore::check(self, step).boxed_local().await,
            names::SECRET => secrets::check(self, step).boxed_local().await,
            names::STATE => state::check(self).boxed_local().await,
            names::BACKEND => backend::check(self),
            names::TERRAFORM => terraform::check(self, context).boxed_local().await,
            names::MANIFEST => manifest::check(self, step),
            names::CONSISTENCY => consistency::check(step),
            names::HOOK => hook::check(self, step, context).boxed_local().await,
            names::VERIFY => Ok(look("look whether what was brought up serves")),
            names::TRAFFIC => traffic::check(self, context).boxed_local().await,
            names::REPORT => Ok(look("write the report")),
            _ => Err(unknown(&step.id)),
        }
    }

    async fn apply(&self, step: &PlannedStep, context: &StepContext<'_>) -> Result<(), StepError> {
        match step.id.kind() {
            names::DECLARE => declare::apply(self, context).boxed_local().await,
            names::PIN => pin::apply(self, step, context).boxed_local().await,
            names::FENCE => fence::apply(self, step, context).boxed_local().await,
            names::RESTORE => restore::apply(self, step, context).boxed_local().await,
            names::SECRET => secrets::apply(self, step, context).boxed_local().await,
            names::STATE => state::apply(self).boxed_local().await,
            names::BACKEND => backend::apply(self).boxed_local().await,
            names::TERRAFORM => terraform::apply(self, context).boxed_local().await,
            names::MANIFEST => manifest::apply(self, step, context)
                .boxed_local()
                .await
                .map(|_| ()),
            names::CONSISTENCY => consistency::apply(self, step, context).boxed_local().await,
            names::VERIFY => Ok(()),
            names::HOOK => hook::apply(self, step, context).boxed_local().await,
            names::TRAFFIC => traffic::apply(self, context).boxed_local().await,
            names::REPORT => report::apply(self, context).boxed_local().await,
            _ => Err(unknown(&step.id)),
        }
    }

    async fn verify(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Value, StepError> {
        match step.id.kind() {
            names::DECLARE => declare::verify(self, context).boxed_local().await,
            names::PIN => Ok(step.inputs.clone()),
            names::FENCE => fence::verify(self, step, context).boxed_local().await,
            names::RESTORE => restore::verify(self, step).boxed_local().await,
            names::SECRET => secrets::verify(self, step).boxed_local().await,
            names::STATE => state::verify(self).boxed_local().await,
            names::BACKEND => backend::verify(self).boxed_local().await,
            names::TERRAFORM => terraform::verify(self, context).boxed_local().await,
            names::MANIFEST => manifest::apply(self, step, context).boxed_local().await,
            names::CONSISTENCY => consistency::verify(self, step, context).boxed_local().await,
            names::VERIFY => verify::verify(self, context).boxed_local().await,
            names::HOOK => hook::verify(context),
            names::TRAFFIC => traffic::verify(self, context).boxed_local().await,
            names::REPORT => report::verify(self, context).boxed_local().await,
            _ => Err(unknown(&step.id)),
        }
    }
}

fn look(what: &str) -> Check {
    Check::Todo {
        what: what.to_owned(),
        needs_approval: false,
    }
}

fn unknown(step: &StepId) -> StepError {
    StepError::new(
        StepErrorKind::Refused,
        format!("this version knows no step {step}"),
    )
    .hint("go on with the version that planned the run")
}

/// What was decided for a step when the run was planned.
fn inputs<T: DeserializeOwned>(step: &PlannedStep) -> Result<T, StepError> {
    // Something that cannot be done has its reason in the place of the inputs.
    if let Ok(impossible) = Impossible::deserialize(&step.inputs) {
        let error = match impossible.is_unknown {
            true => StepError::unchecked(impossible.problem),
            false => StepError::refused(impossible.problem),
        };
        let mend = impossible.hint.as_deref().unwrap_or("mend it");
        return Err(error.hint(format!(
            "{mend}; what was decided when the run was planned stays so: `dr-runbook runs abandon`, and begin another one, or leave \
             the step out with --skip {} --reason TEXT",
            step.id
        )));
    }
    T::deserialize(&step.inputs).map_err(|error| {
        StepError::refused(format!(
            "the inputs of {} are of another version: {error}",
            step.id
        ))
        .hint("go on with the version that planned the run")
    })
}

impl<S: Store, H: Host> RegionLoss<'_, S, H> {
    fn databases(&self) -> RdsClients {
        RdsClients::new(self.dr.region())
    }

    fn pairing(&self) -> Pairing {
        Pairing::from(self.settings)
    }

    async fn backend(&self) -> Result<DrBackend, StepError> {
        let backend = DrBackend::connect(self.settings, &self.dr).await;
        backend.map_err(StepError::unchecked)
    }
}

/// The run's name as tags have it.
fn run_name(context: &StepContext<'_>) -> Result<RunName, StepError> {
    let run = context.state().plan.run;
    run.as_str().parse().map_err(StepError::refused)
}
