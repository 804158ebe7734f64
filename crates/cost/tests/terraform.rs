//! The Terraform tree of this repository, as far as it can be looked at without Terraform.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the tree fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cost::{Estimate, Inventory, Options, PriceBook, Usage};
use jiff::civil::date;
use serde_json::json;

fn types(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            types(&path, found);
        } else if path.extension().is_some_and(|of| of == "tf") {
            let text = fs::read_to_string(&path).unwrap();
            let resources = text.lines().filter_map(|line| {
                line.strip_prefix("resource \"")
                    .and_then(|rest| rest.split('"').next())
            });
            found.extend(resources.map(str::to_owned));
        }
    }
}

#[test]
fn is_free_or_priced_is_every_type_of_the_tree() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform");
    let mut found = BTreeSet::new();
    types(&tree, &mut found);
    assert!(found.contains("aws_db_instance"), "{found:?}");
    let resources: Vec<_> = found
        .iter()
        .map(|kind| json!({"address": format!("{kind}.x"), "mode": "managed", "type": kind, "name": "x"}))
        .collect();
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": resources}}});
    let region = "ca-central-1".parse().ok();
    let inventory = Inventory::from_terraform(plan.to_string().as_bytes(), region, region).unwrap();
    let book = PriceBook::builtin().unwrap();
    let options = Options::on(date(2026, 11, 22));
    let estimate = Estimate::new(&inventory, &Usage::default(), &book, options);
    assert!(estimate.unpriced.is_empty(), "{:?}", estimate.unpriced);
}

#[test]
fn estimate_of_a_trail_says_that_its_events_have_no_price() {
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": [
        {"address": "aws_cloudtrail.x", "mode": "managed", "type": "aws_cloudtrail", "name": "x"}]}}});
    let region = "ca-central-1".parse().ok();
    let inventory = Inventory::from_terraform(plan.to_string().as_bytes(), region, region).unwrap();
    let book = PriceBook::builtin().unwrap();
    let options = Options::on(date(2026, 11, 22));
    let estimate = Estimate::new(&inventory, &Usage::default(), &book, options);
    let problems: Vec<_> = estimate
        .problems
        .iter()
        .map(|problem| problem.address.as_str())
        .collect();
    assert_eq!(problems, ["aws_cloudtrail.x"]);
}
