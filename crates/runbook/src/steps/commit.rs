//! The steps of a commit. They reach the region that serves and, where one is given, the new DR region; nothing here leads to the
//! region that is left.

mod copies;

use std::fmt;

use aws_env::Both;
use dr::database::{RdsClients, lacks_protection, protect};
use futures::FutureExt as _;
use serde_json::{Value, json};
use settings::{KmsKeyArn, Settings};

use super::planned::{WAITER, release_marks, retire_failed};
use super::{MARKER, Marker, PlannedMove, RegionLoss, inputs, look, unknown};
use crate::commit::{CommitInputs, ProtectInputs, names};
use crate::store::overwrite;
use crate::{
    Check, Evidence, Host, LossWindow, PlannedStep, StepContext, StepError, Steps, Store, Unhealthy,
};

/// Knows the steps of a commit.
pub struct Commit<'a, S, H> {
    /// The region that serves, as the settings have had it until now.
    pub serves: RegionLoss<'a, S, H>,
    /// What the settings mean from then on.
    pub means: &'a Settings,
    /// A key of the new DR region, for what is encrypted with one.
    pub kms: Option<KmsKeyArn>,
    /// Where a new DR region is given: the steps of a switchover from the region that serves to that one, by the settings of
    /// then.
    pub copies: Option<PlannedMove<'a, S, H>>,
}

impl<S, H> fmt::Debug for Commit<'_, S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commit({})", self.serves.dr.region().region())
    }
}

impl<'a, S, H> Commit<'a, S, H> {
    /// Both regions that the environment has from then on.
    fn both(&self) -> Result<&Both, StepError> {
        Ok(&self.copies()?.both)
    }

    fn copies(&self) -> Result<&PlannedMove<'a, S, H>, StepError> {
        let copies = self.copies.as_ref();
        copies.ok_or_else(|| StepError::refused("the run was planned without a new DR region"))
    }
}

impl<S: Store, H: Host> Steps for Commit<'_, S, H> {
    async fn check(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Check, StepError> {
        match step.id.kind() {
            names::STAY => check_stay(self, context).boxed_local().await,
            names::PROTECT => check_protect(self, step).boxed_local().await,
            names::COMMIT => check_commit(self, step, context).boxed_local().await,
            names::STATE_COPY => copies::check_state(self).boxed_local().await,
            names::BUCKET => copies::check_bucket(self, step).boxed_local().await,
            names::RELEASE => Ok(look("take the marks of the failover off what it kept")),
            kind if copies::is_of_a_move(kind) => self.copies()?.check(step, context).await,
            _ => Err(unknown(&step.id)),
        }
    }

    async fn apply(&self, step: &PlannedStep, context: &StepContext<'_>) -> Result<(), StepError> {
        match step.id.kind() {
            names::STAY => Ok(()),
            names::PROTECT => apply_protect(self, step, context).boxed_local().await,
            names::COMMIT => commit(self, context).boxed_local().await,
            names::STATE_COPY => copies::apply_state(self).boxed_local().await,
            names::BUCKET => copies::apply_bucket(self, step).boxed_local().await,
            names::RELEASE => {
                let of = &self.serves;
                let released = release_marks(of.settings, of.dr.region(), inputs(step)?);
                released.boxed_local().await
            }
            kind if copies::is_of_a_move(kind) => self.copies()?.apply(step, context).await,
            _ => Err(unknown(&step.id)),
        }
    }

    async fn verify(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Value, StepError> {
        match step.id.kind() {
            names::STAY => serve(self).boxed_local().await,
            names::PROTECT => verify_protect(self, step).boxed_local().await,
            names::COMMIT => verify_commit(self, step, context).boxed_local().await,
            names::STATE_COPY => copies::verify_state(self).boxed_local().await,
            names::BUCKET => copies::verify_bucket(self, step).boxed_local().await,
            names::RELEASE => Ok(step.inputs.clone()),
            kind if copies::is_of_a_move(kind) => self.copies()?.verify(step, context).await,
            _ => Err(unknown(&step.id)),
        }
    }
}

/// That the regions serve in which the environment is from then on.
async fn serve<S: Store, H: Host>(of: &Commit<'_, S, H>) -> Result<Value, StepError> {
    let mut regions = vec![of.serves.dr.region()];
    regions.extend(of.copies.as_ref().map(|copies| &copies.both.dr));
    let mut seen = Vec::new();
    for region in regions {
        let evidence =
            Evidence::gather_health(region, LossWindow::ONCE, &of.serves.host).boxed_local();
        let evidence = evidence.await;
        if !evidence.is_healthy() {
            return Err(StepError::unchecked(Unhealthy(Box::new(evidence)))
                .hint("nothing was changed that has to be put back: wait, and resume"));
        }
        seen.push(evidence);
    }
    Ok(json!(seen))
}

/// Whether the mark says already that the environment was committed by this run.
async fn is_committed<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<bool, StepError> {
    let run = context.state().plan.run;
    let to = of.means.regions.primary;
    let unprotected = of.serves.settings.unprotected.is_some();
    match Marker::read(&of.serves.store).await? {
        Some(marker) if marker.run == run => Ok(true),
        Some(marker) if marker.failed_over && !unprotected && marker.dr == to => Ok(false),
        Some(marker) if !marker.failed_over && unprotected && marker.primary == to => Ok(false),
        Some(marker) => Err(StepError::refused(format!(
            "the environment was brought to {} by run {} since this one was planned",
            marker.serves(),
            marker.run
        ))
        .hint("give this run up with `dr-runbook runs abandon`")),
        None => Err(StepError::refused(format!(
            "{} is not there any more, and nobody knows where the environment is",
            of.serves.store.place(MARKER)
        ))),
    }
}

async fn check_stay<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    is_committed(of, context).await?;
    serve(of).await?;
    Ok(look("go on where the environment is"))
}

/// What an instance lacks of a primary one.
async fn lacks<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    wanted: &ProtectInputs,
) -> Result<Vec<String>, StepError> {
    let site = RdsClients::new(of.serves.dr.region());
    let there = site.instance(&wanted.instance).await?;
    let there = there.ok_or_else(|| {
        let ProtectInputs { instance, .. } = wanted;
        StepError::wrong(format!("{} has no instance {instance}", site.region())).hint(format!(
            "a database that is not needed any more: leave it out with --skip {}/{instance} and a reason",
            names::PROTECT
        ))
    })?;
    Ok(lacks_protection(&there, wanted.retention_days))
}

async fn check_protect<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let wanted: ProtectInputs = inputs(step)?;
    let lacks = lacks(of, &wanted).await?;
    Ok(match lacks.is_empty() {
        true => Check::Done(json!(wanted)),
        false => look(&format!("give {} {}", wanted.instance, lacks.join(" and "))),
    })
}

async fn apply_protect<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let wanted: ProtectInputs = inputs(step)?;
    let site = RdsClients::new(of.serves.dr.region());
    let (instance, days) = (&wanted.instance, wanted.retention_days);
    let protected = protect(&site, instance, days, WAITER, of.serves.observer);
    tokio::select! {
        protected = protected => protected.map_err(retire_failed),
        () = context.stopped() => Err(StepError::interrupted()),
    }
}

async fn verify_protect<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    let wanted: ProtectInputs = inputs(step)?;
    let lacks = lacks(of, &wanted).await?;
    match lacks.is_empty() {
        true => Ok(json!(wanted)),
        false => Err(StepError::wrong(format!(
            "{} lacks {}",
            wanted.instance,
            lacks.join(" and ")
        ))),
    }
}

async fn check_commit<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let _: CommitInputs = inputs(step)?;
    if is_committed(of, context).await? {
        return Ok(Check::Done(done(of)));
    }
    let regions = of.means.regions;
    let recovered = match of.copies {
        Some(_) => format!("recovered in {}", regions.dr),
        None => "without a copy anywhere".to_owned(),
    };
    Ok(Check::Todo {
        what: format!(
            "make {} the primary region of {}, {recovered}",
            regions.primary,
            context.state().plan.environment
        ),
        needs_approval: true,
    })
}

fn done<S, H>(of: &Commit<'_, S, H>) -> Value {
    let dr = of.copies.as_ref().map(|_| of.means.regions.dr);
    json!({"primary": of.means.regions.primary, "dr": dr})
}

/// The mark says that the environment is at home where it is. Settings of before are told by it that they are.
async fn commit<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    serve(of).await?;
    let plan = context.state().plan;
    let marker = Marker {
        failed_over: false,
        run: plan.run,
        epoch: context.epoch(),
        primary: of.means.regions.primary,
        dr: of.means.regions.dr,
        declared: plan.declared.declared,
    };
    let bytes = serde_json::to_vec_pretty(&marker).map_err(StepError::wrong)?;
    let written = overwrite(&of.serves.store, MARKER, &bytes).await;
    written.map(|_| ()).map_err(StepError::unchecked)
}

async fn verify_commit<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    match check_commit(of, step, context).await? {
        Check::Done(done) => Ok(done),
        _ => Err(StepError::wrong(format!(
            "{} was written and is not there",
            of.serves.store.place(MARKER)
        ))),
    }
}
