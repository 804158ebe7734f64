//! What the keys say that somebody presses at a question.
//!
//! The cursor stays as it is, so that nothing has to be put right however the question ends.

use std::io;

use console::Key;

/// What Ctrl-D sends.
const END_OF_INPUT: char = '\u{4}';

/// What becomes of a line of text on the screen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// It gets longer.
    Added(char),
    /// It loses its last character.
    Removed(char),
}

/// A line of text; `None` at Escape, Ctrl-D and the end of input.
///
/// # Errors
/// Of kind `Interrupted` at Ctrl-C.
pub(crate) fn line(
    mut next: impl FnMut() -> io::Result<Key>,
    mut echo: impl FnMut(Echo),
) -> io::Result<Option<String>> {
    let mut text = String::new();
    loop {
        match pressed(next())? {
            None => return Ok(None),
            Some(Key::Enter) => return Ok(Some(text)),
            Some(Key::Backspace) => {
                if let Some(last) = text.pop() {
                    echo(Echo::Removed(last));
                }
            }
            Some(Key::Char(character)) if !character.is_control() => {
                text.push(character);
                echo(Echo::Added(character));
            }
            Some(_) => {}
        }
    }
}

/// A key; `None` where there is no further answer.
fn pressed(key: io::Result<Key>) -> io::Result<Option<Key>> {
    match key {
        Ok(Key::CtrlC) => Err(io::ErrorKind::Interrupted.into()),
        Ok(Key::Escape | Key::Char(END_OF_INPUT)) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[Key]) -> impl FnMut() -> io::Result<Key> {
        let mut keys = keys.iter().cloned();
        move || keys.next().ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    fn typed(text: &str) -> Vec<Key> {
        text.chars().map(Key::Char).collect()
    }

    #[test]
    fn ctrl_c_at_a_question_is_interrupted() {
        let interrupted = Some(io::ErrorKind::Interrupted);
        let answer = line(keys(&[Key::Char('a'), Key::CtrlC]), |_| {});
        assert_eq!(answer.err().map(|error| error.kind()), interrupted);
    }

    #[test]
    fn line_is_what_was_typed_and_none_where_it_was_broken_off() {
        let mut pressed = typed("né\u{1}");
        pressed.extend([Key::Backspace, Key::Char('o'), Key::Enter]);
        let mut echoed = Vec::new();
        let answer = line(keys(&pressed), |echo| echoed.push(echo)).unwrap();
        assert_eq!(answer.as_deref(), Some("no"));
        use Echo::{Added, Removed};
        assert_eq!(echoed, [Added('n'), Added('é'), Removed('é'), Added('o')]);
        for end in [Some(Key::Escape), Some(Key::Char(END_OF_INPUT)), None] {
            let mut pressed = typed("name");
            pressed.extend(end);
            assert_eq!(line(keys(&pressed), |_| {}).unwrap(), None);
        }
    }
}
