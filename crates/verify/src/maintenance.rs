//! The guide's regular tasks as reports: what was looked at, and the data that it rests on.

mod access;
mod alarms;
mod drills;
mod groups;
mod metrics;
mod versions;

use evidence::{Redact, Redacted, Redactor};
use jiff::{SignedDuration, Timestamp};
use report::finding::{self, Finding, Observation};
use report::results::{Results, Source, Suite, ToResults};
use report::{Document, Mark, Report, ShellCommand};
use serde::Serialize;
use settings::Settings;

use crate::clients::EnvironmentClients;
use crate::locate::Located;

/// How often a task comes around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// Alarms, performance, growth of the buckets.
    Weekly,
    /// Costs, modules, rules of security groups.
    Monthly,
    /// IAM, disaster recovery, minor versions.
    Quarterly,
}

impl Period {
    /// The period in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
        }
    }
}

/// What maintenance looks at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The environment's clients.
    pub clients: &'a EnvironmentClients,
    /// Its resources.
    pub located: &'a Located,
    /// What the environment is called.
    pub settings: &'a Settings,
    /// The environment's folder, for commands.
    pub folder: &'a str,
    /// Whether a failover has been practised, by the records that could be checked.
    pub practised: &'a Observation<(bool, String)>,
    /// The time.
    pub at: Timestamp,
}

impl Context<'_> {
    fn name(&self) -> String {
        self.settings.name()
    }

    fn ago(&self, days: i64) -> Timestamp {
        let span = SignedDuration::from_hours(24 * days);
        self.at.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// What CloudWatch measured, a value a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// What was measured: `RDS CPUUtilization, average`.
    pub what: String,
    /// Of which resource.
    pub resource: String,
    /// `%`, `GiB`, or nothing for counts.
    pub unit: &'static str,
    /// Time and value, oldest first.
    pub points: Vec<(Timestamp, f64)>,
}

/// What maintenance found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Maintained {
    /// The environment.
    pub environment: String,
    /// Which tasks.
    pub period: Period,
    /// When it was looked at.
    pub at: Timestamp,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The data.
    pub series: Vec<Series>,
}

/// Does the looking of the guide's tasks of `period`; changes nothing. No data is unknown.
pub async fn maintain(context: Context<'_>, period: Period) -> Redacted<Maintained> {
    let (mut findings, mut series) = (Vec::new(), Vec::new());
    match period {
        Period::Weekly => {
            let (alarms, (measured, measures), (grown, growth)) = tokio::join!(
                alarms::review(context),
                metrics::performance(context),
                metrics::growth(context)
            );
            findings.extend(alarms);
            findings.extend(measured);
            findings.extend(grown);
            series.extend(measures);
            series.extend(growth);
        }
        Period::Monthly => {
            findings.push(Finding::skipped(
                "costs",
                context.name(),
                "they come from the plan and the price book: verify-staging cost estimate, cost tips, cost budget",
            ));
            findings.push(Finding::skipped(
                "modules",
                context.folder,
                ShellCommand::new("terraform")
                    .joined("-chdir=", context.folder)
                    .words("init -upgrade && terraform")
                    .joined("-chdir=", context.folder)
                    .words("plan"),
            ));
            findings.extend(groups::review(context).await);
        }
        Period::Quarterly => {
            let (roles, versions) =
                tokio::join!(access::review(context), versions::review(context));
            findings.extend(roles);
            findings.push(drills::review(context));
            findings.extend(versions);
        }
    }
    Redactor::for_display(context.located.outputs()).apply(Maintained {
        environment: context.name(),
        period,
        at: context.at,
        findings,
        series,
    })
}

impl Redact for Maintained {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            findings: self.findings.redact(redactor),
            ..self
        }
    }
}

impl ToResults for Maintained {
    fn results(&self) -> Results {
        let tasks = format!("{} maintenance", self.period.word());
        let why = format!("one of the {} tasks of the guide", self.period.word());
        Results {
            program: "verify-staging",
            command: "maintenance",
            environment: self.environment.clone(),
            region: None,
            at: self.at.to_string(),
            source: Source::Looked,
            residency: Vec::new(),
            suites: vec![Suite::of_findings(tasks, &why, &self.findings)],
        }
    }
}

impl Report for Maintained {
    const KIND: &'static str = "maintenance";

    fn document(&self) -> Document {
        let period = self.period.word();
        let counts = finding::counts(&self.findings);
        let mut document = Document::new()
            .heading(format!("{}, {period}: {counts}", self.environment))
            .table(
                Finding::COLUMNS,
                self.findings.iter().map(Finding::row).collect(),
            );
        document = finding::fixes(document, &self.findings);
        if !self.series.is_empty() {
            document = document.heading("Day by day, oldest first");
        }
        let rows = self.series.iter().map(|series| {
            let values: Vec<String> = series
                .points
                .iter()
                .map(|(_, value)| format!("{value:.1}"))
                .collect();
            let cells = vec![
                series.what.clone(),
                series.resource.clone(),
                series.unit.to_owned(),
                values.join(" "),
            ];
            (Mark::Plain, cells)
        });
        document.table(["What", "Resource", "Unit", "Values"], rows.collect())
    }
}

/// A time of the SDK.
fn time(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}

/// A time for the SDK.
fn sdk(time: Timestamp) -> aws_smithy_types::DateTime {
    aws_smithy_types::DateTime::from_secs(time.as_second())
}
