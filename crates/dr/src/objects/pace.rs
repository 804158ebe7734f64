//! How many copies are under way at once.
//!
//! Doubles while that makes things faster, stops where it does not, and gives way when S3 answers
//! `503 SlowDown`: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>.

use std::time::Duration;

/// Where it begins: little enough for a small server, and three doublings from a large one's limit.
const FIRST: usize = 16;
/// Doubling must bring this much to go on.
const WORTH: f64 = 1.15;

/// Decides the number of copies under way. Pure: time is handed in.
#[derive(Debug)]
pub struct Pace {
    limit: usize,
    most: usize,
    growing: bool,
    /// Copies a second in the window before.
    rate: f64,
    done: usize,
    window: Duration,
    refused: u64,
}

impl Pace {
    /// Never more than `most` at once.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            limit: FIRST.min(most),
            most,
            growing: true,
            rate: 0.0,
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
        if self.done < self.limit * 2 {
            return;
        }
        let seconds = now.saturating_sub(self.window).as_secs_f64().max(1e-6);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a window has some thousand copies at most"
        )]
        let rate = self.done as f64 / seconds;
        if refused > self.refused {
            self.limit = (self.limit / 2).max(1);
            self.growing = false;
        } else if self.growing && rate > self.rate * WORTH {
            self.limit = (self.limit * 2).min(self.most);
        } else {
            self.growing = false;
            self.limit = (self.limit + self.limit.div_ceil(16)).min(self.most);
            if rate < self.rate / WORTH {
                self.limit = (self.limit * 3 / 4).max(1);
            }
        }
        self.rate = rate;
        self.done = 0;
        self.window = now;
        self.refused = refused;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `copies` against a server that serves `slots` at once, each in `latency`; returns the limit.
    fn run(pace: &mut Pace, slots: usize, latency: Duration, copies: u32) -> usize {
        let mut now = Duration::ZERO;
        for _ in 0..copies {
            let at_once = pace.limit().min(slots);
            now += latency / u32::try_from(at_once).unwrap();
            pace.ended(now, 0);
        }
        pace.limit()
    }

    #[test]
    fn grows_to_the_most_where_that_helps() {
        let mut pace = Pace::new(256);
        assert_eq!(run(&mut pace, 1_000, Duration::from_millis(30), 1_100), 256);
        assert_eq!(Pace::new(4).limit(), 4);
    }

    #[test]
    fn stops_near_the_servers_limit() {
        let mut pace = Pace::new(4_096);
        let limit = run(&mut pace, 32, Duration::from_millis(30), 1_000);
        assert!((32..=256).contains(&limit), "{limit}");
    }

    #[test]
    fn halves_when_asked_to_slow_down_and_comes_back() {
        let mut pace = Pace::new(64);
        run(&mut pace, 1_000, Duration::from_millis(30), 500);
        assert_eq!(pace.limit(), 64);
        let mut now = Duration::from_secs(60);
        for _ in 0..128 {
            now += Duration::from_millis(1);
            pace.ended(now, 5);
        }
        assert_eq!(pace.limit(), 32);
        for _ in 0..3_000 {
            now += Duration::from_millis(1);
            pace.ended(now, 5);
        }
        assert_eq!(pace.limit(), 64);
    }
}
