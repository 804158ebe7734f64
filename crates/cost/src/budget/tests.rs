use jiff::civil::date;
use proptest::prelude::*;
use report::Report as _;
use serde_json::{Value, json};
use settings::Settings;

use super::*;
use crate::testing::{any_stack, price, stack};

fn guide() -> Inventory {
    let settings = include_str!("../../../../examples/berthcare-staging/infra.toml");
    Inventory::from_settings(&Settings::parse(settings, date(2026, 11, 22)).unwrap())
}

fn policy(limits: &[Limit]) -> Policy {
    Policy {
        limits: limits.to_vec(),
        scenario: Scenario::Expected,
        allow_lower_bound: false,
    }
}

fn verdict(inventory: &Inventory, limit: Usd, scenario: Scenario) -> Verdict {
    let policy = Policy {
        scenario,
        ..policy(&[Limit::total(limit)])
    };
    Budget::new(&price(inventory), inventory, None, &policy).verdict
}

fn cent() -> Usd {
    Usd::new(rust_decimal::Decimal::new(1, 2))
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// Resources, each with its tags.
fn tagged(resources: &[(&'static str, Value)]) -> Inventory {
    let resources: Vec<_> = resources
        .iter()
        .map(|(kind, tags)| (*kind, json!({"tags_all": tags})))
        .collect();
    stack(&resources)
}

#[test]
fn budget_of_a_lower_bound_is_over_or_unknown_and_never_within() {
    let known = guide();
    let limit = price(&known).total.expected;
    assert_eq!(verdict(&known, limit, Scenario::Expected), Verdict::Within);
    assert_eq!(
        verdict(&known, limit - cent(), Scenario::Expected),
        Verdict::Over
    );
    assert_eq!(verdict(&known, limit, Scenario::High), Verdict::Over);
    let west = known.moved(known.region.unwrap(), "ca-west-1".parse().unwrap());
    assert_eq!(verdict(&west, limit, Scenario::Expected), Verdict::Unknown);
    assert_eq!(verdict(&west, cent(), Scenario::Expected), Verdict::Over);
}

#[test]
fn budget_of_a_service_counts_its_lines_and_types_that_nothing_is_known_of() {
    let of = |inventory: &Inventory, text: &str| {
        let policy = policy(&[Limit::of_service(text).unwrap()]);
        Budget::new(&price(inventory), inventory, None, &policy).verdict
    };
    assert_eq!(of(&guide(), "rds=128.33"), Verdict::Within);
    assert_eq!(of(&guide(), "rds=128.32"), Verdict::Over);
    // Nothing of it is there.
    assert_eq!(of(&guide(), "compute=0"), Verdict::Within);
    let mut strange = guide();
    let stranger = stack(&[("aws_strange_thing", json!({}))]);
    strange.resources.extend(stranger.resources);
    assert_eq!(of(&strange, "rds=128.33"), Verdict::Unknown);
    assert_eq!(of(&strange, "rds=128.32"), Verdict::Over);
}

#[test]
fn budget_of_a_tag_counts_the_resources_that_carry_it() {
    let nat = |team: &str| ("aws_nat_gateway", json!({"Team": team}));
    let inventory = tagged(&[nat("data"), nat("data"), nat("web")]);
    let of = |inventory: &Inventory, text: &str| {
        let policy = policy(&[Limit::of_tag(text).unwrap()]);
        let budget = Budget::new(&price(inventory), inventory, None, &policy);
        (budget.verdict, budget.rows[0].usd)
    };
    // Each 730 × 0.05 and 50 GB × 0.05.
    assert_eq!(of(&inventory, "Team=data=78"), (Verdict::Within, usd("78")));
    assert_eq!(of(&inventory, "Team=data=77.99").0, Verdict::Over);
    assert_eq!(of(&inventory, "Team=web=39"), (Verdict::Within, usd("39")));
    // A slip is no green light.
    assert_eq!(of(&inventory, "Team=dtaa=1000").0, Verdict::Unknown);
    assert_eq!(of(&inventory, "team=data=1000").0, Verdict::Unknown);
    let tags = json!({"Team": "data"});
    let strange = tagged(&[nat("data"), ("aws_strange_thing", tags), nat("web")]);
    assert_eq!(of(&strange, "Team=data=1000").0, Verdict::Unknown);
    assert_eq!(of(&strange, "Team=web=1000").0, Verdict::Within);
}

#[test]
fn budget_of_an_increase_compares_with_what_is_before() {
    let nothing = Inventory {
        resources: Vec::new(),
        ..guide()
    };
    let (before, after) = (price(&nothing), price(&guide()));
    let of = |before: Option<&Estimate>, inventory: &Inventory, limit: Usd| {
        let policy = policy(&[Limit::increase(limit)]);
        Budget::new(&price(inventory), inventory, before, &policy).verdict
    };
    let all = after.total.expected - before.total.expected;
    assert_eq!(of(Some(&before), &guide(), all), Verdict::Within);
    assert_eq!(of(Some(&before), &guide(), all - cent()), Verdict::Over);
    assert_eq!(of(Some(&after), &nothing, Usd::ZERO), Verdict::Within);
    assert_eq!(of(None, &guide(), all), Verdict::Unknown);
    let west = guide().moved(
        "ca-central-1".parse().unwrap(),
        "ca-west-1".parse().unwrap(),
    );
    assert_eq!(of(Some(&before), &west, all), Verdict::Unknown);
    assert_eq!(of(Some(&price(&west)), &guide(), cent()), Verdict::Unknown);
}

#[test]
fn budget_of_several_limits_is_as_bad_as_its_worst() {
    let worst = |limits: &[Limit]| {
        let budget = Budget::new(&price(&guide()), &guide(), None, &policy(limits));
        (budget.verdict, budget.document().to_markdown())
    };
    let (within, over) = (Limit::total(usd("300")), Limit::total(usd("1")));
    let unknown = Limit::increase(usd("1000"));
    let (verdict, text) = worst(&[within.clone(), over.clone(), unknown.clone()]);
    assert_eq!(verdict, Verdict::Over);
    assert!(text.contains("there is nothing to compare with"), "{text}");
    assert_eq!(worst(&[within.clone(), unknown]).0, Verdict::Unknown);
    assert_eq!(worst(&[within]).0, Verdict::Within);
    assert_eq!(worst(&[]).0, Verdict::Unknown);
}

#[test]
fn limit_of_a_service_or_a_tag_is_read_with_what_is_wrong() {
    let limit = Limit::of_tag("Formula=a=b=10.50").unwrap();
    assert_eq!(limit.of.to_string(), "Tag Formula=a=b");
    assert_eq!(limit.usd, usd("10.50"));
    for text in ["Team", "Team=10", "=data=10", "Team=data=x", "Team=data=-1"] {
        assert!(Limit::of_tag(text).is_err(), "{text}");
    }
    let error = Limit::of_service("rdss=1").unwrap_err().to_string();
    assert!(error.contains("rds, elasticache"), "{error}");
    for text in ["rds", "rds=", "rds=x", "rds=-1"] {
        assert!(Limit::of_service(text).is_err(), "{text}");
    }
    for heading in Heading::ALL {
        let text = format!("{}=1", heading.name());
        assert_eq!(
            Limit::of_service(&text).unwrap().of,
            Limited::Service(heading)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn budget_is_never_green_while_a_line_is_not_in_full(
        inventory in any_stack(), limit in 0_u32..1_000_000, allow in any::<bool>(),
    ) {
        let estimate = price(&inventory);
        let limit = Usd::new(limit.into());
        let nothing = price(&Inventory { resources: Vec::new(), ..inventory.clone() });
        let mut limits = vec![Limit::total(limit), Limit::increase(limit)];
        limits.push(Limit { of: Limited::Tag { key: "Team".to_owned(), value: "data".to_owned() }, usd: limit });
        limits.extend(Heading::ALL.map(|heading| Limit { of: Limited::Service(heading), usd: limit }));
        let policy = Policy { allow_lower_bound: allow, ..policy(&limits) };
        let budget = Budget::new(&estimate, &inventory, Some(&nothing), &policy);
        let in_full = estimate.lines.iter().all(|line| line.missing.is_none())
            && estimate.unpriced.is_empty() && estimate.problems.is_empty();
        prop_assert_eq!(in_full, !estimate.lower_bound);
        if !in_full && !allow {
            prop_assert_ne!(budget.verdict, Verdict::Within);
            prop_assert_ne!(budget.rows[0].verdict, Verdict::Within);
            prop_assert_ne!(budget.rows[1].verdict, Verdict::Within);
            prop_assert_ne!(budget.rows[2].verdict, Verdict::Within);
        }
        for row in &budget.rows {
            if row.verdict == Verdict::Within {
                prop_assert!(row.usd <= row.limit && (allow || !row.lower_bound));
            }
        }
        if allow && estimate.total.expected <= limit {
            prop_assert_eq!(budget.rows[0].verdict, Verdict::Within);
        }
    }
}
