use jiff::civil::date;
use proptest::prelude::*;
use settings::Settings;

use super::*;
use crate::estimate::Options;
use crate::inventory::Inventory;
use crate::prices::PriceBook;
use crate::testing::{any_stack, price};
use crate::usage::Usage;

fn estimate(region: Option<&str>, hours: i64) -> Estimate {
    let today = date(2026, 11, 22);
    let settings = include_str!("../../../../examples/berthcare-staging/infra.toml");
    let mut inventory = Inventory::from_settings(&Settings::parse(settings, today).unwrap());
    if let Some(region) = region {
        let from = inventory.region.unwrap();
        inventory = inventory.moved(from, region.parse().unwrap());
    }
    let mut options = Options::on(today);
    options.database_hours_a_week = hours.into();
    let book = PriceBook::builtin().unwrap();
    Estimate::new(&inventory, &Usage::default(), &book, options)
}

fn usd(text: &str) -> Usd {
    Usd::new(text.parse().unwrap())
}

#[test]
fn diff_has_only_lines_that_change() {
    let diff = Diff::new(&estimate(None, 168), &estimate(None, 84));
    let [row] = diff.rows.as_slice() else {
        panic!("{:#?}", diff.rows);
    };
    // Half of 102.93, which rounds up.
    assert_eq!(
        row.after.as_ref().unwrap().usd.unwrap().expected,
        usd("51.47")
    );
    assert_eq!(diff.change().expected, usd("-51.46"));
    let text = diff.document().to_markdown();
    assert!(
        text.contains("| $102.93 | $51.47 | -$51.46 | 730 × $0.141 → 365 × $0.141 |"),
        "{text}"
    );
    let same = Diff::new(&estimate(None, 168), &estimate(None, 168));
    assert!(same.rows.is_empty() && !same.uncertain);
}

#[test]
fn diff_names_every_resource_that_changes_priced_or_not() {
    let stack = |resources: &[(&str, &str, serde_json::Value)]| {
        let resources: Vec<serde_json::Value> = resources
            .iter()
            .map(|(kind, name, values)| {
                serde_json::json!({"address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name,
                    "values": values})
            })
            .collect();
        let plan = serde_json::json!({"format_version": "1.2",
            "planned_values": {"root_module": {"resources": resources}}});
        let region = "ca-central-1".parse().ok();
        let inventory = Inventory::from_terraform(plan.to_string().as_bytes(), region, None);
        let book = PriceBook::builtin().unwrap();
        let options = Options::on(date(2026, 11, 22));
        Estimate::new(&inventory.unwrap(), &Usage::default(), &book, options)
    };
    let none = serde_json::json!({});
    let table = |read: u32| serde_json::json!({"billing_mode": "PROVISIONED", "read_capacity": read, "write_capacity": 1});
    let before = stack(&[
        ("aws_nat_gateway", "gone", none.clone()),
        ("aws_nat_gateway", "same", none.clone()),
        ("aws_dynamodb_table", "t", table(1)),
    ]);
    let after = stack(&[
        ("aws_nat_gateway", "same", none.clone()),
        ("aws_dynamodb_table", "t", table(2)),
        ("aws_iam_role", "r", none.clone()),
        ("aws_mq_broker", "web", none),
    ]);
    let diff = Diff::new(&before, &after);
    let told: Vec<Vec<String>> = diff.resources.iter().map(|of| of.cells().1).collect();
    assert_eq!(
        told[0],
        ["added", "aws_iam_role.r", "–", "nothing by itself"]
    );
    assert_eq!(told[1], ["added", "aws_mq_broker.web", "–", "no price"]);
    assert_eq!(told[2], ["removed", "aws_nat_gateway.gone", "$39.00", "–"]);
    assert_eq!(told[3][..2], ["changed", "aws_dynamodb_table.t"]);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(
        diff.document()
            .to_markdown()
            .contains("| added | aws_mq_broker.web | – | no price |")
    );
    assert!(Diff::new(&after, &after).resources.is_empty());
}

#[test]
fn diff_of_two_estimates_has_a_row_for_each_region() {
    let diff = Diff::new(&estimate(None, 168), &estimate(Some("us-east-1"), 168));
    assert!(!diff.uncertain);
    let nat: Vec<&DiffRow> = diff
        .rows
        .iter()
        .filter(|row| row.key.item == "nat gateway")
        .collect();
    assert_eq!(nat.len(), 2);
    assert!(nat[0].after.is_none() && nat[1].before.is_none());
    assert!(diff.change().expected < Usd::ZERO);
}

#[test]
fn diff_of_regions_has_one_row_for_the_same_item() {
    let (from, to) = (
        "ca-central-1".parse().unwrap(),
        "us-east-1".parse().unwrap(),
    );
    let diff = Diff::of_regions(
        &estimate(None, 168),
        &estimate(Some("us-east-1"), 168),
        from,
        to,
    );
    let text = diff.document().to_markdown();
    assert!(
        text.contains(
            "| NAT Gateways | ca-central-1 → us-east-1 | nat gateway | $73.00 | $65.70 | -$7.30 |"
        ),
        "{text}"
    );
    assert!(
        text.contains("| Service | ca-central-1 | us-east-1 | Change |"),
        "{text}"
    );
    // The distribution's edges are the same.
    assert!(diff.rows.iter().all(|row| row.key.item != "to internet us"));
    let cdn = diff
        .services
        .iter()
        .find(|of| of.heading == Heading::CloudFront)
        .unwrap();
    assert_eq!(cdn.before, cdn.after);
    let sum = |side: fn(&ServiceChange) -> Option<Usd>| -> Usd {
        diff.services.iter().filter_map(side).sum()
    };
    assert_eq!(sum(|of| of.before), diff.before.expected);
    assert_eq!(sum(|of| of.after), diff.after.expected);
}

#[test]
fn diff_with_an_unknown_price_is_unknown() {
    let diff = Diff::new(&estimate(None, 168), &estimate(Some("ca-west-1"), 168));
    assert!(diff.uncertain);
    let text = diff.document().to_markdown();
    assert!(text.contains("| – | unknown | unknown |"), "{text}");
    assert!(text.contains("may be another"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn diff_of_a_stack_with_itself_is_empty(stack in any_stack()) {
        let diff = Diff::new(&price(&stack), &price(&stack));
        prop_assert!(diff.rows.is_empty(), "{:?}", diff.rows);
        prop_assert!(diff.resources.is_empty(), "{:?}", diff.resources);
        prop_assert_eq!(diff.change(), UsdRange::default());
        prop_assert!(diff.services.iter().all(|of| of.before == of.after));
    }

    #[test]
    fn diff_backwards_is_the_same_the_other_way(before in any_stack(), after in any_stack()) {
        let (before, after) = (price(&before), price(&after));
        let (there, back) = (Diff::new(&before, &after), Diff::new(&after, &before));
        prop_assert_eq!(there.uncertain, back.uncertain);
        prop_assert_eq!(there.change().expected + back.change().expected, Usd::ZERO);
        prop_assert_eq!(there.rows.len(), back.rows.len());
        prop_assert_eq!(there.resources.len(), back.resources.len());
        // What lines change by is what the whole changes by.
        let sum = |side: fn(&DiffRow) -> &Option<Side>| -> Usd {
            let sides = there.rows.iter().filter_map(|row| side(row).as_ref());
            sides.filter_map(|side| side.usd).map(|usd| usd.expected).sum()
        };
        let rows = sum(|row| &row.after) - sum(|row| &row.before);
        prop_assert_eq!(rows, there.change().expected);
    }

    #[test]
    fn diff_names_what_is_added_to_a_stack(stack in any_stack(), more in any_stack()) {
        let mut both = stack.clone();
        for (at, mut resource) in more.resources.into_iter().enumerate() {
            resource.address = format!("module.more[{at}].{}", resource.address);
            both.resources.push(resource);
        }
        let diff = Diff::new(&price(&stack), &price(&both));
        // Traffic comes with what can send, and is no resource of Terraform's.
        let added = diff.resources.iter().filter(|of| {
            of.change == Change::Added && !of.address.starts_with("aws_data_transfer.")
        });
        prop_assert_eq!(added.count(), both.resources.len() - stack.resources.len());
        prop_assert!(diff.change().expected >= Usd::ZERO);
    }
}
