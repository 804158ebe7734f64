//! Whether two buckets hold the same objects, and what proves it.

use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use aws_env::Error;
use report::{Document, Mark, Report};
use serde::Serialize;

use super::bucket::Bucket;
use super::compare::{Mode, Verdict};
use super::digest::TreeDigest;
use super::entry::Facts;
use super::examine::{Examination, Examined, Examiner, Question};
use super::plan::{Listed, Tally, examples};
use super::walk::{Visitor, WalkError, walk};

/// With more first folders than this, the report has no row for each.
const FOLDERS: usize = 1_000;

/// How parity is checked.
#[derive(Clone, Debug)]
pub struct ParityOptions {
    /// What counts as proof.
    pub mode: Mode,
    /// Compare metadata, content headers and tags as well.
    pub headers: bool,
    /// Ranges that are listed at once.
    pub listings: usize,
    /// Objects that are read on both sides, byte for byte.
    pub sample: usize,
    /// Chooses the sample.
    pub seed: u64,
}

/// One side, or one folder of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Objects.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
    /// Over key, size and content of every object.
    pub digest: TreeDigest,
}

impl Sum {
    fn one(key: &str, size: u64, identity: &str) -> Self {
        let mut sum = Self {
            objects: 1,
            bytes: size,
            digest: TreeDigest::default(),
        };
        sum.digest.add(key, size, identity);
        sum
    }

    fn add(&mut self, key: &str, size: u64, identity: &str) {
        self.merge(Self::one(key, size, identity));
    }

    fn merge(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.digest.merge(other.digest);
    }
}

/// Both sides of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Folder {
    /// The source.
    pub source: Sum,
    /// The destination.
    pub destination: Sum,
    /// Objects that differ or are on one side only.
    pub different: u64,
    /// Objects of which neither is provable.
    pub unproven: u64,
}

/// What reading some objects has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Objects that were read on both sides and are the same, byte for byte.
    pub same: Tally,
    /// Objects whose bytes differ.
    pub different: Listed,
    /// Objects that could not be read.
    pub unread: Listed,
}

/// Whether two buckets are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// Every object is proven equal.
    Same,
    /// At least one differs or is on one side only.
    Different,
    /// No difference was found, and not everything could be checked.
    Unknown,
}

/// Two buckets side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Parity {
    /// What came out.
    pub finding: Finding,
    /// Where the source is.
    pub from: String,
    /// Where the destination is.
    pub to: String,
    /// The source.
    pub source: Sum,
    /// The destination.
    pub destination: Sum,
    /// Proven equal.
    pub equal: Tally,
    /// Proven different.
    pub different: Listed,
    /// Not in the destination.
    pub only_source: Listed,
    /// Not in the source.
    pub only_destination: Listed,
    /// Neither equality nor difference is provable.
    pub unproven: Listed,
    /// Archived in the source: not copyable before a restore. Part of the lists above.
    pub archived: Listed,
    /// By first folder; null when there are more than a thousand.
    pub folders: Option<BTreeMap<String, Folder>>,
    /// Null when none was asked for.
    pub sample: Option<Sample>,
}

impl Report for Parity {
    fn document(&self) -> Document {
        let mark = match self.finding {
            Finding::Same => Mark::Ok,
            Finding::Different => Mark::Wrong,
            Finding::Unknown => Mark::Unknown,
        };
        let word = match self.finding {
            Finding::Same => "the same",
            Finding::Different => "DIFFERENT",
            Finding::Unknown => "not provable",
        };
        let side = |name: &str, place: &str, sum: &Sum| {
            (
                mark,
                vec![
                    name.to_owned(),
                    place.to_owned(),
                    sum.objects.to_string(),
                    sum.bytes.to_string(),
                    sum.digest.to_string(),
                ],
            )
        };
        let mut document = Document::new()
            .heading(format!("Object parity: {word}"))
            .table(
                ["Side", "Bucket", "Objects", "Bytes", "Digest"],
                vec![
                    side("source", &self.from, &self.source),
                    side("destination", &self.to, &self.destination),
                ],
            );
        let count = |mark, name: &str, tally: Tally| {
            (
                mark,
                vec![
                    name.to_owned(),
                    tally.objects.to_string(),
                    tally.bytes.to_string(),
                ],
            )
        };
        let mut rows = vec![count(Mark::Ok, "proven equal", self.equal)];
        for (mark, name, listed) in [
            (Mark::Wrong, "different", &self.different),
            (Mark::Wrong, "only in the source", &self.only_source),
            (
                Mark::Wrong,
                "only in the destination",
                &self.only_destination,
            ),
            (Mark::Unknown, "not provable", &self.unproven),
            (Mark::Unknown, "archived in the source", &self.archived),
        ] {
            if listed.tally.objects > 0 {
                rows.push(count(mark, name, listed.tally));
            }
        }
        if let Some(sample) = &self.sample {
            rows.push(count(Mark::Ok, "sample: same bytes", sample.same));
            for (mark, name, listed) in [
                (Mark::Wrong, "sample: other bytes", &sample.different),
                (Mark::Unknown, "sample: not read", &sample.unread),
            ] {
                if listed.tally.objects > 0 {
                    rows.push(count(mark, name, listed.tally));
                }
            }
        }
        document = document.table(["Objects", "Number", "Bytes"], rows);
        if let Some(folders) = self.folders.as_ref().filter(|folders| folders.len() > 1) {
            document = document.heading("By folder").table(
                [
                    "Folder",
                    "Source",
                    "Destination",
                    "Source bytes",
                    "Destination bytes",
                    "Different",
                    "Not provable",
                ],
                folders
                    .iter()
                    .map(|(name, folder)| folder_row(name, folder))
                    .collect(),
            );
        }
        for (heading, listed) in [
            ("Different", &self.different),
            ("Only in the source", &self.only_source),
            ("Only in the destination", &self.only_destination),
            ("Not provable", &self.unproven),
            (
                "Archived in the source: restore these to copy them",
                &self.archived,
            ),
        ] {
            document = examples(document, heading, listed);
        }
        if let Some(sample) = &self.sample {
            document = examples(document, "Sample: other bytes", &sample.different);
            document = examples(document, "Sample: not read", &sample.unread);
        }
        document
    }
}

fn folder_row(name: &str, folder: &Folder) -> (Mark, Vec<String>) {
    let mark = if folder.different > 0 {
        Mark::Wrong
    } else if folder.unproven > 0 {
        Mark::Unknown
    } else {
        Mark::Ok
    };
    let name = if name.is_empty() {
        "(top)".to_owned()
    } else {
        name.escape_debug().to_string()
    };
    let numbers = [
        folder.source.objects,
        folder.destination.objects,
        folder.source.bytes,
        folder.destination.bytes,
        folder.different,
        folder.unproven,
    ];
    let cells = std::iter::once(name)
        .chain(numbers.map(|number| number.to_string()))
        .collect();
    (mark, cells)
}

/// Compares two buckets and changes nothing.
///
/// # Errors
/// When a listing or a question fails.
pub async fn parity(
    source: &Bucket,
    destination: &Bucket,
    options: &ParityOptions,
) -> Result<Parity, WalkError<Error, Error>> {
    let examiner = Arc::new(Examiner {
        source: source.clone(),
        destination: destination.clone(),
        mode: options.mode,
        headers: options.headers,
    });
    let checkers = walk(
        Arc::new(source.clone()),
        Arc::new(destination.clone()),
        options.listings,
        || Checker {
            examiner: examiner.clone(),
            questions: Vec::new(),
            found: Found::new(options.sample, options.seed),
        },
    )
    .await?;
    let mut found = Found::new(options.sample, options.seed);
    for checker in checkers {
        found.merge(checker.found);
    }
    let sample = if options.sample > 0 {
        Some(read_sample(source, destination, &found.drawn).await)
    } else {
        None
    };
    Ok(found.conclude(source, destination, sample))
}

struct Found {
    parity: Parity,
    current: Folder,
    folder: String,
    folders: BTreeMap<String, Folder>,
    overflow: bool,
    sample: usize,
    seed: u64,
    /// The objects with the smallest hashes: a sample that needs no second listing.
    drawn: BinaryHeap<(u64, String, u64)>,
    identity: String,
}

impl Found {
    fn new(sample: usize, seed: u64) -> Self {
        Self {
            parity: Parity {
                finding: Finding::Same,
                from: String::new(),
                to: String::new(),
                source: Sum::default(),
                destination: Sum::default(),
                equal: Tally::default(),
                different: Listed::default(),
                only_source: Listed::default(),
                only_destination: Listed::default(),
                unproven: Listed::default(),
                archived: Listed::default(),
                folders: None,
                sample: None,
            },
            current: Folder::default(),
            folder: String::new(),
            folders: BTreeMap::new(),
            overflow: false,
            sample,
            seed,
            drawn: BinaryHeap::new(),
            identity: String::new(),
        }
    }

    /// Keys come in order, so that the folder seldom changes.
    fn enter(&mut self, key: &str) {
        let folder = key.find('/').map_or("", |end| &key[..=end]);
        if folder != self.folder {
            self.leave();
            folder.clone_into(&mut self.folder);
        }
    }

    fn leave(&mut self) {
        let folder = std::mem::take(&mut self.current);
        self.parity.source.merge(folder.source);
        self.parity.destination.merge(folder.destination);
        if folder == Folder::default() || self.overflow {
            return;
        }
        if self.folders.len() >= FOLDERS && !self.folders.contains_key(&self.folder) {
            self.overflow = true;
            self.folders.clear();
            return;
        }
        merge_folder(&mut self.folders, self.folder.clone(), folder);
    }

    fn equal(&mut self, key: &str, size: u64, identity: &str) {
        let sum = Sum::one(key, size, identity);
        self.current.source.merge(sum);
        self.current.destination.merge(sum);
        self.parity.equal.add(size);
        self.draw(key, size);
    }

    fn draw(&mut self, key: &str, size: u64) {
        if self.sample == 0 {
            return;
        }
        let mut hasher = DefaultHasher::new();
        (self.seed, key).hash(&mut hasher);
        let hash = hasher.finish();
        if self.drawn.len() < self.sample {
            self.drawn.push((hash, key.to_owned(), size));
        } else if self
            .drawn
            .peek()
            .is_some_and(|(largest, ..)| hash < *largest)
        {
            self.drawn.pop();
            self.drawn.push((hash, key.to_owned(), size));
        }
    }

    fn only_source(&mut self, key: &str, facts: &Facts, archived: bool) {
        self.current
            .source
            .add(key, facts.size, &facts.etag.to_string());
        self.current.different += 1;
        let reason = archived.then_some("archived");
        self.parity.only_source.add(key, facts.size, reason);
        if archived {
            self.parity.archived.add(key, facts.size, None);
        }
    }

    fn only_destination(&mut self, key: &str, facts: &Facts) {
        self.current
            .destination
            .add(key, facts.size, &facts.etag.to_string());
        self.current.different += 1;
        self.parity.only_destination.add(key, facts.size, None);
    }

    fn both(
        &mut self,
        key: &str,
        source: &Facts,
        destination: &Facts,
        verdict: Verdict,
        identities: Option<(String, String)>,
    ) {
        if let Verdict::Equal(_) = verdict {
            match identities {
                Some((identity, _)) => self.equal(key, source.size, &identity),
                None => {
                    let mut identity = std::mem::take(&mut self.identity);
                    identity.clear();
                    // Writing into a string does not fail.
                    let _ =
                        std::fmt::Write::write_fmt(&mut identity, format_args!("{}", source.etag));
                    self.equal(key, source.size, &identity);
                    self.identity = identity;
                }
            }
            return;
        }
        let (ours, theirs) =
            identities.unwrap_or_else(|| (source.etag.to_string(), destination.etag.to_string()));
        self.current.source.add(key, source.size, &ours);
        self.current.destination.add(key, destination.size, &theirs);
        match verdict {
            Verdict::Differs(difference) => {
                self.current.different += 1;
                let reason = format!("other {difference:?}").to_lowercase();
                self.parity.different.add(key, source.size, Some(&reason));
            }
            Verdict::NotProvable(why) => {
                self.current.unproven += 1;
                self.parity
                    .unproven
                    .add(key, source.size, Some(why.reason()));
                self.draw(key, source.size);
            }
            Verdict::Archived => {
                self.current.unproven += 1;
                self.parity
                    .unproven
                    .add(key, source.size, Some("archived in the source"));
                self.parity.archived.add(key, source.size, None);
            }
            Verdict::Equal(_) => {}
        }
    }

    fn merge(&mut self, mut other: Self) {
        other.leave();
        self.overflow |= other.overflow;
        for (name, folder) in other.folders {
            if self.folders.len() >= FOLDERS && !self.folders.contains_key(&name) {
                self.overflow = true;
                break;
            }
            merge_folder(&mut self.folders, name, folder);
        }
        let (ours, theirs) = (&mut self.parity, other.parity);
        ours.source.merge(theirs.source);
        ours.destination.merge(theirs.destination);
        ours.equal.merge(theirs.equal);
        ours.different.merge(theirs.different);
        ours.only_source.merge(theirs.only_source);
        ours.only_destination.merge(theirs.only_destination);
        ours.unproven.merge(theirs.unproven);
        ours.archived.merge(theirs.archived);
        self.drawn.extend(other.drawn);
        while self.drawn.len() > self.sample {
            self.drawn.pop();
        }
    }

    fn conclude(self, source: &Bucket, destination: &Bucket, sample: Option<Sample>) -> Parity {
        let mut parity = self.parity;
        parity.from = source.place().to_string();
        parity.to = destination.place().to_string();
        parity.folders = (!self.overflow).then_some(self.folders);
        parity.sample = sample;
        let listed = [
            &parity.different,
            &parity.only_source,
            &parity.only_destination,
        ];
        let sampled = |list: fn(&Sample) -> &Listed| {
            parity
                .sample
                .as_ref()
                .is_some_and(|sample| list(sample).tally.objects > 0)
        };
        let different = listed.iter().any(|list| list.tally.objects > 0);
        parity.finding = if different || sampled(|sample| &sample.different) {
            Finding::Different
        } else if parity.unproven.tally.objects > 0 || sampled(|sample| &sample.unread) {
            Finding::Unknown
        } else {
            Finding::Same
        };
        parity
    }
}

fn merge_folder(folders: &mut BTreeMap<String, Folder>, name: String, folder: Folder) {
    let entry = folders.entry(name).or_default();
    entry.source.merge(folder.source);
    entry.destination.merge(folder.destination);
    entry.different += folder.different;
    entry.unproven += folder.unproven;
}

struct Checker {
    examiner: Arc<Examiner>,
    questions: Vec<Question>,
    found: Found,
}

impl Checker {
    fn examined(&mut self, examined: Examined) {
        let Examined {
            key,
            source,
            destination,
            verdict,
            identities,
            ..
        } = examined;
        let found = &mut self.found;
        found.enter(&key);
        match (verdict, &destination) {
            (Examination::Both(verdict), Some(destination)) => {
                found.both(&key, &source, destination, verdict, identities);
            }
            (Examination::SourceOnly, _) => found.only_source(&key, &source, false),
            (Examination::Archived, _) => found.only_source(&key, &source, true),
            (Examination::DestinationOnly, Some(destination)) => {
                found.only_destination(&key, destination);
            }
            _ => {}
        }
    }
}

impl Visitor for Checker {
    type Error = Error;

    fn visit(&mut self, key: &str, source: Option<&Facts>, destination: Option<&Facts>) {
        let found = &mut self.found;
        match (source, destination) {
            (Some(source), Some(destination)) => match self.examiner.listed(source, destination) {
                Some(verdict) => {
                    found.enter(key);
                    found.both(key, source, destination, verdict, None);
                }
                None => self.questions.push(Question {
                    key: key.to_owned(),
                    source: source.clone(),
                    destination: Some(destination.clone()),
                }),
            },
            (Some(source), None) => {
                found.enter(key);
                found.only_source(key, source, source.class.is_archive());
            }
            (None, Some(destination)) => {
                found.enter(key);
                found.only_destination(key, destination);
            }
            (None, None) => {}
        }
    }

    async fn settle(&mut self) -> Result<(), Error> {
        let questions = std::mem::take(&mut self.questions);
        if !questions.is_empty() {
            for examined in self.examiner.ask(questions).await? {
                self.examined(examined);
            }
        }
        Ok(())
    }
}

async fn read_sample(
    source: &Bucket,
    destination: &Bucket,
    drawn: &BinaryHeap<(u64, String, u64)>,
) -> Sample {
    let mut sample = Sample::default();
    for (_, key, size) in drawn {
        match same_bytes(source, destination, key).await {
            Ok(true) => sample.same.add(*size),
            Ok(false) => sample.different.add(key, *size, None),
            Err(error) => sample.unread.add(key, *size, Some(&error.to_string())),
        }
    }
    sample
}

/// Reads an object on both sides, chunk by chunk.
async fn same_bytes(source: &Bucket, destination: &Bucket, key: &str) -> Result<bool, Error> {
    let (mut ours, mut theirs) = tokio::try_join!(source.read(key), destination.read(key))?;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        let broken = |bucket: &Bucket, error: String| {
            Error::unexpected(bucket.call("GetObject", key), error)
        };
        let mut ended = false;
        if left.is_empty() {
            match ours.try_next().await {
                Ok(Some(chunk)) => left.extend_from_slice(&chunk),
                Ok(None) => ended = true,
                Err(error) => return Err(broken(source, error.to_string())),
            }
        }
        if right.is_empty() {
            match theirs.try_next().await {
                Ok(Some(chunk)) => right.extend_from_slice(&chunk),
                Ok(None) if ended => return Ok(left.is_empty()),
                Ok(None) => return Ok(false),
                Err(error) => return Err(broken(destination, error.to_string())),
            }
        }
        if ended {
            return Ok(false);
        }
        let common = left.len().min(right.len());
        if left[..common] != right[..common] {
            return Ok(false);
        }
        left.drain(..common);
        right.drain(..common);
    }
}
