//! A run as people read it.

mod consistency;
mod ledger;
mod officers;
mod run;

use std::time::Duration;

use dr::database::RestorePlan;
use jiff::Timestamp;
use report::{Document, Mark, Report, ShellCommand};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use settings::Region;

use crate::failback::CONFLICTS;
use crate::failover::RestoreInputs;
use crate::loss::Verdict;
use crate::record::Outcome;
use crate::{
    CommitInputs, Mode, Plan, RunFacts, RunState, RunStatus, SeenLease, StepId, StepStatus, Survey,
    lease::LeaseState,
};

pub(crate) fn time(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// What a restore would lose, beside what may be lost.
fn lost(plan: &RestorePlan) -> (Mark, String) {
    let told = |seconds| report::duration(Duration::from_secs(seconds));
    let objective = told(plan.rpo_objective_seconds);
    match plan.rpo_seconds {
        None => (
            Mark::Unknown,
            format!("how much is lost is not known, objective {objective}"),
        ),
        Some(lost) => {
            let mark = match lost > plan.rpo_objective_seconds {
                true => Mark::Wrong,
                false => Mark::Plain,
            };
            let lost = told(lost);
            (
                mark,
                format!("up to {lost} are lost, objective {objective}"),
            )
        }
    }
}

impl Report for Plan {
    const KIND: &'static str = "failover-plan";

    fn document(&self) -> Document {
        let rows = self.steps.iter().map(|step| {
            let after: Vec<&str> = step.after.iter().map(|id| id.0.as_str()).collect();
            let problem = step.inputs.get("problem").and_then(Value::as_str);
            let restore = RestoreInputs::deserialize(&step.inputs);
            let (mark, title) = match (problem, restore) {
                (Some(problem), _) => (Mark::Wrong, format!("{}: {problem}", step.title)),
                (None, Ok(RestoreInputs { plan, unknown, .. })) => {
                    let (mark, lost) = lost(&plan);
                    let data = time(plan.choice.data_time);
                    let (title, kind) = (&step.title, plan.choice.kind.name());
                    let told = format!("{title}, {kind} with data of {data}: {lost}");
                    let more = format!("{told}; not known: {}", unknown.join("; "));
                    match (mark, unknown.is_empty()) {
                        (mark, true) => (mark, told),
                        (Mark::Wrong, false) => (Mark::Wrong, more),
                        (_, false) => (Mark::Unknown, more),
                    }
                }
                (None, Err(_)) => (Mark::Plain, step.title.clone()),
            };
            (mark, vec![step.id.to_string(), title, after.join(", ")])
        });
        let (from, to) = self.way();
        let way = match self.mode {
            // It does not go anywhere.
            Mode::Commit => format!("to {to}, for good"),
            _ => format!("from {from} to {to}"),
        };
        let document = Document::new().heading(format!(
            "Plan: {} of {} {way}",
            self.mode.name(),
            self.environment,
        ));
        let document = self.about(self.exceptions(document));
        let document = match self.survey() {
            Some(survey) => document.append(survey.document()),
            None => document,
        };
        let document = document.table(["Step", "What it does", "After"], rows.collect());
        match CommitInputs::of(self) {
            Some(inputs) => inputs.difference.iter().fold(
                document.heading("How the settings change"),
                |document, line| document.text(line.as_str()),
            ),
            None => document,
        }
    }
}

impl Plan {
    /// From which region to which one.
    pub fn way(&self) -> (Region, Region) {
        match self.mode {
            Mode::RegionLoss | Mode::Planned | Mode::Commit => (self.primary, self.dr),
            Mode::Failback | Mode::Undo => (self.dr, self.primary),
        }
    }

    /// What the primary region did since it came back, of a failback.
    pub fn survey(&self) -> Option<Survey> {
        let step = self.step(&StepId::new(crate::failback::names::PRIMARY));
        let step = step.filter(|_| self.mode == Mode::Failback)?;
        Survey::deserialize(&step.inputs).ok()
    }

    /// The exceptions from the residency policy, as somebody reads them who is to agree.
    fn exceptions(&self, mut document: Document) -> Document {
        for exception in &self.residency.exceptions {
            document = document.fact(Mark::Unknown, "residency", exception.as_str());
        }
        match &self.residency.despite {
            Some(reason) => document.fact(
                Mark::Wrong,
                "goes on although that has run out",
                reason.as_str(),
            ),
            None => document,
        }
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
        let rows = self.declared.evidence.iter().map(|seen| {
            let (mark, verdict) = match seen.verdict() {
                _ if self.mode != Mode::RegionLoss => match seen.is_healthy() {
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

/// A run, and who has the lease of the environment.
#[derive(Debug, Serialize)]
pub struct RunAndLease {
    /// The run.
    #[serde(flatten)]
    pub run: RunState,
    /// The lease, where it is of this run.
    pub lease: Option<SeenLease>,
    /// What follows from the records by now.
    pub facts: RunFacts,
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
        self.run.document_of(&self.facts, None).append(document)
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

/// What goes on with a run that has stopped; with the decisions, where a step waits for those. `None` of a drill next to the
/// environment, with which nobody goes on.
pub fn resume_command(state: &RunState) -> Option<ShellCommand> {
    if state.plan.drill.is_some() {
        return None;
    }
    let resume = ShellCommand::new("dr-runbook runs resume").word(state.plan.run.as_str());
    let mut failed = state.steps.values().filter_map(|step| match &step.outcome {
        Some(Outcome::Failed { hint, .. }) if step.status == StepStatus::Failed => hint.as_deref(),
        _ => None,
    });
    match failed.any(|hint| hint.contains(CONFLICTS)) {
        true => Some(resume.words(CONFLICTS)),
        false => Some(resume),
    }
}

/// The steps that wait for a person.
pub fn waiting(state: &RunState) -> Vec<(&StepId, &str)> {
    let steps = state.steps.iter();
    let waiting = steps.filter_map(|(id, step)| Some((id, step.question.as_deref()?)));
    waiting.collect()
}
