//! A run on a page: where it is, what it measured, who agreed to what, and what it costs.

use std::time::Duration;

use jiff::Timestamp;
use report::{Chart, Document, Mark, Page, Report, ShellCommand, Value};

use super::{resume_command, time};
use crate::record::Outcome;
use crate::{
    DataKind, HourlyCost, Mode, OutsideCountry, PlannedStep, RunFacts, RunReport, RunState,
    RunStatus, StepId, StepState, StepStatus, waiting,
};

pub(super) fn length(seconds: u64) -> String {
    report::duration(Duration::from_secs(seconds))
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    // Two clocks may differ: less than nothing is nothing.
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

fn mark(status: StepStatus) -> Mark {
    match status {
        StepStatus::Done => Mark::Ok,
        StepStatus::Failed => Mark::Wrong,
        StepStatus::WaitsForApproval => Mark::Unknown,
        StepStatus::Skipped => Mark::Skipped,
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
            Some(hint) => format!("{}; {}", on_one_line(problem), on_one_line(hint)),
            None => on_one_line(problem),
        },
    }
}

/// What terraform complains of has lines, and a cell of a table has one.
fn on_one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// How long a step took, to the tenth of a second; empty while it is not settled.
fn took(step: &StepState) -> String {
    match (step.began, step.ended) {
        (Some(began), Some(ended)) if step.is_settled() => {
            let tenths = between(began, ended).as_millis() / 100;
            match tenths {
                0..600 => format!("{}.{} s", tenths / 10, tenths % 10),
                _ => report::duration(Duration::from_secs(between(began, ended).as_secs())),
            }
        }
        _ => String::new(),
    }
}

impl Report for RunState {
    const KIND: &'static str = "run";

    /// As it was at its last record.
    fn document(&self) -> Document {
        self.document_of(&RunFacts::of(self, self.updated, Ok(None)), None)
    }
}

impl RunState {
    /// The page of the run: one file that opens without a network, and prints.
    pub fn page(&self, written: Timestamp) -> String {
        self.page_of(&RunFacts::of(self, written, Ok(None)), written)
    }

    /// The same by facts of which more is known than the records tell.
    pub fn page_of(&self, facts: &RunFacts, written: Timestamp) -> String {
        let plan = &self.plan;
        let (from, to) = plan.way();
        let what = match plan.mode {
            Mode::RegionLoss => "Failover",
            Mode::Planned => "Planned failover",
            Mode::Undo => "Undoing of a planned failover",
            Mode::Failback => "Failback",
            Mode::Commit => "Commit",
        };
        let page = Page::new(format!("{what} of {}", plan.environment))
            .about("Run", plan.run.as_str())
            .about("From", from.as_str())
            .about("To", to.as_str())
            .about("Written", time(written))
            .note(NOTE);
        self.document_of(facts, Some(written)).to_html(&page)
    }

    /// All of it, as it was at `at`, which is the last record unless given.
    pub(super) fn document_of(&self, facts: &RunFacts, at: Option<Timestamp>) -> Document {
        let at = at.unwrap_or(self.updated);
        let plan = &self.plan;
        let mut document = self.head(at).append(facts.report.document());
        if let Some(timeline) = self.timeline(&facts.report, at) {
            document = document.chart(timeline);
        }
        let rows = plan.steps.iter().filter_map(|planned| {
            let step = self.steps.get(&planned.id)?;
            let cells = vec![
                planned.id.to_string(),
                step.status.name().to_owned(),
                took(step),
                told(step),
            ];
            Some((mark(step.status), cells))
        });
        document = document
            .heading("Steps")
            .table(["Step", "Status", "Took", ""], rows.collect());
        document = self.approvals(document);
        document = plan.about(document.heading("Declaration"));
        if let Some(outside) = &facts.outside_country {
            document = document.append(outside.document());
        }
        document = document.heading("Calls and cost");
        if let Some(hour) = &facts.dr_hour {
            document = document.append(hour.document());
        }
        let rows = self.calls.iter().map(|(region, count)| {
            let mark = match plan.declared.lost.contains(region) {
                true => Mark::Unknown,
                false => Mark::Plain,
            };
            (mark, vec![region.to_string(), count.to_string()])
        });
        match self.calls.is_empty() {
            true => document.text("How many calls there were is not on record."),
            false => document
                .table(["Region", "Calls until the last record"], rows.collect())
                .text(
                    "Calls of this program, every attempt as one; those of Terraform and of hooks are not \
                     among them. A lost region is asked whether it is there, and nothing else.",
                ),
        }
    }

    fn head(&self, at: Timestamp) -> Document {
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
        let settled = self.steps.values().filter(|step| step.is_settled());
        let mut document = Document::new()
            .heading(format!("Run {}", plan.run))
            .fact(status_mark, "status", status)
            .fact(
                Mark::Plain,
                "steps settled",
                format!("{} of {}", settled.count(), self.steps.len()),
            )
            .fact(Mark::Plain, "from", from.as_str())
            .fact(Mark::Plain, "to", to.as_str());
        if let Some(holder) = &self.holder {
            document = document.fact(Mark::Plain, "carried by", holder.to_string());
        }
        // What can be done now, for whoever does it.
        if self.status.is_over() {
            return document;
        }
        let declared = between(plan.declared.declared, at);
        let over = declared.as_secs() > plan.objectives.rto_seconds;
        document = document.fact(
            if over { Mark::Wrong } else { Mark::Plain },
            "since the declaration",
            format!(
                "{} of {}",
                report::duration(Duration::from_secs(declared.as_secs())),
                length(plan.objectives.rto_seconds)
            ),
        );
        let now = self.titles(|step| step.status == StepStatus::Began);
        if !now.is_empty() {
            document = document.text(format!("Under way: {}.", now.join("; ")));
        }
        let next = self.next();
        let is_stopped = matches!(self.status, RunStatus::Stopped { .. });
        let again = match is_stopped {
            true => self.taken_again(),
            false => Vec::new(),
        };
        if !again.is_empty() {
            let again = again.join("; ");
            document = document.text(match resume_command(self) {
                Some(resume) => format!("`{resume}` takes: {again}."),
                None => {
                    format!("Not done: {again}. A drill is not gone on with: another one is held.")
                }
            });
        }
        // What a stopped run takes at once comes after nothing else.
        let next: Vec<&str> = next
            .into_iter()
            .filter(|title| !again.contains(title))
            .collect();
        if !next.is_empty() {
            let when = if again.is_empty() {
                "Next"
            } else {
                "After that"
            };
            document = document.text(format!("{when}: {}.", next.join("; ")));
        }
        let rows = waiting(self).into_iter().map(|(step, question)| {
            let agree = ShellCommand::new("dr-runbook runs approve").words("--by NAME");
            let agree = agree.word(plan.run.as_str()).word(&step.0);
            let cells = vec![step.to_string(), question.to_owned(), agree.to_string()];
            (Mark::Unknown, cells)
        });
        document.table(["Waits for a person", "Question", "Agrees"], rows.collect())
    }

    fn titles(&self, which: impl Fn(&StepState) -> bool) -> Vec<&str> {
        let steps = self.plan.steps.iter();
        let steps = steps.filter(|planned| self.steps.get(&planned.id).is_some_and(&which));
        steps.map(|planned| planned.title.as_str()).collect()
    }

    /// What is taken first when a run that has stopped goes on: what did not come to its end, and what nothing holds up.
    fn taken_again(&self) -> Vec<&str> {
        let of = |id: &StepId| self.steps.get(id);
        let is_ready = |planned: &&PlannedStep| {
            let mut after = planned.after.iter().filter_map(of);
            after.all(StepState::is_settled)
        };
        let steps = self.plan.steps.iter().filter(|planned| {
            let status = of(&planned.id).map(|step| step.status);
            matches!(status, Some(StepStatus::Failed | StepStatus::Began))
                || status == Some(StepStatus::Pending) && is_ready(planned)
        });
        steps.map(|planned| planned.title.as_str()).collect()
    }

    /// The steps that begin when those that are under way, or wait, are settled.
    fn next(&self) -> Vec<&str> {
        let is_pending = |id| {
            let step = self.steps.get(id);
            step.is_some_and(|step| step.status == StepStatus::Pending)
        };
        let steps = self.plan.steps.iter();
        let next = steps
            .filter(|planned| is_pending(&planned.id) && !planned.after.iter().any(is_pending));
        next.map(|planned| planned.title.as_str()).collect()
    }

    fn approvals(&self, document: Document) -> Document {
        let mut given: Vec<_> = self
            .steps
            .iter()
            .flat_map(|(id, step)| step.approvals.iter().map(move |given| (id, given)))
            .collect();
        given.sort_by_key(|(_, given)| given.at);
        let rows = given.iter().map(|(id, given)| {
            let question = given.question.as_deref();
            let cells = vec![
                time(given.at),
                given.by.clone(),
                id.to_string(),
                question.unwrap_or("not on record").to_owned(),
                given.reason.clone().unwrap_or_default(),
            ];
            (Mark::Plain, cells)
        });
        let document = document.heading("Approvals");
        match given.is_empty() {
            true => document.text("Nothing was agreed to yet."),
            false => document.table(["When", "By", "Step", "To what", "Why"], rows.collect()),
        }
    }

    /// What happened when, from the first thing that is known.
    fn timeline(&self, report: &RunReport, at: Timestamp) -> Option<Chart> {
        let clocks = &report.clocks;
        let moments = [
            ("fault", clocks.fault),
            ("seen first", clocks.detected),
            ("declared", Some(clocks.declared)),
        ];
        let begin = moments.iter().filter_map(|(_, at)| *at).min()?;
        let since = |at: Timestamp| between(begin, at).as_secs_f64();
        let moment = |name: &str, at: Timestamp| {
            Value::new(Mark::Plain, name, 0.0, time(at)).beginning_at(since(at))
        };
        let mut values: Vec<Value> = moments
            .iter()
            .filter_map(|(name, at)| Some(moment(name, (*at)?)))
            .collect();
        for planned in &self.plan.steps {
            let Some(step) = self.steps.get(&planned.id) else {
                continue;
            };
            let Some(began) = step.began else {
                continue;
            };
            let (end, told) = match step.ended {
                Some(ended) if step.status != StepStatus::Began => (ended, took(step)),
                _ => (at, String::new()),
            };
            let told = match told.is_empty() {
                true => step.status.name().to_owned(),
                false => told,
            };
            let took = between(began, end).as_secs_f64();
            let value = Value::new(mark(step.status), planned.id.to_string(), took, told);
            values.push(value.beginning_at(since(began)));
        }
        values.extend(clocks.verified.map(|at| moment("verified", at)));
        let end = values
            .iter()
            .map(|value| value.offset + value.size.unwrap_or(0.0));
        let end = end.fold(0.0, f64::max);
        let chart = Chart::timeline("When what happened", values);
        // Beside a run of seconds an objective of an hour would leave nothing to be seen.
        let goal = report.objectives.rto_seconds as f64;
        Some(match report.mode {
            Mode::RegionLoss if goal <= end * 4.0 => chart.limit(
                goal,
                format!("objective {}", length(report.objectives.rto_seconds)),
            ),
            _ => chart,
        })
    }
}

const NOTE: &str = "What could not be measured is not known, and never counted as fine. Times are those of the machines that \
                    carried the run.";

impl Report for RunReport {
    const KIND: &'static str = "run-report";

    fn document(&self) -> Document {
        let goals = self.objectives;
        let row = |what: String, found: Option<u64>, goal: Option<u64>| {
            let mark = match (found, goal) {
                (Some(found), Some(goal)) if found > goal => Mark::Wrong,
                (Some(_), Some(_)) => Mark::Ok,
                (Some(_), None) => Mark::Plain,
                (None, _) => Mark::Unknown,
            };
            let found = found.map_or_else(|| "not known".to_owned(), length);
            (
                mark,
                vec![what, found, goal.map_or_else(String::new, length)],
            )
        };
        let rto = Some(goals.rto_seconds);
        let mut rows = match self.mode {
            Mode::RegionLoss => vec![
                row(
                    "RTO, from the fault".to_owned(),
                    self.rto_from_fault_seconds,
                    rto,
                ),
                row(
                    "RTO, from when it was seen".to_owned(),
                    self.rto_from_detection_seconds,
                    rto,
                ),
                row(
                    "RTO, from the declaration".to_owned(),
                    self.rto_from_declaration_seconds,
                    rto,
                ),
            ],
            Mode::Failback | Mode::Planned | Mode::Undo | Mode::Commit => vec![row(
                "writers stood still".to_owned(),
                self.writers_stood_still_seconds,
                rto,
            )],
        };
        for (database, lost) in &self.databases {
            let found = lost.rpo_seconds.filter(|_| lost.is_restored);
            rows.push(row(
                format!("RPO of {database}"),
                found,
                Some(goals.rpo_database_seconds),
            ));
        }
        for (kind, lost) in &self.kinds {
            let (what, goal) = match kind {
                DataKind::Objects => ("RPO of objects", Some(goals.rpo_objects_seconds)),
                DataKind::States => ("RPO of Terraform states", None),
            };
            rows.push(row(what.to_owned(), lost.rpo_seconds, goal));
        }
        let unknown = self
            .kinds
            .iter()
            .filter(|(_, lost)| lost.rpo_seconds.is_none());
        let document = Document::new()
            .heading("Objectives")
            .table(["Objective", "Measured", "Wanted"], rows);
        let document = unknown.fold(document, |document, (kind, lost)| {
            let kind = match kind {
                DataKind::Objects => "Objects",
                DataKind::States => "States",
            };
            document.text(format!("{kind}: {}.", lost.why))
        });
        let document = match self.clocks_differ_seconds {
            None => document,
            Some(seconds) => document.text(format!(
                "Clocks of machines that carried the run differ by {} or more: how long it took is not known.",
                length(seconds)
            )),
        };
        match self.consistency.is_empty() {
            true => document,
            false => document.append(super::consistency::document(&self.consistency)),
        }
    }
}

impl HourlyCost {
    fn document(&self) -> Document {
        let hour = self.usd_at_least.as_ref();
        let hour = hour.map_or_else(
            || (Mark::Unknown, "not known".to_owned()),
            |usd| (Mark::Plain, format!("at least {usd}")),
        );
        let document = Document::new().fact(hour.0, "an hour in the DR region costs", hour.1);
        let counted: Vec<String> = self
            .counted
            .iter()
            .map(|(what, usd)| format!("{what}, {usd}"))
            .collect();
        let counted = match (counted.is_empty(), self.prices_of) {
            (false, Some(of)) => {
                format!("Counted, by the prices of {of}: {}. ", counted.join("; "))
            }
            _ => String::new(),
        };
        document.text(format!(
            "{counted}Not counted: {}.",
            self.not_counted.join("; ")
        ))
    }
}

impl OutsideCountry {
    pub(super) fn document(&self) -> Document {
        let told = match self.until {
            Some(until) => format!("{}, until {}", length(self.seconds), time(until)),
            None => match &self.not_known {
                None => format!("{} so far", length(self.seconds)),
                Some(why) => format!(
                    "{} if it is there still, which is not known: {why}",
                    length(self.seconds)
                ),
            },
        };
        let label = format!("in {} ({})", self.region, self.country);
        let document =
            Document::new()
                .heading("Outside the country")
                .fact(Mark::Plain, label, told);
        let document = document.text(format!(
            "The environment was declared to be there at {}; copies of its data lie there all the time. By whose \
             word:",
            time(self.from)
        ));
        let document = self
            .exceptions
            .iter()
            .fold(document, |document, exception| {
                document.text(format!("{exception}."))
            });
        match &self.despite {
            Some(reason) => document.text(format!(
                "That exception had run out. It went on for this reason: {reason}."
            )),
            None => document,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
