//! One page of HTML. The templates only place what is worked out here; askama escapes every value.

use askama::Template;

use crate::document::shown;
use crate::text::{Span, spans};
use crate::{Chart, Document, Fact, Mark, Section, Shape, Value};

/// What stands around a [`Document`] on a page of its own. Its text is escaped, as that of a document is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The title.
    title: String,
    /// What the page is about, below the title, as label and value: environment, regions, time, version.
    about: Vec<(String, String)>,
    /// Notes at the end.
    notes: Vec<String>,
}

impl Page {
    /// A page with a title.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: shown(title),
            ..Self::default()
        }
    }

    /// Adds a line below the title.
    #[must_use]
    pub fn about(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.about.push((shown(label), shown(value)));
        self
    }

    /// Adds a note at the end.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(shown(text));
        self
    }
}

pub(crate) fn render(document: &Document, page: &Page) -> String {
    let groups = groups(document, page);
    let headings = groups
        .iter()
        .filter(|group| group.heading.is_some())
        .count();
    View {
        page,
        groups,
        headings,
    }
    .to_string()
}

#[derive(Template)]
#[template(path = "page.html")]
struct View<'a> {
    page: &'a Page,
    groups: Vec<Group<'a>>,
    headings: usize,
}

/// A heading and what is below it.
struct Group<'a> {
    number: usize,
    heading: Option<&'a str>,
    parts: Vec<Part<'a>>,
}

enum Part<'a> {
    Text(Vec<Span<'a>>),
    Facts(&'a [Fact]),
    Table(Table<'a>),
    Picture(Picture<'a>),
}

fn groups<'a>(document: &'a Document, page: &'a Page) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let (mut tables, mut charts, mut below) = (0, 0, 0);
    for section in document.sections() {
        if let Section::Heading(text) = section {
            below = 0;
            groups.push(Group {
                number: groups.len() + 1,
                heading: Some(text),
                parts: Vec::new(),
            });
            continue;
        }
        if groups.is_empty() {
            groups.push(Group {
                number: 1,
                heading: None,
                parts: Vec::new(),
            });
        }
        let Some(group) = groups.last_mut() else {
            continue;
        };
        group.parts.push(match section {
            Section::Heading(_) => continue,
            Section::Text(text) => Part::Text(spans(text)),
            Section::Facts(facts) => Part::Facts(facts),
            Section::Table { columns, rows } => {
                tables += 1;
                below += 1;
                let name = group.heading.unwrap_or(&page.title);
                let caption = if below == 1 {
                    name.to_owned()
                } else {
                    format!("{name}, continued: {below}")
                };
                Part::Table(Table::new(tables, caption, columns, rows))
            }
            Section::Chart(chart) => {
                charts += 1;
                Part::Picture(Picture {
                    number: charts,
                    chart,
                })
            }
        });
    }
    groups
}

struct Table<'a> {
    number: usize,
    caption: String,
    columns: Vec<Column<'a>>,
    rows: &'a [(Mark, Vec<String>)],
}

#[derive(Clone, Copy)]
struct Column<'a> {
    title: &'a str,
    number: bool,
}

impl<'a> Table<'a> {
    fn new(
        number: usize,
        caption: String,
        columns: &'a [String],
        rows: &'a [(Mark, Vec<String>)],
    ) -> Self {
        let columns = columns
            .iter()
            .enumerate()
            .map(|(index, title)| Column {
                title,
                number: numbers(rows.iter().filter_map(|(_, cells)| cells.get(index))),
            })
            .collect();
        Self {
            number,
            caption,
            columns,
            rows,
        }
    }

    /// The classes of a cell.
    fn class(&self, index: &usize, mark: &Mark, text: &str) -> String {
        let mut class = match index {
            0 => vec![mark.class()],
            _ => Vec::new(),
        };
        if self.column(index).number {
            class.push("number");
        }
        if whole(text) || (*index == 0 && text.chars().count() <= 16) {
            class.push("whole");
        }
        class.join(" ")
    }

    fn column(&self, index: &usize) -> Column<'a> {
        self.columns.get(*index).copied().unwrap_or(Column {
            title: "",
            number: false,
        })
    }
}

/// Whether text looks torn when it is broken over lines: one word, such as an identifier, that is not long.
fn whole(text: &str) -> bool {
    text.chars().count() <= 24 && !text.contains(char::is_whitespace)
}

/// Whether cells, apart from empty ones, are numbers, with or without a unit: these stand one below the other.
fn numbers<'a>(cells: impl Iterator<Item = &'a String>) -> bool {
    let mut any = false;
    for cell in cells {
        let cell = cell.trim();
        if cell.is_empty() || cell == "-" || cell == "–" {
            continue;
        }
        let mut words = cell.split_whitespace();
        let number = words
            .next()
            .map(|word| {
                word.trim_start_matches(['$', '+', '-', '−'])
                    .trim_end_matches('%')
            })
            .is_some_and(|word| {
                word.starts_with(|first: char| first.is_ascii_digit())
                    && word.chars().all(|character| {
                        character.is_ascii_digit() || character == ',' || character == '.'
                    })
                    && word.matches('.').count() <= 1
            });
        let unit = words.next().is_none_or(|unit| {
            unit.chars()
                .all(|character| character.is_alphabetic() || "/%".contains(character))
        });
        if !number || !unit || words.next().is_some() {
            return false;
        }
        any = true;
    }
    any
}

/// The least of a width, in percent, that is seen.
const SEEN: f64 = 0.75;

struct Picture<'a> {
    number: usize,
    chart: &'a Chart,
}

/// A series in a box of 1000 by 100.
struct Line<'a> {
    runs: Vec<String>,
    gaps: Vec<(String, String)>,
    wrong: Vec<(String, String)>,
    limit: Option<String>,
    from: &'a str,
    to: &'a str,
}

impl<'a> Picture<'a> {
    fn percent(&self, size: &f64) -> String {
        let share = self.chart.share(*size) * 100.0;
        short(if share > 0.0 { share.max(SEEN) } else { 0.0 })
    }

    /// Left edge and width of a bar: also a moment at the end of a timeline is seen.
    fn bar(&self, value: &Value) -> Option<(String, String)> {
        let width = self.chart.share(value.size?) * 100.0;
        let is_timeline = self.chart.shape() == Shape::Timeline;
        let width = match width > 0.0 || is_timeline {
            true => width.max(SEEN),
            false => 0.0,
        };
        let left = (self.chart.share(value.offset) * 100.0).min(100.0 - width);
        Some((short(left.max(0.0)), short(width)))
    }

    /// Whether the number fits beside its bar.
    fn brief(&self, value: &Value) -> bool {
        value.shown.chars().count() <= 24
    }

    /// Left edge, width and mark of each part; also one of thousands is wide enough to be seen.
    fn stack(&self) -> Vec<(String, String, Mark)> {
        let parts: Vec<(f64, Mark)> = self
            .chart
            .values()
            .iter()
            .filter_map(|value| Some((value.size?, value.mark)))
            .filter(|(size, _)| *size > 0.0)
            .map(|(size, mark)| ((self.chart.share(size) * 100.0).max(SEEN), mark))
            .collect();
        let whole: f64 = parts.iter().map(|(share, _)| share).sum();
        let mut left = 0.0;
        parts
            .into_iter()
            .map(|(share, mark)| {
                let width = share / whole * 100.0;
                let part = (short(left), short(width), mark);
                left += width;
                part
            })
            .collect()
    }

    fn line(&self) -> Line<'a> {
        let values = self.chart.values();
        let step = 1000.0 / values.len() as f64;
        let middle = |index: usize| (index as f64 + 0.5) * step;
        // The line is two units thick where it touches the top.
        let height = |size: f64| 100.0 - 97.0 * self.chart.share(size);
        let mut line = Line {
            runs: Vec::new(),
            gaps: Vec::new(),
            wrong: Vec::new(),
            limit: self.chart.line().map(|limit| short(height(limit.size))),
            from: values.first().map_or("", |value| &value.label),
            to: values.last().map_or("", |value| &value.label),
        };
        let mut start = 0;
        for run in values.chunk_by(|a, b| a.size.is_some() == b.size.is_some()) {
            let end = start + run.len();
            let (left, right) = (start as f64 * step, end as f64 * step);
            let sizes: Vec<f64> = run.iter().filter_map(|value| value.size).collect();
            match sizes.as_slice() {
                [] => line.gaps.push((short(left), short(right - left))),
                // A moment on its own is as wide as it lasts.
                [size] => {
                    let y = short(height(*size));
                    line.runs
                        .push(format!("{},{y} {},{y}", short(left), short(right)));
                }
                sizes => line.runs.push(
                    sizes
                        .iter()
                        .enumerate()
                        .map(|(index, size)| {
                            format!("{},{}", short(middle(start + index)), short(height(*size)))
                        })
                        .collect::<Vec<_>>()
                        .join(" "),
                ),
            }
            start = end;
        }
        line.wrong = values
            .iter()
            .enumerate()
            .filter(|(_, value)| value.mark == Mark::Wrong)
            .filter_map(|(index, Value { size, .. })| {
                Some((short(middle(index)), short(height((*size)?))))
            })
            .collect();
        line
    }
}

/// A coordinate to two decimals.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
