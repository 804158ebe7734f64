//! The estimate beside the staging guide's cost table.

use report::{Document, Lines, Mark, Report};
use serde::Serialize;

use super::{Estimate, Heading};
use crate::money::Usd;

/// What one heading costs here and in the guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GuideRow {
    /// The row of the table.
    pub heading: Heading,
    /// How each line of it comes about.
    pub arithmetic: Vec<String>,
    /// The sum of its lines.
    pub usd: Usd,
    /// Something of it has no price.
    pub lower_bound: bool,
    /// The guide's figure; null for what the guide leaves out.
    pub guide: Option<Usd>,
}

/// The estimate beside the staging guide's cost table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgainstGuide {
    /// The guide's rows, then what it leaves out.
    pub rows: Vec<GuideRow>,
    /// The expected total.
    pub usd: Usd,
    /// Something has no price.
    pub lower_bound: bool,
    /// The sum of the guide's rows that is in it: the guide's own total.
    pub guide: Usd,
    /// What the guide leaves out.
    pub left_out: Usd,
}

impl Estimate {
    /// The expected amounts beside the guide's.
    pub fn against_guide(&self) -> AgainstGuide {
        let rows: Vec<GuideRow> = Heading::ALL
            .into_iter()
            .filter_map(|heading| {
                let under = self.under(heading);
                if under.is_none() && heading.guide().is_none() {
                    return None;
                }
                let (usd, lower_bound) = under.unwrap_or_default();
                let arithmetic = self
                    .lines
                    .iter()
                    .filter(|line| line.heading == heading)
                    .map(|line| {
                        let usd = line
                            .usd
                            .map_or("unknown".to_owned(), |usd| usd.expected.to_string());
                        format!("{}: {} = {usd}", line.key.item, line.arithmetic())
                    })
                    .collect();
                Some(GuideRow {
                    heading,
                    arithmetic,
                    usd: usd.expected,
                    lower_bound,
                    guide: heading.guide(),
                })
            })
            .collect();
        AgainstGuide {
            usd: self.total.expected,
            lower_bound: self.lower_bound,
            guide: rows.iter().filter_map(|row| row.guide).sum(),
            left_out: rows
                .iter()
                .filter(|row| row.guide.is_none())
                .map(|row| row.usd)
                .sum(),
            rows,
        }
    }
}

impl Report for AgainstGuide {
    const KIND: &'static str = "cost-guide";

    fn document(&self) -> Document {
        let bounded = |usd: Usd, lower_bound: bool| {
            if lower_bound {
                format!("≥ {usd}")
            } else {
                usd.to_string()
            }
        };
        let mut rows: Vec<(Mark, Vec<Lines>)> = self
            .rows
            .iter()
            .map(|row| {
                let guide = row.guide.map_or("–".to_owned(), |usd| usd.to_string());
                let difference = row.usd - row.guide.unwrap_or_default();
                let cells = vec![
                    row.heading.title().into(),
                    guide.into(),
                    bounded(row.usd, row.lower_bound).into(),
                    difference.to_string().into(),
                    Lines::of(&row.arithmetic),
                ];
                (Mark::Plain, cells)
            })
            .collect();
        let total = vec![
            "Total".into(),
            self.guide.to_string().into(),
            bounded(self.usd, self.lower_bound).into(),
            (self.usd - self.guide).to_string().into(),
            "".into(),
        ];
        rows.push((Mark::Plain, total));
        Document::new()
            .heading("Beside the guide's cost table")
            .table_of_lines(["Service", "Guide", "Here", "More", "Arithmetic"], rows)
            .text(format!("The guide leaves out {} a month.", self.left_out))
    }
}
