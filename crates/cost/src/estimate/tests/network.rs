use super::*;

#[test]
fn capacity_units_go_by_the_dimension_that_is_used_most() {
    let units = |kind: &str, of: Value, usage: &str| {
        let usage = format!("version: 0.1\nresource_usage:\n  {kind}.x[0]: {{{usage}}}\n");
        let estimate = estimate(&stack(&[(kind, of)]), &usage);
        let mut lines = estimate.lines.iter();
        let line = lines.find(|line| line.unit == Unit::LcuHour).unwrap();
        (
            line.key.item.clone(),
            line.quantity.expected.normalize().to_string(),
        )
    };
    let idle = "new_connections: 0, active_connections: 0, processed_bytes_gb: 0";
    for kind in ["aws_lb", "aws_alb"] {
        let alb = |usage: &str| units(kind, json!({}), usage);
        let of = |hours: &str| ("alb lcu".to_owned(), hours.to_owned());
        // Bytes are those of a month: 1,000 GB are 1,000 GB-hours of a unit.
        assert_eq!(
            alb("new_connections: 0, active_connections: 0, processed_bytes_gb: 1000"),
            of("1000")
        );
        // 50 new connections a second are two units in each of 730 hours.
        assert_eq!(
            alb("new_connections: 50, active_connections: 0, processed_bytes_gb: 1000"),
            of("1460")
        );
        assert_eq!(
            alb("new_connections: 0, active_connections: 9000, processed_bytes_gb: 1000"),
            of("2190")
        );
        assert_eq!(alb(&format!("{idle}, rule_evaluations: 4000")), of("2920"));
    }
    let nlb = |usage: &str| units("aws_lb", json!({"load_balancer_type": "network"}), usage);
    let of = |hours: &str| ("nlb lcu".to_owned(), hours.to_owned());
    assert_eq!(
        nlb("new_connections: 1600, active_connections: 0, processed_bytes_gb: 0"),
        of("1460")
    );
    assert_eq!(
        nlb("new_connections: 0, active_connections: 300000, processed_bytes_gb: 0"),
        of("2190")
    );
}

#[test]
fn address_of_a_load_balancer_that_the_stack_holds_is_counted_once() {
    let mapping = |ids: &[&str]| -> Value {
        ids.iter()
            .map(|id| json!({"subnet_id": "s", "allocation_id": id}))
            .collect()
    };
    let count = |balancer: Value| {
        let eip = |at: u32| ("aws_eip", json!({"id": format!("eipalloc-{at}")}));
        let estimate = estimate(&stack(&[eip(1), eip(2), ("aws_lb", balancer)]), "");
        (line(&estimate, "public ipv4").quantity.expected / crate::quantity::HOURS_PER_MONTH)
            .normalize()
            .to_string()
    };
    let network =
        |mapping: Value| json!({"load_balancer_type": "network", "subnet_mapping": mapping});
    assert_eq!(count(network(mapping(&["eipalloc-1", "eipalloc-2"]))), "2");
    assert_eq!(count(network(mapping(&["eipalloc-1", ""]))), "3");
    assert_eq!(count(network(mapping(&["", "", ""]))), "5");
    assert_eq!(count(json!({"internal": true})), "2");
}

#[test]
fn network_load_balancer_is_billed_by_units_of_its_own() {
    let usage = "version: 0.1\nresource_usage:\n  aws_lb.x[0]: {new_connections: 0, active_connections: 0, processed_bytes_gb: 1000}\n";
    let network = json!({"load_balancer_type": "network", "internal": true});
    let of = estimate(&stack_in("us-east-1", &[("aws_lb", network)]), usage);
    // 730 × 0.0225, and 1,000 units of a gigabyte at 0.006.
    assert_eq!(expected(&of, "nlb"), usd("16.43"));
    assert_eq!(expected(&of, "nlb lcu"), usd("6.00"));
    let application = estimate(
        &stack_in("us-east-1", &[("aws_lb", json!({"internal": true}))]),
        usage,
    );
    assert_eq!(expected(&application, "alb lcu"), usd("8.00"));
}

#[test]
fn endpoint_of_a_gateway_load_balancer_has_a_price_of_its_own() {
    let usage = "version: 0.1\nresource_usage:\n  aws_vpc_endpoint.x[0]: {monthly_data_processed_gb: 1000}\n";
    let endpoint = json!({"vpc_endpoint_type": "GatewayLoadBalancer", "subnet_ids": ["a"]});
    let of = estimate(
        &stack_in("us-east-1", &[("aws_vpc_endpoint", endpoint)]),
        usage,
    );
    assert_eq!(expected(&of, "gateway load balancer endpoint"), usd("7.30"));
    assert_eq!(
        expected(&of, "gateway load balancer endpoint data"),
        usd("3.50")
    );
}

#[test]
fn health_check_is_billed_for_its_options_and_more_outside_aws() {
    let of = |values: Value, usage: &str| {
        let estimate = estimate(&stack(&[("aws_route53_health_check", values)]), usage);
        assert!(!estimate.lower_bound, "{:?}", estimate.problems);
        estimate.total
    };
    let at = |place: &str| {
        format!(
            "version: 0.1\nresource_usage:\n  aws_route53_health_check.x[0]: {{endpoint_type: {place}}}\n"
        )
    };
    let plain = json!({"type": "HTTP", "request_interval": 30});
    let all = json!({"type": "HTTPS_STR_MATCH", "request_interval": 10, "measure_latency": true});
    assert_eq!(of(plain.clone(), &at("aws")).high, usd("0.50"));
    assert_eq!(of(plain.clone(), &at("non_aws")).low, usd("0.75"));
    assert_eq!(of(all.clone(), &at("aws")).expected, usd("4.50"));
    assert_eq!(of(all.clone(), &at("non_aws")).expected, usd("8.75"));
    // Nobody says where it is.
    let range = of(all, "");
    assert_eq!(
        (range.low, range.expected, range.high),
        (usd("4.50"), usd("4.50"), usd("8.75"))
    );
    let calculated = estimate(
        &stack(&[("aws_route53_health_check", json!({"type": "CALCULATED"}))]),
        "",
    );
    assert!(calculated.lower_bound);
}
