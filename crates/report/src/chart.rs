use crate::Mark;
use crate::document::shown;

/// How a [`Chart`] is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Horizontal bars, one below the other, from zero.
    Bars,
    /// One bar, divided into the values.
    Stack,
    /// One value over time, from zero; the values are the moments, evenly spaced.
    Series,
    /// What took how long on one axis of time, one below the other: each bar begins at its [`Value::offset`].
    Timeline,
}

/// A number in a [`Chart`].
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// What it is of; in a series, the time.
    pub label: String,
    /// How long its bar is, in the unit that all values of the chart have; `None` when it is not known.
    pub size: Option<f64>,
    /// Where its bar begins, in the same unit: zero but in a timeline.
    pub offset: f64,
    /// The number and its unit as people read it.
    pub shown: String,
    /// What it means.
    pub mark: Mark,
}

impl Value {
    /// A value that is known; one that no bar can show (not finite, below zero) is not.
    pub fn new(mark: Mark, label: impl Into<String>, size: f64, shown: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            size: Some(size).filter(|size| size.is_finite() && *size >= 0.0),
            offset: 0.0,
            shown: shown.into(),
            mark,
        }
    }

    /// The same, whose bar begins at `offset`; one that no timeline can show is taken for zero.
    #[must_use]
    pub fn beginning_at(mut self, offset: f64) -> Self {
        self.offset = if offset.is_finite() {
            offset.max(0.0)
        } else {
            0.0
        };
        self
    }

    /// A value that is not known; `why` is shown in its place.
    pub fn unknown(label: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            size: None,
            offset: 0.0,
            shown: why.into(),
            mark: Mark::Unknown,
        }
    }
}

/// A line that the values of a [`Chart`] are compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Where it is, in the unit of the values.
    pub size: f64,
    /// What it is and how large, as people read it: `objective 60 min`.
    pub shown: String,
}

/// How many answers there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// As they should be.
    pub ok: usize,
    /// Found wrong.
    pub wrong: usize,
    /// Not to be found out.
    pub unknown: usize,
    /// Left out on purpose.
    pub skipped: usize,
}

/// Numbers as a picture. Its text is escaped, as that of a [`crate::Document`] is.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    title: String,
    shape: Shape,
    values: Vec<Value>,
    limit: Option<Limit>,
}

impl Chart {
    /// Horizontal bars.
    pub fn bars(title: impl Into<String>, values: Vec<Value>) -> Self {
        Self::new(title, Shape::Bars, values)
    }

    /// One value over time.
    pub fn series(title: impl Into<String>, values: Vec<Value>) -> Self {
        Self::new(title, Shape::Series, values)
    }

    /// What took how long, on one axis of time that begins at zero.
    pub fn timeline(title: impl Into<String>, values: Vec<Value>) -> Self {
        Self::new(title, Shape::Timeline, values)
    }

    /// One bar, divided into ok, wrong, unknown and skipped; kinds that do not occur are left out.
    pub fn tally(title: impl Into<String>, tally: Tally) -> Self {
        let values = [
            (Mark::Ok, tally.ok),
            (Mark::Wrong, tally.wrong),
            (Mark::Unknown, tally.unknown),
            (Mark::Skipped, tally.skipped),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(mark, count)| Value::new(mark, mark.word(), count as f64, count.to_string()))
        .collect();
        Self::new(title, Shape::Stack, values)
    }

    fn new(title: impl Into<String>, shape: Shape, values: Vec<Value>) -> Self {
        Self {
            title: shown(title),
            shape,
            values: values
                .into_iter()
                .map(|value| Value {
                    label: shown(value.label),
                    shown: shown(value.shown),
                    ..value
                })
                .collect(),
            limit: None,
        }
    }

    /// Draws a line at `size`; `shown` says what it is and how large.
    #[must_use]
    pub fn limit(mut self, size: f64, shown: impl Into<String>) -> Self {
        self.limit = (size.is_finite() && size >= 0.0).then(|| Limit {
            size,
            shown: self::shown(shown),
        });
        self
    }

    /// What it shows.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How it is drawn.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The numbers, in order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The line to compare with.
    pub fn line(&self) -> Option<&Limit> {
        self.limit.as_ref()
    }

    /// Which part of the width (in a stack: of the sum; in a series: of the height) is `size`, 0 to 1.
    pub(crate) fn share(&self, size: f64) -> f64 {
        let sizes = self.values.iter().filter_map(|value| value.size);
        let ends = self
            .values
            .iter()
            .filter_map(|value| Some(value.offset + value.size?));
        let limit = || self.limit.iter().map(|limit| limit.size);
        let whole = match self.shape {
            Shape::Stack => sizes.sum(),
            Shape::Bars | Shape::Series => sizes.chain(limit()).fold(0.0, f64::max),
            Shape::Timeline => ends.chain(limit()).fold(0.0, f64::max),
        };
        if whole > 0.0 { size / whole } else { 0.0 }
    }

    /// One sentence that says what can be seen.
    pub(crate) fn summary(&self) -> String {
        let known = || {
            self.values
                .iter()
                .filter_map(|value| Some((value.size?, value)))
        };
        let mut parts = Vec::new();
        match self.shape {
            Shape::Bars | Shape::Stack | Shape::Timeline => {
                parts.extend(self.values.iter().map(|value| match self.shape {
                    Shape::Stack => format!("{} {}", value.shown, value.label),
                    Shape::Bars | Shape::Series | Shape::Timeline => {
                        format!("{}: {}", value.label, value.shown)
                    }
                }));
            }
            Shape::Series => {
                if let (Some(first), Some(last)) = (self.values.first(), self.values.last()) {
                    parts.push(format!("{} to {}", first.label, last.label));
                }
                if let Some((_, low)) = known().min_by(|a, b| a.0.total_cmp(&b.0)) {
                    parts.push(format!("lowest {}", low.shown));
                }
                if let Some((_, high)) = known().max_by(|a, b| a.0.total_cmp(&b.0)) {
                    parts.push(format!("highest {} at {}", high.shown, high.label));
                }
                if let Some(last) = self.values.last() {
                    parts.push(format!("last {}", last.shown));
                }
                let gaps = self.values.len() - known().count();
                if gaps > 0 {
                    parts.push(format!("{gaps} of {} not known", self.values.len()));
                }
                let wrong = self
                    .values
                    .iter()
                    .filter(|value| value.mark == Mark::Wrong)
                    .count();
                if wrong > 0 {
                    parts.push(format!("{wrong} of {} wrong", self.values.len()));
                }
            }
        }
        parts.extend(self.limit.iter().map(|limit| limit.shown.clone()));
        parts.join(", ")
    }
}
