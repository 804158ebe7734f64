//! What an error text names. Only what looks like a name of AWS or of Terraform is taken out of it: the rest
//! may be anything, a secret too, and is never repeated.

/// A text as Terraform means it: without the colours and the frame that it has on a terminal.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => {
                // A control sequence ends with its first letter.
                chars.by_ref().find(|char| char.is_ascii_alphabetic());
            }
            '│' | '╷' | '╵' => {}
            other => out.push(other),
        }
    }
    out
}

/// The first word behind `mark`, without quotes, brackets and full stops, if all of it is `allowed`.
pub(super) fn after<'a>(text: &'a str, mark: &str, allowed: fn(char) -> bool) -> Option<&'a str> {
    let rest = text[text.find(mark)? + mark.len()..].trim_start();
    let end = rest
        .find(|char: char| char.is_whitespace() || "()\"'`,;<>".contains(char))
        .unwrap_or(rest.len());
    let word = rest[..end].trim_end_matches(['.', ':']);
    (!word.is_empty() && word.len() <= 512 && word.chars().all(allowed)).then_some(word)
}

/// The words that begin with `start`, each once, as far as they are `allowed`.
pub(super) fn words<'a>(text: &'a str, start: &str, allowed: fn(char) -> bool) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(start) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|char| char.is_alphanumeric() || char == '-') {
            continue;
        }
        let rest = &text[at..];
        let end = rest.find(|char| !allowed(char)).unwrap_or(rest.len());
        let word = rest[..end].trim_end_matches(['.', ':', '-', '/']);
        if word.len() > start.len() && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

/// Letters of names of buckets and instances.
pub(super) fn name(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-_.".contains(char)
}

/// Letters of ids: `sg-0a1b`, UUIDs, versions.
pub(super) fn id(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-.".contains(char)
}

/// Letters of ARNs and of actions: `s3:PutObject`.
pub(super) fn arn(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-_.:/*@+=".contains(char)
}

/// Letters of the path of a URL, without its query.
pub(super) fn path(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-_.:/%".contains(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_without_colours_and_frames() {
        let text = "\u{1b}[31m╷\u{1b}[0m\n\u{1b}[31m│\u{1b}[0m \u{1b}[1mError: x[0]\u{1b}[0m\n╵";
        assert_eq!(plain(text), "\n Error: x[0]\n");
        assert_eq!(plain("\u{1b}["), "");
    }

    #[test]
    fn names_are_taken_out_and_nothing_else() {
        let text = "creating S3 Bucket (berthcare-photos-staging): BucketAlreadyExists, password: 'hunter2!x'";
        assert_eq!(
            after(text, "S3 Bucket (", name),
            Some("berthcare-photos-staging")
        );
        assert_eq!(after(text, "password:", name), None);
        assert_eq!(after(text, "nothing", name), None);
        let text = "deleting subnet-0a1, then sg-1b. Again sg-1b, not xsg-2c or sg-";
        assert_eq!(words(text, "sg-", id), ["sg-1b"]);
        assert_eq!(words(text, "subnet-", id), ["subnet-0a1"]);
    }
}
