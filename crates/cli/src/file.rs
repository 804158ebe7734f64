use std::path::Path;

pub use files::Secrecy;

use crate::{Exit, Failure};

/// Writes a file whole or not at all ([`files::write_file`]).
///
/// # Errors
/// Exit 2 when it cannot be written.
pub fn write_file(path: &Path, bytes: &[u8], secrecy: Secrecy) -> Result<(), Failure> {
    files::write_file(path, bytes, secrecy).map_err(|error| {
        Failure::new(Exit::Usage, error)
            .hint("name a file in a folder that is there and may be written to")
    })
}

/// What a file holds, `-` being standard input, if it is no more than `limit` bytes.
///
/// # Errors
/// Exit 2 when it cannot be read or is larger.
pub fn read_input(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let read = match path == Path::new("-") {
        true => files::read_limited_from(std::io::stdin().lock(), path, limit),
        false => files::read_limited(path, limit),
    };
    read.map_err(|error| Failure::new(Exit::Usage, error))
}

/// The text of a file, if it is no more than `limit` bytes.
///
/// # Errors
/// When it cannot be read, is larger, or is no text.
pub fn read_text(path: &Path, limit: u64) -> anyhow::Result<String> {
    let bytes = files::read_limited(path, limit)?;
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{} is not UTF-8", path.display()))
}
