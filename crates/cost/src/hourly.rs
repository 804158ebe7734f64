//! What something costs that is known, by the hour or by its requests.

use rust_decimal::Decimal;
use settings::Region;

use crate::estimate::instance_item;
use crate::money::Usd;
use crate::prices::{PriceBook, PriceKey, Scope, Service};
use crate::quantity::{GIB, HOURS_PER_MONTH, Unit};

/// An hour of a database instance, on demand and without its storage; `None` where the book has no price of it.
pub fn database_hour(
    book: &PriceBook,
    region: Region,
    engine: &str,
    class: &str,
    multi_az: bool,
) -> Option<Usd> {
    let item = instance_item(engine, class, multi_az);
    first(book, region, Service::Rds, item, Unit::InstanceHour)
}

/// An hour of so many bytes in S3's STANDARD class, at the price of the first of them; `None` where the book has none.
pub fn storage_hour(book: &PriceBook, region: Region, bytes: u64) -> Option<Usd> {
    let month = first(book, region, Service::S3, "storage standard", Unit::GbMonth)?;
    Some(month.times(Decimal::from(bytes) / GIB / HOURS_PER_MONTH))
}

/// So many requests that write objects of S3's STANDARD class; `None` where the book has no price of them.
pub fn write_requests(book: &PriceBook, region: Region, requests: u64) -> Option<Usd> {
    let one = first(
        book,
        region,
        Service::S3,
        "requests tier 1 standard",
        Unit::Request,
    )?;
    Some(one.times(Decimal::from(requests)))
}

/// One unit of something, at the price of the first of them.
fn first(
    book: &PriceBook,
    region: Region,
    service: Service,
    item: impl Into<String>,
    unit: Unit,
) -> Option<Usd> {
    let price = book.price(&PriceKey {
        scope: Scope::Region(region),
        service,
        item: item.into(),
    })?;
    let tier = price.tiers().first().filter(|_| price.unit() == unit)?;
    Some(Usd::new(tier.usd.dollars() / price.per()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_hour_is_that_of_the_book_or_not_known() {
        let book = PriceBook::builtin().unwrap();
        let hour = |region: &str, engine, class, multi_az| {
            database_hour(&book, region.parse().unwrap(), engine, class, multi_az)
        };
        let one = hour("us-east-1", "postgres", "db.t4g.medium", false).unwrap();
        let two = hour("us-east-1", "postgres", "db.t4g.medium", true).unwrap();
        assert!(one > Usd::ZERO && two > one, "{one} {two}");
        assert_eq!(hour("us-east-1", "postgres", "db.none.large", false), None);
        assert_eq!(hour("us-east-1", "", "db.t4g.medium", false), None);
    }

    #[test]
    fn storage_and_requests_grow_with_their_number() {
        let book = PriceBook::builtin().unwrap();
        let region = "us-east-1".parse().unwrap();
        let month = |bytes| {
            let hour = storage_hour(&book, region, bytes).unwrap();
            hour.times(HOURS_PER_MONTH).dollars().round_dp(6)
        };
        // <https://aws.amazon.com/s3/pricing/>: 0.023 USD a GB-month, 0.005 USD for a thousand requests.
        assert_eq!(month(100 << 30), Decimal::new(23, 1));
        let requests = write_requests(&book, region, 2000).unwrap();
        assert_eq!(requests.dollars(), Decimal::new(1, 2));
        assert_eq!(storage_hour(&book, region, 0), Some(Usd::ZERO));
    }
}
