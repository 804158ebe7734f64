/// A piece of a paragraph.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Span<'a> {
    Plain(&'a str),
    /// What stood between two backticks.
    Code(&'a str),
}

/// The pieces of a paragraph. Backticks that do not come in pairs around something are themselves.
pub(crate) fn spans(text: &str) -> Vec<Span<'_>> {
    let pieces: Vec<&str> = text.split('`').collect();
    let paired = pieces.len() % 2 == 1
        && pieces
            .iter()
            .skip(1)
            .step_by(2)
            .all(|code| code.trim() == *code && !code.contains('\n'))
        // Two backticks in a row would open another kind of code in Markdown.
        && !text.contains("``");
    if !paired || text.is_empty() {
        return vec![Span::Plain(text)];
    }
    pieces
        .into_iter()
        .enumerate()
        .filter(|(_, piece)| !piece.is_empty())
        .map(|(index, piece)| match index % 2 {
            0 => Span::Plain(piece),
            _ => Span::Code(piece),
        })
        .collect()
}

/// Text from anywhere without the characters that steer a terminal.
pub(crate) fn without_controls(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' => '\n',
            '\t' => ' ',
            other if other.is_control() => char::REPLACEMENT_CHARACTER,
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_stands_between_two_backticks() {
        assert_eq!(
            spans("run `a b` again"),
            [
                Span::Plain("run "),
                Span::Code("a b"),
                Span::Plain(" again")
            ]
        );
        assert_eq!(spans("`a`"), [Span::Code("a")]);
        for literal in ["a ` b", "``", "a `` b", "` a`", "`a``b`", ""] {
            assert_eq!(spans(literal), [Span::Plain(literal)]);
        }
    }
}
