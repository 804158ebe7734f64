use report::{Document, Mark, Report};

use super::{Choice, Recovery};
use crate::estimate::{Line, cells};
use crate::money::Usd;

impl Report for Recovery {
    fn document(&self) -> Document {
        let mut strategies = Vec::new();
        for choice in &self.strategies {
            let mut row = vec![choice.name.clone()];
            row.extend(cells(choice.usd, choice.lower_bound));
            row.push(more(choice.usd.expected, self.stack.expected));
            row.extend([choice.rpo.clone(), choice.rto.clone()]);
            strategies.push((mark(choice), row));
        }
        let parts = self
            .parts
            .iter()
            .map(|choice| {
                let present = match choice.present {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "–",
                };
                let mut row = vec![choice.name.clone(), present.to_owned()];
                row.extend(cells(choice.usd, choice.lower_bound));
                row.extend([choice.rpo.clone(), choice.rto.clone()]);
                (mark(choice), row)
            })
            .collect();
        let events = self
            .events
            .iter()
            .map(|choice| {
                let mut row = vec![choice.name.clone()];
                row.extend(cells(choice.usd, choice.lower_bound));
                row.push(choice.rto.clone());
                (mark(choice), row)
            })
            .collect();
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
                strategies,
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
                parts,
            )
            .heading("Each time")
            .table(["Event", "Low", "Expected", "High", "Contains"], events)
            .heading("Arithmetic")
            .table(
                ["For", "Region", "Item", "Arithmetic", "USD", "Remarks"],
                lines,
            )
    }
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
