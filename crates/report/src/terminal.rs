use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};

use crate::{Chart, Document, Mark, Section, Shape, Value};

const WIDEST_BAR: u16 = 40;

/// Text for a terminal, `width` columns wide when given, with colours when `colour`.
pub(crate) fn render(document: &Document, width: Option<u16>, colour: bool) -> String {
    let screen = Screen { width, colour };
    let mut out = String::new();
    for section in document.sections() {
        match section {
            Section::Heading(text) => {
                if !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(text);
            }
            Section::Text(text) => out.push_str(text),
            Section::Facts(facts) => {
                let mut table = screen.table();
                for fact in facts {
                    let value = said(&fact.value, fact.mark);
                    table.add_row([plain(&fact.label), marked(&value, fact.mark)]);
                }
                out.push_str(&table.trim_fmt());
            }
            Section::Table { columns, rows } => out.push_str(&screen.rows(columns, rows)),
            Section::Chart(chart) => out.push_str(&screen.chart(chart)),
        }
        out.push('\n');
    }
    out
}

fn plain(text: &str) -> Cell {
    Cell::new(text)
}

fn said(text: &str, mark: Mark) -> String {
    match mark.unsaid(text) {
        Some(word) => format!("{text} ({word})"),
        None => text.to_owned(),
    }
}

fn marked(text: &str, mark: Mark) -> Cell {
    let cell = plain(text);
    match mark {
        Mark::Ok => cell.fg(Color::Green),
        Mark::Wrong => cell.fg(Color::Red),
        Mark::Unknown => cell.fg(Color::Yellow),
        Mark::Skipped => cell.fg(Color::DarkGrey),
        Mark::Plain => cell,
    }
}

/// A space on either side of a cell.
const PADDING: usize = 2;

/// The widest word of each column.
fn widest_words(columns: &[String], rows: &[(Mark, Vec<String>)]) -> Vec<usize> {
    let widest = |text: &str| {
        let words = text.split_whitespace();
        words.map(|word| word.chars().count()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = columns.iter().map(|title| widest(title)).collect();
    for (_, cells) in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(widest(cell));
        }
    }
    widths
}

/// Lines of at most `width` columns, broken between words; all but the first are indented.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, "  ".to_owned()));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

struct Screen {
    width: Option<u16>,
    colour: bool,
}

impl Screen {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if let Some(width) = self.width {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width);
        } else {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table
    }

    /// A table, in which no name is cut in two: where the names do not fit beside each other, a block of lines for
    /// each row.
    fn rows(&self, columns: &[String], rows: &[(Mark, Vec<String>)]) -> String {
        let widths = widest_words(columns, rows);
        let needed: usize = widths.iter().map(|width| width + PADDING).sum();
        if self.width.is_some_and(|width| usize::from(width) < needed) {
            return self.blocks(columns, rows);
        }
        let mut table = self.table();
        table.set_header(columns.iter().map(|title| plain(title)));
        for (mark, cells) in rows {
            table.add_row(cells.iter().enumerate().map(|(index, cell)| match index {
                0 => marked(cell, *mark),
                _ => plain(cell),
            }));
        }
        for (column, width) in table.column_iter_mut().zip(widths) {
            let least = u16::try_from(width + PADDING).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
        table.trim_fmt()
    }

    /// Each cell on lines of its own, after the title of its column. A single name that is wider than the terminal
    /// stays whole, so that it can be copied.
    fn blocks(&self, columns: &[String], rows: &[(Mark, Vec<String>)]) -> String {
        let width = self.width.map_or(usize::MAX, usize::from);
        let mut blocks = Vec::new();
        for (_, cells) in rows {
            let mut lines = Vec::new();
            for (index, cell) in cells
                .iter()
                .enumerate()
                .filter(|(_, cell)| !cell.is_empty())
            {
                let title = columns.get(index).map_or("", String::as_str);
                let text = match title {
                    "" => cell.clone(),
                    title => format!("{title}: {cell}"),
                };
                lines.extend(wrapped(&text, width));
            }
            blocks.push(lines.join("\n"));
        }
        blocks.join("\n\n")
    }

    fn bar_width(&self) -> u16 {
        self.width
            .map_or(WIDEST_BAR, |width| (width / 3).clamp(8, WIDEST_BAR))
    }

    fn chart(&self, chart: &Chart) -> String {
        let title = chart.title();
        let drawn = match chart.shape() {
            Shape::Bars | Shape::Timeline => self.bars(chart),
            Shape::Stack => self.stack(chart),
            Shape::Series => self.series(chart),
        };
        format!("{title}\n{drawn}")
    }

    fn bars(&self, chart: &Chart) -> String {
        let mut table = self.table();
        for value in chart.values() {
            let bar = value
                .size
                .map_or_else(String::new, |size| bar(chart.share(size), self.bar_width()));
            let before = chart.share(value.offset) * f64::from(self.bar_width());
            let bar = format!("{}{bar}", " ".repeat(before as usize));
            let shown = said(&value.shown, value.mark);
            table.add_row([plain(&value.label), marked(&bar, value.mark), plain(&shown)]);
        }
        if let Some(column) = table.column_mut(1) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        let mut out = table.trim_fmt();
        if let Some(limit) = chart.line() {
            out.push_str(&format!("\n {}", limit.shown));
        }
        out
    }

    /// The kinds differ in how they are filled, not only in colour.
    fn stack(&self, chart: &Chart) -> String {
        let cells = cells(chart, self.bar_width());
        let mut table = self.table();
        for (value, cells) in chart.values().iter().zip(cells) {
            let fill = match value.mark {
                Mark::Ok => '█',
                Mark::Wrong => '▓',
                Mark::Unknown => '▒',
                Mark::Skipped | Mark::Plain => '░',
            };
            let bar: String = std::iter::repeat_n(fill, cells).collect();
            table.add_row([
                plain(&value.label),
                plain(&value.shown),
                marked(&bar, value.mark),
            ]);
        }
        table.trim_fmt()
    }

    fn series(&self, chart: &Chart) -> String {
        const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let most = usize::from(self.width.unwrap_or(80).saturating_sub(2).max(1));
        let each = chart.values().len().div_ceil(most).max(1);
        let line: String = chart
            .values()
            .chunks(each)
            .map(|values| {
                // Of moments that share a column, the highest; those that are not known are told below.
                let high = values
                    .iter()
                    .filter_map(|value| value.size)
                    .reduce(f64::max);
                high.map_or('?', |size| {
                    let level = (chart.share(size) * LEVELS.len() as f64).ceil() as usize;
                    LEVELS[level.clamp(1, LEVELS.len()) - 1]
                })
            })
            .collect();
        format!(" {line}\n {}", chart.summary())
    }
}

/// `width` columns wide when `share` is 1, to an eighth of a column.
fn bar(share: f64, width: u16) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * f64::from(width) * 8.0).round() as usize;
    // More than nothing is seen to be more than nothing.
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

/// How many columns each value of a stack gets; one that is not zero gets at least one.
fn cells(chart: &Chart, width: u16) -> Vec<usize> {
    let share = |value: &Value| value.size.map_or(0.0, |size| chart.share(size));
    chart
        .values()
        .iter()
        .map(|value| match share(value) {
            share if share > 0.0 => ((share * f64::from(width)).round() as usize).max(1),
            _ => 0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tally;

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
    fn text_has_colours_only_when_asked() {
        let plain = sample().to_terminal(None, false);
        assert!(
            plain.contains("unknown") && !plain.contains('\u{1b}'),
            "{plain}"
        );
        assert!(sample().to_terminal(Some(80), true).contains('\u{1b}'));
    }

    #[test]
    fn what_comes_from_elsewhere_does_not_steer_the_terminal() {
        let text = Document::new()
            .heading("\u{1b}[2J")
            .text("a\u{1b}[31mb\r\u{7}")
            .fact(Mark::Ok, "\u{1b}", "\u{9b}0m")
            .table(
                ["\u{1b}"],
                vec![(Mark::Wrong, vec!["\u{1b}]0;x\u{7}".into()])],
            )
            .chart(Chart::bars(
                "\u{1b}",
                vec![Value::new(Mark::Ok, "\u{1b}", 1.0, "\u{1b}")],
            ))
            .to_terminal(Some(60), false);
        assert_eq!(crate::escape::lines(&text), text);
    }

    #[test]
    fn a_value_makes_no_line_of_its_own() {
        let forged = "db\nwrong  other\u{2028}x\r\u{85}";
        let document = Document::new()
            .heading(forged)
            .text(forged)
            .table([forged], vec![(Mark::Ok, vec![forged.to_owned()])])
            .fact(Mark::Ok, forged, forged);
        let text = document.to_terminal(None, false);
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(
            text.lines().all(|line| line.contains("db\\nwrong")),
            "{text}"
        );
        for (page, breaks) in [
            (document.to_markdown(), "<br>"),
            (document.to_html(&crate::Page::new(forged)), "db\nwrong"),
        ] {
            assert!(
                !page.contains(breaks) && page.contains("nwrong  other"),
                "{page}"
            );
        }
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let chart = Chart::bars(
            "Restore",
            vec![
                Value::new(Mark::Ok, "first", 10.0, "10 min"),
                Value::new(Mark::Wrong, "second", 80.0, "80 min"),
                Value::unknown("third", "no answer"),
            ],
        )
        .limit(40.0, "objective 40 min");
        let text = Document::new().chart(chart).to_terminal(None, false);
        assert_eq!(
            text,
            format!(
                "Restore\n first   {:40}  10 min (ok)\n second  {}  80 min (wrong)\n third   {:40}  no answer (unknown)\n \
                 objective 40 min\n",
                "█".repeat(5),
                "█".repeat(40),
                "",
            )
        );
    }

    #[test]
    fn bars_of_a_timeline_begin_where_they_began() {
        let chart = Chart::timeline(
            "Run",
            vec![
                Value::new(Mark::Plain, "declared", 0.0, "at 03:15").beginning_at(20.0),
                Value::new(Mark::Ok, "restore", 60.0, "1 min").beginning_at(20.0),
            ],
        );
        assert_eq!(
            Document::new().chart(chart).to_terminal(None, false),
            format!(
                "Run\n declared  {:40}  at 03:15\n restore   {:10}{}  1 min (ok)\n",
                "",
                "",
                "█".repeat(30)
            )
        );
    }

    #[test]
    fn a_single_wrong_answer_of_many_is_seen() {
        let tally = Tally {
            ok: 4000,
            wrong: 1,
            ..Tally::default()
        };
        let text = Document::new()
            .chart(Chart::tally("Checks", tally))
            .to_terminal(Some(60), false);
        let row = text.lines().find(|line| line.contains("wrong")).unwrap();
        assert!(row.ends_with("1     ▓"), "{text}");
        assert!(!text.contains("unknown"), "{text}");
    }

    #[test]
    fn a_series_shows_gaps_and_fits_the_terminal() {
        let mut values: Vec<Value> = (0..300)
            .map(|minute| {
                Value::new(
                    Mark::Plain,
                    format!("minute {minute}"),
                    f64::from(minute),
                    format!("{minute} ms"),
                )
            })
            .collect();
        for value in &mut values[100..130] {
            *value = Value::unknown("then", "no data");
        }
        let text = Document::new()
            .chart(Chart::series("Latency", values))
            .to_terminal(Some(60), false);
        let line = text.lines().nth(1).unwrap();
        assert!(
            line.chars().count() <= 60 && line.contains('?') && line.ends_with('█'),
            "{text}"
        );
        assert!(
            text.contains("highest 299 ms at minute 299") && text.contains("30 of 300 not known"),
            "{text}"
        );
    }

    #[test]
    fn names_are_not_cut_in_two_whatever_the_width() {
        let name = "berthcare-terraform-state";
        let document = Document::new().table(
            ["Region", "Resource", "Setting", "Wanted"],
            vec![(
                Mark::Ok,
                vec![
                    "ca-central-1".to_owned(),
                    format!("bucket {name}"),
                    "encryption at rest".to_owned(),
                    "AES256, with a key of the account's own".to_owned(),
                ],
            )],
        );
        for width in [20, 40, 60, 70, 80, 100, 200] {
            let text = document.to_terminal(Some(width), false);
            for word in [name, "ca-central-1", "encryption"] {
                assert!(text.contains(word), "{width}: {text}");
            }
            let most = usize::from(width).max(name.len() + 2);
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(
                longest.is_some_and(|longest| longest <= most),
                "{width}: {text}"
            );
        }
        let narrow = document.to_terminal(Some(40), false);
        assert!(narrow.contains("Region: ca-central-1\n"), "{narrow}");
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        let chart = Chart::bars(
            "Restore",
            vec![Value::new(
                Mark::Ok,
                "a label of several words that does not fit beside a bar",
                10.0,
                "10 min",
            )],
        );
        let text = Document::new().chart(chart).to_terminal(Some(40), false);
        assert!(
            text.lines().all(|line| line.chars().count() <= 40),
            "{text}"
        );
    }
}
