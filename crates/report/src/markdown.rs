use crate::forge;
use crate::text::{Span, spans};
use crate::{Chart, Document, Section};

/// GitHub-flavoured Markdown; text and cells mean what they say, whatever characters are in them.
pub(crate) fn render(document: &Document) -> String {
    let mut out = String::new();
    for section in document.sections() {
        match section {
            Section::Heading(text) => out.push_str(&format!("## {}\n", plain(&one_line(text)))),
            Section::Text(text) => out.push_str(&paragraph(text)),
            Section::Facts(facts) => {
                for fact in facts {
                    let word = fact.mark.unsaid(&fact.value);
                    let word = word.map_or_else(String::new, |word| format!(" ({word})"));
                    out.push_str(&format!(
                        "- **{}:** {}{word}\n",
                        plain(&one_line(&fact.label)),
                        plain(&one_line(&fact.value))
                    ));
                }
            }
            Section::Table { columns, rows } => {
                table(&mut out, columns, rows.iter().map(|(_, cells)| cells));
            }
            Section::Chart(chart) => self::chart(&mut out, chart),
        }
        out.push('\n');
    }
    out
}

fn table<'a>(out: &mut String, columns: &[String], rows: impl Iterator<Item = &'a Vec<String>>) {
    out.push_str(&row(columns));
    out.push_str(&format!("|{}\n", " --- |".repeat(columns.len())));
    for cells in rows {
        out.push_str(&row(cells));
    }
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn chart(out: &mut String, chart: &Chart) {
    out.push_str(&format!("**{}**\n\n", plain(&one_line(chart.title()))));
    let columns = ["", "Value", "Status"].map(str::to_owned);
    let marked = chart
        .values()
        .iter()
        .any(|value| !value.mark.word().is_empty() && value.mark.word() != value.label);
    let rows: Vec<Vec<String>> = chart
        .values()
        .iter()
        .map(|value| {
            let mut cells = vec![value.label.clone(), value.shown.clone()];
            if marked {
                cells.push(value.mark.word().to_owned());
            }
            cells
        })
        .collect();
    table(out, &columns[..if marked { 3 } else { 2 }], rows.iter());
    if let Some(limit) = chart.line() {
        out.push_str(&format!("\n{}", paragraph(&limit.shown)));
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    let lines: Vec<String> = text.trim().lines().map(|line| plain(line.trim())).collect();
    lines.join("<br>")
}

/// Text whose lines stay lines.
fn paragraph(text: &str) -> String {
    let blocks: Vec<String> = text
        .split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty())
        .map(|block| {
            let lines: Vec<String> = block
                .lines()
                .map(|line| start(&inline(line.trim())))
                .collect();
            lines.join("\\\n")
        })
        .collect();
    blocks.join("\n\n") + "\n"
}

/// Text with its code, and with what a forge would link as code.
fn inline(text: &str) -> String {
    joined(spans(text).into_iter().flat_map(|span| match span {
        Span::Plain(text) => forge::spans(text),
        code @ Span::Code(_) => vec![code],
    }))
}

/// Text in which backticks are themselves.
fn plain(text: &str) -> String {
    joined(forge::spans(text).into_iter())
}

/// Code next to code is one: between two backticks in a row would be something else.
fn joined<'a>(spans: impl Iterator<Item = Span<'a>>) -> String {
    let mut out = String::new();
    let mut in_code = false;
    for span in spans {
        let (Span::Plain(text) | Span::Code(text)) = span;
        let is_code = matches!(span, Span::Code(_));
        if is_code != in_code {
            out.push('`');
        }
        in_code = is_code;
        match is_code {
            true => out.push_str(text),
            false => out.push_str(&escape(text)),
        }
    }
    if in_code {
        out.push('`');
    }
    out
}

/// A line that begins no list, heading, quotation or rule.
fn start(line: &str) -> String {
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    let rest = &line[digits..];
    let at = match rest.chars().next() {
        Some('.' | ')') if digits > 0 => digits,
        Some('#' | '>' | '+' | '-' | '=') if digits == 0 => 0,
        _ => return line.to_owned(),
    };
    format!("{}\\{}", &line[..at], &line[at..])
}

/// Characters that Markdown would not show as themselves, with a backslash before them.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let after = characters.peek().copied();
        let word = |side: Option<char>| side.is_some_and(char::is_alphanumeric);
        let special = match character {
            '\\' | '`' | '*' | '<' | '[' | ']' | '~' | '|' => true,
            // Within a word it is itself, and names are full of it.
            '_' => !(word(before) && word(after)),
            '&' => after.is_some_and(|after| after == '#' || after.is_ascii_alphanumeric()),
            // A heading may end with these, which are then not shown.
            '#' => after.is_none(),
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(character);
        before = Some(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::*;
    use crate::escape;
    use crate::{Lines, Mark, Tally, Value};

    /// What a reader of the Markdown sees: the texts of cells, headings, list items and paragraphs.
    fn seen(markdown: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut text = String::new();
        for event in Parser::new_ext(
            markdown,
            Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH,
        ) {
            match event {
                Event::Text(piece) => text.push_str(&piece),
                Event::Code(piece) => text.push_str(&piece),
                Event::HardBreak => text.push('\n'),
                Event::InlineHtml(tag) if &*tag == "<br>" => text.push('\n'),
                Event::Start(
                    Tag::Paragraph
                    | Tag::Heading { .. }
                    | Tag::Table(_)
                    | Tag::TableHead
                    | Tag::TableRow
                    | Tag::TableCell,
                ) => {}
                Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::TableCell) => {
                    blocks.push(std::mem::take(&mut text));
                }
                Event::End(_) => {}
                other => text.push_str(&format!("<<{other:?}>>")),
            }
        }
        blocks
    }

    #[test]
    fn the_whole() {
        let document = Document::new()
            .heading("State backend")
            .fact(Mark::Wrong, "Regions", "1 of 2")
            .fact(Mark::Ok, "Lock", "ok")
            .table(
                ["Status", "Resource"],
                vec![
                    (Mark::Ok, vec!["ok".into(), "bucket a|b".into()]),
                    (
                        Mark::Unknown,
                        vec!["unknown".into(), "table_of_locks".into()],
                    ),
                ],
            )
            .chart(Chart::tally(
                "Checks",
                Tally {
                    ok: 3,
                    unknown: 1,
                    ..Tally::default()
                },
            ))
            .chart(
                Chart::bars("Restore", vec![Value::new(Mark::Wrong, "db", 5.0, "5 min")])
                    .limit(4.0, "objective 4 min"),
            )
            .text("2 items; run `init-backend apply` again");
        assert_eq!(
            document.to_markdown(),
            "## State backend\n\n\
             - **Regions:** 1 of 2 (wrong)\n- **Lock:** ok\n\n\
             | Status | Resource |\n| --- | --- |\n| ok | bucket a\\|b |\n| unknown | table_of_locks |\n\n\
             **Checks**\n\n|  | Value |\n| --- | --- |\n| ok | 3 |\n| unknown | 1 |\n\n\
             **Restore**\n\n|  | Value | Status |\n| --- | --- | --- |\n| db | 5 min | wrong |\n\nobjective 4 min\n\n\
             2 items; run `init-backend apply` again\n\n"
        );
    }

    #[test]
    fn values_call_nobody_and_link_nowhere() {
        let value = "@everyone #1 GH-1 https://evil.example/ <img src=x> 2a2e02a `@here`";
        let document = Document::new()
            .heading(value)
            .text("cc @user, see https://docs.aws.amazon.com/x and `verify-staging audit`")
            .fact(Mark::Plain, "Who", value)
            .table(["Tag"], vec![(Mark::Ok, vec![value.to_owned()])]);
        let shown =
            "`@everyone` `#1` `GH-1` `https://evil.example/` \\<img src=x> `2a2e02a` \\``@here`\\`";
        assert_eq!(
            document.to_markdown(),
            format!(
                "## {shown}\n\ncc `@user`, see https://docs.aws.amazon.com/x and `verify-staging audit`\n\n\
                 - **Who:** {shown}\n\n| Tag |\n| --- |\n| {shown} |\n\n"
            )
        );
    }

    #[test]
    fn a_paragraph_keeps_its_lines() {
        let document =
            Document::new().text(Lines::of(["# one", "1. two", "- three", "", "> four"]));
        assert_eq!(
            seen(&document.to_markdown()),
            ["# one\n1. two\n- three", "> four"]
        );
    }

    /// Characters that mean something to Markdown, and a few that do not.
    fn hostile() -> impl Strategy<Value = String> {
        let words = prop::sample::select(vec![
            "a",
            "b_c",
            "_",
            "*",
            "**",
            "`",
            "``",
            "|",
            "\\",
            "\\|",
            "<br>",
            "<b>",
            "</td>",
            "<!--",
            "&amp;",
            "&",
            "&#124;",
            "[x](y)",
            "![",
            "]",
            "~~",
            "#",
            "##",
            "1.",
            "-",
            "+",
            "=",
            "---",
            ">",
            " ",
            "\n",
            "é",
            "$",
            "<https://x.y>",
            "@everyone",
            "#1",
            "GH-1",
            "2a2e02a",
            "www.x.y",
        ]);
        prop::collection::vec(words, 1..8).prop_map(|words| words.concat().trim().to_owned())
    }

    /// Lines without the space around them, which Markdown does not keep.
    fn lines(text: &str) -> String {
        text.trim()
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn escaped(text: &str) -> String {
        escape::one_line(text).into_owned()
    }

    proptest! {
        #[test]
        fn cells_are_seen_as_they_are(a in hostile(), b in hostile()) {
            let cells = vec![a.clone(), b.clone()];
            let document = Document::new().table(["x", "y"], vec![(Mark::Plain, cells)]);
            let expected = ["x".to_owned(), "y".to_owned(), escaped(&a), escaped(&b)];
            prop_assert_eq!(seen(&document.to_markdown()), expected, "{}", document.to_markdown());
        }

        #[test]
        fn cells_of_several_lines_are_seen_as_they_are(a in hostile(), b in hostile()) {
            let cells = [&a, &b].map(|text| Lines::of(text.lines())).to_vec();
            let document = Document::new().table_of_lines(["x", "y"], vec![(Mark::Plain, cells)]);
            let expected = ["x".to_owned(), "y".to_owned(), lines(&a), lines(&b)];
            prop_assert_eq!(seen(&document.to_markdown()), expected, "{}", document.to_markdown());
        }

        #[test]
        fn headings_and_facts_are_seen_as_they_are(text in hostile()) {
            let text = one_line(&text);
            prop_assume!(!text.is_empty());
            let document = Document::new().heading(text.clone());
            prop_assert_eq!(seen(&document.to_markdown()), [text.as_str()], "{}", document.to_markdown());
        }

        #[test]
        fn paragraphs_are_seen_as_they_are(text in hostile()) {
            let text = lines(&text);
            prop_assume!(!text.is_empty() && !text.contains("\n\n"));
            let document = Document::new().text(Lines::of(text.lines()));
            // Code is seen without its backticks.
            let text: Vec<String> = text.lines().map(|line| {
                spans(line).into_iter().map(|(Span::Plain(text) | Span::Code(text))| text).collect()
            }).collect();
            let text = text.join("\n");
            prop_assert_eq!(seen(&document.to_markdown()), [text.as_str()], "{}", document.to_markdown());
        }
    }
}
