//! What could be saved, worked out from the inventory: each tip prices the stack with and without it.

mod databases;
mod document;
mod graviton;
mod network;
mod storage;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::diff::Diff;
use crate::estimate::{Estimate, Options};
use crate::inventory::{Inventory, Resource};
use crate::money::{Usd, UsdRange};
use crate::prices::PriceBook;
use crate::usage::Usage;

/// How sure a saving is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// It hangs on how the stack is used, which nobody has measured.
    Low,
    /// It hangs on a price that is derived, assumed or old.
    Medium,
    /// Fixed quantities at quoted prices.
    High,
}

/// Something that could be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tip {
    /// In a few words.
    pub name: String,
    /// The resources it is about.
    pub resources: Vec<String>,
    /// What it saves in a month.
    pub saves: UsdRange,
    /// How sure that is.
    pub trust: Trust,
    /// How the saving comes about, with everything that lessens it.
    pub how: String,
    /// What is given up, in recovery and otherwise.
    pub risk: String,
    /// What to change in Terraform.
    pub change: String,
    /// What `expect` of the settings has to say then, as what stands in an inline table of TOML: `verify-staging check` would
    /// call it wrong otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

/// What could be saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tips {
    /// A month of the stack as it is.
    pub total: UsdRange,
    /// What can be saved, the largest saving first.
    pub tips: Vec<Tip>,
    /// Tips that could not be worked out, and why.
    pub notes: Vec<String>,
}

impl Tips {
    /// Works out what could be saved.
    pub fn new(inventory: &Inventory, usage: &Usage, book: &PriceBook, options: Options) -> Self {
        let base = Estimate::new(inventory, usage, book, options);
        let mut finder = Finder {
            inventory,
            usage,
            book,
            options,
            base,
            tips: Vec::new(),
            notes: Vec::new(),
        };
        finder.off_hours();
        finder.reservations();
        finder.graviton();
        finder.gp3();
        finder.one_nat();
        finder.gateway_endpoints();
        finder.idle_nodes();
        finder.valkey();
        finder.archive();
        finder.log_retention();
        let Finder {
            base,
            mut tips,
            notes,
            ..
        } = finder;
        tips.sort_by_key(|tip| std::cmp::Reverse(tip.saves.expected));
        Self {
            total: base.total,
            tips,
            notes,
        }
    }
}

struct Finder<'a> {
    inventory: &'a Inventory,
    usage: &'a Usage,
    book: &'a PriceBook,
    options: Options,
    base: Estimate,
    tips: Vec<Tip>,
    notes: Vec<String>,
}

/// A saving that is known.
struct Saving {
    saves: UsdRange,
    trust: Trust,
}

impl Finder<'_> {
    /// What the stack costs less when it is as given; `None` when it is not cheaper, or when a price that
    /// it needs is not known.
    fn saving(&mut self, name: &str, changed: &Inventory, options: Options) -> Option<Saving> {
        let after = Estimate::new(changed, self.usage, self.book, options);
        let diff = Diff::new(&self.base, &after);
        let unknown = diff.rows.iter().find(|row| {
            let missing =
                |side: &Option<crate::diff::Side>| side.as_ref().is_some_and(|s| s.lower_bound);
            missing(&row.before) || missing(&row.after)
        });
        if let Some(row) = unknown {
            let note = format!("{name}: the price of {} is not known", row.key);
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
            return None;
        }
        let saves = diff.before - diff.after;
        if saves.expected <= Usd::ZERO {
            return None;
        }
        let trust = if diff.rows.iter().any(|row| !row.caveats.is_empty()) {
            Trust::Medium
        } else {
            Trust::High
        };
        Some(Saving { saves, trust })
    }

    /// The stack with some of its resources changed.
    fn with(&self, mut change: impl FnMut(&mut Resource)) -> Inventory {
        let mut inventory = self.inventory.clone();
        inventory.resources.iter_mut().for_each(&mut change);
        inventory
    }

    fn tip(&mut self, tip: Tip) {
        self.tips.push(tip);
    }
}

fn addresses<'r>(resources: impl IntoIterator<Item = &'r Resource>) -> Vec<String> {
    resources
        .into_iter()
        .map(|resource| resource.address.clone())
        .collect()
}

/// As a whole percentage of another amount.
fn percent(part: Usd, of: Usd) -> Decimal {
    if of == Usd::ZERO {
        return Decimal::ZERO;
    }
    (part.dollars() / of.dollars() * Decimal::ONE_HUNDRED).round_dp(0)
}

#[cfg(test)]
mod tests;
