//! Whether the chain is as it was written.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use report::{Document, Mark, Report};
use serde::Serialize;

use super::capture::Capture;
use super::error::EvidenceError;
use super::folder::{
    Folder, HEAD, LOG, LOG_BEGIN, LOG_END, REVIEWS, log_section, parse, parse_head, parse_line,
};
use super::log::{Item, Log};
use super::review::Review;
use super::seal::{Broken, Layout, sha256};

/// A place at which the chain is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, with the line where it has several records.
    pub place: String,
    /// What is wrong with it.
    pub what: &'static str,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// What an audit has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// The folder.
    pub folder: String,
    /// Captures that are there.
    pub captures: usize,
    /// Reviews that are there.
    pub reviews: usize,
    /// SHA-256 of the newest capture: noted elsewhere, it vouches for the whole chain.
    pub head: Option<String>,
    /// Where the chain is not as it was written.
    pub findings: Vec<Finding>,
}

/// A file that may be a capture.
struct Observation {
    digest: String,
    /// Nothing of what was edited is read, or shown.
    capture: Option<Capture>,
}

impl Folder {
    /// Checks every capture, every review and the log. `noted` is the digest of a capture that was noted
    /// elsewhere, and has to be in the chain.
    ///
    /// # Errors
    /// When something cannot be read, or nothing is there at all: that is not known to be right.
    pub fn audit(&self, noted: Option<&str>) -> Result<Audit, EvidenceError> {
        let mut auditor = Auditor::default();
        for name in self.names()? {
            if let Some(bytes) = self.bytes(&name)? {
                auditor.capture(name, &bytes);
            }
        }
        let reviews = self.bytes(REVIEWS)?;
        let head = self.bytes(HEAD)?;
        if auditor.seen.is_empty() && reviews.is_none() && head.is_none() {
            return Err(EvidenceError::Empty {
                path: self.path().to_owned(),
            });
        }
        auditor.chain();
        let newest = auditor.newest();
        let reviews = auditor.reviews(&reviews.unwrap_or_default());
        auditor.head(head.as_deref(), &newest, &reviews);
        // An edited capture is told once; its rows need not be.
        if auditor.findings.is_empty()
            && let Some(newest) = &newest
        {
            auditor.log(self.bytes(LOG)?.as_deref(), newest, &reviews);
        }
        if let Some(noted) = noted
            && !auditor.seen.values().any(|seen| seen.digest == noted)
        {
            auditor.find(
                &self.path().display().to_string(),
                "no capture has the digest that was noted",
                noted,
                "none",
            );
        }
        Ok(Audit {
            folder: self.path().display().to_string(),
            captures: auditor.seen.len(),
            reviews: reviews.len(),
            head: newest.and_then(|name| Some(auditor.seen.get(&name)?.digest.clone())),
            findings: auditor.findings,
        })
    }
}

#[derive(Default)]
struct Auditor {
    seen: BTreeMap<String, Observation>,
    findings: Vec<Finding>,
}

impl Auditor {
    fn find(
        &mut self,
        place: &str,
        what: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.findings.push(Finding {
            place: place.to_owned(),
            what,
            expected: expected.into(),
            found: found.into(),
        });
    }

    fn sealed(&mut self, place: &str, layout: Layout, bytes: &[u8]) -> bool {
        match layout.check(bytes) {
            Ok(()) => return true,
            Err(Broken::End) => self.find(
                place,
                "edited, or not written by this program",
                "its own SHA-256 at its end",
                "something else",
            ),
            Err(Broken::Digest { found }) => self.find(place, "edited", "its own SHA-256", found),
        }
        false
    }

    fn capture(&mut self, name: String, bytes: &[u8]) {
        let capture = if self.sealed(&name, Layout::File, bytes) {
            let capture = parse(bytes);
            match capture.as_ref().map(Capture::file_name) {
                Some(own) if own == name => {}
                Some(own) => {
                    self.find(
                        &name,
                        "it has the content of another capture",
                        name.clone(),
                        own,
                    );
                }
                None => self.find(&name, "unknown format", "a capture", "something else"),
            }
            capture
        } else {
            None
        };
        let digest = sha256(bytes);
        self.seen.insert(name, Observation { digest, capture });
    }

    /// Every capture but the first names the one before it.
    fn chain(&mut self) {
        let mut findings = Vec::new();
        let mut find = |place: &str, what, expected: String, found: String| {
            findings.push(Finding {
                place: place.to_owned(),
                what,
                expected,
                found,
            });
        };
        let mut followed = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for (name, seen) in &self.seen {
            let Some(capture) = &seen.capture else {
                continue;
            };
            if !numbers.insert(capture.number) {
                find(
                    name,
                    "two captures have one place in the chain",
                    "one".to_owned(),
                    format!("number {} twice", capture.number),
                );
            }
            let Some(previous) = &capture.previous else {
                if capture.number != 1 {
                    find(
                        name,
                        "it names no capture before it",
                        format!("the digest of number {}", capture.number.saturating_sub(1)),
                        "none".to_owned(),
                    );
                }
                continue;
            };
            let Some(before) = self.seen.get(&previous.file) else {
                find(
                    &previous.file,
                    "removed",
                    format!("the capture before {name}, SHA-256 {}", previous.sha256),
                    "no such file".to_owned(),
                );
                continue;
            };
            if !followed.insert(previous.file.as_str()) {
                find(
                    &previous.file,
                    "two captures follow it",
                    "one".to_owned(),
                    name.clone(),
                );
            }
            if before.digest != previous.sha256 {
                find(
                    &previous.file,
                    "not the file that the next capture follows",
                    format!("{} ({name})", previous.sha256),
                    before.digest.clone(),
                );
            }
            if let Some(before) = &before.capture
                && before.number.checked_add(1) != Some(capture.number)
            {
                find(
                    name,
                    "out of order",
                    format!("the one after number {}", before.number),
                    format!("number {}", capture.number),
                );
            }
        }
        self.findings.extend(findings);
    }

    /// The name of the capture with the highest number.
    fn newest(&self) -> Option<String> {
        let numbered = |(name, seen): (&String, &Observation)| {
            Some((seen.capture.as_ref()?.number, name.clone()))
        };
        let newest = self.seen.iter().filter_map(numbered).max();
        newest.map(|(_, name)| name)
    }

    /// The reviews that can be read, each with the digest of its line.
    fn reviews(&mut self, bytes: &[u8]) -> Vec<(String, Option<Review>)> {
        let mut reviews: Vec<(String, Option<Review>)> = Vec::new();
        for (at, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let place = format!("{REVIEWS} line {}", at + 1);
            let review = match self.sealed(&place, Layout::Line, line) {
                true => parse_line(line),
                false => None,
            };
            if let Some(review) = &review {
                self.review(&place, at as u64 + 1, review, reviews.last());
            }
            reviews.push((sha256(line), review));
        }
        reviews
    }

    fn review(
        &mut self,
        place: &str,
        number: u64,
        review: &Review,
        before: Option<&(String, Option<Review>)>,
    ) {
        if review.number != number {
            let (expected, found) = (
                format!("number {number}"),
                format!("number {}", review.number),
            );
            self.find(place, "removed or out of order", expected, found);
        }
        let before = before.map(|(digest, _)| digest.clone());
        if review.previous != before {
            let text = |digest: Option<String>| digest.unwrap_or_else(|| "none".to_owned());
            self.find(
                place,
                "it follows another line than the one before it",
                text(review.previous.clone()),
                text(before),
            );
        }
        let Some(seen) = self.seen.get(&review.capture.file) else {
            self.find(
                &review.capture.file,
                "removed",
                format!("the capture of {place}, SHA-256 {}", review.capture.sha256),
                "no such file",
            );
            return;
        };
        let (digest, capture) = (seen.digest.clone(), seen.capture.as_ref());
        let recorded = Item::find(&review.output)
            .ok()
            .zip(capture)
            .map(|(item, capture)| item.value(capture).unwrap_or_default());
        if digest != review.capture.sha256 {
            self.find(
                &review.capture.file,
                "not the file that was reviewed",
                format!("{} ({place})", review.capture.sha256),
                digest,
            );
        } else if recorded.as_ref() != Some(&review.value) {
            self.find(
                place,
                "its value is not the one of its capture",
                recorded.unwrap_or_default(),
                "another value",
            );
        }
    }

    fn head(
        &mut self,
        bytes: Option<&[u8]>,
        newest: &Option<String>,
        reviews: &[(String, Option<Review>)],
    ) {
        let Some(bytes) = bytes else {
            self.find(
                HEAD,
                "removed",
                "the digest of the newest capture",
                "no such file",
            );
            return;
        };
        if !self.sealed(HEAD, Layout::File, bytes) {
            return;
        }
        let Some(head) = parse_head(bytes) else {
            self.find(
                HEAD,
                "unknown format",
                "the digest of the newest capture",
                "something else",
            );
            return;
        };
        let (file, expected) = (head.newest.file, head.newest.sha256);
        match self.seen.get(&file).map(|seen| seen.digest.clone()) {
            None => self.find(
                &file,
                "removed",
                format!("the newest capture, SHA-256 {expected}"),
                "no such file",
            ),
            Some(found) if found != expected => {
                self.find(
                    &file,
                    "not the file that is known as the newest",
                    format!("{expected} ({HEAD})"),
                    found,
                );
            }
            Some(_) if newest.as_ref() != Some(&file) => self.find(
                newest.as_deref().unwrap_or(HEAD),
                "not known as the newest; a capture that was interrupted leaves this, and the next one mends it",
                format!("{file} ({HEAD})"),
                newest.clone().unwrap_or_default(),
            ),
            Some(_) => {}
        }
        let captures = self.seen.len() as u64;
        if captures != head.captures {
            self.find(
                HEAD,
                "another number of captures",
                head.captures.to_string(),
                captures.to_string(),
            );
        }
        let last = reviews.last().map(|(digest, _)| digest.clone());
        if reviews.len() as u64 != head.reviews {
            self.find(
                REVIEWS,
                "reviews were removed, or added by hand",
                format!("{} ({HEAD})", head.reviews),
                reviews.len().to_string(),
            );
        } else if last != head.newest_review {
            self.find(
                &format!("{REVIEWS} line {}", reviews.len()),
                "not the line that is known as the newest",
                format!("{} ({HEAD})", head.newest_review.unwrap_or_default()),
                last.unwrap_or_default(),
            );
        }
    }

    /// The log says what captures and reviews say.
    fn log(&mut self, bytes: Option<&[u8]>, newest: &str, reviews: &[(String, Option<Review>)]) {
        let Some((seen, capture)) = self
            .seen
            .get(newest)
            .and_then(|seen| Some((seen, seen.capture.as_ref()?)))
        else {
            return;
        };
        let link = super::Link {
            file: newest.to_owned(),
            sha256: seen.digest.clone(),
        };
        let reviews: Vec<Review> = reviews.iter().filter_map(|(_, one)| one.clone()).collect();
        let wanted = log_section(&Log::new(link, capture, &reviews));
        let text = String::from_utf8_lossy(bytes.unwrap_or_default());
        let section = text
            .split_once(LOG_BEGIN)
            .and_then(|(_, rest)| rest.split_once(LOG_END))
            .map(|(section, _)| format!("{LOG_BEGIN}{section}{LOG_END}"))
            .unwrap_or_default();
        if section == wanted {
            return;
        }
        let found: Vec<&str> = section.lines().collect();
        let wanted: Vec<&str> = wanted.lines().collect();
        let at = (0..wanted.len())
            .find(|at| wanted.get(*at) != found.get(*at))
            .unwrap_or(wanted.len());
        // What somebody has written there is not repeated.
        let found = match found.get(at) {
            Some(_) => "another line",
            None => "no such line",
        };
        self.find(
            LOG,
            "it says something else than captures and reviews",
            wanted.get(at).copied().unwrap_or("nothing more"),
            found,
        );
    }
}

impl Report for Audit {
    const KIND: &'static str = "audit";

    fn document(&self) -> Document {
        let verdict = match self.findings.len() {
            0 => "whole".to_owned(),
            1 => "BROKEN at 1 place".to_owned(),
            many => format!("BROKEN at {many} places"),
        };
        let rows = self.findings.iter().map(|finding| {
            let cells = vec![
                finding.place.clone(),
                finding.what.to_owned(),
                finding.expected.clone(),
                finding.found.clone(),
            ];
            (Mark::Wrong, cells)
        });
        let mut document = Document::new()
            .heading(format!(
                "Evidence in {}: {verdict}; {} captures, {} reviews",
                self.folder, self.captures, self.reviews
            ))
            .table(["Place", "What", "Expected", "Found"], rows.collect());
        if let Some(head) = &self.head {
            document = document.text(format!(
                "Newest capture: SHA-256 {head}. Noted elsewhere, it vouches for the chain: audit --noted {head}"
            ));
        }
        document
    }
}
