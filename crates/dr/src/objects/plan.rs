//! What a sync would do: found out completely before anything is done.
//!
//! The steps go to a file, so that a plan of a million copies takes no memory; the plan itself has counts,
//! and some examples of each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_env::Error;
use report::{Document, Mark, Report};
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::caveats::{caveats, unlisted_versions};
use super::compare::{Mode, Unprovable, Verdict};
use super::comparison::{Outcome, OutcomeSink, Terms, compare};
use super::copy::{LARGEST_COPY, PART};
use super::entry::{ETag, ObjectMeta, StorageClass};
use super::journal::{Action, Intent, JournalError, Record};
use super::own_copies::OwnCopies;
use super::spool::{Spool, SpoolError};
use super::walk::WalkError;

mod saved;

pub use saved::ReopenError;
pub(super) use saved::{COPIES, DELETIONS};

/// Keys shown of each kind.
const EXAMPLES: usize = 20;

/// How a sync compares and what it may do.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// What counts as proof.
    pub mode: Mode,
    /// Compare metadata, content headers and tags as well.
    pub headers: bool,
    /// Delete what the source does not have.
    pub delete: bool,
    /// Leave objects alone that are not provably equal; otherwise they are copied again.
    pub leave_unproven: bool,
    /// Ranges that are listed at once.
    pub listings: usize,
    /// What runs have copied before: it need not be copied again.
    pub own_copies: OwnCopies,
}

/// Objects and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Number of objects.
    pub objects: u64,
    /// Sum of their lengths in bytes.
    pub bytes: u64,
}

impl Tally {
    pub(super) fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

/// Objects, bytes, and the first keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// How many and how much.
    #[serde(flatten)]
    pub tally: Tally,
    /// Some of the keys; `reason` where there is one to tell.
    pub examples: Vec<Example>,
}

/// A key, and why it is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Example {
    /// The key below the prefix.
    pub key: String,
    /// Why it is listed, where that is not the same for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Listed {
    pub(super) fn add(&mut self, key: &str, bytes: u64, reason: Option<&str>) {
        self.tally.add(bytes);
        if self.examples.len() < EXAMPLES {
            self.examples.push(Example {
                key: key.to_owned(),
                reason: reason.map(str::to_owned),
            });
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.tally.merge(other.tally);
        self.examples.extend(other.examples);
        self.examples.sort();
        self.examples.truncate(EXAMPLES);
    }
}

/// What a sync would do, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Everything that the source has.
    pub source: Tally,
    /// Everything that the destination has.
    pub destination: Tally,
    /// Objects that are proven equal and left alone.
    pub equal: Tally,
    /// To be copied: not there yet.
    pub create: Listed,
    /// To be overwritten.
    pub replace: Listed,
    /// To be deleted.
    pub delete: Listed,
    /// Only in the destination, and kept, because deleting was not asked for.
    pub kept: Listed,
    /// Not provably equal or different; part of `replace` unless they are left alone.
    pub unproven: Listed,
    /// Of those, what is left alone.
    pub left_unproven: Tally,
    /// S3 refuses to tell about these: a key that may not be used, a customer's key. They are left alone.
    pub unreadable: Listed,
    /// Archived in the source, not copyable before a restore, and not proven to be in the destination.
    pub archived: Listed,
    /// What copies would not keep: redirects, retention, a second layer of encryption.
    pub caveats: Vec<String>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.create.tally.objects + self.replace.tally.objects + self.delete.tally.objects == 0
    }

    /// What is copied.
    pub fn copies(&self) -> Tally {
        let mut tally = self.create.tally;
        tally.merge(self.replace.tally);
        tally
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.source.merge(other.source);
        self.destination.merge(other.destination);
        self.equal.merge(other.equal);
        self.create.merge(other.create);
        self.replace.merge(other.replace);
        self.delete.merge(other.delete);
        self.kept.merge(other.kept);
        self.unproven.merge(other.unproven);
        self.left_unproven.merge(other.left_unproven);
        self.unreadable.merge(other.unreadable);
        self.archived.merge(other.archived);
        self.caveats.extend(other.caveats);
    }
}

impl Report for Plan {
    const KIND: &'static str = "objects-plan";

    fn document(&self) -> Document {
        let row = |mark, name: &str, tally: Tally| {
            (
                mark,
                vec![
                    name.to_owned(),
                    tally.objects.to_string(),
                    tally.bytes.to_string(),
                ],
            )
        };
        let mut rows = vec![
            row(Mark::Plain, "in the source", self.source),
            row(Mark::Plain, "in the destination", self.destination),
            row(Mark::Ok, "proven equal", self.equal),
            row(Mark::Plain, "to be created", self.create.tally),
            row(Mark::Plain, "to be overwritten", self.replace.tally),
            row(Mark::Plain, "to be deleted", self.delete.tally),
        ];
        let lists = [
            (Mark::Plain, "only in the destination, kept", &self.kept),
            (Mark::Unknown, "not provable", &self.unproven),
            (Mark::Unknown, "not readable, left alone", &self.unreadable),
            (Mark::Unknown, "archived, not copyable", &self.archived),
        ];
        for (mark, name, listed) in lists {
            if listed.tally.objects > 0 {
                rows.push(row(mark, name, listed.tally));
            }
        }
        let mut document = Document::new()
            .heading("Plan")
            .table(["Objects", "Number", "Bytes"], rows);
        for (heading, listed) in [
            ("To be deleted", &self.delete),
            ("To be overwritten", &self.replace),
            ("Not provable", &self.unproven),
            ("Not readable", &self.unreadable),
            ("Archived: restore these first", &self.archived),
        ] {
            document = examples(document, heading, listed);
        }
        for caveat in &self.caveats {
            document = document.fact(Mark::Unknown, "not kept", caveat.clone());
        }
        document
    }
}

/// A table of the first keys.
pub(super) fn examples(document: Document, heading: &str, listed: &Listed) -> Document {
    if listed.examples.is_empty() {
        return document;
    }
    let shown = listed.examples.len() as u64;
    let heading = if shown < listed.tally.objects {
        format!("{heading} ({shown} of {})", listed.tally.objects)
    } else {
        heading.to_owned()
    };
    let rows = listed
        .examples
        .iter()
        .map(|example| {
            let key = example.key.escape_debug().to_string();
            (
                Mark::Plain,
                vec![key, example.reason.clone().unwrap_or_default()],
            )
        })
        .collect();
    document.heading(heading).table(["Key", "Why"], rows)
}

/// One thing to do, as it is kept in a file between planning and doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) key: String,
    pub(super) action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<ObjectMeta>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destination: Option<ObjectMeta>,
    /// The destination was asked, so that `version` is known.
    #[serde(default)]
    pub(super) observed: bool,
    /// The destination's version; `None` also where it keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
}

impl Step {
    /// What the journal says before the step is taken.
    pub(super) fn intent(&self, destination: &Bucket) -> Record {
        Record::Intent(Intent {
            key: destination.key(&self.key),
            action: self.action,
            etag: self.source.as_ref().map(|meta| meta.etag.clone()),
            size: self.source.as_ref().map(|meta| meta.size),
            before: self.version.clone(),
        })
    }
}

/// What planning hands on went wrong.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// HeadObject failed, or the destination does not tell whether it keeps versions.
    #[error("cannot compare an object")]
    Ask(#[from] Error),
    /// The file of steps failed.
    #[error("cannot keep the plan")]
    Spool(#[from] SpoolError),
    /// What earlier runs copied cannot be read.
    #[error("cannot read the journals of earlier runs")]
    Journal(#[from] JournalError),
}

/// Which way objects go between a bucket and its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Direction {
    /// As settings pair them, never the other way round.
    Replication,
    /// Back to the primary, which only a reconciliation plans.
    Failback,
}

/// A plan for two buckets, and the files with its steps. [`Planned::approve`] makes it one that can be applied.
#[derive(Debug)]
pub struct Planned {
    pub(super) plan: Plan,
    pub(super) source: Bucket,
    pub(super) destination: Bucket,
    pub(super) direction: Direction,
    /// Whether the destination kept versions when it was planned.
    pub(super) keeps_versions: bool,
    pub(super) copies: Arc<Spool<Step>>,
    pub(super) deletions: Arc<Spool<Step>>,
}

impl Planned {
    /// What was planned, in numbers and some examples.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What is copied from.
    pub fn source(&self) -> &Bucket {
        &self.source
    }

    /// Where its files are.
    pub(super) fn directory(&self) -> PathBuf {
        let folder = self.copies.path().parent();
        folder.map(Path::to_owned).unwrap_or_default()
    }

    /// What would be changed.
    pub fn destination(&self) -> &Bucket {
        &self.destination
    }

    /// Whether the destination keeps versions: without them nothing that is overwritten can be brought back.
    pub fn keeps_versions(&self) -> bool {
        self.keeps_versions
    }

    /// Every copy that was planned, in its order.
    ///
    /// # Errors
    /// When the file of steps cannot be read.
    pub fn copies(
        &self,
    ) -> Result<impl Iterator<Item = Result<PlannedCopy, SpoolError>>, SpoolError> {
        let steps = self.copies.read()?;
        Ok(steps.filter_map(|step| {
            let source = step.map(|step| step.source).transpose()?;
            Some(source.map(|source| PlannedCopy {
                requests: requests(&source),
                fits_job: source.size <= LARGEST_COPY,
                class: source.class,
                bytes: source.size,
            }))
        }))
    }
}

/// What copying one object takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedCopy {
    /// Its storage class.
    pub class: StorageClass,
    /// Length in bytes.
    pub bytes: u64,
    /// Requests of the own engine: of an object in parts one for each part, and two around them.
    pub requests: u64,
    /// A batch job can copy it, as far as its size goes.
    pub fits_job: bool,
}

/// One for an object in one piece; else one for each part, and two around them.
fn requests(source: &ObjectMeta) -> u64 {
    match &source.etag {
        ETag::Multipart { parts, .. } => u64::from(*parts) + 2,
        _ if source.size > LARGEST_COPY => source.size.div_ceil(PART) + 2,
        _ => 1,
    }
}

/// Compares two buckets completely and writes the steps to files in `directory`.
///
/// # Errors
/// When a listing, a question or a file fails; nothing has been changed then.
pub async fn plan(
    source: &Bucket,
    destination: &Bucket,
    options: &PlanOptions,
    directory: &Path,
) -> Result<Planned, WalkError<Error, PlanError>> {
    let spool = |name: &str| {
        Spool::create(directory.join(name))
            .map(Arc::new)
            .map_err(|error| WalkError::Visit(error.into()))
    };
    let (copies, deletions) = (spool(COPIES)?, spool(DELETIONS)?);
    let terms = Terms {
        mode: options.mode,
        headers: options.headers,
        listings: options.listings,
        own_copies: options.own_copies.clone(),
    };
    let planners = compare(source, destination, terms, || Planner {
        delete: options.delete,
        leave_unproven: options.leave_unproven,
        copies: copies.clone(),
        deletions: deletions.clone(),
        plan: Plan::default(),
        steps: Vec::new(),
        deleted: Vec::new(),
    });
    let versions = async {
        let keeps_versions = destination.keeps_versions().await;
        keeps_versions.map_err(|error| WalkError::Visit(error.into()))
    };
    let caveats = async { Ok(caveats(source, destination).await) };
    let (planners, keeps_versions, caveats) = tokio::try_join!(planners, versions, caveats)?;
    let mut plan = Plan::default();
    for planner in planners {
        plan.merge(planner.plan);
    }
    if plan.copies().objects > 0 {
        plan.caveats = caveats;
        plan.caveats.extend(unlisted_versions(source, destination));
    }
    Ok(Planned {
        plan,
        source: source.clone(),
        destination: destination.clone(),
        direction: Direction::Replication,
        keeps_versions,
        copies,
        deletions,
    })
}

struct Planner {
    delete: bool,
    leave_unproven: bool,
    copies: Arc<Spool<Step>>,
    deletions: Arc<Spool<Step>>,
    plan: Plan,
    steps: Vec<Step>,
    deleted: Vec<Step>,
}

impl Planner {
    fn create(&mut self, key: &str, source: &ObjectMeta) {
        self.plan.create.add(key, source.size, None);
        self.steps.push(Step {
            key: key.to_owned(),
            action: Action::Create,
            source: Some(source.clone()),
            destination: None,
            observed: false,
            version: None,
        });
    }

    fn only_destination(&mut self, key: &str, destination: &ObjectMeta, source_deleted: bool) {
        // A deletion that was not listed is left to the next run.
        if source_deleted || !self.delete {
            let reason = source_deleted.then_some("deleted meanwhile");
            self.plan.kept.add(key, destination.size, reason);
            return;
        }
        self.plan.delete.add(key, destination.size, None);
        self.deleted.push(Step {
            key: key.to_owned(),
            action: Action::Delete,
            source: None,
            destination: Some(destination.clone()),
            observed: false,
            version: None,
        });
    }

    fn both(
        &mut self,
        key: &str,
        source: &ObjectMeta,
        destination: &ObjectMeta,
        verdict: Verdict,
        version: Option<Option<String>>,
    ) {
        let reason = match verdict {
            Verdict::Equal(_) => return self.plan.equal.add(source.size),
            Verdict::Archived => return self.plan.archived.add(key, source.size, None),
            Verdict::NotProvable(why) => {
                let why = Unprovable::reason(why);
                self.plan.unproven.add(key, source.size, Some(why));
                if self.leave_unproven {
                    self.plan.left_unproven.add(source.size);
                    return;
                }
                "not provably equal".to_owned()
            }
            Verdict::Differs(difference) => format!("other {difference:?}").to_lowercase(),
        };
        self.plan.replace.add(key, source.size, Some(&reason));
        self.steps.push(Step {
            key: key.to_owned(),
            action: Action::Replace,
            source: Some(source.clone()),
            destination: Some(destination.clone()),
            observed: version.is_some(),
            version: version.flatten(),
        });
    }
}

impl OutcomeSink for Planner {
    type Error = PlanError;

    fn record(&mut self, key: &str, outcome: Outcome<'_>) {
        match outcome {
            Outcome::Both {
                source,
                destination,
                verdict,
                version,
                ..
            } => {
                self.plan.source.add(source.size);
                self.plan.destination.add(destination.size);
                self.both(key, source, destination, verdict, version);
            }
            Outcome::Unreadable {
                source,
                destination,
                why,
            } => {
                self.plan.source.add(source.size);
                if let Some(destination) = destination {
                    self.plan.destination.add(destination.size);
                }
                self.plan.unreadable.add(key, source.size, Some(why));
            }
            Outcome::SourceOnly { source, archived } => {
                self.plan.source.add(source.size);
                if archived {
                    self.plan.archived.add(key, source.size, None);
                } else {
                    self.create(key, source);
                }
            }
            Outcome::DestinationOnly {
                destination,
                source_deleted,
            } => {
                self.plan.destination.add(destination.size);
                self.only_destination(key, destination, source_deleted);
            }
        }
    }

    fn flush(&mut self) -> Result<(), PlanError> {
        if !self.steps.is_empty() {
            self.copies.write(&self.steps)?;
            self.steps.clear();
        }
        if !self.deleted.is_empty() {
            self.deletions.write(&self.deleted)?;
            self.deleted.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Modified;
    use super::*;

    #[test]
    fn requests_of_an_object_in_parts_are_its_parts_and_two() {
        let of = |size, etag: &str| {
            requests(&ObjectMeta {
                size,
                etag: ETag::parse(etag),
                modified: Modified::default(),
                class: StorageClass::Standard,
                version: None,
            })
        };
        let whole = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(of(1, whole), 1);
        assert_eq!(of(1 << 30, &format!("{whole}-100")), 102);
        assert_eq!(of(6 << 30, whole), 98);
    }
}
