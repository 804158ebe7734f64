//! The steps of a failback. They reach both regions, and each says by its title which one it changes.

mod cut_over;
mod databases;
mod objects;
mod pilot_light;
mod secrets;
mod states;

use std::fmt;
use std::path::PathBuf;

use aws_env::Both;
use dr::database::RdsClients;
use dr::objects::{JournalKey, Pairing};
use futures::FutureExt as _;
use serde_json::{Value, json};
use settings::{Database, Settings};

pub(crate) use self::objects::{forget_look, look_at_bucket};
pub(crate) use self::states::look_at_states;

use super::{RegionLoss, inputs, look, report, terraform, unknown};
use crate::failback::{Decisions, Survey, names};
use crate::{Check, Host, PlannedStep, StepContext, StepError, StepId, Steps, Store};

/// Where runs that copy objects keep what belongs to them.
#[derive(Debug, Clone)]
pub struct ObjectRuns {
    /// The folder of their journals on this machine.
    pub folder: PathBuf,
    /// Makes the digests of their journals in the bucket.
    pub key: JournalKey,
    /// Copies under way at once.
    pub concurrency: usize,
}

/// Knows the steps of a failback.
pub struct Failback<'a, S, H> {
    /// The environment that is brought back.
    pub settings: &'a Settings,
    /// Both regions, under the permit of the run's lease.
    pub both: Both,
    /// What a failover's steps do in the region that receives, for the primary region: by
    /// [`FailbackSettings::primary`](crate::FailbackSettings).
    pub primary: RegionLoss<'a, S, H>,
    /// The same for the DR environment's root module, whose state is in the primary region again: by
    /// [`FailbackSettings::pilot_light`](crate::FailbackSettings).
    pub pilot_light: RegionLoss<'a, S, H>,
    /// The DR region, as a failover has it.
    pub dr: RegionLoss<'a, S, H>,
    /// Where object runs keep what belongs to them.
    pub objects: ObjectRuns,
    /// What was decided about objects and states that both regions have written.
    pub decisions: Decisions,
}

impl<S, H> fmt::Debug for Failback<'_, S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failback({})", self.both.primary.region())
    }
}

impl<S: Store, H: Host> Failback<'_, S, H> {
    fn pairing(&self) -> Pairing {
        Pairing::from(self.settings)
    }

    fn rds_primary(&self) -> RdsClients {
        RdsClients::new(&self.both.primary)
    }

    fn rds_dr(&self) -> RdsClients {
        RdsClients::new(&self.both.dr)
    }

    fn store(&self) -> &S {
        &self.primary.store
    }

    fn host(&self) -> &H {
        &self.primary.host
    }

    /// The database that a step is for, as the settings have it.
    fn database(&self, step: &StepId) -> Result<&Database, StepError> {
        let wanted = step.0.split_once('/').map_or("", |(_, thing)| thing);
        let mut databases = self.settings.databases.iter();
        databases
            .find(|database| database.id.as_str() == wanted)
            .ok_or_else(|| StepError::refused(format!("the settings have no database {wanted}")))
    }
}

/// The futures of steps lie on the heap, as in a failover.
impl<S: Store, H: Host> Steps for Failback<'_, S, H> {
    async fn check(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Check, StepError> {
        match step.id.kind() {
            names::PRIMARY => check_primary(self, step).boxed_local().await,
            names::OBJECTS | names::LAST_OBJECTS => {
                objects::check(self, step, context).boxed_local().await
            }
            names::DRAIN => Ok(look("go on without writers in the DR region")),
            names::SNAPSHOT => databases::check_snapshot(self, step).boxed_local().await,
            names::COPY => {
                databases::check_copy(self, step, context)
                    .boxed_local()
                    .await
            }
            names::RETIRE => databases::check_retire(self, step).boxed_local().await,
            names::FORGET => states::check_forget(self, step).boxed_local().await,
            names::RESTORE => {
                databases::check_restore(self, step, context)
                    .boxed_local()
                    .await
            }
            names::SECRET => secrets::check(self, step).boxed_local().await,
            names::SECRET_REPLICA => secrets::check_replica(self, step).boxed_local().await,
            names::STATE => states::check(self, context).boxed_local().await,
            names::BACKEND => states::check_root(&self.primary),
            names::TERRAFORM => terraform::check(&self.primary, context).boxed_local().await,
            names::VERIFY => Ok(look("look whether what was brought up serves")),
            names::CUT_OVER => cut_over::check(self, step, context).boxed_local().await,
            names::BACKUPS => databases::check_backups(self, step).boxed_local().await,
            names::STATE_REPLICATION => states::check_replication(self, step).boxed_local().await,
            names::RELEASE => Ok(look("take the marks of the failover off what it kept")),
            names::RETIRE_DR => {
                databases::check_retire_dr(self, step, context)
                    .boxed_local()
                    .await
            }
            names::BACKEND_DR => pilot_light::check_root(self),
            names::PILOT_LIGHT => pilot_light::check(self, context).boxed_local().await,
            names::REPORT => Ok(look("write the report")),
            _ => Err(unknown(&step.id)),
        }
    }

    async fn apply(&self, step: &PlannedStep, context: &StepContext<'_>) -> Result<(), StepError> {
        match step.id.kind() {
            names::PRIMARY | names::DRAIN | names::VERIFY => Ok(()),
            names::OBJECTS | names::LAST_OBJECTS => {
                objects::apply(self, step, context).boxed_local().await
            }
            names::SNAPSHOT => {
                databases::apply_snapshot(self, step, context)
                    .boxed_local()
                    .await
            }
            names::COPY => {
                databases::apply_copy(self, step, context)
                    .boxed_local()
                    .await
            }
            names::RETIRE => {
                databases::apply_retire(self, step, context)
                    .boxed_local()
                    .await
            }
            names::FORGET => states::forget(self, step).boxed_local().await,
            names::RESTORE => {
                databases::apply_restore(self, step, context)
                    .boxed_local()
                    .await
            }
            names::SECRET => secrets::apply(self, step, context).boxed_local().await,
            names::SECRET_REPLICA => {
                secrets::apply_replica(self, step, context)
                    .boxed_local()
                    .await
            }
            names::STATE => states::apply(self, context).boxed_local().await,
            names::BACKEND => {
                states::turn_root(self, &self.primary, context)
                    .boxed_local()
                    .await
            }
            names::TERRAFORM => terraform::apply(&self.primary, context).boxed_local().await,
            names::CUT_OVER => cut_over::apply(self, step, context).boxed_local().await,
            names::BACKUPS => databases::apply_backups(self, step).boxed_local().await,
            names::STATE_REPLICATION => states::apply_replication(self, step).boxed_local().await,
            names::RELEASE => databases::release(self, step).boxed_local().await,
            names::RETIRE_DR => {
                databases::apply_retire_dr(self, step, context)
                    .boxed_local()
                    .await
            }
            names::BACKEND_DR => {
                states::turn_root(self, &self.pilot_light, context)
                    .boxed_local()
                    .await
            }
            names::PILOT_LIGHT => {
                terraform::apply(&self.pilot_light, context)
                    .boxed_local()
                    .await
            }
            names::REPORT => report::apply(&self.dr, context).boxed_local().await,
            _ => Err(unknown(&step.id)),
        }
    }

    async fn verify(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Value, StepError> {
        match step.id.kind() {
            names::PRIMARY => verify_primary(self).boxed_local().await,
            names::OBJECTS | names::LAST_OBJECTS => {
                objects::verify(self, step, context).boxed_local().await
            }
            names::DRAIN => databases::drained(self).boxed_local().await,
            names::SNAPSHOT => databases::verify_snapshot(self, step).boxed_local().await,
            names::COPY => {
                databases::verify_copy(self, step, context)
                    .boxed_local()
                    .await
            }
            names::RETIRE => databases::verify_retire(self, step).boxed_local().await,
            names::FORGET => states::verify_forget(self, step).boxed_local().await,
            names::RESTORE => {
                databases::verify_restore(self, step, context)
                    .boxed_local()
                    .await
            }
            names::SECRET => secrets::verify(self, step).boxed_local().await,
            names::SECRET_REPLICA => secrets::verify_replica(self, step).boxed_local().await,
            names::STATE => states::verify(self, context).boxed_local().await,
            names::BACKEND => super::backend::verify(&self.primary).boxed_local().await,
            names::TERRAFORM => {
                terraform::verify(&self.primary, context)
                    .boxed_local()
                    .await
            }
            names::VERIFY => databases::serves(self, context).boxed_local().await,
            names::CUT_OVER => cut_over::verify(self, step, context).boxed_local().await,
            names::BACKUPS => databases::verify_backups(self, step).boxed_local().await,
            names::STATE_REPLICATION => states::verify_replication(self, step).boxed_local().await,
            names::RELEASE => Ok(step.inputs.clone()),
            names::RETIRE_DR => {
                databases::verify_retire_dr(self, step, context)
                    .boxed_local()
                    .await
            }
            names::BACKEND_DR => {
                super::backend::verify(&self.pilot_light)
                    .boxed_local()
                    .await
            }
            names::PILOT_LIGHT => {
                terraform::verify(&self.pilot_light, context)
                    .boxed_local()
                    .await
            }
            names::REPORT => report::verify(&self.dr, context).boxed_local().await,
            _ => Err(unknown(&step.id)),
        }
    }
}

/// What the primary region did by itself is agreed to before anything is done: it was shown with the plan.
async fn check_primary<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    verify_primary(of).await?;
    let survey: Survey = inputs(step)?;
    let findings = survey.findings();
    Ok(match findings.is_empty() {
        true => look("take back an environment of which the primary region has changed nothing"),
        false => Check::Todo {
            what: format!(
                "since it came back, in {}: {}",
                of.both.primary.region(),
                findings.join("; ")
            ),
            needs_approval: true,
        },
    })
}

/// One look: the window was before the plan.
pub(super) async fn verify_primary<S: Store, H: Host>(
    of: &Failback<'_, S, H>,
) -> Result<Value, StepError> {
    let window = crate::LossWindow {
        window: std::time::Duration::ZERO,
        every: std::time::Duration::ZERO,
    };
    let evidence = crate::Evidence::gather_health(&of.both.primary, window, of.host()).await;
    match evidence.is_healthy() {
        true => Ok(json!(evidence)),
        false => Err(StepError::unchecked(crate::Unhealthy(Box::new(evidence)))
            .hint("the DR region serves: wait, or give the run up with `dr-runbook runs abandon`")),
    }
}
