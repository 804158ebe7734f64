//! What is read from buckets and has no reader of its own in the interface, for any bytes.

use std::path::Path;

/// The `fileSchema` of an inventory's manifest in the first line, and a file of rows after it.
pub fn inventory(bytes: &[u8]) {
    super::inventory::read_any(bytes);
}

/// The journal of a run; its changes are kept in `directory`.
pub fn journal(bytes: &[u8], directory: &Path) {
    super::journal::read_any(bytes, directory);
}
