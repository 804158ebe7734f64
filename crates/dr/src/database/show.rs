//! Times as people read them.

use std::time::Duration;

use aws_smithy_types::DateTime;
use jiff::Timestamp;

/// AWS's time as this project's.
pub(super) fn timestamp(time: Option<&DateTime>) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time?.as_nanos()).ok()
}

/// This project's time as AWS's.
pub(super) fn date_time(time: Timestamp) -> DateTime {
    DateTime::from_nanos(time.as_nanosecond())
        // Every timestamp fits.
        .unwrap_or_else(|_| DateTime::from_secs(time.as_second()))
}

/// A number of AWS's that is none below 0.
pub(super) fn whole(number: Option<i32>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

/// A time as in `2026-11-22 03:15:12Z`.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Whole seconds, for JSON.
pub(super) fn seconds<S: serde::Serializer>(
    length: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(length.as_secs())
}
