//! The steps of moves between two regions that both serve: a failback, a switchover, and what puts back a switchover that was
//! given up. They reach both regions, and each says by its title which one it changes.

mod cut_over;
mod databases;
mod drain;
mod objects;
mod pilot_light;
mod secrets;
mod states;
mod undo;

use std::fmt;
use std::path::PathBuf;

use aws_env::{Both, RegionAccess};
use dr::database::RdsClients;
use dr::objects::{JournalKey, Pairing};
use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, ready};
use serde_json::{Value, json};
use settings::{Database, HookPoint, Settings};

pub(crate) use self::databases::WAITER;
pub(in crate::steps) use self::databases::{release_marks, retire_failed};
pub(crate) use self::objects::{forget_look, look_at_bucket};
pub(crate) use self::states::look_at_states;

use super::{
    Marker, RegionLoss, backend, consistency, hook, inputs, look, manifest, report,
    secrets as dr_secrets, state, terraform, traffic, unknown,
};
use crate::failback::{Decisions, Survey, names};
use crate::switchover::ReadyInputs;
use crate::{Check, Host, Mode, PlannedStep, StepContext, StepError, StepId, Steps, Store};

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

/// Knows the steps of a planned move.
pub struct PlannedMove<'a, S, H> {
    /// The environment that is moved.
    pub settings: &'a Settings,
    /// Both regions, under the permit of the run's lease.
    pub both: Both,
    /// Which way it goes: of the run's plan.
    pub mode: Mode,
    /// What a failover's steps do in the region that receives: in a failback the primary region, by
    /// [`TurnedSettings::primary`](crate::TurnedSettings); in a switchover the DR region.
    pub target: RegionLoss<'a, S, H>,
    /// The same for the DR environment's root module, whose state is at home in the primary region: in a switchover by
    /// [`TurnedSettings::brought_up`](crate::TurnedSettings), else by [`TurnedSettings::pilot_light`](crate::TurnedSettings).
    pub home: RegionLoss<'a, S, H>,
    /// The DR region, as a failover has it.
    pub dr: RegionLoss<'a, S, H>,
    /// Where object runs keep what belongs to them.
    pub objects: ObjectRuns,
    /// What was decided about objects and states that both regions have written.
    pub decisions: Decisions,
}

impl<S, H> fmt::Debug for PlannedMove<'_, S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target.dr.region().region();
        write!(f, "PlannedMove({}, {target})", self.mode.name())
    }
}

impl<S: Store, H: Host> PlannedMove<'_, S, H> {
    fn pairing(&self) -> Pairing {
        Pairing::from(self.settings)
    }

    fn is_back(&self) -> bool {
        self.mode == Mode::Failback
    }

    /// The region that is left.
    fn source(&self) -> &RegionAccess {
        match self.is_back() {
            true => &self.both.dr,
            false => &self.both.primary,
        }
    }

    /// The region that receives.
    fn receiving(&self) -> &RegionAccess {
        match self.is_back() {
            true => &self.both.primary,
            false => &self.both.dr,
        }
    }

    fn rds_source(&self) -> RdsClients {
        RdsClients::new(self.source())
    }

    fn rds_target(&self) -> RdsClients {
        RdsClients::new(self.receiving())
    }

    fn rds_dr(&self) -> RdsClients {
        RdsClients::new(&self.both.dr)
    }

    /// Where commands are run that are about the region that is left.
    fn beside_source(&self) -> &RegionLoss<'_, S, H> {
        match self.is_back() {
            true => &self.dr,
            false => &self.home,
        }
    }

    /// Where the command of a point is run.
    fn beside(&self, step: &StepId) -> &RegionLoss<'_, S, H> {
        let points = [HookPoint::StopWriters, HookPoint::StartWriters];
        let mut points = points.iter();
        match points.any(|point| *step == StepId::of(names::HOOK, point.name())) {
            true => self.beside_source(),
            false => &self.target,
        }
    }

    /// The root module that is brought up: of the primary environment on the way back. In a switchover the DR environment's,
    /// while its state is at home in the primary region: until the cut-over nothing of it is in the DR region alone.
    fn brings_up(&self) -> &RegionLoss<'_, S, H> {
        match self.is_back() {
            true => &self.target,
            false => &self.home,
        }
    }

    fn store(&self) -> &S {
        &self.dr.store
    }

    fn host(&self) -> &H {
        &self.dr.host
    }

    /// A database as it goes this way: its instance of the region that is left, and what it gets in the other one.
    fn way(&self, database: &Database) -> Result<Database, StepError> {
        if !self.is_back() {
            return Ok(database.clone());
        }
        database.turned().ok_or_else(|| {
            StepError::refused(format!("the settings have no way back for {}", database.id))
                .hint("set [databases.failback]")
        })
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

/// A step that is being taken. It is made in a frame of its own, which is gone when it runs.
type Taking<'c, T> = LocalBoxFuture<'c, Result<T, StepError>>;

fn at_once<'c, T: 'c>(result: Result<T, StepError>) -> Taking<'c, T> {
    ready(result).boxed_local()
}

impl<S: Store, H: Host> Steps for PlannedMove<'_, S, H> {
    async fn check(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Check, StepError> {
        self.checking(step, context).await
    }

    async fn apply(&self, step: &PlannedStep, context: &StepContext<'_>) -> Result<(), StepError> {
        self.applying(step, context).await
    }

    async fn verify(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Value, StepError> {
        self.verifying(step, context).await
    }
}

impl<S: Store, H: Host> PlannedMove<'_, S, H> {
    fn checking<'c>(
        &'c self,
        step: &'c PlannedStep,
        context: &'c StepContext<'_>,
    ) -> Taking<'c, Check> {
        let dr = &self.dr;
        match step.id.kind() {
            names::PRIMARY => check_primary(self, step).boxed_local(),
            names::REGIONS => check_regions(self, step).boxed_local(),
            names::OBJECTS | names::LAST_OBJECTS => {
                objects::check(self, step, context).boxed_local()
            }
            names::HOOK => hook::check(self.beside(&step.id), step, context).boxed_local(),
            names::DRAIN => drain::check(self, step, context).boxed_local(),
            names::SNAPSHOT => databases::check_snapshot(self, step).boxed_local(),
            names::COPY => databases::check_copy(self, step, context).boxed_local(),
            names::RETIRE => databases::check_retire(self, step).boxed_local(),
            names::FORGET => states::check_forget(self, step).boxed_local(),
            names::RESTORE => databases::check_restore(self, step, context).boxed_local(),
            names::SECRET if self.is_back() => secrets::check(self, step).boxed_local(),
            names::SECRET => dr_secrets::check(dr, step).boxed_local(),
            names::SECRET_REPLICA => secrets::check_replica(self, step).boxed_local(),
            names::STATE if self.is_back() => states::check(self, context).boxed_local(),
            names::STATE => state::check(dr).boxed_local(),
            names::STATE_PARITY => states::check_parity(self).boxed_local(),
            names::BACKEND if self.is_back() => at_once(states::check_root(&self.target)),
            names::BACKEND => at_once(backend::check(dr)),
            names::TERRAFORM => terraform::check(self.brings_up(), context).boxed_local(),
            names::VERIFY => at_once(Ok(look("look whether what was brought up serves"))),
            names::CUT_OVER => cut_over::check(self, step, context).boxed_local(),
            names::MANIFEST => at_once(manifest::check(dr, step)),
            names::CONSISTENCY => at_once(consistency::check(step)),
            names::TRAFFIC => traffic::check(dr, context).boxed_local(),
            names::BACKUPS => databases::check_backups(self, step).boxed_local(),
            names::STATE_REPLICATION => states::check_replication(self, step).boxed_local(),
            names::RELEASE => at_once(Ok(look("take the marks of the failover off what it kept"))),
            names::START => undo::check_start(self, step).boxed_local(),
            names::UNFENCE => undo::check_unfence(self, step).boxed_local(),
            names::WRITERS => at_once(Ok(look("tell what writes in the primary region to go on"))),
            names::RETIRE_DR => databases::check_retire_dr(self, step, context).boxed_local(),
            names::BACKEND_DR => at_once(pilot_light::check_root(self)),
            names::PILOT_LIGHT => pilot_light::check(self, context).boxed_local(),
            names::REPORT => at_once(Ok(look("write the report"))),
            _ => at_once(Err(unknown(&step.id))),
        }
    }

    fn applying<'c>(
        &'c self,
        step: &'c PlannedStep,
        context: &'c StepContext<'_>,
    ) -> Taking<'c, ()> {
        let dr = &self.dr;
        match step.id.kind() {
            names::PRIMARY | names::REGIONS | names::VERIFY | names::WRITERS => at_once(Ok(())),
            names::OBJECTS | names::LAST_OBJECTS => {
                objects::apply(self, step, context).boxed_local()
            }
            names::HOOK => hook::apply(self.beside(&step.id), step, context).boxed_local(),
            names::DRAIN => drain::apply(self, step, context).boxed_local(),
            names::SNAPSHOT => databases::apply_snapshot(self, step, context).boxed_local(),
            names::COPY => databases::apply_copy(self, step, context).boxed_local(),
            names::RETIRE => databases::apply_retire(self, step, context).boxed_local(),
            names::FORGET => states::forget(self, step).boxed_local(),
            names::RESTORE => databases::apply_restore(self, step, context).boxed_local(),
            names::SECRET if self.is_back() => secrets::apply(self, step, context).boxed_local(),
            names::SECRET => dr_secrets::apply(dr, step, context).boxed_local(),
            names::SECRET_REPLICA => secrets::apply_replica(self, step, context).boxed_local(),
            names::STATE if self.is_back() => states::apply(self, context).boxed_local(),
            names::STATE => state::apply(dr).boxed_local(),
            names::STATE_PARITY => states::wait_for_parity(self, context).boxed_local(),
            names::BACKEND if self.is_back() => {
                states::turn_root(self, &self.target, context).boxed_local()
            }
            names::BACKEND => backend::apply(dr).boxed_local(),
            names::TERRAFORM => terraform::apply(self.brings_up(), context).boxed_local(),
            names::CUT_OVER => cut_over::apply(self, step, context).boxed_local(),
            names::MANIFEST => manifest::apply(dr, step, context)
                .map(|kept| kept.map(drop))
                .boxed_local(),
            names::CONSISTENCY => consistency::apply(&self.target, step, context).boxed_local(),
            names::TRAFFIC => traffic::apply(dr, context).boxed_local(),
            names::BACKUPS => databases::apply_backups(self, step).boxed_local(),
            names::STATE_REPLICATION => states::apply_replication(self, step).boxed_local(),
            names::RELEASE => databases::release(self, step).boxed_local(),
            names::START => undo::start(self, step, context).boxed_local(),
            names::UNFENCE => undo::unfence(self, step).boxed_local(),
            names::RETIRE_DR => databases::apply_retire_dr(self, step, context).boxed_local(),
            names::BACKEND_DR => states::turn_root(self, &self.home, context).boxed_local(),
            names::PILOT_LIGHT => terraform::apply(&self.home, context).boxed_local(),
            names::REPORT => report::apply(dr, context).boxed_local(),
            _ => at_once(Err(unknown(&step.id))),
        }
    }

    fn verifying<'c>(
        &'c self,
        step: &'c PlannedStep,
        context: &'c StepContext<'_>,
    ) -> Taking<'c, Value> {
        let dr = &self.dr;
        match step.id.kind() {
            names::PRIMARY => verify_primary(self).boxed_local(),
            names::REGIONS => verify_regions(self).boxed_local(),
            names::OBJECTS | names::LAST_OBJECTS => {
                objects::verify(self, step, context).boxed_local()
            }
            names::HOOK => at_once(hook::verify(context)),
            names::DRAIN => drain::verify(self, step, context).boxed_local(),
            names::SNAPSHOT => databases::verify_snapshot(self, step).boxed_local(),
            names::COPY => databases::verify_copy(self, step, context).boxed_local(),
            names::RETIRE => databases::verify_retire(self, step).boxed_local(),
            names::FORGET => states::verify_forget(self, step).boxed_local(),
            names::RESTORE => databases::verify_restore(self, step, context).boxed_local(),
            names::SECRET if self.is_back() => secrets::verify(self, step).boxed_local(),
            names::SECRET => dr_secrets::verify(dr, step).boxed_local(),
            names::SECRET_REPLICA => secrets::verify_replica(self, step).boxed_local(),
            names::STATE if self.is_back() => states::verify(self, context).boxed_local(),
            names::STATE => state::verify(dr).boxed_local(),
            names::STATE_PARITY => states::verify_parity(self).boxed_local(),
            names::BACKEND if self.is_back() => backend::verify(&self.target).boxed_local(),
            names::BACKEND => backend::verify(dr).boxed_local(),
            names::TERRAFORM => terraform::verify(self.brings_up(), context).boxed_local(),
            names::VERIFY => databases::serves(self, context).boxed_local(),
            names::CUT_OVER => cut_over::verify(self, step, context).boxed_local(),
            names::MANIFEST => manifest::apply(dr, step, context).boxed_local(),
            names::CONSISTENCY => consistency::verify(&self.target, step, context).boxed_local(),
            names::TRAFFIC => traffic::verify(dr, context).boxed_local(),
            names::BACKUPS => databases::verify_backups(self, step).boxed_local(),
            names::STATE_REPLICATION => states::verify_replication(self, step).boxed_local(),
            names::RELEASE => at_once(Ok(step.inputs.clone())),
            names::START => undo::verify_start(self, step).boxed_local(),
            names::UNFENCE => undo::verify_unfence(self, step).boxed_local(),
            names::WRITERS => at_once(Ok(Value::Null)),
            names::RETIRE_DR => databases::verify_retire_dr(self, step, context).boxed_local(),
            names::BACKEND_DR => backend::verify(&self.home).boxed_local(),
            names::PILOT_LIGHT => terraform::verify(&self.home, context).boxed_local(),
            names::REPORT => report::verify(dr, context).boxed_local(),
            _ => at_once(Err(unknown(&step.id))),
        }
    }
}

/// What the primary region did by itself is agreed to before anything is done: it was shown with the plan.
async fn check_primary<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    is_where(of, true).await?;
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

/// That the environment is still where it was when the run was planned. Between that and the run's lease another run may have
/// ended, and what it has moved must not be copied over.
async fn is_where<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    in_dr: bool,
) -> Result<(), StepError> {
    let marker = Marker::read(of.store()).await?;
    match marker {
        Some(marker) if marker.failed_over != in_dr => Err(StepError::refused(format!(
            "the environment was brought to {} by run {} since this one was planned",
            if in_dr { marker.primary } else { marker.dr },
            marker.run
        ))
        .hint("give this run up with `dr-runbook runs abandon`")),
        Some(marker) if marker.contradicts(of.settings.regions).is_some() => {
            Err(super::declare::outdated(&marker, of.settings.regions))
        }
        None if in_dr => Err(StepError::refused(format!(
            "{} is not there any more, and nobody knows where the environment is",
            of.store().place(super::MARKER)
        ))),
        _ => Ok(()),
    }
}

/// One look: the window was before the plan.
pub(super) async fn verify_primary<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
) -> Result<Value, StepError> {
    serves(of, &of.both.primary).await
}

/// That the region serves which receives.
async fn verify_target<S: Store, H: Host>(of: &PlannedMove<'_, S, H>) -> Result<Value, StepError> {
    serves(of, of.receiving()).await
}

async fn serves<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    region: &RegionAccess,
) -> Result<Value, StepError> {
    let once = crate::LossWindow::ONCE;
    let evidence = crate::Evidence::gather_health(region, once, of.host()).await;
    if evidence.is_healthy() {
        return Ok(json!(evidence));
    }
    let hint = match of.is_back() {
        true => "the DR region serves: wait, or give the run up with `dr-runbook runs abandon`"
            .to_owned(),
        false => format!(
            "until the cut-over the environment is in {}: wait, or give the run up with `dr-runbook runs abandon`",
            of.both.primary.region()
        ),
    };
    Err(StepError::unchecked(crate::Unhealthy(Box::new(evidence))).hint(hint))
}

async fn verify_regions<S: Store, H: Host>(of: &PlannedMove<'_, S, H>) -> Result<Value, StepError> {
    let primary = serves(of, &of.both.primary).boxed_local().await?;
    let dr = serves(of, &of.both.dr).boxed_local().await?;
    Ok(json!([primary, dr]))
}

/// What is not ready is agreed to before anything is done: it was shown with the plan.
async fn check_regions<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    is_where(of, false).await?;
    verify_regions(of).await?;
    let ReadyInputs { not_ready } = inputs(step)?;
    Ok(match not_ready.is_empty() {
        true => look("move an environment whose preflight found nothing wrong"),
        false => Check::Todo {
            what: format!("the preflight found: {}", not_ready.join("; ")),
            needs_approval: true,
        },
    })
}
