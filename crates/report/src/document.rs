use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

/// What a table cell or line means, shown as a word and, on a terminal, as a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Ok,
    /// Checked and found wrong.
    Wrong,
    /// Could not be checked; never the same as [`Mark::Ok`].
    Unknown,
    /// Neither good nor bad.
    Plain,
}

/// A part of a [`Document`].
#[derive(Debug, Clone)]
pub enum Section {
    /// A heading.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A table; the mark of a row colours its first cell.
    Table {
        /// Column titles.
        columns: Vec<String>,
        /// Rows of cells, as many as there are columns.
        rows: Vec<(Mark, Vec<String>)>,
    },
}

/// A result in a form that can be rendered anywhere.
#[derive(Debug, Clone, Default)]
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
    pub fn heading(mut self, text: impl Into<String>) -> Self {
        self.sections.push(Section::Heading(text.into()));
        self
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.sections.push(Section::Text(text.into()));
        self
    }

    /// Adds a table; one without rows is left out.
    #[must_use]
    pub fn table<C: Into<String>>(
        mut self,
        columns: impl IntoIterator<Item = C>,
        rows: Vec<(Mark, Vec<String>)>,
    ) -> Self {
        if !rows.is_empty() {
            self.sections.push(Section::Table {
                columns: columns.into_iter().map(Into::into).collect(),
                rows,
            });
        }
        self
    }

    /// The parts, in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Text for a terminal, `width` columns wide when given, with colours when `colour`.
    pub fn to_terminal(&self, width: Option<u16>, colour: bool) -> String {
        let mut out = String::new();
        for section in &self.sections {
            match section {
                Section::Heading(text) => {
                    if !out.is_empty() {
                        out.push('\n');
                    }
                    out.push_str(text);
                    out.push('\n');
                }
                Section::Text(text) => {
                    out.push_str(text);
                    out.push('\n');
                }
                Section::Table { columns, rows } => {
                    let mut table = Table::new();
                    table.load_style(presets::NOTHING);
                    if let Some(width) = width {
                        table.set_content_arrangement(ContentArrangement::Dynamic);
                        table.set_width(width);
                    } else {
                        table.set_content_arrangement(ContentArrangement::Disabled);
                    }
                    if colour {
                        table.enforce_styling();
                    } else {
                        table.force_no_tty();
                    }
                    table.set_header(columns.clone());
                    for (mark, cells) in rows {
                        let mut cells: Vec<Cell> = cells.iter().map(Cell::new).collect();
                        if let Some(first) = cells.first_mut() {
                            let cell = first.clone();
                            *first = match mark {
                                Mark::Ok => cell.fg(Color::Green),
                                Mark::Wrong => cell.fg(Color::Red),
                                Mark::Unknown => cell.fg(Color::Yellow),
                                Mark::Plain => cell,
                            };
                        }
                        table.add_row(cells);
                    }
                    out.push_str(&table.trim_fmt());
                    out.push('\n');
                }
            }
        }
        out
    }

    /// GitHub-flavoured Markdown.
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        for section in &self.sections {
            match section {
                Section::Heading(text) => out.push_str(&format!("## {text}\n\n")),
                Section::Text(text) => out.push_str(&format!("{text}\n\n")),
                Section::Table { columns, rows } => {
                    out.push_str(&markdown_row(columns));
                    out.push_str(&markdown_row(&vec!["---".to_owned(); columns.len()]));
                    for (_, cells) in rows {
                        out.push_str(&markdown_row(cells));
                    }
                    out.push('\n');
                }
            }
        }
        out
    }
}

fn markdown_row(cells: &[String]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| cell.replace('|', "\\|").replace('\n', "<br>"))
        .collect();
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Document {
        Document::new()
            .heading("State backend")
            .table(
                ["Status", "Resource"],
                vec![
                    (Mark::Ok, vec!["ok".into(), "bucket a|b".into()]),
                    (Mark::Unknown, vec!["unknown".into(), "table".into()]),
                ],
            )
            .text("2 items")
    }

    #[test]
    fn markdown_escapes_the_column_separator() {
        assert_eq!(
            sample().to_markdown(),
            "## State backend\n\n| Status | Resource |\n| --- | --- |\n| ok | bucket a\\|b |\n| unknown | table |\n\n2 items\n\n"
        );
    }

    #[test]
    fn terminal_text_has_colours_only_when_asked() {
        let plain = sample().to_terminal(None, false);
        assert!(
            plain.contains("unknown") && !plain.contains('\u{1b}'),
            "{plain}"
        );
        assert!(sample().to_terminal(Some(80), true).contains('\u{1b}'));
    }

    #[test]
    fn a_table_without_rows_is_left_out() {
        let document = Document::new().table(["a"], Vec::new());
        assert!(document.sections().is_empty());
    }
}
