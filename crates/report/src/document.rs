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
        self.section(Section::Heading(text.into()))
    }

    /// Adds a paragraph; what stands between backticks is code.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.section(Section::Text(text.into()))
    }

    /// Adds a key fact, next to those right before it.
    #[must_use]
    pub fn fact(mut self, mark: Mark, label: impl Into<String>, value: impl Into<String>) -> Self {
        let fact = Fact {
            label: label.into(),
            value: value.into(),
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
        if rows.is_empty() {
            return self;
        }
        let columns = columns.into_iter().map(Into::into).collect();
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

    /// Adds a part.
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
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
