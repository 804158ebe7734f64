use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::HumanBytes;
use report::{Amount, Observer, Outcome};

use crate::screen::{self, Bar, Bars};

/// Progress on standard error: spinners on a terminal, plain lines otherwise.
pub struct Progress {
    bars: Option<Mutex<Running>>,
    /// Whether ends of steps are told where there is no terminal.
    lines: bool,
}

struct Running {
    all: Bars,
    bars: HashMap<String, Bar>,
}

impl Progress {
    /// For this process's standard error.
    pub fn new() -> Self {
        let bars = Bars::new().map(|all| {
            Mutex::new(Running {
                all,
                bars: HashMap::new(),
            })
        });
        Self { bars, lines: true }
    }

    /// On a terminal the same, otherwise nothing: for what is over in seconds and changes nothing.
    pub fn on_terminal() -> Self {
        Self {
            lines: false,
            ..Self::new()
        }
    }

    fn with_bars(&self, change: impl FnOnce(&mut Running)) -> bool {
        match &self.bars {
            Some(bars) => {
                change(
                    &mut bars
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner),
                );
                true
            }
            None => false,
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Progress {
    fn started(&self, label: &str) {
        self.with_bars(|running| {
            let bar = running.all.spinner(label);
            running.bars.insert(label.to_owned(), bar);
        });
    }

    fn waiting(&self, label: &str, detail: &str) {
        self.with_bars(|running| {
            if let Some(bar) = running.bars.get(label) {
                bar.message(&format!("{label} ({detail})"));
            }
        });
    }

    fn advanced(&self, label: &str, done: Amount, total: Amount) {
        self.with_bars(|running| {
            let Running { all, bars } = running;
            let bar = bars
                .entry(label.to_owned())
                .or_insert_with(|| all.bar(label, total.objects));
            bar.position(done.objects);
            bar.message(&format!(
                "{}/{}",
                HumanBytes(done.bytes),
                HumanBytes(total.bytes)
            ));
            if done.objects >= total.objects
                && let Some(bar) = bars.remove(label)
            {
                all.remove(&bar);
            }
        });
    }

    fn finished(&self, label: &str, outcome: Outcome, took: Duration) {
        let word = match outcome {
            Outcome::Done => "done",
            Outcome::Unchanged => "unchanged",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "not done",
        };
        let line = format!("{word:>9}  {label} ({:.1} s)", took.as_secs_f64());
        let drawn = self.with_bars(|running| {
            if let Some(bar) = running.bars.remove(label) {
                running.all.remove(&bar);
            }
            running.all.line(&line);
        });
        if !drawn && self.lines {
            screen::line(&line);
        }
    }
}
