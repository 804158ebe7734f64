use serde_json::json;

use super::*;

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn instance(address: &str, values: Value) -> Value {
    let resource = address.rsplit("module.").next().unwrap_or(address);
    let (kind, name) = resource
        .split_once("aws_")
        .map(|(_, rest)| rest.split_once('.').unwrap())
        .unwrap();
    let name = name.split('[').next().unwrap();
    json!({"address": address, "mode": "managed", "type": format!("aws_{kind}"), "name": name, "values": values})
}

fn read(json: &Value) -> Result<Inventory, InventoryError> {
    Inventory::from_terraform(json.to_string().as_bytes(), None, None)
}

#[test]
fn from_terraform_takes_the_region_of_the_resource_then_its_provider_then_the_default() {
    let plan = json!({
        "format_version": "1.2",
        "variables": {"home": {"value": "ca-central-1"}},
        "planned_values": {"root_module": {
            "resources": [
                instance("aws_eip.own", json!({"region": "us-west-2"})),
                instance("aws_eip.alias", json!({})),
                instance("aws_eip.local", json!({})),
                instance("aws_kms_key.arn", json!({"arn": "arn:aws:kms:eu-west-1:1:key/x"})),
                {"address": "data.aws_region.x", "mode": "data", "type": "aws_region", "name": "x"},
            ],
            "child_modules": [{
                "address": "module.net[\"a].b\\\"c\"]",
                "child_modules": [{
                    "address": "module.net[\"a].b\\\"c\"].module.zone[0]",
                    "resources": [instance("module.net[\"a].b\\\"c\"].module.zone[0].aws_nat_gateway.this[\"x\"]", json!({}))],
                }],
            }],
        }},
        "configuration": {
            "provider_config": {
                "aws": {"expressions": {"region": {"references": ["var.home"]}}},
                "aws.dr": {"expressions": {"region": {"constant_value": "us-east-1"}}},
                "aws.odd": {"expressions": {"region": {"references": ["local.region"]}}},
            },
            "root_module": {
                "resources": [
                    {"address": "aws_eip.alias", "provider_config_key": "aws.dr"},
                    {"address": "aws_eip.local", "provider_config_key": "aws.odd"},
                ],
                "module_calls": {"net": {"module": {"module_calls": {"zone": {"module": {
                    "resources": [{"address": "aws_nat_gateway.this", "provider_config_key": "aws.dr"}],
                }}}}}},
            },
        },
    });
    let inventory = read(&plan).unwrap();
    assert_eq!(inventory.source, Source::Plan);
    let regions: Vec<_> = inventory
        .resources
        .iter()
        .map(|resource| (resource.kind.as_str(), resource.region))
        .collect();
    let known = |name| Some(region(name));
    assert_eq!(
        regions,
        [
            ("aws_eip", known("us-west-2")),
            ("aws_eip", known("us-east-1")),
            ("aws_eip", known("ca-central-1")),
            ("aws_kms_key", known("eu-west-1")),
            ("aws_nat_gateway", known("us-east-1")),
        ]
    );
}

#[test]
fn from_terraform_reads_a_state() {
    let state = json!({
        "format_version": "1.0",
        "values": {"root_module": {"resources": [instance("aws_eip.a[0]", json!({})), instance("aws_eip.a[1]", json!({}))]}},
    });
    let inventory = read(&state).unwrap();
    assert_eq!(inventory.source, Source::State);
    assert_eq!(inventory.of_kind("aws_eip").count(), 2);
    assert_eq!(inventory.resources[0].region, None);
    assert_eq!(inventory.region, None);
    let state = json!({"format_version": "1.0", "values": {"root_module": {"resources": [
        instance("aws_eip.a", json!({"region": "us-east-1"})),
        instance("aws_eip.b", json!({"region": "ca-central-1"})),
        instance("aws_eip.c", json!({"region": "ca-central-1"})),
    ]}}});
    assert_eq!(read(&state).unwrap().region, Some(region("ca-central-1")));
}

#[test]
fn from_terraform_reads_what_windows_and_wrappers_have_touched() {
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {
        "resources": [instance("aws_eip.a", json!({"region": "ca-central-1"}))]}}})
    .to_string();
    let utf16 = plan.encode_utf16().flat_map(u16::to_le_bytes);
    for bytes in [
        format!("\u{feff}{plan}").into_bytes(),
        [0xff, 0xfe].into_iter().chain(utf16).collect(),
        format!("[command]/opt/terraform-bin show -json tfplan\n{plan}\n").into_bytes(),
        format!("{plan}\n\n::debug::Terraform exited with code 0.\n").into_bytes(),
    ] {
        let inventory = Inventory::from_terraform(&bytes, None, None).unwrap();
        assert_eq!(inventory.of_kind("aws_eip").count(), 1);
    }
}

#[test]
fn from_terraform_of_an_empty_state_is_an_empty_stack() {
    let inventory = read(&json!({"format_version": "1.0"})).unwrap();
    assert_eq!(inventory.source, Source::State);
    assert!(inventory.resources.is_empty());
}

#[test]
fn from_terraform_of_something_else_is_refused_with_its_position() {
    let message = |json: &str| {
        let error = Inventory::from_terraform(json.as_bytes(), None, None).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    };
    assert!(message("{\n  \"format_version\": 1}").contains("line 2, column 21"));
    assert!(message("{").contains("line 1"));
    assert!(message("[]").contains("line 1"));
    assert!(message("{}").contains("neither planned_values nor values"));
    assert!(message(r#"{"format_version": "1.0", "valid": true}"#).contains("neither"));
    for version in ["0.2", "2.0", "10.0", ""] {
        let text = message(&json!({"format_version": version, "planned_values": {}}).to_string());
        assert!(
            text.contains(&format!("format_version is {version:?}")),
            "{text}"
        );
    }
    let errored = json!({"format_version": "1.2", "errored": true, "planned_values": {}});
    assert!(message(&errored.to_string()).contains("errored"));
    let deep = format!(
        r#"{{"format_version":"1.2","planned_values":{}"#,
        r#"{"root_module":{"child_modules":["#.repeat(100_000)
    );
    assert!(message(&deep).contains("line 1"));
}

#[test]
fn from_terraform_with_a_region_that_does_not_exist_names_the_resource() {
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {
        "resources": [instance("aws_eip.a", json!({"region": "ca-centrall-1"}))]}}});
    let error = read(&plan).unwrap_err();
    assert_eq!(error.to_string(), "the region of aws_eip.a cannot be used");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("did you mean \"ca-central-1\""), "{source}");
}

#[test]
fn from_terraform_of_fifty_megabytes_is_refused_before_they_are_read() {
    let json = vec![b' '; 50_000_000];
    let error = Inventory::from_terraform(&json, None, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the plan or state has 50000000 bytes, and at most 41943040 are read"
    );
}

#[test]
fn from_terraform_of_a_plan_with_deferred_parts_says_so() {
    let plan = json!({"format_version": "1.2", "complete": false, "planned_values": {}});
    let inventory = read(&plan).unwrap();
    assert!(inventory.incomplete && inventory.notes.len() == 1);
}

#[test]
fn from_terraform_keeps_no_text_that_the_plan_marks_as_sensitive() {
    let marked = |address: &str, values: Value, sensitive: Value| {
        let mut resource = instance(address, values);
        resource["sensitive_values"] = sensitive;
        resource
    };
    let plan = json!({
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": [
            marked(
                "aws_db_instance.a",
                json!({"identifier": "hunter2", "instance_class": "hunter2", "allocated_storage": 20, "multi_az": true,
                    "engine": "postgres", "region": "hunter2"}),
                json!({"identifier": true, "instance_class": true, "allocated_storage": true, "multi_az": true,
                    "region": true, "tags": {}}),
            ),
            marked(
                "aws_s3_bucket_lifecycle_configuration.b",
                json!({"bucket": "logs", "rule": [{"id": "hunter2", "days": 3}, {"id": "plain"}]}),
                json!({"rule": [{"id": true}, {}]}),
            ),
            marked("aws_s3_bucket.c", json!({"bucket": "hunter2", "id": "20261129"}), json!(true)),
            marked("aws_s3_bucket.d", json!({"bucket": "shown"}), json!({"tags": {}})),
        ]}},
    });
    let inventory = read(&plan).unwrap();
    let text = format!("{inventory:?}");
    assert!(
        !text.contains("hunter2") && !text.contains("20261129"),
        "{text}"
    );
    let [database, rules, _, bucket] = &inventory.resources[..] else {
        panic!("{text}");
    };
    // What is counted stays: a price without it would be too low.
    assert_eq!(
        database.attributes.number("allocated_storage"),
        Some(20.into())
    );
    assert_eq!(database.attributes.flag("multi_az"), Some(true));
    assert_eq!(database.attributes.text("engine"), Some("postgres"));
    assert_eq!(
        database.attributes.text("instance_class"),
        Some("(sensitive value)")
    );
    assert_eq!(rules.attributes.text("bucket"), Some("logs"));
    assert_eq!(bucket.attributes.text("bucket"), Some("shown"));
    assert!(inventory.incomplete);
    let note = "instance_class of aws_db_instance.a is marked as sensitive: what depends on it has no price";
    assert!(
        inventory.notes.iter().any(|noted| noted == note),
        "{:?}",
        inventory.notes
    );
    // A name has no price.
    assert!(
        !inventory
            .notes
            .iter()
            .any(|noted| noted.starts_with("bucket")),
        "{:?}",
        inventory.notes
    );
}

#[test]
fn from_terraform_keeps_what_is_forgotten() {
    let change = |address: &str, actions: Value| {
        let (_, name) = address.rsplit_once('.').unwrap();
        json!({"address": address, "mode": "managed", "type": "aws_s3_bucket", "name": name.split('[').next().unwrap(),
            "change": {"actions": actions, "before": {"bucket": "old"}, "after": null, "after_unknown": {}, "before_sensitive": {}, "after_sensitive": {}}})
    };
    let plan = json!({"format_version": "1.2",
        "planned_values": {"root_module": {"resources": [
            // An entry without values is what Terraform leaves of one that it forgets.
            {"address": "aws_s3_bucket.gone", "mode": "managed", "type": "aws_s3_bucket", "name": "gone", "values": {"bucket": null}},
            {"address": "aws_s3_bucket.anew", "mode": "managed", "type": "aws_s3_bucket", "name": "anew", "values": {"bucket": "new"}},
        ]}},
        "resource_changes": [
            change("aws_s3_bucket.gone", json!(["forget"])),
            change("aws_s3_bucket.anew", json!(["create", "forget"])),
            change("module.a[\"x.y\"].aws_s3_bucket.this[0]", json!(["forget"])),
            change("aws_s3_bucket.deleted", json!(["delete"])),
        ],
        "configuration": {
            "provider_config": {
                "aws": {"expressions": {"region": {"constant_value": "us-east-1"}}},
                "aws.home": {"expressions": {"region": {"constant_value": "ca-central-1"}}},
            },
            "root_module": {"module_calls": {"a": {"module": {"resources": [
                {"address": "aws_s3_bucket.this", "provider_config_key": "aws.home"}]}}}},
        },
    });
    let inventory = read(&plan).unwrap();
    let found: Vec<_> = inventory
        .resources
        .iter()
        .map(|of| (of.address.as_str(), of.attributes.text("bucket"), of.region))
        .collect();
    let east = Some(region("us-east-1"));
    assert_eq!(
        found,
        [
            ("aws_s3_bucket.anew", Some("new"), east),
            ("aws_s3_bucket.gone", Some("old"), east),
            ("aws_s3_bucket.anew (forgotten)", Some("old"), east),
            (
                "module.a[\"x.y\"].aws_s3_bucket.this[0]",
                Some("old"),
                Some(region("ca-central-1"))
            ),
        ]
    );
    assert_eq!(inventory.notes.len(), 3, "{:?}", inventory.notes);
}

#[test]
fn assume_region_tells_how_many_resources_it_is_for() {
    let plan = json!({"format_version": "1.2",
        "planned_values": {"root_module": {"resources": [
            instance("aws_nat_gateway.a", json!({})),
            instance("aws_nat_gateway.b", json!({"region": "us-east-1"})),
        ]}},
        // Only Terraform can work a local value out.
        "configuration": {"provider_config": {"aws": {"expressions": {"region": {"references": ["local.region"]}}}}},
    });
    let mut inventory = Inventory::from_terraform(plan.to_string().as_bytes(), None, None).unwrap();
    assert_eq!(inventory.resources[0].region, None);
    inventory.assume_region(region("ca-central-1"), "the primary region of the settings");
    assert_eq!(inventory.resources[0].region, Some(region("ca-central-1")));
    assert_eq!(inventory.resources[1].region, Some(region("us-east-1")));
    assert_eq!(
        inventory.notes,
        [
            "nothing tells the region of 1 resources: they are priced in ca-central-1, the primary region of the settings"
        ]
    );
}

#[test]
fn before_plan_is_the_state_that_the_plan_was_made_from() {
    let planned = json!({"root_module": {"resources": [
        instance("aws_eip.a", json!({})), instance("aws_eip.b", json!({}))]}});
    let mut plan = json!({"format_version": "1.2", "planned_values": planned,
        "configuration": {"provider_config": {"aws": {"expressions": {"region": {"constant_value": "ca-central-1"}}}}}});
    let before = |plan: &Value| {
        let json = plan.to_string();
        let after = Inventory::from_terraform(json.as_bytes(), None, None).unwrap();
        Inventory::before_plan(json.as_bytes(), &after).unwrap()
    };
    let first = before(&plan);
    assert_eq!((first.source, first.resources.len()), (Source::State, 0));
    assert_eq!(first.region, Some(region("ca-central-1")));
    plan["prior_state"] = json!({"format_version": "1.0",
        "values": {"root_module": {"resources": [instance("aws_eip.a", json!({}))]}}});
    let second = before(&plan);
    assert_eq!(second.resources[0].address, "aws_eip.a");
    assert_eq!(second.resources[0].region, Some(region("ca-central-1")));
}

#[test]
fn before_plan_is_read_as_the_plan_is_and_where_its_providers_are() {
    let gateway = json!({"address": "aws_nat_gateway.far", "mode": "managed", "type": "aws_nat_gateway", "name": "far",
        "values": {}});
    let resources = json!({"root_module": {"resources": [gateway]}});
    let of = |region: &str| json!({"expressions": {"region": {"constant_value": region}}});
    let plan = json!({"format_version": "1.2", "planned_values": resources,
        "prior_state": {"format_version": "1.0", "values": resources},
        "configuration": {
            "provider_config": {"aws": of("ca-central-1"), "aws.far": of("us-east-1")},
            "root_module": {"resources": [{"address": "aws_nat_gateway.far", "provider_config_key": "aws.far"}]}}});
    let json = format!("\u{feff}[command]/usr/bin/terraform show -json\n{plan}\n");
    let after = Inventory::from_terraform(json.as_bytes(), None, None).unwrap();
    let before = Inventory::before_plan(json.as_bytes(), &after).unwrap();
    assert_eq!(after.resources[0].region, Some(region("us-east-1")));
    assert_eq!(before.resources, after.resources);
}
