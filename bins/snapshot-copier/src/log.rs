//! The function's log: Lambda takes what is on standard output. Names and error texts come from AWS: they are escaped.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place of this program that has the stream"
)]

use std::io::{self, Stdout, Write as _};

use jiff::Timestamp;
use report::escape::EventWriter;
use serde_json::json;

/// Begins it, in the format that the function is configured for.
pub(crate) fn begin(format: Option<&str>) {
    let json = format.is_some_and(|format| format.eq_ignore_ascii_case("json"));
    let writer: fn() -> EventWriter<Stdout> = match json {
        true => || EventWriter::json(io::stdout()),
        false => || EventWriter::text(io::stdout()),
    };
    lambda_runtime::tracing::init_default_subscriber_with_writer(writer);
}

/// Tells CloudWatch the age of a database's freshest recovery point. It finds metrics in log lines of this form (the embedded
/// metric format), so that the function needs neither the right nor the connection to publish one.
pub(crate) fn publish_age(database: &str, seconds: u64, now: Timestamp) {
    let line = age(database, seconds, now);
    // Standard output that takes nothing takes no log either, and there is nobody to tell; the alarm misses the metric.
    let _ = writeln!(io::stdout(), "{line}");
}

fn age(database: &str, seconds: u64, now: Timestamp) -> serde_json::Value {
    json!({
        "_aws": {
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": "RegionRecovery",
                "Dimensions": [["Database"]],
                "Metrics": [{"Name": "RecoveryPointAge", "Unit": "Seconds"}],
            }],
        },
        "Database": database,
        "RecoveryPointAge": seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// terraform/modules/monitoring has the alarm on this metric: both have to call it by the same names.
    #[test]
    fn age_is_the_metric_that_the_alarm_reads() {
        let now = "2026-11-22T08:00:00Z".parse().unwrap();
        let line = age("berthcare-staging-postgres", 3600, now);
        let metric = &line["_aws"]["CloudWatchMetrics"][0];
        let alarm = include_str!("../../../terraform/modules/monitoring/alarms.tf");
        let (_, alarm) = alarm.split_once("\"backup_age\" {").unwrap();
        for (argument, value) in [
            ("namespace", &metric["Namespace"]),
            ("metric_name", &metric["Metrics"][0]["Name"]),
            ("unit", &metric["Metrics"][0]["Unit"]),
        ] {
            let given = alarm.lines().find_map(|line| {
                let (name, given) = line.split_once(" = ")?;
                (name.trim() == argument).then(|| given.trim().trim_matches('"'))
            });
            assert_eq!(given, value.as_str(), "{argument}");
        }
        assert!(alarm.contains("dimensions          = { Database = each.key }"));
        assert_eq!(metric["Dimensions"], json!([["Database"]]));
        assert_eq!(line["Database"], "berthcare-staging-postgres");
        assert_eq!(line["RecoveryPointAge"], 3600);
        assert_eq!(line["_aws"]["Timestamp"], 1_795_334_400_000_i64);
    }
}
