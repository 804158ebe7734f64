use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use crate::{Call, Error};

/// How long a wait may take and how often AWS is asked meanwhile. `aws rds wait` gives up after 30 minutes whatever
/// the objective; a wait with this ends when the objective does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaiterConfig {
    /// The whole wait; zero looks once and does not wait.
    pub deadline: Duration,
    /// The pause between the first two looks. Each further one is twice as long as the one before.
    pub interval: Duration,
    /// The longest pause between two looks.
    pub max_interval: Duration,
}

impl WaiterConfig {
    /// Looks every `interval`.
    pub const fn every(interval: Duration, deadline: Duration) -> Self {
        Self {
            deadline,
            interval,
            max_interval: interval,
        }
    }
}

/// What one look shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll<T> {
    /// What was waited for.
    Ready(T),
    /// Not yet; what is there instead.
    Pending(String),
}

/// A wait that has begun: for loops that do more than look. [`wait`] is the usual way.
#[derive(Debug)]
pub struct Waiter {
    deadline: Duration,
    intervals: ExponentialBackoff,
    begun: Instant,
}

impl Waiter {
    /// Begins to wait.
    pub fn begin(config: WaiterConfig) -> Self {
        Self {
            deadline: config.deadline,
            intervals: ExponentialBuilder::default()
                .with_min_delay(config.interval)
                .with_max_delay(config.max_interval)
                .without_max_times()
                .build(),
            begun: Instant::now(),
        }
    }

    /// How long it has waited.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Pauses; `false`, at once, when the deadline leaves no time for another look.
    pub async fn pause(&mut self) -> bool {
        let left = self.deadline.saturating_sub(self.elapsed());
        if left.is_zero() {
            return false;
        }
        let interval = self.intervals.next().unwrap_or(left);
        tokio::time::sleep(interval.min(left)).await;
        true
    }
}

/// Looks until `look` shows what is waited for, and tells `progress` what is there meanwhile. Transient errors are
/// waited through: a wait of an hour survives minutes of throttling and of lost connections.
///
/// # Errors
/// An error of `look` that is not transient ends the wait. At the deadline it is the transient error of the last look,
/// if that one failed, and otherwise [`Error::not_settled`].
pub async fn wait<T, F, Fut>(
    config: WaiterConfig,
    call: Call,
    mut progress: impl FnMut(&str),
    mut look: F,
) -> Result<T, Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Poll<T>, Error>>,
{
    let mut waiter = Waiter::begin(config);
    loop {
        let last = match look().await {
            Ok(Poll::Ready(ready)) => return Ok(ready),
            Ok(Poll::Pending(seen)) => Ok(seen),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => return Err(error),
        };
        match &last {
            Ok(seen) => progress(seen),
            Err(error) => progress(&error.to_string()),
        }
        if !waiter.pause().await {
            return Err(match last {
                Ok(seen) => Error::not_settled(call, waiter.elapsed(), seen),
                Err(error) => error,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::ErrorClass;

    fn call() -> Call {
        Call {
            region: "ca-central-1".parse().unwrap(),
            service: "RDS",
            operation: "DescribeDBInstances",
            resource: "app".to_owned(),
        }
    }

    fn failing(class: ErrorClass) -> Error {
        let mut error = Error::unexpected(call(), "no answer");
        error.class = class;
        error
    }

    /// Waits a minute at most, looking each second; gives the answers in turn.
    async fn waited(
        answers: Vec<Result<Poll<u32>, Error>>,
    ) -> (Result<u32, Error>, Vec<String>, Duration) {
        let mut answers = VecDeque::from(answers);
        let mut progress = Vec::new();
        let begun = Instant::now();
        let config = WaiterConfig::every(Duration::from_secs(1), Duration::from_secs(60));
        let outcome = wait(
            config,
            call(),
            |seen| progress.push(seen.to_owned()),
            || {
                let answer = answers.pop_front();
                async { answer.unwrap_or_else(|| Ok(Poll::Pending("creating".to_owned()))) }
            },
        )
        .await;
        (outcome, progress, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn wait_through_transient_errors_ends_when_ready() {
        let (outcome, progress, took) = waited(vec![
            Ok(Poll::Pending("creating".to_owned())),
            Err(failing(ErrorClass::Throttled)),
            Err(failing(ErrorClass::Unreachable)),
            Ok(Poll::Ready(7)),
        ])
        .await;
        assert_eq!(outcome.unwrap(), 7);
        assert_eq!(progress.len(), 3);
        assert_eq!(took, Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn wait_refused_ends_at_once() {
        let (outcome, _, took) = waited(vec![Err(failing(ErrorClass::Denied))]).await;
        assert_eq!(outcome.unwrap_err().class, ErrorClass::Denied);
        assert_eq!(took, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn wait_past_its_deadline_tells_what_was_seen_last() {
        let (outcome, _, took) = waited(Vec::new()).await;
        let error = outcome.unwrap_err();
        assert!(error.is_not_settled(), "{error}");
        assert!(error.message.unwrap().contains("creating"));
        assert_eq!(took, Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn wait_whose_last_look_failed_ends_with_that_error() {
        let answers = (0..100)
            .map(|_| Err(failing(ErrorClass::Unreachable)))
            .collect();
        let error = waited(answers).await.0.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unreachable);
        assert!(!error.is_not_settled());
    }

    #[tokio::test(start_paused = true)]
    async fn pause_doubles_up_to_its_longest() {
        let mut waiter = Waiter::begin(WaiterConfig {
            deadline: Duration::from_secs(20),
            interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(5),
        });
        let mut seen = Vec::new();
        while waiter.pause().await {
            seen.push(waiter.elapsed().as_secs());
        }
        assert_eq!(seen, [1, 3, 7, 12, 17, 20]);
    }
}
