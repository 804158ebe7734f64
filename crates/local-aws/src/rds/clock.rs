//! Simulated time, and which real moment belongs to it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How simulated time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RdsClock {
    /// This many simulated seconds in a real one.
    Running {
        /// 1 is real time.
        factor: u32,
    },
    /// Only [`crate::Rds::step`] moves it.
    Stepped,
    /// Each request that only looks (Describe, List) moves it on, and nothing else but steps: whoever waits gets there, and how
    /// fast the machine is makes no difference.
    Asked {
        /// Simulated seconds in a look.
        seconds: u32,
    },
}

/// At 60 a minute of AWS takes a second: a creation, a copy or a restore some seconds.
impl Default for RdsClock {
    fn default() -> Self {
        Self::Running { factor: 60 }
    }
}

impl RdsClock {
    fn factor(self) -> u32 {
        match self {
            Self::Running { factor } => factor,
            Self::Stepped | Self::Asked { .. } => 0,
        }
    }
}

/// The one place that knows how simulated and real time belong together. Servers stamp their commits
/// with real time; a restore is asked for in simulated time.
#[derive(Debug)]
pub(crate) struct Clock {
    factor: u32,
    /// Since the start, and since each step; never empty, oldest first.
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    simulated: Timestamp,
    real: Timestamp,
}

impl Clock {
    /// Simulated time begins at the real time.
    pub(crate) fn new(kind: RdsClock, real: Timestamp) -> Self {
        Self {
            factor: kind.factor(),
            pieces: vec![Piece {
                simulated: real,
                real,
            }],
        }
    }

    /// Simulated time at a real moment. A real clock that was set back holds it.
    pub(crate) fn at(&self, real: Timestamp) -> Timestamp {
        let Some(piece) = self.pieces.last() else {
            return real;
        };
        let passed = real.duration_since(piece.real).max(SignedDuration::ZERO);
        later(piece.simulated, times(passed, self.factor))
    }

    /// Moves simulated time on; returns the new one.
    pub(crate) fn step(&mut self, by: Duration, real: Timestamp) -> Timestamp {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        let simulated = later(self.at(real), by);
        self.pieces.push(Piece { simulated, real });
        simulated
    }

    /// The last real moment at which it was not later than `simulated`; `None` if it is not later yet.
    pub(crate) fn left(&self, simulated: Timestamp) -> Option<Timestamp> {
        let after = self
            .pieces
            .partition_point(|piece| piece.simulated <= simulated);
        let next = self.pieces.get(after).map(|piece| piece.real);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        if self.factor == 0 {
            return next;
        }
        let passed = simulated
            .duration_since(piece.simulated)
            .checked_div(i32::try_from(self.factor).unwrap_or(i32::MAX))
            .unwrap_or(SignedDuration::ZERO);
        let left = later(piece.real, passed);
        Some(next.map_or(left, |next| next.min(left)))
    }
}

/// The end of time is as late as it gets.
pub(crate) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn times(duration: SignedDuration, factor: u32) -> SignedDuration {
    duration
        .checked_mul(i32::try_from(factor).unwrap_or(i32::MAX))
        .unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_running_clock_is_faster_and_can_be_stepped_too() {
        let mut clock = Clock::new(RdsClock::Running { factor: 60 }, second(1000));
        assert_eq!(clock.at(second(1010)), second(1600));
        assert_eq!(clock.at(second(990)), second(1000), "set back");
        assert_eq!(clock.left(second(1600)), Some(second(1010)));
        clock.step(Duration::from_secs(3600), second(1010));
        assert_eq!(clock.at(second(1010)), second(5200));
        assert_eq!(clock.at(second(1011)), second(5260));
        assert_eq!(clock.left(second(1600)), Some(second(1010)));
        assert_eq!(
            clock.left(second(3000)),
            Some(second(1010)),
            "jumped over it"
        );
        assert_eq!(clock.left(second(5260)), Some(second(1011)));
        assert_eq!(clock.left(second(999)), None);
    }

    #[test]
    fn a_stepped_clock_stands_until_it_is_stepped() {
        let mut clock = Clock::new(RdsClock::Stepped, second(1000));
        assert_eq!(clock.at(second(2000)), second(1000));
        assert_eq!(clock.left(second(1000)), None, "still is");
        assert_eq!(
            clock.step(Duration::from_secs(300), second(2000)),
            second(1300)
        );
        clock.step(Duration::from_secs(300), second(2005));
        // Whatever happened while the clock stood belongs to the time it stood at.
        assert_eq!(clock.left(second(1000)), Some(second(2000)));
        assert_eq!(clock.left(second(1299)), Some(second(2000)));
        assert_eq!(clock.left(second(1300)), Some(second(2005)));
        assert_eq!(clock.left(second(1600)), None);
    }
}
