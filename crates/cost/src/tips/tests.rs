use jiff::civil::date;
use report::Report as _;
use serde_json::{Value, json};
use settings::Settings;

use super::*;

const GUIDE: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");

fn usd(text: &str) -> Usd {
    Usd::new(text.parse().unwrap())
}

fn guide() -> Inventory {
    Inventory::from_settings(&Settings::parse(GUIDE, date(2026, 11, 22)).unwrap())
}

fn tips(inventory: &Inventory) -> Tips {
    let book = PriceBook::builtin().unwrap();
    let options = Options::on(date(2026, 11, 22));
    Tips::new(inventory, &Usage::default(), &book, options)
}

fn of<'t>(tips: &'t Tips, name: &str) -> &'t Tip {
    let tip = tips.tips.iter().find(|tip| tip.name.starts_with(name));
    tip.unwrap_or_else(|| panic!("no tip {name}: {tips:#?}"))
}

fn in_us_east_1(kind: &str, values: Value) -> Inventory {
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": [
        {"address": format!("{kind}.x"), "mode": "managed", "type": kind, "name": "x", "values": values}]}}});
    let region = "us-east-1".parse().ok();
    Inventory::from_terraform(plan.to_string().as_bytes(), region, None).unwrap()
}

// aws-behaviour: 32
#[test]
fn tip_of_off_hours_saves_instance_hours_only_restarts_and_takes_no_backups() {
    let tips = tips(&guide());
    let tip = of(&tips, "Stop databases");
    // 102.93 - 730 × 65/168 × 0.141 = 102.93 - 39.82
    assert_eq!(tip.saves.expected, usd("63.11"));
    // Of the databases' 128.33: less than half, where the guide says about 50 %.
    assert!(
        tip.how.contains("49 % of the databases' $128.33"),
        "{}",
        tip.how
    );
    assert!(
        tip.how
            .contains("storage and backups are paid for all the same")
    );
    assert!(
        tip.risk
            .contains("no automated backups while it is stopped, for up to 59 hours")
    );
    assert!(tip.risk.contains("starts it again by itself after 7 days"));
    assert_eq!(tip.trust, Trust::High);
    assert_eq!(tip.change, "off_hours = {} in terraform.tfvars");
}

#[test]
fn tips_of_the_guides_stack_by_hand() {
    let tips = tips(&guide());
    let saves = |name| of(&tips, name).saves.expected;
    // 730 × (0.05 + 0.005) - 50 GB × 2 × 0.01
    assert_eq!(saves("Share one NAT"), usd("39.15"));
    // 730 × 0.018
    assert_eq!(saves("Run one cache node"), usd("13.14"));
    // 1,460 × 0.0036 = 5.256, between two rounded lines: 26.28 - 21.02
    assert_eq!(saves("Run Valkey"), usd("5.26"));
    // Half of 100 GB × 0.05
    assert_eq!(saves("Reach S3"), usd("2.50"));
    // 50 GB × (0.025 - 0.0045 - 1,024 × (32 × 0.0045 + 8 × 0.025) / 1,048,576)
    assert_eq!(saves("Archive"), usd("1.01"));
    assert!(
        tips.tips
            .windows(2)
            .all(|two| two[0].saves.expected >= two[1].saves.expected)
    );
    assert_eq!(of(&tips, "Run one cache node").trust, Trust::Medium);
    assert_eq!(of(&tips, "Reach S3").trust, Trust::Low);
    let noted =
        |note: &String| note.contains("reservation of db.t4g.medium multi-az in ca-central-1");
    assert!(tips.notes.iter().any(noted), "{:?}", tips.notes);
    let text = tips.document().to_markdown();
    assert!(
        text.contains("| Share one NAT gateway | $39.15 ($30.15 to $40.05)"),
        "{text}"
    );
}

#[test]
fn what_a_tip_changes_is_what_the_settings_can_expect() {
    let intel = json!({"engine": "postgres", "instance_class": "db.t3.large", "storage_type": "gp3",
        "allocated_storage": 20});
    let stacks = [guide(), in_us_east_1("aws_db_instance", intel)];
    let (settings, _) = GUIDE.split_once("\n[expect]\n").unwrap();
    let mut expected = Vec::new();
    for tip in stacks.iter().flat_map(|stack| tips(stack).tips) {
        let Some(expect) = tip.expect else { continue };
        let settings = format!("expect = {{ {expect} }}\n{settings}");
        Settings::parse(&settings, date(2026, 11, 22)).unwrap();
        expected.push(expect);
    }
    expected.sort();
    let wanted = [
        "db_class = \"db.t4g.large\"",
        "glacier_days = 365",
        "nat = \"single\"",
        "off_hours = true",
        "redis_nodes = 1",
    ];
    for expect in wanted {
        assert!(expected.iter().any(|one| one == expect), "{expected:?}");
    }
}

#[test]
fn tip_of_graviton_needs_both_prices() {
    let database = json!({"engine": "postgres", "instance_class": "db.t3.large", "storage_type": "gp3",
        "allocated_storage": 20});
    let tips = tips(&in_us_east_1("aws_db_instance", database));
    // 730 × (0.145 - 0.129)
    assert_eq!(
        of(&tips, "Run databases and caches on Graviton")
            .saves
            .expected,
        usd("11.68")
    );
    let already = json!({"engine": "postgres", "instance_class": "db.t4g.medium", "storage_type": "gp3",
        "allocated_storage": 20});
    let tips = self::tips(&in_us_east_1("aws_db_instance", already));
    assert!(tips.tips.iter().all(|tip| !tip.name.contains("Graviton")));
}

#[test]
fn tip_of_a_reservation_has_a_break_even() {
    let database = json!({"engine": "mysql", "instance_class": "db.m5.large", "multi_az": true,
        "storage_type": "gp2", "allocated_storage": 20});
    // The on-demand price of MySQL is not known there: no tip, and a note.
    let no_tip = tips(&in_us_east_1("aws_db_instance", database));
    assert!(
        no_tip
            .tips
            .iter()
            .all(|tip| !tip.name.starts_with("Reserve"))
    );
    assert!(no_tip.notes.iter().any(|note| note.starts_with("Reserve")));
    let prices = "# Price book: format 1, version 2026-11-22\nregion,service,item,unit,per,from,to,usd,as_of,confidence,source
us-east-1,AmazonRDS,instance postgresql db.a single-az,instance-hour,1,0,Inf,0.10,2026-11-01,quoted:1,s
us-east-1,AmazonRDS,reserved postgresql db.a single-az 1yr no-upfront,instance-hour,1,0,Inf,0.07,2026-11-01,quoted:1,s
us-east-1,AmazonRDS,storage gp3 single-az,GB-month,1,0,Inf,0.1,2026-11-01,quoted:1,s
";
    let book = PriceBook::with_prices(prices).unwrap();
    let mut options = Options::on(date(2026, 11, 22));
    let inventory = in_us_east_1(
        "aws_db_instance",
        json!({"engine": "postgres", "instance_class": "db.a", "storage_type": "gp3", "allocated_storage": 20}),
    );
    let usage = Usage::default();
    let always = Tips::new(&inventory, &usage, &book, options);
    let tip = of(&always, "Reserve");
    // 730 × 0.03; even at 0.7 of the month.
    assert_eq!(tip.saves.expected, usd("21.90"));
    assert!(tip.how.contains("from 511 hours a month on"), "{}", tip.how);
    assert_eq!(tip.trust, Trust::High);
    options.database_hours_a_week = Decimal::from(65);
    let stopped = Tips::new(&inventory, &usage, &book, options);
    assert!(
        stopped
            .tips
            .iter()
            .all(|tip| !tip.name.starts_with("Reserve"))
    );
}

#[test]
fn tips_find_older_storage_and_lasting_logs() {
    let io1 = in_us_east_1(
        "aws_db_instance",
        json!({"engine": "postgres", "instance_class": "db.t4g.medium", "iops": 1000, "allocated_storage": 100}),
    );
    // 100 × (0.125 - 0.115) + 1,000 × 0.10
    assert_eq!(of(&tips(&io1), "Use gp3").saves.expected, usd("101.00"));
    let logs = in_us_east_1("aws_cloudwatch_log_group", json!({"name": "/app"}));
    let tips_of_logs = tips(&logs);
    let tip = of(&tips_of_logs, "Keep logs");
    assert!(
        tip.how.contains("1 of 1 groups never expire"),
        "{}",
        tip.how
    );
    let short = in_us_east_1(
        "aws_cloudwatch_log_group",
        json!({"name": "/app", "retention_in_days": 30}),
    );
    assert!(tips(&short).tips.is_empty());
}

#[test]
fn tip_with_an_unknown_price_is_a_note() {
    let west = guide().moved(
        "ca-central-1".parse().unwrap(),
        "ca-west-1".parse().unwrap(),
    );
    let tips = tips(&west);
    assert!(tips.tips.is_empty(), "{:#?}", tips.tips);
    let is_noted = |name: &str| tips.notes.iter().any(|note| note.starts_with(name));
    assert!(
        is_noted("Stop databases") && is_noted("Run one cache node"),
        "{:?}",
        tips.notes
    );
}
