//! What a child writes, within limits. All of it is read, also what is not kept, so that the child never waits.

use std::collections::VecDeque;

/// A line is never this long, in bytes; one that is counts as text up to here.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Bytes as lines.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// The lines that `bytes` complete, without their ends.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_LINE_BYTES.saturating_sub(self.0.len());
            self.0.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                lines.extend(self.rest());
            }
        }
        lines
    }

    /// What came after the last line's end.
    pub(super) fn rest(&mut self) -> Option<String> {
        let bytes = std::mem::take(&mut self.0);
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches(['\r', '\n']);
        (!line.is_empty()).then(|| line.to_owned())
    }
}

/// All bytes, unless there are more than a limit.
#[derive(Debug)]
pub(super) struct Whole {
    bytes: Vec<u8>,
    max_bytes: u64,
    is_too_long: bool,
}

impl Whole {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self {
            bytes: Vec::new(),
            max_bytes,
            is_too_long: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let length = self.bytes.len() as u64 + bytes.len() as u64;
        if self.is_too_long || length > self.max_bytes {
            self.is_too_long = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// # Errors
    /// The limit, when there were more.
    pub(super) fn bytes(self) -> Result<Vec<u8>, u64> {
        match self.is_too_long {
            true => Err(self.max_bytes),
            false => Ok(self.bytes),
        }
    }
}

/// The last bytes.
#[derive(Debug)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    max_bytes: usize,
}

impl Tail {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            max_bytes,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let surplus = self.bytes.len().saturating_sub(self.max_bytes);
        self.bytes.drain(..surplus);
    }

    pub(super) fn text(&self) -> String {
        let (first, second) = self.bytes.as_slices();
        String::from_utf8_lossy(&[first, second].concat()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_any_pieces_are_the_same() {
        let text = "one\r\ntwo\n\nthree ä";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut found: Vec<String> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|bytes| lines.push(bytes))
                .collect();
            found.extend(lines.rest());
            assert_eq!(found, ["one", "two", "three ä"]);
        }
    }

    #[test]
    fn line_without_end_takes_no_more_than_its_limit() {
        let mut lines = Lines::default();
        for _ in 0..20 {
            assert!(lines.push(&[b'x'; 100_000]).is_empty());
        }
        assert_eq!(
            lines.push(b"\nnext\n"),
            ["x".repeat(MAX_LINE_BYTES), "next".to_owned()]
        );
    }

    #[test]
    fn whole_output_over_its_limit_is_none() {
        let mut whole = Whole::new(4);
        whole.push(b"ab");
        whole.push(b"cd");
        assert_eq!(whole.bytes(), Ok(b"abcd".to_vec()));
        let mut whole = Whole::new(4);
        whole.push(b"abcde");
        whole.push(b"f");
        assert_eq!(whole.bytes(), Err(4));
    }

    #[test]
    fn tail_keeps_the_end() {
        let mut tail = Tail::new(4);
        for piece in ["ab", "cde", "f"] {
            tail.push(piece.as_bytes());
        }
        assert_eq!(tail.text(), "cdef");
    }
}
