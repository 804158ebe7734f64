use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use report::{Amount, Observer, Outcome};

/// Progress on standard error: spinners on a terminal, plain lines otherwise.
pub struct Progress {
    bars: Option<Mutex<Bars>>,
    /// Whether ends of steps are told where there is no terminal.
    lines: bool,
}

struct Bars {
    all: MultiProgress,
    running: HashMap<String, ProgressBar>,
}

impl Progress {
    /// For this process's standard error.
    pub fn new() -> Self {
        let bars = (std::io::stderr().is_terminal() && !crate::output::is_dumb()).then(|| {
            Mutex::new(Bars {
                all: MultiProgress::new(),
                running: HashMap::new(),
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

    fn with_bars(&self, change: impl FnOnce(&mut Bars)) -> bool {
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
        self.with_bars(|bars| {
            let bar = bars.all.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
                bar.set_style(style);
            }
            bar.set_message(label.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bars.running.insert(label.to_owned(), bar);
        });
    }

    fn waiting(&self, label: &str, detail: &str) {
        self.with_bars(|bars| {
            if let Some(bar) = bars.running.get(label) {
                bar.set_message(format!("{label} ({detail})"));
            }
        });
    }

    fn advanced(&self, label: &str, done: Amount, total: Amount) {
        self.with_bars(|bars| {
            let bar = bars.running.entry(label.to_owned()).or_insert_with(|| {
                let bar = bars.all.add(ProgressBar::new(total.objects));
                let template =
                    "{prefix} [{bar:24}] {pos}/{len} objects, {msg}, {per_sec}, {eta} left";
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_prefix(label.to_owned());
                bar
            });
            bar.set_position(done.objects);
            bar.set_message(format!(
                "{}/{}",
                HumanBytes(done.bytes),
                HumanBytes(total.bytes)
            ));
            if done.objects >= total.objects {
                bar.finish_and_clear();
                bars.running.remove(label);
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
        let drawn = self.with_bars(|bars| {
            if let Some(bar) = bars.running.remove(label) {
                bar.finish_and_clear();
                bars.all.remove(&bar);
            }
            let _ = bars.all.println(&line);
        });
        if !drawn && self.lines {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}
