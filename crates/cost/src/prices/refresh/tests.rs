use jiff::civil::date;
use report::Report as _;

use super::*;
use crate::prices::Service;

const RDS: &str = include_str!("../../../tests/fixtures/offers/AmazonRDS-ca-central-1.json");
const DYNAMODB: &str = include_str!("../../../tests/fixtures/offers/AmazonDynamoDB-us-east-1.json");

fn refreshed(file: &str) -> Refresh {
    let book = PriceBook::builtin().unwrap();
    let regions: Vec<Region> = Region::all().collect();
    let file = OfferFile::read(file.as_bytes(), &book.wanted(&regions)).unwrap();
    let mut refresh = Refresh::new(&book, date(2026, 11, 26));
    let elsewhere = ["eu-west-1".parse().unwrap()];
    assert!(refresh.take_file(&file, &elsewhere).is_empty());
    assert!(!refresh.take_file(&file, &[]).is_empty());
    refresh
}

fn usd(refresh: &Refresh, scope: &str, service: Service, item: &str) -> (String, Confidence) {
    let key = PriceKey {
        scope: scope.parse().unwrap(),
        service,
        item: item.to_owned(),
    };
    let price = refresh.book.price(&key).unwrap();
    let tier = &price.tiers()[0];
    (tier.usd.exact().to_string(), tier.confidence)
}

#[test]
fn refresh_shows_changes_counts_confirmations_and_keeps_the_rest() {
    let refresh = refreshed(RDS);
    let text = refresh.document().to_terminal(None, false);
    assert!(
        text.contains("instance postgresql db.t4g.medium multi-az")
            && text.contains("$0.141")
            && text.contains("$0.142"),
        "{text}"
    );
    let of = |item| usd(&refresh, "ca-central-1", Service::Rds, item);
    assert_eq!(
        of("instance postgresql db.t4g.medium multi-az"),
        ("0.142".to_owned(), Confidence::Aws)
    );
    // As it was, and now from AWS.
    assert_eq!(
        of("storage gp3 multi-az"),
        ("0.254".to_owned(), Confidence::Aws)
    );
    assert!(
        refresh
            .confirmed
            .iter()
            .any(|key| key.item == "storage gp3 multi-az")
    );
    // What a reservation costs was not known anywhere.
    let reserved = "reserved postgresql db.t4g.medium multi-az 1yr no-upfront";
    assert_eq!(of(reserved), ("0.099".to_owned(), Confidence::Aws));
    // Two products do not agree: as it was.
    assert_eq!(
        of("storage gp3 single-az"),
        ("0.127".to_owned(), Confidence::Quoted(4))
    );
    let kept = refresh
        .unmatched
        .iter()
        .find(|item| item.key.item == "storage gp3 single-az");
    assert!(kept.is_some_and(|item| item.known));
    // The book that is written is the one that is read.
    let written = refresh.book.to_csv();
    assert!(
        written.starts_with("# Price book: format 1, version 2026-11-26"),
        "{written}"
    );
    assert_eq!(PriceBook::with_prices(&written).unwrap(), refresh.book);
    assert!(written.contains(
        "0.142,2026-11-12,aws,\"AWS bulk offer AmazonRDS of 2026-11-12, SKU MULTIAZPG0000001\""
    ));
}

#[test]
fn refresh_takes_prices_for_as_many_units_as_in_the_book_and_no_free_tiers() {
    let refresh = refreshed(DYNAMODB);
    let of = |item| usd(&refresh, "us-east-1", Service::DynamoDb, item).0;
    // 0.000000625 a unit is 0.625 a million.
    assert_eq!(of("write"), "0.625");
    // 25 GB are free in the list and in free-tier.csv: one tier from 0.
    assert_eq!(of("storage standard"), "0.25");
    // 18,600 hours are free in the list, and not here: left alone.
    let kept = refresh
        .unmatched
        .iter()
        .find(|item| item.key.item == "provisioned read");
    let why = &kept.unwrap().why;
    assert!(why.contains("first 18,600 are free"), "{why}");
    assert_eq!(of("provisioned read"), "0.00013");
}

#[test]
fn refresh_that_was_stopped_anywhere_goes_on_to_the_same_end() {
    let book = PriceBook::builtin().unwrap();
    let regions: Vec<Region> = Region::all().collect();
    let file = OfferFile::read(RDS.as_bytes(), &book.wanted(&regions)).unwrap();
    let today = date(2026, 11, 26);
    let mut whole = Refresh::new(&book, today);
    let settled = whole.take_file(&file, &[]);
    let mut text = whole.head();
    for key in &settled {
        text.push_str(&whole.settled(key));
    }
    text.push_str(&Refresh::read("rds.json 1"));
    let all = |refresh: &Refresh| {
        let items = refresh
            .unmatched
            .iter()
            .map(|of| (of.key.clone(), of.why.clone()));
        (items.collect::<BTreeMap<_, _>>(), refresh.book.clone())
    };

    let mut resumed = Refresh::new(&book, today);
    let done = resumed.resume(&text).unwrap();
    assert_eq!(done.items, settled.iter().cloned().collect());
    assert!(done.read.contains("rds.json 1"));
    assert_eq!(all(&resumed), all(&whole));
    assert_eq!(resumed.changes.len(), whole.changes.len());
    assert_eq!(resumed.confirmed.len(), whole.confirmed.len());

    // Stopped in the midst of a line: what was whole counts, and the rest is looked for again.
    for cut in (0..text.len())
        .step_by(97)
        .filter(|cut| text.is_char_boundary(*cut))
    {
        let mut resumed = Refresh::new(&book, today);
        let done = resumed.resume(&text[..cut]).unwrap();
        for wanted in book.wanted(&["ca-central-1".parse().unwrap()]) {
            let is_settled = settled.contains(wanted.key());
            if is_settled && !done.items.contains(wanted.key()) {
                let list = format!("AWS bulk offer {} of {}", file.code, file.published);
                resumed.take(&wanted, &file.products, &list, file.published);
            }
        }
        assert_eq!(all(&resumed), all(&whole), "cut at {cut}");
    }
    // Of another day.
    let mut later = Refresh::new(&book, date(2026, 11, 27));
    assert_eq!(later.resume(&text).unwrap(), Resumed::default());
}

#[test]
fn refresh_that_was_stopped_between_the_tiers_of_an_item_looks_for_it_again() {
    let book = PriceBook::builtin().unwrap();
    let refresh = Refresh::new(&book, date(2026, 11, 26));
    let key = PriceKey {
        scope: "ca-central-1".parse().unwrap(),
        service: Service::DataTransfer,
        item: "out to internet".to_owned(),
    };
    let rows = refresh.settled(&key);
    assert_eq!(rows.lines().count(), 4, "{rows}");
    let resumed = |lines: usize| {
        let kept: String = rows.split_inclusive('\n').take(lines).collect();
        let mut again = Refresh::new(&book, date(2026, 11, 26));
        let done = again.resume(&(refresh.head() + &kept)).unwrap();
        (done.items.contains(&key), again.book == refresh.book)
    };
    assert_eq!(resumed(4), (true, true));
    for lines in 0..4 {
        assert_eq!(resumed(lines), (false, true), "{lines}");
    }
}
