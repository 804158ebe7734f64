//! How much is read to find secrets: encodings are each followed in several ways, and so are those within them.

use std::cell::Cell;

/// Bytes that may be read for each byte of a text. A secret in four wrappings takes some twelve.
const FOR_EACH_BYTE: usize = 64;

/// Bytes more that may be read in one value: a short text in many wrappings takes more by its length than a long one.
const FOR_A_VALUE: usize = 1 << 16;

/// What was read of one value, and what still may be. Each text has its own share by its length, so that one text that
/// takes all there is leaves enough for those beside it.
#[derive(Debug)]
pub(in super::super) struct Work {
    of_text: Cell<usize>,
    of_value: Cell<usize>,
    spent: Cell<bool>,
    done: Cell<usize>,
}

impl Work {
    pub(in super::super) fn new() -> Self {
        Self {
            of_text: Cell::new(0),
            of_value: Cell::new(FOR_A_VALUE),
            spent: Cell::new(false),
            done: Cell::new(0),
        }
    }

    /// A text of the value, not one within a text, of `length` bytes is looked at from here on.
    pub(in super::super) fn begin(&self, length: usize) {
        let share = length.saturating_add(1).saturating_mul(FOR_EACH_BYTE);
        self.of_text.set(share);
        self.spent.set(false);
    }

    /// Takes note that `bytes` are read. `false`: they may not be, and nothing more of this text.
    pub(super) fn read(&self, bytes: usize) -> bool {
        if self.spent.get() {
            return false;
        }
        let of_text = self.of_text.get();
        let beyond = bytes.saturating_sub(of_text);
        match self.of_value.get().checked_sub(beyond) {
            Some(rest) => {
                self.of_text.set(of_text.saturating_sub(bytes));
                self.of_value.set(rest);
                self.done.set(self.done.get().saturating_add(bytes));
            }
            None => self.spent.set(true),
        }
        !self.spent.get()
    }

    /// Whether the text that was begun last was not read to its end.
    pub(in super::super) fn is_spent(&self) -> bool {
        self.spent.get()
    }

    /// All bytes that were read.
    #[cfg(test)]
    pub(in super::super) fn done(&self) -> usize {
        self.done.get()
    }
}
