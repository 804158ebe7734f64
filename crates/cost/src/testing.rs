//! Stacks for tests.

use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::estimate::{Estimate, Options};
use crate::inventory::Inventory;
use crate::prices::PriceBook;
use crate::usage::Usage;

/// As they are with this release's prices, on the day of these.
pub(crate) fn price(inventory: &Inventory) -> Estimate {
    let book = PriceBook::builtin().unwrap();
    let options = Options::on(date(2026, 11, 22));
    Estimate::new(inventory, &Usage::default(), &book, options)
}

/// Resources in ca-central-1, each named by its place.
pub(crate) fn stack(resources: &[(&str, Value)]) -> Inventory {
    stack_in("ca-central-1", resources)
}

pub(crate) fn stack_in(region: &str, resources: &[(&str, Value)]) -> Inventory {
    let resources: Vec<Value> = resources
        .iter()
        .enumerate()
        .map(|(at, (kind, values))| {
            json!({"address": format!("{kind}.x[{at}]"), "mode": "managed", "type": kind, "name": "x", "values": values})
        })
        .collect();
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": resources}}});
    let json = plan.to_string();
    Inventory::from_terraform(
        json.as_bytes(),
        Some(region.parse().unwrap()),
        Some("us-east-1".parse().unwrap()),
    )
    .unwrap()
}

/// A resource that may not be priced in full: by its type, class, an attribute, its size, or its region.
pub(crate) fn any_resource() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        Just(("aws_nat_gateway", json!({}))),
        Just(("aws_vpc", json!({}))),
        Just(("aws_kms_key", json!({}))),
        Just(("aws_sqs_queue", json!({"fifo_queue": true}))),
        Just(("aws_strange_thing", json!({}))),
        Just(("aws_ecr_repository", json!({}))),
        Just(("aws_s3_bucket", json!({"acceleration_status": "Enabled"}))),
        Just(("aws_nat_gateway", json!({"region": "ca-west-1"}))),
        ("(3|4g)", "(micro|medium|huge)", prop::option::of(1_u32..2_000)).prop_map(
            |(family, size, storage)| {
                let class = format!("db.t{family}.{size}");
                let values = json!({"engine": "postgres", "instance_class": class, "storage_type": "gp3",
                    "allocated_storage": storage});
                ("aws_db_instance", values)
            }
        ),
    ]
}

/// Up to five of them, all with the tag `Team=data`.
pub(crate) fn any_stack() -> impl Strategy<Value = Inventory> {
    prop::collection::vec(any_resource(), 0..6).prop_map(|mut resources| {
        for (_, values) in &mut resources {
            values["tags_all"] = json!({"Team": "data"});
        }
        stack(&resources)
    })
}
