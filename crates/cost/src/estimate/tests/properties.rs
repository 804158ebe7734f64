use proptest::prelude::*;
use serde_json::json;

use super::{estimate, guide, stack};
use crate::estimate::Heading;
use crate::money::{Usd, UsdRange};
use rust_decimal::Decimal;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn estimate_total_is_the_sum_of_the_lines_and_grows_with_usage(
        nat in 0_u64..2_000_000, storage in 0_u64..500_000, more in 1_u64..100_000,
    ) {
        let of = |nat: u64, storage: u64| {
            estimate(&guide(), &format!("version: 0.1\nresource_type_default_usage:\n  aws_nat_gateway: {{monthly_data_processed_gb: {nat}}}\n  aws_s3_bucket:\n    standard: {{storage_gb: {storage}}}\n"))
        };
        let (less, much) = (of(nat, storage / 4), of(nat + more, storage / 4 + 1));
        for estimate in [&less, &much] {
            let sum: UsdRange = estimate.lines.iter().filter_map(|line| line.usd).sum();
            prop_assert_eq!(sum, estimate.total);
            prop_assert_eq!(estimate.fixed + estimate.usage, estimate.total);
            prop_assert!(estimate.total.low <= estimate.total.expected);
            prop_assert!(estimate.total.expected <= estimate.total.high);
            let headings: UsdRange = Heading::ALL.iter().filter_map(|of| estimate.under(*of)).map(|of| of.0).sum();
            prop_assert_eq!(headings, estimate.total);
        }
        prop_assert!(less.total.expected <= much.total.expected);
        // Cents are rounded on the lines, so that resources differ from them by half a cent a line at most.
        let parts: Usd = less.resources.iter().map(|of| of.usd.expected).sum();
        let difference = (parts - less.total.expected).dollars().abs();
        prop_assert!(difference <= Decimal::new(5, 3) * Decimal::from(less.lines.len()));
    }

    #[test]
    fn estimate_of_the_largest_quantities_does_not_overflow(at in 0_usize..60) {
        let keys = crate::usage_keys();
        let key = keys[at % keys.len()];
        let mut usage = String::from("version: 0.1\nresource_type_default_usage:\n");
        usage.push_str(&format!("  {}:\n", key.kind));
        for (depth, part) in key.name.split('.').enumerate() {
            usage.push_str(&format!("{}{part}:", if depth > 0 { "\n      " } else { "    " }));
        }
        usage.push_str(" 1e15\n");
        let values = json!({"billing_mode": "PAY_PER_REQUEST", "memory_size": 1_000_000_000_000_000_u64, "protocol": "email",
            "engine": "postgres", "instance_class": "db.t4g.medium", "allocated_storage": 1_000_000_000_000_000_u64,
            "vpc_endpoint_type": "Interface", "subnet_ids": ["a"]});
        let stack = stack(&[(key.kind, values.clone()), (key.kind, values)]);
        let _ = estimate(&stack, &usage);
    }
}
