//! Fields that are unknown, missing or of another type, and where a message places them.

use settings::{ErrorKind, Position};

use crate::{BASE, DR_KEY, PRIMARY_KEY, accepted, parse, problem, refused, with};

#[test]
fn the_base_is_accepted() {
    let settings = accepted(BASE);
    assert_eq!(settings.state.noncurrent_days, 90);
    assert!(settings.buckets.is_empty() && settings.databases.is_empty());
    let minutes = |time: std::time::Duration| time.as_secs() / 60;
    let objectives = settings.objectives;
    let found = [
        objectives.rto,
        objectives.rpo_database,
        objectives.rpo_objects,
    ]
    .map(minutes);
    assert_eq!(found, [45, 24 * 60, 15]);
}

#[test]
fn a_misspelt_field_is_named_with_its_place_and_the_nearest() {
    let text = with(&[(
        "encryption = \"AES256\"",
        "encryption = \"AES256\"\n  noncurent_days = 30",
    )]);
    let problem = problem(&text);
    assert_eq!(problem.kind, ErrorKind::UnknownField);
    assert_eq!(
        problem.position,
        Some(Position {
            line: 12,
            column: 3
        })
    );
    assert_eq!(
        problem.to_string(),
        "line 12, column 3: state.noncurent_days: unknown field `noncurent_days` in [state]; \
         did you mean `noncurrent_days`?"
    );
}

#[test]
fn a_field_like_no_other_is_refused_with_those_that_exist() {
    let text = with(&[("[state.dr]", "[state.dr]\nxyz = 1")]);
    let problem = problem(&text);
    assert_eq!(problem.path, "state.dr.xyz");
    assert_eq!(
        problem.fix,
        "valid here: alarms, batch_role, bucket, kms, lock_table, role, strategy"
    );
}

#[test]
fn unknown_fields_are_refused_everywhere() {
    for (text, path) in [
        (format!("proj = 1\n{BASE}"), "proj"),
        (with(&[("[regions]", "[regions]\nx = 1")]), "regions.x"),
        (format!("{BASE}[residency]\nx = 1"), "residency.x"),
        (
            with(&[
                ("\"AES256\"", &format!("{{ kms = {PRIMARY_KEY:?}, x = 1 }}")),
                ("[state.dr]", &format!("[state.dr]\nkms = {DR_KEY:?}")),
            ]),
            "state.encryption.x",
        ),
        (
            format!("{BASE}[[buckets]]\nname = \"abc\"\ndr = \"abd\"\nx = 1"),
            "buckets[0].x",
        ),
        (
            format!("{BASE}[[databases]]\nid = \"a\"\ndr_id = \"b\"\n\"x y\" = 1"),
            "databases[0].\"x y\"",
        ),
        (format!("{BASE}[objectives]\nx = 1"), "objectives.x"),
        (
            format!(
                "{BASE}[[residency.exceptions]]\nregion = \"us-east-1\"\nreason = \"a\"\napproved_by = \"b\"\nexpires = 2027-01-01\nx = 1"
            ),
            "residency.exceptions[0].x",
        ),
    ] {
        let problem = problem(&text);
        assert_eq!(
            (problem.kind, problem.path.as_str()),
            (ErrorKind::UnknownField, path),
            "{problem}"
        );
    }
}

#[test]
fn all_problems_are_found_in_one_pass_in_the_order_of_the_file() {
    let text = with(&[
        ("\"berthcare\"", "\"Berthcare\""),
        ("\"staging\"", "\"staging\"\nxyz = 1"),
        ("dr = \"ca-west-1\"", "dr = \"ca-west-2\""),
        ("key = \"terraform.tfstate\"", "key = \"/\""),
        ("role = \"replication\"", "rol = 1"),
    ]);
    let errors = parse(&text).unwrap_err();
    let found: Vec<_> = errors
        .iter()
        .map(|problem| (problem.kind, problem.path.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (ErrorKind::Invalid, "project"),
            (ErrorKind::UnknownField, "xyz"),
            (ErrorKind::Invalid, "regions.dr"),
            (ErrorKind::Invalid, "state.key"),
            (ErrorKind::Missing, "state.dr.role"),
            (ErrorKind::UnknownField, "state.dr.rol"),
        ]
    );
    assert_eq!(errors.to_string().lines().count(), 6);
}

#[test]
fn an_empty_file_lacks_what_is_required() {
    let errors = parse("").unwrap_err();
    let found: Vec<_> = errors
        .iter()
        .map(|problem| (problem.kind, problem.path.as_str(), problem.position))
        .collect();
    let missing = |path| (ErrorKind::Missing, path, None);
    assert_eq!(
        found,
        ["project", "environment", "regions", "state"].map(missing)
    );
}

#[test]
fn what_is_missing_is_reported_at_its_table() {
    for (line, path, header) in [
        ("primary = \"ca-central-1\"\n", "regions.primary", 3),
        ("bucket = \"state\"\n", "state.bucket", 6),
        // aws-behaviour: 20
        ("key = \"terraform.tfstate\"\n", "state.key", 6),
        ("bucket = \"state-dr\"\n", "state.dr.bucket", 12),
        ("role = \"replication\"\n", "state.dr.role", 12),
    ] {
        let header = if path.starts_with("state.dr.r") {
            12
        } else {
            header
        };
        let header = if path == "state.dr.bucket" {
            12
        } else {
            header
        };
        refused(
            &with(&[(line, "")]),
            ErrorKind::Missing,
            path,
            header,
            "it is missing; add `",
        );
    }
    let missing_locking = with(&[("locking = [\"dynamodb\"]\n", "")]);
    refused(
        &missing_locking,
        ErrorKind::Missing,
        "state.locking",
        6,
        "add `locking = [\"dynamodb\", \"s3\"]` to [state]",
    );
}

#[test]
fn syntax_errors_have_their_line() {
    refused(
        &with(&[("\"staging\"", "staging")]),
        ErrorKind::Syntax,
        "",
        2,
        "not TOML",
    );
    refused(
        &with(&[("lock_table = \"locks\"", "bucket = \"again\"")]),
        ErrorKind::Syntax,
        "",
        8,
        "duplicate key",
    );
}

#[test]
fn values_of_another_type_are_refused() {
    for (from, to, path, line, part) in [
        (
            "\"berthcare\"",
            "5",
            "project",
            1,
            "must be a string, and is of type integer; write `project = \"berthcare\"`",
        ),
        (
            "\"ca-central-1\"",
            "[]",
            "regions.primary",
            4,
            "must be a string, and is of type array",
        ),
        (
            "[\"dynamodb\"]",
            "\"dynamodb\"",
            "state.locking",
            10,
            "must be an array",
        ),
        (
            "[\"dynamodb\"]",
            "[1]",
            "state.locking[0]",
            10,
            "must be a string",
        ),
        (
            "\"AES256\"",
            "true",
            "state.encryption",
            11,
            "must be a string or a table",
        ),
        (
            "\"AES256\"",
            "\"AES256\"\nnoncurrent_days = \"90\"",
            "state.noncurrent_days",
            12,
            "must be an integer",
        ),
    ] {
        refused(&with(&[(from, to)]), ErrorKind::Invalid, path, line, part);
    }
    for (text, path, part) in [
        ("tags = 5", "tags", "must be a table"),
        ("buckets = 5", "buckets", "must be an array"),
        ("buckets = [5]", "buckets[0]", "must be a table"),
        ("databases = {}", "databases", "must be an array"),
        ("objectives = []", "objectives", "must be a table"),
        ("residency = \"CA\"", "residency", "must be a table"),
    ] {
        refused(
            &format!("{text}\n{BASE}"),
            ErrorKind::Invalid,
            path,
            1,
            part,
        );
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_taken() {
    accepted(&format!("\u{feff}{BASE}"));
    let text = with(&[("\"locks\"", "\"l\"")]).replace('\n', "\r\n");
    refused(&text, ErrorKind::Invalid, "state.lock_table", 8, "3 to 255");
}

#[test]
fn columns_count_characters() {
    let text = format!("tags = {{ \"é\" = \"é\", x = 1 }}\n{BASE}");
    assert_eq!(
        problem(&text).position,
        Some(Position {
            line: 1,
            column: 25
        })
    );
}

#[test]
fn a_message_is_one_line_whatever_the_file_holds() {
    let problem = problem(&format!("\"a\\nb\\u001bc\" = 1\n{BASE}"));
    assert_eq!(problem.path, r#""a\nb\u{1b}c""#);
    assert!(
        problem
            .problem
            .starts_with(r"unknown field `a\nb\u{1b}c` at the top level"),
        "{problem}"
    );
}
