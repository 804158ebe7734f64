//! How long to wait and how often to look.

use std::time::Duration;

use aws_env::{Error, ErrorClass};
use tokio::time::Instant;

/// How long a wait may take and how often AWS is asked. `aws rds wait` gives up after 30 minutes whatever the
/// objective; this ends when the objective does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The whole wait; zero looks once and does not wait.
    pub deadline: Duration,
    /// The pause between two looks.
    pub interval: Duration,
}

/// A wait that has begun.
pub(super) struct Waiting {
    patience: Patience,
    begun: Instant,
}

impl Waiting {
    pub(super) fn begin(patience: Patience) -> Self {
        Self {
            patience,
            begun: Instant::now(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Pauses; `false` when the deadline leaves no time for another look.
    pub(super) async fn pause(&self) -> bool {
        let left = self.patience.deadline.saturating_sub(self.elapsed());
        if left.is_zero() {
            return false;
        }
        tokio::time::sleep(self.patience.interval.min(left)).await;
        true
    }

    /// Of a look that failed: whether the next may succeed. A wait of an hour survives minutes of
    /// throttling and lost connections; a refusal will not go away by asking again.
    pub(super) fn may_pass(error: &Error) -> bool {
        matches!(error.class, ErrorClass::Throttled | ErrorClass::Unreachable)
    }
}
