use std::fmt::Display;
use std::time::Duration;

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

/// A number of things, in words: `1 state`, `2 states`.
pub fn counted(count: impl Copy + PartialEq + From<u8> + Display, one: &str) -> String {
    match count == 1.into() {
        true => format!("1 {one}"),
        false => format!("{count} {one}s"),
    }
}

/// A length of time as people read it, with two units at most: `340ms`, `4.5s`, `12m 3s`, `2h 5m`, `3d 4h`. What
/// settings and command lines take is written alike.
pub fn duration(length: Duration) -> String {
    let (days, hours) = (length.as_secs() / 86_400, length.as_secs() / 3600 % 24);
    let (minutes, seconds) = (length.as_secs() / 60 % 60, length.as_secs() % 60);
    let two = |large: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit} {small}{part}"),
    };
    match (days, hours, minutes, seconds) {
        (0, 0, 0, 0) => format!("{}ms", length.as_millis()),
        (0, 0, 0, _) if length.subsec_millis() < 50 => format!("{seconds}s"),
        (0, 0, 0, _) => format!("{:.1}s", length.as_secs_f64()),
        (0, 0, ..) => two(minutes, "m", seconds, "s"),
        (0, ..) => two(hours, "h", minutes, "m"),
        _ => two(days, "d", hours, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_has_two_units_at_most() {
        let rows = [
            (0, "0ms"),
            (340, "340ms"),
            (4_000, "4s"),
            (4_520, "4.5s"),
            (60_000, "1m"),
            (723_000, "12m 3s"),
            (7_500_000, "2h 5m"),
            (7_203_000, "2h"),
            (273_600_000, "3d 4h"),
        ];
        for (milliseconds, text) in rows {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn counted_is_plural_but_for_one() {
        let rows = [(0, "0 states"), (1, "1 state"), (2, "2 states")];
        for (count, text) in rows {
            assert_eq!(counted(count, "state"), text);
        }
        assert_eq!(counted(1_usize, "object"), "1 object");
    }

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
