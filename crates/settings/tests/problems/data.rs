//! Buckets, databases, objectives and tags.

use settings::{ErrorKind, RestoreOptions};

use crate::{BASE, DR_KEY, PRIMARY_KEY, accepted, problem, refused, with};

#[test]
fn a_bucket_name_is_used_once_in_the_whole_file() {
    let pair = |name: &str, dr: &str| format!("[[buckets]]\nname = \"{name}\"\ndr = \"{dr}\"\n");
    assert_eq!(
        accepted(&format!(
            "{BASE}{}{}",
            pair("aaa", "bbb"),
            pair("ccc", "ddd")
        ))
        .buckets
        .len(),
        2
    );
    let state_twice = with(&[("\"state-dr\"", "\"state\"")]);
    refused(
        &state_twice,
        ErrorKind::Conflict,
        "state.dr.bucket",
        13,
        "state is used already as state.bucket",
    );
    for (pairs, path, first) in [
        (pair("aaa", "aaa"), "buckets[0].dr", "buckets[0].name"),
        (
            pair("aaa", "bbb") + &pair("aaa", "ccc"),
            "buckets[1].name",
            "buckets[0].name",
        ),
        (
            pair("aaa", "bbb") + &pair("ccc", "bbb"),
            "buckets[1].dr",
            "buckets[0].dr",
        ),
        (
            pair("aaa", "bbb") + &pair("bbb", "ccc"),
            "buckets[1].name",
            "buckets[0].dr",
        ),
        (pair("state", "bbb"), "buckets[0].name", "state.bucket"),
        (pair("aaa", "state-dr"), "buckets[0].dr", "state.dr.bucket"),
    ] {
        let problem = problem(&format!("{BASE}{pairs}"));
        assert_eq!(
            (problem.kind, problem.path.as_str()),
            (ErrorKind::Conflict, path),
            "{problem}"
        );
        assert!(
            problem
                .to_string()
                .contains(&format!("is used already as {first}")),
            "{problem}"
        );
    }
}

#[test]
fn a_database_identifier_is_used_once_in_a_region() {
    let pair =
        |id: &str, dr_id: &str| format!("[[databases]]\nid = \"{id}\"\ndr_id = \"{dr_id}\"\n");
    assert_eq!(
        accepted(&format!("{BASE}{}{}", pair("a", "a"), pair("b", "c")))
            .databases
            .len(),
        2
    );
    for (pairs, path) in [
        (pair("a", "b") + &pair("A", "c"), "databases[1].id"),
        (pair("a", "b") + &pair("c", "b"), "databases[1].dr_id"),
    ] {
        let problem = problem(&format!("{BASE}{pairs}"));
        assert_eq!(
            (problem.kind, problem.path.as_str()),
            (ErrorKind::Conflict, path),
            "{problem}"
        );
    }
}

#[test]
fn objectives_are_positive_lengths_of_time() {
    let rto = |value: &str| format!("{BASE}[objectives]\nrto = {value}\n");
    for (value, seconds) in [
        ("\"15m\"", 900),
        ("\"1h 30m\"", 5400),
        ("\"24h\"", 86_400),
        ("\"90 seconds\"", 90),
        ("\"1d\"", 86_400),
    ] {
        assert_eq!(
            accepted(&rto(value)).objectives.rto.as_secs(),
            seconds,
            "{value}"
        );
    }
    for (value, part) in [
        ("\"soon\"", "not a length of time"),
        ("\"1mo\"", "not a length of time"),
        ("\"\"", "not a length of time"),
        ("\"45\"", "not a length of time"),
        ("\"0s\"", "not more than zero"),
        ("\"-5m\"", "less than nothing"),
        ("45", "must be a string"),
    ] {
        refused(&rto(value), ErrorKind::Invalid, "objectives.rto", 17, part);
    }
}

#[test]
fn tags_follow_the_rules_of_aws() {
    let tags = |tags: &str| format!("{BASE}[tags]\n{tags}");
    let settings = accepted(&tags(
        "Owner = \"platform team\"\n\"cost:centre\" = \"\"\nenvironment = \"other\"\n\"équipe\" = \"a+b=c@d\"",
    ));
    let found: Vec<_> = settings.tags.iter().collect();
    assert_eq!(
        found,
        [
            ("Owner", "platform team"),
            ("Project", "berthcare"),
            ("cost:centre", ""),
            ("environment", "other"),
            ("équipe", "a+b=c@d"),
        ]
    );
    let long_key = "k".repeat(129);
    let long_value = "v".repeat(257);
    for (line, part) in [
        (format!("{long_key} = \"\""), "use 1 to 128 characters"),
        ("\"\" = \"\"".to_owned(), "use 1 to 128 characters"),
        (
            format!("a = \"{long_value}\""),
            "use at most 256 characters",
        ),
        ("\"AWS:x\" = \"\"".to_owned(), "\"aws:\""),
        (
            "\"a&b\" = \"\"".to_owned(),
            "the key holds the character '&'",
        ),
        (
            "a = \"b\\nc\"".to_owned(),
            "the value holds the character '\\n'",
        ),
        ("a = 1".to_owned(), "must be a string"),
    ] {
        let problem = problem(&tags(&line));
        assert_eq!(problem.kind, ErrorKind::Invalid, "{problem}");
        assert!(problem.to_string().contains(part), "{problem}");
    }
    accepted(&tags(&format!(
        "{} = \"{}\"",
        "k".repeat(128),
        "v".repeat(256)
    )));
    let problem = problem(&tags("Owner = \"a\"\nowner = \"b\""));
    assert_eq!(
        (problem.kind, problem.path.as_str()),
        (ErrorKind::Conflict, "tags.owner")
    );
}

#[test]
fn at_most_50_tags_with_those_that_are_added() {
    let tags = |count: usize| {
        let lines: String = (0..count).map(|n| format!("t{n} = \"\"\n")).collect();
        format!("{BASE}[tags]\n{lines}")
    };
    assert_eq!(accepted(&tags(48)).tags.len(), 50);
    refused(&tags(49), ErrorKind::Invalid, "tags", 16, "limit of 50");
    assert_eq!(
        accepted(&(tags(48) + "project = \"x\"\nEnvironment = \"y\""))
            .tags
            .len(),
        50
    );
}

#[test]
fn what_becomes_of_a_database_in_the_dr_region() {
    let database = |more: &str| format!("{BASE}[[databases]]\nid = \"a\"\ndr_id = \"b\"\n{more}\n");
    let plain = &accepted(&database("")).databases[0];
    assert_eq!(
        (
            plain.retention_days,
            plain.copies.keep_last,
            plain.copies.keep_days
        ),
        (7, 7, 7)
    );
    assert!(plain.kms.is_none() && plain.restore.is_none());
    let full = "[databases.restore]\nmulti_az = false\nsubnet_group = \"s\"\nparameter_group = \"p\"\nsecurity_groups = [\"sg-0a1b2c3d\"]";
    let settings = accepted(&database(&format!(
        "kms = {DR_KEY:?}\nretention_days = 35\n{full}"
    )));
    let database_read = &settings.databases[0];
    assert_eq!(database_read.kms.as_ref().unwrap().as_str(), DR_KEY);
    assert!(!database_read.restore.as_ref().unwrap().multi_az);
    let options = &database_read.restore.as_ref().unwrap().options;
    assert_eq!(*options, RestoreOptions::default());
    let more = "managed_password = true\ndeletion_protection = false\nlog_exports = [\"upgrade\", \"postgresql\", \"upgrade\"]\n\
                iam_authentication = true\ncopy_tags = true\ninsights_days = 62\nmax_storage_gb = 100";
    let settings = accepted(&database(&format!("{full}\n{more}")));
    let options = &settings.databases[0].restore.as_ref().unwrap().options;
    let expected = RestoreOptions {
        managed_password: Some(true),
        deletion_protection: Some(false),
        log_exports: Some(vec!["postgresql".to_owned(), "upgrade".to_owned()]),
        iam_authentication: Some(true),
        copy_tags: Some(true),
        insights_days: Some(62),
        max_storage_gb: Some(100),
    };
    assert_eq!(*options, expected);
    for (more, field, part) in [
        (
            "managed_password = false",
            "managed_password",
            "leave it out",
        ),
        (
            "deletion_protection = 1",
            "deletion_protection",
            "true or false",
        ),
        (
            "log_exports = [\"Postgres QL\"]",
            "log_exports[0]",
            "name of a log",
        ),
        ("insights_days = 30", "insights_days", "31 times"),
        ("insights_days = 730", "insights_days", "31 times"),
        ("max_storage_gb = 19", "max_storage_gb", "from 20"),
    ] {
        let problem = problem(&database(&format!("{full}\n{more}")));
        assert_eq!(problem.path, format!("databases[0].restore.{field}"));
        assert!(problem.to_string().contains(part), "{problem}");
    }
    for (more, path, part) in [
        (
            "retention_days = 0",
            "databases[0].retention_days",
            "from 1 to 35",
        ),
        (
            "retention_days = 36",
            "databases[0].retention_days",
            "from 1 to 35",
        ),
        (
            "copies = { keep_last = 0 }",
            "databases[0].copies.keep_last",
            "from 1 to 100",
        ),
        (
            "copies = { keep_days = -1 }",
            "databases[0].copies.keep_days",
            "from 0 to 3650",
        ),
        ("kms = \"alias/aws/rds\"", "databases[0].kms", "six parts"),
        (
            &full.replace("false", "1"),
            "databases[0].restore.multi_az",
            "true or false",
        ),
        (
            &full.replace("\"sg-0a1b2c3d\"", ""),
            "databases[0].restore.security_groups",
            "1 to 16",
        ),
        (
            &full.replace("sg-0a1b2c3d", "sg-x"),
            "databases[0].restore.security_groups[0]",
            "hexadecimal",
        ),
    ] {
        let problem = problem(&database(more));
        assert_eq!(problem.path, path, "{problem}");
        assert!(problem.to_string().contains(part), "{problem}");
    }
    // The way back has the other region's key and groups, and leads forth again.
    assert!(plain.turned().is_none());
    let back = full.replace("databases.restore", "databases.failback.restore");
    let back = back.replace("\"s\"", "\"back\"");
    let text =
        format!("kms = {DR_KEY:?}\n{full}\n[databases.failback]\nkms = {PRIMARY_KEY:?}\n{back}");
    let forth = accepted(&database(&text)).databases[0].clone();
    let turned = forth.turned().unwrap();
    assert_eq!((turned.id.as_str(), turned.dr_id.as_str()), ("b", "a"));
    assert_eq!(turned.kms.as_ref().unwrap().as_str(), PRIMARY_KEY);
    let group = &turned.restore.as_ref().unwrap().subnet_group;
    assert_eq!(group.as_str(), "back");
    assert_eq!(turned.turned().unwrap(), forth);
    let wrong = problem(&database(&format!(
        "[databases.failback]\nkms = {DR_KEY:?}"
    )));
    assert_eq!(wrong.path, "databases[0].failback.kms", "{wrong}");
    assert!(
        wrong.to_string().contains("the primary region is"),
        "{wrong}"
    );
    // aws-behaviour: 28
    let elsewhere = problem(&database(&format!("kms = {PRIMARY_KEY:?}")));
    assert_eq!(elsewhere.kind, ErrorKind::Conflict, "{elsewhere}");
    assert!(
        elsewhere.to_string().contains("name a key in ca-west-1"),
        "{elsewhere}"
    );
    let twice = full.replace("\"sg-0a1b2c3d\"", "\"sg-0a1b2c3d\", \"sg-0a1b2c3d\"");
    assert_eq!(problem(&database(&twice)).kind, ErrorKind::Conflict);
    let missing = full.replace("multi_az = false\n", "");
    assert_eq!(problem(&database(&missing)).kind, ErrorKind::Missing);
}

#[test]
fn a_bucket_is_public_by_a_reason_alone() {
    let bucket = |reason: &str| {
        format!("{BASE}[[buckets]]\nname = \"aaa\"\ndr = \"bbb\"\npublic_read = {reason}\n")
    };
    let read = accepted(&bucket("\"Leaflets  for everybody\""));
    assert_eq!(
        read.buckets[0].public_read.as_deref(),
        Some("Leaflets for everybody")
    );
    for wrong in ["\"\"", "\"   \"", "\"yes\"", "\"because so\"", "true", "[]"] {
        let problem = problem(&bucket(wrong));
        assert_eq!(problem.path, "buckets[0].public_read", "{wrong}");
    }
}

#[test]
fn a_bucket_with_data_gets_no_marker_of_a_failover() {
    let bucket = "[[buckets]]\nname = \"aaa\"\ndr = \"bbb\"\n";
    for taken in ["aaa", "bbb"] {
        let marker = format!("{BASE}{bucket}[failover]\nmarker_bucket = \"{taken}\"\n");
        let problem = problem(&marker);
        assert_eq!(problem.path, "failover.marker_bucket");
        assert_eq!(problem.kind, ErrorKind::Conflict);
    }
    let own = format!("{BASE}{bucket}[failover]\nmarker_bucket = \"ccc\"\n");
    let read = accepted(&own);
    assert_eq!(read.failover.marker_bucket.unwrap().as_str(), "ccc");
}
