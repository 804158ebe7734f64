//! The files in `examples/` are what a new user starts from: they parse and say what they claim.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::time::Duration;

use jiff::civil::{Date, date};
use settings::{
    Encryption, ErrorKind, Locking, OutputsFile, ReplicaLocks, Settings, Source, StateDr,
    outputs_named,
};

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

/// What a root module prints as `infra_toml`: its template, with `value` of each field's section and name.
fn infra_toml(environment: &str, value: impl Fn(&str, &str) -> &'static str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../terraform/environments")
        .join(environment)
        .join("outputs.tf");
    let code = std::fs::read_to_string(&path).unwrap();
    let (_, template) = code.split_once("<<-TOML\n").unwrap();
    let (template, _) = template.split_once("  TOML\n").unwrap();
    let mut section = String::new();
    let lines = template.lines().map(|line| {
        if let Some(header) = line.trim().strip_prefix('[') {
            header.trim_matches(['[', ']']).clone_into(&mut section);
        }
        if !line.contains("${") {
            return line.to_owned();
        }
        let (begin, end) = (line.find('"').unwrap(), line.rfind('"').unwrap());
        let name = line.trim().split(' ').next().unwrap();
        format!(
            "{}{}{}",
            &line[..=begin],
            value(&section, name),
            &line[end..]
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn outputs_of_both_environments_are_what_the_example_would_leave_out() {
    let value = |section: &str, name: &str| match (section, name) {
        ("regions", "primary") => "ca-central-1",
        ("regions", "dr") => "us-east-1",
        ("databases", "id") => "berthcare-staging-postgres",
        ("databases", "dr_id") => "berthcare-staging-postgres-dr",
        ("databases", "kms") => {
            "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        }
        ("databases.failback", "kms") => {
            "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        }
        (_, "class") => "db.t4g.medium",
        ("databases.restore", "subnet_group") => "berthcare-staging-postgres-dr",
        ("databases.restore", "parameter_group") => "berthcare-staging-postgres-dr-pg15",
        ("databases.restore", "security_groups") => "sg-0a1b2c3d4e5f60718",
        (_, "subnet_group") => "berthcare-staging-postgres",
        (_, "parameter_group") => "berthcare-staging-postgres-pg15",
        (_, "security_groups") => "sg-0f1e2d3c4b5a69788",
        ("failover", "marker_bucket") => "berthcare-failover-staging-dr",
        other => panic!("{other:?}"),
    };
    let text = text("berthcare-staging").replace("# outputs = ", "outputs = ");
    let files = outputs_named(&text).into_iter().zip(["dr", "staging"]);
    let outputs: Vec<_> = files
        .map(|(name, environment)| OutputsFile {
            name,
            text: infra_toml(environment, value),
        })
        .collect();
    assert_eq!(outputs.len(), 2);
    let source = |text| Source {
        text,
        outputs: &outputs,
    };
    let today = date(2026, 11, 22);
    // What the example has, they have alike.
    let both = source(&text)
        .parse(today)
        .unwrap_or_else(|errors| panic!("{errors}"));
    // And without the lines that they have, the settings are the same.
    let mut from = String::new();
    let left_out = text.lines().filter(|line| {
        if line.starts_with('[') {
            from = (*line).to_owned();
        }
        let said = [
            "class",
            "subnet_group",
            "parameter_group",
            "security_groups",
        ];
        let name = line.split(' ').next().unwrap_or_default();
        !(from.ends_with("restore]") && said.contains(&name))
    });
    let left_out = left_out.collect::<Vec<_>>().join("\n");
    let taken = source(&left_out)
        .parse(today)
        .unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((both.from_outputs.len(), taken.from_outputs.len()), (3, 11));
    assert_eq!(
        (both.databases, both.failover),
        (taken.databases, taken.failover)
    );
}
