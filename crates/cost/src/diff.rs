//! Two estimates side by side: before and after, one region and another.

mod svg;

use std::collections::BTreeMap;

use report::{Document, Mark, Report};
use serde::Serialize;
use settings::Region;

use crate::budget::Budget;
use crate::estimate::{Basis, Estimate, Heading, Line, Standing, cells};
use crate::money::{Usd, UsdRange};
use crate::prices::{Caveat, PriceKey, Scope};

/// A line that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiffRow {
    /// Where it is shown.
    pub heading: Heading,
    /// The price; of two regions the one before.
    #[serde(flatten)]
    pub key: PriceKey,
    /// The region after, when two are compared.
    pub to: Option<Region>,
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

/// What a heading costs on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceChange {
    /// The row of the table.
    pub heading: Heading,
    /// Expected before; null when something of it has no price.
    pub before: Option<Usd>,
    /// Expected after; null when something of it has no price.
    pub after: Option<Usd>,
}

/// A resource that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceChange {
    /// Its address, as Terraform writes it.
    pub address: String,
    /// What becomes of it.
    pub change: Change,
    /// Null when it is only after.
    pub before: Option<ResourceSide>,
    /// Null when it is only before.
    pub after: Option<ResourceSide>,
}

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is only after.
    Added,
    /// It is only before.
    Removed,
    /// It is billed for something else, or costs another amount.
    Changed,
}

/// A resource before or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceSide {
    /// Whether there is a price for its type.
    pub standing: Standing,
    /// Its part of the lines.
    pub usd: UsdRange,
    /// Something of it has no price.
    pub lower_bound: bool,
    #[serde(skip)]
    billed: u64,
}

/// What changes from one estimate to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The regions, when two are compared.
    pub regions: Option<(Region, Region)>,
    /// By heading, before and after; null where there is nothing, or no price.
    pub services: Vec<ServiceChange>,
    /// Lines that change, in order.
    pub rows: Vec<DiffRow>,
    /// Every resource that is added, removed, or of another cost, whether it has a price or not; none when regions are compared.
    pub resources: Vec<ResourceChange>,
    /// The total before.
    pub before: UsdRange,
    /// The total after.
    pub after: UsdRange,
    /// Something has no price before or after, so that the difference is not known.
    pub uncertain: bool,
    /// What comes after against limits; null without any.
    pub budget: Option<Budget>,
}

impl Diff {
    /// What changes from `before` to `after`.
    pub fn new(before: &Estimate, after: &Estimate) -> Self {
        Self::of(before, after, None)
    }

    /// What changes when a stack is moved: the same item in either region is one row.
    pub fn of_regions(before: &Estimate, after: &Estimate, from: Region, to: Region) -> Self {
        Self::of(before, after, Some((from, to)))
    }

    fn of(before: &Estimate, after: &Estimate, regions: Option<(Region, Region)>) -> Self {
        // In the region before, for both sides.
        let home = |scope: Scope| match regions {
            Some((from, to)) if scope == Scope::Region(to) => Scope::Region(from),
            _ => scope,
        };
        let (old, new) = (sides(before, |scope| scope), sides(after, home));
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
                let moved = regions.filter(|(from, _)| key.1.scope == Scope::Region(*from));
                Some(DiffRow {
                    heading: key.0,
                    key: key.1.clone(),
                    to: moved.map(|(_, to)| to),
                    before,
                    after,
                    caveats,
                })
            })
            .collect();
        let under = |estimate: &Estimate, heading| match estimate.under(heading) {
            None => Some(Usd::ZERO),
            Some((_, true)) => None,
            Some((usd, false)) => Some(usd.expected),
        };
        let services = Heading::ALL.into_iter().map(|heading| ServiceChange {
            heading,
            before: under(before, heading),
            after: under(after, heading),
        });
        let nothing = Some(Usd::ZERO);
        Self {
            regions,
            services: services
                .filter(|change| (change.before, change.after) != (nothing, nothing))
                .collect(),
            rows,
            resources: match regions {
                None => resource_changes(before, after),
                Some(_) => Vec::new(),
            },
            before: before.total,
            after: after.total,
            uncertain: before.lower_bound || after.lower_bound,
            budget: None,
        }
    }

    /// Shows as well how what comes after stands to its limits.
    #[must_use]
    pub fn held(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// What the two sides are called.
    pub(crate) fn sides(&self) -> (String, String) {
        match self.regions {
            None => ("before".to_owned(), "after".to_owned()),
            Some((from, to)) => (from.to_string(), to.to_string()),
        }
    }

    /// How much dearer it gets; negative when it gets cheaper.
    pub fn change(&self) -> UsdRange {
        self.after - self.before
    }
}

fn resource_changes(before: &Estimate, after: &Estimate) -> Vec<ResourceChange> {
    let (old, new) = (ResourceSide::all(before), ResourceSide::all(after));
    let mut addresses: Vec<&str> = old.keys().chain(new.keys()).copied().collect();
    addresses.sort_unstable();
    addresses.dedup();
    let changes = addresses.into_iter().filter_map(|address| {
        let (before, after) = (old.get(address).copied(), new.get(address).copied());
        let change = match (before, after) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (before, after) if before == after => return None,
            _ => Change::Changed,
        };
        Some(ResourceChange {
            address: address.to_owned(),
            change,
            before,
            after,
        })
    });
    let mut changes: Vec<ResourceChange> = changes.collect();
    changes.sort_by_key(|of| of.change);
    changes
}

type Key = (Heading, PriceKey, Basis);

fn sides(estimate: &Estimate, scope: impl Fn(Scope) -> Scope) -> BTreeMap<Key, &Line> {
    let key = |line: &Line| PriceKey {
        scope: scope(line.key.scope),
        ..line.key.clone()
    };
    let lines = estimate.lines.iter();
    lines
        .map(|line| ((line.heading, key(line), line.basis), line))
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

impl ResourceSide {
    /// By address.
    fn all(estimate: &Estimate) -> BTreeMap<&str, Self> {
        let standing = estimate.standing.iter();
        let mut all: BTreeMap<&str, Self> = standing
            .map(|(address, standing)| {
                let side = Self {
                    standing: *standing,
                    usd: UsdRange::default(),
                    lower_bound: *standing == Standing::Unpriced,
                    billed: estimate.billed.get(address).copied().unwrap_or_default(),
                };
                (address.as_str(), side)
            })
            .collect();
        for cost in &estimate.resources {
            // Traffic is no resource of Terraform's.
            if let Some(side) = all.get_mut(cost.address.as_str()) {
                side.usd = cost.usd;
                side.lower_bound |= cost.lower_bound;
            }
        }
        all
    }

    fn cell(self) -> String {
        match self.standing {
            Standing::Free => "nothing by itself".to_owned(),
            Standing::Unpriced => "no price".to_owned(),
            Standing::Priced => {
                let [_, expected, _] = cells(self.usd.rounded(), self.lower_bound);
                expected
            }
        }
    }
}

impl ResourceChange {
    fn cells(&self) -> (Mark, Vec<String>) {
        let change = match self.change {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        };
        let side = |side: Option<ResourceSide>| side.map_or("–".to_owned(), ResourceSide::cell);
        let is_bounded = |side: Option<ResourceSide>| side.is_some_and(|side| side.lower_bound);
        let mark = match is_bounded(self.before) || is_bounded(self.after) {
            true => Mark::Unknown,
            false => Mark::Plain,
        };
        let cells = vec![
            change.to_owned(),
            self.address.clone(),
            side(self.before),
            side(self.after),
        ];
        (mark, cells)
    }
}

/// The expected amount of a side, as a cell.
fn amount(side: Option<&Side>) -> String {
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

impl DiffRow {
    fn cells(&self) -> (Mark, Vec<String>) {
        let (before, after) = (self.before.as_ref(), self.after.as_ref());
        let (mark, change) = change_cell(known(before), known(after));
        let arithmetic =
            |side: Option<&Side>| side.map_or("–".to_owned(), |side| side.arithmetic.clone());
        let cells = vec![
            self.heading.title().to_owned(),
            match self.to {
                None => self.key.scope.to_string(),
                Some(to) => format!("{} → {to}", self.key.scope),
            },
            self.key.item.clone(),
            amount(before),
            amount(after),
            change,
            format!("{} → {}", arithmetic(before), arithmetic(after)),
        ];
        (mark, cells)
    }
}

impl ServiceChange {
    fn cells(&self) -> (Mark, Vec<String>) {
        let expected = |usd: Option<Usd>| usd.map_or("unknown".to_owned(), |usd| usd.to_string());
        let (mark, change) = change_cell(self.before, self.after);
        let cells = vec![
            self.heading.title().to_owned(),
            expected(self.before),
            expected(self.after),
            change,
        ];
        (mark, cells)
    }
}

/// The difference between two amounts, known only when both are.
fn change_cell(before: Option<Usd>, after: Option<Usd>) -> (Mark, String) {
    match before.zip(after) {
        Some((before, after)) => (Mark::Plain, signed(after - before)),
        None => (Mark::Unknown, "unknown".to_owned()),
    }
}

impl Diff {
    /// The change of the whole in words.
    fn sentence(&self) -> String {
        let change = self.change();
        let [_, before, _] = cells(self.before, self.uncertain);
        let [_, after, _] = cells(self.after, self.uncertain);
        let sentence = format!(
            "{before} to {after} a month expected: {} ({} to {})",
            signed(change.expected),
            signed(change.low),
            signed(change.high)
        );
        if self.uncertain {
            format!(
                "{sentence}, of what has a price. Something has none, so that the change may be another."
            )
        } else {
            format!("{sentence}.")
        }
    }
}

impl Report for Diff {
    const KIND: &'static str = "cost-diff";

    fn document(&self) -> Document {
        let (title, from, to) = match self.regions {
            None => (
                "Change of a month's cost".to_owned(),
                "Before".to_owned(),
                "After".to_owned(),
            ),
            Some((from, to)) => (
                format!("A month's cost in {from} and in {to}"),
                from.to_string(),
                to.to_string(),
            ),
        };
        let services = self.services.iter().map(ServiceChange::cells).collect();
        let rows = self.rows.iter().map(DiffRow::cells).collect();
        let mut document = Document::new()
            .heading(title)
            .table(["Service", &from, &to, "Change"], services);
        if let Some(budget) = &self.budget {
            document = document.append(budget.document());
        }
        document = document.heading("Lines that change").table(
            [
                "Service",
                "Region",
                "Item",
                &from,
                &to,
                "Change",
                "Arithmetic",
            ],
            rows,
        );
        if !self.resources.is_empty() {
            let resources = self.resources.iter().map(ResourceChange::cells).collect();
            document = document
                .heading("Resources that change")
                .table(["Change", "Resource", &from, &to], resources);
        }
        document.text(self.sentence())
    }
}

#[cfg(test)]
mod tests;
