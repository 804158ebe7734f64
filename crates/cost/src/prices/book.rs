use std::collections::BTreeMap;

use csv::StringRecord;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;
use settings::Region;
use thiserror::Error;

use super::{Allowance, Confidence, Price, PriceKey, Scope, Service, Tier};
use crate::money::Usd;
use crate::quantity::{Quantity, Unit, parse_number};

const PRICES: &str = include_str!("../../data/prices.csv");
const FREE: &str = include_str!("../../data/free-tier.csv");

/// Dollars for [`Price::per`] units: more is a mistake, and products with quantities stay exact below it.
const DEAREST: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// The first line of a price book, up to its version.
const HEAD: &str = "# Price book: format 1, version ";
/// What follows the version: the rest of the first line, and the names of the columns.
const COLUMNS: &str =
    "USD for `per` units, from `from` to `to` units a month. docs/cost.md says more.
region,service,item,unit,per,from,to,usd,as_of,confidence,source
";
const FREE_HEAD: &str = "# Free allowances: format 1, version ";

/// Why a price book cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BookError {
    /// It is of another format.
    #[error("read line 1 of the price book: it does not begin with {wanted:?} and a date")]
    Format {
        /// What it begins with.
        wanted: &'static str,
    },
    /// A line is not as it must be.
    #[error("read line {line} of the price book: {problem}")]
    Line {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The tiers of an item leave a hole or overlap.
    #[error("read the price of {item}: its tiers do not join at {at}")]
    Tiers {
        /// The item of the price book.
        item: String,
        /// The number of units at which one tier ends and none begins.
        at: String,
    },
}

/// All prices that are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceBook {
    pub(super) version: Date,
    pub(super) prices: BTreeMap<PriceKey, Price>,
    allowances: BTreeMap<(Service, String), Allowance>,
}

#[derive(Deserialize)]
struct Row<'a> {
    region: &'a str,
    service: &'a str,
    item: &'a str,
    unit: &'a str,
    per: &'a str,
    from: &'a str,
    to: &'a str,
    usd: &'a str,
    as_of: &'a str,
    confidence: &'a str,
    source: &'a str,
}

#[derive(Deserialize)]
struct FreeRow<'a> {
    service: &'a str,
    item: &'a str,
    unit: &'a str,
    amount: &'a str,
    as_of: &'a str,
    confidence: &'a str,
    source: &'a str,
}

impl PriceBook {
    /// The price book that comes with this release.
    ///
    /// # Errors
    /// When the release itself is damaged; a test reads it.
    pub fn builtin() -> Result<Self, BookError> {
        Self::parse(PRICES, FREE)
    }

    /// A price book of one's own, as of an account with prices of its own: what it does not have has the price of this release,
    /// and is said to be of it. Free allowances are those of this release.
    ///
    /// # Errors
    /// When a line is not as `docs/cost.md` says; it is named.
    pub fn with_prices(prices: &str) -> Result<Self, BookError> {
        let mut book = Self::parse(prices, FREE)?;
        for (key, price) in Self::builtin()?.prices {
            book.prices.entry(key).or_insert_with(|| Price {
                is_fallback: true,
                ..price
            });
        }
        Ok(book)
    }

    /// Only what a text has, as of a refresh that was stopped.
    ///
    /// # Errors
    /// When a line is not as it must be.
    pub(super) fn alone(prices: &str) -> Result<Self, BookError> {
        Self::parse(prices, FREE)
    }

    fn parse(prices: &str, free: &str) -> Result<Self, BookError> {
        let version = head(prices, HEAD)?;
        head(free, FREE_HEAD)?;
        let mut book: BTreeMap<PriceKey, Price> = BTreeMap::new();
        rows(prices, |record, headers| {
            let row: Row<'_> = record.deserialize(Some(headers)).map_err(to_text)?;
            let key = PriceKey {
                scope: row
                    .region
                    .parse::<Scope>()
                    .map_err(|error| error.to_string())?,
                service: service(row.service)?,
                item: row.item.to_owned(),
            };
            let unit = row.unit.parse::<Unit>().map_err(to_text)?;
            let per = parse_number(row.per).map_err(to_text)?;
            if per.is_zero() {
                return Err("`per` is zero".to_owned());
            }
            let usd = parse_number(row.usd).map_err(to_text)?;
            if usd > DEAREST {
                return Err(format!("${usd} is more than anything costs"));
            }
            let tier = Tier {
                from: parse_number(row.from).map_err(to_text)?,
                to: match row.to {
                    "Inf" => None,
                    to => Some(parse_number(to).map_err(to_text)?),
                },
                usd: Usd::new(usd),
                as_of: date(row.as_of)?,
                confidence: confidence(row.confidence)?,
                source: row.source.to_owned(),
            };
            let price = book.entry(key).or_insert_with(|| Price {
                unit,
                per,
                tiers: Vec::new(),
                is_fallback: false,
            });
            if price.unit != unit || price.per != per {
                return Err("another tier of this item is for another unit".to_owned());
            }
            price.tiers.push(tier);
            Ok(())
        })?;
        for (key, price) in &mut book {
            join(key, price)?;
        }
        let mut allowances = BTreeMap::new();
        rows(free, |record, headers| {
            let row: FreeRow<'_> = record.deserialize(Some(headers)).map_err(to_text)?;
            let unit = row.unit.parse::<Unit>().map_err(to_text)?;
            let quantity = parse_number(row.amount).map_err(to_text)?;
            let allowance = Allowance {
                quantity: Quantity::new(quantity, unit).map_err(to_text)?,
                as_of: date(row.as_of)?,
                confidence: confidence(row.confidence)?,
                source: row.source.to_owned(),
            };
            allowances.insert((service(row.service)?, row.item.to_owned()), allowance);
            Ok(())
        })?;
        Ok(Self {
            version,
            prices: book,
            allowances,
        })
    }

    /// The day of this edition.
    pub fn version(&self) -> Date {
        self.version
    }

    /// The price, if it is known.
    pub fn price(&self, key: &PriceKey) -> Option<&Price> {
        self.prices.get(key)
    }

    /// What the book has instead of a price that it has not: the same item elsewhere, or one whose name is
    /// nearly the same, as a misspelt class is.
    pub fn near(&self, key: &PriceKey) -> Option<String> {
        /// One wrong letter of a class is about 0.98, another class of the same family less.
        const NEAR: f64 = 0.97;
        let of_service = || {
            self.prices
                .keys()
                .filter(|known| known.service == key.service)
        };
        let elsewhere: Vec<String> = of_service()
            .filter(|known| known.item == key.item)
            .map(|known| known.scope.to_string())
            .collect();
        if !elsewhere.is_empty() {
            return Some(format!("known in {}", elsewhere.join(", ")));
        }
        let nearest = of_service()
            .map(|known| (strsim::jaro_winkler(&known.item, &key.item), &known.item))
            .max_by(|a, b| a.0.total_cmp(&b.0))?;
        (nearest.0 >= NEAR).then(|| format!("did you mean {}?", nearest.1))
    }

    /// The services that it has prices of, in order of their codes.
    pub fn services(&self) -> Vec<Service> {
        let mut services: Vec<Service> = self.prices.keys().map(|key| key.service).collect();
        services.sort_unstable_by_key(|service| service.code());
        services.dedup();
        services
    }

    /// Every price, in order.
    pub fn prices(&self) -> impl Iterator<Item = (&PriceKey, &Price)> {
        self.prices.iter()
    }

    /// What is free of it every month, if anything is.
    pub fn allowance(&self, service: Service, item: &str) -> Option<&Allowance> {
        self.allowances.get(&(service, item.to_owned()))
    }

    /// The item for traffic from one region to another: the price of that pair, or the one for all regions
    /// that have none of their own.
    pub fn transfer(&self, from: Region, to: Region) -> PriceKey {
        let key = |item: String| PriceKey {
            scope: Scope::Region(from),
            service: Service::DataTransfer,
            item,
        };
        let pair = key(format!("to {to}"));
        if self.prices.contains_key(&pair) {
            return pair;
        }
        let others = key("to other regions".to_owned());
        if self.prices.contains_key(&others) {
            others
        } else {
            pair
        }
    }
}

fn head(text: &str, wanted: &'static str) -> Result<Date, BookError> {
    text.strip_prefix(wanted)
        .and_then(|rest| rest.get(..10))
        .and_then(|version| version.parse().ok())
        .ok_or(BookError::Format { wanted })
}

/// Reads the lines after the first.
fn rows(
    text: &str,
    mut read: impl FnMut(&StringRecord, &StringRecord) -> Result<(), String>,
) -> Result<(), BookError> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let of = |error: &csv::Error| BookError::Line {
        line: error.position().map_or(2, csv::Position::line),
        problem: to_text(error),
    };
    let headers = reader.headers().map_err(|error| of(&error))?.clone();
    for record in reader.records() {
        let record = record.map_err(|error| of(&error))?;
        read(&record, &headers).map_err(|problem| BookError::Line {
            line: record.position().map_or(0, csv::Position::line),
            problem,
        })?;
    }
    Ok(())
}

fn to_text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn service(code: &str) -> Result<Service, String> {
    code.parse().map_err(to_text)
}

fn date(text: &str) -> Result<Option<Date>, String> {
    match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| format!("{text:?} is not a date")),
    }
}

fn confidence(text: &str) -> Result<Confidence, String> {
    match text {
        "aws" => Ok(Confidence::Aws),
        "test-data" => Ok(Confidence::TestData),
        "derived" => Ok(Confidence::Derived),
        "assumed" => Ok(Confidence::Assumed),
        text => text
            .strip_prefix("quoted:")
            .and_then(|count| count.parse().ok())
            .map(Confidence::Quoted)
            .ok_or_else(|| format!("{text:?} is not aws, quoted:N, test-data, derived or assumed")),
    }
}

impl PriceBook {
    /// The book as a file that [`PriceBook::with_prices`] reads, without what that takes from the release.
    pub fn to_csv(&self) -> String {
        let mut lines: Vec<(&PriceKey, &Price, &Tier)> = self
            .prices
            .iter()
            .filter(|(_, price)| !price.is_fallback)
            .flat_map(|(key, price)| price.tiers.iter().map(move |tier| (key, price, tier)))
            .collect();
        // As the book of this release: one item in all its regions together.
        lines.sort_by_key(|(key, _, tier)| (key.service.code(), &key.item, key.scope, tier.from));
        let mut out = csv_head(self.version);
        for (key, price, tier) in lines {
            out.push_str(&csv_row(key, price, tier));
        }
        out
    }
}

/// What a book begins with.
pub(super) fn csv_head(version: Date) -> String {
    format!("{HEAD}{version}. {COLUMNS}")
}

/// A tier as a line of a book.
pub(super) fn csv_row(key: &PriceKey, price: &Price, tier: &Tier) -> String {
    let to = tier
        .to
        .map_or("Inf".to_owned(), |to| to.normalize().to_string());
    let confidence = match tier.confidence {
        Confidence::Aws => "aws".to_owned(),
        Confidence::Quoted(count) => format!("quoted:{count}"),
        Confidence::TestData => "test-data".to_owned(),
        Confidence::Derived => "derived".to_owned(),
        Confidence::Assumed => "assumed".to_owned(),
    };
    let as_of = tier.as_of.map_or(String::new(), |date| date.to_string());
    let source = tier.source.replace('"', "\"\"");
    format!(
        "{},{},{},{},{},{},{to},{},{as_of},{confidence},\"{source}\"\n",
        key.scope,
        key.service.code(),
        key.item,
        price.unit,
        price.per.normalize(),
        tier.from.normalize(),
        tier.usd.exact(),
    )
}

/// Puts the tiers in order and makes sure that each begins where the one before ends.
fn join(key: &PriceKey, price: &mut Price) -> Result<(), BookError> {
    price.tiers.sort_by_key(|tier| tier.from);
    let mut end = Some(Decimal::ZERO);
    for tier in &price.tiers {
        if end != Some(tier.from) || tier.to.is_some_and(|to| to <= tier.from) {
            return Err(BookError::Tiers {
                item: key.to_string(),
                at: tier.from.to_string(),
            });
        }
        end = tier.to;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: &str = "region,service,item,unit,per,from,to,usd,as_of,confidence,source\n";

    fn book(lines: &str) -> Result<PriceBook, BookError> {
        PriceBook::with_prices(&format!("{HEAD}2026-11-22. x\n{HEADERS}{lines}"))
    }

    #[test]
    fn price_book_of_this_release_is_whole() {
        let book = PriceBook::builtin().unwrap();
        assert_eq!(book.version().to_string(), "2026-11-22");
        assert!(book.prices().count() > 200);
        for ((service, item), allowance) in &book.allowances {
            let price = book
                .prices()
                .find(|(key, _)| key.service == *service && key.item == *item);
            let (_, price) = price.unwrap_or_else(|| panic!("{item} is free and has no price"));
            assert_eq!(price.unit(), allowance.quantity.unit(), "{item}");
        }
    }

    #[test]
    fn price_book_error_names_its_line() {
        let good = "us-east-1,AmazonRDS,x,GB,1,0,Inf,0.1,2026-01-01,quoted:1,s\n";
        assert!(book(good).is_ok());
        for (from, to, problem) in [
            ("us-east-1", "us-eest-1", "us-eest-1"),
            ("AmazonRDS", "AmazonRDX", "\"AmazonRDX\" is not a service"),
            (",GB,", ",GiB,", "\"GiB\" is not a unit"),
            (",0.1,", ",-0.1,", "negative"),
            (",0.1,", ",NaN,", "not a number"),
            (",0.1,", ",1000001,", "more than anything costs"),
            (",1,0,", ",0,0,", "`per` is zero"),
            ("2026-01-01", "2026-13-01", "not a date"),
            ("quoted:1", "heard", "not aws, quoted:N"),
        ] {
            let error = book(&format!("{good}{}", good.replacen(from, to, 1))).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("line 4") && text.contains(problem), "{text}");
        }
        let error = book("us-east-1,AmazonRDS\n").unwrap_err().to_string();
        assert!(error.contains("line 3"), "{error}");
    }

    #[test]
    fn price_book_with_tiers_that_do_not_join_is_refused() {
        let line = |from, to| {
            format!("us-east-1,AmazonRDS,x,GB,1,{from},{to},0.1,2026-01-01,quoted:1,s\n")
        };
        for tiers in [
            line("1", "Inf"),
            line("0", "10") + &line("11", "Inf"),
            line("0", "Inf") + &line("10", "Inf"),
            line("0", "10") + &line("0", "10"),
            line("0", "0"),
        ] {
            assert!(
                matches!(book(&tiers), Err(BookError::Tiers { .. })),
                "{tiers}"
            );
        }
        assert!(book(&(line("10", "Inf") + &line("0", "10"))).is_ok());
    }

    #[test]
    fn price_book_is_read_as_it_was_written() {
        let book = PriceBook::builtin().unwrap();
        let written = book.to_csv();
        assert_eq!(PriceBook::with_prices(&written).unwrap(), book);
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(&written), lines(PRICES));
    }

    #[test]
    fn price_book_of_ones_own_goes_before_that_of_the_release() {
        let own =
            book("ca-central-1,AmazonEC2,nat gateway,hour,1,0,Inf,0.04,2026-11-01,aws,contract\n");
        let own = own.unwrap();
        let price = |region: &str| {
            let key = PriceKey {
                scope: region.parse().unwrap(),
                service: Service::Ec2,
                item: "nat gateway".to_owned(),
            };
            let price = own.price(&key).unwrap();
            (
                price.tiers()[0].usd.exact().to_string(),
                price.is_fallback(),
            )
        };
        assert_eq!(price("ca-central-1"), ("0.04".to_owned(), false));
        assert_eq!(price("us-east-1"), ("0.045".to_owned(), true));
        // What is not one's own is not written as if it were.
        assert_eq!(own.to_csv().lines().count(), 3);
        assert_eq!(PriceBook::with_prices(&own.to_csv()).unwrap(), own);
    }

    #[test]
    fn price_that_only_test_data_has_is_marked() {
        let book = PriceBook::builtin().unwrap();
        let mut marked = 0;
        for (key, price) in book.prices() {
            for tier in price.tiers() {
                assert!(!tier.source.trim().is_empty(), "{key}");
                let quoted = matches!(tier.confidence, Confidence::Quoted(_));
                let golden = tier.source.matches(".golden").count();
                // Other documents quote it as well.
                let others = tier.source.contains("; ");
                assert!(!quoted || golden == 0 || others, "{key}");
                if tier.confidence == Confidence::TestData {
                    marked += 1;
                    assert!(golden > 0, "{key}");
                }
            }
        }
        assert!(marked > 100, "{marked}");
    }

    #[test]
    fn price_book_of_another_format_is_refused() {
        let error = PriceBook::with_prices(&format!("# Price book: format 2\n{HEADERS}"));
        assert!(matches!(error, Err(BookError::Format { .. })));
    }
}
