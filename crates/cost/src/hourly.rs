//! What an hour of something that is known costs.

use settings::Region;

use crate::estimate::instance_item;
use crate::money::Usd;
use crate::prices::{PriceBook, PriceKey, Scope, Service};

/// An hour of a database instance, on demand and without its storage; `None` where the book has no price of it.
pub fn database_hour(
    book: &PriceBook,
    region: Region,
    engine: &str,
    class: &str,
    multi_az: bool,
) -> Option<Usd> {
    let price = book.price(&PriceKey {
        scope: Scope::Region(region),
        service: Service::Rds,
        item: instance_item(engine, class, multi_az),
    })?;
    let first = price.tiers().first()?;
    Some(Usd::new(first.usd.dollars() / price.per()))
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
}
