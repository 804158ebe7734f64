//! The price book: what AWS asks, how sure that is, and what is free.

mod book;
mod check;
mod list;
mod offer;
mod refresh;
mod service;
mod tier;

use jiff::civil::Date;
use serde::Serialize;

pub use book::{BookError, PriceBook};
pub use check::{Finding, FindingKind, PriceCheck};
pub use list::{ListedPrice, PriceList};
pub use offer::{OfferError, OfferFile, PriceQuery, Product};
pub use refresh::{PriceChange, Refresh, Resumed, TierPrice, Unmatched, Wanted};
pub use service::{PriceKey, Scope, Service, UnknownService};
pub use tier::{Portion, Price, Priced, Tier};

use crate::quantity::Quantity;

/// How a price is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Read from AWS's own price list.
    Aws,
    /// That many public documents quote it from AWS.
    Quoted(u8),
    /// Only the expected results of another tool's tests have it.
    #[serde(rename = "test-data")]
    TestData,
    /// Calculated from other prices.
    Derived,
    /// From memory, or taken over from another region.
    Assumed,
}

impl std::fmt::Display for Confidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Aws => f.write_str("AWS's price list"),
            Self::Quoted(count) => write!(f, "quoted by {count}"),
            Self::TestData => f.write_str("another tool's test data"),
            Self::Derived => f.write_str("derived"),
            Self::Assumed => f.write_str("assumed"),
        }
    }
}

/// Why a figure deserves less trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Caveat {
    /// Only the expected results of another tool's tests have it.
    #[serde(rename = "test-data")]
    TestData,
    /// Calculated from other prices.
    Derived,
    /// From memory, or taken over from another region.
    Assumed,
    /// Read on this day, which is too long ago.
    Stale(Date),
    /// Quoted, but nobody wrote down when.
    Undated,
}

impl std::fmt::Display for Caveat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TestData => f.write_str("from another tool's test data"),
            Self::Derived => f.write_str("derived"),
            Self::Assumed => f.write_str("assumed"),
            Self::Stale(date) => write!(f, "of {date}"),
            Self::Undated => f.write_str("undated"),
        }
    }
}

/// What an account gets for nothing every month, over all its regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The amount of a month that costs nothing.
    pub quantity: Quantity,
    /// When that was read.
    pub as_of: Option<Date>,
    /// How it is known.
    pub confidence: Confidence,
    /// Where it was read.
    pub source: String,
}
