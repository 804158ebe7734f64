//! `NAME=value`, `name: value`, `--name value` and their kin, as shells, YAML, INI, URLs and programs write them.

use std::ops::Range;

use super::super::names::{is_harmless, is_name_key, is_telling, is_telling_label, is_value_key};
use super::{Span, tokens};

pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    let all = assignments(text);
    for one in &all {
        if let Some(range) = one.secret(text) {
            found.push(Span::plain(text, range));
        }
    }
    pairs(text, &all.iter().collect::<Vec<_>>(), found);
    pairs(text, &outermost(&all), found);
    blocks(text, &all, found);
    flags(text, found);
    commands(text, found);
    elements(text, found);
    sentences(text, found);
}

/// What a sign stands between.
struct Assignment {
    name: Range<usize>,
    /// Without quotes; up to the end of the line where there are no others.
    value: Range<usize>,
    telling: bool,
    /// Whether it is written as only an assignment is, and not as in a sentence: `auth token: required`.
    strict: bool,
    /// Whether nothing follows on its line, or only the sign that a block of lines does.
    open: bool,
}

impl Assignment {
    fn secret(&self, text: &str) -> Option<Range<usize>> {
        let (name, value) = (&text[self.name.clone()], &text[self.value.clone()]);
        if !self.telling || self.open || value.is_empty() || is_harmless(name, value) {
            return None;
        }
        if self.strict {
            // `Authorization: Bearer …`
            let scheme = value.split_once(' ').filter(|(scheme, rest)| {
                let known =
                    ["bearer", "basic", "token"].contains(&scheme.to_ascii_lowercase().as_str());
                known && !rest.trim().is_empty()
            });
            let skipped = scheme.map_or(0, |(_, rest)| value.len() - rest.trim_start().len());
            return Some(self.value.start + skipped..self.value.end)
                .filter(|range| !is_harmless(name, &text[range.clone()]));
        }
        let word = value.split_whitespace().next().unwrap_or_default();
        let word = word.trim_end_matches(['.', ',', ';']);
        loose(word).then(|| self.value.start..self.value.start + word.len())
    }
}

/// Whether a word after `the password:` is more than the next word of a sentence.
fn loose(word: &str) -> bool {
    let kinds = [
        word.bytes().any(|b| b.is_ascii_uppercase()),
        word.bytes().any(|b| b.is_ascii_lowercase()),
        word.bytes().any(|b| b.is_ascii_digit()),
        word.contains(|c: char| c.is_ascii_punctuation() && !"-_./:{}".contains(c)),
    ];
    let time = word.len() >= 5
        && word.as_bytes()[4] == b'-'
        && word.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    word.len() >= 6
        && kinds.into_iter().filter(|has| *has).count() >= 2
        && !time
        && !word.contains("://")
}

fn is_name_letter(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Every assignment whose name matters: a telling one, and the names and values that belong to one another.
fn assignments(text: &str) -> Vec<Assignment> {
    let mut all = Vec::new();
    let layout = Layout::of(text);
    for (at, sign) in text.char_indices().filter(|(_, c)| matches!(c, '=' | ':')) {
        let near = text.floor_char_boundary(at.saturating_sub(2 * LONGEST_NAME));
        let before = text[near..at].trim_end_matches(['"', '\'', '`', '\\', ']', ' ', '\t', ':']);
        let begin = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| is_name_letter(*c))
            .last()
            .map_or(before.len(), |(at, _)| at);
        let name = &before[begin..];
        // Digests and the like are no names.
        if name.is_empty() || name.len() > LONGEST_NAME {
            continue;
        }
        let (begin, end) = (near + begin, near + before.len());
        // Names in URLs of signed requests.
        let queried = text[..begin].ends_with(['?', '&'])
            && ["sig", "signature", "x-amz-signature"]
                .contains(&name.to_ascii_lowercase().as_str());
        let telling = (is_telling(name) || queried) && !in_arn(text, at);
        if telling || is_name_key(name) || is_value_key(name) {
            let quoted = end < near + text[near..at].trim_end_matches([' ', '\t']).len();
            all.push(read(&layout, begin..end, at, sign, quoted, telling));
        }
    }
    all
}

/// An ARN has `secret:NAME`.
fn in_arn(text: &str, at: usize) -> bool {
    // The longest ARN has 2048 characters.
    let word = text[text.floor_char_boundary(at.saturating_sub(2048))..at]
        .rsplit(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ',' | '('))
        .next();
    word.is_some_and(|word| word.contains("arn:aws"))
}

/// Longer ones are something else.
const LONGEST_NAME: usize = 128;

/// Where lines and quotes of a text are, so that no line is gone through once more for each sign in it.
struct Layout<'a> {
    text: &'a str,
    breaks: Vec<usize>,
    quotes: [Vec<usize>; 3],
}

impl<'a> Layout<'a> {
    fn of(text: &'a str) -> Self {
        let places = |what: &[u8]| -> Vec<usize> {
            let bytes = text.bytes().enumerate();
            bytes
                .filter(|(_, byte)| what.contains(byte))
                .map(|(at, _)| at)
                .collect()
        };
        Self {
            text,
            breaks: places(b"\n\r"),
            quotes: [places(b"\""), places(b"'"), places(b"`")],
        }
    }

    /// The line that `at` is in, from its first byte to its end.
    fn line(&self, at: usize) -> Range<usize> {
        let next = self.breaks.partition_point(|one| *one < at);
        let start = next.checked_sub(1).map_or(0, |one| self.breaks[one] + 1);
        start..self.breaks.get(next).copied().unwrap_or(self.text.len())
    }

    /// Where the quote ends in which a name stands, for what begins at `begin`.
    fn enclosing_end(&self, name: usize, begin: usize) -> usize {
        let line = self.line(name);
        let ends = self.quotes.iter().filter_map(|quotes| {
            let before = |at: usize| quotes.partition_point(|one| *one < at);
            let open = (before(name) - before(line.start)) % 2 == 1;
            open.then(|| quotes.get(before(begin)).copied()).flatten()
        });
        ends.min().unwrap_or(self.text.len())
    }
}

fn read(
    layout: &Layout<'_>,
    name: Range<usize>,
    at: usize,
    sign: char,
    name_quoted: bool,
    telling: bool,
) -> Assignment {
    let text = layout.text;
    let after = at + sign.len_utf8();
    let rest = text[after..].trim_start_matches(['=', '>']);
    let spaced = rest.trim_start_matches([' ', '\t']);
    let begin = text.len() - spaced.len();
    let gap = begin > after;
    let line_start = layout.line(name.start).start;
    let lead = text[line_start..name.start].trim_end_matches(['"', '\'', '`', '\\']);
    let alone = lead
        .trim_start_matches([' ', '\t', '-', '#', '$', '+'])
        .is_empty();
    let key = name_quoted
        || alone
        || lead
            .trim_end()
            .ends_with(['{', '[', ',', '(', ';', '|', '&', ':', '-', '<'])
        || lead.len() < name.start - line_start;
    let line = &text[begin..layout.line(begin).end];
    let open = {
        let line = line.trim();
        sign == ':' && (line.is_empty() || ["|", ">", "|-", ">-", "|+", ">+"].contains(&line))
    };
    let assignment = |value: Range<usize>, strict: bool| Assignment {
        name: name.clone(),
        value,
        telling,
        strict,
        open,
    };
    // Quotes that are escaped are read once they no longer are.
    if spaced.starts_with(['\\'])
        && spaced[1..]
            .trim_start_matches('\\')
            .starts_with(['"', '\''])
    {
        return assignment(begin..begin, true);
    }
    if spaced.starts_with(['"', '\'', '`']) {
        return assignment(quoted(text, begin), true);
    }
    // `r"…"`, `$'…'`, `"\"…\""` once the escapes are gone.
    if let Some(inner) = spaced
        .strip_prefix(['$', 'r', 'b'])
        .filter(|inner| inner.starts_with(['"', '\'']))
    {
        return assignment(quoted(text, text.len() - inner.len()), true);
    }
    let whole_line = gap && alone;
    let strict = sign == '=' || !gap || key;
    let end = if whole_line {
        let comment = [" #", " ;", "\t#"]
            .iter()
            .filter_map(|mark| line.find(mark))
            .min();
        comment.unwrap_or(line.len())
    } else if sign == ':' && gap && key {
        flow_end(line)
    } else {
        word_end(line)
    };
    let end = end.min(
        layout
            .enclosing_end(name.start, begin)
            .saturating_sub(begin),
    );
    let value = trimmed(&line[..end]);
    assignment(begin..begin + value.len(), strict)
}

/// From the quote at `begin`: what is in it, and what a shell joins to it.
fn quoted(text: &str, begin: usize) -> Range<usize> {
    let escaped = quoted_as(text, begin, true);
    // Between single quotes a shell knows no escape, and most languages do: the longer one, on one line.
    let literal =
        (text.as_bytes().get(begin) == Some(&b'\'')).then(|| quoted_as(text, begin, false));
    let end = match (escaped, literal.flatten()) {
        (Some(escaped), Some(literal))
            if escaped > literal && !text[literal..escaped].contains('\n') =>
        {
            escaped
        }
        (_, Some(literal)) => literal,
        (Some(escaped), None) => escaped,
        (None, None) => text.len(),
    };
    begin + 1..end.max(begin + 1).min(text.len())
}

/// Where the quote ends that begins at `begin`, with those that are joined to it; nothing when it does not end.
fn quoted_as(text: &str, begin: usize, escapes: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_quote = |at: usize| bytes.get(at).is_some_and(|byte| b"\"'`".contains(byte));
    let mut at = begin;
    let mut end = begin;
    while is_quote(at) {
        let quote = bytes[at];
        let mut inner = at + 1;
        loop {
            let byte = *bytes.get(inner)?;
            if byte == quote {
                break;
            }
            inner += if byte == b'\\' && (escapes || quote != b'\'') {
                2
            } else {
                1
            };
        }
        end = inner;
        at = inner + 1;
        // `'it'\''s'`
        while bytes.get(at) == Some(&b'\\') && is_quote(at + 1) {
            at += 2;
            end = at;
        }
    }
    Some(end)
}

/// A word of a shell, a query of a URL, a member of a connection string.
fn word_end(line: &str) -> usize {
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let word = &line[..end];
    let next = word.char_indices().find(|(at, c)| {
        let rest = &word[at + c.len_utf8()..];
        matches!(c, '&' | ';' | ',') && (rest.is_empty() || begins_assignment(rest))
    });
    next.map_or(end, |(at, _)| at)
}

/// A value within braces, or in a header.
fn flow_end(line: &str) -> usize {
    let next = line.char_indices().find(|(at, c)| {
        let rest = line[at + c.len_utf8()..].trim_start();
        matches!(c, ',' | ';')
            && (rest.is_empty() || begins_assignment(rest) || rest.starts_with(['"', '\'']))
    });
    next.map_or(line.len(), |(at, _)| at)
}

fn begins_assignment(text: &str) -> bool {
    let end = text
        .find(|c: char| !is_name_letter(c) && c != ' ')
        .unwrap_or(text.len());
    end > 0 && text[end..].starts_with(['=', ':'])
}

/// Without spaces, signs and brackets that belong to what is around it.
fn trimmed(value: &str) -> &str {
    let mut value = value.trim_end();
    loop {
        let last = value.chars().next_back();
        let unbalanced = |open: char, close: char| {
            last == Some(close) && value.matches(close).count() > value.matches(open).count()
        };
        if matches!(last, Some(',' | ';'))
            || unbalanced('(', ')')
            || unbalanced('[', ']')
            || unbalanced('{', '}')
        {
            value = value[..value.len() - 1].trim_end();
        } else {
            return value;
        }
    }
}

/// Those that do not stand within the value of another one: a value may look as if it had names of its own.
fn outermost(all: &[Assignment]) -> Vec<&Assignment> {
    let mut end = 0;
    let outer = |one: &&Assignment| {
        let outer = one.name.start >= end;
        end = end.max(one.value.end);
        outer
    };
    all.iter().filter(outer).collect()
}

/// `name: DB_PASSWORD` and `value: …` beside each other, in either order.
fn pairs(text: &str, all: &[&Assignment], found: &mut Vec<Span>) {
    let is_name = |one: &&Assignment| is_name_key(&text[one.name.clone()]);
    let mut kinds = all.iter().filter(|one| !one.telling);
    let value_first = kinds.next().is_some_and(|one| !is_name(one));
    for (at, one) in all.iter().enumerate() {
        if !is_name(one) || !is_telling_label(&text[one.value.clone()]) {
            continue;
        }
        let name = &text[one.value.clone()];
        let mut after = all[at + 1..]
            .iter()
            .take(3)
            .take_while(|other| !is_name(other));
        let mut before = all[..at]
            .iter()
            .rev()
            .take(3)
            .take_while(|other| !is_name(other));
        let near = |other: &&&Assignment| {
            let (from, to) = (
                one.value.end.min(other.value.end),
                one.name.start.max(other.name.start),
            );
            let between = text.get(from..to).unwrap_or_default();
            let apart = between.contains(['{', '}'])
                || between
                    .lines()
                    .any(|line| line.trim_start().starts_with("- "));
            !apart && between.matches('\n').count() <= 3 && is_value_key(&text[other.name.clone()])
        };
        let (after, before) = (after.find(near), before.find(near));
        // The one on the other side may belong to another name.
        let other = if value_first {
            before.or(after)
        } else {
            after.or(before)
        };
        if let Some(other) = other {
            let value = &text[other.value.clone()];
            if !value.is_empty() && !is_harmless(name, value) {
                found.push(Span::plain(text, other.value.clone()));
            }
        }
    }
}

/// The lines beneath `password: |`, `credentials:`, and beneath a value that belongs to a telling name.
fn blocks(text: &str, all: &[Assignment], found: &mut Vec<Span>) {
    for one in all.iter().filter(|one| one.open && one.telling) {
        let line_start = text[..one.name.start].rfind('\n').map_or(0, |at| at + 1);
        let depth = one.name.start - line_start;
        let Some(first) = text[one.name.end..]
            .find('\n')
            .map(|at| one.name.end + at + 1)
        else {
            continue;
        };
        let mut begin = first;
        for line in text[first..].split_inclusive('\n') {
            let content = line.trim();
            let indent = line.len() - line.trim_start().len();
            let item = content.starts_with("- ") && indent >= depth;
            if !content.is_empty() && indent <= depth && !item {
                break;
            }
            let from = begin + indent;
            begin += line.len();
            let content = content.strip_prefix("- ").unwrap_or(content).trim_start();
            let from = from + (line.trim().len() - content.len());
            let mapping = content.split_once(':').filter(|(key, value)| {
                key.chars().all(is_name_letter) && (value.is_empty() || value.starts_with(' '))
            });
            let (name, value) = match mapping {
                Some((key, value))
                    if super::super::names::is_beside(key) || value.trim().is_empty() =>
                {
                    continue;
                }
                Some((key, value)) => (key, value.trim()),
                None => ("", content),
            };
            if value.is_empty() || is_harmless(name, value) {
                continue;
            }
            let end = from + content.len();
            found.push(Span::plain(text, end - value.len()..end));
        }
    }
}

/// Words of a text, as a shell parts them, without their quotes.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..]
        .find(|c: char| !c.is_whitespace())
        .map(|begin| at + begin)
    {
        if text[begin..].starts_with(['"', '\'']) {
            let range = quoted(text, begin);
            at = (range.end + 1).min(text.len());
            while !text.is_char_boundary(at) {
                at += 1;
            }
            words.push(range);
        } else {
            let end = text[begin..]
                .find(char::is_whitespace)
                .map_or(text.len(), |end| begin + end);
            words.push(begin..end);
            at = end;
        }
    }
    words
}

/// `--password x`, `-db-password "x"`.
fn flags(text: &str, found: &mut Vec<Span>) {
    let layout = Layout::of(text);
    for (at, _) in text.match_indices('-') {
        let begins = text[..at]
            .chars()
            .next_back()
            .is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '(' | '[' | ','));
        if !begins {
            continue;
        }
        let flag = text[at..].trim_start_matches('-');
        let from = text.len() - flag.len();
        let end = flag
            .find(|c: char| !is_name_letter(c))
            .unwrap_or(flag.len());
        let name = &flag[..end];
        if !is_flag_of_secret(name) {
            continue;
        }
        let rest = &text[from + end..];
        let gap = rest.len()
            - rest
                .trim_start_matches(['"', '\'', '`', ','])
                .trim_start_matches([' ', '\t', '\\', '\n'])
                .len();
        if !rest[..gap].contains(char::is_whitespace) {
            continue;
        }
        push_word(&layout, from + end + gap, name, found);
    }
}

/// Whether the word after this flag is a secret.
pub(in super::super) fn is_flag_of_secret(name: &str) -> bool {
    const QUESTIONS: [&str; 8] = [
        "no", "ask", "prompt", "use", "generate", "create", "rotate", "manage",
    ];
    let first = name.split(['-', '_']).next().unwrap_or_default();
    is_telling(name) && !QUESTIONS.contains(&first)
}

/// The word at `begin`, unless it is a flag or known to be no secret.
fn push_word(layout: &Layout<'_>, begin: usize, name: &str, found: &mut Vec<Span>) {
    let text = layout.text;
    let rest = &text[begin..];
    let range = if rest.starts_with(['"', '\'']) {
        quoted(text, begin)
    } else {
        let line = &text[begin..layout.line(begin).end];
        let end = layout.enclosing_end(begin, begin).saturating_sub(begin);
        let end = word_end(line).min(end);
        begin..begin + trimmed(&line[..end]).len()
    };
    let value = &text[range.clone()];
    if !value.is_empty() && !value.starts_with('-') && !is_harmless(name, value) {
        found.push(Span::plain(text, range));
    }
}

/// Programs whose flag for a password has one letter, with the flag.
const SHORT_FLAGS: [(&str, &str); 14] = [
    ("mysql", "-p"),
    ("mysqldump", "-p"),
    ("mysqladmin", "-p"),
    ("mariadb", "-p"),
    ("mongosh", "-p"),
    ("mongo", "-p"),
    ("sshpass", "-p"),
    ("login", "-p"),
    ("redis-cli", "-a"),
    ("valkey-cli", "-a"),
    ("psql", "-W"),
    ("sqlcmd", "-P"),
    ("ldapsearch", "-w"),
    ("ldapadd", "-w"),
];

/// Words after which a name and a value follow without a sign.
const SETTERS: [&str; 6] = ["ENV", "ARG", "setenv", "set", "-x", "-gx"];

/// What commands and files of settings say without a sign between name and value.
fn commands(text: &str, found: &mut Vec<Span>) {
    let layout = Layout::of(text);
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let words: Vec<Range<usize>> = words(line)
            .into_iter()
            .map(|word| begin + word.start..begin + word.end)
            .collect();
        begin += line.len();
        let word = |at: usize| words.get(at).map_or("", |range| &text[range.clone()]);
        let program = |name: &str| {
            words
                .iter()
                .any(|range| text[range.clone()].rsplit('/').next() == Some(name))
        };
        for at in 0..words.len() {
            let (this, next) = (word(at), words.get(at + 1));
            let sets = at > 0 && SETTERS.contains(&word(at - 1)) && is_telling(this);
            let server = at == 0 && ["requirepass", "masterauth"].contains(&this);
            let netrc =
                this == "password" && (line.contains("login ") || line.contains("machine "));
            let sql = (this.eq_ignore_ascii_case("password")
                || (at > 0
                    && this.eq_ignore_ascii_case("by")
                    && word(at - 1).eq_ignore_ascii_case("identified")))
                && next.is_some_and(|next| next.start > 0 && text[..next.start].ends_with('\''));
            if let Some(next) = next.filter(|_| sets || server || netrc || sql) {
                let quote = text[..next.start].ends_with(['"', '\'']);
                push_word(&layout, next.start - usize::from(quote), "", found);
            }
            let login = ["-u", "--user"].contains(&this) && (program("curl") || program("wget"));
            if let Some(next) = next.filter(|_| login)
                && let Some(colon) = text[next.clone()].find(':')
                && next.start + colon + 1 < next.end
            {
                found.push(Span::plain(text, next.start + colon + 1..next.end));
            }
            for (name, flag) in SHORT_FLAGS {
                if !this.starts_with(flag) || this.starts_with("--") || !program(name) {
                    continue;
                }
                if this.len() > flag.len() {
                    found.push(Span::plain(
                        text,
                        words[at].start + flag.len()..words[at].end,
                    ));
                } else if let Some(next) =
                    next.filter(|_| !name.starts_with("my") && name != "mariadb")
                {
                    let quote = text[..next.start].ends_with(['"', '\'']);
                    push_word(&layout, next.start - usize::from(quote), "", found);
                }
            }
        }
    }
    // Lines of .pgpass: host, port, database, user, password.
    for run in tokens::runs(text, |c| !c.is_whitespace() && !matches!(c, '"' | '\'')) {
        let line = &text[run.clone()];
        let parts: Vec<&str> = line.splitn(5, ':').collect();
        let port = |text: &str| {
            text == "*"
                || ((4..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
        };
        if parts.len() == 5
            && port(parts[1])
            && parts.iter().all(|part| !part.is_empty())
            && !is_harmless("", parts[4])
        {
            found.push(Span::plain(text, run.end - parts[4].len()..run.end));
        }
    }
}

/// `<password>x</password>`.
fn elements(text: &str, found: &mut Vec<Span>) {
    for (at, _) in text.match_indices("</") {
        let rest = &text[at + 2..];
        let name = &rest[..rest
            .find(|c: char| !is_name_letter(c))
            .unwrap_or(rest.len())];
        let Some(begin) = text[..at].rfind('>').map(|begin| begin + 1) else {
            continue;
        };
        let opens = text[..begin]
            .rfind('<')
            .is_some_and(|open| text[open + 1..].starts_with(name));
        let value = text[begin..at].trim();
        if opens && is_telling(name) && !value.is_empty() && !is_harmless(name, value) {
            let begin = begin + (text[begin..at].len() - text[begin..at].trim_start().len());
            found.push(Span::plain(text, begin..begin + value.len()));
        }
    }
}

/// `the password is …`: a word that is made up as passwords are, shortly after such a word.
fn sentences(text: &str, found: &mut Vec<Span>) {
    const NEAR: usize = 4;
    let words = tokens::runs(text, |c| !c.is_whitespace());
    for (at, word) in words.iter().enumerate() {
        let plain = text[word.clone()].trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let telling = plain.chars().all(|c| c.is_ascii_alphabetic()) && is_telling(plain);
        if !telling {
            continue;
        }
        for next in words.iter().skip(at + 1).take(NEAR) {
            let raw = &text[next.clone()];
            let bare = trimmed(raw.trim_matches(['"', '\'', '`', '.', ',', ';', ':']));
            if tokens::is_made_up(bare) && !is_harmless("", bare) {
                let begin = next.start + raw.find(bare).unwrap_or_default();
                found.push(Span::plain(text, begin..begin + bare.len()));
            }
        }
    }
}
