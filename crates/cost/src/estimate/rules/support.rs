//! What a version costs more once its standard support has ended.

use jiff::civil::{Date, date};
use rust_decimal::Decimal;

use super::DemandBuilder;
use crate::inventory::Attributes;
use crate::prices::Service;
use crate::quantity::{HOURS_PER_MONTH, Unit};

/// A major version: from when Extended Support is billed, and from when at the price of its third year.
struct Major {
    engine: &'static str,
    version: &'static str,
    from: Date,
    third_year: Date,
}

const fn major(engine: &'static str, version: &'static str, from: Date, third_year: Date) -> Major {
    Major {
        engine,
        version,
        from,
        third_year,
    }
}

/// Billing begins the day after standard support ends, for PostgreSQL 11 a month later.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html>,
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/MySQL.Concepts.VersionMgmt.html>
const MAJORS: &[Major] = &[
    major("postgres", "11", date(2024, 4, 1), date(2026, 4, 1)),
    major("postgres", "12", date(2025, 3, 1), date(2027, 3, 1)),
    major("postgres", "13", date(2026, 3, 1), date(2028, 3, 1)),
    major("postgres", "14", date(2027, 3, 1), date(2029, 3, 1)),
    major("postgres", "15", date(2028, 3, 1), date(2030, 3, 1)),
    major("postgres", "16", date(2029, 3, 1), date(2031, 3, 1)),
    major("postgres", "17", date(2030, 3, 1), date(2032, 3, 1)),
    major("mysql", "5.7", date(2024, 3, 1), date(2026, 3, 1)),
    major("mysql", "8.0", date(2026, 8, 1), date(2028, 8, 1)),
    major("mysql", "8.4", date(2029, 8, 1), date(2031, 8, 1)),
];

/// Redis OSS 4 and 5 are billed at more than the node's price from here on, 6 a year later.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/extended-support-versions.html>
const REDIS: &[(u32, Date)] = &[
    (4, date(2026, 2, 1)),
    (5, date(2026, 2, 1)),
    (6, date(2027, 2, 1)),
];

/// Whoever sets this is upgraded, and pays nothing for it.
pub(super) const DISABLED: &str = "open-source-rds-extended-support-disabled";

/// Extended Support of a database: by the virtual CPU, of the standby too, whether it is reserved or not.
pub(super) fn database(demand: &mut DemandBuilder<'_>, attributes: &Attributes, running: Decimal) {
    let (Some(engine), Some(version)) =
        (attributes.text("engine"), attributes.text("engine_version"))
    else {
        // RDS makes a new instance with a version that it supports.
        return;
    };
    let Some(of) = MAJORS.iter().find(|of| of.is(engine, version)) else {
        let oldest = MAJORS.iter().filter(|of| of.engine == engine);
        let oldest = oldest.filter_map(|of| leading(of.version)).min();
        if leading(version) < oldest {
            demand.problem(format!(
                "what {engine} {version} costs after its standard support is not known"
            ));
        }
        return;
    };
    let today = demand.options.today;
    if today < of.from || attributes.text("engine_lifecycle_support") == Some(DISABLED) {
        return;
    }
    let Some(cpus) = attributes.text("instance_class").and_then(virtual_cpus) else {
        demand.problem(format!(
            "Extended Support of {engine} {version} has no price here: how many virtual CPUs its class has is not known"
        ));
        return;
    };
    let instances = match attributes.flag("multi_az") {
        Some(true) => Decimal::TWO,
        _ => Decimal::ONE,
    };
    let year = if today < of.third_year { "1" } else { "3" };
    demand.fixed(
        Service::Rds,
        format!("extended support year {year}"),
        Unit::VcpuHour,
        Decimal::from(cpus) * instances * running * HOURS_PER_MONTH,
    );
}

/// Extended Support of a cache: a share of the price of each node.
pub(super) fn cache(demand: &mut DemandBuilder<'_>, attributes: &Attributes) {
    if attributes.text("engine").unwrap_or("redis") != "redis" {
        return;
    }
    let Some(major) = attributes.text("engine_version").and_then(leading) else {
        return;
    };
    let from = REDIS.iter().find(|(of, _)| *of == major);
    if major < 4 || from.is_some_and(|(_, from)| *from <= demand.options.today) {
        demand.problem(format!(
            "Extended Support of Redis {major} has no price here"
        ));
    }
}

/// Extended Support of Aurora, for which RDS bills the versions of PostgreSQL that it bills on its own, and MySQL 5.7.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/extended-support-charges.html>
pub(super) fn aurora(demand: &mut DemandBuilder<'_>, engine: &str, version: &str) {
    let today = demand.options.today;
    let is_billed = match engine {
        "aurora-postgresql" => {
            let mut majors = MAJORS.iter().filter(|of| of.engine == "postgres");
            let oldest = majors.clone().filter_map(|of| leading(of.version)).min();
            leading(version) < oldest
                || majors.any(|of| of.is("postgres", version) && of.from <= today)
        }
        // Version 2 is that of MySQL 5.7, as in 5.7.mysql_aurora.2.11.1.
        _ => version.starts_with("5."),
    };
    if is_billed {
        demand.problem(format!(
            "Extended Support of {engine} {version} has no price here"
        ));
    }
}

impl Major {
    fn is(&self, engine: &str, version: &str) -> bool {
        let rest = version.strip_prefix(self.version);
        self.engine == engine && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// The number before the first point.
fn leading(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// Of a class of the generations that the price book has and of those before them, which all go by the same sizes.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html>
pub(super) fn virtual_cpus(class: &str) -> Option<u32> {
    virtual_cpus_of(class.strip_prefix("db.")?)
}

/// The same of an instance type of EC2, which has no prefix.
pub(super) fn virtual_cpus_of(class: &str) -> Option<u32> {
    let mut parts = class.split('.');
    let (family, size) = (parts.next()?, parts.next()?);
    if !family.starts_with(['t', 'm', 'r']) || family.starts_with("t1") || parts.next().is_some() {
        return None;
    }
    match size {
        "micro" | "small" if family == "t2" => Some(1),
        "micro" | "small" | "medium" if family.starts_with('t') => Some(2),
        "medium" => Some(1),
        "large" => Some(2),
        "xlarge" => Some(4),
        _ => Some(size.strip_suffix("xlarge")?.parse::<u32>().ok()? * 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_cpus_go_by_the_size_of_the_class() {
        for (class, cpus) in [
            ("db.t2.micro", Some(1)),
            ("db.t2.medium", Some(2)),
            ("db.t4g.micro", Some(2)),
            ("db.m5.large", Some(2)),
            ("db.r6g.xlarge", Some(4)),
            ("db.r7g.16xlarge", Some(64)),
            ("db.x2gd.medium", None),
            ("db.m5.metal", None),
            ("serverless", None),
        ] {
            assert_eq!(virtual_cpus(class), cpus, "{class}");
        }
    }

    #[test]
    fn major_is_the_whole_number_before_a_point() {
        let of = |engine: &str, version: &str| {
            let found = MAJORS.iter().find(|of| of.is(engine, version));
            found.map(|of| of.version)
        };
        assert_eq!(of("postgres", "12.22"), Some("12"));
        assert_eq!(of("postgres", "12"), Some("12"));
        assert_eq!(of("postgres", "1"), None);
        assert_eq!(of("mysql", "5.7.44-rds.20240529"), Some("5.7"));
        assert_eq!(of("mysql", "12.1"), None);
    }
}
