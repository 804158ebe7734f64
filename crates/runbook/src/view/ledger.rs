//! What was achieved, as people read it.

use jiff::SignedDuration;
use report::{Chart, Document, Mark, Report, Value};

use super::run::length;
use super::time;
use crate::{Achieved, LedgerSummary, Measure, Measured, SeriesDays};

fn shown(measure: Measure, value: u64) -> String {
    match measure.is_age() {
        true => length(value),
        false => value.to_string(),
    }
}

impl Report for Measured {
    const KIND: &'static str = "watch";

    fn document(&self) -> Document {
        let rows = self.sample.pairs().zip(&self.problems);
        let rows = rows.map(|((series, value), problem)| {
            let objective = series.measure.objective(self.objectives);
            let mark = match (value, objective) {
                (None, _) => Mark::Unknown,
                (Some(value), Some(objective)) if value > objective => Mark::Wrong,
                (Some(_), Some(_)) => Mark::Ok,
                (Some(0), None) => Mark::Ok,
                (Some(_), None) => Mark::Plain,
            };
            let cells = vec![
                series.of.clone(),
                series.measure.name().to_owned(),
                value.map_or_else(
                    || "not known".to_owned(),
                    |value| shown(series.measure, value),
                ),
                objective.map_or_else(String::new, length),
                problem.clone().unwrap_or_default(),
            ];
            (mark, cells)
        });
        let document = Document::new().heading(format!(
            "What would be lost of {} at {}",
            self.environment,
            time(self.sample.at)
        ));
        match self.sample.series.is_empty() {
            true => {
                document.text("The settings name no bucket, no database and no copy of a state.")
            }
            false => document.table(["Of", "What", "Now", "At most", ""], rows.collect()),
        }
    }
}

impl Achieved {
    fn mark(&self) -> Mark {
        match (self.beyond_seconds, self.unknown_seconds) {
            _ if self.is_beyond() => Mark::Wrong,
            (_, 0) => Mark::Ok,
            _ => Mark::Unknown,
        }
    }

    fn is_beyond(&self) -> bool {
        let worst = self.worst.map(|worst| worst.value);
        self.beyond_seconds > 0
            || worst
                .zip(self.objective)
                .is_some_and(|(worst, objective)| worst > objective)
    }

    fn told(&self) -> String {
        let Some(worst) = self.worst else {
            return "not known".to_owned();
        };
        let mut told = format!(
            "worst {} at {}",
            shown(self.series.measure, worst.value),
            time(worst.at)
        );
        if self.beyond_seconds > 0 {
            told.push_str(&format!(", beyond for {}", length(self.beyond_seconds)));
        }
        if self.unknown_seconds > 0 {
            told.push_str(&format!(", not known for {}", length(self.unknown_seconds)));
        }
        told
    }
}

impl LedgerSummary {
    /// Achieved against objective, series by series.
    pub(crate) fn document(&self) -> Document {
        let Some(quarter) = self.windows.last() else {
            return Document::new();
        };
        let rows = quarter.achieved.iter().enumerate().map(|(at, achieved)| {
            let windows = self.windows.iter();
            let windows: Vec<&Achieved> = windows
                .filter_map(|window| window.achieved.get(at))
                .collect();
            let mut cells = vec![
                achieved.series.of.clone(),
                achieved.series.measure.name().to_owned(),
                achieved.objective.map_or_else(String::new, length),
            ];
            cells.extend(windows.iter().map(|achieved| achieved.told()));
            let marks = [Mark::Wrong, Mark::Unknown, Mark::Ok];
            let worst = marks
                .into_iter()
                .find(|mark| windows.iter().any(|achieved| achieved.mark() == *mark));
            (worst.unwrap_or(Mark::Unknown), cells)
        });
        let names = self.windows.iter().map(|window| window.name);
        let columns = ["Of", "What", "At most"].into_iter().chain(names);
        let document = Document::new()
            .heading("Achieved")
            .table(columns, rows.collect());
        let document = match (self.first, self.last) {
            (Some(first), Some(last)) => document.text(format!(
                "{} from {} to {}. What nobody looked at is not known, and not counted as good.",
                report::counted(self.looks, "look"),
                time(first),
                time(last)
            )),
            _ => document.text("No look of the quarter is on record: nothing is known."),
        };
        match self.unreadable {
            0 => document,
            lines => document.fact(
                Mark::Unknown,
                "lines that say nothing",
                format!("{lines}: cut off, changed, of a time to come, or of another version"),
            ),
        }
    }

    /// The quarter as pictures.
    pub(crate) fn charts(&self) -> Document {
        let first = SignedDuration::from_hours(24);
        self.days.iter().fold(Document::new(), |document, days| {
            document.chart(self.chart(days, first))
        })
    }

    fn chart(&self, days: &SeriesDays, day: SignedDuration) -> Chart {
        let measure = days.series.measure;
        let objective = self
            .windows
            .iter()
            .flat_map(|window| &window.achieved)
            .find(|achieved| achieved.series == days.series)
            .and_then(|achieved| achieved.objective);
        let count = days.worst.len();
        let values = days.worst.iter().enumerate().map(|(at, worst)| {
            let back = i32::try_from(count - at).unwrap_or(i32::MAX);
            let begin = self.at.saturating_sub(day * back).unwrap_or(self.at);
            let label = time(begin);
            let Some(worst) = *worst else {
                return Value::unknown(label, "not known");
            };
            let mark = match objective {
                Some(objective) if worst > objective => Mark::Wrong,
                Some(_) => Mark::Ok,
                None => Mark::Plain,
            };
            Value::new(mark, label, worst as f64, shown(measure, worst))
        });
        let chart = Chart::series(
            format!("{}, worst of each day", days.series),
            values.collect(),
        );
        match objective {
            Some(objective) => {
                chart.limit(objective as f64, format!("objective {}", length(objective)))
            }
            None => chart,
        }
    }
}
