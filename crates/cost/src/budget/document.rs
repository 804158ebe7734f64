use report::{Document, Mark, Report};

use super::{Budget, BudgetRow, Verdict};
use crate::quantity::Scenario;

impl Report for Budget {
    const KIND: &'static str = "cost-budget";

    fn document(&self) -> Document {
        let usage = match self.scenario {
            Scenario::Low => "low",
            Scenario::Expected => "expected",
            Scenario::High => "high",
        };
        let rows = self.rows.iter().map(|row| row.cells(usage)).collect();
        let document = Document::new().heading("Budget").table(
            ["Limit of", "Verdict", "A month", "Limit", "Left", "Usage"],
            rows,
        );
        let is_allowed = |row: &BudgetRow| row.lower_bound && row.verdict == Verdict::Within;
        match self.rows.iter().any(is_allowed) {
            true => document.text(
                "Something has no price: what is within its limit is so by what has one (--allow-lower-bound).",
            ),
            false => document,
        }
    }
}

impl BudgetRow {
    fn cells(&self, usage: &str) -> (Mark, Vec<String>) {
        let (mark, verdict) = match (self.verdict, &self.unknown) {
            (Verdict::Within, _) if self.lower_bound => {
                (Mark::Unknown, "within, as far as it has a price".to_owned())
            }
            (Verdict::Within, _) => (Mark::Ok, "within".to_owned()),
            (Verdict::Over, _) => (Mark::Wrong, "over".to_owned()),
            (Verdict::Unknown, Some(why)) => (Mark::Unknown, format!("unknown: {why}")),
            (Verdict::Unknown, None) => {
                (Mark::Unknown, "unknown: something has no price".to_owned())
            }
        };
        let bound = match self.lower_bound {
            true => "≥ ",
            false => "",
        };
        let cells = vec![
            self.of.to_string(),
            verdict,
            format!("{bound}{}", self.usd),
            self.limit.to_string(),
            (self.limit - self.usd).to_string(),
            usage.to_owned(),
        ];
        (mark, cells)
    }
}
