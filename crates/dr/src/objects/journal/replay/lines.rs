//! Lines as they come, from a file or over a network, in memory that does not grow with them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::objects::journal::{JournalError, LINE, Record};

/// Takes the lines of a journal as they come.
pub(super) trait RecordSink {
    fn take(&mut self, place: &str, record: Record) -> Result<(), JournalError>;

    /// Takes the next bytes of a journal.
    fn feed(&mut self, text: &mut Text, mut bytes: &[u8]) -> Result<(), JournalError> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            text.extend(line)?;
            self.line(text)?;
            bytes = rest.get(1..).unwrap_or_default();
        }
        text.extend(bytes)
    }

    /// Takes the line that `text` has come to, and makes room for the next.
    fn line(&mut self, text: &mut Text) -> Result<(), JournalError> {
        let record = serde_json::from_slice(&text.rest);
        text.rest.clear();
        text.line += 1;
        match record {
            Ok(record) => self.take(&text.place, record),
            // A run that was killed may leave half a line.
            Err(_) if !text.whole => Ok(()),
            Err(source) => Err(JournalError::Line {
                place: text.place.clone(),
                line: text.line,
                source,
            }),
        }
    }

    /// Takes the last line, which may lack its end.
    fn end(&mut self, text: &mut Text) -> Result<(), JournalError> {
        match text.rest.is_empty() {
            true => Ok(()),
            false => self.line(text),
        }
    }
}

/// A journal, or an object of it, on its way to lines.
pub(super) struct Text {
    /// File or key.
    pub(super) place: String,
    /// Whether every line has to be one of a journal.
    pub(super) whole: bool,
    /// Lines so far.
    pub(super) line: usize,
    /// The beginning of the next one.
    pub(super) rest: Vec<u8>,
}

impl Text {
    pub(super) fn new(place: String, whole: bool) -> Self {
        Self {
            place,
            whole,
            line: 0,
            rest: Vec::new(),
        }
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        if self.rest.len() + bytes.len() > LINE {
            return Err(JournalError::TooLong {
                place: self.place.clone(),
                line: self.line + 1,
                limit: LINE,
            });
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }
}

/// Reads a journal of this machine.
pub(super) fn read_file(
    file: &mut File,
    path: &Path,
    sink: &mut impl RecordSink,
) -> Result<(), JournalError> {
    let mut text = Text::new(path.display().to_string(), false);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file
            .read(&mut buffer)
            .map_err(|source| JournalError::File {
                path: path.to_owned(),
                source,
            })?;
        match buffer.get(..read) {
            Some([]) | None => return sink.end(&mut text),
            Some(bytes) => sink.feed(&mut text, bytes)?,
        }
    }
}
