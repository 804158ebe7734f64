use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::watchdog::LAST_LINE;
use crate::event::Event;

/// What a terraform told of its progress, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// Its lines.
    pub events: Vec<Event>,
    /// Whether terraform has ended after the death of its parent, and this is all that it told.
    pub is_whole: bool,
}

impl Transcript {
    /// A transcript is never this long, in bytes: an apply of 1,000 resources tells 1 MB.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// Reads the file that [`Terraform::prepare_apply`](crate::Terraform::prepare_apply) was given, up to
    /// [`Self::MAX_BYTES`]; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(Self::MAX_BYTES).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = || text.lines().filter(|line| !line.is_empty());
        Ok(Some(Self {
            events: lines().map(Event::from_line).collect(),
            is_whole: lines().next_back() == Some(LAST_LINE),
        }))
    }
}

/// For its owner alone: what terraform says may quote secrets.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path)
}
