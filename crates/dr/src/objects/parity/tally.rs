//! Counts, bytes, digests and the first keys of each kind, as keys come in.

use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::super::compare::{Proof, Unprovable, Verdict};
use super::super::comparison::{Outcome, OutcomeSink};
use super::super::entry::ObjectMeta;
use super::super::plan::{Listed, Tally};
use super::super::walk::Side;
use super::{Finding, Folder, Parity, ParityError, Sample, Sum};

/// With more first folders than this, the report has no row for each.
const FOLDERS: usize = 1_000;

/// What keys have come to so far.
pub(in super::super) struct Tallies {
    parity: Parity,
    current: Folder,
    folder: String,
    folders: BTreeMap<String, Folder>,
    overflow: bool,
    sample: usize,
    seed: u64,
    /// The objects with the smallest hashes: a sample that needs no second listing.
    pub(super) drawn: BinaryHeap<(u64, String, u64)>,
    identity: String,
}

impl Tallies {
    pub(in super::super) fn new(sample: usize, seed: u64) -> Self {
        Self {
            parity: Parity {
                finding: Finding::Same,
                as_of: None,
                inventories: None,
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

    fn only_source(&mut self, key: &str, meta: &ObjectMeta, archived: bool) {
        self.current
            .source
            .add(key, meta.size, &meta.etag.to_string());
        self.current.different += 1;
        let reason = archived.then_some("archived");
        self.parity.only_source.add(key, meta.size, reason);
        if archived {
            self.parity.archived.add(key, meta.size, None);
        }
    }

    fn only_destination(&mut self, key: &str, meta: &ObjectMeta) {
        self.current
            .destination
            .add(key, meta.size, &meta.etag.to_string());
        self.current.different += 1;
        self.parity.only_destination.add(key, meta.size, None);
    }

    /// A key of one side that the other could not have yet.
    pub(in super::super) fn newer(&mut self, side: Side, key: &str, meta: &ObjectMeta) {
        self.enter(key);
        let sum = match side {
            Side::Source => &mut self.current.source,
            Side::Destination => &mut self.current.destination,
        };
        sum.add(key, meta.size, &meta.etag.to_string());
        self.current.unproven += 1;
        let reason = Unprovable::Newer.reason();
        self.parity.unproven.add(key, meta.size, Some(reason));
    }

    /// One object that S3 does not tell about leaves open whether it is the same, and nothing about the others.
    fn unreadable(
        &mut self,
        key: &str,
        source: &ObjectMeta,
        destination: Option<&ObjectMeta>,
        why: &str,
    ) {
        let sides = &mut self.current;
        sides.source.add(key, source.size, &source.etag.to_string());
        if let Some(theirs) = destination {
            let etag = theirs.etag.to_string();
            sides.destination.add(key, theirs.size, &etag);
        }
        sides.unproven += 1;
        self.parity.unproven.add(key, source.size, Some(why));
    }

    fn both(
        &mut self,
        key: &str,
        source: &ObjectMeta,
        destination: &ObjectMeta,
        verdict: Verdict,
        identities: Option<(String, String)>,
    ) {
        // Asked for, and good enough for a sync; as an answer it would call anything of the same length the same.
        let verdict = match verdict {
            Verdict::Equal(Proof::SizeAndTime) => Verdict::NotProvable(Unprovable::SizeAndTime),
            verdict => verdict,
        };
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

    pub(super) fn merge(&mut self, mut other: Self) {
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

    pub(in super::super) fn conclude(
        mut self,
        from: String,
        to: String,
        sample: Option<Sample>,
    ) -> Parity {
        self.leave();
        let mut parity = self.parity;
        parity.from = from;
        parity.to = to;
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

impl OutcomeSink for Tallies {
    type Error = ParityError;

    fn record(&mut self, key: &str, outcome: Outcome<'_>) {
        self.enter(key);
        match outcome {
            Outcome::Both {
                source,
                destination,
                verdict,
                identities,
                ..
            } => self.both(key, source, destination, verdict, identities),
            Outcome::Unreadable {
                source,
                destination,
                why,
            } => self.unreadable(key, source, destination, why),
            Outcome::SourceOnly { source, archived } => self.only_source(key, source, archived),
            Outcome::DestinationOnly { destination, .. } => self.only_destination(key, destination),
        }
    }

    fn flush(&mut self) -> Result<(), ParityError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::entry::{ETag, Modified, StorageClass};
    use super::*;

    #[test]
    fn parity_of_what_is_taken_for_equal_by_size_and_time_is_unknown() {
        let meta = |etag: &str| ObjectMeta {
            size: 4,
            etag: ETag::parse(etag),
            modified: Modified::default(),
            class: StorageClass::Standard,
            version: None,
        };
        let (good, evil) = (meta(&"1".repeat(32)), meta(&"2".repeat(32)));
        let mut tallies = Tallies::new(0, 0);
        tallies.record(
            "a",
            Outcome::Both {
                source: &good,
                destination: &evil,
                verdict: Verdict::Equal(Proof::SizeAndTime),
                version: None,
                identities: None,
            },
        );
        let parity = tallies.conclude("s3://a/".to_owned(), "s3://b/".to_owned(), None);
        assert_eq!(parity.finding, Finding::Unknown);
        assert_eq!(parity.equal.objects, 0);
        let reason = parity.unproven.examples[0].reason.as_deref();
        assert_eq!(reason, Some("compared by size and time alone"));
        assert_ne!(parity.source, parity.destination, "digests of what differs");
    }
}
