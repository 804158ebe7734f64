use aws_sdk_s3::types::{LifecycleRuleAndOperator, Tag};
use jiff::civil::date;
use settings::Settings;

use super::*;
use crate::RULE_ID;

fn spec() -> Spec {
    let example = include_str!("../../../../../examples/berthcare-staging/infra.toml");
    let settings = Settings::parse(example, date(2026, 11, 22)).unwrap();
    Spec::new(&settings, "000000000000")
}

fn expiring(days: i32, filter: LifecycleRuleFilter) -> LifecycleRule {
    LifecycleRule::builder()
        .id("theirs")
        .status(ExpirationStatus::Enabled)
        .filter(filter)
        .expiration(LifecycleExpiration::builder().days(days).build())
        .build()
        .unwrap()
}

fn tag() -> Tag {
    Tag::builder().key("class").value("log").build().unwrap()
}

#[test]
fn rule_for_a_tag_endangers_no_state() {
    let spec = spec();
    let filter = LifecycleRuleFilter::builder();
    let and = LifecycleRuleAndOperator::builder().prefix("").tags(tag());
    let tagged = [
        filter.clone().tag(tag()).build(),
        filter.clone().and(and.build()).build(),
    ];
    for filter in tagged {
        assert!(!is_dangerous(&expiring(7, filter), &spec));
    }
    let sizes = LifecycleRuleAndOperator::builder().object_size_greater_than(1);
    let others = [
        filter.clone().prefix("").build(),
        filter.clone().object_size_greater_than(1).build(),
        filter.and(sizes.build()).build(),
    ];
    for filter in others {
        assert!(
            is_dangerous(&expiring(7, filter.clone()), &spec),
            "{filter:?}"
        );
    }
}

#[test]
fn prefix_covers_the_state_and_its_workspaces() {
    let spec = spec();
    for prefix in [
        "",
        "stag",
        "staging/terraform.tfstate",
        "env",
        "env:/",
        "env:/prod/",
    ] {
        assert!(covers_state(prefix, &spec), "{prefix:?}");
    }
    for prefix in ["prod/", "logs/", "staging/other", "environments/"] {
        assert!(!covers_state(prefix, &spec), "{prefix:?}");
    }
}

/// S3 refuses a configuration in which both versions of rules are.
#[test]
fn rules_of_the_first_version_become_ones_of_the_second_with_the_same_meaning() {
    let spec = spec();
    let dr = spec.dr.as_ref().unwrap();
    let to = |bucket: &str| {
        let arn = format!("arn:aws:s3:::{bucket}");
        Destination::builder().bucket(arn).build().unwrap()
    };
    let rule = |id: &str| {
        ReplicationRule::builder()
            .id(id)
            .status(ReplicationRuleStatus::Enabled)
            .destination(to("theirs"))
    };
    #[expect(deprecated, reason = "the first version")]
    let first = [
        rule("logs").prefix("logs/").build().unwrap(),
        rule("all").prefix("").build().unwrap(),
    ];
    let rules = with_our_rule(first.to_vec(), &spec, dr);
    let shown: Vec<_> = rules
        .iter()
        .map(|rule| {
            let filter = rule.filter().and_then(ReplicationRuleFilter::prefix);
            let markers = rule.delete_marker_replication().and_then(|of| of.status());
            (
                rule.id(),
                filter,
                rule.priority(),
                markers.map(|of| of.as_str()),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Some("logs"), Some("logs/"), Some(1), Some("Enabled")),
            (Some("all"), Some(""), Some(2), Some("Enabled")),
            (Some(RULE_ID), Some(""), Some(3), Some("Enabled")),
        ]
    );
    // One of the second version stays as it is, with what it says of delete markers.
    let second = rule("second")
        .priority(7)
        .filter(ReplicationRuleFilter::builder().prefix("x/").build())
        .build()
        .unwrap();
    let rules = with_our_rule(vec![second.clone()], &spec, dr);
    assert_eq!(rules.first(), Some(&second));
    assert_eq!(rules.get(1).and_then(ReplicationRule::priority), Some(8));
}
