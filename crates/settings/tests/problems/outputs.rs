//! What Terraform says is taken where `infra.toml` says nothing, and nowhere else.

use settings::{ErrorKind, OutputsFile, Settings, SettingsErrors, Source, outputs_named};

use crate::{BASE, DR_KEY, PRIMARY_KEY, TODAY};

/// What people decide about a database that Terraform has in both regions.
const DATABASES: &str = r#"
[[databases]]
id = "app"
dr_id = "app-dr"
[databases.restore]
multi_az = true
[databases.failback.restore]
multi_az = false
"#;

/// The output `infra_toml` of the DR environment.
const DR: &str = r#"[regions]
primary = "ca-central-1"
dr = "ca-west-1"

[[databases]]
id = "app"
dr_id = "app-dr"
kms = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

[databases.restore]
class = "db.t4g.medium"
subnet_group = "app-dr"
parameter_group = "app-dr-pg15"
security_groups = ["sg-0a1b2c3d4e5f60718"]

[failover]
marker_bucket = "app-failover-dr"
"#;

/// The output of the primary one.
const PRIMARY: &str = r#"[regions]
primary = "ca-central-1"

[[databases]]
id = "app"

[databases.failback]
kms = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

[databases.failback.restore]
class = "db.t4g.large"
subnet_group = "app"
parameter_group = "app-pg15"
security_groups = ["sg-0f1e2d3c4b5a69788"]
"#;

const FILES: &str = "outputs = [\"dr.toml\", \"primary.toml\"]\n";

fn infra(databases: &str) -> String {
    format!("{FILES}{BASE}{databases}")
}

fn parse(text: &str, dr: &str, primary: &str) -> Result<Settings, SettingsErrors> {
    let files = outputs_named(text).into_iter().zip([dr, primary]);
    let outputs: Vec<OutputsFile> = files
        .map(|(name, text)| OutputsFile {
            name,
            text: text.to_owned(),
        })
        .collect();
    let outputs = &outputs;
    Source { text, outputs }.parse(TODAY)
}

/// The only problem, as kind and message.
fn problem(text: &str, dr: &str, primary: &str) -> (ErrorKind, String) {
    let errors = parse(text, dr, primary)
        .map(|_| panic!("accepted:\n{text}\n{dr}\n{primary}"))
        .unwrap_err();
    let problems: Vec<_> = errors.iter().collect();
    assert_eq!(problems.len(), 1, "{errors}");
    (problems[0].kind, problems[0].to_string())
}

#[test]
fn outputs_fill_what_the_file_leaves_out_and_are_told() {
    let settings = parse(&infra(DATABASES), DR, PRIMARY).unwrap();
    let database = &settings.databases[0];
    assert_eq!(database.kms.as_ref().unwrap().to_string(), DR_KEY);
    let restore = database.restore.as_ref().unwrap();
    assert!(restore.multi_az);
    assert_eq!(restore.subnet_group.as_ref(), "app-dr");
    assert_eq!(restore.security_groups[0].as_ref(), "sg-0a1b2c3d4e5f60718");
    let back = database.failback.as_ref().unwrap();
    assert_eq!(back.kms.as_ref().unwrap().to_string(), PRIMARY_KEY);
    let back = back.restore.as_ref().unwrap();
    assert!(!back.multi_az);
    assert_eq!(back.parameter_group.as_ref(), "app-pg15");
    let marker = settings.failover.marker_bucket.as_ref().unwrap();
    assert_eq!(marker.as_ref(), "app-failover-dr");
    let taken = |file: &str| {
        let from = settings.from_outputs.iter();
        let mut paths: Vec<_> = from
            .filter(|one| one.file == file)
            .map(|one| one.path.as_str())
            .collect();
        paths.sort_unstable();
        paths
    };
    assert_eq!(
        taken("dr.toml"),
        [
            "databases[0].kms",
            "databases[0].restore.class",
            "databases[0].restore.parameter_group",
            "databases[0].restore.security_groups",
            "databases[0].restore.subnet_group",
            "failover.marker_bucket",
        ]
    );
    assert_eq!(taken("primary.toml").len(), 5);
}

#[test]
fn outputs_that_say_the_same_are_not_taken_and_those_that_do_not_are_refused() {
    let same = DATABASES.replacen(
        "multi_az = true",
        "multi_az = true\nsubnet_group = \"app-dr\"",
        1,
    );
    let settings = parse(&infra(&same), DR, PRIMARY).unwrap();
    let taken = |path: &str| settings.from_outputs.iter().any(|one| one.path == path);
    assert!(!taken("databases[0].restore.subnet_group") && taken("databases[0].kms"));

    let text = infra(&same.replace("subnet_group = \"app-dr\"", "subnet_group = \"app-old\""));
    let line = text
        .lines()
        .position(|line| line.contains("app-old"))
        .unwrap()
        + 1;
    let (kind, message) = problem(&text, DR, PRIMARY);
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(message.starts_with(&format!("line {line}, ")), "{message}");
    assert!(
        message.contains("it is \"app-old\" here and \"app-dr\" in dr.toml"),
        "{message}"
    );

    let groups =
        "multi_az = true\nsecurity_groups = [\"sg-0a1b2c3d4e5f60718\", \"sg-0a1b2c3d4e5f60719\"]";
    let more = DATABASES.replacen("multi_az = true", groups, 1);
    let (kind, message) = problem(&infra(&more), DR, PRIMARY);
    assert_eq!(kind, ErrorKind::Conflict, "{message}");
}

#[test]
fn outputs_of_another_environment_are_refused() {
    for (from, to, part) in [
        (
            "dr = \"ca-west-1\"",
            "dr = \"us-east-1\"",
            "regions.dr: it is \"ca-west-1\" here",
        ),
        (
            "id = \"app\"\n",
            "id = \"other\"\n",
            "dr.toml has \"other\", which is none of them",
        ),
        (
            "dr_id = \"app-dr\"",
            "dr_id = \"app-two\"",
            "databases[0].dr_id: it is \"app-dr\" here",
        ),
    ] {
        let errors = parse(&infra(DATABASES), &DR.replacen(from, to, 1), PRIMARY).unwrap_err();
        assert!(errors.to_string().contains(part), "{errors}");
        assert!(errors.has(ErrorKind::Conflict));
    }
}

#[test]
fn outputs_that_are_wrong_are_told_with_their_file() {
    let abroad = DR.replace("kms:ca-west-1", "kms:us-east-1");
    let (kind, message) = problem(&infra(DATABASES), &abroad, PRIMARY);
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(
        message.starts_with("dr.toml: line 8, column 7: databases[0].kms: the key is in us-east-1"),
        "{message}"
    );

    let (kind, message) = problem(&infra(DATABASES), DR, "[regions\n");
    assert_eq!(kind, ErrorKind::Syntax);
    assert!(message.starts_with("primary.toml: line 1, "), "{message}");
}

#[test]
fn outputs_say_nothing_that_people_decide() {
    for (more, path) in [
        (
            "[residency]\ncountries = [\"CA\", \"US\"]\n",
            "residency.countries",
        ),
        (
            "[objectives]\nrpo_database = \"7d\"\n",
            "objectives.rpo_database",
        ),
        (
            "[failover.variables]\nmode = \"full\"\n",
            "failover.variables.mode",
        ),
    ] {
        let (kind, message) = problem(&infra(DATABASES), &format!("{DR}{more}"), PRIMARY);
        assert_eq!(kind, ErrorKind::UnknownField);
        assert!(
            message.contains(&format!("{path}: it is not what Terraform says")),
            "{message}"
        );
    }
    let kept = DR.replacen("dr_id =", "retention_days = 1\ndr_id =", 1);
    let (kind, message) = problem(&infra(DATABASES), &kept, PRIMARY);
    assert_eq!(kind, ErrorKind::UnknownField, "{message}");
}

#[test]
fn outputs_that_do_not_say_of_what_they_are_are_refused() {
    // As a shell leaves the file where terraform fails.
    let errors = parse(&infra(DATABASES), DR, "").unwrap_err();
    assert!(
        errors.to_string().contains("primary.toml: line 1, column 1: regions.primary: the file does not say what it is about"),
        "{errors}"
    );
    let nameless = DR.replacen("id = \"app\"\n", "", 1);
    let errors = parse(&infra(DATABASES), &nameless, PRIMARY).unwrap_err();
    assert!(errors.to_string().contains("databases.id"), "{errors}");
}

#[test]
fn outputs_leave_a_decision_to_people() {
    let (kind, message) = problem(
        &infra(&DATABASES.replacen("[databases.restore]\nmulti_az = true\n", "", 1)),
        DR,
        PRIMARY,
    );
    assert_eq!(kind, ErrorKind::Missing);
    assert!(
        message.starts_with("databases[0].restore.multi_az: it is missing; add `multi_az = true`"),
        "{message}"
    );
}

#[test]
fn outputs_that_nobody_has_read_are_a_problem() {
    let errors = Settings::parse(&infra(DATABASES), TODAY).unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("the text of dr.toml is not known here"),
        "{errors}"
    );
}
