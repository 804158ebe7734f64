//! Two estimates side by side: before and after, one region and another.

mod svg;

use std::collections::BTreeMap;

use report::{Document, Mark, Report};
use serde::Serialize;
use settings::Region;

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
        }
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
            .table(["Service", &from, &to, "Change"], services)
            .heading("Lines that change")
            .table(
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
mod tests {
    use jiff::civil::date;
    use settings::Settings;

    use super::*;
    use crate::estimate::Options;
    use crate::inventory::Inventory;
    use crate::prices::PriceBook;
    use crate::usage::Usage;

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
    fn diff_has_only_lines_that_change() {
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
    fn diff_names_every_resource_that_changes_priced_or_not() {
        let stack = |resources: &[(&str, &str, serde_json::Value)]| {
            let resources: Vec<serde_json::Value> = resources
                .iter()
                .map(|(kind, name, values)| {
                    serde_json::json!({"address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name,
                        "values": values})
                })
                .collect();
            let plan = serde_json::json!({"format_version": "1.2",
                "planned_values": {"root_module": {"resources": resources}}});
            let region = "ca-central-1".parse().ok();
            let inventory = Inventory::from_terraform(plan.to_string().as_bytes(), region, None);
            let book = PriceBook::builtin().unwrap();
            let options = Options::on(date(2026, 11, 22));
            Estimate::new(&inventory.unwrap(), &Usage::default(), &book, options)
        };
        let none = serde_json::json!({});
        let table = |read: u32| serde_json::json!({"billing_mode": "PROVISIONED", "read_capacity": read, "write_capacity": 1});
        let before = stack(&[
            ("aws_nat_gateway", "gone", none.clone()),
            ("aws_nat_gateway", "same", none.clone()),
            ("aws_dynamodb_table", "t", table(1)),
        ]);
        let after = stack(&[
            ("aws_nat_gateway", "same", none.clone()),
            ("aws_dynamodb_table", "t", table(2)),
            ("aws_iam_role", "r", none.clone()),
            ("aws_instance", "web", none),
        ]);
        let diff = Diff::new(&before, &after);
        let told: Vec<Vec<String>> = diff.resources.iter().map(|of| of.cells().1).collect();
        assert_eq!(
            told[0],
            ["added", "aws_iam_role.r", "–", "nothing by itself"]
        );
        assert_eq!(told[1], ["added", "aws_instance.web", "–", "no price"]);
        assert_eq!(told[2], ["removed", "aws_nat_gateway.gone", "$39.00", "–"]);
        assert_eq!(told[3][..2], ["changed", "aws_dynamodb_table.t"]);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(
            diff.document()
                .to_markdown()
                .contains("| added | aws_instance.web | – | no price |")
        );
        assert!(Diff::new(&after, &after).resources.is_empty());
    }

    #[test]
    fn diff_of_two_estimates_has_a_row_for_each_region() {
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
    fn diff_of_regions_has_one_row_for_the_same_item() {
        let (from, to) = (
            "ca-central-1".parse().unwrap(),
            "us-east-1".parse().unwrap(),
        );
        let diff = Diff::of_regions(
            &estimate(None, 168),
            &estimate(Some("us-east-1"), 168),
            from,
            to,
        );
        let text = diff.document().to_markdown();
        assert!(
            text.contains("| NAT Gateways | ca-central-1 → us-east-1 | nat gateway | $73.00 | $65.70 | -$7.30 |"),
            "{text}"
        );
        assert!(
            text.contains("| Service | ca-central-1 | us-east-1 | Change |"),
            "{text}"
        );
        // The distribution's edges are the same.
        assert!(diff.rows.iter().all(|row| row.key.item != "to internet us"));
        let cdn = diff
            .services
            .iter()
            .find(|of| of.heading == Heading::CloudFront)
            .unwrap();
        assert_eq!(cdn.before, cdn.after);
        let sum = |side: fn(&ServiceChange) -> Option<Usd>| -> Usd {
            diff.services.iter().filter_map(side).sum()
        };
        assert_eq!(sum(|of| of.before), diff.before.expected);
        assert_eq!(sum(|of| of.after), diff.after.expected);
    }

    #[test]
    fn diff_with_an_unknown_price_is_unknown() {
        let diff = Diff::new(&estimate(None, 168), &estimate(Some("ca-west-1"), 168));
        assert!(diff.uncertain);
        let text = diff.document().to_markdown();
        assert!(text.contains("| – | unknown | unknown |"), "{text}");
        assert!(text.contains("may be another"), "{text}");
    }
}
