//! The files in `examples/` are what a new user starts from: they parse and say what they claim.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use jiff::civil::{Date, date};
use settings::{Encryption, ErrorKind, Locking, ReplicaLocks, Settings, StateDr};

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
        .join("infra.toml");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn example(name: &str, today: Date) -> Settings {
    Settings::parse(&text(name), today).unwrap_or_else(|errors| panic!("{name}:\n{errors}"))
}

#[test]
fn staging_says_what_it_claims() {
    let settings = example("berthcare-staging", date(2026, 11, 22));
    let state = &settings.state;
    assert_eq!(settings.regions.primary.as_str(), "ca-central-1");
    assert_eq!(settings.regions.dr.as_str(), "us-east-1");
    assert_eq!(state.bucket.as_str(), "berthcare-terraform-state");
    assert_eq!(
        state.lock_table.as_ref().map(AsRef::as_ref),
        Some("berthcare-terraform-locks")
    );
    // aws-behaviour: 20
    assert_eq!(state.key.as_str(), "staging/terraform.tfstate");
    assert_eq!(
        state.locking,
        Locking {
            dynamodb: true,
            s3: true
        }
    );
    assert_eq!(state.encryption, Encryption::Aes256);
    assert_eq!(state.noncurrent_days, 90);
    let StateDr::Replicated(replica) = &state.dr else {
        panic!("no replica")
    };
    assert_eq!(replica.region, settings.regions.dr);
    assert_eq!(replica.bucket.as_str(), "berthcare-terraform-state-dr");
    assert_eq!(
        replica.locks,
        ReplicaLocks::OwnTable("berthcare-terraform-locks-dr".parse().unwrap())
    );
    assert_eq!(replica.role.as_str(), "S3TerraformStateReplicationRole");
    let pairs: Vec<_> = settings
        .buckets
        .iter()
        .map(|bucket| (bucket.name.as_str(), bucket.dr.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("berthcare-photos-staging", "berthcare-photos-staging-dr"),
            (
                "berthcare-documents-staging",
                "berthcare-documents-staging-dr"
            ),
            (
                "berthcare-signatures-staging",
                "berthcare-signatures-staging-dr"
            ),
        ]
    );
    assert_eq!(settings.databases.len(), 1);
    assert_eq!(
        settings.databases[0].id.as_str(),
        "berthcare-staging-postgres"
    );
    assert_eq!(
        settings.databases[0].dr_id.as_str(),
        "berthcare-staging-postgres-dr"
    );
    assert_eq!(settings.objectives.rto, Duration::from_secs(45 * 60));
    assert_eq!(settings.tags.get("Project"), Some("berthcare"));
    assert_eq!(settings.tags.get("Environment"), Some("staging"));
}

// aws-behaviour: 36
#[test]
fn staging_leaves_canada_by_a_written_exception() {
    let settings = example("berthcare-staging", date(2026, 11, 22));
    let lines: Vec<String> = settings
        .exceptions_in_use()
        .iter()
        .map(ToString::to_string)
        .collect();
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(
        line.starts_with("DR in us-east-1 (US) by exception: The recovery design"),
        "{line}"
    );
    assert!(
        line.ends_with("approved by Privacy Officer, expires 2027-06-30"),
        "{line}"
    );
}

// aws-behaviour: 36
#[test]
fn the_exception_of_staging_holds_on_its_last_day_and_not_after() {
    example("berthcare-staging", date(2027, 6, 30));
    let errors = Settings::parse(&text("berthcare-staging"), date(2027, 7, 1)).unwrap_err();
    assert!(errors.has(ErrorKind::Residency));
    assert_eq!(errors.iter().count(), 1);
    let message = errors.to_string();
    assert!(
        message.contains("has expired: 2027-06-30 was its last day"),
        "{message}"
    );
    assert!(message.contains("use ca-west-1"), "{message}");
}

// aws-behaviour: 36
#[test]
fn ca_west_stays_in_canada() {
    let settings = example("berthcare-ca-west", date(2026, 11, 22));
    assert_eq!(settings.regions.dr.as_str(), "ca-west-1");
    assert!(settings.residency.exceptions.is_empty());
    assert!(settings.exceptions_in_use().is_empty());
    assert_eq!(
        settings.state.locking,
        Locking {
            dynamodb: false,
            s3: true
        }
    );
    let StateDr::Replicated(replica) = &settings.state.dr else {
        panic!("no replica")
    };
    assert_eq!(replica.locks, ReplicaLocks::None);
}
