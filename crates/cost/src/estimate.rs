//! What an inventory costs in a month.

mod attributes;
mod demand;
mod document;
mod free;
mod guide;
mod heading;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::ToSpan as _;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

pub use guide::{AgainstGuide, GuideRow};
pub use heading::Heading;

use crate::inventory::{Inventory, Source};
use crate::invoice::{Invoice, Rate, Tax};
use crate::money::{Usd, UsdRange};
use crate::prices::{Caveat, Portion, PriceBook, PriceKey, Service};
use crate::quantity::{HOURS_PER_WEEK, QuantityRange, Scenario, Unit, as_text};
use crate::usage::{Usage, UsageSource};
pub(crate) use attributes::{is_known, looked_at};
pub use demand::Standing;
pub(crate) use demand::{Demand, Demands};
pub(crate) use document::{cells, cells_of};
pub(crate) use rules::{demands, instance_item, trail_records};

/// A price read longer ago than this many days is called old, unless the caller says otherwise.
pub const OLD_DAYS: i32 = 365;

/// What an estimate depends on besides inventory, usage and prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Options {
    /// The day that it is for: a version whose standard support has ended by then costs more.
    pub today: Date,
    /// Prices read before this day are called old.
    pub oldest: Date,
    /// Take off what an account gets for nothing. Only right for an account with nothing else in it.
    pub free_tier: bool,
    /// Hours a week that databases run; the rest of the time they are stopped.
    #[serde(serialize_with = "as_text")]
    pub database_hours_a_week: Decimal,
}

impl Options {
    /// No free tier, databases always on, prices old after [`OLD_DAYS`].
    pub fn on(today: Date) -> Self {
        Self {
            today,
            oldest: today.saturating_sub(OLD_DAYS.days()),
            free_tier: false,
            database_hours_a_week: HOURS_PER_WEEK,
        }
    }
}

/// Whether a line depends on use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Paid for being there.
    Fixed,
    /// Paid for what it does or holds.
    Usage,
}

/// Why a line is not, or not fully, priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The price book does not have the price.
    Price,
    /// The price book ends before the quantity does.
    Tier,
}

/// A line, as AWS bills it: one item in one region, rounded to cents once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Where it is shown.
    pub heading: Heading,
    /// The item of the price book.
    #[serde(flatten)]
    pub key: PriceKey,
    /// Whether it depends on use.
    pub basis: Basis,
    /// All resources together, free and paid.
    pub quantity: QuantityRange,
    /// What the quantity counts.
    pub unit: Unit,
    /// How much of it is free.
    pub free: QuantityRange,
    /// Where the quantity is from; null for what is fixed, which depends on no usage.
    pub usage_source: Option<UsageSource>,
    /// The expected quantity, by tier.
    pub portions: Vec<Portion>,
    /// To whole cents; null when the price is not known, which is not the same as nothing.
    pub usd: Option<UsdRange>,
    /// What is not known.
    pub missing: Option<Missing>,
    /// What the price book has instead of a price that it has not.
    pub near: Option<String>,
    /// What is to be said about the prices.
    pub caveats: Vec<Caveat>,
    /// When the oldest of its prices was read; null when nobody wrote that down, or when there is no price.
    pub prices_of: Option<Date>,
    /// The price is of this release, since the book of one's own does not have it.
    pub of_release: bool,
    /// The resources that it is for.
    pub resources: Vec<String>,
}

/// What a resource has its part in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceCost {
    /// The address of the resource, as Terraform writes it.
    pub address: String,
    /// Its part of every line, exactly: cents are rounded where AWS rounds them, on the lines.
    pub usd: UsdRange,
    /// Something of it has no price.
    pub lower_bound: bool,
}

/// A resource, or a part of one, that could not be priced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where the resource is shown.
    pub heading: Heading,
    /// The address of the resource, as Terraform writes it.
    pub address: String,
    /// What is not known.
    pub problem: String,
}

/// Resources of a type that nothing is known about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unpriced {
    /// As in `aws_eks_cluster`.
    pub kind: String,
    /// The addresses of all resources of the type.
    pub addresses: Vec<String>,
}

/// What an inventory costs in a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Where the inventory comes from.
    pub source: Source,
    /// The edition of the price book.
    pub prices_of: Date,
    /// What it depends on besides.
    pub options: Options,
    /// By heading, then item.
    pub lines: Vec<Line>,
    /// What costs something, dearest first.
    pub resources: Vec<ResourceCost>,
    /// Every resource, by its address.
    #[serde(skip)]
    pub(crate) standing: BTreeMap<String, Standing>,
    /// What each resource is billed for, as a number that is another when that is another, priced or not.
    #[serde(skip)]
    pub(crate) billed: BTreeMap<String, u64>,
    /// How many resources cost nothing.
    pub free_resources: usize,
    /// Types that nothing is known about.
    pub unpriced: Vec<Unpriced>,
    /// Parts that could not be priced.
    pub problems: Vec<Problem>,
    /// What a reader has to know.
    pub notes: Vec<String>,
    /// The sum of the fixed lines.
    pub fixed: UsdRange,
    /// The sum of the lines that depend on use.
    pub usage: UsdRange,
    /// The sum of all lines.
    pub total: UsdRange,
    /// The same where nothing is taken off that is free every month.
    pub without_free_tier: UsdRange,
    /// The same for an account with nothing else in it, which gets some of that for nothing every month.
    pub with_free_tier: UsdRange,
    /// As it is paid, where that was asked for.
    pub invoice: Option<Invoice>,
    /// Something has no price, so that it costs more than this.
    pub lower_bound: bool,
}

impl Estimate {
    /// Prices an inventory.
    pub fn new(inventory: &Inventory, usage: &Usage, book: &PriceBook, options: Options) -> Self {
        let demands = demands(inventory, usage, book, options);
        let mut notes = inventory.notes.clone();
        notes.extend(usage.strangers(inventory).into_iter().map(|address| {
            format!("the usage file speaks of {address}, which the inventory does not have")
        }));
        let strangers = attributes::strangers(inventory);
        notes.extend(strangers.into_iter().map(|(kind, name)| {
            format!("whether {name} of {kind} costs anything is not known here")
        }));
        let without_rule = usage.without_rule();
        notes.extend(without_rule.iter().map(|without| {
            let names = without.names.join(", ");
            format!(
                "the usage file has {names} of {}, for which there is no price here",
                without.of
            )
        }));
        let other = Options {
            free_tier: !options.free_tier,
            ..options
        };
        let other = Self::of_demands(demands.clone(), book, other).total;
        let billed = billed(&demands);
        let mut estimate = Self::of_demands(demands, book, options);
        estimate.billed = billed;
        match options.free_tier {
            true => estimate.without_free_tier = other,
            false => estimate.with_free_tier = other,
        }
        estimate.source = inventory.source.clone();
        estimate.notes = notes;
        estimate.lower_bound |=
            inventory.incomplete || without_rule.iter().any(|without| without.costs);
        estimate
    }

    pub(crate) fn of_demands(mut demands: Demands, book: &PriceBook, options: Options) -> Self {
        demands.problems.extend(unknown_usage(&demands.list));
        let mut meter = Meter {
            book,
            options,
            used: BTreeMap::new(),
            taken: BTreeMap::new(),
        };
        let mut shares = Shares::new();
        let lines: Vec<Line> = grouped(demands.list)
            .into_iter()
            .map(|((heading, key, basis), demands)| {
                meter.line(heading, key, basis, &demands, &mut shares)
            })
            .collect();
        for problem in &demands.problems {
            shares.entry(problem.address.clone()).or_default().1 = true;
        }
        let sum = |basis: Basis| -> UsdRange {
            lines
                .iter()
                .filter(|line| line.basis == basis)
                .filter_map(|line| line.usd)
                .sum()
        };
        let (fixed, usage) = (sum(Basis::Fixed), sum(Basis::Usage));
        let standing = demands.standing.values();
        let free_resources = standing.filter(|of| **of == Standing::Free).count();
        let lower_bound = lines.iter().any(|line| line.missing.is_some())
            || !demands.unpriced.is_empty()
            || !demands.problems.is_empty();
        Self {
            source: Source::Settings,
            prices_of: book.version(),
            options,
            lines,
            resources: dearest_first(shares),
            standing: demands.standing,
            billed: BTreeMap::new(),
            free_resources,
            unpriced: demands
                .unpriced
                .into_iter()
                .map(|(kind, addresses)| Unpriced { kind, addresses })
                .collect(),
            problems: demands.problems,
            notes: Vec::new(),
            fixed,
            usage,
            total: fixed + usage,
            without_free_tier: fixed + usage,
            with_free_tier: fixed + usage,
            invoice: None,
            lower_bound,
        }
    }

    /// Says as well what is paid: in another currency by `rate`, with taxes.
    #[must_use]
    pub fn paid(mut self, rate: Option<Rate>, taxes: Vec<Tax>) -> Self {
        self.invoice = Some(Invoice::new(self.total, rate, taxes));
        self
    }

    /// The sum of the lines under a heading, and whether something of it has no price; `None` when there is
    /// nothing of it.
    pub fn under(&self, heading: Heading) -> Option<(UsdRange, bool)> {
        let mut lines = self
            .lines
            .iter()
            .filter(|line| line.heading == heading)
            .peekable();
        let mut lower_bound = self.problems.iter().any(|of| of.heading == heading);
        if lines.peek().is_none() && !lower_bound {
            return None;
        }
        let mut sum = UsdRange::default();
        for line in lines {
            sum = sum + line.usd.unwrap_or_default();
            lower_bound |= line.missing.is_some();
        }
        Some((sum, lower_bound))
    }
}

/// What is used and nobody says how much, a problem for each resource.
fn unknown_usage(demands: &[Demand]) -> Vec<Problem> {
    let mut items: BTreeMap<(Heading, &str), BTreeSet<&str>> = BTreeMap::new();
    for demand in demands {
        if demand.basis == Basis::Usage && demand.usage_source == UsageSource::Unknown {
            let resource = (demand.heading, demand.address.as_str());
            items.entry(resource).or_default().insert(&demand.key.item);
        }
    }
    let problems = items.into_iter().map(|((heading, address), items)| {
        let items: Vec<&str> = items.into_iter().collect();
        Problem {
            heading,
            address: address.to_owned(),
            problem: format!("nobody says how much it is used: {}", items.join(", ")),
        }
    });
    problems.collect()
}

fn billed(demands: &Demands) -> BTreeMap<String, u64> {
    let mut hashers: BTreeMap<&str, DefaultHasher> = BTreeMap::new();
    for demand in &demands.list {
        let hasher = hashers.entry(&demand.address).or_default();
        (
            format!("{:?}", demand.key),
            format!("{:?}", demand.quantity),
        )
            .hash(hasher);
    }
    for problem in &demands.problems {
        let hasher = hashers.entry(&problem.address).or_default();
        problem.problem.hash(hasher);
    }
    let all = hashers.into_iter();
    all.map(|(address, hasher)| (address.to_owned(), hasher.finish()))
        .collect()
}

/// What each resource costs, by its address, and whether something of it has no price.
type Shares = BTreeMap<String, (UsdRange, bool)>;

/// Demands that make one line together; what nobody uses makes none.
fn grouped(demands: Vec<Demand>) -> BTreeMap<(Heading, PriceKey, Basis), Vec<Demand>> {
    let mut groups: BTreeMap<_, Vec<Demand>> = BTreeMap::new();
    for demand in demands {
        if !demand.quantity.is_zero() {
            groups
                .entry((demand.heading, demand.key.clone(), demand.basis))
                .or_default()
                .push(demand);
        }
    }
    groups
}

fn dearest_first(shares: Shares) -> Vec<ResourceCost> {
    let mut resources: Vec<ResourceCost> = shares
        .into_iter()
        .map(|(address, (usd, lower_bound))| ResourceCost {
            address,
            usd,
            lower_bound,
        })
        .collect();
    resources.sort_by(|a, b| {
        b.usd
            .expected
            .cmp(&a.usd.expected)
            .then_with(|| a.address.cmp(&b.address))
    });
    resources
}

/// What has been used up so far, by scenario: tiers and allowances count over the whole account.
struct Meter<'b> {
    book: &'b PriceBook,
    options: Options,
    used: BTreeMap<PriceKey, QuantityRange>,
    taken: BTreeMap<(Service, String), QuantityRange>,
}

impl Meter<'_> {
    fn line(
        &mut self,
        heading: Heading,
        key: PriceKey,
        basis: Basis,
        demands: &[Demand],
        shares: &mut Shares,
    ) -> Line {
        let quantity = demands
            .iter()
            .map(|demand| demand.quantity)
            .fold(QuantityRange::default(), std::ops::Add::add);
        let unit = demands.first().map_or(Unit::Request, |demand| demand.unit);
        let free = self.free(&key, quantity);
        let paid = QuantityRange {
            low: quantity.low - free.low,
            expected: quantity.expected - free.expected,
            high: quantity.high - free.high,
        };
        let Charge {
            usd,
            portions,
            caveats,
            missing,
            prices_of,
            of_release,
        } = self.charge(&key, unit, paid);
        let near = match usd {
            None => self.book.near(&key),
            Some(_) => None,
        };
        let all = (usd.unwrap_or_default(), quantity);
        Line {
            resources: share(demands, all, missing.is_some(), shares),
            heading,
            key,
            basis,
            quantity,
            unit,
            free,
            usage_source: worst_source(basis, demands),
            portions,
            usd: usd.map(UsdRange::rounded),
            missing,
            near,
            caveats: caveats.into_iter().collect(),
            prices_of,
            of_release,
        }
    }

    /// What a quantity costs after what has been used up before it, which it adds to.
    fn charge(&mut self, key: &PriceKey, unit: Unit, paid: QuantityRange) -> Charge {
        // An item of another unit is another item.
        let Some(price) = self.book.price(key).filter(|price| price.unit() == unit) else {
            return Charge {
                missing: Some(Missing::Price),
                ..Charge::default()
            };
        };
        let before = self.used.entry(key.clone()).or_default();
        let mut charge = Charge {
            of_release: price.is_fallback(),
            ..Charge::default()
        };
        let mut dates = Vec::new();
        let usd = UsdRange::of(|scenario| {
            let priced = price.of(
                before.get(scenario),
                paid.get(scenario),
                self.options.oldest,
            );
            if !priced.beyond.is_zero() {
                charge.missing = Some(Missing::Tier);
            }
            let known = priced.known();
            charge.caveats.extend(priced.caveats);
            if !priced.portions.is_empty() {
                dates.push(priced.as_of);
            }
            if scenario == Scenario::Expected {
                charge.portions = priced.portions;
            }
            known
        });
        *before = *before + paid;
        charge.usd = Some(usd);
        charge.prices_of = dates.into_iter().min().flatten();
        charge
    }

    /// How much of the quantity the account still gets for nothing.
    fn free(&mut self, key: &PriceKey, quantity: QuantityRange) -> QuantityRange {
        if !self.options.free_tier {
            return QuantityRange::default();
        }
        let Some(allowance) = self.book.allowance(key.service, &key.item) else {
            return QuantityRange::default();
        };
        let taken = self
            .taken
            .entry((key.service, key.item.clone()))
            .or_default();
        let left = |taken: Decimal| (allowance.quantity.amount() - taken).max(Decimal::ZERO);
        let free = QuantityRange {
            low: left(taken.low).min(quantity.low),
            expected: left(taken.expected).min(quantity.expected),
            high: left(taken.high).min(quantity.high),
        };
        *taken = *taken + free;
        free
    }
}

/// What the quantity of a line costs.
#[derive(Default)]
struct Charge {
    /// None when there is no price.
    usd: Option<UsdRange>,
    portions: Vec<Portion>,
    caveats: BTreeSet<Caveat>,
    missing: Option<Missing>,
    prices_of: Option<Date>,
    of_release: bool,
}

/// Adds to each resource its part of a line's cost, and names the resources.
fn share(
    demands: &[Demand],
    (usd, quantity): (UsdRange, QuantityRange),
    lower_bound: bool,
    shares: &mut Shares,
) -> Vec<String> {
    let mut resources = BTreeSet::new();
    for demand in demands {
        let share = shares.entry(demand.address.clone()).or_default();
        share.0 = share.0
            + UsdRange::of(|scenario| {
                part(
                    usd.get(scenario),
                    demand.quantity.get(scenario),
                    quantity.get(scenario),
                )
            });
        share.1 |= lower_bound;
        resources.insert(demand.address.clone());
    }
    resources.into_iter().collect()
}

/// Where the quantity of a line is from: one default makes the line no better than that.
fn worst_source(basis: Basis, demands: &[Demand]) -> Option<UsageSource> {
    match basis {
        Basis::Fixed => None,
        Basis::Usage => demands.iter().map(|demand| demand.usage_source).max(),
    }
}

/// A resource's part of a line, by its part of the quantity.
fn part(usd: Usd, of: Decimal, all: Decimal) -> Usd {
    if all.is_zero() {
        Usd::ZERO
    } else {
        Usd::new(usd.dollars() * (of / all))
    }
}

#[cfg(test)]
mod tests;
