//! How long the data may lie where a failover takes it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use report::finding::Finding;
use settings::{ExceptionInUse, Settings};

use super::Area;

/// A decision that takes a committee is asked for so long before.
const WARNED_DAYS: i32 = 90;

pub(super) fn look(settings: &Settings, now: Timestamp) -> Area {
    let today = now.to_zoned(TimeZone::UTC).date();
    let exceptions = settings.exceptions_in_use();
    let mut findings: Vec<Finding> = exceptions.iter().map(|one| judge(one, today)).collect();
    if findings.is_empty() {
        let regions = settings.regions;
        findings.push(Finding::new(
            "residency",
            regions.dr.as_str(),
            "data may lie there",
            Ok((true, format!("it is in {}", regions.dr.country()))),
        ));
    }
    Area::new(
        "Residency",
        "the data would lie where it may not, or somebody has to decide that in the outage",
        findings,
    )
}

fn judge(used: &ExceptionInUse<'_>, today: Date) -> Finding {
    let exception = used.exception;
    let left = today.until(exception.expires).map(|span| span.get_days());
    let left = left.unwrap_or(0);
    let finding = Finding::new(
        "residency-exception",
        exception.region.as_str(),
        format!("in force for {WARNED_DAYS} days or more"),
        Ok((
            left >= WARNED_DAYS,
            format!("{left} days left: {} is the last one", exception.expires),
        )),
    );
    finding.fix(format!(
        "have it renewed by {}, and write its new last day under [residency]",
        exception.approved_by
    ))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use report::finding::Status;
    use settings::{RegionRole, ResidencyException};

    use super::*;

    #[test]
    fn judge_warns_from_ninety_days_before_the_end() {
        let exception = ResidencyException {
            region: "us-east-1".parse().unwrap(),
            reason: "the move is planned".to_owned(),
            approved_by: "Privacy Officer".to_owned(),
            expires: date(2027, 6, 30),
        };
        let used = ExceptionInUse {
            role: RegionRole::Dr,
            exception: &exception,
        };
        assert_eq!(judge(&used, date(2027, 4, 1)).status, Status::Ok);
        let late = judge(&used, date(2027, 4, 2));
        assert_eq!(late.status, Status::Wrong);
        assert!(late.seen.unwrap().starts_with("89 days left"));
        assert!(late.fix.unwrap().contains("Privacy Officer"));
        assert_eq!(judge(&used, date(2027, 7, 1)).status, Status::Wrong);
    }
}
