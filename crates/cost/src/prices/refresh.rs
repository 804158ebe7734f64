//! A new edition of the price book, from what AWS itself says.

mod resumed;

use std::collections::BTreeMap;

use jiff::civil::Date;
use report::{Document, Mark, Report};
use serde::Serialize;
use settings::Region;

pub use resumed::Resumed;

use super::offer::Step;
use super::{Confidence, OfferFile, Price, PriceBook, PriceKey, PriceQuery, Product, Scope, Tier};
use crate::money::Usd;
use crate::quantity::{Unit, as_text, format_number};
use rust_decimal::Decimal;

/// An item to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    key: PriceKey,
    unit: Unit,
    per: Decimal,
    query: Option<PriceQuery>,
}

impl Wanted {
    /// What it is for.
    pub fn key(&self) -> &PriceKey {
        &self.key
    }

    /// An item counted in `unit`, whose price is for `per` of them.
    pub fn new(key: PriceKey, unit: Unit, per: Decimal) -> Self {
        Self {
            query: PriceQuery::of(&key, unit),
            key,
            unit,
            per,
        }
    }

    /// The product to look for; `None` when nothing says which it is.
    pub fn query(&self) -> Option<&PriceQuery> {
        self.query.as_ref()
    }
}

/// A price that is another one now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PriceChange {
    /// What is bought.
    pub key: PriceKey,
    /// Of so many units,
    #[serde(serialize_with = "as_text")]
    pub per: Decimal,
    /// of these.
    pub unit: Unit,
    /// By tier; none when it was not known.
    pub before: Vec<TierPrice>,
    /// By tier, as AWS lists it now.
    pub after: Vec<TierPrice>,
}

/// A tier without what is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TierPrice {
    /// Above this many units a month.
    #[serde(serialize_with = "as_text")]
    pub from: Decimal,
    /// What so many units cost ([`PriceChange::per`]).
    pub usd: Usd,
}

/// An item that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmatched {
    /// What could not be found.
    pub key: PriceKey,
    /// Why it was not found.
    pub why: String,
    /// Whether the book has a price for it, which is kept.
    pub known: bool,
}

/// What AWS's own price list changes in a price book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refresh {
    /// The edition before.
    pub before: Date,
    /// Prices that are other ones, or new.
    pub changes: Vec<PriceChange>,
    /// Prices that are as AWS says.
    pub confirmed: Vec<PriceKey>,
    /// Items that nothing was found for, and that are kept as they are.
    pub unmatched: Vec<Unmatched>,
    /// The new edition.
    #[serde(skip)]
    pub book: PriceBook,
}

impl PriceBook {
    /// What there is to look for in some regions: every item that the book has for any region.
    pub fn wanted(&self, regions: &[Region]) -> Vec<Wanted> {
        let mut wanted: BTreeMap<PriceKey, (Unit, Decimal)> = BTreeMap::new();
        // What is of the release is not put into a book of one's own.
        for (key, price) in self.prices().filter(|(_, price)| !price.is_fallback()) {
            let of = (price.unit(), price.per());
            let Scope::Region(region) = key.scope else {
                wanted.insert(key.clone(), of);
                continue;
            };
            let pair = key.is_of_a_pair();
            for here in regions {
                if pair && *here != region {
                    continue;
                }
                let scope = Scope::Region(*here);
                wanted
                    .entry(PriceKey {
                        scope,
                        ..key.clone()
                    })
                    .or_insert(of);
            }
        }
        // What a reservation of each class costs, so that a tip can say what it saves.
        for (key, of) in wanted.clone() {
            if let Some(class) = key.item.strip_prefix("instance ") {
                let item = format!("reserved {class} 1yr no-upfront");
                wanted.entry(PriceKey { item, ..key }).or_insert(of);
            }
        }
        wanted
            .into_iter()
            .map(|(key, (unit, per))| Wanted::new(key, unit, per))
            .collect()
    }
}

impl Refresh {
    /// Nothing found yet. `today` becomes the new edition's day.
    pub fn new(book: &PriceBook, today: Date) -> Self {
        let mut next = book.clone();
        next.version = today;
        Self {
            before: book.version(),
            changes: Vec::new(),
            confirmed: Vec::new(),
            unmatched: Vec::new(),
            book: next,
        }
    }

    /// Takes what a bulk offer file has for `regions`, or for all that it has products of; the items that it settled, none
    /// when it has nothing for them.
    pub fn take_file(&mut self, file: &OfferFile, regions: &[Region]) -> Vec<PriceKey> {
        let here: Vec<Region> = file
            .regions()
            .into_iter()
            .filter(|region| regions.is_empty() || regions.contains(region))
            .collect();
        let everywhere = file.regions().is_empty();
        if here.is_empty() && !everywhere {
            return Vec::new();
        }
        let list = format!("AWS bulk offer {} of {}", file.code, file.published);
        let wanted = self.book.wanted(&here).into_iter();
        let mut settled = Vec::new();
        for wanted in wanted.filter(|wanted| wanted.key.service.code() == file.code) {
            // A region's file says nothing of what has one price everywhere.
            if everywhere == (wanted.key.scope == Scope::Global) {
                self.take(&wanted, &file.products, &list, file.published);
                settled.push(wanted.key);
            }
        }
        settled
    }

    /// Takes the price of an item from products, read from `list` and right on `as_of`. What nothing or
    /// more than one price fits is kept as it is, and listed.
    pub fn take(&mut self, wanted: &Wanted, products: &[Product], list: &str, as_of: Date) {
        let found = match &wanted.query {
            None => Err("nothing says which product of the price list it is".to_owned()),
            Some(query) => query
                .price(products)
                .and_then(|(steps, skus)| self.tiers(wanted, steps, &skus, list, as_of)),
        };
        let price = found.map(|tiers| Price {
            unit: wanted.unit,
            per: wanted.per,
            tiers,
            is_fallback: false,
        });
        self.settle(&wanted.key, price);
    }

    /// Puts what was found for an item in its place.
    fn settle(&mut self, key: &PriceKey, found: Result<Price, String>) {
        match found {
            Err(why) => self.unmatched.push(Unmatched {
                key: key.clone(),
                why,
                known: self.book.price(key).is_some(),
            }),
            Ok(price) => {
                let before = self.book.prices.insert(key.clone(), price.clone());
                let before = before.as_ref().map_or(Vec::new(), plain);
                let after = plain(&price);
                if before == after {
                    self.confirmed.push(key.clone());
                } else {
                    self.changes.push(PriceChange {
                        key: key.clone(),
                        per: price.per,
                        unit: price.unit,
                        before,
                        after,
                    });
                }
            }
        }
    }

    fn tiers(
        &self,
        wanted: &Wanted,
        steps: Vec<Step>,
        skus: &[String],
        list: &str,
        as_of: Date,
    ) -> Result<Vec<Tier>, String> {
        let key = &wanted.key;
        let mut steps = steps.into_iter().peekable();
        let mut from = Decimal::ZERO;
        // What an account gets for nothing is a tier of its own in the list, and in free-tier.csv here.
        if let Some(free) = steps.next_if(|step| step.usd.is_zero() && step.to.is_some()) {
            let allowance = self.book.allowance(key.service, &key.item);
            if allowance.is_none_or(|free_here| Some(free_here.quantity.amount()) != free.to) {
                return Err(format!(
                    "its first {} are free in the price list, and not so in the free allowances",
                    format_number(free.to.unwrap_or_default())
                ));
            }
        }
        let mut tiers = Vec::new();
        for step in steps {
            let usd = step
                .usd_of(wanted.per)
                .ok_or_else(|| "its price is more than anything costs".to_owned())?;
            tiers.push(Tier {
                from,
                to: step.to,
                usd: Usd::new(usd),
                as_of: Some(as_of),
                confidence: Confidence::Aws,
                source: format!("{list}, SKU {}", skus.join(" ")),
            });
            from = step.to.unwrap_or_default();
        }
        if tiers.is_empty() {
            return Err("the price list has only a free tier for it".to_owned());
        }
        Ok(tiers)
    }
}

fn plain(price: &Price) -> Vec<TierPrice> {
    let tiers = price.tiers().iter();
    tiers
        .map(|tier| TierPrice {
            from: tier.from,
            usd: Usd::new(tier.usd.dollars().normalize()),
        })
        .collect()
}

impl Report for Refresh {
    const KIND: &'static str = "price-refresh";

    fn document(&self) -> Document {
        let tiers = |tiers: &[TierPrice]| match tiers {
            [] => "not known".to_owned(),
            [one] => format!("${}", one.usd.exact()),
            many => many
                .iter()
                .map(|tier| format!("${} from {}", tier.usd.exact(), format_number(tier.from)))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let name = |key: &PriceKey| {
            vec![
                key.scope.to_string(),
                key.service.code().to_owned(),
                key.item.clone(),
            ]
        };
        let changes = self
            .changes
            .iter()
            .map(|change| {
                let mut row = name(&change.key);
                row.extend([
                    tiers(&change.before),
                    tiers(&change.after),
                    format!("{} {}", format_number(change.per), change.unit),
                ]);
                (Mark::Plain, row)
            })
            .collect();
        let unmatched = self
            .unmatched
            .iter()
            .map(|item| {
                let mut row = name(&item.key);
                let kept = if item.known { "kept" } else { "still missing" };
                row.extend([item.why.clone(), kept.to_owned()]);
                (Mark::Unknown, row)
            })
            .collect();
        Document::new()
            .heading(format!("Price book of {} refreshed", self.before))
            .table(["Region", "Service", "Item", "Old", "New", "For"], changes)
            .heading("Not found")
            .table(["Region", "Service", "Item", "Why", "Price"], unmatched)
            .text(format!(
                "{} prices change, {} are confirmed, {} items were not found and stay as they are",
                self.changes.len(),
                self.confirmed.len(),
                self.unmatched.len()
            ))
    }
}

#[cfg(test)]
mod tests;
