//! The AWS Price List: products and their terms, as GetProducts answers them and as bulk offer files hold them.
//! <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html>

mod file;
mod query;

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;
use thiserror::Error;

pub use file::OfferFile;
pub use query::PriceQuery;

/// Why a part of the Price List cannot be used.
#[derive(Debug, Error)]
pub enum OfferError {
    /// Not JSON, or not of the Price List.
    #[error("read the price list at line {line}, column {column}")]
    Json {
        /// The line, counted from 1.
        line: usize,
        /// From 1; 0 at the end of a line.
        column: usize,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// JSON of something else.
    #[error("read the price list: it has no {0}, as a bulk offer file of AWS has")]
    Lacks(&'static str),
}

impl From<serde_json::Error> for OfferError {
    fn from(source: serde_json::Error) -> Self {
        Self::Json {
            line: source.line(),
            column: source.column(),
            source,
        }
    }
}

/// What can be bought, and for how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    pub(super) sku: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) terms: Vec<Term>,
}

impl Product {
    /// Reads one entry of a GetProducts answer.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(json: &str) -> Result<Self, OfferError> {
        let entry: Entry = serde_json::from_str(json)?;
        let terms = entry.terms.on_demand.into_values();
        let terms = terms.chain(entry.terms.reserved.into_values()).collect();
        Ok(Self {
            sku: entry.product.sku,
            attributes: entry.product.attributes,
            terms,
        })
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

#[derive(Deserialize)]
struct Entry {
    product: Sold,
    #[serde(default)]
    terms: Terms,
}

#[derive(Deserialize, Default)]
struct Terms {
    #[serde(rename = "OnDemand", default)]
    on_demand: BTreeMap<String, Term>,
    #[serde(rename = "Reserved", default)]
    reserved: BTreeMap<String, Term>,
}

#[derive(Deserialize)]
struct Sold {
    sku: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// A way to buy a product.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Term {
    price_dimensions: BTreeMap<String, Dimension>,
    /// Empty on demand.
    #[serde(default)]
    term_attributes: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    unit: String,
    #[serde(default)]
    begin_range: Option<String>,
    #[serde(default)]
    end_range: Option<String>,
    /// The price of a unit, by currency.
    price_per_unit: BTreeMap<String, String>,
}

/// A step of a price, in the units of the Price List.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub(super) from: Decimal,
    pub(super) to: Option<Decimal>,
    pub(super) usd: Decimal,
}
