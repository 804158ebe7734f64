//! A run as people read it.

use std::time::Duration;

use jiff::Timestamp;
use report::{Document, Mark, Page, Report};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use settings::Region;

use crate::loss::Verdict;
use crate::record::Outcome;
use crate::{
    Mode, Plan, RunReport, RunState, RunStatus, SeenLease, StepId, StepState, StepStatus, Survey,
    lease::LeaseState,
};

fn length(seconds: u64) -> String {
    report::duration(Duration::from_secs(seconds))
}

fn time(time: Timestamp) -> String {
    format!("{time:.0}")
}

impl Report for Plan {
    const KIND: &'static str = "failover-plan";

    fn document(&self) -> Document {
        let rows = self.steps.iter().map(|step| {
            let after: Vec<&str> = step.after.iter().map(|id| id.0.as_str()).collect();
            let problem = step.inputs.get("problem").and_then(Value::as_str);
            let mark = if problem.is_some() {
                Mark::Wrong
            } else {
                Mark::Plain
            };
            let title = match problem {
                Some(problem) => format!("{}: {problem}", step.title),
                None => step.title.clone(),
            };
            (mark, vec![step.id.to_string(), title, after.join(", ")])
        });
        let (from, to) = self.way();
        let document = self.about(Document::new().heading(format!(
            "Plan: {} of {} from {from} to {to}",
            self.mode.name(),
            self.environment,
        )));
        let document = match self.survey() {
            Some(survey) => document.append(survey.document()),
            None => document,
        };
        document.table(["Step", "What it does", "After"], rows.collect())
    }
}

impl Plan {
    /// From which region to which one.
    pub fn way(&self) -> (Region, Region) {
        match self.mode {
            Mode::RegionLoss => (self.primary, self.dr),
            Mode::Failback => (self.dr, self.primary),
        }
    }

    /// What the primary region did since it came back, of a failback.
    pub fn survey(&self) -> Option<Survey> {
        let step = self.step(&StepId::new(crate::failback::names::PRIMARY));
        let step = step.filter(|_| self.mode == Mode::Failback)?;
        Survey::deserialize(&step.inputs).ok()
    }

    fn about(&self, document: Document) -> Document {
        let account = self.account.as_deref().unwrap_or("not known");
        let lost: Vec<String> = self.declared.lost.iter().map(ToString::to_string).collect();
        let mut document = document.fact(Mark::Plain, "account", account);
        if !lost.is_empty() {
            document = document.fact(Mark::Plain, "lost", lost.join(", "));
        }
        document = document.fact(Mark::Plain, "declared", time(self.declared.declared));
        if let Some(fault) = self.fault {
            document = document.fact(Mark::Plain, "fault", time(fault));
        }
        for exception in &self.residency.exceptions {
            document = document.fact(Mark::Unknown, "residency", exception.as_str());
        }
        if let Some(reason) = &self.residency.despite {
            document = document.fact(
                Mark::Wrong,
                "goes on although that has run out",
                reason.as_str(),
            );
        }
        let rows = self.declared.evidence.iter().map(|seen| {
            let (mark, verdict) = match seen.verdict() {
                _ if self.mode == Mode::Failback => match seen.is_healthy() {
                    true => (Mark::Ok, "it serves"),
                    false => (Mark::Wrong, "it does not serve"),
                },
                Verdict::Lost => (Mark::Ok, "lost"),
                Verdict::Answers => (Mark::Wrong, "it answers"),
                Verdict::Undecided => (Mark::Unknown, "undecided"),
            };
            (mark, vec![verdict.to_owned(), seen.to_string()])
        });
        document = document.table(["Verdict", "Evidence"], rows.collect());
        match &self.declared.declaration {
            Some(word) => document.fact(
                Mark::Unknown,
                "declared by",
                format!("{}: {}", word.by, word.reason),
            ),
            None => document,
        }
    }
}

fn mark(status: StepStatus) -> Mark {
    match status {
        StepStatus::Done => Mark::Ok,
        StepStatus::Failed => Mark::Wrong,
        StepStatus::WaitsForApproval | StepStatus::Skipped => Mark::Unknown,
        StepStatus::Pending | StepStatus::Began | StepStatus::NotApplicable => Mark::Plain,
    }
}

fn told(step: &StepState) -> String {
    if let Some(question) = &step.question {
        return question.clone();
    }
    match &step.outcome {
        None => String::new(),
        Some(Outcome::Done { changed: true, .. }) => String::new(),
        Some(Outcome::Done { changed: false, .. }) => "it was so already".to_owned(),
        Some(Outcome::NotApplicable { why }) => why.clone(),
        Some(Outcome::Skipped { reason, by }) => format!("{by}: {reason}"),
        Some(Outcome::Failed { problem, hint, .. }) => match hint {
            Some(hint) => format!("{problem}; {hint}"),
            None => problem.clone(),
        },
    }
}

impl Report for RunState {
    const KIND: &'static str = "run";

    fn document(&self) -> Document {
        let plan = &self.plan;
        let (status_mark, status) = match &self.status {
            RunStatus::Open => (Mark::Unknown, "under way".to_owned()),
            RunStatus::Stopped { why } => (Mark::Wrong, format!("stopped: {why}")),
            RunStatus::Finished => (Mark::Ok, "finished".to_owned()),
            RunStatus::Abandoned { by, reason } => {
                (Mark::Wrong, format!("abandoned by {by}: {reason}"))
            }
        };
        let (from, to) = plan.way();
        let mut document = Document::new()
            .heading(format!("Run {}", plan.run))
            .fact(status_mark, "status", status)
            .fact(Mark::Plain, "from", from.as_str())
            .fact(Mark::Plain, "to", to.as_str());
        if let Some(holder) = &self.holder {
            document = document.fact(Mark::Plain, "carried by", holder.to_string());
        }
        document = plan.about(document);
        let rows = plan.steps.iter().filter_map(|planned| {
            let step = self.steps.get(&planned.id)?;
            let took = match (step.began, step.ended) {
                (Some(began), Some(ended)) if step.is_settled() => {
                    let took = Duration::try_from(ended.duration_since(began));
                    // To the tenth of a second.
                    let tenths = took.unwrap_or_default().as_millis() / 100;
                    format!("{}.{} s", tenths / 10, tenths % 10)
                }
                _ => String::new(),
            };
            let cells = vec![
                planned.id.to_string(),
                step.status.name().to_owned(),
                took,
                told(step),
            ];
            Some((mark(step.status), cells))
        });
        let document = document.table(["Step", "Status", "Took", ""], rows.collect());
        document.append(RunReport::of(self).document())
    }
}

impl RunState {
    /// The page of the run: one file that opens without a network, and prints.
    pub fn page(&self, written: Timestamp) -> String {
        let plan = &self.plan;
        let (from, to) = plan.way();
        let what = match plan.mode {
            Mode::RegionLoss => "Failover",
            Mode::Failback => "Failback",
        };
        let page = Page::new(format!("{what} of {}", plan.environment))
            .about("Run", plan.run.as_str())
            .about("From", from.as_str())
            .about("To", to.as_str())
            .about("Written", time(written));
        self.document().to_html(&page)
    }
}

impl Report for RunReport {
    const KIND: &'static str = "run-report";

    fn document(&self) -> Document {
        let goals = self.objectives;
        let row = |what: String, found: Option<u64>, goal: u64| {
            let mark = match found {
                Some(found) if found <= goal => Mark::Ok,
                Some(_) => Mark::Wrong,
                None => Mark::Unknown,
            };
            let found = found.map_or_else(|| "not known".to_owned(), length);
            (mark, vec![what, found, length(goal)])
        };
        let mut rows = match self.mode {
            Mode::RegionLoss => vec![
                row(
                    "RTO, from the fault".to_owned(),
                    self.rto_from_fault_seconds,
                    goals.rto_seconds,
                ),
                row(
                    "RTO, from the declaration".to_owned(),
                    self.rto_from_declaration_seconds,
                    goals.rto_seconds,
                ),
            ],
            Mode::Failback => vec![row(
                "writers stood still".to_owned(),
                self.writers_stood_still_seconds,
                goals.rto_seconds,
            )],
        };
        for (database, lost) in &self.databases {
            let found = lost.rpo_seconds.filter(|_| lost.is_restored);
            rows.push(row(
                format!("RPO of {database}"),
                found,
                goals.rpo_database_seconds,
            ));
        }
        Document::new().table(["Objective", "Measured", "Wanted"], rows)
    }
}

/// A run, and who has the lease of the environment.
#[derive(Debug, Serialize)]
pub struct RunAndLease {
    /// The run.
    #[serde(flatten)]
    pub run: RunState,
    /// The lease, where it is of this run.
    pub lease: Option<SeenLease>,
}

impl Report for RunAndLease {
    const KIND: &'static str = RunState::KIND;

    fn document(&self) -> Document {
        let document = match &self.lease {
            Some(lease) if lease.state == LeaseState::Held => Document::new().fact(
                Mark::Unknown,
                "lease",
                format!("{}, renewed at {}", lease.holder, time(lease.renewed)),
            ),
            _ => Document::new(),
        };
        self.run.document().append(document)
    }
}

/// The runs of an environment.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct RunList(pub Vec<RunEntry>);

/// One of them.
#[derive(Debug, Serialize)]
pub struct RunEntry {
    /// The run, or its name where its records cannot be read.
    pub run: String,
    /// Where it is.
    pub state: Result<RunState, String>,
}

impl Report for RunList {
    const KIND: &'static str = "runs";

    fn document(&self) -> Document {
        let rows = self.0.iter().map(|entry| match &entry.state {
            Ok(state) => {
                let settled = state
                    .steps
                    .values()
                    .filter(|step| step.is_settled())
                    .count();
                let (mark, status) = match &state.status {
                    RunStatus::Open => (Mark::Unknown, "under way"),
                    RunStatus::Stopped { .. } => (Mark::Wrong, "stopped"),
                    RunStatus::Finished => (Mark::Ok, "finished"),
                    RunStatus::Abandoned { .. } => (Mark::Plain, "abandoned"),
                };
                let cells = vec![
                    entry.run.clone(),
                    state.plan.mode.name().to_owned(),
                    status.to_owned(),
                    format!("{settled} of {}", state.steps.len()),
                    state.plan.operator.clone(),
                    time(state.updated),
                ];
                (mark, cells)
            }
            Err(problem) => (
                Mark::Unknown,
                vec![entry.run.clone(), String::new(), problem.clone()],
            ),
        });
        let document = Document::new().heading("Runs");
        match self.0.is_empty() {
            true => document.text("There are none."),
            false => document.table(
                ["Run", "Mode", "Status", "Steps", "Operator", "Last record"],
                rows.collect(),
            ),
        }
    }
}

/// The steps that wait for a person.
pub fn waiting(state: &RunState) -> Vec<(&StepId, &str)> {
    let steps = state.steps.iter();
    let waiting = steps.filter_map(|(id, step)| Some((id, step.question.as_deref()?)));
    waiting.collect()
}
