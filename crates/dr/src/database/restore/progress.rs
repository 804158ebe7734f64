//! A restore that goes on, looked at as often as one likes and waited for.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use aws_env::{DbInstanceState, Error, Waiter, WaiterConfig};
use jiff::Timestamp;
use report::{Observer, Outcome};
use serde::Serialize;

use super::{
    Begun, RestoreError, RestorePlan, RestoreStep, Restored, begin_restore, configure, plan, verify,
};
use crate::database::clients::{STATE, is_any};
use crate::database::{Instance, RdsClients, provenance_tags};

/// How a restore stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum RestoreProgress {
    /// Nobody can connect yet, or that is not known.
    Pending {
        /// The status that RDS gives, or why none is known.
        status: String,
    },
    /// It accepts connections, and does not have all settings yet: what needs the data alone may begin.
    Serving {
        /// The status that RDS gives.
        status: String,
        /// The settings that RDS has been asked for, and does not show yet.
        missing: Vec<&'static str>,
        /// Why RDS does not take them now, where it does not: they are asked for again.
        problem: Option<String>,
        /// The instance.
        #[serde(skip)]
        instance: Box<Instance>,
    },
    /// It accepts connections, and RDS shows all that can be set. What is not as wanted all the same is told by
    /// [`RestoreWatch::restored`].
    Ready {
        /// The status that RDS gives.
        status: String,
        /// Why RDS does not take what is missing, where it refuses for good.
        problem: Option<String>,
        /// The instance.
        #[serde(skip)]
        instance: Box<Instance>,
    },
}

impl fmt::Display for RestoreProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending { status } => f.write_str(status),
            Self::Ready {
                status, problem, ..
            } => match problem {
                Some(problem) => write!(f, "{status}: {problem}"),
                None => f.write_str(status),
            },
            Self::Serving {
                status,
                missing,
                problem,
                ..
            } => {
                write!(f, "{status}, without {}", missing.join(", "))?;
                match problem {
                    Some(problem) => write!(f, ": {problem}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Looks at one restore. It remembers only what saves calls: another one, in another process, goes on from what RDS shows.
#[derive(Debug)]
pub struct RestoreWatch<'a> {
    site: &'a RdsClients,
    plan: &'a RestorePlan,
    was_observed: bool,
    /// What RDS was asked for by this watch. It shows an instance as `available` for a while before it changes it.
    requested: BTreeSet<&'static str>,
}

impl<'a> RestoreWatch<'a> {
    /// For the restore of `plan`, which was begun, by whomever.
    pub fn new(site: &'a RdsClients, plan: &'a RestorePlan) -> Self {
        Self {
            site,
            plan,
            was_observed: false,
            requested: BTreeSet::new(),
        }
    }

    /// Looks once, and asks RDS for the settings that no restore takes, as soon as the instance serves. Calls the site's
    /// region only. That RDS does not answer is [`RestoreProgress::Pending`] with the reason, never an end.
    ///
    /// # Errors
    /// [`RestoreError::Ended`] when the instance has come to a status that it does not leave by itself, or is gone;
    /// [`RestoreError::Refused`] when the name is that of something else; an error of AWS that will not pass.
    pub async fn poll(&mut self) -> Result<RestoreProgress, RestoreError> {
        let pending = |status: String| Ok(RestoreProgress::Pending { status });
        let instance = match self.site.instance(&self.plan.target).await {
            Ok(Some(instance)) => instance,
            Ok(None) if self.was_observed => return Err(self.ended("deleted".to_owned())),
            // Right after the call it may not be shown yet.
            Ok(None) => return pending("not shown yet".to_owned()),
            Err(error) if error.is_transient() => return pending(format!("not known: {error}")),
            Err(error) => return Err(error.into()),
        };
        let state = DbInstanceState::of(&instance.status);
        match plan::begun_choice(&instance, &self.plan.database) {
            Some(choice) if choice == self.plan.choice => self.was_observed = true,
            // Its tags may be shown later than itself.
            None if instance.tags.is_empty() && !state.serves() => {
                return pending(format!("{}, without tags", instance.status));
            }
            _ => {
                let taken = plan::taken(self.plan.region, &instance);
                return Err(RestoreError::Refused(taken));
            }
        }
        match state {
            DbInstanceState::Stays => Err(self.ended(instance.status)),
            DbInstanceState::Comes => pending(instance.status),
            DbInstanceState::Serves => self.configure(instance).await,
        }
    }

    /// What the instance that serves has otherwise is asked for, once.
    async fn configure(&mut self, instance: Instance) -> Result<RestoreProgress, RestoreError> {
        let differences = configure::differences(self.plan, &instance);
        let pending = instance.options.password_pending;
        let mut missing = configure::changes(self.plan, &instance, &differences);
        let status = instance.status.clone();
        let instance = Box::new(instance);
        if missing.is_empty() && !pending {
            return Ok(RestoreProgress::Ready {
                status,
                problem: None,
                instance,
            });
        }
        let mut problem = None;
        if !missing.is_subset(&self.requested) {
            match configure::modify(self.site, self.plan, &instance, &missing).await {
                Ok(()) => self.requested.extend(&missing),
                // While it backs the instance up, for one, RDS changes nothing of it.
                Err(error) if error.is_transient() || is_any(&error, &[STATE]) => {
                    problem = Some(with_message(&error));
                }
                Err(error) => {
                    return Ok(RestoreProgress::Ready {
                        status,
                        problem: Some(with_message(&error)),
                        instance,
                    });
                }
            }
        }
        if pending {
            missing.insert(configure::MANAGED_PASSWORD);
        }
        Ok(RestoreProgress::Serving {
            status,
            missing: missing.into_iter().collect(),
            problem,
            instance,
        })
    }

    fn ended(&self, status: String) -> RestoreError {
        RestoreError::Ended {
            target: self.plan.target.clone(),
            region: self.plan.region,
            status,
        }
    }

    /// The result, for an instance that serves. `rto` is the time from the begin of the restore until it did, if that is
    /// known; `resumed` whether it was begun by an earlier run.
    pub fn restored(
        &self,
        instance: &Instance,
        problem: Option<String>,
        rto: Option<Duration>,
        resumed: bool,
    ) -> Restored {
        let plan = self.plan;
        Restored {
            target: plan.target.clone(),
            region: plan.region,
            endpoint: instance.endpoint.clone(),
            choice: plan.choice.clone(),
            rpo_seconds: plan.rpo_seconds,
            rpo_objective_seconds: plan.rpo_objective_seconds,
            rto_seconds: rto.map(|rto| rto.as_secs()),
            rto_objective_seconds: plan.rto_objective_seconds,
            differences: verify::differences(plan, instance),
            problem,
            resumed,
        }
    }
}

fn with_message(error: &Error) -> String {
    match &error.message {
        Some(message) => format!("{error}: {message}"),
        None => error.to_string(),
    }
}

/// Carries `plan` out: begins the restore or takes up the one that is under way, waits until the instance
/// serves and has its settings, and reads back what it got. `now` is the time at which this is called. `connects` is asked
/// of an instance that serves by its status, until it has said yes once; what it says else is waited for.
///
/// # Errors
/// See [`RestoreError`]. Nothing that was begun is undone; the same plan takes it up again.
pub async fn restore(
    site: &RdsClients,
    plan: &RestorePlan,
    waiter: WaiterConfig,
    now: Timestamp,
    connects: impl AsyncFn(&Instance) -> Result<(), String>,
    observer: &dyn Observer,
) -> Result<Restored, RestoreError> {
    let waiting = Waiter::begin(waiter);
    let begun = match plan.step {
        RestoreStep::Begin => begin_restore(site, plan, now).await.map(Some),
        RestoreStep::Resume | RestoreStep::Verify => Ok(None),
    };
    let times = (now, waiting);
    follow(site, plan, times, begun, connects, observer).await
}

/// Waits for the restore of `plan`, which [`begin_restore`] has begun, in this process or another one. It may be called
/// again at any time. `now` and `connects` are as in [`restore`].
///
/// # Errors
/// See [`RestoreError`]. An instance that serves when the time is up is a result, with what it lacks as its differences.
pub async fn wait_restore(
    site: &RdsClients,
    plan: &RestorePlan,
    waiter: WaiterConfig,
    now: Timestamp,
    connects: impl AsyncFn(&Instance) -> Result<(), String>,
    observer: &dyn Observer,
) -> Result<Restored, RestoreError> {
    let waiting = Waiter::begin(waiter);
    let times = (now, waiting);
    follow(site, plan, times, Ok(None), connects, observer).await
}

async fn follow(
    site: &RdsClients,
    plan: &RestorePlan,
    (now, mut waiting): (Timestamp, Waiter),
    begun: Result<Option<Begun>, RestoreError>,
    connects: impl AsyncFn(&Instance) -> Result<(), String>,
    observer: &dyn Observer,
) -> Result<Restored, RestoreError> {
    let label = format!("restore {} in {}", plan.target, plan.region);
    observer.started(&label);
    let ended = match begun {
        Ok(begun) => {
            let begun = (begun == Some(Begun::Accepted), now);
            wait(
                site,
                plan,
                &mut waiting,
                begun,
                connects,
                (&label, observer),
            )
            .await
        }
        Err(error) => Err(error),
    };
    let outcome = match &ended {
        Ok(restored) if !restored.differences.is_empty() => Outcome::Failed,
        Ok(_) if plan.step == RestoreStep::Verify => Outcome::Unchanged,
        Ok(_) => Outcome::Done,
        Err(RestoreError::Deadline { .. }) => Outcome::Skipped,
        Err(_) => Outcome::Failed,
    };
    observer.finished(&label, outcome, waiting.elapsed());
    ended
}

/// Waits until the instance serves, can be connected to as far as `connects` knows, and has its settings. RDS may refuse to
/// set any while it backs the instance up, for hours: until the time is up that is waited for, as far as it may pass.
async fn wait(
    site: &RdsClients,
    plan: &RestorePlan,
    waiting: &mut Waiter,
    (accepted, now): (bool, Timestamp),
    connects: impl AsyncFn(&Instance) -> Result<(), String>,
    (label, observer): (&str, &dyn Observer),
) -> Result<Restored, RestoreError> {
    let mut watch = RestoreWatch::new(site, plan);
    let mut looks = 0_u32;
    // Since when it serves; `None` within where that was in an earlier run.
    let mut serves: Option<Option<Duration>> = None;
    loop {
        let progress = watch.poll().await?;
        looks = looks.saturating_add(1);
        let (instance, problem) = match &progress {
            RestoreProgress::Pending { .. } => (None, &None),
            RestoreProgress::Ready {
                instance, problem, ..
            }
            | RestoreProgress::Serving {
                instance, problem, ..
            } => (Some(instance), problem),
        };
        let refused = match instance {
            Some(instance) if serves.is_none() => connects(instance).await.err(),
            _ => None,
        };
        let restored = instance.map(|instance| {
            if refused.is_some() {
                return watch.restored(instance, problem.clone(), None, !accepted);
            }
            let rto = *serves.get_or_insert_with(|| {
                let was_before = looks == 1 && !accepted;
                let rto = if accepted {
                    Some(waiting.elapsed())
                } else {
                    since_begun(plan, instance, site.time(now))
                };
                rto.filter(|_| !was_before)
            });
            watch.restored(instance, problem.clone(), rto, !accepted)
        });
        if let (RestoreProgress::Ready { .. }, Some(restored), None) =
            (&progress, &restored, &refused)
        {
            return Ok(restored.clone());
        }
        let last = match refused {
            Some(why) => format!("{progress}, {why}"),
            None => progress.to_string(),
        };
        observer.waiting(label, &last);
        if !waiting.pause().await {
            return restored.ok_or_else(|| RestoreError::Deadline {
                target: plan.target.clone(),
                waited: waiting.elapsed(),
                last,
            });
        }
    }
}

/// How long ago the restore began, by one clock.
fn since_begun(plan: &RestorePlan, instance: &Instance, now: Timestamp) -> Option<Duration> {
    let begun = instance.tags.get(provenance_tags::BEGUN);
    let begun = begun.and_then(|time| time.parse().ok()).or(plan.begun)?;
    Duration::try_from(now.duration_since(begun)).ok()
}
