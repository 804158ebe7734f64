use std::time::Instant;

use aws_env::{Call, Error, pages_up_to};
use aws_sdk_pricing::types::{Filter, FilterType};
use report::{Observer, Outcome};
use settings::Region;
use thiserror::Error;

use crate::prices::{OfferError, PriceQuery, Product, Refresh, Resumed};

/// GetProducts answers so many at most at once.
/// <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html>
const PAGE: i32 = 100;

/// A usage type in a region is a handful of products; a filter that lets more through is wrong.
const MOST_PAGES: usize = 20;

/// Why products cannot be read.
#[derive(Debug, Error)]
pub enum PriceListError {
    /// AWS did not answer, or with more products than can be.
    #[error("ask for {item}")]
    Aws {
        /// The price that was looked for.
        item: String,
        /// The call that failed.
        source: Box<Error>,
    },
    /// What was found cannot be kept for a run that goes on.
    #[error("keep what was found")]
    Kept(#[source] std::io::Error),
    /// What AWS answered is not of the Price List.
    #[error("read the products for {item}")]
    Answer {
        /// The price that was looked for.
        item: String,
        /// The part that cannot be used.
        source: OfferError,
    },
}

/// The region to ask for prices from `near`: the service answers in three, for all regions.
/// <https://docs.aws.amazon.com/general/latest/gr/billing.html#billing-pricing>
pub fn pricing_region(near: Region) -> Region {
    let home = match near.as_str().split('-').next() {
        Some("ap") => "ap-south-1",
        Some("af" | "eu" | "il" | "me") => "eu-central-1",
        _ => "us-east-1",
    };
    // Regions that settings know.
    home.parse().unwrap_or(near)
}

/// Asks for everything that the book of `refresh` has, in `regions`, one item after the other, from `client_region`, the region
/// of the client. What `resumed` has settled is not asked for again; `settled` is told what [`Refresh::settled`] says of each
/// item as soon as it is known.
///
/// # Errors
/// When AWS does not answer, or with something else, or when `settled` cannot keep an item: a book that is half new would say
/// nothing of its other half.
pub async fn refresh(
    client: &aws_sdk_pricing::Client,
    client_region: Region,
    mut refresh: Refresh,
    regions: &[Region],
    resumed: &Resumed,
    mut settled: impl FnMut(&str) -> std::io::Result<()>,
    observer: &dyn Observer,
) -> Result<Refresh, PriceListError> {
    const LABEL: &str = "ask for prices";
    let started = Instant::now();
    let today = refresh.book.version();
    let all = refresh.book.wanted(regions);
    let all: Vec<_> = all
        .into_iter()
        .filter(|wanted| !resumed.items.contains(wanted.key()))
        .collect();
    observer.started(LABEL);
    for (at, wanted) in all.iter().enumerate() {
        let found = match wanted.query() {
            None => Ok(Vec::new()),
            Some(query) => products(client, client_region, query).await,
        };
        let found = found.inspect_err(|_| {
            observer.finished(LABEL, Outcome::Failed, started.elapsed());
        })?;
        refresh.take(wanted, &found, "AWS Price List", today);
        settled(&refresh.settled(wanted.key())).map_err(PriceListError::Kept)?;
        observer.waiting(LABEL, &format!("{} of {}", at + 1, all.len()));
    }
    observer.finished(LABEL, Outcome::Done, started.elapsed());
    Ok(refresh)
}

/// The products that a query may be about, from `client_region`, the region of the client.
///
/// # Errors
/// When AWS does not answer, or with something else.
async fn products(
    client: &aws_sdk_pricing::Client,
    client_region: Region,
    query: &PriceQuery,
) -> Result<Vec<Product>, PriceListError> {
    let item = || query.key().to_string();
    let filter = |kind, field: &str, value: &str| {
        Filter::builder()
            .r#type(kind)
            .field(field)
            .value(value)
            .build()
    };
    let filters: Result<Vec<Filter>, _> = query
        .attributes()
        // Storage of all engines is of engine Any.
        .filter(|(name, _)| *name != "databaseEngine" || !query.usage().starts_with("RDS:"))
        .map(|(name, value)| filter(FilterType::TermMatch, name, value))
        .chain([filter(FilterType::Contains, "usagetype", query.usage())])
        .collect();
    let call = Call {
        region: client_region,
        service: "Pricing",
        operation: "GetProducts",
        resource: item(),
    };
    let aws = |source: Error| PriceListError::Aws {
        item: item(),
        source: Box::new(source),
    };
    let filters =
        filters.map_err(|error| aws(Error::unexpected(call.clone(), error.to_string())))?;
    let pages = client
        .get_products()
        .service_code(query.key().service.code())
        .format_version("aws_v1")
        .max_results(PAGE)
        .set_filters(Some(filters))
        .into_paginator()
        .send();
    let pages = pages_up_to(call, MOST_PAGES, pages).await.map_err(aws)?;
    pages
        .iter()
        .flat_map(|page| page.price_list())
        .map(|entry| {
            Product::parse(entry).map_err(|source| PriceListError::Answer {
                item: item(),
                source,
            })
        })
        .collect()
}
