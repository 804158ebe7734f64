//! The steps, each judged by what was observed. Nothing is called.

use std::collections::BTreeMap;

use evidence::Outputs;
use report::ShellCommand;
use report::finding::{Status, Unobserved};
use serde::Serialize;
use serde_json::Value;
use settings::Settings;
use terraform::StateVersion;

use super::super::status::with_folder;
use super::Marks;
use crate::args::next::ByHand;

/// A step after an apply.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// `ok` is done, `wrong` is open.
    pub(super) status: Status,
    pub(super) seen: String,
    pub(super) commands: Vec<String>,
}

/// The newest capture.
pub(super) struct Capture {
    pub(super) file: String,
    pub(super) serial: Option<u64>,
}

/// All that steps are judged by.
pub(super) struct Observed<'a> {
    pub(super) settings: &'a Settings,
    /// The environment's folder, for commands.
    pub(super) folder: String,
    pub(super) outputs: &'a Outputs,
    /// The backend's state.
    pub(super) state: StateVersion,
    /// Answers of AWS, by check.
    pub(super) checks: BTreeMap<&'static str, (Status, String)>,
    pub(super) environment_file: Result<Option<String>, Unobserved>,
    pub(super) environment_path: String,
    pub(super) capture: Result<Option<Capture>, Unobserved>,
    pub(super) evidence: String,
    pub(super) marks: Marks,
}

/// What a step that is done by hand is called.
pub(super) fn id(step: ByHand) -> &'static str {
    match step {
        ByHand::Image => "image",
        ByHand::Migrations => "migrations",
        ByHand::Monitoring => "monitoring",
        ByHand::Guardduty => "guardduty",
        ByHand::Config => "config",
        ByHand::Firewall => "firewall",
    }
}

impl Step {
    /// Whether it is done, in one word.
    pub(super) fn word(&self) -> &'static str {
        match self.status {
            Status::Ok => "done",
            Status::Wrong => "open",
            Status::Unknown => "unknown",
            Status::Skipped => "skipped",
        }
    }

    fn new(
        id: &'static str,
        title: &'static str,
        (status, seen): (Status, String),
        command: impl Into<String>,
    ) -> Self {
        Self {
            id,
            title,
            status,
            seen,
            commands: vec![command.into()],
        }
    }

    fn and(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }
}

/// Before the first apply there is but one step.
pub(super) fn before_apply(folder: &str) -> Vec<Step> {
    let seen = (Status::Wrong, "there is no state with outputs".to_owned());
    let of = |command| with_folder(ShellCommand::new(command), folder);
    vec![
        Step::new(
            "applied",
            "Environment applied",
            seen,
            of("deploy-staging plan"),
        )
        .and(of("deploy-staging apply")),
    ]
}

/// The steps in the guide's order.
pub(super) fn steps(of: &Observed<'_>) -> Vec<Step> {
    let chdir = |command| ShellCommand::new(command).option("--chdir", &of.folder);
    vec![
        evidence(of, &of.state),
        Step::new(
            "credentials",
            "Database and Redis credentials",
            secrets(of),
            chdir("verify-staging db-user").words("--dry-run"),
        )
        .and(chdir("verify-staging probe")),
        Step::new(
            "environment",
            "The application's environment",
            environment(of),
            chdir("verify-staging env").option("--out", &of.environment_path),
        ),
        Step::new(
            "alarms",
            "E-mail of alarms confirmed",
            checked(of, "sns-subscribed"),
            chdir("verify-staging check").words("--only sns-subscribed"),
        ),
        Step::new(
            "dashboard",
            "Dashboard",
            dashboard(of),
            chdir("verify-staging check").words("--only dashboard"),
        ),
        image(of),
        service(of),
        dns(of),
        Step::new(
            "migrations",
            "Database migrations",
            by_hand(of, ByHand::Migrations),
            migrations(of),
        ),
        Step::new(
            "monitoring",
            "Errors, own metrics, logs",
            by_hand(of, ByHand::Monitoring),
            chdir("verify-staging maintenance weekly"),
        ),
        Step::new(
            "guardduty",
            "GuardDuty",
            checked_or_by_hand(of, "account-guardduty", ByHand::Guardduty),
            ShellCommand::new("aws guardduty create-detector --enable")
                .option("--region", of.settings.regions.primary.as_str()),
        ),
        Step::new(
            "config",
            "AWS Config",
            checked_or_by_hand(of, "account-config", ByHand::Config),
            ShellCommand::new("aws configservice describe-configuration-recorders")
                .option("--region", of.settings.regions.primary.as_str()),
        ),
        Step::new(
            "firewall",
            "Web application firewall",
            by_hand(of, ByHand::Firewall),
            ShellCommand::new("aws wafv2 list-web-acls --scope CLOUDFRONT --region us-east-1"),
        ),
    ]
}

fn checked(of: &Observed<'_>, check: &str) -> (Status, String) {
    match of.checks.get(check) {
        // What was not asked is not done.
        Some((Status::Skipped, seen)) => (Status::Unknown, seen.clone()),
        Some((status, seen)) => (*status, seen.clone()),
        None => (Status::Unknown, "AWS was not asked".to_owned()),
    }
}

/// A check that asks nothing leaves it to a person.
fn checked_or_by_hand(of: &Observed<'_>, check: &str, step: ByHand) -> (Status, String) {
    match of.checks.get(check) {
        Some((Status::Skipped, _)) => by_hand(of, step),
        _ => checked(of, check),
    }
}

fn by_hand(of: &Observed<'_>, step: ByHand) -> (Status, String) {
    match of.marks.get(id(step)) {
        Some(mark) => (Status::Ok, format!("{} says so, on {}", mark.by, mark.at)),
        None => (Status::Unknown, "nothing here can see it".to_owned()),
    }
}

fn text<'a>(of: &'a Observed<'_>, output: &str) -> Option<&'a str> {
    of.outputs.text(output).ok()
}

fn unseen(unobserved: &Unobserved) -> (Status, String) {
    (Status::Unknown, unobserved.reason.clone())
}

fn evidence(of: &Observed<'_>, state: &StateVersion) -> Step {
    let seen = match &of.capture {
        Err(unobserved) => unseen(unobserved),
        Ok(None) => (Status::Wrong, "nothing is captured".to_owned()),
        Ok(Some(capture)) => match capture.serial {
            Some(serial) if serial == state.serial => (
                Status::Ok,
                format!("{} is of serial {serial}", capture.file),
            ),
            Some(serial) => (
                Status::Wrong,
                format!(
                    "{} is of serial {serial}, and the state has {}",
                    capture.file, state.serial
                ),
            ),
            None => (
                Status::Unknown,
                format!("{} does not say of which state it is", capture.file),
            ),
        },
    };
    let chdir = |command| ShellCommand::new(command).option("--chdir", &of.folder);
    Step::new(
        "evidence",
        "Checked, and the evidence kept",
        seen,
        chdir("verify-staging check"),
    )
    .and(chdir("verify-staging capture").option("--dir", &of.evidence))
}

fn secrets(of: &Observed<'_>) -> (Status, String) {
    let outputs = ["db_credentials_secret_arn", "redis_credentials_secret_arn"];
    let missing: Vec<&str> = outputs
        .into_iter()
        .filter(|output| text(of, output).is_none())
        .collect();
    match missing.is_empty() {
        true => (
            Status::Ok,
            "in Secrets Manager; no value has to be read".to_owned(),
        ),
        false => (
            Status::Wrong,
            format!("there is no output {}", missing.join(", ")),
        ),
    }
}

/// Names of the file and the outputs that they have to be.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("POSTGRES_HOST", "db_address"),
    ("REDIS_HOST", "redis_endpoint"),
    ("S3_BUCKET_PHOTOS", "s3_bucket_photos"),
    ("CLOUDFRONT_DOMAIN", "cloudfront_domain_name"),
];

fn environment(of: &Observed<'_>) -> (Status, String) {
    let file = match &of.environment_file {
        Err(unobserved) => return unseen(unobserved),
        Ok(None) => {
            return (
                Status::Wrong,
                format!("there is no {}", of.environment_path),
            );
        }
        Ok(Some(file)) => file,
    };
    let value = |name: &str| {
        let lines = file.lines().map(str::trim);
        let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        values
            .next_back()
            .map(|value| value.trim_matches(['"', '\'']))
    };
    for (name, output) in ENVIRONMENT {
        let Some(wanted) = text(of, output) else {
            return (Status::Unknown, format!("there is no output {output}"));
        };
        // Values of the file may be secrets: they are compared, and not shown.
        match value(name) {
            Some(found) if found == wanted => {}
            Some(_) => {
                return (
                    Status::Wrong,
                    format!("{name} is not what the output {output} is"),
                );
            }
            None => return (Status::Wrong, format!("it has no {name}")),
        }
    }
    (
        Status::Ok,
        format!("{} has this environment's names", of.environment_path),
    )
}

fn dashboard(of: &Observed<'_>) -> (Status, String) {
    let (status, seen) = checked(of, "dashboard-exists");
    match text(of, "cloudwatch_dashboard_url") {
        Some(url) if status == Status::Ok => (status, url.to_owned()),
        _ => (status, seen),
    }
}

fn image(of: &Observed<'_>) -> Step {
    let repositories = match of.outputs.value("ecr_repository_urls") {
        Ok(Value::Object(all)) => all.iter().collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    let title = "Image of the application";
    let Some((name, url)) = repositories.first() else {
        let seen = (
            Status::Wrong,
            "there is no repository: image_repositories is not set".to_owned(),
        );
        return Step::new(
            "image",
            title,
            seen,
            "set image_repositories in terraform.tfvars",
        )
        .and("deploy-staging plan");
    };
    let region = of.settings.regions.primary.as_str();
    let url = url.as_str().unwrap_or_default();
    Step::new(
        "image",
        title,
        by_hand(of, ByHand::Image),
        ShellCommand::new("aws ecr describe-images")
            .option("--repository-name", name)
            .option("--region", region),
    )
    .and(ShellCommand::new("docker push").word(url))
}

fn service(of: &Observed<'_>) -> Step {
    let seen = match text(of, "ecs_service_name") {
        Some(name) => (Status::Ok, format!("service {name}")),
        None => (
            Status::Wrong,
            "there is none: application is not set".to_owned(),
        ),
    };
    Step::new(
        "service",
        "Application behind its load balancer",
        seen,
        "set application and dns in terraform.tfvars",
    )
    .and("deploy-staging plan")
}

fn dns(of: &Observed<'_>) -> Step {
    let seen = match (
        text(of, "application_url"),
        of.outputs.value("cloudfront_minimum_tls"),
    ) {
        (Some(url), _) => (Status::Ok, url.to_owned()),
        (None, Ok(_)) => (
            Status::Wrong,
            "the application has no name of its own".to_owned(),
        ),
        (None, Err(_)) => (Status::Unknown, "the outputs do not say".to_owned()),
    };
    Step::new(
        "dns",
        "Names and certificates",
        seen,
        "set dns and cdn_domain in terraform.tfvars",
    )
    .and("deploy-staging plan")
}

fn migrations(of: &Observed<'_>) -> String {
    let cluster = text(of, "ecs_cluster_name").unwrap_or("CLUSTER");
    ShellCommand::new("aws ecs run-task --launch-type FARGATE --task-definition MIGRATIONS")
        .option("--cluster", cluster)
        .option("--region", of.settings.regions.primary.as_str())
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(extra: &str) -> Outputs {
        let json = format!(
            r#"{{"db_address": {{"value": "db.internal"}}, "redis_endpoint": {{"value": "redis.internal"}},
                "s3_bucket_photos": {{"value": "photos"}}, "cloudfront_domain_name": {{"value": "d1.cloudfront.net"}},
                "db_credentials_secret_arn": {{"value": "arn:a"}}, "redis_credentials_secret_arn": {{"value": "arn:b"}}{extra}}}"#
        );
        Outputs::parse(json.as_bytes()).unwrap()
    }

    fn judged(
        outputs: &Outputs,
        change: impl FnOnce(&mut Observed<'_>),
    ) -> BTreeMap<&'static str, &'static str> {
        let example = include_str!("../../../../../examples/berthcare-staging/infra.toml");
        let settings = Settings::parse(example, jiff::civil::date(2026, 11, 22)).unwrap();
        let mut observed = Observed {
            settings: &settings,
            folder: "stack".to_owned(),
            outputs,
            state: StateVersion {
                lineage: "l".to_owned(),
                serial: 3,
            },
            checks: BTreeMap::new(),
            environment_file: Ok(None),
            environment_path: ".env".to_owned(),
            capture: Ok(None),
            evidence: "docs".to_owned(),
            marks: Marks::new(),
        };
        change(&mut observed);
        let steps = steps(&observed);
        assert!(steps.iter().all(|step| !step.commands.is_empty()));
        steps.iter().map(|step| (step.id, step.word())).collect()
    }

    const FILE: &str = "POSTGRES_HOST=db.internal\nREDIS_HOST=\"redis.internal\"\nS3_BUCKET_PHOTOS=photos\n\
                        CLOUDFRONT_DOMAIN=d1.cloudfront.net\nPOSTGRES_PASSWORD=hunter2\n";

    #[test]
    fn steps_are_done_by_what_is_seen_and_unknown_without() {
        let found = judged(&outputs(""), |_| {});
        for (step, word) in [
            ("evidence", "open"),
            ("credentials", "done"),
            ("environment", "open"),
            ("alarms", "unknown"),
            ("image", "open"),
            ("service", "open"),
            ("migrations", "unknown"),
        ] {
            assert_eq!(found[step], word, "{step}");
        }
        let extra = r#", "ecr_repository_urls": {"value": {"api": "1.dkr.ecr.x/api"}}, "ecs_service_name": {"value": "api"},
                       "application_url": {"value": "https://api.berthcare.ca"}"#;
        let found = judged(&outputs(extra), |of| {
            of.environment_file = Ok(Some(FILE.to_owned()));
            of.capture = Ok(Some(Capture {
                file: "a.json".to_owned(),
                serial: Some(3),
            }));
            for check in super::super::CHECKS {
                of.checks.insert(check, (Status::Ok, "seen".to_owned()));
            }
            for step in [
                ByHand::Image,
                ByHand::Migrations,
                ByHand::Monitoring,
                ByHand::Firewall,
            ] {
                let mark = super::super::MarkedDone {
                    by: "Kim".to_owned(),
                    at: jiff::Timestamp::UNIX_EPOCH,
                };
                of.marks.insert(id(step).to_owned(), mark);
            }
        });
        assert!(found.values().all(|word| *word == "done"), "{found:?}");
    }

    #[test]
    fn steps_of_a_check_that_asks_nothing_are_for_a_person() {
        let found = judged(&outputs(""), |of| {
            for check in ["account-config", "sns-subscribed"] {
                of.checks
                    .insert(check, (Status::Skipped, "not asked".to_owned()));
            }
            let mark = super::super::MarkedDone {
                by: "Kim".to_owned(),
                at: jiff::Timestamp::UNIX_EPOCH,
            };
            of.marks.insert("config".to_owned(), mark);
        });
        assert_eq!((found["config"], found["alarms"]), ("done", "unknown"));
    }

    #[test]
    fn steps_of_another_serial_or_environment_are_open_and_show_no_secret() {
        let outputs = outputs("");
        let found = judged(&outputs, |of| {
            of.environment_file = Ok(Some(FILE.replace("db.internal", "hunter3")));
            of.capture = Ok(Some(Capture {
                file: "a.json".to_owned(),
                serial: Some(2),
            }));
            let (status, told) = environment(of);
            assert_eq!(status, Status::Wrong);
            assert!(!told.contains("hunter"), "{told}");
        });
        assert_eq!((found["evidence"], found["environment"]), ("open", "open"));
    }
}
