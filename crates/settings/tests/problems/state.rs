//! The state backend: which values go together.

use settings::{Encryption, ErrorKind, ReplicaLocks, RoleName, StateDr};

use crate::{BASE, DR_KEY, PRIMARY_KEY, accepted, parse, problem, refused, with};

#[test]
fn locking_is_by_at_least_one_way_and_a_table_goes_with_dynamodb() {
    refused(
        &with(&[("[\"dynamodb\"]", "[]")]),
        ErrorKind::Invalid,
        "state.locking",
        10,
        "not be locked at all",
    );
    refused(
        &with(&[("[\"dynamodb\"]", "[\"redis\"]")]),
        ErrorKind::Invalid,
        "state.locking[0]",
        10,
        "write \"dynamodb\" or \"s3\"",
    );
    refused(
        &with(&[("lock_table = \"locks\"\n", "")]),
        ErrorKind::Conflict,
        "state.locking",
        9,
        "needs a lock table",
    );
    let s3 = with(&[
        ("[\"dynamodb\"]", "[\"s3\"]"),
        ("lock_table = \"locks-dr\"\n", ""),
    ]);
    refused(
        &s3,
        ErrorKind::Conflict,
        "state.lock_table",
        8,
        "locking does not use it",
    );
    let s3 = with(&[
        ("[\"dynamodb\"]", "[\"s3\"]"),
        ("lock_table = \"locks\"\n", ""),
    ]);
    refused(
        &s3,
        ErrorKind::Conflict,
        "state.dr.lock_table",
        13,
        "locking does not use it",
    );
    let s3 = s3.replace("lock_table = \"locks-dr\"\n", "");
    let StateDr::Replicated(replica) = accepted(&s3).state.dr else {
        panic!("no replica")
    };
    assert_eq!(replica.locks, ReplicaLocks::None);
    let none = with(&[("lock_table = \"locks-dr\"\n", "")]);
    refused(
        &none,
        ErrorKind::Conflict,
        "state.dr",
        12,
        "no lock table for the DR region",
    );
    let bad = with(&[("\"locks\"", "\"l\"")]);
    refused(&bad, ErrorKind::Invalid, "state.lock_table", 8, "3 to 255");
}

#[test]
fn a_global_table_has_one_name_and_needs_dynamodb() {
    let global = "[state.dr]\nstrategy = \"global-table\"";
    for dr_table in ["", "lock_table = \"locks\"\n"] {
        let text = with(&[
            ("[state.dr]", global),
            ("lock_table = \"locks-dr\"\n", dr_table),
        ]);
        let StateDr::Replicated(replica) = accepted(&text).state.dr else {
            panic!("no replica")
        };
        assert_eq!(replica.locks, ReplicaLocks::GlobalTable);
    }
    refused(
        &with(&[("[state.dr]", global)]),
        ErrorKind::Conflict,
        "state.dr.lock_table",
        15,
        "one name in every region",
    );
    let s3 = with(&[
        ("[state.dr]", global),
        ("[\"dynamodb\"]", "[\"s3\"]"),
        ("lock_table = \"locks\"\n", ""),
        ("lock_table = \"locks-dr\"\n", ""),
    ]);
    refused(
        &s3,
        ErrorKind::Conflict,
        "state.dr",
        11,
        "needs a DynamoDB lock table",
    );
}

#[test]
fn without_a_copy_nothing_of_it_may_be_named() {
    let (head, _) = BASE.split_once("[state.dr]").unwrap();
    assert_eq!(accepted(head).state.dr, StateDr::None);
    assert_eq!(
        accepted(&format!("{head}[state.dr]\nstrategy = \"none\"\n"))
            .state
            .dr,
        StateDr::None
    );
    let errors = parse(&with(&[("[state.dr]", "[state.dr]\nstrategy = \"none\"")])).unwrap_err();
    let paths: Vec<_> = errors.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        ["state.dr.bucket", "state.dr.lock_table", "state.dr.role"]
    );
    refused(
        &with(&[("[state.dr]", "[state.dr]\nstrategy = \"copy\"")]),
        ErrorKind::Invalid,
        "state.dr.strategy",
        13,
        "write \"replication\" or \"global-table\" or \"none\"",
    );
}

#[test]
fn kms_keys_lie_in_the_region_that_uses_them() {
    let encryption = format!("{{ kms = {PRIMARY_KEY:?} }}");
    let dr = |key: &str| format!("[state.dr]\nkms = {key:?}");
    let both = with(&[("\"AES256\"", &encryption), ("[state.dr]", &dr(DR_KEY))]);
    let state = accepted(&both).state;
    assert_eq!(
        state.encryption,
        Encryption::Kms(PRIMARY_KEY.parse().unwrap())
    );
    let StateDr::Replicated(replica) = state.dr else {
        panic!("no replica")
    };
    assert_eq!(replica.encryption, Encryption::Kms(DR_KEY.parse().unwrap()));

    let twice = format!("{{ dsse = {PRIMARY_KEY:?} }}");
    let both = with(&[("\"AES256\"", &twice), ("[state.dr]", &dr(DR_KEY))]);
    let state = accepted(&both).state;
    let dsse = |key: &str| Encryption::Dsse(key.parse().unwrap());
    let StateDr::Replicated(replica) = state.dr else {
        panic!("no replica")
    };
    assert_eq!(
        (state.encryption, replica.encryption),
        (dsse(PRIMARY_KEY), dsse(DR_KEY))
    );
    let kms_and_dsse = format!("{{ kms = {PRIMARY_KEY:?}, dsse = {PRIMARY_KEY:?} }}");
    refused(
        &with(&[("\"AES256\"", &kms_and_dsse), ("[state.dr]", &dr(DR_KEY))]),
        ErrorKind::Conflict,
        "state.encryption.dsse",
        11,
        "keep one: dsse encrypts twice with its key, kms once",
    );

    let no_dr_key = with(&[("\"AES256\"", &encryption)]);
    refused(
        &no_dr_key,
        ErrorKind::Conflict,
        "state.dr",
        12,
        "KMS keys are regional",
    );
    let only_dr_key = with(&[("[state.dr]", &dr(DR_KEY))]);
    refused(
        &only_dr_key,
        ErrorKind::Conflict,
        "state.dr.kms",
        13,
        "own encryption is AES256",
    );
    let dr_key_twice = with(&[
        ("\"AES256\"", &format!("{{ kms = {DR_KEY:?} }}")),
        ("[state.dr]", &dr(DR_KEY)),
    ]);
    refused(
        &dr_key_twice,
        ErrorKind::Conflict,
        "state.encryption.kms",
        11,
        "the primary region is ca-central-1",
    );
    let primary_key_twice = with(&[
        ("\"AES256\"", &encryption),
        ("[state.dr]", &dr(PRIMARY_KEY)),
    ]);
    refused(
        &primary_key_twice,
        ErrorKind::Conflict,
        "state.dr.kms",
        13,
        "the DR region is ca-west-1",
    );
    let aws_kms = with(&[("\"AES256\"", "\"aws:kms\"")]);
    refused(
        &aws_kms,
        ErrorKind::Invalid,
        "state.encryption",
        11,
        "write \"AES256\", { kms = \"arn:aws:kms:REGION:ACCOUNT:key/ID\" } or { dsse = … }",
    );
}

#[test]
fn old_lock_table_is_one_that_locking_no_longer_uses() {
    let old = "[state]\nold_lock_table = \"locks\"";
    refused(
        &with(&[("[state]", old)]),
        ErrorKind::Conflict,
        "state.old_lock_table",
        7,
        "name the table in lock_table",
    );
}

#[test]
fn role_of_batch_jobs_is_another_one_than_that_of_the_replication() {
    let role = |name: &str| with(&[("[state.dr]", &format!("[state.dr]\nbatch_role = {name:?}"))]);
    let StateDr::Replicated(replica) = accepted(&role("Batch")).state.dr else {
        panic!("no replica")
    };
    let found = replica.batch_role.as_ref().map(RoleName::as_str);
    assert_eq!(found, Some("Batch"));
    refused(
        &role(replica.role.as_str()),
        ErrorKind::Conflict,
        "state.dr.batch_role",
        13,
        "name another one",
    );
    refused(
        &role("arn:aws:iam::111122223333:role/batch"),
        ErrorKind::Invalid,
        "state.dr.batch_role",
        13,
        "write the role's name alone",
    );
}

#[test]
fn topics_of_alarms_lie_in_the_region_that_publishes() {
    let topic = |region: &str| format!("arn:aws:sns:{region}:111122223333:oncall");
    let alarms = |region: &str, dr: &str| {
        let (topic, dr_topic) = (topic(region), topic(dr));
        let alarms =
            format!("[state.dr]\nalarms = {{ topic = {topic:?}, dr_topic = {dr_topic:?} }}");
        with(&[("[state.dr]", &alarms)])
    };
    let state = accepted(&alarms("ca-central-1", "ca-west-1")).state;
    let StateDr::Replicated(replica) = state.dr else {
        panic!("no replica")
    };
    let alarms_of = replica.alarms.expect("they are there");
    assert_eq!(alarms_of.topic.as_str(), topic("ca-central-1"));
    assert_eq!(alarms_of.dr_topic.as_str(), topic("ca-west-1"));
    refused(
        &alarms("ca-west-1", "ca-west-1"),
        ErrorKind::Conflict,
        "state.dr.alarms.topic",
        13,
        "the primary region is ca-central-1",
    );
    refused(
        &alarms("ca-central-1", "ca-central-1"),
        ErrorKind::Conflict,
        "state.dr.alarms.dr_topic",
        13,
        "the DR region is ca-west-1",
    );
}

#[test]
fn noncurrent_days_are_positive_and_fit_s3() {
    let days = |days: &str| {
        with(&[(
            "\"AES256\"",
            &format!("\"AES256\"\nnoncurrent_days = {days}"),
        )])
    };
    assert_eq!(accepted(&days("1")).state.noncurrent_days, 1);
    assert_eq!(
        accepted(&days("2_147_483_647")).state.noncurrent_days,
        2_147_483_647
    );
    assert_eq!(accepted(&days("0x1e")).state.noncurrent_days, 30);
    for wrong in [
        "0",
        "-1",
        "2147483648",
        "99999999999999999999999999999999999999999999",
    ] {
        let problem = problem(&days(wrong));
        assert_eq!(
            (problem.kind, problem.path.as_str()),
            (ErrorKind::Invalid, "state.noncurrent_days"),
            "{wrong}"
        );
    }
}

#[test]
fn keys_are_those_of_all_states_or_are_left_out() {
    let keys = |keys: &str| {
        let key = format!("key = \"terraform.tfstate\"\nkeys = {keys}");
        with(&[("key = \"terraform.tfstate\"", &key)])
    };
    let state = accepted(BASE).state;
    assert_eq!(state.keys, None);
    assert_eq!(state.workspace_key_prefix.as_str(), "env:");
    let state = accepted(&keys("[\"net/k\", \"terraform.tfstate\"]")).state;
    let found = state
        .keys
        .map(|keys| keys.iter().map(ToString::to_string).collect());
    assert_eq!(
        found,
        Some(vec!["net/k".to_owned(), "terraform.tfstate".to_owned()])
    );
    let prefix = accepted(&keys(
        "[\"terraform.tfstate\"]\nworkspace_key_prefix = \"team/ws\"",
    ));
    assert_eq!(prefix.state.workspace_key_prefix.as_str(), "team/ws");

    let rows = [
        (
            "[]",
            ErrorKind::Invalid,
            "state.keys",
            "no state would be looked at",
        ),
        (
            "[\"/k\"]",
            ErrorKind::Invalid,
            "state.keys[0]",
            "starts or ends with",
        ),
        (
            "[\"net/k\"]",
            ErrorKind::Conflict,
            "state.keys",
            "which is state.key, is not among them",
        ),
        (
            "[\"terraform.tfstate\", \"a\", \"a\"]",
            ErrorKind::Conflict,
            "state.keys[2]",
            "a is named twice",
        ),
        (
            "[\"terraform.tfstate\", \"terraform.tfstate-md5\"]",
            ErrorKind::Conflict,
            "state.keys[1]",
            "the row of the digest",
        ),
    ];
    for (value, kind, path, text) in rows {
        refused(&keys(value), kind, path, 10, text);
    }
    // Names that only look like locks, and rows of a table that is not used.
    accepted(&keys("[\"terraform.tfstate\", \"a.tflock\", \"b-md5\"]"));
    let both = keys("[\"terraform.tfstate\", \"terraform.tfstate.tflock\"]");
    accepted(&both);
    let both = both.replace("[\"dynamodb\"]", "[\"dynamodb\", \"s3\"]");
    refused(
        &both,
        ErrorKind::Conflict,
        "state.keys[1]",
        10,
        "is the key of the lock of",
    );
}
