//! To which moment ages are counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::show;

/// Clocks of machines that keep time differ by less.
const APART: Duration = Duration::from_secs(60);

/// Why an age is not known.
pub(super) const CLOCKS: &str = "it is newer than now: two clocks differ";

/// The moment to which what is lost is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// Now: by the clock of RDS once it has answered ([`RdsClients::at`](super::RdsClients::at)), before that by the clock of
    /// whoever asks. RDS has no data of later: where it shows some, a clock is wrong, and no age is known.
    Now(Timestamp),
    /// A moment that somebody names, such as that of a loss. Of data that was written later nothing is lost.
    Moment(Timestamp),
}

impl AsOf {
    /// The moment.
    pub fn time(self) -> Timestamp {
        match self {
            Self::Now(time) | Self::Moment(time) => time,
        }
    }

    /// How old data of `time` is; `None` where the clocks differ.
    pub fn age(self, time: Timestamp) -> Option<Duration> {
        let age = self.time().duration_since(time);
        match (Duration::try_from(age), self) {
            (Ok(age), _) => Some(age),
            (Err(_), Self::Moment(_)) => Some(Duration::ZERO),
            (Err(_), Self::Now(_)) => (age.unsigned_abs() < APART).then_some(Duration::ZERO),
        }
    }

    /// The same in seconds.
    pub(super) fn seconds(self, time: Timestamp) -> Option<u64> {
        self.age(time).map(|age| age.as_secs())
    }
}

impl Serialize for AsOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.time())
    }
}

/// The clock of a service, as the `Date` of its answers tells it.
#[derive(Debug, Clone, Default)]
pub(super) struct ServiceClock(Arc<Mutex<Option<(Timestamp, Instant)>>>);

impl ServiceClock {
    /// What time it is there; `None` as long as no answer has told.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (date, at) = last?;
        date.checked_add(at.elapsed()).ok()
    }
}

#[dyn_dispatch_hint]
impl Intercept for ServiceClock {
    fn name(&self) -> &'static str {
        "ServiceClock"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context
            .response()
            .and_then(|answer| answer.headers().get("date"));
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        if let Some(date) = show::timestamp(date.as_ref()) {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some((date, Instant::now()));
        }
        Ok(())
    }
}

/// How far this machine's clock is from that of RDS, in words; `None` where that is less than clocks of machines that keep
/// time differ by.
pub(super) fn clock_difference(local: Timestamp, service: Timestamp) -> Option<String> {
    let apart = local.duration_since(service);
    if apart.unsigned_abs() < APART {
        return None;
    }
    let word = if apart.is_positive() {
        "ahead of"
    } else {
        "behind"
    };
    Some(format!(
        "this machine's clock is {} {word} that of RDS, which counts here",
        report::duration(apart.unsigned_abs())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_difference_is_told_in_both_directions_from_a_minute_on() {
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let noon = at("2026-11-22T12:00:00Z");
        assert_eq!(clock_difference(at("2026-11-22T12:00:59Z"), noon), None);
        for (local, part) in [
            ("2026-11-22T12:10:00Z", "10m ahead of that of RDS"),
            ("2026-11-22T11:00:00Z", "1h behind that of RDS"),
        ] {
            let told = clock_difference(at(local), noon).unwrap();
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn age_of_data_from_the_future_is_unknown_now_and_nothing_at_a_named_moment() {
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let noon = at("2026-11-22T12:00:00Z");
        let five = Some(Duration::from_secs(300));
        assert_eq!(AsOf::Now(noon).age(at("2026-11-22T11:55:00Z")), five);
        assert_eq!(AsOf::Moment(noon).age(at("2026-11-22T11:55:00Z")), five);
        let zero = Some(Duration::ZERO);
        assert_eq!(AsOf::Now(noon).age(at("2026-11-22T12:00:59Z")), zero);
        assert_eq!(AsOf::Now(noon).age(at("2026-11-22T12:01:00Z")), None);
        assert_eq!(AsOf::Moment(noon).age(at("2026-11-22T13:00:00Z")), zero);
    }
}
