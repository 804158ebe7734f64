//! How many copies are under way at once.
//!
//! Doubles while that makes things faster, goes back where it does not, and gives way when S3 answers
//! `503 SlowDown`: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>.
//! Each copy under way has a connection and memory: more of them than help are not for nothing.

use std::time::Duration;

/// Where it begins: little enough for a small server, and four doublings from a large one's limit.
const FIRST: usize = 16;
/// Doubling must bring this much to stay.
const WORTH: f64 = 1.15;
/// ProbeDown may cost this much: the time that a window takes is never quite the same.
const SAME: f64 = 0.95;
/// Rates over less time say little.
const WINDOW: Duration = Duration::from_millis(200);
/// Windows of a try, once it has found its place.
const TRIAL: u32 = 4;
/// After so many windows it tries again whether more would help, or fewer would do: servers change.
const AGAIN: u32 = 32;

/// Decides the number of copies under way. Pure: time is handed in.
#[derive(Debug)]
pub struct ConcurrencyLimiter {
    limit: usize,
    most: usize,
    mode: Mode,
    /// Windows in this mode, and the sum of their rates.
    windows: u32,
    rates: f64,
    /// Copies a second before the mode: what a try is compared with.
    rate: f64,
    /// Whether fewer are tried next.
    fewer: bool,
    done: usize,
    window: Duration,
    refused: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// More than before, which was so many, for so many windows.
    ProbeUp {
        before: usize,
        windows: u32,
    },
    /// Fewer than before.
    ProbeDown {
        before: usize,
    },
    Steady,
    /// S3 has asked to slow down at so many: comes back slowly.
    BackOff {
        before: usize,
    },
}

impl ConcurrencyLimiter {
    /// Never more than `most` at once.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        let limit = FIRST.min(most);
        Self {
            limit,
            most,
            mode: Mode::ProbeUp {
                before: limit,
                windows: 1,
            },
            windows: 0,
            rates: 0.0,
            rate: 0.0,
            fewer: false,
            done: 0,
            window: Duration::ZERO,
            refused: 0,
        }
    }

    /// How many may be under way.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// A copy has ended. `now` is the time since the start, `refused` how often S3 has asked to slow down
    /// since then.
    pub fn ended(&mut self, now: Duration, refused: u64) {
        self.done += 1;
        let length = now.saturating_sub(self.window);
        if self.done < self.limit * 2 || length < WINDOW {
            return;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a window has some thousand copies at most"
        )]
        let rate = self.done as f64 / length.as_secs_f64();
        self.windows += 1;
        self.rates += rate;
        if refused > self.refused {
            let before = match self.mode {
                Mode::BackOff { before } => before,
                _ => self.limit,
            };
            self.turn(Mode::BackOff { before }, (self.limit / 2).max(1));
        } else {
            self.step(self.rates / f64::from(self.windows));
        }
        self.done = 0;
        self.window = now;
        self.refused = refused;
    }

    /// `mean` is the rate of this mode.
    fn step(&mut self, mean: f64) {
        match self.mode {
            Mode::ProbeUp { windows, .. } if self.windows < windows => {}
            Mode::ProbeUp { windows, .. } if mean > self.rate * WORTH => self.more(mean, windows),
            Mode::ProbeUp { before, .. } => self.turn(Mode::Steady, before),
            Mode::ProbeDown { .. } if self.windows < TRIAL => {}
            Mode::ProbeDown { before } => {
                let enough = mean >= self.rate * SAME;
                self.turn(Mode::Steady, if enough { self.limit } else { before });
            }
            Mode::Steady if self.windows < AGAIN => {}
            Mode::Steady => {
                self.fewer = !self.fewer;
                if self.fewer {
                    self.more(mean, TRIAL);
                } else {
                    self.rate = mean;
                    let before = self.limit;
                    self.turn(Mode::ProbeDown { before }, (before * 7 / 8).max(1));
                }
            }
            Mode::BackOff { before } if self.limit >= before => self.turn(Mode::Steady, before),
            Mode::BackOff { before } => {
                self.limit = (self.limit + self.limit.div_ceil(16)).min(before);
            }
        }
    }

    fn more(&mut self, rate: f64, windows: u32) {
        self.rate = rate;
        let before = self.limit;
        let limit = (before * 2).min(self.most);
        let mode = match limit > before {
            true => Mode::ProbeUp { before, windows },
            false => Mode::Steady,
        };
        self.turn(mode, limit);
    }

    fn turn(&mut self, mode: Mode, limit: usize) {
        self.mode = mode;
        self.limit = limit;
        self.windows = 0;
        self.rates = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `copies` against a server that serves `slots` at once, each in `latency`; returns the limit.
    fn run(
        limiter: &mut ConcurrencyLimiter,
        slots: usize,
        latency: Duration,
        copies: u32,
    ) -> usize {
        let mut now = limiter.window;
        for _ in 0..copies {
            let at_once = limiter.limit().min(slots);
            now += latency / u32::try_from(at_once).unwrap();
            limiter.ended(now, limiter.refused);
        }
        limiter.limit()
    }

    #[test]
    fn limit_that_helps_grows_to_the_most() {
        let mut limiter = ConcurrencyLimiter::new(256);
        assert_eq!(
            run(&mut limiter, 1_000, Duration::from_millis(30), 1_700),
            256
        );
        assert_eq!(ConcurrencyLimiter::new(4).limit(), 4);
    }

    #[test]
    fn limit_beyond_what_helps_goes_back() {
        let mut limiter = ConcurrencyLimiter::new(4_096);
        let latency = Duration::from_millis(30);
        assert_eq!(run(&mut limiter, 32, latency, 1_000), 32);
        // And is not far from it whenever it tries again.
        for _ in 0..200 {
            assert!((24..=64).contains(&run(&mut limiter, 32, latency, 100)));
        }
        let mut limiter = ConcurrencyLimiter::new(40);
        assert_eq!(run(&mut limiter, 1_000, latency, 2_000), 40);
        // What no longer helps goes, an eighth at a time.
        assert!((28..40).contains(&run(&mut limiter, 32, latency, 50_000)));
    }

    /// Ten minutes beside others: each window is faster or slower than the one before.
    #[test]
    fn limit_under_a_rate_that_sways_stays() {
        for seed in 0..20_u64 {
            let mut limiter = ConcurrencyLimiter::new(256);
            let (mut now, mut state) = (Duration::ZERO, seed);
            let mut average = 0.0;
            while now < Duration::from_secs(600) {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                // 85 to 115 %.
                let sway = u32::try_from(85 + (state >> 33) % 31).unwrap();
                let copies = u32::try_from(limiter.limit() * 2).unwrap().max(200);
                let at_once = u32::try_from(limiter.limit().min(32)).unwrap();
                let begun = (now, u32::try_from(limiter.limit()).unwrap());
                for _ in 0..copies {
                    now += Duration::from_millis(30) * 100 / at_once / sway;
                    limiter.ended(now, 0);
                }
                average += f64::from(begun.1) * (now - begun.0).as_secs_f64() / 600.0;
            }
            assert!((28.0..48.0).contains(&average), "{average}");
        }
    }

    #[test]
    fn limit_for_a_server_that_became_faster_grows() {
        let mut limiter = ConcurrencyLimiter::new(256);
        let latency = Duration::from_millis(30);
        assert_eq!(run(&mut limiter, 32, latency, 1_000), 32);
        assert_eq!(run(&mut limiter, 1_000, latency, 20_000), 256);
    }

    #[test]
    fn limit_at_a_slow_down_halves_and_comes_back() {
        let mut limiter = ConcurrencyLimiter::new(64);
        run(&mut limiter, 1_000, Duration::from_millis(30), 500);
        assert_eq!(limiter.limit(), 64);
        let mut now = Duration::from_secs(60);
        for _ in 0..128 {
            now += Duration::from_millis(1);
            limiter.ended(now, 5);
        }
        assert_eq!(limiter.limit(), 32);
        for _ in 0..3_000 {
            now += Duration::from_millis(1);
            limiter.ended(now, 5);
        }
        assert_eq!(limiter.limit(), 64);
    }

    #[test]
    fn limit_after_a_slow_down_comes_back_to_where_it_was() {
        let mut limiter = ConcurrencyLimiter::new(4_096);
        let latency = Duration::from_millis(30);
        assert_eq!(run(&mut limiter, 32, latency, 1_000), 32);
        let now = limiter.window + Duration::from_secs(1);
        for _ in 0..64 {
            limiter.ended(now, 1);
        }
        assert_eq!(limiter.limit(), 16);
        for _ in 0..200 {
            let limit = run(&mut limiter, 32, latency, 100);
            assert!((16..=64).contains(&limit), "{limit}");
        }
    }
}
