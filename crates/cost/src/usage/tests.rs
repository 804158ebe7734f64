use serde_json::json;

use super::*;

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn problem(text: &str) -> String {
    Usage::parse(text).unwrap_err().to_string()
}

#[test]
fn usage_of_a_key_takes_the_most_exact_entry_then_the_default() {
    let usage = Usage::parse(
        r#"
version: 0.1
resource_type_default_usage:
  aws_nat_gateway:
    monthly_data_processed_gb: 7
resource_usage:
  module.net["a"].aws_nat_gateway.this[0]:
    monthly_data_processed_gb: 1_000.5 # a comment
  module.net[*].aws_nat_gateway.this[*]:
    monthly_data_processed_gb: 20
  aws_s3_bucket.photos:
    standard:
      storage_gb: 1e3
"#,
    )
    .unwrap();
    let of = |address: &str| usage.of(address, "aws_nat_gateway", "monthly_data_processed_gb");
    assert_eq!(
        of("module.net[\"a\"].aws_nat_gateway.this[0]"),
        (QuantityRange::fixed(number("1000.5")), UsageSource::File)
    );
    assert_eq!(
        of("module.net[\"a\"].aws_nat_gateway.this[1]").0,
        QuantityRange::fixed(number("20"))
    );
    assert_eq!(
        of("aws_nat_gateway.other").0,
        QuantityRange::fixed(number("7"))
    );
    let photos = |name| usage.of("aws_s3_bucket.photos", "aws_s3_bucket", name);
    assert_eq!(photos("standard.storage_gb").0.low, number("1000"));
    let requests = photos("standard.monthly_tier_1_requests");
    assert_eq!(requests.1, UsageSource::Default);
    assert_eq!(requests.0.expected, number("25000"));
}

#[test]
fn usage_parse_of_an_empty_file_says_nothing() {
    for text in ["", "# nothing\n", "version: 0.1\nresource_usage:\n"] {
        assert_eq!(Usage::parse(text), Ok(Usage::default()), "{text:?}");
    }
}

#[test]
fn usage_parse_error_has_its_line_and_column() {
    let with = |lines: &str| problem(&format!("version: 0.1\nresource_usage:\n{lines}"));
    let nat = "  aws_nat_gateway.a:\n    ";
    for (text, position, problem) in [
        (
            with(&format!("{nat}monthly_data_processed_gb: -1")),
            "line 4, column 32",
            "-1 is negative",
        ),
        (
            with(&format!("{nat}monthly_data_processed_gb: lots")),
            "line 4, column 32",
            "\"lots\" is not a number",
        ),
        (
            with(&format!("{nat}monthly_data_processed_gb: [1]")),
            "line 4, column 32",
            "must be a number",
        ),
        (
            with(&format!("{nat}monthly_data_processed_gb: 1e16")),
            "line 4, column 32",
            "more than any account",
        ),
        (
            with(&format!("{nat}monthly_data_procesed_gb: 1")),
            "line 4, column 5",
            "it has \"monthly_data_processed_gb\"",
        ),
        (
            with("  aws_nat_gatway.a: {}"),
            "line 3, column 3",
            "aws_nat_gateway is a type",
        ),
        (with("  web: {}"), "line 3, column 3", "no address"),
        (
            with("  aws_s3_bucket.a:\n    standard: 5"),
            "line 4, column 5",
            "must be a mapping",
        ),
        (
            with("  aws_db_instance.a:\n    reserved_instance_term: 2_year"),
            "line 4, column 29",
            "1_year, 3_year",
        ),
        (
            with("  aws_eip.a: {}\n  aws_eip.a: {}"),
            "line 4, column 3",
            "twice",
        ),
        (with("  - a"), "line 3, column 3", "must be a mapping"),
        (
            problem("version: 0.1\nresources: {}"),
            "line 2, column 1",
            "unknown key \"resources\"",
        ),
        (problem("version: 0.2"), "line 1, column 10", "0.1"),
        (problem("resource_usage: {}"), "line 1, column 1", "version"),
        (problem("a: &x 1\nb: *x"), "line 2, column 4", "alias"),
        (problem("a: [1\nb: 2"), "line 2", "not YAML"),
        (
            problem("version: 0.1\n---\nversion: 0.1"),
            "line 3",
            "second document",
        ),
        (
            problem(&"{a: ".repeat(20)),
            "line 1, column",
            "in one another",
        ),
        (problem(&"{a: ".repeat(5_000)), "line 1, column", "not YAML"),
    ] {
        assert!(text.contains(position) && text.contains(problem), "{text}");
    }
}

#[test]
fn usage_parse_errors_are_told_all_at_once() {
    let text = problem(
        "version: 0.2\nresource_usage:\n  web: {}\n  aws_nat_gateway.a:\n    monthly_data_processed_gb: -1\n    monthly_data_processed_bg: 1\nresources: 1\n",
    );
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(':').map(|(place, _)| place))
        .collect();
    assert_eq!(
        lines,
        [
            "line 1, column 10",
            "line 3, column 3",
            "line 5, column 32",
            "line 6, column 5",
            "line 7, column 1"
        ]
    );
}

#[test]
fn usage_key_without_a_number_leaves_the_default() {
    let usage = Usage::parse(
        "version: v0.1\nresource_usage:\n  aws_nat_gateway.a:\n    monthly_data_processed_gb: # not measured yet\n",
    )
    .unwrap();
    let key = "monthly_data_processed_gb";
    let (range, from) = usage.of("aws_nat_gateway.a", "aws_nat_gateway", key);
    assert_eq!((range.expected, from), (number("50"), UsageSource::Default));
}

#[test]
fn usage_key_without_a_rule_is_kept_to_be_told() {
    let usage = Usage::parse(
        r"
version: 0.1
resource_usage:
  aws_s3_bucket.photos:
    standard:
      storage_gb: 20.0
      monthly_select_data_returned_gb: 0
      monthly_select_data_scanned_gb: 0.0
    intelligent_tiering:
      early_delete_gb:
  aws_eks_node_group.web:
    instances: 5
",
    )
    .unwrap();
    let photos = usage.of(
        "aws_s3_bucket.photos",
        "aws_s3_bucket",
        "standard.storage_gb",
    );
    assert_eq!(photos.0, QuantityRange::fixed(number("20.0")));
    let [web, photos] = usage.without_rule().try_into().unwrap();
    assert_eq!((web.of, web.costs), ("aws_eks_node_group.web", true));
    assert!(!photos.costs);
    assert_eq!(
        photos.names,
        [
            "intelligent_tiering.early_delete_gb",
            "standard.monthly_select_data_returned_gb",
            "standard.monthly_select_data_scanned_gb"
        ]
    );
}

#[test]
fn usage_of_the_address_with_the_fewest_wildcards_wins() {
    let usage = Usage::parse(
        r#"
version: 0.1
resource_usage:
  module.net[*].aws_nat_gateway.x[*]: {monthly_data_processed_gb: 1}
  module.net["a"].aws_nat_gateway.x[*]: {monthly_data_processed_gb: 2}
  module.net[*].aws_nat_gateway.x[0]: {monthly_data_processed_gb: 3}
  module.net["a"].aws_nat_gateway.x[0]: {monthly_data_processed_gb: 4}
"#,
    )
    .unwrap();
    let of = |address: &str| {
        let (range, _) = usage.of(address, "aws_nat_gateway", "monthly_data_processed_gb");
        range.expected.to_string()
    };
    assert_eq!(of("module.net[\"a\"].aws_nat_gateway.x[0]"), "4");
    assert_eq!(of("module.net[\"a\"].aws_nat_gateway.x[1]"), "2");
    assert_eq!(of("module.net[\"b\"].aws_nat_gateway.x[0]"), "3");
    assert_eq!(of("module.net[\"b\"].aws_nat_gateway.x[1]"), "1");
    // A key is a text, not a pattern.
    assert_eq!(of("module.net[\"*\"].aws_nat_gateway.x[1]"), "1");
}

#[test]
fn usage_strangers_are_addresses_that_are_not_in_the_inventory() {
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": [
        {"address": "aws_nat_gateway.a[0]", "mode": "managed", "type": "aws_nat_gateway", "name": "a"}]}}});
    let inventory = Inventory::from_terraform(plan.to_string().as_bytes(), None, None).unwrap();
    let usage = Usage::parse(
        "version: 0.1\nresource_usage:\n  aws_nat_gateway.a[*]: {}\n  aws_nat_gateway.b: {}\n  aws_data_transfer.x: {}\n",
    )
    .unwrap();
    assert_eq!(usage.strangers(&inventory), ["aws_nat_gateway.b"]);
}

#[test]
fn usage_file_of_every_type_and_key_that_people_have_is_read() {
    let usage = Usage::parse(include_str!("../../tests/fixtures/usage-keys.yml")).unwrap();
    let number = |address: &str, kind: &str, name: &str| usage.of(address, kind, name);
    let one = QuantityRange::fixed(Decimal::ONE);
    assert_eq!(
        number("aws_ecr_repository.x", "aws_ecr_repository", "storage_gb"),
        (one, UsageSource::File)
    );
    assert_eq!(
        number("aws_lb.x", "aws_lb", "processed_bytes_gb"),
        (one, UsageSource::File)
    );
    // What has no rule is told, and is more than nothing.
    let without = usage.without_rule();
    assert!(without.iter().any(|of| of.of == "aws_elb.x" && of.costs));
    assert!(without.iter().any(|of| of.of == "aws_eks_node_group.x"));
}

#[test]
fn usage_file_of_other_clouds_words_and_zones_is_read_with_notes() {
    let usage = Usage::parse(
        "version: 0.1
resource_usage:
  google_logging_bucket.my.config:
    monthly_logging_data_gb: 100
  module.net[\"a.b\"].aws_nat_gateway.x[0]:
    monthly_data_processed_gb: 7
  aws_route53_health_check.a:
    endpoint_type: Non_AWS
  aws_data_transfer.zone:
    region: us-west-2-lax-1
    monthly_outbound_internet_gb: 10
",
    )
    .unwrap();
    let word =
        |kind: &str, address: &str, name: &str| usage.word(address, kind, name).map(str::to_owned);
    assert_eq!(
        word(
            "aws_route53_health_check",
            "aws_route53_health_check.a",
            "endpoint_type"
        )
        .as_deref(),
        Some("non_aws")
    );
    let [google] = usage.without_rule().try_into().unwrap();
    assert_eq!(
        (google.of, google.costs),
        ("google_logging_bucket.my.config", true)
    );
    let gateway = "module.net[\"a.b\"].aws_nat_gateway.x[0]";
    let (amount, source) = usage.of(gateway, "aws_nat_gateway", "monthly_data_processed_gb");
    assert_eq!((amount.expected, source), (number("7"), UsageSource::File));
    // In the zone it has no price, and in the region of the stack it is not either.
    let inventory = crate::testing::stack(&[]);
    let book = crate::prices::PriceBook::builtin().unwrap();
    let options = crate::estimate::Options::on(jiff::civil::date(2026, 11, 22));
    let estimate = crate::estimate::Estimate::new(&inventory, &usage, &book, options);
    assert!(estimate.lines.is_empty() && estimate.lower_bound);
    assert_eq!(
        estimate.problems[0].problem,
        "traffic of a local zone has no price here"
    );
    for bad in ["us-west-2-lax", "us-wst-2-lax-1", "us-west-2-LAX-1", "mars"] {
        let text =
            format!("version: 0.1\nresource_usage:\n  aws_data_transfer.x: {{region: {bad}}}\n");
        assert!(Usage::parse(&text).is_err(), "{bad}");
    }
    let without_name =
        "version: 0.1\nresource_usage:\n  aws_cloudfront_function: {monthly_requests: 1}\n";
    let told = Usage::parse(without_name).unwrap_err().to_string();
    assert!(told.contains("resource_type_default_usage"), "{told}");
}
