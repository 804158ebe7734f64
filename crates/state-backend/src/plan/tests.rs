use aws_env::{Call, Error};
use jiff::civil::date;
use proptest::prelude::*;
use report::Report as _;
use serde_json::json;
use settings::Settings;

use super::difference::Difference;
use super::*;
use crate::spec::{SideName, Spec};
use crate::wanted::wanted;

const EXAMPLE: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");

fn facets() -> Vec<Facet> {
    facets_of(EXAMPLE)
}

fn facets_of(config: &str) -> Vec<Facet> {
    let settings = Settings::parse(config, date(2026, 11, 22)).unwrap();
    wanted(&Spec::new(&settings, "000000000000"))
}

fn with_keys(config: &str, mode: &str, region: &str, dr: &str) -> String {
    let partition = region.parse::<settings::Region>().unwrap().partition();
    let key = |region: &str, id: char| {
        let id: String = "00000000-0000-0000-0000-000000000000".replace('0', &id.to_string());
        format!("arn:{partition}:kms:{region}:000000000000:key/{id}")
    };
    let encryption = format!("encryption = {{ {mode} = {:?} }}", key(region, '1'));
    let replica = format!("[state.dr]\nkms = {:?}", key(dr, '2'));
    config
        .replace("encryption = \"AES256\"", &encryption)
        .replace("[state.dr]", &replica)
}

fn judged(facets: &[Facet], kind: Kind, aspect: Aspect, found: &Found) -> Verdict {
    let mut facets = facets.iter();
    let facet = facets.find(|facet| facet.resource.kind == kind && facet.aspect == aspect);
    judge(facet.unwrap(), found)
}

#[test]
fn plan_leaves_a_bucket_key_as_it_is() {
    let facets = facets_of(&with_keys(EXAMPLE, "kms", "ca-central-1", "us-east-1"));
    let (key, aspect) = (
        "arn:aws:kms:ca-central-1:000000000000:key/11111111-1111-1111-1111-111111111111",
        Aspect::Encryption,
    );
    let found = Found::Value(json!({"algorithm": "aws:kms", "key": key, "bucketKey": true}));
    assert_eq!(judged(&facets, Kind::Bucket, aspect, &found), Verdict::Ok);
    let weaker = Found::Value(json!({"algorithm": "AES256"}));
    let verdict = judged(&facets, Kind::Bucket, aspect, &weaker);
    assert_eq!(verdict, Verdict::Differs);
    // The role may use the key for buckets with a Bucket Key and for those without.
    let role = facets
        .iter()
        .find(|facet| facet.aspect == Aspect::Permissions)
        .unwrap();
    let contexts = role.wanted.to_string();
    assert!(
        contexts.contains(
            r#"["arn:aws:s3:::berthcare-terraform-state","arn:aws:s3:::berthcare-terraform-state/*"]"#
        ),
        "{contexts}"
    );
}

#[test]
fn plan_of_two_layers_strengthens_one_and_weakens_none() {
    let of = |mode: &str| facets_of(&with_keys(EXAMPLE, mode, "ca-central-1", "us-east-1"));
    let found = |algorithm: &str| {
        let key = "arn:aws:kms:ca-central-1:000000000000:key/11111111-1111-1111-1111-111111111111";
        Found::Value(json!({"algorithm": algorithm, "key": key}))
    };
    let judge = |wanted: &str, algorithm: &str| {
        judged(
            &of(wanted),
            Kind::Bucket,
            Aspect::Encryption,
            &found(algorithm),
        )
    };
    assert_eq!(judge("dsse", "aws:kms:dsse"), Verdict::Ok);
    assert_eq!(judge("dsse", "aws:kms"), Verdict::Differs);
    assert!(matches!(
        judge("kms", "aws:kms:dsse"),
        Verdict::Refused(Refusal {
            kind: RefusalKind::Stricter,
            ..
        })
    ));
}

#[test]
fn plan_refuses_a_key_that_cannot_encrypt_and_never_makes_one() {
    let facets = facets_of(&with_keys(EXAMPLE, "kms", "ca-central-1", "us-east-1"));
    let judge = |found: &Found| judged(&facets, Kind::Key, Aspect::Exists, found);
    let key = |state: &str, spec: &str| {
        Found::Value(json!({"state": state, "usage": "ENCRYPT_DECRYPT", "spec": spec}))
    };
    assert_eq!(judge(&key("Enabled", "SYMMETRIC_DEFAULT")), Verdict::Ok);
    let unusable = [
        (Found::Absent, "there is no key"),
        (key("Disabled", "SYMMETRIC_DEFAULT"), "state=Disabled"),
        (
            key("PendingDeletion", "SYMMETRIC_DEFAULT"),
            "state=PendingDeletion",
        ),
        (key("Enabled", "RSA_2048"), "spec=RSA_2048"),
    ];
    for (found, why) in unusable {
        match judge(&found) {
            Verdict::Refused(refusal) => {
                assert_eq!(refusal.kind, RefusalKind::KeyNotUsable);
                assert!(refusal.why.contains(why), "{}", refusal.why);
            }
            other => panic!("{found:?}: {other:?}"),
        }
    }
}

#[test]
fn role_names_the_services_of_its_own_partition() {
    let partitions = [
        ("cn-north-1", "cn-northwest-1", "CN", "amazonaws.com.cn"),
        ("us-gov-west-1", "us-gov-east-1", "US", "amazonaws.com"),
    ];
    for (region, dr, country, suffix) in partitions {
        let exceptions = EXAMPLE.find("[[residency.exceptions]]").unwrap();
        let state = EXAMPLE.find("[state]").unwrap();
        let buckets = EXAMPLE.find("[[buckets]]").unwrap();
        let config = format!("{}{}", &EXAMPLE[..exceptions], &EXAMPLE[state..buckets])
            .replace("ca-central-1", region)
            .replace("us-east-1", dr)
            .replace("\"CA\"", &format!("{country:?}"));
        let facets = facets_of(&with_keys(&config, "kms", region, dr));
        let permissions = facets
            .iter()
            .find(|facet| facet.aspect == Aspect::Permissions)
            .unwrap();
        let policy = permissions.wanted.to_string();
        for region in [region, dr] {
            assert!(
                policy.contains(&format!("\"s3.{region}.{suffix}\"")),
                "{policy}"
            );
        }
    }
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
            33,
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
        let shown = Difference::between(&found, &wanted).to_string();
        let (left, right) = shown.split_once(" → ").unwrap();
        prop_assert_ne!(left, right, "{} and {}", found, wanted);
        prop_assert!(!left.is_empty() && !right.is_empty(), "{} and {}: {}", found, wanted, shown);
    }
}

#[test]
fn difference_names_what_is_there_beside_what_is_wanted() {
    let found = json!({"rule": {"status": "Enabled", "filter": "logs/"}});
    let wanted = json!({"rule": {"status": "Enabled"}});
    assert_eq!(
        Difference::between(&found, &wanted).to_string(),
        "rule(filter=logs/) → rule(nothing more)"
    );
}

/// What a setting is beside what it is to be, each time with both named, and without what is no difference.
#[test]
fn difference_of_a_setting_says_what_is_there_and_what_is_wanted() {
    let facets = facets_of(&with_keys(EXAMPLE, "kms", "ca-central-1", "us-east-1"));
    let of = |kind: Kind, aspect: Aspect, found: Value| {
        let mut facets = facets.iter();
        let facet = facets.find(|facet| facet.resource.kind == kind && facet.aspect == aspect);
        Difference::of(facet.unwrap(), &found).to_string()
    };
    let (bucket, key) = (
        Kind::Bucket,
        "arn:aws:kms:ca-central-1:000000000000:key/11111111",
    );
    let rows = [
        (bucket, Aspect::Tags, json!({}), "=none", "=berthcare"),
        (
            bucket,
            Aspect::NoncurrentExpiry,
            json!({"rule": null, "conflicting": []}),
            "none →",
            "noncurrentDays=90",
        ),
        (
            bucket,
            Aspect::ObjectLock,
            json!({"primary": true, "dr": false}),
            "off →",
            "on, as berthcare-terraform-state has it",
        ),
        (
            bucket,
            Aspect::Encryption,
            json!({"algorithm": "aws:kms"}),
            "key=none →",
            key,
        ),
        (
            bucket,
            Aspect::TlsOnly,
            json!({"Statement": []}),
            "none →",
            "DenyInsecureTransport",
        ),
        (
            Kind::Table,
            Aspect::Exists,
            json!({"key": ["LockID HASH S"], "status": "UPDATING"}),
            "status=UPDATING →",
            "status=ACTIVE",
        ),
        (
            Kind::Role,
            Aspect::Permissions,
            json!({"Statement": []}),
            "none →",
            "ReadConfiguration, ReadVersions, WriteReplicas",
        ),
    ];
    for (kind, aspect, found, left, right) in rows {
        let shown = of(kind, aspect, found);
        assert!(
            shown.contains(left) && shown.contains(right),
            "{aspect}: {shown}"
        );
    }
    // Rules of others stay, and are no difference.
    let found = json!({"role": "arn:aws:iam::000000000000:role/S3TerraformStateReplicationRole", "rule": null,
        "others": ["audit"]});
    let shown = of(bucket, Aspect::Replication, found);
    assert!(shown.starts_with("rule=none → rule="), "{shown}");
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

/// A first plan has a row for each of the settings, and each fits on a line.
#[test]
fn document_of_a_first_plan_has_short_rows_that_say_what_is_made() {
    let observed = facets().into_iter().map(|facet| Observed {
        found: Found::Absent,
        facet,
    });
    let text = Plan::new(observed.collect())
        .document()
        .to_terminal(None, false);
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest < Some(250), "{text}");
    for part in [
        "blockPublicAcls ignorePublicAcls",
        "noncurrentDays=90",
        "destination=berthcare-terraform-state-dr",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(
        !text.contains("=false") && !text.contains("prefix= "),
        "{text}"
    );
}

fn global_table() -> String {
    EXAMPLE
        .replace("strategy = \"replication\"", "strategy = \"global-table\"")
        .replace("lock_table = \"berthcare-terraform-locks-dr\"\n", "")
}

#[test]
fn a_table_of_its_own_where_a_replica_is_wanted_is_refused_with_the_steps() {
    let facets = facets_of(&global_table());
    let dr = facets
        .iter()
        .find(|facet| facet.resource.side == SideName::Dr && facet.resource.kind == Kind::Table);
    let dr = dr.unwrap();
    let judge = |found: Value| judge(dr, &Found::Value(found));
    let key = json!(["LockID HASH S"]);
    let replica = json!({"key": key, "replicas": ["ca-central-1"]});
    assert_eq!(judge(replica), Verdict::Ok);
    let being_made = json!({"key": key, "status": "CREATING"});
    assert_eq!(judge(being_made), Verdict::Differs);
    let Verdict::Refused(refusal) = judge(json!({"key": key})) else {
        panic!("not refused")
    };
    assert_eq!(refusal.kind, RefusalKind::InTheWay);
    for step in [
        "update-table --region us-east-1 --table-name berthcare-terraform-locks --no-deletion-protection-enabled",
        "delete-table --region us-east-1 --table-name berthcare-terraform-locks",
    ] {
        assert!(refusal.fix.contains(step), "{}", refusal.fix);
    }
}

#[test]
fn a_replica_where_a_table_of_its_own_is_wanted_is_refused_and_one_beside_it_told() {
    let facets = facets();
    let of = |side: SideName| {
        let mut tables = facets.iter();
        let table =
            tables.find(|facet| facet.resource.side == side && facet.resource.kind == Kind::Table);
        table.unwrap().clone()
    };
    let found = Found::Value(json!({"key": ["LockID HASH S"], "replicas": ["ca-central-1"]}));
    let Verdict::Refused(refusal) = judge(&of(SideName::Dr), &found) else {
        panic!("not refused")
    };
    assert!(
        refusal
            .fix
            .contains("--region ca-central-1 --table-name berthcare-terraform-locks-dr"),
        "{}",
        refusal.fix
    );
    let found = Found::Value(json!({"key": ["LockID HASH S"], "replicas": ["us-east-1"]}));
    let facet = of(SideName::Primary);
    let plan = Plan::new(vec![Observed { facet, found }]);
    assert_eq!(plan.pending().count() + plan.refused().count(), 0);
    let text = plan.document().to_terminal(None, false);
    assert!(
        text.contains("is replicated to other regions still"),
        "{text}"
    );
}

#[test]
fn object_lock_of_the_dr_bucket_follows_that_of_the_primary_one() {
    let judge = |primary: bool, dr: bool| {
        verdict(
            Aspect::ObjectLock,
            Kind::Bucket,
            json!({"primary": primary, "dr": dr}),
        )
    };
    assert_eq!(judge(true, false), Verdict::Differs);
    for fine in [(true, true), (false, false), (false, true)] {
        assert_eq!(judge(fine.0, fine.1), Verdict::Ok);
    }
}
