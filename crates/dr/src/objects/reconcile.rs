//! Failback: what was written in the DR bucket goes to the primary, and nothing that was written in the
//! primary meanwhile is overwritten or deleted.
//!
//! Three listings side by side: the DR bucket at the moment of the failover (a manifest), the DR bucket now,
//! the primary bucket now. Only the manifest can tell an object that was deleted during the outage from one
//! that never replicated.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_env::Error;
use jiff::Timestamp;
use report::{Document, Report};
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::compare::Verdict;
use super::entry::Facts;
use super::examine::{Examination, Examiner, Question};
use super::journal::Action;
use super::plan::{Listed, Plan, PlanOptions, Planned, Spool, SpoolError, Step, examples};
use super::walk::{Lister as _, Visitor, WalkError, walk};

/// The first line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The bucket that it lists.
    pub manifest: String,
    /// When.
    pub captured: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    key: String,
    #[serde(flatten)]
    facts: Facts,
}

/// A manifest cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bucket cannot be listed.
    #[error("list the bucket")]
    List(#[from] Error),
    /// The file cannot be used.
    #[error("use the manifest {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a manifest, or it was cut short or reordered.
    #[error("read the manifest {}: line {line} is wrong", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

/// The last line: without it the manifest is not complete.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    end: u64,
}

/// Writes down what `bucket` holds. Returns how many objects.
///
/// # Errors
/// When the bucket or the file fails.
pub async fn capture(
    bucket: &Bucket,
    captured: Timestamp,
    path: &Path,
) -> Result<u64, ManifestError> {
    let failed = |source| ManifestError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let mut write = |line: serde_json::Result<String>| {
        line.map_err(io::Error::from)
            .and_then(|line| writeln!(file, "{line}"))
            .map_err(failed)
    };
    write(serde_json::to_string(&Manifest {
        manifest: bucket.place().to_string(),
        captured,
    }))?;
    let (mut after, mut objects) = (String::new(), 0);
    loop {
        let page = bucket.page(&after, 1_000).await?;
        for (key, facts) in page.iter() {
            objects += 1;
            write(serde_json::to_string(&Entry {
                key: key.to_owned(),
                facts: facts.clone(),
            }))?;
        }
        match page.resume_after {
            Some(key) => after = key,
            None => break,
        }
    }
    write(serde_json::to_string(&End { end: objects }))?;
    file.flush().map_err(failed)?;
    Ok(objects)
}

/// A manifest, read in order.
struct Base {
    path: PathBuf,
    lines: Peekable<Lines>,
}

struct Lines {
    path: PathBuf,
    lines: io::Lines<BufReader<File>>,
    line: usize,
    last: Option<String>,
    ended: bool,
}

impl Lines {
    fn wrong(&self) -> ManifestError {
        ManifestError::Line {
            path: self.path.clone(),
            line: self.line,
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Entry, ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.line += 1;
        let text = match self.lines.next() {
            Some(Ok(text)) => text,
            Some(Err(source)) => {
                let path = self.path.clone();
                return Some(Err(ManifestError::File { path, source }));
            }
            // It was cut short.
            None => {
                self.ended = true;
                return Some(Err(self.wrong()));
            }
        };
        if let Ok(entry) = serde_json::from_str::<Entry>(&text) {
            let ascending = self.last.as_ref().is_none_or(|last| *last < entry.key);
            if !ascending {
                return Some(Err(self.wrong()));
            }
            self.last = Some(entry.key.clone());
            return Some(Ok(entry));
        }
        self.ended = true;
        let complete = serde_json::from_str::<End>(&text)
            .is_ok_and(|end| usize::try_from(end.end) == Ok(self.line - 2));
        (!complete).then(|| Err(self.wrong()))
    }
}

impl Base {
    fn open(path: &Path) -> Result<(Manifest, Self), ManifestError> {
        let failed = |source| ManifestError::File {
            path: path.to_owned(),
            source,
        };
        let mut lines = BufReader::new(File::open(path).map_err(failed)?).lines();
        let first = lines
            .next()
            .transpose()
            .map_err(failed)?
            .unwrap_or_default();
        let manifest = serde_json::from_str(&first).map_err(|_| ManifestError::Line {
            path: path.to_owned(),
            line: 1,
        })?;
        let lines = Lines {
            path: path.to_owned(),
            lines,
            line: 1,
            last: None,
            ended: false,
        };
        let path = path.to_owned();
        Ok((
            manifest,
            Self {
                path,
                lines: lines.peekable(),
            },
        ))
    }

    /// What the manifest says about `key`; keys must be asked for in ascending order.
    fn find(&mut self, key: &str) -> Result<Option<Facts>, ManifestError> {
        while let Some(entry) = self.lines.next_if(|entry| {
            entry
                .as_ref()
                .map_or(true, |entry| entry.key.as_str() <= key)
        }) {
            let entry = entry?;
            if entry.key == key {
                return Ok(Some(entry.facts));
            }
        }
        Ok(None)
    }

    /// Reads to the end, which shows that the file is complete.
    fn finish(mut self) -> Result<(), ManifestError> {
        self.lines.try_for_each(|entry| entry.map(drop))
    }
}

/// What happens to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    InSync,
    Copy(Action),
    Delete,
    /// Written in the primary only.
    Kept,
    Conflict(&'static str),
}

fn unchanged(now: &Facts, base: Option<&Facts>) -> bool {
    base.is_some_and(|base| base.size == now.size && base.etag == now.etag)
}

/// The three-way decision. `equal` says whether the two that are there now are proven equal. Pure.
fn decide(base: Option<&Facts>, dr: Option<&Facts>, primary: Option<&Facts>, equal: bool) -> Fate {
    match (dr, primary) {
        (None, None) => Fate::InSync,
        (Some(_), Some(_)) if equal => Fate::InSync,
        (Some(dr), Some(primary)) => match (unchanged(dr, base), unchanged(primary, base)) {
            (false, true) => Fate::Copy(Action::Replace),
            (true, false) => Fate::Kept,
            _ => Fate::Conflict("written in both regions"),
        },
        // A primary that was rebuilt has nothing, and copying loses nothing.
        (Some(_), None) => Fate::Copy(Action::Create),
        (None, Some(_)) if base.is_none() => Fate::Kept,
        (None, Some(primary)) if unchanged(primary, base) => Fate::Delete,
        (None, Some(_)) => Fate::Conflict("deleted in the DR region, written in the primary"),
    }
}

/// What a failback would do, in numbers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reconciliation {
    /// What is copied to the primary and deleted there.
    #[serde(flatten)]
    pub plan: Plan,
    /// Written in the primary and never replicated; kept.
    pub primary_only: Listed,
    /// Written on both sides; both are kept where they are.
    pub conflicts: Listed,
}

impl Report for Reconciliation {
    fn document(&self) -> Document {
        let document = self.plan.document();
        let document = examples(
            document,
            "Written in the primary and not in the DR region: kept",
            &self.primary_only,
        );
        examples(document, "Conflicts: both are kept", &self.conflicts)
    }
}

/// Why a reconciliation could not be planned.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// HeadObject failed.
    #[error("compare an object")]
    Ask(#[from] Error),
    /// The file of steps failed.
    #[error("keep the plan")]
    Spool(#[from] SpoolError),
    /// The manifest failed.
    #[error("use the manifest")]
    Manifest(#[from] ManifestError),
    /// The manifest is of another bucket.
    #[error("use the manifest: it lists {manifest}, not {dr}")]
    OtherBucket {
        /// The bucket in the manifest.
        manifest: String,
        /// The DR bucket.
        dr: String,
    },
}

/// Plans the failback from `dr` to `primary`; [`super::apply`] carries it out.
///
/// # Errors
/// When a listing, a question or a file fails, or the manifest is incomplete; nothing has been changed then.
pub async fn reconcile(
    dr: &Bucket,
    primary: &Bucket,
    manifest: &Path,
    options: &PlanOptions,
    directory: &Path,
) -> Result<(Reconciliation, Planned), WalkError<Error, ReconcileError>> {
    let (head, base) = Base::open(manifest).map_err(|error| WalkError::Visit(error.into()))?;
    if head.manifest != dr.place().to_string() {
        return Err(WalkError::Visit(ReconcileError::OtherBucket {
            manifest: head.manifest,
            dr: dr.place().to_string(),
        }));
    }
    let spool = |name: &str| {
        Spool::create(directory.join(name))
            .map(Arc::new)
            .map_err(|error| WalkError::Visit(error.into()))
    };
    let (copies, deletions) = (spool("copies.jsonl")?, spool("deletions.jsonl")?);
    let mut base = Some(base);
    let planners = walk(
        Arc::new(dr.clone()),
        Arc::new(primary.clone()),
        // One range: keys have to come in the order of the manifest.
        1,
        || Reconciler {
            base: base.take(),
            examiner: Examiner {
                source: dr.clone(),
                destination: primary.clone(),
                mode: options.mode,
                headers: false,
            },
            delete: options.delete,
            copies: copies.clone(),
            deletions: deletions.clone(),
            found: Reconciliation::default(),
            pending: Vec::new(),
        },
    )
    .await?;
    let mut found = Reconciliation::default();
    for planner in planners {
        if let Some(base) = planner.base {
            base.finish()
                .map_err(|error| WalkError::Visit(error.into()))?;
        }
        found = planner.found;
    }
    let planned = Planned {
        plan: found.plan.clone(),
        copies,
        deletions,
    };
    Ok((found, planned))
}

struct Reconciler {
    base: Option<Base>,
    examiner: Examiner,
    delete: bool,
    copies: Arc<Spool>,
    deletions: Arc<Spool>,
    found: Reconciliation,
    pending: Vec<(String, Option<Facts>, Option<Facts>)>,
}

impl Reconciler {
    fn settle_one(
        &mut self,
        key: &str,
        base: Option<&Facts>,
        dr: Option<Facts>,
        primary: Option<Facts>,
        equal: bool,
        steps: &mut (Vec<Step>, Vec<Step>),
    ) {
        let size = dr
            .as_ref()
            .or(primary.as_ref())
            .map_or(0, |facts| facts.size);
        let plan = &mut self.found.plan;
        let step = |action| Step {
            key: key.to_owned(),
            action,
            source: dr.clone(),
            destination: primary.clone(),
            asked: false,
            version: None,
        };
        match decide(base, dr.as_ref(), primary.as_ref(), equal) {
            Fate::InSync if dr.is_some() => plan.equal.add(size),
            Fate::InSync => {}
            Fate::Copy(action) => {
                let list = match action {
                    Action::Create => &mut plan.create,
                    _ => &mut plan.replace,
                };
                list.add(key, size, Some("written in the DR region"));
                steps.0.push(step(action));
            }
            Fate::Delete if self.delete => {
                plan.delete.add(key, size, Some("deleted in the DR region"));
                steps.1.push(step(Action::Delete));
            }
            Fate::Delete => plan.kept.add(key, size, Some("deleted in the DR region")),
            Fate::Kept => self.found.primary_only.add(key, size, None),
            Fate::Conflict(why) => self.found.conflicts.add(key, size, Some(why)),
        }
    }
}

impl Visitor for Reconciler {
    type Error = ReconcileError;

    fn visit(&mut self, key: &str, source: Option<&Facts>, destination: Option<&Facts>) {
        if let Some(facts) = source {
            self.found.plan.source.add(facts.size);
        }
        if let Some(facts) = destination {
            self.found.plan.destination.add(facts.size);
        }
        let pair = (key.to_owned(), source.cloned(), destination.cloned());
        self.pending.push(pair);
    }

    async fn settle(&mut self) -> Result<(), ReconcileError> {
        let pending = std::mem::take(&mut self.pending);
        let mut steps = (Vec::new(), Vec::new());
        let (mut questions, mut bases) = (Vec::new(), std::collections::HashMap::new());
        for (key, dr, primary) in pending {
            let base = match &mut self.base {
                Some(base) => base.find(&key)?,
                None => None,
            };
            match (dr, primary) {
                (Some(source), Some(destination)) => {
                    match self.examiner.listed(&source, &destination) {
                        Some(Verdict::Equal(_)) => {
                            let both = (Some(source), Some(destination));
                            self.settle_one(&key, base.as_ref(), both.0, both.1, true, &mut steps);
                        }
                        _ => {
                            bases.insert(key.clone(), base);
                            questions.push(Question {
                                key,
                                source,
                                destination: Some(destination),
                            });
                        }
                    }
                }
                (dr, primary) => {
                    self.settle_one(&key, base.as_ref(), dr, primary, false, &mut steps);
                }
            }
        }
        for examined in self.examiner.ask(questions).await? {
            let base = bases.remove(&examined.key).flatten();
            let equal = matches!(examined.verdict, Examination::Both(Verdict::Equal(_)));
            if let Examination::Both(Verdict::Archived) = examined.verdict {
                let plan = &mut self.found.plan;
                plan.archived.add(&examined.key, examined.source.size, None);
                continue;
            }
            let dr = match examined.verdict {
                Examination::DestinationOnly | Examination::Gone => None,
                _ => Some(examined.source),
            };
            let key = examined.key;
            self.settle_one(
                &key,
                base.as_ref(),
                dr,
                examined.destination,
                equal,
                &mut steps,
            );
        }
        self.copies.write(&steps.0)?;
        self.deletions.write(&steps.1)?;
        Ok(())
    }
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Base")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::objects::entry::{ETag, Modified, StorageClass};

    fn facts(content: u8) -> Facts {
        Facts {
            size: 1,
            etag: ETag::Single([content; 16]),
            modified: Modified::default(),
            class: StorageClass::Standard,
        }
    }

    proptest! {
        #[test]
        fn nothing_that_was_written_in_the_primary_is_lost(
            base in proptest::option::of(0_u8..3),
            dr in proptest::option::of(0_u8..3),
            primary in proptest::option::of(0_u8..3),
        ) {
            let equal = dr.is_some() && dr == primary;
            let [b, d, p] = [base, dr, primary].map(|content| content.map(facts));
            match decide(b.as_ref(), d.as_ref(), p.as_ref(), equal) {
                Fate::Delete | Fate::Copy(Action::Replace) => prop_assert_eq!(primary, base),
                Fate::Copy(Action::Create) => prop_assert_eq!(primary, None),
                Fate::Copy(Action::Delete) => prop_assert!(false),
                Fate::InSync => prop_assert_eq!(primary, dr),
                Fate::Kept => prop_assert!(primary.is_some() && primary != base),
                Fate::Conflict(_) => prop_assert!(primary != base && dr != base),
            }
            // What was written in the DR region only comes back.
            if dr.is_some() && dr != base && (primary == base || primary.is_none()) && dr != primary {
                prop_assert!(matches!(decide(b.as_ref(), d.as_ref(), p.as_ref(), equal), Fate::Copy(_)));
            }
        }
    }

    #[test]
    fn a_manifest_that_is_cut_short_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let entry = |key: &str| {
            let entry = Entry {
                key: key.to_owned(),
                facts: facts(1),
            };
            serde_json::to_string(&entry).unwrap()
        };
        let head = r#"{"manifest":"s3://dr/","captured":"2026-11-22T18:57:19Z"}"#;
        let read = |lines: &[&str]| {
            std::fs::write(file.path(), lines.join("\n")).unwrap();
            let (_, mut base) = Base::open(file.path())?;
            let found = (base.find("a")?, base.find("b")?, base.find("c")?);
            base.finish()?;
            Ok::<_, ManifestError>((found.0.is_some(), found.1.is_some(), found.2.is_some()))
        };
        let (a, c) = (entry("a"), entry("c"));
        let found = read(&[head, &a, &c, r#"{"end":2}"#]).unwrap();
        assert_eq!(found, (true, false, true));
        assert!(read(&[head, &a, &c]).is_err());
        assert!(read(&[head, &a, r#"{"end":2}"#]).is_err());
        assert!(read(&[head, &c, &a, r#"{"end":2}"#]).is_err());
        assert!(read(&["{}"]).is_err());
    }
}
