//! The last drill of disaster recovery, as its record tells it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use report::finding::{Finding, Observation, Unobserved};
use serde_json::Value;

use super::Context;

/// A quarter, and a week's grace.
const DAYS: i64 = 92 + 7;

/// A record of a drill: when it was, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillRecord {
    name: String,
    at: Option<Timestamp>,
    passed: Option<bool>,
}

impl DrillRecord {
    /// From a file. The time is that of the JSON (`at`, `time`, `ended`, `finished`), else that of the name
    /// (`drill-20261122-101500.json`); it went well when the JSON says so (`passed`), or lost nothing and kept
    /// its time (`writes_lost`, `rto`, `rto_objective`).
    pub fn read(name: impl Into<String>, json: &[u8]) -> Self {
        let name = name.into();
        let json: Value = serde_json::from_slice(json).unwrap_or(Value::Null);
        let told = ["at", "time", "ended", "finished"]
            .iter()
            .find_map(|field| json[field].as_str()?.parse().ok());
        let measured = || {
            let (lost, took) = (json["writes_lost"].as_u64()?, json["rto"].as_f64()?);
            Some(lost == 0 && took <= json["rto_objective"].as_f64()?)
        };
        Self {
            at: told.or_else(|| in_name(&name)),
            passed: json["passed"].as_bool().or_else(measured),
            name,
        }
    }
}

/// A date and a time with nothing but a hyphen or a T between them.
fn in_name(name: &str) -> Option<Timestamp> {
    (0..name.len()).find_map(|at| {
        let part = name.get(at..at + 15)?;
        // A hyphen before the year would be its sign.
        if !part.starts_with(|char: char| char.is_ascii_digit()) {
            return None;
        }
        let time = DateTime::strptime("%Y%m%d-%H%M%S", part)
            .or_else(|_| DateTime::strptime("%Y%m%dT%H%M%S", part))
            .ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

pub(super) fn review(context: Context<'_>) -> Finding {
    let expected = format!("a drill that went well within {} days", DAYS);
    Finding::new(
        "last-drill",
        context.name(),
        expected,
        judge(context.drills, context.at),
    )
    .fix("cargo drill; docs/dr-replicate.md has the steps against AWS")
}

fn judge(drills: &[DrillRecord], now: Timestamp) -> Observation<(bool, String)> {
    let newest = drills
        .iter()
        .filter_map(|drill| Some((drill.at?, drill)))
        .max_by_key(|(at, _)| *at);
    let Some((at, drill)) = newest else {
        return Err(Unobserved::because(match drills.len() {
            0 => "no record of a drill was given: name their folder with --drills".to_owned(),
            count => format!("none of {count} records tells when it was"),
        }));
    };
    let late = now.duration_since(at) > SignedDuration::from_hours(24 * DAYS);
    let shown = format!("{} of {at}", drill.name);
    match drill.passed {
        Some(passed) => Ok((
            passed && !late,
            format!("{shown}{}", if passed { "" } else { ", which failed" }),
        )),
        None if late => Ok((false, shown)),
        None => Err(Unobserved::because(format!(
            "{shown} does not tell how it went"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn of(records: &[(&str, &str)]) -> Observation<(bool, String)> {
        let records: Vec<DrillRecord> = records
            .iter()
            .map(|(name, json)| DrillRecord::read(*name, json.as_bytes()))
            .collect();
        judge(&records, NOW.parse().unwrap())
    }

    #[test]
    fn the_newest_record_counts() {
        let good = r#"{"rto": 12.5, "rto_objective": 2700.0, "writes_lost": 0}"#;
        let lost = r#"{"rto": 12.5, "rto_objective": 2700.0, "writes_lost": 3}"#;
        assert!(of(&[("drill-20261001-101500.json", good)]).unwrap().0);
        assert!(!of(&[("drill-20260101-101500.json", good)]).unwrap().0);
        let both = [
            ("drill-20261001-101500.json", good),
            ("drill-20261101T101500Z.json", lost),
        ];
        let (right, shown) = of(&both).unwrap();
        assert!(!right && shown.contains("which failed"), "{shown}");
        assert!(
            of(&[(
                "x.json",
                r#"{"at": "2026-11-01T00:00:00Z", "passed": true}"#
            )])
            .unwrap()
            .0
        );
    }

    #[test]
    fn no_record_or_one_that_tells_nothing_is_unknown() {
        assert!(of(&[]).is_err());
        assert!(of(&[("notes.txt", "hello")]).is_err());
        assert!(of(&[("drill-20261101-101500.json", "{}")]).is_err());
    }
}
