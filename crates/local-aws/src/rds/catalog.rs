//! What RDS offers: engine versions and regions.

use std::collections::BTreeSet;

use super::refusal::{Outcome, Refusal};

/// PostgreSQL's minor versions, oldest first, and whether new instances may have them: a snapshot of the
/// release calendar that changes every quarter.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html>
const VERSIONS: [(&str, bool); 28] = [
    ("13.20", true),
    ("13.21", true),
    ("13.22", true),
    ("13.23", true),
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

/// Minor versions of these majors that were released together: PostgreSQL releases all at once, in February, May, August and
/// November (<https://www.postgresql.org/support/versioning/>). Those of February 2025.
const RELEASED_TOGETHER: [(&str, i32); 6] = [
    ("13", 20),
    ("14", 17),
    ("15", 12),
    ("16", 8),
    ("17", 4),
    // Its first one came three releases later.
    ("18", -2),
];

/// Parameters of PostgreSQL's parameter groups: of which major versions, name, when a change counts, type, values, `locked`
/// where RDS lets nobody change it. Those of PostgreSQL as `pg_settings` of each major version has them
/// (<https://www.postgresql.org/docs/current/view-pg-settings.html>), and of RDS's own and of extensions the ones that are used
/// most.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html>
const PARAMETERS: &str = include_str!("catalog/parameters.tsv");

/// What RDS itself sets.
const SYSTEM: [(&str, &str); 3] = [
    (
        "max_connections",
        "LEAST({DBInstanceClassMemory/9531392},5000)",
    ),
    ("rds.force_ssl", "1"),
    ("shared_preload_libraries", "pg_stat_statements"),
];

/// A parameter of PostgreSQL's parameter groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// A change counts after a reboot only.
    pub(crate) waits: bool,
    /// `integer`, `float`, `boolean`, `string`, `list`.
    pub(crate) kind: &'static str,
    /// `1..8` for numbers, else values with commas between them; empty where any text will do.
    values: &'static str,
    pub(crate) is_modifiable: bool,
}

/// All of a family, by name.
pub(crate) fn parameters(of: &str) -> impl Iterator<Item = Parameter> {
    let major: Option<u32> = of.strip_prefix("postgres").and_then(|of| of.parse().ok());
    PARAMETERS.lines().filter_map(move |line| {
        let mut fields = line.split('\t');
        let (from, to) = fields.next()?.split_once('-')?;
        if !(from.parse().ok()?..=to.parse().ok()?).contains(&major?) {
            return None;
        }
        Some(Parameter {
            name: fields.next()?,
            waits: fields.next()? == "static",
            kind: fields.next()?,
            values: fields.next().unwrap_or_default(),
            is_modifiable: fields.next().is_none(),
        })
    })
}

impl Parameter {
    /// What RDS sets it to in groups of this family. TLS is demanded from PostgreSQL 15 on.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html>
    pub(crate) fn default(&self, family: &str) -> Option<&'static str> {
        if self.name == "rds.force_ssl" && matches!(family, "postgres13" | "postgres14") {
            return Some("0");
        }
        let system = SYSTEM.iter().find(|(name, _)| *name == self.name);
        system.map(|(_, value)| *value)
    }

    /// The values as RDS shows them: `6-262143`, `0,1`.
    pub(crate) fn allowed(&self) -> Option<String> {
        (!self.values.is_empty()).then(|| self.values.replace("..", "-"))
    }

    /// Whether it may have a value.
    pub(crate) fn takes(&self, value: &str) -> bool {
        let among = |value: &str| self.values.split(',').any(|one| one == value);
        match self.kind {
            "integer" | "float" if is_formula(value) => true,
            // A number of some unit, without the unit.
            "integer" if value.parse::<i64>().is_err() => false,
            "integer" | "float" => {
                let within = || {
                    let (from, to) = self.values.split_once("..")?;
                    let (from, to): (f64, f64) = (from.parse().ok()?, to.parse().ok()?);
                    let value: f64 = value.parse().ok()?;
                    Some((from..=to).contains(&value))
                };
                within() == Some(true)
            }
            "boolean" => among(value) || ["on", "off", "true", "false"].contains(&value),
            "list" => value.split(',').all(|one| among(one.trim())),
            _ => self.values.is_empty() || among(value),
        }
    }
}

/// `{DBInstanceClassMemory/9531392}`, alone or in a function of RDS's.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ParamValuesRef.html>
fn is_formula(value: &str) -> bool {
    let functions = ["GREATEST(", "LEAST(", "SUM("];
    let begins = value.starts_with('{') || functions.iter().any(|name| value.starts_with(name));
    let balanced =
        |open: char, close: char| value.matches(open).count() == value.matches(close).count();
    begins && balanced('{', '}') && balanced('(', ')')
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

/// `9.6` before `15.4` before `15.12`.
pub(crate) fn sortable(version: &str) -> String {
    let parts = version.split('.').map(|part| format!("{part:0>3}"));
    parts.collect::<Vec<_>>().join(".")
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

/// Versions that an instance of this one can be upgraded to, oldest first: newer minor ones of its major, and of later majors
/// those that are not older than it is.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.html>
pub(crate) fn upgrade_targets(from: &str, retired: &BTreeSet<String>) -> Vec<&'static str> {
    let number = |text: &str| text.parse::<i32>().ok();
    let released = |version: &str| {
        let (of, minor) = version.split_once('.')?;
        let (_, together) = RELEASED_TOGETHER.iter().find(|(major, _)| *major == of)?;
        Some(number(minor)? - together)
    };
    let is_newer = |to: &str| {
        let (old, new) = (number(major(from)), number(major(to)));
        new > old && released(to) >= released(from) || new == old && released(to) > released(from)
    };
    offered(retired).filter(|to| is_newer(to)).collect()
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

    #[test]
    fn parameters_take_values_of_their_type_and_range() {
        let all: Vec<Parameter> = parameters("postgres15").collect();
        assert!(all.len() > 300, "{}", all.len());
        assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
        let takes = |name: &str, value: &str| {
            let found = all.iter().find(|parameter| parameter.name == name);
            found.unwrap().takes(value)
        };
        for (name, good, bad) in [
            ("max_connections", "400", "banana"),
            (
                "max_connections",
                "LEAST({DBInstanceClassMemory/9531392},5000)",
                "LEAST({",
            ),
            ("max_connections", "262143", "5"),
            ("work_mem", "65536", "64MB"),
            ("random_page_cost", "1.1", "-1"),
            ("log_connections", "1", "2"),
            ("log_statement", "ddl", "everything"),
            (
                "shared_preload_libraries",
                "pg_stat_statements, auto_explain",
                "mine",
            ),
            ("rds.force_ssl", "0", "perhaps"),
            ("log_min_duration_statement", "-1", "-2"),
        ] {
            assert!(takes(name, good), "{name}={good}");
            assert!(!takes(name, bad), "{name}={bad}");
        }
        let locked = all.iter().filter(|parameter| !parameter.is_modifiable);
        assert!(
            locked
                .clone()
                .any(|parameter| parameter.name == "wal_level")
        );
        assert!(locked.clone().all(|parameter| parameter.name != "work_mem"));
    }

    #[test]
    fn parameters_are_those_of_the_major_version() {
        let named = |family: &str, name: &str| parameters(family).find(|one| one.name == name);
        for family in families() {
            let all: Vec<Parameter> = parameters(&family).collect();
            assert!(all.len() > 300, "{family}: {}", all.len());
            assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
            let connections = named(&family, "max_connections").unwrap();
            assert!(
                connections.takes("400") && !connections.takes("banana"),
                "{family}"
            );
        }
        assert_eq!(families().count(), 6);
        // Gone with PostgreSQL 16, come with 17, and a word instead of a switch since 18.
        assert!(named("postgres15", "promote_trigger_file").is_some());
        assert_eq!(named("postgres16", "promote_trigger_file"), None);
        assert_eq!(named("postgres16", "transaction_timeout"), None);
        assert!(named("postgres17", "transaction_timeout").is_some());
        let connections = |family: &str| named(family, "log_connections").unwrap().kind;
        assert_eq!(
            (connections("postgres17"), connections("postgres18")),
            ("boolean", "string")
        );
        assert_eq!(parameters("mysql8.0").count(), 0);
    }

    #[test]
    fn upgrade_targets_are_later_releases_that_are_offered() {
        let none = BTreeSet::new();
        assert_eq!(
            upgrade_targets("15.14", &none),
            ["15.15", "16.10", "16.11", "17.6", "17.7", "18.1"]
        );
        assert_eq!(upgrade_targets("18.1", &none), [""; 0]);
        assert!(upgrade_targets("15.4", &none).contains(&"15.12"));
        let retired = BTreeSet::from(["15.15".to_owned()]);
        assert!(!upgrade_targets("15.14", &retired).contains(&"15.15"));
    }

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
