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
/// Rates over less time say little.
const WINDOW: Duration = Duration::from_millis(200);
/// After so many windows it tries again whether more would help: servers become faster, too.
const AGAIN: u32 = 32;

/// Decides the number of copies under way. Pure: time is handed in.
#[derive(Debug)]
pub struct Pace {
    limit: usize,
    most: usize,
    mode: Mode,
    /// Copies a second in the window before.
    rate: f64,
    done: usize,
    window: Duration,
    refused: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// More than before, which was so many.
    Trying(usize),
    /// Stays, for so many windows.
    Holding(u32),
    /// S3 has asked to slow down: comes back slowly.
    Careful,
}

impl Pace {
    /// Never more than `most` at once.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            limit: FIRST.min(most),
            most,
            mode: Mode::Trying(FIRST.min(most)),
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
        let length = now.saturating_sub(self.window);
        if self.done < self.limit * 2 || length < WINDOW {
            return;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a window has some thousand copies at most"
        )]
        let rate = self.done as f64 / length.as_secs_f64();
        if refused > self.refused {
            self.limit = (self.limit / 2).max(1);
            self.mode = Mode::Careful;
        } else {
            self.step(rate);
        }
        self.rate = rate;
        self.done = 0;
        self.window = now;
        self.refused = refused;
    }

    fn step(&mut self, rate: f64) {
        match self.mode {
            Mode::Trying(_) if rate > self.rate * WORTH => self.try_more(),
            Mode::Trying(before) => {
                self.limit = before;
                self.mode = Mode::Holding(1);
            }
            Mode::Holding(AGAIN) => self.try_more(),
            Mode::Holding(windows) => self.mode = Mode::Holding(windows + 1),
            Mode::Careful => self.limit = (self.limit + self.limit.div_ceil(16)).min(self.most),
        }
    }

    fn try_more(&mut self) {
        let before = self.limit;
        self.limit = (before * 2).min(self.most);
        self.mode = match self.limit > before {
            true => Mode::Trying(before),
            false => Mode::Holding(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `copies` against a server that serves `slots` at once, each in `latency`; returns the limit.
    fn run(pace: &mut Pace, slots: usize, latency: Duration, copies: u32) -> usize {
        let mut now = pace.window;
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
        assert_eq!(run(&mut pace, 1_000, Duration::from_millis(30), 1_700), 256);
        assert_eq!(Pace::new(4).limit(), 4);
    }

    #[test]
    fn goes_back_to_what_the_server_makes_use_of() {
        let mut pace = Pace::new(4_096);
        let latency = Duration::from_millis(30);
        assert_eq!(run(&mut pace, 32, latency, 1_000), 32);
        // And is not far from it whenever it tries again.
        for _ in 0..200 {
            assert!((32..=64).contains(&run(&mut pace, 32, latency, 100)));
        }
        let mut pace = Pace::new(40);
        assert_eq!(run(&mut pace, 1_000, latency, 2_000), 40);
        assert_eq!(run(&mut pace, 32, latency, 10_000), 40);
    }

    #[test]
    fn finds_out_that_a_server_has_become_faster() {
        let mut pace = Pace::new(256);
        let latency = Duration::from_millis(30);
        assert_eq!(run(&mut pace, 32, latency, 1_000), 32);
        assert_eq!(run(&mut pace, 1_000, latency, 20_000), 256);
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
