//! The settings of an environment that stays where it was failed over to.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use jiff::civil::{Date, date};
use settings::{
    Committed, CommittedError, Encryption, Failback, NewDr, OutputsFile, ReplicaLocks, Settings,
    Source, StateDr,
};

const TODAY: Date = date(2026, 11, 30);

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
        .join("infra.toml");
    std::fs::read_to_string(path).unwrap()
}

fn to(region: &str, dr: Option<&str>) -> Committed {
    Committed {
        to: region.parse().unwrap(),
        dr: dr.map(|region| NewDr {
            region: region.parse().unwrap(),
            kms: None,
            topic: None,
        }),
        run: "20261130T031500Z-0123456789abcdef".to_owned(),
    }
}

fn rewrite(text: &str, to: &Committed) -> (String, Settings) {
    let (new, means) = to.rewrite(text.into(), TODAY).unwrap_or_else(|error| {
        panic!("{error}: {:?}", std::error::Error::source(&error));
    });
    // What is written is what it was said to mean.
    assert_eq!(
        Settings::parse_in_emergency(&new, TODAY).unwrap(),
        means,
        "{new}"
    );
    (new, means)
}

/// Lines that are comments.
fn comments(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines.collect()
}

#[test]
fn rewrite_with_a_new_dr_region_turns_everything_and_names_the_rest_after_the_region() {
    let text = example("berthcare-staging");
    let old = Settings::parse(&text, TODAY).unwrap();
    let (new, means) = rewrite(&text, &to("us-east-1", Some("ca-west-1")));
    assert_eq!(means.regions.primary.as_str(), "us-east-1");
    assert_eq!(means.regions.dr.as_str(), "ca-west-1");
    assert_eq!(means.unprotected, None);
    assert_eq!(means.state.bucket.as_str(), "berthcare-terraform-state-dr");
    let table = means.state.lock_table.as_ref().unwrap();
    assert_eq!(table.as_str(), "berthcare-terraform-locks-dr");
    let StateDr::Replicated(copy) = &means.state.dr else {
        panic!("no copy");
    };
    assert_eq!(copy.bucket.as_str(), "berthcare-terraform-state-ca-west-1");
    let locks = "berthcare-terraform-locks-ca-west-1".parse().unwrap();
    assert_eq!(copy.locks, ReplicaLocks::OwnTable(locks));
    assert_eq!(
        copy.role.as_str(),
        "S3TerraformStateReplicationRole-ca-west-1"
    );
    assert_eq!(copy.region.as_str(), "ca-west-1");
    for (bucket, before) in means.buckets.iter().zip(&old.buckets) {
        assert_eq!(bucket.name, before.dr);
        assert_eq!(bucket.dr.as_str(), format!("{}-ca-west-1", before.name));
    }
    let (database, before) = (&means.databases[0], &old.databases[0]);
    assert_eq!((&database.id, &database.dr_id), (&before.dr_id, &before.id));
    // Nobody knows yet what it gets there; what it was restored with is the way back.
    assert_eq!(database.restore, None);
    let failback = Failback {
        kms: None,
        restore: before.restore.clone(),
    };
    assert_eq!(database.failback, Some(failback));
    assert_eq!(means.failover.terraform, None);
    assert_eq!(means.failover.break_glass, old.failover.break_glass);
    assert_eq!(means.failback.terraform, old.failover.terraform);
    assert_eq!(means.failback.variables, old.failover.variables);
    assert!(means.failback.pilot_light.is_empty());
    // What decides where data may lie is as it was.
    assert_eq!(means.residency, old.residency);
    assert_eq!((&means.tags, means.objectives), (&old.tags, old.objectives));
    let kept = comments(&new);
    for comment in [
        "# Every field that exists is here. docs/settings.md has the rules of each.",
        "# Where the environment runs.",
        "# The IAM role that S3 replicates with.",
        "# The RDS instances, each with the identifier it is restored under in the DR region.",
        "# What a restored instance gets. AWS would choose Single-AZ and the default groups.",
    ] {
        assert!(kept.contains(&comment), "{comment}\n{new}");
    }
    assert!(new.starts_with(
        "# Since run 20261130T031500Z-0123456789abcdef the environment is in us-east-1 for good"
    ));
}

#[test]
fn rewrite_of_what_a_database_is_asked_names_the_bucket_that_serves() {
    let text = example("berthcare-staging").replace(
        "[databases.copies]\n",
        "[databases.integrity]\nlogin = \"app/database\"\nca = \"global-bundle.pem\"\n\
         [[databases.integrity.objects]]\n# Of everybody.\nbucket = \"berthcare-documents-staging\"\n\
         keys = \"SELECT object_key FROM documents\"\n[databases.copies]\n",
    );
    for dr in [None, Some("ca-west-1")] {
        let (new, means) = rewrite(&text, &to("us-east-1", dr));
        let integrity = means.databases[0].integrity.as_ref().unwrap();
        assert_eq!(integrity.objects[0].bucket, means.buckets[1].name);
        assert!(new.contains("# Of everybody."), "{new}");
    }
}

#[test]
fn rewrite_without_a_dr_region_changes_over_and_says_that_it_is_unprotected() {
    let text = example("berthcare-staging");
    let old = Settings::parse(&text, TODAY).unwrap();
    let (new, means) = rewrite(&text, &to("us-east-1", None));
    let why = means.unprotected.as_ref().unwrap();
    assert!(
        why.starts_with("it was committed to us-east-1 by run"),
        "{why}"
    );
    assert_eq!(means.regions.dr, old.regions.primary);
    // Records lie where the environment is.
    assert_eq!(means.journals_region().as_str(), "us-east-1");
    assert_eq!(
        means.journals().unwrap().as_str(),
        "berthcare-terraform-state-dr"
    );
    assert_eq!(means.databases[0], old.databases[0].turned().unwrap());
    assert_eq!(means.failover.terraform, old.failback.terraform);
    assert_eq!(means.failback.terraform, old.failover.terraform);
    let StateDr::Replicated(copy) = &means.state.dr else {
        panic!("no copy");
    };
    assert_eq!(copy.bucket, old.state.bucket);
    // A DR region afterwards: nothing changes over a second time.
    let (_, later) = rewrite(&new, &to("us-east-1", Some("ca-west-1")));
    let (_, at_once) = rewrite(&text, &to("us-east-1", Some("ca-west-1")));
    assert_eq!(later.unprotected, None);
    assert_eq!(later.regions, at_once.regions);
    assert_eq!(later.state, at_once.state);
    assert_eq!(later.buckets, at_once.buckets);
    assert_eq!(later.databases, at_once.databases);
    assert_eq!(later.failover, at_once.failover);
    assert_eq!(later.failback, at_once.failback);
}

#[test]
fn rewrite_of_every_notation_keeps_it() {
    let text = r#"# Short.
project = "berthcare" # what is built
environment = "staging"
journal_bucket = "bc-journals-dr"
regions = { primary = "ca-central-1", dr = "ca-west-1" } # both there
buckets = [{ name = "bc-photos", dr = "bc-photos-dr", owner = "111122223333" }]
databases = [{ id = "app", dr_id = "app-dr", restore = { multi_az = true, subnet_group = "dr", parameter_group = "dr-pg", security_groups = ["sg-00000001"] } }]
state.bucket = "bc-state"
state.key = "a.tfstate"
state.locking = ["s3"]
state.dr.bucket = "bc-state-dr"
state.dr.role = "replicate"
"#;
    let text = &text
        .replace("ca-west-1", "us-west-2")
        .replace("ca-central-1", "us-east-2");
    let (new, means) = rewrite(text, &to("us-west-2", Some("us-east-1")));
    assert!(
        new.contains("# what is built") && new.contains("# both there"),
        "{new}"
    );
    assert_eq!(means.journal_bucket, None);
    assert_eq!(means.journals().unwrap().as_str(), "bc-state-us-east-1");
    assert_eq!(means.buckets[0].owner, None);
    let failback = means.databases[0].failback.as_ref().unwrap();
    assert_eq!(
        failback.restore.as_ref().unwrap().subnet_group.as_ref(),
        "dr"
    );
    let (_, unprotected) = rewrite(text, &to("us-west-2", None));
    assert_eq!(unprotected.journals().unwrap().as_str(), "bc-journals-dr");
    assert_eq!(
        unprotected.buckets[0].dr_owner.as_ref().unwrap().as_str(),
        "111122223333"
    );
}

#[test]
fn rewrite_takes_along_what_terraform_said() {
    let text = r#"
project = "berthcare"
environment = "staging"
outputs = ["infra.dr.toml"]
[state]
bucket = "bc-state"
key = "a.tfstate"
locking = ["s3"]
[state.dr]
bucket = "bc-state-dr"
role = "replicate"
[[databases]]
id = "other"
dr_id = "other-dr"
[[databases]]
id = "app"
dr_id = "app-dr"
[databases.restore]
multi_az = true
"#;
    let outputs = [OutputsFile {
        name: "infra.dr.toml".to_owned(),
        text: r#"
[regions]
primary = "ca-central-1"
dr = "ca-west-1"
[failover]
marker_bucket = "bc-marker"
[[databases]]
id = "app"
kms = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
[databases.restore]
subnet_group = "dr"
parameter_group = "dr-pg"
security_groups = ["sg-00000001"]
"#
        .to_owned(),
    }];
    let source = Source {
        text,
        outputs: &outputs,
    };
    let old = source.parse(TODAY).unwrap();
    let (new, means) = to("ca-west-1", None).rewrite(source, TODAY).unwrap();
    assert!(!new.contains("infra.dr.toml"), "{new}");
    let failback = means.databases[1].failback.as_ref().unwrap();
    assert_eq!(failback.restore, old.databases[1].restore);
    assert_eq!(failback.kms, old.databases[1].kms);
    assert_eq!(means.failover.marker_bucket, None);
    let missing = to("ca-west-1", Some("us-east-1")).rewrite(source, TODAY);
    assert!(
        matches!(missing, Err(CommittedError::KeyMissing { .. })),
        "{missing:?}"
    );
}

#[test]
fn rewrite_takes_keys_and_topics_of_the_new_region() {
    let key = |region: &str| {
        format!("arn:aws:kms:{region}:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
    };
    let topic = |region: &str| format!("arn:aws:sns:{region}:111122223333:oncall");
    let text = example("berthcare-ca-west")
        .replace(
            "locking = [\"s3\"]",
            &format!("locking = [\"s3\"]\nencryption = {{ kms = \"{}\" }}", key("ca-central-1")),
        )
        .replace(
            "role = \"S3TerraformStateReplicationRole\"",
            &format!(
                "role = \"S3TerraformStateReplicationRole\"\nkms = \"{}\"\nalarms = {{ topic = \"{}\", dr_topic = \"{}\" }}",
                key("ca-west-1"),
                topic("ca-central-1"),
                topic("ca-west-1")
            ),
        )
        .replace(
            "[residency]\ncountries = [\"CA\"]",
            "[residency]\ncountries = [\"CA\", \"US\"]",
        );
    let mut wanted = to("ca-west-1", Some("us-east-1"));
    let missing = wanted.rewrite(text.as_str().into(), TODAY);
    assert!(
        matches!(missing, Err(CommittedError::KeyMissing { .. })),
        "{missing:?}"
    );
    let dr = wanted.dr.as_mut().unwrap();
    dr.kms = Some(key("us-east-1").parse().unwrap());
    dr.topic = Some(topic("us-east-1").parse().unwrap());
    let (_, means) = rewrite(&text, &wanted);
    let wanted_key = Encryption::Kms(key("ca-west-1").parse().unwrap());
    assert_eq!(means.state.encryption, wanted_key);
    let StateDr::Replicated(copy) = &means.state.dr else {
        panic!("no copy");
    };
    let alarms = copy.alarms.as_ref().unwrap();
    assert_eq!(alarms.topic.as_str(), topic("ca-west-1"));
    assert_eq!(alarms.dr_topic.as_str(), topic("us-east-1"));
    let (_, turned) = rewrite(&text, &to("ca-west-1", None));
    let StateDr::Replicated(copy) = &turned.state.dr else {
        panic!("no copy");
    };
    assert_eq!(
        copy.alarms.as_ref().unwrap().topic.as_str(),
        topic("ca-west-1")
    );
    let dr = wanted.dr.as_mut().unwrap();
    dr.topic = Some(topic("ca-west-1").parse().unwrap());
    let other = wanted.rewrite(text.as_str().into(), TODAY);
    assert!(
        matches!(other, Err(CommittedError::OtherRegion { .. })),
        "{other:?}"
    );
}

#[test]
fn rewrite_keeps_the_countries_in_which_data_may_lie() {
    // Without `countries` it is the country of the primary region, which is another one afterwards.
    let text = example("berthcare-staging").replace("countries = [\"CA\"]\n", "");
    let old = Settings::parse(&text, TODAY).unwrap();
    let (_, means) = rewrite(&text, &to("us-east-1", Some("ca-west-1")));
    assert_eq!(means.residency.countries, old.residency.countries);
    let refused = to("us-east-1", Some("us-west-2")).rewrite(text.as_str().into(), TODAY);
    assert!(
        matches!(refused, Err(CommittedError::Refused(_))),
        "{refused:?}"
    );
}

#[test]
fn rewrite_of_what_is_elsewhere_or_impossible_is_refused() {
    let text = example("berthcare-ca-west");
    let refused = |to: &Committed| to.rewrite(text.as_str().into(), TODAY).unwrap_err();
    let elsewhere = refused(&to("us-east-1", None));
    assert!(
        matches!(elsewhere, CommittedError::Elsewhere { .. }),
        "{elsewhere}"
    );
    let same = refused(&to("ca-west-1", Some("ca-west-1")));
    assert!(matches!(same, CommittedError::SameRegion(_)), "{same}");
    let left = refused(&to("ca-west-1", Some("ca-central-1")));
    assert!(matches!(left, CommittedError::Left(_)), "{left}");
    let long = text.replace(
        "berthcare-photos-staging\"",
        &format!("{}\"", "a".repeat(60)),
    );
    let long = to("ca-west-1", Some("us-east-1"))
        .rewrite(long.as_str().into(), TODAY)
        .unwrap_err();
    assert!(matches!(long, CommittedError::Name { .. }), "{long}");
}

#[test]
fn rewrite_leaves_out_resources_of_the_region_that_is_left_and_keeps_what_is_wanted() {
    let text = example("berthcare-staging");
    let text = text
        .replace("# vpc_id = ", "vpc_id = ")
        .replace("nat = \"per-zone\"", "nat = \"single\"");
    let old = Settings::parse(&text, TODAY).unwrap();
    assert!(!old.resources.is_empty());
    let (new, means) = rewrite(&text, &to("us-east-1", Some("ca-west-1")));
    assert!(means.resources.is_empty(), "{new}");
    assert_eq!(means.expect, old.expect);
}
