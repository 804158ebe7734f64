use std::time::Duration;

use report::{Document, Mark, Report};

use super::{Choice, Given, Recovery};
use crate::estimate::{Line, cells};
use crate::money::Usd;

impl Report for Recovery {
    const KIND: &'static str = "cost-recovery";

    fn document(&self) -> Document {
        let stack = self.stack.expected;
        let strategies = self.strategies.iter().map(|of| strategy(of, stack));
        let parts = self.parts.iter().map(part);
        let events = self.events.iter().map(event);
        let lines = self
            .strategies
            .iter()
            .chain(&self.parts)
            .chain(&self.events)
            .flat_map(|choice| choice.lines.iter().map(move |line| row(choice, line)))
            .collect();
        let document = Document::new()
            .heading(format!(
                "Recovery of {} in {}, by the month",
                self.primary, self.dr
            ))
            .table(
                [
                    "Strategy",
                    "Low",
                    "Expected",
                    "High",
                    "Of the stack",
                    "RPO",
                    "RTO",
                    "Measured",
                ],
                strategies.collect(),
            )
            .text(format!(
                "On top of the stack's {} a month.",
                self.stack.expected
            ))
            .heading("Single choices, by the month")
            .table(
                [
                    "Choice",
                    "In the stack",
                    "Low",
                    "Expected",
                    "High",
                    "RPO",
                    "RTO",
                    "Measured",
                ],
                parts.collect(),
            )
            .heading("Each time")
            .table(
                ["Event", "Low", "Expected", "High", "Contains"],
                events.collect(),
            );
        self.measurements(document).heading("Arithmetic").table(
            ["For", "Region", "Item", "Arithmetic", "USD", "Remarks"],
            lines,
        )
    }
}

/// With what it adds to the cost of the stack.
fn strategy(choice: &Choice, stack: Usd) -> (Mark, Vec<String>) {
    let mut row = vec![choice.name.clone()];
    row.extend(cells(choice.usd, choice.lower_bound));
    row.push(more(choice.usd.expected, stack));
    row.extend([choice.rpo.clone(), choice.rto.clone(), measured(choice)]);
    (mark(choice), row)
}

/// With whether the stack has it.
fn part(choice: &Choice) -> (Mark, Vec<String>) {
    let present = match choice.present {
        Some(true) => "yes",
        Some(false) => "no",
        None => "–",
    };
    let mut row = vec![choice.name.clone(), present.to_owned()];
    row.extend(cells(choice.usd, choice.lower_bound));
    row.extend([choice.rpo.clone(), choice.rto.clone(), measured(choice)]);
    (mark(choice), row)
}

fn measured(choice: &Choice) -> String {
    choice.measured.as_ref().map_or("–".to_owned(), Given::told)
}

impl Recovery {
    fn measurements(&self, document: Document) -> Document {
        if self.runs.is_empty() {
            return document.text(
                "No run of a failover is known here, so that no RPO or RTO above was measured: they are what AWS and the guide say.",
            );
        }
        let length = |seconds: Option<u64>| match seconds {
            Some(seconds) => report::duration(Duration::from_secs(seconds)),
            None => "not known".to_owned(),
        };
        let rows = self.runs.iter().map(|run| {
            let (mark, met) = match run.meets_objectives {
                Some(true) => (Mark::Ok, "yes"),
                Some(false) => (Mark::Wrong, "no"),
                None => (Mark::Unknown, "not known"),
            };
            let cells = vec![
                run.run.clone(),
                run.at.strftime("%Y-%m-%d").to_string(),
                run.made_in.clone(),
                length(run.rto_seconds),
                length(run.rpo_database_seconds),
                length(run.rpo_objects_seconds),
                met.to_owned(),
            ];
            (mark, cells)
        });
        document.heading("Measured").table(
            [
                "Run",
                "Day",
                "Made in",
                "RTO",
                "RPO of databases",
                "RPO of objects",
                "Within the objectives",
            ],
            rows.collect(),
        )
    }
}

fn event(choice: &Choice) -> (Mark, Vec<String>) {
    let mut row = vec![choice.name.clone()];
    row.extend(cells(choice.usd, choice.lower_bound));
    row.push(choice.rto.clone());
    (mark(choice), row)
}

fn mark(choice: &Choice) -> Mark {
    if choice.lower_bound {
        Mark::Wrong
    } else {
        Mark::Plain
    }
}

fn row(choice: &Choice, line: &Line) -> (Mark, Vec<String>) {
    let usd = line
        .usd
        .map_or("unknown".to_owned(), |usd| usd.expected.to_string());
    let cells = vec![
        choice.name.clone(),
        line.key.scope.to_string(),
        line.key.item.clone(),
        line.arithmetic(),
        usd,
        line.remarks(),
    ];
    (Mark::Plain, cells)
}

/// As in `+ 12 %`.
fn more(usd: Usd, stack: Usd) -> String {
    if stack == Usd::ZERO {
        return "–".to_owned();
    }
    let percent = usd.dollars() / stack.dollars() * rust_decimal::Decimal::ONE_HUNDRED;
    format!("+ {} %", percent.round_dp(0))
}
