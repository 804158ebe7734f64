//! Bulk offer files. That of EC2 has hundreds of megabytes, so that only products asked for are kept.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::io::Read;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use settings::Region;

use super::query::bare;
use super::{OfferError, PriceQuery, Product, Sold, Term};
use crate::prices::Wanted;

/// Products of a bulk offer file, `offers/v1.0/aws/CODE/current/REGION/index.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferFile {
    /// The code of the service, as in `AmazonRDS`.
    pub code: String,
    /// The day it was published.
    pub published: Date,
    /// Those that were asked for.
    pub products: Vec<Product>,
}

impl OfferFile {
    /// The regions that its products are sold in; none for what has one price everywhere.
    pub fn regions(&self) -> BTreeSet<Region> {
        let region = |product: &Product| {
            let region = product
                .attribute("regionCode")
                .or(product.attribute("fromRegionCode"));
            region.and_then(|region| region.parse().ok())
        };
        self.products.iter().filter_map(region).collect()
    }

    /// Reads those products of a file that `wanted` may be about.
    ///
    /// # Errors
    /// When it is not such a file.
    pub fn read(file: impl Read, wanted: &[Wanted]) -> Result<Self, OfferError> {
        let wanted = wanted.iter().filter_map(Wanted::query);
        let wanted: HashSet<&str> = wanted.map(PriceQuery::usage).collect();
        let mut found = Found {
            wanted,
            code: None,
            published: None,
            products: None,
        };
        let mut reader = serde_json::Deserializer::from_reader(file);
        Whole(&mut found).deserialize(&mut reader)?;
        reader.end()?;
        let published = found
            .published
            .and_then(|text| text.parse::<Timestamp>().ok())
            .ok_or(OfferError::Lacks("publicationDate"))?;
        Ok(Self {
            code: found.code.ok_or(OfferError::Lacks("offerCode"))?,
            published: published.to_zoned(TimeZone::UTC).date(),
            products: found
                .products
                .ok_or(OfferError::Lacks("products"))?
                .into_values()
                .collect(),
        })
    }
}

struct Found<'q> {
    wanted: HashSet<&'q str>,
    code: Option<String>,
    published: Option<String>,
    products: Option<BTreeMap<String, Product>>,
}

impl Found<'_> {
    fn asks_for(&self, sold: &Sold) -> bool {
        sold.attributes.get("usagetype").is_some_and(|usage| {
            self.wanted.contains(usage.as_str()) || self.wanted.contains(bare(usage))
        })
    }
}

macro_rules! map_of {
    ($name:ident, $what:literal, |$found:ident, $key:ident, $map:ident| $body:block) => {
        struct $name<'f, 'q>(&'f mut Found<'q>);

        impl<'de> DeserializeSeed<'de> for $name<'_, '_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $name<'_, '_> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($what)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<(), A::Error> {
                let $found = self.0;
                while let Some($key) = $map.next_key::<String>()? {
                    $body
                }
                Ok(())
            }
        }
    };
}

map_of!(Whole, "an offer file", |found, key, map| {
    match key.as_str() {
        "offerCode" => found.code = Some(map.next_value()?),
        "publicationDate" => found.published = Some(map.next_value()?),
        "products" => map.next_value_seed(Products(found))?,
        // AWS writes products before their terms.
        "terms" => map.next_value_seed(Kinds(found))?,
        _ => drop(map.next_value::<IgnoredAny>()?),
    }
});

map_of!(Products, "products by SKU", |found, key, map| {
    let sold: Sold = map.next_value()?;
    let is_wanted = found.asks_for(&sold);
    let products = found.products.get_or_insert_default();
    if is_wanted {
        let product = Product {
            sku: sold.sku,
            attributes: sold.attributes,
            terms: Vec::new(),
        };
        products.insert(key, product);
    }
});

map_of!(Kinds, "terms by kind", |found, _kind, map| {
    map.next_value_seed(BySku(found))?;
});

map_of!(BySku, "terms by SKU", |found, sku, map| {
    match found.products.as_mut().and_then(|all| all.get_mut(&sku)) {
        Some(product) => {
            let terms: BTreeMap<String, Term> = map.next_value()?;
            product.terms.extend(terms.into_values());
        }
        None => drop(map.next_value::<IgnoredAny>()?),
    }
});
