//! What was achieved, against what was to be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::file::FOLDER;
use super::{LedgerError, Lines, Sample, Series};
use crate::plan::Goals;
use crate::store::{Store, StoreError};

const DAY: i64 = 24 * 3600;
/// The days of a quarter, at most.
const DAYS: usize = 92;
/// How long a look back is, with its name.
const WINDOWS: [(&str, i64); 3] = [
    ("24 h", DAY),
    ("30 d", 30 * DAY),
    ("quarter", DAYS as i64 * DAY),
];
/// How many days are read at once.
const AT_ONCE: usize = 16;

/// The worst that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Worst {
    /// The number.
    pub value: u64,
    /// When it was seen first.
    pub at: Timestamp,
}

/// What was achieved of one series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Achieved {
    /// The number that is measured, and of which resource.
    #[serde(flatten)]
    pub series: Series,
    /// What it may be at most; null where the settings have no objective for it.
    pub objective: Option<u64>,
    /// The worst that was seen; null where nothing was.
    pub worst: Option<Worst>,
    /// For how many seconds it is known.
    pub known_seconds: u64,
    /// For how many seconds it is not: nobody looked, or what was asked did not say.
    pub unknown_seconds: u64,
    /// For how many of the known ones it was beyond the objective.
    pub beyond_seconds: u64,
}

/// What was achieved over some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WindowAchieved {
    /// `24 h`, `30 d`, `quarter`.
    pub name: &'static str,
    /// Its begin.
    pub from: Timestamp,
    /// Series by series.
    pub achieved: Vec<Achieved>,
}

/// The worst of a day; null where nobody knows.
pub type Day = Option<u64>;

/// The worst of each day, for a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeriesDays {
    /// The number that is measured, and of which resource.
    #[serde(flatten)]
    pub series: Series,
    /// Day by day, each of 24 hours, the last one ending with the summary.
    pub worst: Vec<Day>,
}

/// A ledger in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerSummary {
    /// The time to which it goes.
    pub at: Timestamp,
    /// The first look of the quarter.
    pub first: Option<Timestamp>,
    /// The last one.
    pub last: Option<Timestamp>,
    /// How many looks the quarter had.
    pub looks: u64,
    /// Lines that say nothing: cut off, changed, of a time that is yet to come, or of another version.
    pub unreadable: u64,
    /// The last day, the last month, the last quarter.
    pub windows: Vec<WindowAchieved>,
    /// The quarter in days.
    pub days: Vec<SeriesDays>,
}

/// What is held of a series while lines go by.
#[derive(Debug, Clone, Copy)]
struct Held {
    at: i64,
    until: i64,
    value: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Total {
    worst: Option<(u64, i64)>,
    known: i64,
    beyond: i64,
}

/// Takes looks one after another, and keeps no more of them than what is shown.
pub(super) struct Summing {
    now: i64,
    goals: Goals,
    lines: Lines,
    first: Option<i64>,
    last: Option<i64>,
    looks: u64,
    of_the_future: u64,
    held: BTreeMap<Series, Held>,
    totals: [BTreeMap<Series, Total>; 3],
    days: BTreeMap<Series, Vec<Day>>,
}

/// Clocks of machines that keep time differ by less.
const AHEAD: i64 = 120;

impl Summing {
    pub(super) fn new(now: Timestamp, goals: Goals) -> Self {
        Self {
            now: now.as_second(),
            goals,
            lines: Lines::default(),
            first: None,
            last: None,
            looks: 0,
            of_the_future: 0,
            held: BTreeMap::new(),
            totals: Default::default(),
            days: BTreeMap::new(),
        }
    }

    /// Lines that may be in any order, such as those of a day that several machines wrote to.
    fn unordered<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        let mut samples: Vec<Sample> = lines.filter_map(|line| self.lines.read(line)).collect();
        samples.sort_by_key(|sample| sample.at);
        for sample in &samples {
            self.take(sample);
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        if let Some(sample) = self.lines.read(line) {
            self.take(&sample);
        }
    }

    fn take(&mut self, sample: &Sample) {
        let at = sample.at.as_second();
        let quarter = self.now - WINDOWS[2].1;
        if at > self.now + AHEAD {
            self.of_the_future += 1;
            return;
        }
        // What it says may reach into the quarter.
        if at + i64::from(sample.holds) < quarter {
            return;
        }
        let is_in_order = self.last.is_none_or(|last| at >= last);
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        self.looks += 1;
        for (series, value) in sample.pairs() {
            self.see(series, at, value);
            // A look that is older than the one before says nothing about the time between.
            if !is_in_order {
                continue;
            }
            let held = Held {
                at,
                until: at + i64::from(sample.holds),
                value,
            };
            match self.held.get_mut(series) {
                Some(before) => {
                    let before = std::mem::replace(before, held);
                    self.settle(series, before, at);
                }
                None => drop(self.held.insert(series.clone(), held)),
            }
        }
    }

    /// The worst of each window and day.
    fn see(&mut self, series: &Series, at: i64, value: Option<u64>) {
        for ((_, length), totals) in WINDOWS.iter().zip(&mut self.totals) {
            if at < self.now - length {
                continue;
            }
            let total = of(totals, series);
            if let Some(value) = value
                && total.worst.is_none_or(|(worst, _)| value > worst)
            {
                total.worst = Some((value, at));
            }
        }
        let back = usize::try_from((self.now - at).max(0) / DAY);
        let Some(day) = back.ok().and_then(|back| DAYS.checked_sub(back + 1)) else {
            return;
        };
        let days = match self.days.get_mut(series) {
            Some(days) => days,
            None => self.days.entry(series.clone()).or_insert(vec![None; DAYS]),
        };
        days[day] = days[day].max(value);
    }

    /// What a look says of the time until `end`, which is that of the next one.
    fn settle(&mut self, series: &Series, held: Held, end: i64) {
        let Some(value) = held.value else {
            return;
        };
        let end = end.min(held.until).min(self.now);
        let objective = series.measure.objective(self.goals);
        for ((_, length), totals) in WINDOWS.iter().zip(&mut self.totals) {
            let seconds = end - held.at.max(self.now - length);
            if seconds <= 0 {
                continue;
            }
            let total = of(totals, series);
            total.known += seconds;
            if objective.is_some_and(|objective| value > objective) {
                total.beyond += seconds;
            }
        }
    }

    pub(super) fn finish(mut self) -> LedgerSummary {
        for (series, held) in std::mem::take(&mut self.held) {
            self.settle(&series, held, self.now);
        }
        let all: BTreeSet<Series> = self.days.keys().cloned().collect();
        let second = |second| Timestamp::from_second(second).unwrap_or_default();
        let windows = WINDOWS.iter().zip(&self.totals);
        let windows = windows.map(|((name, length), totals)| WindowAchieved {
            name,
            from: second(self.now - length),
            // What was seen in the quarter, and not in the last day, is not known of the last day.
            achieved: all
                .iter()
                .map(|series| {
                    let total = totals.get(series).copied().unwrap_or_default();
                    let seconds = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
                    Achieved {
                        series: series.clone(),
                        objective: series.measure.objective(self.goals),
                        worst: total.worst.map(|(value, at)| Worst {
                            value,
                            at: second(at),
                        }),
                        known_seconds: seconds(total.known),
                        unknown_seconds: seconds(length - total.known),
                        beyond_seconds: seconds(total.beyond),
                    }
                })
                .collect(),
        });
        LedgerSummary {
            at: second(self.now),
            first: self.first.map(second),
            last: self.last.map(second),
            looks: self.looks,
            unreadable: self.lines.unreadable + self.of_the_future,
            windows: windows.collect(),
            days: self
                .days
                .into_iter()
                .map(|(series, worst)| SeriesDays { series, worst })
                .collect(),
        }
    }
}

fn of<'a>(totals: &'a mut BTreeMap<Series, Total>, series: &Series) -> &'a mut Total {
    if !totals.contains_key(series) {
        totals.insert(series.clone(), Total::default());
    }
    totals.entry(series.clone()).or_default()
}

/// The ledger of a store in short, up to `now`; `None` where there is none.
///
/// # Errors
/// When a day cannot be read: then what was achieved is not known.
pub async fn read_ledger(
    store: &impl Store,
    goals: Goals,
    now: Timestamp,
) -> Result<Option<LedgerSummary>, StoreError> {
    let mut keys = store.list(FOLDER).await?;
    keys.sort();
    // A day more than the quarter has, in which it begins.
    let first = now.saturating_sub(SignedDuration::from_hours(24 * (DAYS as i64 + 1)));
    let first = first.unwrap_or(Timestamp::MIN).to_string();
    let first = format!("{FOLDER}{}", first.split('T').next().unwrap_or_default());
    keys.retain(|key| *key >= first);
    if keys.is_empty() {
        return Ok(None);
    }
    let mut summing = Summing::new(now, goals);
    let mut days = iter(keys)
        .map(async |key| store.read(&key).await)
        .buffered(AT_ONCE);
    while let Some(day) = days.try_next().await? {
        if let Some(day) = day {
            summing.unordered(String::from_utf8_lossy(&day.bytes).lines());
        }
    }
    Ok(Some(summing.finish()))
}

/// The same of the file of a machine.
///
/// # Errors
/// When it cannot be read.
pub fn read_ledger_file(
    path: &Path,
    goals: Goals,
    now: Timestamp,
) -> Result<LedgerSummary, LedgerError> {
    let unread = |source: io::Error| LedgerError::File {
        path: path.to_owned(),
        source,
    };
    let mut summing = Summing::new(now, goals);
    let file = BufReader::new(File::open(path).map_err(unread)?);
    for line in file.split(b'\n') {
        summing.line(&String::from_utf8_lossy(&line.map_err(unread)?));
    }
    Ok(summing.finish())
}
