//! What RDS offers: engine versions and regions.

use std::collections::BTreeSet;

use super::refusal::{Outcome, Refusal};

/// PostgreSQL's minor versions, oldest first, and whether new instances may have them: a snapshot of the
/// release calendar that changes every quarter.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html>
const VERSIONS: [(&str, bool); 24] = [
    ("14.9", false),
    ("14.17", true),
    ("14.18", true),
    ("14.19", true),
    ("15.2", false),
    ("15.3", false),
    ("15.4", false),
    ("15.5", false),
    ("15.6", false),
    ("15.12", true),
    ("15.13", true),
    ("15.14", true),
    ("15.15", true),
    ("16.1", false),
    ("16.2", false),
    ("16.8", true),
    ("16.9", true),
    ("16.10", true),
    ("16.11", true),
    ("17.4", true),
    ("17.5", true),
    ("17.6", true),
    ("17.7", true),
    ("18.1", true),
];

/// Families of classes that RDS has for PostgreSQL, with their sizes. That some regions, versions and zones lack some of
/// them is not simulated.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Support.html>
const CLASSES: [(&str, &[&str]); 14] = [
    ("m5", LARGE),
    ("m6g", LARGE),
    ("m6i", LARGE),
    ("m7g", LARGE),
    ("m7i", LARGE),
    ("m8g", LARGE),
    ("r5", LARGE),
    ("r6g", LARGE),
    ("r6i", LARGE),
    ("r7g", LARGE),
    ("r7i", LARGE),
    ("r8g", LARGE),
    ("t3", SMALL),
    ("t4g", SMALL),
];
const SMALL: &[&str] = &["micro", "small", "medium", "large", "xlarge", "2xlarge"];
const LARGE: &[&str] = &[
    "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge",
];

/// Regions that RDS may copy from: commercial ones.
pub(crate) const REGIONS: [&str; 18] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// A parameter of PostgreSQL's parameter groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// A change counts after a reboot only.
    pub(crate) waits: bool,
    /// What RDS sets, where it sets anything.
    system: Option<&'static str>,
}

/// The few of some four hundred that this simulation has.
pub(crate) const PARAMETERS: [Parameter; 8] = [
    dynamic("log_connections"),
    dynamic("log_disconnections"),
    dynamic("log_min_duration_statement"),
    dynamic("log_statement"),
    Parameter {
        name: "max_connections",
        waits: true,
        system: Some("LEAST({DBInstanceClassMemory/9531392},5000)"),
    },
    Parameter {
        name: "rds.force_ssl",
        waits: false,
        system: Some("1"),
    },
    Parameter {
        name: "shared_preload_libraries",
        waits: true,
        system: Some("pg_stat_statements"),
    },
    dynamic("work_mem"),
];

const fn dynamic(name: &'static str) -> Parameter {
    Parameter {
        name,
        waits: false,
        system: None,
    }
}

impl Parameter {
    /// What RDS sets it to in groups of this family. TLS is demanded from PostgreSQL 15 on.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html>
    pub(crate) fn default(&self, family: &str) -> Option<&'static str> {
        if self.name == "rds.force_ssl" && family == "postgres14" {
            return Some("0");
        }
        self.system
    }
}

/// Families of the versions that are offered, oldest first.
pub(crate) fn families() -> impl Iterator<Item = String> {
    let mut families: Vec<String> = offered(&BTreeSet::new())
        .map(|version| family("postgres", version))
        .collect();
    families.dedup();
    families.into_iter()
}

/// Classes that instances may have, such as `db.t4g.medium`.
pub(crate) fn classes() -> impl Iterator<Item = String> {
    CLASSES.iter().flat_map(|(family, sizes)| {
        let class = move |size: &&str| format!("db.{family}.{size}");
        sizes.iter().map(class)
    })
}

pub(crate) fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

pub(crate) fn family(engine: &str, version: &str) -> String {
    format!("{engine}{}", major(version))
}

pub(crate) fn default_parameter_group(engine: &str, version: &str) -> String {
    format!("default.{}", family(engine, version))
}

/// Versions that new instances may have, oldest first.
pub(crate) fn offered(retired: &BTreeSet<String>) -> impl DoubleEndedIterator<Item = &'static str> {
    VERSIONS
        .iter()
        .filter(|(version, offered)| *offered && !retired.contains(*version))
        .map(|(version, _)| *version)
}

/// Versions that are known and no longer offered.
pub(crate) fn withdrawn(retired: &BTreeSet<String>) -> impl Iterator<Item = &'static str> {
    VERSIONS
        .iter()
        .filter(|(version, offered)| !offered || retired.contains(*version))
        .map(|(version, _)| *version)
}

/// The version of a new instance: as asked for, the newest minor of a major, the newest of all.
pub(crate) fn version(asked: Option<&str>, retired: &BTreeSet<String>) -> Outcome<&'static str> {
    let mut offered = offered(retired).rev();
    let found = match asked {
        None => offered.next(),
        Some(asked) if asked.contains('.') => offered.find(|version| *version == asked),
        Some(asked) => offered.find(|version| major(version) == asked),
    };
    found.ok_or_else(|| {
        Refusal::combination(format!(
            "Cannot find version {} for postgres",
            asked.unwrap_or_default()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // aws-behaviour: 33
    #[test]
    fn a_retired_minor_version_is_not_offered() {
        let mut retired = BTreeSet::new();
        assert_eq!(
            version(Some("15.5"), &retired).unwrap_err().code,
            "InvalidParameterCombination"
        );
        assert_eq!(version(Some("15"), &retired).unwrap(), "15.15");
        retired.insert("15.15".to_owned());
        assert_eq!(version(Some("15"), &retired).unwrap(), "15.14");
        version(Some("15.15"), &retired).unwrap_err();
        assert!(withdrawn(&retired).any(|version| version == "15.15"));
        assert_eq!(version(None, &retired).unwrap(), "18.1");
    }
}
