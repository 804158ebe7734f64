//! Where a run is, by its records.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use settings::Region;

use crate::record::{Digest, Event, Outcome, Record};
use crate::{Holder, Mode, Plan, PlannedStep, StepId};

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// It waits for a person to agree.
    WaitsForApproval,
    /// Begun, and no end recorded: it is under way, or whoever took it died.
    Began,
    /// It is so, and verified.
    Done,
    /// The project has nothing that it would act on.
    NotApplicable,
    /// The operator left it out.
    Skipped,
    /// It did not come to its end.
    Failed,
}

impl StepStatus {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::WaitsForApproval => "waits for approval",
            Self::Began => "under way",
            Self::Done => "done",
            Self::NotApplicable => "not applicable",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// That a person has agreed to what a step asked, or the policy of the run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenApproval {
    /// To what; the records of an older version have its digest alone.
    pub question: Option<String>,
    /// The name of whoever did it.
    pub by: String,
    /// Why, if it was said.
    pub reason: Option<String>,
    /// When the run went on by it.
    pub at: Timestamp,
}

/// What the records say of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepState {
    /// Where it is.
    pub status: StepStatus,
    /// How often it was begun.
    pub attempts: u32,
    /// When it was first begun.
    pub began: Option<Timestamp>,
    /// When it was settled, or failed last.
    pub ended: Option<Timestamp>,
    /// How it ended last.
    pub outcome: Option<Outcome>,
    /// What a person has to agree to, while it waits for that.
    pub question: Option<String>,
    /// What was agreed to, by whom.
    #[serde(skip)]
    pub(crate) approved: Vec<Digest>,
    /// The same for people.
    pub approvals: Vec<GivenApproval>,
    /// What it wanted to be known, in order.
    pub notes: Vec<Value>,
}

impl StepState {
    const fn new() -> Self {
        Self {
            status: StepStatus::Pending,
            attempts: 0,
            began: None,
            ended: None,
            outcome: None,
            question: None,
            approved: Vec::new(),
            approvals: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether steps after it may begin.
    pub fn is_settled(&self) -> bool {
        matches!(
            self.status,
            StepStatus::Done | StepStatus::NotApplicable | StepStatus::Skipped
        )
    }
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum RunStatus {
    /// Somebody carries it, or did until they died: the lease tells.
    Open,
    /// It was left where it is.
    Stopped {
        /// What keeps it from going on.
        why: String,
    },
    /// Every step is settled.
    Finished,
    /// It was given up.
    Abandoned {
        /// The name of whoever did it.
        by: String,
        /// What they gave as the reason.
        reason: String,
    },
}

impl RunStatus {
    /// Whether it can be carried on.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Finished | Self::Abandoned { .. })
    }
}

/// A run, by its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunState {
    /// What it does.
    pub plan: Plan,
    /// Where it is.
    #[serde(flatten)]
    pub status: RunStatus,
    /// Who carried it last.
    pub holder: Option<Holder>,
    /// How often somebody has taken it up.
    pub openings: u32,
    /// The epoch of the last record.
    pub epoch: u64,
    /// How many records it has.
    pub records: u64,
    /// The time of the last record.
    pub updated: Timestamp,
    /// How many seconds earlier than the record before it a record is, at most: by so much, or more, clocks of machines differ that
    /// carried the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clocks_differ_seconds: Option<u64>,
    /// The endpoint that stood in for AWS's own, if one did at any record.
    pub stand_in: Option<String>,
    /// How many requests were sent to each region until the last record, by all that carried the run.
    pub calls: BTreeMap<Region, u64>,
    /// Step by step.
    pub steps: BTreeMap<StepId, StepState>,
    #[serde(skip)]
    last_step: Option<StepId>,
    /// What those had sent that carried it before.
    #[serde(skip)]
    calls_before: BTreeMap<Region, u64>,
}

impl RunState {
    /// What the records tell; `None` where the first is no plan.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Option<Self> {
        let mut records = records.into_iter();
        let first = records.next()?;
        let Event::Planned { plan } = &first.event else {
            return None;
        };
        let steps = plan.steps.iter();
        let mut state = Self {
            status: RunStatus::Open,
            holder: None,
            openings: 0,
            epoch: first.epoch,
            records: 1,
            updated: first.time,
            clocks_differ_seconds: None,
            steps: steps
                .map(|step| (step.id.clone(), StepState::new()))
                .collect(),
            plan: (**plan).clone(),
            stand_in: first.stand_in.clone(),
            calls: first.calls.clone(),
            last_step: None,
            calls_before: BTreeMap::new(),
        };
        for record in records {
            state.take(record);
        }
        Some(state)
    }

    /// Whether it is a failover that was given up, so that another one may go on from what it left in the DR region.
    pub fn can_be_followed(&self) -> bool {
        self.plan.mode == Mode::RegionLoss && matches!(self.status, RunStatus::Abandoned { .. })
    }

    /// What one more record tells.
    pub(crate) fn take(&mut self, record: &Record) {
        if self.stand_in.is_none() {
            self.stand_in.clone_from(&record.stand_in);
        }
        // A process counts from its start, and has an epoch of its own.
        if record.epoch != self.epoch {
            self.calls_before.clone_from(&self.calls);
        }
        if !record.calls.is_empty() {
            self.calls.clone_from(&self.calls_before);
            for (region, count) in &record.calls {
                *self.calls.entry(*region).or_default() += count;
            }
        }
        self.epoch = record.epoch;
        self.records += 1;
        let back = u64::try_from(self.updated.duration_since(record.time).as_secs()).unwrap_or(0);
        if back > 0 {
            self.clocks_differ_seconds = self.clocks_differ_seconds.max(Some(back));
        }
        self.updated = record.time;
        let time = record.time;
        self.last_step = None;
        match &record.event {
            // A second plan would be another run.
            Event::Planned { .. } => {}
            Event::Opened { holder } => {
                self.status = RunStatus::Open;
                self.holder = Some(holder.clone());
                self.openings += 1;
            }
            Event::Began { step, attempt } => self.of(step, |state| {
                state.status = StepStatus::Began;
                state.attempts = *attempt;
                state.began.get_or_insert(time);
                state.question = None;
            }),
            Event::Noted { step, note } => self.of(step, |state| state.notes.push(note.clone())),
            Event::Asked { step, question } => self.of(step, |state| {
                state.status = StepStatus::WaitsForApproval;
                state.question = Some(question.clone());
            }),
            Event::Approved {
                step,
                question,
                text,
                by,
                reason,
            } => self.of(step, |state| {
                state.approved.push(*question);
                state.approvals.push(GivenApproval {
                    question: text.clone().or_else(|| state.question.clone()),
                    by: by.clone(),
                    reason: reason.clone(),
                    at: time,
                });
                state.question = None;
                if state.status == StepStatus::WaitsForApproval {
                    state.status = StepStatus::Pending;
                }
            }),
            Event::Ended { step, outcome } => self.of(step, |state| {
                state.status = match outcome {
                    Outcome::Done { .. } => StepStatus::Done,
                    Outcome::NotApplicable { .. } => StepStatus::NotApplicable,
                    Outcome::Skipped { .. } => StepStatus::Skipped,
                    Outcome::Failed { .. } => StepStatus::Failed,
                };
                state.ended = Some(time);
                state.question = None;
                state.outcome = Some(outcome.clone());
            }),
            Event::Stopped { why } => self.status = RunStatus::Stopped { why: why.clone() },
            Event::Finished => self.status = RunStatus::Finished,
            Event::Abandoned { by, reason } => {
                self.status = RunStatus::Abandoned {
                    by: by.clone(),
                    reason: reason.clone(),
                }
            }
        }
    }

    fn of(&mut self, step: &StepId, change: impl FnOnce(&mut StepState)) {
        if let Some(state) = self.steps.get_mut(step) {
            change(state);
            self.last_step = Some(step.clone());
        }
    }

    /// The step that the last record is about, if it is about one.
    pub fn last_step(&self) -> Option<(&PlannedStep, &StepState)> {
        let id = self.last_step.as_ref()?;
        Some((self.plan.step(id)?, self.steps.get(id)?))
    }

    /// What a step that is done left for others.
    pub fn result(&self, step: &StepId) -> Option<&Value> {
        match self.steps.get(step)?.outcome.as_ref()? {
            Outcome::Done { result, .. } => Some(result),
            _ => None,
        }
    }

    /// Whether every step is settled.
    pub fn is_settled(&self) -> bool {
        self.steps.values().all(StepState::is_settled)
    }
}
