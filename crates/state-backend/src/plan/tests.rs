use aws_env::{Call, Error};
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::json;
use settings::Settings;

use super::*;
use crate::spec::Spec;
use crate::wanted::wanted;

fn facets() -> Vec<Facet> {
    let example = include_str!("../../../../examples/berthcare-staging/infra.toml");
    let settings = Settings::parse(example, date(2026, 11, 22)).unwrap();
    wanted(&Spec::new(&settings, "000000000000"))
}

fn unknown(facet: &Facet) -> Found {
    let call = Call {
        region: facet.resource.region,
        service: "S3",
        operation: "Get",
        resource: "x".into(),
    };
    Found::Unknown(Error::unexpected(call, "no answer").into())
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    AsWanted,
    Otherwise,
    Absent,
    Unknown,
}

fn found(facet: &Facet, seen: Seen) -> Found {
    match seen {
        Seen::AsWanted => {
            let value = match facet.aspect {
                // What is wanted is one statement; what AWS has is a policy.
                Aspect::TlsOnly => json!({"Version": "2012-10-17", "Statement": [facet.wanted]}),
                _ => facet.wanted.clone(),
            };
            Found::Value(value)
        }
        Seen::Otherwise => Found::Value(json!({"other": true})),
        Seen::Absent => Found::Absent,
        Seen::Unknown => unknown(facet),
    }
}

proptest! {
    /// Whatever is seen: a facet is ok only when it was read and is as wanted.
    #[test]
    fn only_what_was_read_and_is_as_wanted_is_ok(
        seen in proptest::collection::vec(
            prop_oneof![Just(Seen::AsWanted), Just(Seen::Otherwise), Just(Seen::Absent), Just(Seen::Unknown)],
            32,
        )
    ) {
        let facets = facets();
        prop_assert_eq!(facets.len(), seen.len());
        let observed = facets
            .into_iter()
            .zip(&seen)
            .map(|(facet, seen)| Observed { found: found(&facet, *seen), facet })
            .collect();
        let plan = Plan::new(observed);
        for (item, seen) in plan.items().iter().zip(&seen) {
            match seen {
                Seen::AsWanted => prop_assert_eq!(&item.verdict, &Verdict::Ok),
                Seen::Unknown => prop_assert_eq!(&item.verdict, &Verdict::Unknown),
                Seen::Absent => prop_assert_eq!(&item.verdict, &Verdict::Missing),
                Seen::Otherwise => prop_assert_ne!(&item.verdict, &Verdict::Ok),
            }
        }
        let counted = plan.pending().count() + plan.refused().count() + plan.unknown().count();
        let ok = seen.iter().filter(|seen| matches!(seen, Seen::AsWanted)).count();
        prop_assert_eq!(counted + ok, plan.items().len());
        let (fine, wrong, unread) = plan.into_verification().counts();
        prop_assert_eq!((fine, wrong + unread), (ok, counted));
    }
}

/// JSON as AWS's answers and our wishes have it: small, nested, with keys in common.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3_i32).prop_map(Value::from),
        "[0-2]?".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[a-c]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn difference_of_two_values_shows_one(found in value(), wanted in value()) {
        prop_assume!(found != wanted);
        let (left, right) = difference(&found, &wanted);
        prop_assert_ne!(&left, &right, "{} and {}", found, wanted);
    }
}

#[test]
fn difference_names_what_is_there_beside_what_is_wanted() {
    let found = json!({"rule": {"status": "Enabled", "filter": "logs/"}});
    let wanted = json!({"rule": {"status": "Enabled"}});
    let (left, right) = difference(&found, &wanted);
    assert_eq!(
        (left.as_str(), right.as_str()),
        ("rule=filter=logs/", "rule=nothing more")
    );
}

#[test]
fn plan_shows_no_secret_of_the_policies_and_tags_of_others() {
    let facets = facets();
    let observed = |aspect: Aspect, found: Value| {
        let facet = facets.iter().find(|facet| facet.aspect == aspect).unwrap();
        Observed {
            facet: facet.clone(),
            found: Found::Value(found),
        }
    };
    let theirs = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*",
        "Condition": {
            "StringEquals": {"aws:Referer": ["hunter2"], "aws:SourceVpc": "vpc-1"},
            "StringLike": {"AWS:UserAgent": "hunter2", "sts:ExternalId": "hunter2"},
        },
    }]});
    let tags = json!({"Environment": "production", "Password": "hunter2"});
    let plan = Plan::new(vec![
        observed(Aspect::TlsOnly, theirs),
        observed(Aspect::Tags, tags),
    ]);
    let json = serde_json::to_string(&plan).unwrap();
    let text = plan.document().to_terminal(None, false);
    assert!(
        !json.contains("hunter2") && !text.contains("hunter2"),
        "{json}\n{text}"
    );
    assert!(
        json.contains("vpc-1") && json.contains("production"),
        "{json}"
    );
}

fn verdict(aspect: Aspect, kind: Kind, found: Value) -> Verdict {
    let facet = facets()
        .into_iter()
        .find(|f| f.aspect == aspect && f.resource.kind == kind)
        .unwrap();
    judge(&facet, &Found::Value(found))
}

fn refusal(aspect: Aspect, kind: Kind, found: Value) -> RefusalKind {
    match verdict(aspect, kind, found) {
        Verdict::Refused(refusal) => refusal.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_would_weaken_or_delete_is_refused() {
    use RefusalKind::*;
    let stricter =
        json!({"algorithm": "aws:kms", "key": "arn:aws:kms:ca-central-1:000000000000:key/1"});
    assert_eq!(
        refusal(Aspect::Encryption, Kind::Bucket, stricter),
        Stricter
    );
    let early = json!({"rule": null, "conflicting": ["after-7-days"]});
    assert_eq!(
        refusal(Aspect::NoncurrentExpiry, Kind::Bucket, early),
        InTheWay
    );
    let others =
        json!({"role": "arn:aws:iam::000000000000:role/other", "rule": null, "others": ["theirs"]});
    assert_eq!(refusal(Aspect::Replication, Kind::Bucket, others), InTheWay);
    let arn = "arn:aws:iam::000000000000:role/S3TerraformStateReplicationRole";
    let assumed = json!({"arn": arn, "trust": {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": ["s3.amazonaws.com", "ec2.amazonaws.com"]}}]}});
    assert_eq!(refusal(Aspect::Exists, Kind::Role, assumed), InTheWay);
}

#[test]
fn the_guides_own_role_and_rule_are_brought_up_to_what_is_wanted() {
    let arn = "arn:aws:iam::000000000000:role/S3TerraformStateReplicationRole";
    let guide = json!({"arn": arn, "trust": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}});
    assert_eq!(verdict(Aspect::Exists, Kind::Role, guide), Verdict::Differs);
    let rule = json!({"role": "arn:aws:iam::000000000000:role/S3TerraformStateReplicationRole", "others": [],
        "rule": {"id": "Rule-1", "status": "Enabled"}});
    assert_eq!(
        verdict(Aspect::Replication, Kind::Bucket, rule),
        Verdict::Differs
    );
}

#[test]
fn a_table_that_is_being_changed_is_not_ok() {
    let updating = json!({"key": ["LockID HASH S"], "status": "UPDATING"});
    assert_eq!(
        verdict(Aspect::Exists, Kind::Table, updating),
        Verdict::Differs
    );
}
