use std::time::Duration;

use serde::Serialize;

/// How long something took, over several times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latency {
    /// What was repeated.
    pub what: String,
    /// How often.
    pub count: usize,
    /// Half of the times took no longer, in milliseconds.
    pub p50_ms: f64,
    /// 95 % took no longer.
    pub p95_ms: f64,
    /// 99 % took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Latency {
    /// From what was measured; `None` when nothing was. A percentile is the smallest measured value that is
    /// not exceeded by that share of all (nearest rank), never a value in between.
    pub(super) fn new(what: impl Into<String>, mut took: Vec<Duration>) -> Option<Self> {
        took.sort_unstable();
        let rank = |percent: usize| {
            let place = (took.len() * percent).div_ceil(100).saturating_sub(1);
            took.get(place).map(|took| took.as_secs_f64() * 1000.0)
        };
        Some(Self {
            what: what.into(),
            count: took.len(),
            p50_ms: rank(50)?,
            p95_ms: rank(95)?,
            p99_ms: rank(99)?,
            max_ms: rank(100)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let of = |times: &[u64]| {
            let took = times.iter().map(|ms| Duration::from_millis(*ms)).collect();
            let latency = Latency::new("x", took)?;
            Some([
                latency.p50_ms,
                latency.p95_ms,
                latency.p99_ms,
                latency.max_ms,
            ])
        };
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(of(&hundred), Some([50.0, 95.0, 99.0, 100.0]));
        assert_eq!(of(&[7]), Some([7.0; 4]));
        assert_eq!(of(&[1, 9]), Some([1.0, 9.0, 9.0, 9.0]));
        assert_eq!(of(&[]), None);
    }
}
