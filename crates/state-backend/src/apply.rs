//! Making the backend as wanted: one facet at a time, checked before and read back after.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use aws_env::{Error, ErrorClass, Waiter, WaiterConfig};
use report::{Document, Mark, Observer, Outcome, Report};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::backend::Backend;
use crate::plan::{Approved, Change, Found, Plan, Verdict, judge};
use crate::problem::Problem;
use crate::spec::{Aspect, Facet, Kind, Resource, SideName};
use crate::{alarm, bucket, role, table};

/// Bucket and role settings show within seconds. S3 speaks of a minute at most for most of them; Terraform's provider
/// gives a new bucket two.
const SETTLE: WaiterConfig = settle(Duration::from_secs(120));
/// A table is created, encrypted anew or given a replica in minutes.
const SETTLE_TABLE: WaiterConfig = settle(Duration::from_secs(600));

const fn settle(deadline: Duration) -> WaiterConfig {
    WaiterConfig {
        deadline,
        interval: Duration::from_millis(100),
        max_interval: Duration::from_secs(3),
    }
}

/// How a step of [`Backend::apply`] ended.
#[derive(Debug, Clone)]
pub enum StepOutcome {
    /// Changed now, and read back.
    Done,
    /// As wanted already when its turn came.
    Unchanged,
    /// Tried, and failed.
    Failed(Problem),
    /// Not tried, and why: something that it needs has failed or does not answer.
    Skipped(String),
}

/// One step of [`Backend::apply`].
#[derive(Debug, Clone)]
pub struct Step {
    /// What it was to make true.
    pub facet: Facet,
    /// How it ended; nothing that it changed is undone when it failed.
    pub outcome: StepOutcome,
    /// From the check before it until AWS showed the change.
    pub took: Duration,
}

/// What [`Backend::apply`] did.
#[derive(Debug, Clone)]
pub struct Applied {
    /// What was not as wanted when it was planned, in the plan's order.
    pub steps: Vec<Step>,
    /// Facets that were as wanted from the start.
    pub unchanged: usize,
    /// What the plan refused, so that nothing was changed at all.
    pub refused: Vec<Change>,
}

impl Applied {
    /// Of a plan that was not approved: nothing was done.
    pub fn refused(plan: &Plan) -> Self {
        let fine = plan.items().iter();
        Self {
            steps: Vec::new(),
            unchanged: fine.filter(|item| item.verdict == Verdict::Ok).count(),
            refused: plan.refused().map(|(item, _)| item.clone()).collect(),
        }
    }

    /// Whether everything is as wanted now.
    pub fn is_complete(&self) -> bool {
        let done = |step: &Step| matches!(step.outcome, StepOutcome::Done | StepOutcome::Unchanged);
        self.refused.is_empty() && self.steps.iter().all(done)
    }

    /// Whether anything was changed.
    pub fn has_changed(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.outcome, StepOutcome::Done))
    }

    /// The first failure, for the exit.
    pub fn first_problem(&self) -> Option<&Problem> {
        self.steps.iter().find_map(|step| match &step.outcome {
            StepOutcome::Failed(problem) => Some(problem),
            _ => None,
        })
    }
}

/// What has gone wrong so far, and what therefore is not tried.
#[derive(Default)]
struct Broken {
    resources: HashSet<Resource>,
    sides: HashSet<SideName>,
}

impl Broken {
    /// Why `item` is not tried, if so.
    fn not_tried(&mut self, item: &Change) -> Option<String> {
        match &item.found {
            // It was asked moments ago, and nobody answered.
            Found::Unknown(problem) if problem.error().class == ErrorClass::Unreachable => {
                self.resources.insert(item.facet.resource.clone());
                Some(problem.to_string())
            }
            _ => self.stops(&item.facet),
        }
    }

    fn stops(&self, facet: &Facet) -> Option<String> {
        let resource = &facet.resource;
        if resource.kind != Kind::Role && self.sides.contains(&resource.side) {
            return Some(format!("{} cannot be reached", resource.region));
        }
        if facet.aspect == Aspect::Replication {
            // Replication stands on both buckets and the role; tables do not matter to it.
            return self
                .resources
                .iter()
                .find(|broken| broken.kind != Kind::Table)
                .map(|broken| format!("needs {broken}"))
                .or_else(|| (!self.sides.is_empty()).then(|| "needs both regions".to_owned()));
        }
        self.resources
            .contains(resource)
            .then(|| format!("{resource} failed before"))
    }

    fn note(&mut self, facet: &Facet, class: ErrorClass) {
        self.resources.insert(facet.resource.clone());
        if class == ErrorClass::Unreachable && facet.resource.kind != Kind::Role {
            self.sides.insert(facet.resource.side);
        }
    }
}

impl Backend {
    /// Makes everything in `plan` true, in its order. Stops trying a resource that failed and a
    /// region that does not answer, and goes on with the rest. Running it again continues.
    pub async fn apply(&self, approved: &Approved, observer: &dyn Observer) -> Applied {
        let plan = approved.plan();
        let mut steps = Vec::new();
        let lost = [SideName::Primary, SideName::Dr]
            .into_iter()
            .filter(|side| self.lost(*side).is_some());
        let mut broken = Broken {
            sides: lost.collect(),
            ..Broken::default()
        };
        for item in plan.items() {
            if item.verdict == Verdict::Ok {
                continue;
            }
            steps.push(self.step(item, &mut broken, observer).await);
        }
        Applied {
            unchanged: plan.items().len() - steps.len(),
            steps,
            refused: Vec::new(),
        }
    }

    async fn step(&self, item: &Change, broken: &mut Broken, observer: &dyn Observer) -> Step {
        let facet = &item.facet;
        let label = format!(
            "{} {}: {}",
            facet.resource.region, facet.resource, facet.aspect
        );
        let begun = Instant::now();
        let outcome = match broken.not_tried(item) {
            Some(why) => StepOutcome::Skipped(why),
            None => {
                observer.started(&label);
                match self.make_true(facet, &label, observer).await {
                    Ok(outcome) => outcome,
                    Err(problem) => {
                        broken.note(facet, problem.error().class);
                        StepOutcome::Failed(problem)
                    }
                }
            }
        };
        let took = begun.elapsed();
        observer.finished(&label, outcome.shown(), took);
        tracing::info!(
            region = %facet.resource.region,
            resource = facet.resource.to_string(),
            step = facet.aspect.to_string(),
            outcome = outcome.word(),
            ms = took.as_millis(),
            "applied"
        );
        Step {
            facet: facet.clone(),
            outcome,
            took,
        }
    }

    /// Check, change, read back.
    async fn make_true(
        &self,
        facet: &Facet,
        label: &str,
        observer: &dyn Observer,
    ) -> Result<StepOutcome, Problem> {
        let resource = &facet.resource;
        let call = |operation| {
            let service = service(resource.kind);
            self.clients(resource.side)
                .call(service, operation, resource.to_string())
        };
        let (verdict, found) = self.recheck(facet).await?;
        match verdict {
            Verdict::Ok => return Ok(StepOutcome::Unchanged),
            Verdict::Refused(refusal) => {
                return Err(Error::unexpected(call("compare"), refusal.why).into());
            }
            _ => {}
        }
        let config = match resource.kind {
            Kind::Table => SETTLE_TABLE,
            Kind::Bucket | Kind::Role | Kind::Key | Kind::Alarm => SETTLE,
        };
        if !self.comes_by_itself(facet, found.as_ref()) {
            let progress = |error: &Error| observer.waiting(label, &error.to_string());
            retry(config, is_under_change, progress, || async {
                Ok(self.change(facet, found.is_some()).await?)
            })
            .await?;
        }
        let progress = |_: &Error| observer.waiting(label, "waiting until AWS shows it");
        retry(config, may_show_later, progress, || async {
            match self.recheck(facet).await? {
                (Verdict::Ok, _) => Ok(()),
                (_, found) => {
                    let found = found.unwrap_or(Value::Null);
                    Err(Error::not_settled(call("read back"), config.deadline, found).into())
                }
            }
        })
        .await?;
        Ok(StepOutcome::Done)
    }

    async fn change(&self, facet: &Facet, exists: bool) -> Result<(), Error> {
        let clients = self.clients(facet.resource.side);
        match facet.resource.kind {
            Kind::Bucket => bucket::apply(clients, self.spec(), facet).await,
            Kind::Table => table::apply(clients, self.spec(), facet).await,
            Kind::Role => role::apply(self.global(), self.spec(), facet, exists).await,
            Kind::Alarm => alarm::apply(clients, self.spec(), facet).await,
            // Whatever a key is, its plan says so or refuses.
            Kind::Key => Ok(()),
        }
    }

    async fn recheck(&self, facet: &Facet) -> Result<(Verdict, Option<Value>), Problem> {
        let found = self.read(&self.readings(), facet).await?;
        let as_found = found.clone().map_or(Found::Absent, Found::Value);
        Ok((judge(facet, &as_found), found))
    }

    /// A table that is being created or changed becomes active without us, and so does a global
    /// table's replica, which its primary table makes.
    fn comes_by_itself(&self, facet: &Facet, found: Option<&Value>) -> bool {
        facet.resource.kind == Kind::Table
            && facet.aspect == Aspect::Exists
            && (found.is_some()
                || (self.spec().global_table && facet.resource.side == SideName::Dr))
    }
}

fn service(kind: Kind) -> &'static str {
    match kind {
        Kind::Bucket => "S3",
        Kind::Table => "DynamoDB",
        Kind::Role => "IAM",
        Kind::Key => "KMS",
        Kind::Alarm => "CloudWatch",
    }
}

/// Does something until it is done, or an error is not one to wait for, or the time is over.
///
/// That a region does not answer is not waited for, as [`aws_env::wait`] would: the SDK has tried again by then, every
/// further step would wait as long, and the next run goes on where this one ended.
async fn retry<F: Future<Output = Result<(), Problem>>>(
    config: WaiterConfig,
    may_pass: impl Fn(&Error) -> bool,
    progress: impl Fn(&Error),
    mut action: impl FnMut() -> F,
) -> Result<(), Problem> {
    let mut waiter = Waiter::begin(config);
    loop {
        match action().await {
            Err(problem) if may_pass(problem.error()) => {
                progress(problem.error());
                if !waiter.pause().await {
                    return Err(problem);
                }
            }
            ended => return ended,
        }
    }
}

/// Refusals that pass: another change to the same resource is still under way, or what was made moments ago, and read
/// back, is not known everywhere yet. Terraform's provider waits for the same: `NoSuchBucket` after a bucket was made,
/// `ContinuousBackupsUnavailableException` after a table was, and a destination of replication that S3 does not know yet
/// (<https://github.com/hashicorp/terraform-provider-aws/tree/main/internal/service/s3>, `…/dynamodb`).
fn is_under_change(error: &Error) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    let says = |words: &str| {
        let message = error.message.as_deref();
        message.is_some_and(|message| message.contains(words))
    };
    let is_not_known_yet = match error.call.operation {
        "UpdateContinuousBackups" => code == "ContinuousBackupsUnavailableException",
        "PutBucketReplication" if code == "InvalidRequest" => {
            says("ersioning") || says("Destination bucket must exist")
        }
        operation => code == "NoSuchBucket" && operation.starts_with("Put"),
    };
    matches!(
        code,
        "OperationAborted"
            | "ResourceInUseException"
            | "ConcurrentModification"
            | "LimitExceededException"
    ) || is_not_known_yet
}

/// AWS accepts a change before it shows it. What it refuses to show will not come by waiting.
fn may_show_later(error: &Error) -> bool {
    !matches!(
        error.class,
        ErrorClass::Denied | ErrorClass::Credentials | ErrorClass::Unreachable
    )
}

// ---- views --------------------------------------------------------------------------------------

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("region", &self.facet.resource.region)?;
        map.serialize_entry("kind", &self.facet.resource.kind)?;
        map.serialize_entry("name", &self.facet.resource.name)?;
        map.serialize_entry("aspect", &self.facet.aspect)?;
        map.serialize_entry("outcome", self.outcome.word())?;
        match &self.outcome {
            StepOutcome::Failed(problem) => map.serialize_entry("problem", problem)?,
            StepOutcome::Skipped(why) => map.serialize_entry("why", why)?,
            _ => {}
        }
        map.serialize_entry("took_ms", &self.took.as_millis())?;
        map.end()
    }
}

impl StepOutcome {
    fn shown(&self) -> Outcome {
        match self {
            Self::Done => Outcome::Done,
            Self::Unchanged => Outcome::Unchanged,
            Self::Failed(_) => Outcome::Failed,
            Self::Skipped(_) => Outcome::Skipped,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "not done",
        }
    }
}

impl Serialize for Applied {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("complete", &self.is_complete())?;
        map.serialize_entry("unchanged", &self.unchanged)?;
        map.serialize_entry("refused", &self.refused)?;
        map.serialize_entry("steps", &self.steps)?;
        map.end()
    }
}

impl Report for Applied {
    const KIND: &'static str = "backend-apply";

    fn document(&self) -> Document {
        // What was done has been told step by step; what was not is what is left to look at.
        let rows = self.steps.iter().filter_map(|step| {
            let (mark, detail) = match &step.outcome {
                StepOutcome::Done | StepOutcome::Unchanged => return None,
                StepOutcome::Failed(problem) => (Mark::Wrong, problem.to_string()),
                StepOutcome::Skipped(why) => (Mark::Unknown, why.clone()),
            };
            let resource = &step.facet.resource;
            let cells = vec![
                step.outcome.word().to_owned(),
                resource.region.to_string(),
                resource.to_string(),
                step.facet.aspect.to_string(),
                detail,
            ];
            Some((mark, cells))
        });
        let done = self
            .steps
            .iter()
            .filter(|s| matches!(s.outcome, StepOutcome::Done))
            .count();
        let open = self
            .steps
            .iter()
            .filter(|s| matches!(s.outcome, StepOutcome::Failed(_) | StepOutcome::Skipped(_)))
            .count();
        let mut document = Document::new()
            .heading("Applied")
            .table(["", "Region", "Resource", "Setting", "Why"], rows.collect())
            .text(format!(
                "{done} changed, {} as wanted, {open} not done.",
                self.unchanged + self.steps.len() - done - open
            ));
        if open > 0 {
            document = document.text("Run `init-backend apply` again to continue.");
        }
        document
    }
}

#[cfg(test)]
mod tests;
