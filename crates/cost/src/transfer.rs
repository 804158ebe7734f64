//! What copying objects to another region takes: objects, bytes, hours, dollars, by this machine and by a job of
//! S3 Batch Operations.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use jiff::civil::Date;
use report::{Document, Mark, Report};
use rust_decimal::Decimal;
use serde::Serialize;
use settings::Region;

use crate::money::Usd;
use crate::prices::{PriceBook, PriceKey, Priced, Scope, Service};
use crate::quantity::{GIB, Unit};

/// S3's largest page.
const PAGE: u64 = 1_000;

/// Objects and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// The number of objects.
    pub objects: u64,
    /// The length of all of them in bytes.
    pub bytes: u64,
}

/// An object that would be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy<'a> {
    /// Its storage class, by its name in the API.
    pub class: &'a str,
    /// Length in bytes.
    pub bytes: u64,
    /// Requests that copy it; of one in parts one for each part, and two around them.
    pub requests: u64,
    /// A batch job can copy it, by one request.
    pub fits_job: bool,
}

/// The objects that a sync would list and copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// Objects on the source side, which are listed.
    pub source: Volume,
    /// Objects on the destination side.
    pub destination: Volume,
    /// To be copied.
    pub copies: Volume,
    /// To be copied, and too large for a job.
    pub too_large: Volume,
    /// Requests that copy, by storage class; parts count one each.
    pub requests: BTreeMap<String, u64>,
    /// Objects that a job copies, by storage class; each is one request.
    pub jobs: BTreeMap<String, u64>,
    /// Those of `requests` that are for objects too large for a job.
    pub beside_jobs: BTreeMap<String, u64>,
    /// Sizes and parts of the objects are not known, so that there may be more requests.
    pub rough: bool,
}

impl Workload {
    /// Of two sides that would be listed; nothing is copied yet.
    pub fn new(source: Volume, destination: Volume) -> Self {
        Self {
            source,
            destination,
            ..Self::default()
        }
    }

    /// Of copies whose sizes and classes are not known: all are taken for small ones in STANDARD.
    pub fn rough(source: Volume, destination: Volume, copies: Volume) -> Self {
        let mut by_class = BTreeMap::new();
        if copies.objects > 0 {
            by_class.insert("STANDARD".to_owned(), copies.objects);
        }
        Self {
            copies,
            requests: by_class.clone(),
            jobs: by_class,
            rough: true,
            ..Self::new(source, destination)
        }
    }

    /// Adds an object that would be copied.
    pub fn add(&mut self, copy: Copy<'_>) {
        let Copy {
            class,
            bytes,
            requests,
            fits_job,
        } = copy;
        let one = |volume: &mut Volume| {
            volume.objects += 1;
            volume.bytes += bytes;
        };
        one(&mut self.copies);
        *self.requests.entry(class.to_owned()).or_default() += requests;
        if fits_job {
            *self.jobs.entry(class.to_owned()).or_default() += 1;
        } else {
            one(&mut self.too_large);
            *self.beside_jobs.entry(class.to_owned()).or_default() += requests;
        }
    }
}

/// How fast things go, and what is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Requests that this machine makes in a second.
    pub own_copies_per_second: NonZeroU32,
    /// Objects that a job copies in a second.
    pub batch_copies_per_second: NonZeroU32,
    /// Mebibytes that S3 moves in a second, for either.
    pub mebibytes_per_second: NonZeroU32,
    /// Above this a job is taken, if it is faster.
    pub longest_hours: u32,
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What is paid for, as in `list the source`.
    pub what: String,
    /// The number of requests, objects, jobs or bytes.
    pub quantity: u64,
    /// Null when the price is not known.
    pub usd: Option<Usd>,
    /// Where the price is from; null when it is not known.
    pub price: Option<String>,
}

/// One way to copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// How long it takes.
    pub seconds: u64,
    /// What is paid.
    pub lines: Vec<Line>,
    /// The sum of what is known.
    pub usd: Usd,
    /// A price was not known, so that it costs more than this.
    pub lower_bound: bool,
}

/// What makes the copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// `sync` on this machine, over parallel connections.
    Own,
    /// A job of S3 Batch Operations.
    Batch,
}

/// What a sync would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// The objects that it would list and copy.
    pub workload: Workload,
    /// By this machine.
    pub own: Way,
    /// By a job.
    pub batch: Way,
    /// The engine to take: its own unless that takes too long and a job is faster.
    pub take: Engine,
    /// The reason for that engine, as a clause.
    pub because: String,
    /// What was assumed.
    pub rates: Rates,
}

/// Estimates a sync from `from` to `to`, at the prices of `book`. Pure.
pub fn estimate(
    workload: Workload,
    from: Region,
    to: Region,
    rates: Rates,
    book: &PriceBook,
) -> Estimate {
    let own = way(
        &workload,
        Prices { book, from, to },
        &workload.requests,
        0,
        (
            workload.requests.values().sum(),
            rates.own_copies_per_second,
        ),
        rates,
    );
    // This machine copies beside the job what is too large for it.
    let mut batch_requests = workload.jobs.clone();
    for (class, number) in &workload.beside_jobs {
        *batch_requests.entry(class.clone()).or_default() += number;
    }
    let objects: u64 = workload.jobs.values().sum();
    let batch = way(
        &workload,
        Prices { book, from, to },
        &batch_requests,
        objects,
        (objects, rates.batch_copies_per_second),
        rates,
    );
    let longest = u64::from(rates.longest_hours) * 3_600;
    let (take, because) = if own.seconds <= longest {
        let because = format!("it takes {} h at the most", rates.longest_hours);
        (Engine::Own, because)
    } else if batch.seconds < own.seconds {
        (
            Engine::Batch,
            "it is faster, and needs no machine that stays up".to_owned(),
        )
    } else {
        (Engine::Own, "a job would not be faster".to_owned())
    };
    Estimate {
        workload,
        own,
        batch,
        take,
        because,
        rates,
    }
}

/// What copies between two regions cost.
#[derive(Clone, Copy)]
struct Prices<'b> {
    book: &'b PriceBook,
    from: Region,
    to: Region,
}

impl Prices<'_> {
    /// `quantity` of something of S3.
    fn s3(self, what: &str, region: Region, item: String, unit: Unit, quantity: u64) -> Line {
        let key = PriceKey {
            scope: Scope::Region(region),
            service: Service::S3,
            item,
        };
        self.line(what, &key, unit, quantity, Decimal::from(quantity))
    }

    fn requests(self, what: &str, region: Region, class: &str, quantity: u64) -> Line {
        let class = match class {
            "STANDARD" => "standard",
            "STANDARD_IA" => "standard-ia",
            "ONEZONE_IA" => "onezone-ia",
            "INTELLIGENT_TIERING" => "intelligent-tiering",
            "GLACIER_IR" => "glacier-ir",
            "GLACIER" => "glacier",
            "DEEP_ARCHIVE" => "deep-archive",
            other => other,
        };
        let item = format!("requests tier 1 {class}");
        self.s3(what, region, item, Unit::Request, quantity)
    }

    fn transfer(self, bytes: u64) -> Line {
        let what = format!("bytes from {} to {}", self.from, self.to);
        if self.from == self.to {
            return Line {
                what,
                quantity: bytes,
                usd: Some(Usd::ZERO),
                // <https://aws.amazon.com/s3/pricing/>
                price: Some("nothing is charged within a region".to_owned()),
            };
        }
        let key = self.book.transfer(self.from, self.to);
        self.line(&what, &key, Unit::Gb, bytes, Decimal::from(bytes) / GIB)
    }

    fn line(self, what: &str, key: &PriceKey, unit: Unit, quantity: u64, amount: Decimal) -> Line {
        let price = self.book.price(key).filter(|price| price.unit() == unit);
        // How old a price is stands beside it.
        let priced = price.map(|price| price.of(Decimal::ZERO, amount, Date::MIN));
        let known = priced.filter(|priced| priced.beyond.is_zero());
        Line {
            what: what.to_owned(),
            quantity,
            usd: known.as_ref().map(Priced::known),
            price: known
                .and(price)
                .and_then(|price| price.tiers().first())
                .map(|tier| {
                    let date = tier
                        .as_of
                        .map_or("undated".to_owned(), |date| date.to_string());
                    format!("{date}, {}", tier.confidence)
                }),
        }
    }
}

fn way(
    workload: &Workload,
    prices: Prices<'_>,
    requests: &BTreeMap<String, u64>,
    job_objects: u64,
    (calls, per_second): (u64, NonZeroU32),
    rates: Rates,
) -> Way {
    let moved = u64::from(rates.mebibytes_per_second.get()) << 20;
    let seconds = calls
        .div_ceil(u64::from(per_second.get()))
        .max(workload.copies.bytes.div_ceil(moved));
    let Prices { from, to, .. } = prices;
    let pages = |tally: Volume| tally.objects.div_ceil(PAGE);
    let mut lines = vec![
        prices.requests("list the source", from, "STANDARD", pages(workload.source)),
        prices.requests(
            "list the destination",
            to,
            "STANDARD",
            pages(workload.destination),
        ),
    ];
    for (class, number) in requests {
        let what = format!("copy requests, {class}");
        lines.push(prices.requests(&what, to, class, *number));
    }
    lines.push(prices.transfer(workload.copies.bytes));
    if job_objects > 0 {
        let jobs = workload.jobs.len() as u64;
        lines.push(prices.s3("jobs", to, "batch job".to_owned(), Unit::Job, jobs));
        let item = "batch objects".to_owned();
        lines.push(prices.s3("objects of jobs", to, item, Unit::Object, job_objects));
    }
    lines.retain(|line| line.quantity > 0);
    Way {
        seconds,
        usd: lines.iter().filter_map(|line| line.usd).sum(),
        lower_bound: workload.rough || lines.iter().any(|line| line.usd.is_none()),
        lines,
    }
}

impl Report for Estimate {
    const KIND: &'static str = "transfer-estimate";

    fn document(&self) -> Document {
        let count = |name: &str, tally: Volume| {
            let cells = [tally.objects, tally.bytes].map(|number| number.to_string());
            let cells = std::iter::once(name.to_owned()).chain(cells).collect();
            (Mark::Plain, cells)
        };
        let mut rows = vec![
            count("in the source", self.workload.source),
            count("in the destination", self.workload.destination),
            count("to be copied", self.workload.copies),
        ];
        if self.workload.too_large.objects > 0 {
            rows.push(count(
                "of these too large for a job",
                self.workload.too_large,
            ));
        }
        let ways = [("own engine", &self.own), ("batch job", &self.batch)];
        let summary = ways.map(|(name, way)| {
            let bound = if way.lower_bound { "at least " } else { "" };
            let cells = vec![
                name.to_owned(),
                hours(way.seconds),
                format!("{bound}{}", way.usd),
            ];
            (Mark::Plain, cells)
        });
        let mut document = Document::new()
            .heading("Estimate of a sync")
            .table(["Objects", "Number", "Bytes"], rows)
            .table(["With", "Hours", "US dollars"], summary.into());
        for (name, way) in ways {
            let rows = way.lines.iter().map(|line| {
                let usd = line
                    .usd
                    .map_or("price unknown".to_owned(), |usd| usd.to_string());
                let mark = if line.usd.is_some() {
                    Mark::Plain
                } else {
                    Mark::Unknown
                };
                let price = line.price.clone().unwrap_or_default();
                (
                    mark,
                    vec![line.what.clone(), line.quantity.to_string(), usd, price],
                )
            });
            document = document
                .heading(format!("Costs, {name}"))
                .table(["For", "Quantity", "US dollars", "Price"], rows.collect());
        }
        let take = match self.take {
            Engine::Own => "the own engine",
            Engine::Batch => "a batch job (`sync --engine batch`)",
        };
        let rates = &self.rates;
        let mut assumed = format!(
            "Assumed: {} copy requests a second by this machine, {} objects a second by a job, {} MiB a second by \
             S3; requests that fail, KMS, storage and taxes are left out.",
            rates.own_copies_per_second, rates.batch_copies_per_second, rates.mebibytes_per_second
        );
        if self.workload.rough {
            assumed.push_str(
                " Inventories tell no parts and were read without classes: every copy is taken for one STANDARD \
                 request.",
            );
        }
        document
            .heading("Assumptions")
            .text(assumed)
            .text(format!("Take {take}: {}.", self.because))
    }
}

/// With one place, rounded up.
fn hours(seconds: u64) -> String {
    let tenths = seconds.div_ceil(360);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Rates {
        let number = |number| NonZeroU32::new(number).unwrap();
        Rates {
            own_copies_per_second: number(1_000),
            batch_copies_per_second: number(500),
            mebibytes_per_second: number(1_024),
            longest_hours: 1,
        }
    }

    fn estimated(workload: Workload, from: Region, to: Region, rates: Rates) -> Estimate {
        estimate(workload, from, to, rates, &PriceBook::builtin().unwrap())
    }

    fn region(name: &str) -> Region {
        name.parse().unwrap()
    }

    fn many(objects: u64, bytes: u64) -> Workload {
        let by_class = BTreeMap::from([("STANDARD".to_owned(), objects)]);
        Workload {
            copies: Volume { objects, bytes },
            requests: by_class.clone(),
            jobs: by_class,
            ..Workload::default()
        }
    }

    #[test]
    fn estimate_of_objects_in_parts_counts_each_part_as_a_request() {
        let mut workload = Workload::default();
        for (bytes, requests, fits_job) in
            [(1, 1, true), (1 << 30, 102, true), (6 << 30, 98, false)]
        {
            let class = "STANDARD";
            workload.add(Copy {
                class,
                bytes,
                requests,
                fits_job,
            });
        }
        assert_eq!(workload.requests["STANDARD"], 1 + 102 + 98);
        assert_eq!(workload.too_large.objects, 1);
        assert_eq!(workload.jobs["STANDARD"], 2);
        // A job copies in one piece; what it cannot copy goes in parts as well.
        let (from, to) = (region("ca-central-1"), region("us-east-1"));
        let found = estimated(workload, from, to, rates());
        let requests = |way: &Way| {
            let mut lines = way.lines.iter();
            let line = lines.find(|line| line.what.starts_with("copy requests"));
            line.map(|line| line.quantity)
        };
        assert_eq!(requests(&found.own), Some(1 + 102 + 98));
        assert_eq!(requests(&found.batch), Some(2 + 98));
    }

    #[test]
    fn estimate_of_a_million_small_objects_costs_what_the_table_says() {
        let (from, to) = (region("ca-central-1"), region("us-east-1"));
        let found = estimated(many(1_000_000, 1 << 40), from, to, rates());
        // 5.00 for requests and 20.48 for 1,024 GiB.
        assert_eq!(found.own.usd.to_string(), "$25.48");
        assert_eq!(found.batch.usd.to_string(), "$26.73");
        assert!(!found.own.lower_bound);
        // A TiB at a GiB a second; more than 1,000 s for a million requests.
        assert_eq!((found.own.seconds, found.batch.seconds), (1_024, 2_000));
        assert_eq!(found.take, Engine::Own);
    }

    #[test]
    fn estimate_with_an_unknown_price_is_a_lower_bound() {
        let (from, to) = (region("ca-central-1"), region("eu-west-1"));
        let found = estimated(many(1_000, 1 << 30), from, to, rates());
        assert!(found.own.lower_bound && found.own.usd.to_string() == "$0.02");
        let text = found.document().to_terminal(None, false);
        assert!(
            text.contains("price unknown") && text.contains("at least $0.02"),
            "{text}"
        );
    }

    #[test]
    fn estimate_of_a_copy_that_takes_too_long_takes_a_job_if_it_is_faster() {
        let (from, to) = (region("ca-central-1"), region("us-east-1"));
        let take = |rates| estimated(many(10_000_000, 1), from, to, rates).take;
        assert_eq!(take(rates()), Engine::Own);
        let faster = Rates {
            batch_copies_per_second: NonZeroU32::new(2_000).unwrap(),
            ..rates()
        };
        assert_eq!(take(faster), Engine::Batch);
        assert_eq!(
            take(Rates {
                longest_hours: 3,
                ..faster
            }),
            Engine::Own
        );
    }
}
