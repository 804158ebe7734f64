//! What GitHub, GitLab and chats make of plain text: mentions that call people, links to issues, commits and anywhere.
//!
//! A tag of AWS or a lock's holder may say `@everyone` or `#1`, and a report is pasted into an issue. A backslash does not
//! help, since forges look at the text once Markdown is done with it; of code they leave their hands.

use crate::text::Span;

/// Where links of our own lead: the documentation that an explanation points to. They stay links.
const OUR_LINKS: [&str; 4] = [
    "https://docs.aws.amazon.com/",
    "https://aws.amazon.com/",
    "https://console.aws.amazon.com/",
    "https://developer.hashicorp.com/",
];

/// The pieces of plain text, with what a forge would act on as code.
pub(crate) fn spans(text: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        match reference(text, at) {
            Some(length) => {
                spans.push(Span::Plain(&text[plain..at]));
                spans.push(Span::Code(&text[at..at + length]));
                at += length;
                plain = at;
            }
            None => at += next.len_utf8(),
        }
    }
    spans.push(Span::Plain(&text[plain..]));
    spans.retain(|span| !matches!(span, Span::Plain("")));
    spans
}

/// The length of what begins at `at`, if a forge acts on it.
fn reference(text: &str, at: usize) -> Option<usize> {
    let (before, rest) = text.split_at(at);
    let before = before.chars().next_back();
    let in_word = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    let length = match rest.chars().next()? {
        // `@` within a word is an address, which calls nobody.
        '@' if !in_word => 1 + run(&rest[1..], |c| c.is_alphanumeric() || "-_./".contains(c)),
        // `org/repository#1` too, whose first part is plain text.
        '#' => 1 + run(&rest[1..], |c| c.is_ascii_digit()),
        '!' if before == Some('<') => 1 + run(&rest[1..], char::is_alphanumeric),
        '!' if !in_word => 1 + run(&rest[1..], |c| c.is_ascii_digit()),
        _ if in_word => 0,
        'g' | 'G' if prefixed(rest, "gh-") => match run(&rest[3..], |c| c.is_ascii_digit()) {
            0 => 0,
            digits => 3 + digits,
        },
        first if first.is_ascii_alphabetic() => return url(rest).or_else(|| commit(rest, before)),
        first if first.is_ascii_digit() => return commit(rest, before),
        _ => 0,
    };
    (length > 1).then_some(length)
}

/// How many bytes of `text` belong together.
fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn prefixed(text: &str, prefix: &str) -> bool {
    let begin = text.as_bytes().get(..prefix.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// An address that becomes a link by itself.
fn url(text: &str) -> Option<usize> {
    let scheme = run(text, |c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let is_url = text[scheme..].starts_with("://")
        || ["www.", "mailto:", "xmpp:"]
            .iter()
            .any(|start| prefixed(text, start));
    if !is_url || OUR_LINKS.iter().any(|ours| text.starts_with(ours)) {
        return None;
    }
    // Of what no code can hold, or would end a table's cell, the rest is plain text.
    let length = run(text, |c| !c.is_whitespace() && !"`|\\<>".contains(c));
    Some(length)
}

/// A commit is named by 7 to 40 hexadecimal digits that stand alone. Numbers are left alone, which are everywhere; an ID
/// has hyphens around its parts.
fn commit(text: &str, before: Option<char>) -> Option<usize> {
    let length = run(text, |c| c.is_ascii_hexdigit());
    let after = text[length..].chars().next();
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "-_".contains(c));
    let letters = text[..length]
        .bytes()
        .any(|byte| byte.is_ascii_alphabetic());
    let is_commit = (7..=40).contains(&length) && (letters || length == 40);
    (is_commit && !joins(before) && !joins(after)).then_some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> Vec<&str> {
        let spans = spans(text).into_iter();
        spans
            .filter_map(|span| match span {
                Span::Code(code) => Some(code),
                Span::Plain(_) => None,
            })
            .collect()
    }

    #[test]
    fn what_a_forge_acts_on_is_code() {
        for (text, expected) in [
            ("cc @everyone, @here", vec!["@everyone", "@here"]),
            ("(@user) @org/team", vec!["@user", "@org/team"]),
            ("<!channel> <@U123>", vec!["!channel", "@U123"]),
            (
                "fixes #1 GH-12 gh-3 !45",
                vec!["#1", "GH-12", "gh-3", "!45"],
            ),
            ("org/repository#1", vec!["#1"]),
            (
                "see https://evil.example/a?b=c and www.evil.example",
                vec!["https://evil.example/a?b=c", "www.evil.example"],
            ),
            (
                "javascript://x mailto:a@b.example",
                vec!["javascript://x", "mailto:a@b.example"],
            ),
            ("in 2a2e02a, 36e13c5.", vec!["2a2e02a", "36e13c5"]),
            (
                "https://docs.aws.amazon.com.evil.example/",
                vec!["https://docs.aws.amazon.com.evil.example/"],
            ),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[test]
    fn what_results_are_full_of_stays_text() {
        for text in [
            "jo@laptop",
            "123456789012",
            "9db590f1-b6fe-c5f2-2678-8804f089deba",
            "vpc-0abc123def4567890",
            "1234567 bytes, $12.50, 100 %",
            "# of objects",
            "see https://docs.aws.amazon.com/AmazonS3/latest/API/",
            "defaced_by",
            "ok!",
            "a @ b",
        ] {
            assert_eq!(code(text), Vec::<&str>::new(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_the_text_and_what_is_left_calls_nobody(
            words in prop::collection::vec(
                prop::sample::select(vec!["a", "@x", "@", "#1", "#", "https://e.x/", "www.", " ", "`", "\\", "|", "<", ">", "é", "abcdef1", "-", "GH-1", "!2", "_"]),
                0..10,
            )
        ) {
            let text = words.concat();
            let pieces = spans(&text);
            let whole: String = pieces
                .iter()
                .map(|span| match span { Span::Plain(text) | Span::Code(text) => *text })
                .collect();
            prop_assert_eq!(&whole, &text);
            for span in pieces {
                if let Span::Code(code) = span {
                    prop_assert!(!code.contains(['`', '|', '\\']) && code.trim() == code, "{}", code);
                }
            }
        }
    }
}
