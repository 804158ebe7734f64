//! How far a read replica is behind, as CloudWatch tells.

use aws_env::{Call, Error};
use aws_sdk_cloudwatch::types::{Dimension, Statistic};
use aws_smithy_types::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::{RdsClients, show};

/// How long ago the last figure may be: a replica whose source is lost goes on being measured.
const WINDOW: i64 = 12 * 3600;
/// Figures of a clock that is a little ahead count as well.
const AHEAD: i64 = 600;
/// RDS publishes one in each minute.
const MINUTE: i32 = 60;

/// Of which time the data of a replica are: a figure of `ReplicaLag` says how many seconds what was replayed last is old, at
/// the time of the figure, which is that at which its minute began: what is told here is too old by a minute at most. The
/// figure that reaches furthest counts: a replica does not lose what it has. RDS publishes -1 where it does not know.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.Replication.ReadReplicas.Monitor.html>
///
/// # Errors
/// When CloudWatch does not answer or refuses.
pub(super) async fn replica_data_time(
    site: &RdsClients,
    replica: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let call = Call {
        service: "CloudWatch",
        ..site.call("GetMetricStatistics", "ReplicaLag")
    };
    let now = now.as_second();
    let of = Dimension::builder()
        .name("DBInstanceIdentifier")
        .value(replica);
    let answer = site
        .cloudwatch
        .get_metric_statistics()
        .namespace("AWS/RDS")
        .metric_name("ReplicaLag")
        .dimensions(of.build())
        .start_time(DateTime::from_secs(now.saturating_sub(WINDOW)))
        .end_time(DateTime::from_secs(now.saturating_add(AHEAD)))
        .period(MINUTE)
        .statistics(Statistic::Maximum)
        .send()
        .await
        .map_err(|error| call.failed(error))?;
    let figures = answer
        .datapoints()
        .iter()
        .filter_map(|point| Some((show::timestamp(point.timestamp())?, point.maximum()?)));
    Ok(furthest(figures))
}

/// The time that the figures reach to; `None` where none says anything.
fn furthest(figures: impl Iterator<Item = (Timestamp, f64)>) -> Option<Timestamp> {
    figures
        .filter(|(_, lag)| *lag >= 0.0)
        .filter_map(|(at, lag)| {
            let lag = SignedDuration::try_from_secs_f64(lag).ok()?;
            at.checked_sub(lag).ok()
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn furthest_of_figures_takes_what_was_reached_and_no_figure_that_is_none() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let figures = [
            (at("2026-11-30T10:00:00Z"), 30.0),
            (at("2026-11-30T10:01:00Z"), 2.5),
            // The source is gone, and the last transaction grows older.
            (at("2026-11-30T10:02:00Z"), 62.5),
            (at("2026-11-30T10:03:00Z"), -1.0),
            (at("2026-11-30T10:04:00Z"), f64::NAN),
            (at("2026-11-30T10:05:00Z"), f64::INFINITY),
        ];
        let reached = furthest(figures.into_iter());
        assert_eq!(reached, Some(at("2026-11-30T10:00:57.5Z")));
        assert_eq!(furthest(figures[3..].iter().copied()), None);
    }
}
