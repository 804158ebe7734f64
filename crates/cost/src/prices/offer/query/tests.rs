use super::*;
use crate::estimate::{Estimate, Options};
use crate::inventory::Inventory;
use crate::prices::offer::{OfferError, OfferFile};
use crate::prices::{PriceBook, Wanted};
use crate::usage::Usage;

const RDS: &str = include_str!("../../../../tests/fixtures/offers/AmazonRDS-ca-central-1.json");

fn query(scope: &str, service: Service, item: &str, unit: Unit) -> PriceQuery {
    let key = PriceKey {
        scope: scope.parse().unwrap(),
        service,
        item: item.to_owned(),
    };
    PriceQuery::of(&key, unit).unwrap_or_else(|| panic!("no rule for {item}"))
}

fn wanted(queries: &[PriceQuery]) -> Vec<Wanted> {
    let wanted = |query: &PriceQuery| Wanted::new(query.key.clone(), query.unit, Decimal::ONE);
    queries.iter().map(wanted).collect()
}

/// The only tier's price.
fn one(found: Result<(Vec<Step>, Vec<String>), String>) -> String {
    let (steps, _) = found.unwrap();
    let [step] = steps.as_slice() else {
        panic!("{steps:?}");
    };
    step.usd.normalize().to_string()
}

#[test]
fn query_tells_engines_zones_and_reservations_apart() {
    let of = |item: &str, unit| query("ca-central-1", Service::Rds, item, unit);
    let queries = [
        of(
            "instance postgresql db.t4g.medium multi-az",
            Unit::InstanceHour,
        ),
        of(
            "instance postgresql db.t4g.medium single-az",
            Unit::InstanceHour,
        ),
        of(
            "reserved postgresql db.t4g.medium multi-az 1yr no-upfront",
            Unit::InstanceHour,
        ),
        of(
            "reserved postgresql db.t4g.medium multi-az 1yr partial-upfront",
            Unit::InstanceHour,
        ),
        of("storage gp3 multi-az", Unit::GbMonth),
        of("backup storage", Unit::GbMonth),
    ];
    let file = OfferFile::read(RDS.as_bytes(), &wanted(&queries)).unwrap();
    assert_eq!(
        (file.code.as_str(), file.published.to_string().as_str()),
        ("AmazonRDS", "2026-11-12")
    );
    let found = queries
        .each_ref()
        .map(|query| one(query.price(&file.products)));
    assert_eq!(found, ["0.142", "0.07", "0.099", "0.047", "0.254", "0.105"]);
}

#[test]
fn query_with_products_that_do_not_agree_guesses_nothing() {
    let of = |item: &str| query("ca-central-1", Service::Rds, item, Unit::GbMonth);
    let queries = [
        of("storage gp3 single-az"),
        of("storage io1 single-az"),
        of("storage gp2 single-az"),
    ];
    let file = OfferFile::read(RDS.as_bytes(), &wanted(&queries)).unwrap();
    let [gp3, io1, gp2] = queries
        .each_ref()
        .map(|query| query.price(&file.products).unwrap_err());
    assert!(
        gp3.contains("do not agree: GP3SINGLE0000005 and GP3SINGLE0000006"),
        "{gp3}"
    );
    assert!(
        io1.contains("AWS counts it in \"GiB-Mo\", not in GB-month"),
        "{io1}"
    );
    assert!(
        gp2.contains("no product of usage type RDS:GP2-Storage"),
        "{gp2}"
    );
    // Another region's book does not take Canada's price.
    let elsewhere = query(
        "us-east-1",
        Service::Rds,
        "storage gp3 multi-az",
        Unit::GbMonth,
    );
    assert!(elsewhere.price(&file.products).is_err());
}

#[test]
fn offer_file_keeps_only_wanted_products() {
    let queries = [query(
        "ca-central-1",
        Service::Rds,
        "backup storage",
        Unit::GbMonth,
    )];
    let file = OfferFile::read(RDS.as_bytes(), &wanted(&queries)).unwrap();
    assert_eq!(file.products.len(), 1);
}

#[test]
fn offer_file_of_something_else_is_refused_with_its_position() {
    let read = |text: &str| OfferFile::read(text.as_bytes(), &[]).unwrap_err();
    assert!(matches!(read("{}"), OfferError::Lacks("publicationDate")));
    assert!(matches!(read("[1]"), OfferError::Json { line: 1, .. }));
    assert!(matches!(read(&RDS[..900]), OfferError::Json { line, .. } if line > 10));
    let broken = RDS.replacen("\"attributes\": {", "\"attributes\": 3, \"x\": {", 1);
    assert!(matches!(read(&broken), OfferError::Json { line: 10.., .. }));
    let no_products = RDS.replacen("\"products\"", "\"articles\"", 1);
    assert!(matches!(read(&no_products), OfferError::Lacks("products")));
}

#[test]
fn usage_type_loses_its_region_and_nothing_else() {
    for (usage, rest) in [
        ("CAN1-NatGateway-Hours", "NatGateway-Hours"),
        ("NatGateway-Hours", "NatGateway-Hours"),
        ("EU-NatGateway-Hours", "NatGateway-Hours"),
        ("CAN1-USE1-AWS-Out-Bytes", "AWS-Out-Bytes"),
        ("ca-central-1-KMS-Keys", "KMS-Keys"),
        ("IA-TimedStorage-ByteHrs", "IA-TimedStorage-ByteHrs"),
        ("USE1-IA-TimedStorage-ByteHrs", "IA-TimedStorage-ByteHrs"),
        ("CAN1-RegionalNatGateway-Hours", "RegionalNatGateway-Hours"),
        ("US-DataTransfer-Out-Bytes", "US-DataTransfer-Out-Bytes"),
    ] {
        assert_eq!(bare(usage), rest);
    }
}

#[test]
fn query_exists_for_every_item_of_the_guides_stack() {
    const GUIDE: &str = include_str!("../../../../../../examples/berthcare-staging/infra.toml");
    let today = jiff::civil::date(2026, 11, 26);
    let settings = settings::Settings::parse(GUIDE, today).unwrap();
    let estimate = Estimate::new(
        &Inventory::from_settings(&settings),
        &Usage::default(),
        &PriceBook::builtin().unwrap(),
        Options::on(today),
    );
    assert!(estimate.lines.len() > 20);
    for line in &estimate.lines {
        assert!(
            PriceQuery::of(&line.key, line.unit).is_some(),
            "{}",
            line.key
        );
        assert!(!offered(line.unit).is_empty(), "{}", line.unit);
    }
}

#[test]
fn query_lines_are_items_of_the_price_book() {
    let book = PriceBook::builtin().unwrap();
    for line in USAGE_TYPES.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [service, item, usage, name, value] = cells.as_slice() else {
            panic!("{line}");
        };
        assert!(
            !usage.is_empty() && name.is_empty() == value.is_empty(),
            "{line}"
        );
        let known = |key: &PriceKey| key.service.code() == *service && key.item == *item;
        // Network load balancers are priced by a plan of one, and missing in the book.
        assert!(
            book.prices().any(|(key, _)| known(key)) || item.starts_with("nlb"),
            "{line}"
        );
    }
}
