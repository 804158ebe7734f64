//! Two estimates side by side: before and after, one region and another.

use std::collections::BTreeMap;

use report::{Document, Mark, Report};
use serde::Serialize;

use crate::estimate::cells;
use crate::{Basis, Caveat, Estimate, Heading, Line, PriceKey, Usd, UsdRange};

/// A line that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiffRow {
    /// Where it is shown.
    pub heading: Heading,
    /// The price.
    #[serde(flatten)]
    pub key: PriceKey,
    /// Null when it is only after.
    pub before: Option<Side>,
    /// Null when it is only before.
    pub after: Option<Side>,
    /// What is to be said about the prices on either side.
    pub caveats: Vec<Caveat>,
}

/// One side of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Null when the price is not known.
    pub usd: Option<UsdRange>,
    /// Something of it has no price.
    pub lower_bound: bool,
    /// How the expected amount comes about.
    pub arithmetic: String,
}

/// What changes from one estimate to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Lines that change, in order.
    pub rows: Vec<DiffRow>,
    /// The total before.
    pub before: UsdRange,
    /// The total after.
    pub after: UsdRange,
    /// Something has no price before or after, so that the difference is not known.
    pub uncertain: bool,
}

impl Diff {
    /// What changes from `before` to `after`.
    pub fn new(before: &Estimate, after: &Estimate) -> Self {
        let (old, new) = (sides(before), sides(after));
        let mut keys: Vec<&Key> = old.keys().chain(new.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let rows = keys
            .into_iter()
            .filter_map(|key| {
                let (a, b) = (old.get(key), new.get(key));
                let side = |line: Option<&&Line>| line.map(|line| Side::of(line));
                let (before, after) = (side(a), side(b));
                if before == after {
                    return None;
                }
                let mut caveats: Vec<Caveat> = a
                    .into_iter()
                    .chain(b)
                    .flat_map(|line| line.caveats.clone())
                    .collect();
                caveats.sort_unstable();
                caveats.dedup();
                Some(DiffRow {
                    heading: key.0,
                    key: key.1.clone(),
                    before,
                    after,
                    caveats,
                })
            })
            .collect();
        Self {
            rows,
            before: before.total,
            after: after.total,
            uncertain: before.lower_bound || after.lower_bound,
        }
    }

    /// How much dearer it gets; negative when it gets cheaper.
    pub fn change(&self) -> UsdRange {
        self.after - self.before
    }
}

type Key = (Heading, PriceKey, Basis);

fn sides(estimate: &Estimate) -> BTreeMap<Key, &Line> {
    estimate
        .lines
        .iter()
        .map(|line| ((line.heading, line.key.clone(), line.basis), line))
        .collect()
}

impl Side {
    fn of(line: &Line) -> Self {
        Self {
            usd: line.usd,
            lower_bound: line.missing.is_some(),
            arithmetic: line.arithmetic(),
        }
    }
}

fn told(side: Option<&Side>) -> String {
    match side {
        None => "–".to_owned(),
        Some(Side { usd: None, .. }) => "unknown".to_owned(),
        Some(Side {
            usd: Some(usd),
            lower_bound,
            ..
        }) => {
            let [_, expected, _] = cells(*usd, *lower_bound);
            expected
        }
    }
}

/// The expected amount, when it is known exactly; nothing there is nothing to pay.
fn known(side: Option<&Side>) -> Option<Usd> {
    match side {
        None => Some(Usd::ZERO),
        Some(side) if side.lower_bound => None,
        Some(side) => side.usd.map(|usd| usd.expected),
    }
}

/// With a plus or a minus.
fn signed(usd: Usd) -> String {
    if usd > Usd::ZERO {
        format!("+{usd}")
    } else {
        usd.to_string()
    }
}

impl Report for Diff {
    fn document(&self) -> Document {
        let rows = self
            .rows
            .iter()
            .map(|row| {
                let (before, after) = (row.before.as_ref(), row.after.as_ref());
                let change = known(before).zip(known(after));
                let (mark, change) = match change {
                    Some((before, after)) => (Mark::Plain, signed(after - before)),
                    None => (Mark::Unknown, "unknown".to_owned()),
                };
                let arithmetic = |side: Option<&Side>| {
                    side.map_or("–".to_owned(), |side| side.arithmetic.clone())
                };
                let cells = vec![
                    row.heading.title().to_owned(),
                    row.key.scope.to_string(),
                    row.key.item.clone(),
                    told(before),
                    told(after),
                    change,
                    format!("{} → {}", arithmetic(before), arithmetic(after)),
                ];
                (mark, cells)
            })
            .collect();
        let change = self.change();
        let document = Document::new().heading("Change of a month's cost").table(
            [
                "Service",
                "Region",
                "Item",
                "Before",
                "After",
                "Change",
                "Arithmetic",
            ],
            rows,
        );
        let [_, before, _] = cells(self.before, self.uncertain);
        let [_, after, _] = cells(self.after, self.uncertain);
        let sentence = format!(
            "{before} to {after} a month expected: {} ({} to {})",
            signed(change.expected),
            signed(change.low),
            signed(change.high)
        );
        if self.uncertain {
            document.text(format!(
                "{sentence}, of what has a price. Something has none, so that the change may be another."
            ))
        } else {
            document.text(format!("{sentence}."))
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use settings::Settings;

    use super::*;
    use crate::{Inventory, Options, PriceBook, Usage};

    fn estimate(region: Option<&str>, hours: i64) -> Estimate {
        let today = date(2026, 11, 22);
        let settings = include_str!("../../../examples/berthcare-staging/infra.toml");
        let mut inventory = Inventory::from_settings(&Settings::parse(settings, today).unwrap());
        if let Some(region) = region {
            let from = inventory.region.unwrap();
            inventory = inventory.moved(from, region.parse().unwrap());
        }
        let mut options = Options::on(today);
        options.database_hours_a_week = hours.into();
        let book = PriceBook::builtin().unwrap();
        Estimate::new(&inventory, &Usage::default(), &book, options)
    }

    fn usd(text: &str) -> Usd {
        Usd::new(text.parse().unwrap())
    }

    #[test]
    fn only_what_changes_is_shown() {
        let diff = Diff::new(&estimate(None, 168), &estimate(None, 84));
        let [row] = diff.rows.as_slice() else {
            panic!("{:#?}", diff.rows);
        };
        // Half of 102.93, which rounds up.
        assert_eq!(
            row.after.as_ref().unwrap().usd.unwrap().expected,
            usd("51.47")
        );
        assert_eq!(diff.change().expected, usd("-51.46"));
        let text = diff.document().to_markdown();
        assert!(
            text.contains("| $102.93 | $51.47 | -$51.46 | 730 × $0.141 → 365 × $0.141 |"),
            "{text}"
        );
        let same = Diff::new(&estimate(None, 168), &estimate(None, 168));
        assert!(same.rows.is_empty() && !same.uncertain);
    }

    #[test]
    fn two_regions_are_two_sets_of_lines() {
        let diff = Diff::new(&estimate(None, 168), &estimate(Some("us-east-1"), 168));
        assert!(!diff.uncertain);
        let nat: Vec<&DiffRow> = diff
            .rows
            .iter()
            .filter(|row| row.key.item == "nat gateway")
            .collect();
        assert_eq!(nat.len(), 2);
        assert!(nat[0].after.is_none() && nat[1].before.is_none());
        assert!(diff.change().expected < Usd::ZERO);
    }

    #[test]
    fn a_change_to_what_has_no_price_is_unknown() {
        let diff = Diff::new(&estimate(None, 168), &estimate(Some("ca-west-1"), 168));
        assert!(diff.uncertain);
        let text = diff.document().to_markdown();
        assert!(text.contains("| – | unknown | unknown |"), "{text}");
        assert!(text.contains("may be another"), "{text}");
    }
}
