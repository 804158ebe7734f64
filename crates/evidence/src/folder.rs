use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use report::Report as _;
use serde::{Deserialize, Serialize};

use super::capture::{Capture, Draft, FORMAT, Link};
use super::error::{EvidenceError, read_failed, write_failed};
use super::files::{self, make_parent, replace, write_new};
use super::log::{Item, Log};
use super::review::{Review, Signature};
use super::salt::{Salt, SaltError};
use super::seal::{Layout, sha256};

/// Names that are no captures.
pub(super) const HEAD: &str = "head.json";
pub(super) const REVIEWS: &str = "reviews.jsonl";
pub(super) const LOG: &str = "log.md";
const SALT: &str = ".verify-salt";
/// What is between them is written anew; what is around them stays.
pub(super) const LOG_BEGIN: &str =
    "<!-- verify-staging log: what is below, up to the next such line, is written anew -->\n";
pub(super) const LOG_END: &str = "<!-- verify-staging log: end -->\n";

/// A capture in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its name and digest.
    pub link: Link,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it says.
    pub capture: Capture,
}

/// What the newest capture and review are: the one thing that nothing after them vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) format: u32,
    pub(super) captures: u64,
    pub(super) newest: Link,
    pub(super) reviews: u64,
    pub(super) newest_review: Option<String>,
}

/// A folder of captures and reviews.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`, which may not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its salt is, unless it is kept elsewhere.
    pub fn salt_path(&self) -> PathBuf {
        self.path.join(SALT)
    }

    /// The salt at `path`, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn salt(path: &Path) -> Result<Option<Salt>, EvidenceError> {
        let text = match files::read(path) {
            Ok(text) => text,
            Err(error) if error.is_absence() => return Ok(None),
            Err(error) => return Err(error),
        };
        let salt =
            Salt::parse(&String::from_utf8_lossy(&text)).map_err(|source| EvidenceError::Salt {
                path: path.to_owned(),
                source,
            })?;
        Ok(Some(salt))
    }

    /// The salt at `path`, made if there is none, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be read or written, or is none.
    pub fn salt_or_new(path: &Path) -> Result<Salt, EvidenceError> {
        if let Some(salt) = Self::salt(path)? {
            return Ok(salt);
        }
        let salt = Salt::random();
        make_parent(path)?;
        match write_new(path, salt.to_text().as_bytes()) {
            Ok(()) => Ok(salt),
            // Another run was faster.
            Err(EvidenceError::Write { source, .. })
                if source.kind() == ErrorKind::AlreadyExists =>
            {
                Self::salt(path)?.ok_or(EvidenceError::Salt {
                    path: path.to_owned(),
                    source: SaltError,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Adds a capture to the chain.
    ///
    /// # Errors
    /// When the chain is not whole where it is continued, or a file cannot be read or written.
    pub fn keep(&self, draft: Draft) -> Result<Kept, EvidenceError> {
        files::make_folder(&self.path)?;
        let _lock = self.lock()?;
        self.keep_out_of_git()?;
        let newest = self.end()?;
        if let Some(newest) = &newest {
            let of = &newest.capture;
            let draft = draft.capture();
            if of.environment != draft.environment {
                return Err(self.broken(format!(
                    "it is of {}, and the capture of {}",
                    of.environment, draft.environment
                )));
            }
            if of.captured_at >= draft.captured_at {
                return Err(self.broken(format!(
                    "its newest capture is of {}, and the clock says {}",
                    of.captured_at, draft.captured_at
                )));
            }
        }
        let previous = newest.map(|newest| (newest.capture.number, newest.link));
        let capture = draft.after(previous);
        let name = capture.file_name();
        let text = Layout::File.seal(&capture).map_err(EvidenceError::Json)?;
        write_new(&self.path.join(&name), text.as_bytes())?;
        let kept = Kept {
            link: Link {
                file: name,
                sha256: sha256(text.as_bytes()),
            },
            bytes: text.into_bytes(),
            capture,
        };
        let reviews = self.reviews()?;
        self.put_head(&kept, &reviews)?;
        self.put_log(&kept, &reviews)?;
        Ok(kept)
    }

    /// Adds a review of `item` to the chain, of the value that the newest capture has.
    ///
    /// # Errors
    /// When there is no such value, the chain is not whole where it is continued, or a file cannot be read
    /// or written.
    pub fn sign(&self, item: &'static Item, signature: Signature) -> Result<Review, EvidenceError> {
        let _lock = self.lock()?;
        let newest = self.end()?.ok_or_else(|| self.empty())?;
        let mut reviews = self.reviews()?;
        let value = item
            .value(&newest.capture)
            .ok_or(EvidenceError::NoValue { item: item.title })?;
        let last = reviews.last();
        let review = signature.of(
            item,
            value,
            newest.link.clone(),
            last.map_or(1, |(_, last)| last.number + 1),
            last.map(|(line, _)| sha256(line.as_bytes())),
        );
        let line = Layout::Line.seal(&review).map_err(EvidenceError::Json)?;
        reviews.push((line, review.clone()));
        let text: String = reviews.iter().map(|(line, _)| line.as_str()).collect();
        replace(&self.path.join(REVIEWS), text.as_bytes())?;
        self.put_head(&newest, &reviews)?;
        self.put_log(&newest, &reviews)?;
        Ok(review)
    }

    /// The guide's table, written to its file where that is not up to date.
    ///
    /// # Errors
    /// When there is no capture, the newest is not as it was written, or a file cannot be read or written.
    pub fn log(&self) -> Result<Log, EvidenceError> {
        let _lock = self.lock()?;
        let newest = self.newest()?;
        let reviews = self.reviews()?;
        self.put_log(&newest, &reviews)
    }

    /// The newest capture.
    ///
    /// # Errors
    /// When there is none, or it is not as it was written.
    pub fn newest(&self) -> Result<Kept, EvidenceError> {
        self.newest_or_none()?.ok_or_else(|| self.empty())
    }

    /// Where the chain is continued.
    fn end(&self) -> Result<Option<Kept>, EvidenceError> {
        self.newest_or_none().map_err(|error| match error {
            EvidenceError::Edited { path, what } => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                self.broken(format!("{name}: {what}"))
            }
            other => other,
        })
    }

    fn empty(&self) -> EvidenceError {
        EvidenceError::Empty {
            path: self.path.clone(),
        }
    }

    /// A capture at `path`, in this folder or another.
    ///
    /// # Errors
    /// When it cannot be read, or is not as it was written.
    pub fn open(path: &Path) -> Result<Kept, EvidenceError> {
        let bytes = files::read(path)?;
        let edited = |what: &str| EvidenceError::Edited {
            path: path.to_owned(),
            what: what.to_owned(),
        };
        Layout::File
            .check(&bytes)
            .map_err(|_| edited("it is no capture, or was edited"))?;
        let capture =
            parse(&bytes).ok_or_else(|| edited("this release does not know its format"))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Kept {
            link: Link {
                file: file.into_owned(),
                sha256: sha256(&bytes),
            },
            bytes,
            capture,
        })
    }

    /// The names of what may be captures, in order of time.
    pub(super) fn names(&self) -> Result<Vec<String>, EvidenceError> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(read_failed(&self.path, source)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| read_failed(&self.path, source))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".json") && name != HEAD && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The bytes of a file of the folder, if it is there.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, EvidenceError> {
        let path = self.path.join(name);
        match files::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_absence() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The newest capture, after a look at whether the chain can be continued there. That the whole chain is
    /// as it was is for [`Folder::audit`] to say.
    fn newest_or_none(&self) -> Result<Option<Kept>, EvidenceError> {
        let names = self.names()?;
        let Some(head) = self.bytes(HEAD)? else {
            // The first capture was written, and its head not.
            return match names.as_slice() {
                [] => Ok(None),
                [one] => Ok(Some(Self::open(&self.path.join(one))?)),
                _ => Err(self.broken(format!("{HEAD} is not there"))),
            };
        };
        let head = parse_head(&head).ok_or_else(|| self.broken(format!("{HEAD} was edited")))?;
        let newest = Self::open(&self.path.join(&head.newest.file))?;
        if newest.link != head.newest || newest.capture.number != head.captures {
            return Err(self.broken(format!("{HEAD} names another {}", head.newest.file)));
        }
        let after: Vec<&String> = names
            .iter()
            .filter(|name| **name > head.newest.file)
            .collect();
        match after.as_slice() {
            [] => Ok(Some(newest)),
            // A capture was written, and the head not.
            [one] => {
                let next = Self::open(&self.path.join(one))?;
                if next.capture.previous.as_ref() == Some(&newest.link) {
                    Ok(Some(next))
                } else {
                    Err(self.broken(format!("{one} does not continue it")))
                }
            }
            _ => Err(self.broken(format!("{} captures are not in {HEAD}", after.len()))),
        }
    }

    /// The reviews, each with its line, after a look at whether they can be continued.
    fn reviews(&self) -> Result<Vec<(String, Review)>, EvidenceError> {
        let bytes = self.bytes(REVIEWS)?.unwrap_or_default();
        let broken = |number: usize| self.broken(format!("line {number} of {REVIEWS} was edited"));
        let mut reviews: Vec<(String, Review)> = Vec::new();
        for (at, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            Layout::Line.check(line).map_err(|_| broken(at + 1))?;
            let review: Review = parse_line(line).ok_or_else(|| broken(at + 1))?;
            let before = reviews.last().map(|(line, _)| sha256(line.as_bytes()));
            if review.previous != before {
                return Err(broken(at + 1));
            }
            reviews.push((String::from_utf8_lossy(line).into_owned(), review));
        }
        if let Some(head) = self.bytes(HEAD)?
            && let Some(head) = parse_head(&head)
            && head.reviews > reviews.len() as u64
        {
            return Err(self.broken(format!("{HEAD} knows of more reviews than there are")));
        }
        Ok(reviews)
    }

    fn put_head(&self, newest: &Kept, reviews: &[(String, Review)]) -> Result<(), EvidenceError> {
        let head = Head {
            format: FORMAT,
            captures: newest.capture.number,
            newest: newest.link.clone(),
            reviews: reviews.len() as u64,
            newest_review: reviews.last().map(|(line, _)| sha256(line.as_bytes())),
        };
        let text = Layout::File.seal(&head).map_err(EvidenceError::Json)?;
        replace(&self.path.join(HEAD), text.as_bytes())
    }

    fn put_log(&self, newest: &Kept, reviews: &[(String, Review)]) -> Result<Log, EvidenceError> {
        let reviews: Vec<Review> = reviews.iter().map(|(_, review)| review.clone()).collect();
        let log = Log::new(newest.link.clone(), &newest.capture, &reviews);
        let old = self.bytes(LOG)?;
        let old = old.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = with_section(old.as_deref(), &log_section(&log));
        if old.as_deref() != Some(&text) {
            replace(&self.path.join(LOG), text.as_bytes())?;
        }
        Ok(log)
    }

    /// One run at a time. The lock is the folder's own, and ends with the process.
    fn lock(&self) -> Result<File, EvidenceError> {
        let folder = File::open(&self.path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.empty(),
            _ => read_failed(&self.path, error),
        })?;
        folder
            .lock()
            .map_err(|source| write_failed(&self.path, source))?;
        Ok(folder)
    }

    /// The salt must not be committed, and line ends must stay as they are.
    fn keep_out_of_git(&self) -> Result<(), EvidenceError> {
        for (name, line) in [(".gitignore", SALT), (".gitattributes", "* -text")] {
            let old = self.bytes(name)?.unwrap_or_default();
            let old = String::from_utf8_lossy(&old);
            if old.lines().any(|have| have.trim() == line) {
                continue;
            }
            let begin = if old.is_empty() || old.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            let text = format!("{old}{begin}{line}\n");
            replace(&self.path.join(name), text.as_bytes())?;
        }
        Ok(())
    }

    fn broken(&self, what: String) -> EvidenceError {
        EvidenceError::Chain {
            path: self.path.clone(),
            what,
        }
    }
}

/// The part of the log's file that is written anew.
pub(super) fn log_section(log: &Log) -> String {
    format!("{LOG_BEGIN}{}{LOG_END}", log.document().to_markdown())
}

/// `old` with its section replaced; without one, with the section at its end.
fn with_section(old: Option<&str>, section: &str) -> String {
    let Some(old) = old.filter(|old| !old.is_empty()) else {
        return section.to_owned();
    };
    let parts = old
        .split_once(LOG_BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(LOG_END)?.1)));
    match parts {
        Some((before, after)) => format!("{before}{section}{after}"),
        None => format!("{}\n\n{section}", old.trim_end()),
    }
}

/// A capture of a format that this release knows.
pub(super) fn parse(bytes: &[u8]) -> Option<Capture> {
    let capture: Capture = serde_json::from_slice(bytes_without_seal(bytes)?.as_bytes()).ok()?;
    (capture.format == FORMAT).then_some(capture)
}

pub(super) fn parse_head(bytes: &[u8]) -> Option<Head> {
    Layout::File.check(bytes).ok()?;
    let head: Head = serde_json::from_str(&bytes_without_seal(bytes)?).ok()?;
    (head.format == FORMAT).then_some(head)
}

pub(super) fn parse_line(line: &[u8]) -> Option<Review> {
    let review: Review = serde_json::from_str(&bytes_without_seal(line)?).ok()?;
    (review.format == FORMAT).then_some(review)
}

/// JSON without its seal: the types know nothing of it, and refuse what they do not know.
fn bytes_without_seal(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let body = &text[..text.rfind("\"sha256\":")?];
    let body = body.trim_end().strip_suffix(',')?;
    Some(format!("{body}}}"))
}
