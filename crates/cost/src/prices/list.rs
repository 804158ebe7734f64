use report::{Document, Mark, Report};
use rust_decimal::Decimal;
use serde::Serialize;
use settings::Region;

use super::{Confidence, PriceBook, PriceKey, Scope, Service};
use crate::money::Usd;
use crate::quantity::{Unit, as_text, format_number};
use jiff::civil::Date;

/// A tier of a price, with what is known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedPrice {
    /// What it is for.
    #[serde(flatten)]
    pub key: PriceKey,
    /// Of so many units,
    #[serde(serialize_with = "as_text")]
    pub per: Decimal,
    /// of these.
    pub unit: Unit,
    /// Above this many units a month.
    #[serde(serialize_with = "as_text")]
    pub from: Decimal,
    /// What so many units cost.
    pub usd: Usd,
    /// When it was read.
    pub as_of: Option<Date>,
    /// How it is known.
    pub confidence: Confidence,
    /// Where it was read.
    pub source: String,
}

/// Prices of a book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PriceList {
    /// The book's edition.
    #[serde(rename = "book_version")]
    pub version: Date,
    /// One entry for each tier, by region and service.
    pub prices: Vec<ListedPrice>,
}

impl PriceBook {
    /// The prices of some regions, with those that hold everywhere, or of all when `regions` is empty; of
    /// one service, or of all.
    pub fn list(&self, regions: &[Region], service: Option<Service>) -> PriceList {
        let wanted = |key: &PriceKey| {
            let here = match key.scope {
                Scope::Global => true,
                Scope::Region(region) => regions.is_empty() || regions.contains(&region),
            };
            here && service.is_none_or(|service| key.service == service)
        };
        let prices = self
            .prices()
            .filter(|(key, _)| wanted(key))
            .flat_map(|(key, price)| {
                price.tiers().iter().map(|tier| ListedPrice {
                    key: key.clone(),
                    per: price.per(),
                    unit: price.unit(),
                    from: tier.from,
                    usd: tier.usd,
                    as_of: tier.as_of,
                    confidence: tier.confidence,
                    source: tier.source.clone(),
                })
            })
            .collect();
        PriceList {
            version: self.version(),
            prices,
        }
    }
}

impl Report for PriceList {
    const KIND: &'static str = "price-list";

    fn document(&self) -> Document {
        let rows = self
            .prices
            .iter()
            .map(|price| {
                let mark = match price.confidence {
                    Confidence::Aws | Confidence::Quoted(_) => Mark::Plain,
                    Confidence::TestData | Confidence::Derived | Confidence::Assumed => {
                        Mark::Unknown
                    }
                };
                let cells = vec![
                    price.key.scope.to_string(),
                    price.key.service.code().to_owned(),
                    price.key.item.clone(),
                    format_number(price.from),
                    format!("${}", price.usd.exact()),
                    format!("{} {}", format_number(price.per), price.unit),
                    price.as_of.map_or("–".to_owned(), |date| date.to_string()),
                    price.confidence.to_string(),
                    price.source.clone(),
                ];
                (mark, cells)
            })
            .collect();
        Document::new()
            .heading(format!("Price book of {}", self.version))
            .table(
                [
                    "Region",
                    "Service",
                    "Item",
                    "From",
                    "USD",
                    "For",
                    "As of",
                    "Confidence",
                    "Source",
                ],
                rows,
            )
            .text(format!("{} prices", self.prices.len()))
    }
}
