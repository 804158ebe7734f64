//! An estimate against limits: of the whole, of a service, of what carries a tag, and of how much dearer it gets.

mod document;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::diff::Diff;
use crate::estimate::{Estimate, Heading};
use crate::increase::Increase;
use crate::inventory::Inventory;
use crate::money::{Usd, UsdRange};
use crate::quantity::{QuantityError, Scenario};

/// Whether a limit is kept. In order: of several, the last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The amount is the limit or less.
    Within,
    /// What has a price does, but something has none.
    Unknown,
    /// The amount is more than the limit.
    Over,
}

/// What a limit is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limited {
    /// The whole month.
    Total,
    /// The lines under a heading.
    Service(Heading),
    /// The resources that carry a tag, their own or their provider's.
    Tag {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// How much dearer the month gets.
    Increase,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total => f.write_str("The whole"),
            Self::Service(heading) => write!(f, "Service {heading}"),
            Self::Tag { key, value } => write!(f, "Tag {key}={value}"),
            Self::Increase => f.write_str("The increase"),
        }
    }
}

impl Serialize for Limited {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// At most this much a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub of: Limited,
    /// The most that is within it.
    pub usd: Usd,
}

/// Why a text is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LimitError {
    /// Not `SERVICE=USD`.
    #[error("{0:?} is no limit of a service, as rds=150 is")]
    Service(String),
    /// A service that is none.
    #[error("{name:?} is no service; those that are: {}", Heading::ALL.map(Heading::name).join(", "))]
    UnknownService {
        /// As it was given.
        name: String,
    },
    /// Not `KEY=VALUE=USD`.
    #[error("{0:?} is no limit of a tag, as Team=data=100 is")]
    Tag(String),
    /// The amount.
    #[error(transparent)]
    Amount(#[from] QuantityError),
}

impl Limit {
    /// Of the whole month.
    pub fn total(usd: Usd) -> Self {
        let of = Limited::Total;
        Self { of, usd }
    }

    /// Of how much dearer the month gets.
    pub fn increase(usd: Usd) -> Self {
        let of = Limited::Increase;
        Self { of, usd }
    }

    /// `SERVICE=USD`, as in `rds=150`.
    ///
    /// # Errors
    /// When there is no such service, or no amount.
    pub fn of_service(text: &str) -> Result<Self, LimitError> {
        let parts = text.split_once('=');
        let (name, usd) = parts.ok_or_else(|| LimitError::Service(text.to_owned()))?;
        let heading = Heading::ALL.into_iter().find(|of| of.name() == name);
        let heading = heading.ok_or_else(|| LimitError::UnknownService {
            name: name.to_owned(),
        })?;
        Ok(Self {
            of: Limited::Service(heading),
            usd: Usd::from_str(usd)?,
        })
    }

    /// `KEY=VALUE=USD`, as in `Team=data=100`. A value may hold a `=`.
    ///
    /// # Errors
    /// When it is not of that form.
    pub fn of_tag(text: &str) -> Result<Self, LimitError> {
        let bad = || LimitError::Tag(text.to_owned());
        let (tag, usd) = text.rsplit_once('=').ok_or_else(bad)?;
        let (key, value) = tag.split_once('=').ok_or_else(bad)?;
        if key.is_empty() {
            return Err(bad());
        }
        Ok(Self {
            of: Limited::Tag {
                key: key.to_owned(),
                value: value.to_owned(),
            },
            usd: Usd::from_str(usd)?,
        })
    }
}

/// What a month may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// All of them have to be kept.
    pub limits: Vec<Limit>,
    /// The usage that they are for.
    pub scenario: Scenario,
    /// A lower bound that keeps a limit counts as within it.
    pub allow_lower_bound: bool,
}

/// An amount against a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetRow {
    /// What the limit is of.
    pub of: Limited,
    /// At most this much a month.
    pub limit: Usd,
    /// What is held against it.
    pub usd: Usd,
    /// Something of it has no price, so that it costs more than this.
    pub lower_bound: bool,
    /// Why nothing can be said, besides what has no price.
    pub unknown: Option<String>,
    /// Whether it is kept.
    pub verdict: Verdict,
}

/// An estimate against limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// The usage that the limits are for.
    pub scenario: Scenario,
    /// A lower bound that keeps a limit counts as within it.
    pub allow_lower_bound: bool,
    /// In the order of the limits.
    pub rows: Vec<BudgetRow>,
    /// The whole, with little, expected and much usage.
    pub total: UsdRange,
    /// Something of the whole has no price.
    pub lower_bound: bool,
    /// Over when one limit is, else unknown when one is; unknown as well without any limit.
    pub verdict: Verdict,
}

impl Budget {
    /// Holds `estimate`, which is of `inventory`, against limits. What it is dearer than is `before`.
    pub fn new(
        estimate: &Estimate,
        inventory: &Inventory,
        before: Option<&Estimate>,
        policy: &Policy,
    ) -> Self {
        let judge = Judge {
            estimate,
            inventory,
            before,
            policy,
        };
        let rows: Vec<BudgetRow> = policy.limits.iter().map(|of| judge.row(of)).collect();
        Self {
            scenario: policy.scenario,
            allow_lower_bound: policy.allow_lower_bound,
            verdict: rows
                .iter()
                .map(|row| row.verdict)
                .max()
                .unwrap_or(Verdict::Unknown),
            rows,
            total: estimate.total,
            lower_bound: estimate.lower_bound,
        }
    }
}

struct Judge<'a> {
    estimate: &'a Estimate,
    inventory: &'a Inventory,
    before: Option<&'a Estimate>,
    policy: &'a Policy,
}

/// What is held against a limit.
struct Held {
    usd: Usd,
    lower_bound: bool,
    unknown: Option<String>,
}

impl Judge<'_> {
    fn row(&self, limit: &Limit) -> BudgetRow {
        let Held {
            usd,
            lower_bound,
            unknown,
        } = match &limit.of {
            Limited::Total => Held {
                usd: self.estimate.total.get(self.policy.scenario),
                lower_bound: self.estimate.lower_bound,
                unknown: None,
            },
            Limited::Service(heading) => self.service(*heading),
            Limited::Tag { key, value } => self.tag(key, value),
            Limited::Increase => self.increase(limit.usd),
        };
        let is_increase = limit.of == Limited::Increase;
        let verdict = match (unknown.is_some(), lower_bound, usd > limit.usd) {
            (true, _, _) => Verdict::Unknown,
            // What has no price may have cost as much before.
            (_, true, true) if is_increase && !self.policy.allow_lower_bound => Verdict::Unknown,
            // A lower bound above the limit is above it all the more.
            (_, _, true) => Verdict::Over,
            (_, true, false) if !self.policy.allow_lower_bound => Verdict::Unknown,
            _ => Verdict::Within,
        };
        BudgetRow {
            of: limit.of.clone(),
            limit: limit.usd,
            usd,
            lower_bound,
            unknown,
            verdict,
        }
    }

    /// A type that nothing is known of can be billed under any heading, and so can what the inventory leaves out.
    fn service(&self, heading: Heading) -> Held {
        let (usd, lower_bound) = self.estimate.under(heading).unwrap_or_default();
        let is_open = !self.estimate.unpriced.is_empty() || self.inventory.incomplete;
        Held {
            usd: usd.get(self.policy.scenario),
            lower_bound: lower_bound || is_open,
            unknown: None,
        }
    }

    fn tag(&self, key: &str, value: &str) -> Held {
        let tagged = self.inventory.resources.iter();
        let tagged = tagged.filter(|of| of.attributes.tag(key) == Some(value));
        let addresses: std::collections::BTreeSet<&str> =
            tagged.map(|of| of.address.as_str()).collect();
        let costs = self.estimate.resources.iter();
        let costs = costs.filter(|of| addresses.contains(of.address.as_str()));
        let (mut usd, mut lower_bound) = (UsdRange::default(), self.inventory.incomplete);
        for cost in costs {
            usd = usd + cost.usd;
            lower_bound |= cost.lower_bound;
        }
        let mut unpriced = self.estimate.unpriced.iter().flat_map(|of| &of.addresses);
        lower_bound |= unpriced.any(|address| addresses.contains(address.as_str()));
        // A slip of the pen must not keep a limit.
        let unknown = addresses
            .is_empty()
            .then(|| "nothing carries it".to_owned());
        Held {
            usd: usd.get(self.policy.scenario).rounded(),
            lower_bound,
            unknown,
        }
    }

    fn increase(&self, limit: Usd) -> Held {
        let Some(before) = self.before else {
            return Held {
                usd: Usd::ZERO,
                lower_bound: false,
                unknown: Some("there is nothing to compare with".to_owned()),
            };
        };
        let diff = Diff::new(before, self.estimate);
        Held {
            usd: Increase::new(&diff, limit, self.policy.scenario).usd,
            lower_bound: diff.uncertain,
            unknown: None,
        }
    }
}

#[cfg(test)]
mod tests;
