use std::borrow::Cow;

use crate::escape::one_line;
use crate::{Chart, Page, html, markdown, terminal};

/// What a table cell, a line or a number means, shown as a word and, where that can be, as a symbol and a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Ok,
    /// Checked and found wrong.
    Wrong,
    /// Could not be checked; never the same as [`Mark::Ok`].
    Unknown,
    /// Left out on purpose; the result says why.
    Skipped,
    /// Neither good nor bad.
    Plain,
}

impl Mark {
    /// The word for it; empty for [`Mark::Plain`].
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
            Self::Plain => "",
        }
    }

    /// The word, if `text` does not say it already.
    pub(crate) fn unsaid(self, text: &str) -> Option<&'static str> {
        let word = self.word();
        let said = || {
            text.split(|character: char| !character.is_alphabetic())
                .any(|part| part.eq_ignore_ascii_case(word))
        };
        (!word.is_empty() && !said()).then_some(word)
    }

    /// Its name in the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            other => other.word(),
        }
    }
}

/// One of the few things that a reader wants to know first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub label: String,
    /// Its value, short.
    pub value: String,
    /// What it means.
    pub mark: Mark,
}

impl Fact {
    /// Whether its value does not fit into one line of a card.
    pub(crate) fn is_long(&self) -> bool {
        self.value.chars().count() > 14
    }
}

/// Text of one line, or of several that are our own: a line break within one of them came with a value, and is shown
/// instead of made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines(String);

impl Lines {
    /// Several lines.
    pub fn of<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Self {
        let lines = lines
            .into_iter()
            .map(|line| one_line(line.as_ref()).into_owned());
        Self(lines.collect::<Vec<_>>().join("\n"))
    }
}

impl From<String> for Lines {
    fn from(line: String) -> Self {
        Self(shown(line))
    }
}

impl From<&str> for Lines {
    fn from(line: &str) -> Self {
        Self(one_line(line).into_owned())
    }
}

/// One line as it may be shown ([`one_line`]).
pub(crate) fn shown(text: impl Into<String>) -> String {
    let text = text.into();
    match one_line(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(escaped) => escaped,
    }
}

/// A part of a [`Document`].
#[derive(Debug, Clone, PartialEq)]
pub enum Section {
    /// A heading.
    Heading(String),
    /// A paragraph; what stands between backticks is code.
    Text(String),
    /// Key facts.
    Facts(Vec<Fact>),
    /// A table; the mark of a row is that of its first cell.
    Table {
        /// Column titles.
        columns: Vec<String>,
        /// Rows of cells, as many as there are columns.
        rows: Vec<(Mark, Vec<String>)>,
    },
    /// A picture of numbers.
    Chart(Chart),
}

/// A result in a form that can be rendered anywhere.
///
/// Text goes in through the methods below, which escape it ([`crate::escape`]): wherever it came from, no rendering has
/// anything in it that acts on a terminal or deceives a reader.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    sections: Vec<Section>,
}

impl Document {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a heading.
    #[must_use]
    pub fn heading(self, text: impl Into<String>) -> Self {
        self.section(Section::Heading(shown(text)))
    }

    /// Adds a paragraph; what stands between backticks is code.
    #[must_use]
    pub fn text(self, text: impl Into<Lines>) -> Self {
        self.section(Section::Text(text.into().0))
    }

    /// Adds a key fact, next to those right before it.
    #[must_use]
    pub fn fact(mut self, mark: Mark, label: impl Into<String>, value: impl Into<String>) -> Self {
        let fact = Fact {
            label: shown(label),
            value: shown(value),
            mark,
        };
        if let Some(Section::Facts(facts)) = self.sections.last_mut() {
            facts.push(fact);
            return self;
        }
        self.section(Section::Facts(vec![fact]))
    }

    /// Adds a table; one without rows is left out.
    #[must_use]
    pub fn table<C: Into<String>>(
        self,
        columns: impl IntoIterator<Item = C>,
        rows: Vec<(Mark, Vec<String>)>,
    ) -> Self {
        self.table_of_lines(
            columns,
            rows.into_iter()
                .map(|(mark, cells)| (mark, cells.into_iter().map(Lines::from).collect()))
                .collect(),
        )
    }

    /// As [`Document::table`], with cells of several lines.
    #[must_use]
    pub fn table_of_lines<C: Into<String>>(
        self,
        columns: impl IntoIterator<Item = C>,
        rows: Vec<(Mark, Vec<Lines>)>,
    ) -> Self {
        if rows.is_empty() {
            return self;
        }
        let columns = columns.into_iter().map(shown).collect();
        let rows = rows
            .into_iter()
            .map(|(mark, cells)| (mark, cells.into_iter().map(|cell| cell.0).collect()))
            .collect();
        self.section(Section::Table { columns, rows })
    }

    /// Adds a chart; one without values is left out.
    #[must_use]
    pub fn chart(self, chart: Chart) -> Self {
        if chart.values().is_empty() {
            return self;
        }
        self.section(Section::Chart(chart))
    }

    #[must_use]
    fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// Adds all parts of another document.
    #[must_use]
    pub fn append(mut self, more: Self) -> Self {
        self.sections.extend(more.sections);
        self
    }

    /// The parts, in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Text for a terminal, `width` columns wide when given, with colours when `colour`.
    pub fn to_terminal(&self, width: Option<u16>, colour: bool) -> String {
        terminal::render(self, width, colour)
    }

    /// GitHub-flavoured Markdown.
    pub fn to_markdown(&self) -> String {
        markdown::render(self)
    }

    /// One page of HTML that needs nothing else: no network, no script.
    pub fn to_html(&self, page: &Page) -> String {
        html::render(self, page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_rows_is_left_out() {
        let document = Document::new().table(["a"], Vec::new());
        assert!(document.sections().is_empty());
    }

    #[test]
    fn line_break_in_a_value_is_shown_and_in_lines_of_ours_made() {
        let text = |text: Lines| match Document::new().text(text).sections() {
            [Section::Text(text)] => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text("a\nb".into()), "a\\nb");
        assert_eq!(text(Lines::of(["a", "b\rc\n"])), "a\nb\\rc\\n");
    }

    #[test]
    fn a_chart_without_values_is_left_out() {
        let document = Document::new().chart(Chart::tally("Checks", crate::Tally::default()));
        assert!(document.sections().is_empty());
    }

    #[test]
    fn facts_after_one_another_are_one_part() {
        let document = Document::new()
            .fact(Mark::Ok, "a", "1")
            .fact(Mark::Plain, "b", "2")
            .text("between")
            .fact(Mark::Plain, "c", "3");
        assert_eq!(document.sections().len(), 3);
    }
}
