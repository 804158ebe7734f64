use report::{Document, Mark, Report};

use super::{Choice, Recovery};
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
        Document::new()
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
                ],
                parts.collect(),
            )
            .heading("Each time")
            .table(
                ["Event", "Low", "Expected", "High", "Contains"],
                events.collect(),
            )
            .heading("Arithmetic")
            .table(
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
    row.extend([choice.rpo.clone(), choice.rto.clone()]);
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
    row.extend([choice.rpo.clone(), choice.rto.clone()]);
    (mark(choice), row)
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
