//! Regions, and where data may lie.

use jiff::civil::Date;
use settings::{ErrorKind, Settings};

use crate::{BASE, accepted, parse, problem, refused, with};

#[test]
fn both_regions_must_differ_and_share_a_partition() {
    let same = with(&[("\"ca-west-1\"", "\"ca-central-1\"")]);
    refused(
        &same,
        ErrorKind::Conflict,
        "regions.dr",
        5,
        "the DR region is the primary region, ca-central-1",
    );
    let other = with(&[("\"ca-west-1\"", "\"cn-north-1\"")]);
    refused(
        &other,
        ErrorKind::Conflict,
        "regions.dr",
        5,
        "nothing replicates between partitions",
    );
}

fn exception(region: &str, expires: &str) -> String {
    format!(
        "[[residency.exceptions]]\nregion = {region:?}\nreason = \"why\"\napproved_by = \"who\"\nexpires = {expires}\n"
    )
}

// aws-behaviour: 36
#[test]
fn a_region_outside_the_primary_regions_country_is_refused_by_default() {
    let text = with(&[("\"ca-west-1\"", "\"us-east-1\"")]);
    let problem = problem(&text);
    assert_eq!(
        (problem.kind, problem.path.as_str()),
        (ErrorKind::Residency, "regions.dr")
    );
    assert_eq!(
        problem.to_string(),
        "line 5, column 6: regions.dr: us-east-1 is in US, outside the countries that data may lie in (CA); \
         use ca-west-1, or write the exception down under [residency]: \
         exceptions = [{ region = \"us-east-1\", reason = …, approved_by = …, expires = … }]"
    );
}

// aws-behaviour: 36
#[test]
fn an_exception_admits_its_region_until_its_last_day() {
    let text = with(&[("\"ca-west-1\"", "\"us-east-1\"")]);
    let settings = accepted(&format!("{text}{}", exception("us-east-1", "2026-11-22")));
    let in_use: Vec<_> = settings
        .exceptions_in_use()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        in_use,
        ["DR in us-east-1 (US) by exception: why, approved by who, expires 2026-11-22"]
    );

    let expired = format!("{text}{}", exception("us-east-1", "2026-11-21"));
    refused(
        &expired,
        ErrorKind::Residency,
        "regions.dr",
        5,
        "expired: 2026-11-21 was its last day; use ca-west-1, or have the exception renewed",
    );
    // A date stops nobody whose region is gone; a region without any exception is refused then as well.
    let today = Date::constant(2026, 11, 22);
    let settings = Settings::parse_in_emergency(&expired, today).unwrap();
    assert_eq!(settings.expired_exceptions(today).len(), 1);
    assert!(
        accepted(&format!("{text}{}", exception("us-east-1", "2026-11-22")))
            .expired_exceptions(today)
            .is_empty()
    );
    assert!(Settings::parse_in_emergency(&text, today).is_err());
    let other = format!("{text}{}", exception("us-east-2", "2027-11-21"));
    refused(
        &other,
        ErrorKind::Residency,
        "regions.dr",
        5,
        "us-east-1 is in US",
    );
}

// aws-behaviour: 36
#[test]
fn the_policy_holds_for_the_primary_region_too() {
    let text =
        with(&[("\"ca-central-1\"", "\"us-east-1\"")]) + "[residency]\ncountries = [\"CA\"]\n";
    refused(
        &text,
        ErrorKind::Residency,
        "regions.primary",
        4,
        "use ca-central-1, or",
    );
    let settings = accepted(&(text + &exception("us-east-1", "2027-01-01")));
    assert_eq!(settings.exceptions_in_use()[0].role.to_string(), "primary");
}

// aws-behaviour: 36
#[test]
fn an_allowed_country_needs_no_exception_and_an_unused_one_may_expire() {
    let text =
        with(&[("\"ca-west-1\"", "\"us-east-1\"")]) + "[residency]\ncountries = [\"CA\", \"US\"]\n";
    assert!(accepted(&text).exceptions_in_use().is_empty());
    assert!(
        accepted(&(text + &exception("us-east-1", "2020-01-01")))
            .exceptions_in_use()
            .is_empty()
    );
}

// aws-behaviour: 36
#[test]
fn without_another_region_in_the_country_the_only_way_is_an_exception() {
    let text = with(&[("\"ca-central-1\"", "\"sa-east-1\"")]);
    let problem = problem(&text);
    assert_eq!(problem.kind, ErrorKind::Residency);
    assert!(
        problem.fix.starts_with("write the exception down"),
        "{problem}"
    );
}

// aws-behaviour: 36
#[test]
fn an_exception_is_complete_or_refused() {
    let good = exception("us-east-1", "2027-01-01");
    let text = with(&[("\"ca-west-1\"", "\"us-east-1\"")]);
    for (from, to, path, part) in [
        (
            "reason = \"why\"",
            "reason = \" \"",
            "reason",
            "it is blank",
        ),
        ("reason = \"why\"\n", "", "reason", "it is missing"),
        (
            "reason = \"why\"",
            "reason = \"a\\u001bb\"",
            "reason",
            "'\\u{1b}'",
        ),
        (
            "approved_by = \"who\"",
            "approved_by = \"\"",
            "approved_by",
            "it is blank",
        ),
        (
            "approved_by = \"who\"\n",
            "",
            "approved_by",
            "it is missing",
        ),
        ("2027-01-01", "\"next year\"", "expires", "it is not a date"),
        (
            "2027-01-01",
            "2027-01-01T00:00:00Z",
            "expires",
            "it is not a date",
        ),
        (
            "2027-01-01",
            "2027-01-01T00:00:00",
            "expires",
            "it is not a date",
        ),
        ("2027-01-01", "07:30:00", "expires", "it is not a date"),
        ("2027-01-01", "2027", "expires", "must be a date"),
        ("expires = 2027-01-01\n", "", "expires", "it is missing"),
        ("\"us-east-1\"", "\"us-east-7\"", "region", "did you mean"),
    ] {
        let edited = good.replacen(from, to, 1);
        assert_ne!(edited, good);
        let problem = problem(&format!("{text}{edited}"));
        assert_eq!(
            problem.path,
            format!("residency.exceptions[0].{path}"),
            "{problem}"
        );
        assert!(problem.to_string().contains(part), "{problem}");
    }
    let twice = format!("{text}{good}{good}");
    refused(
        &twice,
        ErrorKind::Conflict,
        "residency.exceptions[1]",
        21,
        "has an exception already",
    );
    assert!(
        parse(&format!(
            "{text}{}",
            exception("us-east-1", "\"2027-01-01\"")
        ))
        .is_ok()
    );
    let lines = accepted(&format!(
        "{text}{}",
        good.replace("\"why\"", "\"\"\"\nwhy,\n  oh why\"\"\"")
    ));
    assert_eq!(lines.residency.exceptions[0].reason, "why, oh why");
}

#[test]
fn countries_are_named_and_known() {
    let text = |countries: &str| format!("{BASE}[residency]\ncountries = {countries}\n");
    refused(
        &text("[]"),
        ErrorKind::Invalid,
        "residency.countries",
        17,
        "name at least one",
    );
    refused(
        &text("[\"CA\", \"UK\"]"),
        ErrorKind::Invalid,
        "residency.countries[1]",
        17,
        "GB",
    );
    refused(
        &text("\"CA\""),
        ErrorKind::Invalid,
        "residency.countries",
        17,
        "must be an array",
    );
}

// aws-behaviour: 36
#[test]
fn only_regions_that_can_replicate_are_proposed() {
    let text =
        with(&[("\"ca-west-1\"", "\"us-east-1\"")]) + "[residency]\ncountries = [\"CA\", \"DE\"]\n";
    // Not eusc-de-east-1, which is in Germany but of another partition; not ca-central-1, which is taken.
    assert!(
        problem(&text)
            .fix
            .starts_with("use ca-west-1, eu-central-1, or write")
    );
}
