//! What two buckets show: lists of versions side by side, and the status of each object that is not alike in them.
//!
//! The status is that of a version, and stays: what S3 gave up on is `FAILED` for ever, whatever copies it afterwards
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html>), and what no rule replicates has none.
//! So both count only where the copy is not proven to have the content.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_env::{Both, Error};
use aws_sdk_s3::types::ReplicationStatus;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

use super::{Backlog, BacklogBy, Oldest, Reading, age};
use crate::objects::bucket::Bucket;
use crate::objects::compare::{Mode, Verdict};
use crate::objects::entry::ObjectMeta;
use crate::objects::examine::{AT_ONCE, Examination, Examiner, Question, is_of_one_object};
use crate::objects::own_copies::OwnCopies;
use crate::objects::pairing::BucketPair;
use crate::objects::plan::Tally;
use crate::objects::walk::{Visitor, WalkError, walk};

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BacklogOptions {
    /// Ranges that are listed at once.
    pub listings: usize,
    /// Objects whose status is asked for, at most: one HeadObject each, for those that the DR bucket has not in the same
    /// version, and one on each side more where the lists do not prove that a later copy has the content. Where there are
    /// more, what waits is not known.
    pub most_heads: u64,
}

/// The backlog of a bucket, by lists of versions of both sides; HeadObject tells the status of what is not the same version in
/// both. Current objects count: not old versions, nor deletions that wait; and nothing counts as given up on or not replicated
/// whose content the copy has, by ETag, version ID or checksum. A side that does not answer leaves everything unknown.
pub async fn backlog_by_statuses(
    both: &Both,
    pair: &BucketPair,
    options: BacklogOptions,
    now: Timestamp,
) -> Backlog {
    let (primary, dr) = pair.open(both);
    match look(&primary, &dr, options).await {
        Ok(found) => found.into_backlog(pair, now),
        Err(error) => {
            let reason = match error {
                WalkError::List { source, .. } | WalkError::Visit(source) => source.to_string(),
                error => error.to_string(),
            };
            Backlog::unknown(pair, BacklogBy::Statuses, now, &reason)
        }
    }
}

async fn look(
    primary: &Bucket,
    dr: &Bucket,
    options: BacklogOptions,
) -> Result<Found, WalkError<Error, Error>> {
    // Soon, where a region is lost.
    tokio::try_join!(primary.reach(), dr.reach()).map_err(WalkError::Visit)?;
    let pages = primary.pages();
    let beside = dr.pages_beside(&pages);
    pages.by().versions();
    beside.by().versions();
    let left = Arc::new(AtomicU64::new(options.most_heads));
    let examiner = Arc::new(Examiner {
        source: primary.clone(),
        destination: dr.clone(),
        mode: Mode::Auto,
        headers: false,
        own_copies: OwnCopies::default(),
    });
    let looking = walk(Arc::new(pages), Arc::new(beside), options.listings, || {
        Looking {
            examiner: examiner.clone(),
            left: left.clone(),
            unlike: Vec::new(),
            found: Found::default(),
        }
    });
    let mut found = Found::default();
    for looking in looking.await? {
        found.merge(looking.found);
    }
    Ok(found)
}

/// What is not alike.
#[derive(Default)]
struct Found {
    pending: Tally,
    oldest: Option<(Timestamp, String)>,
    failed: Tally,
    uncovered: Tally,
    /// Objects whose status was not told, and the first reason.
    untold: u64,
    why: Option<String>,
}

impl Found {
    fn add(&mut self, key: String, meta: &ObjectMeta, status: Status) {
        match status {
            Status::Pending => {
                self.pending.add(meta.size);
                match meta.modified.to_string().parse() {
                    Ok(written) => self.older(written, key),
                    Err(_) => self.not_told("a list has no time".to_owned()),
                }
            }
            Status::Failed => self.failed.add(meta.size),
            Status::Uncovered => self.uncovered.add(meta.size),
            Status::Done => {}
            Status::NotTold(why) => self.not_told(why),
        }
    }

    fn not_told(&mut self, why: String) {
        self.untold += 1;
        self.why.get_or_insert(why);
    }

    fn older(&mut self, written: Timestamp, key: String) {
        let other = self.oldest.take();
        self.oldest = other.into_iter().chain([(written, key)]).min();
    }

    fn merge(&mut self, other: Self) {
        self.pending.merge(other.pending);
        self.failed.merge(other.failed);
        self.uncovered.merge(other.uncovered);
        self.untold += other.untold;
        self.why = self.why.take().or(other.why);
        if let Some((written, key)) = other.oldest {
            self.older(written, key);
        }
    }

    fn into_backlog(self, pair: &BucketPair, now: Timestamp) -> Backlog {
        if self.untold > 0 {
            let why = self.why.unwrap_or_default();
            let reason = format!("the status of {} objects is not known: {why}", self.untold);
            return Backlog::unknown(pair, BacklogBy::Statuses, now, &reason);
        }
        let oldest = self.oldest;
        let lag = oldest
            .as_ref()
            .map_or(0, |(written, _)| age(*written, now).as_secs());
        let oldest = oldest.map(|(written, key)| Oldest {
            written,
            key: Some(key),
        });
        let tally = |value| Reading::Known { value, at: now };
        Backlog {
            pair: pair.clone(),
            by: BacklogBy::Statuses,
            asked: now,
            pending: tally(self.pending),
            oldest: Reading::Known {
                value: oldest,
                at: now,
            },
            lag_seconds: Reading::Known {
                value: lag,
                at: now,
            },
            failed: tally(self.failed),
            uncovered: tally(self.uncovered),
        }
    }
}

enum Status {
    Pending,
    Failed,
    /// S3 does not know of any replication of it.
    Uncovered,
    /// It has arrived, or is gone.
    Done,
    NotTold(String),
}

struct Looking {
    examiner: Arc<Examiner>,
    /// Objects that may still be asked about.
    left: Arc<AtomicU64>,
    unlike: Vec<Question>,
    found: Found,
}

impl Looking {
    async fn status(&self, question: &Question) -> Result<Status, Error> {
        let status = self
            .status_of_version(&question.key, &question.source)
            .await?;
        match status {
            Status::Failed | Status::Uncovered if self.has_arrived(question).await? => {
                Ok(Status::Done)
            }
            status => Ok(status),
        }
    }

    /// Whether the copy is proven to have what the primary has, whoever put it there.
    async fn has_arrived(&self, question: &Question) -> Result<bool, Error> {
        let Question {
            key,
            source,
            destination: Some(copy),
        } = question
        else {
            return Ok(false);
        };
        let verdict = match self.examiner.listed(key, source, copy) {
            Some(verdict) => Examination::Both(verdict),
            None => self.examiner.examine(question.clone()).await?.verdict,
        };
        Ok(matches!(verdict, Examination::Both(Verdict::Equal(_))))
    }

    async fn status_of_version(&self, key: &str, meta: &ObjectMeta) -> Result<Status, Error> {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if taken.is_err() {
            return Ok(Status::NotTold("too many are not alike".to_owned()));
        }
        let head = match self
            .examiner
            .source
            .head(key, meta.version.as_deref())
            .await
        {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(Status::Done),
            Err(error) if is_of_one_object(&error) => {
                return Ok(Status::NotTold(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        Ok(match head.replication_status() {
            Some(ReplicationStatus::Pending) => Status::Pending,
            Some(ReplicationStatus::Failed) => Status::Failed,
            Some(ReplicationStatus::Complete | ReplicationStatus::Completed) => Status::Done,
            // What came from elsewhere is not replicated on by itself.
            Some(ReplicationStatus::Replica) | None => Status::Uncovered,
            Some(other) => Status::NotTold(format!("S3 calls it {other}")),
        })
    }
}

impl Visitor for Looking {
    type Error = Error;

    fn visit(&mut self, key: &str, source: Option<&ObjectMeta>, destination: Option<&ObjectMeta>) {
        let Some(source) = source else { return };
        if !destination.is_some_and(|destination| source.is_version_of(destination)) {
            self.unlike.push(Question {
                key: key.to_owned(),
                source: source.clone(),
                destination: destination.cloned(),
            });
        }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let unlike = std::mem::take(&mut self.unlike);
        let looking = &*self;
        let told: Vec<(Question, Status)> = futures::stream::iter(unlike)
            .map(|question| async move {
                let status = Box::pin(looking.status(&question)).await?;
                Ok::<_, Error>((question, status))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (question, status) in told {
            self.found.add(question.key, &question.source, status);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::entry::{ETag, Modified, StorageClass};

    fn meta(size: u64, written: &str) -> ObjectMeta {
        ObjectMeta {
            size,
            etag: ETag::parse("x"),
            modified: Modified::parse(written).unwrap(),
            class: StorageClass::Standard,
            version: None,
        }
    }

    #[test]
    fn backlog_of_what_waits_is_as_old_as_the_oldest_of_all_workers() {
        let pair = BucketPair::of("photos", "photos-dr");
        let now: Timestamp = "2026-11-30T03:00:00Z".parse().unwrap();
        let mut found = Found::default();
        let mut other = Found::default();
        let of = |key: &str, size, minute: &str| {
            let written = format!("2026-11-30T{minute}:00.000Z");
            (key.to_owned(), meta(size, &written))
        };
        let (key, late) = of("b", 2, "02:59");
        found.add(key, &late, Status::Pending);
        let (key, oldest) = of("a", 3, "02:50");
        other.add(key, &oldest, Status::Pending);
        let (key, failed) = of("c", 9, "01:00");
        other.add(key, &failed, Status::Failed);
        found.merge(other);
        let backlog = found.into_backlog(&pair, now);
        let tally = |objects, bytes| Some(Tally { objects, bytes });
        assert_eq!(backlog.pending.known().copied(), tally(2, 5));
        assert_eq!(backlog.failed.known().copied(), tally(1, 9));
        assert_eq!(backlog.lag_seconds.known(), Some(&600));
        let oldest = backlog.oldest.known().unwrap().clone().unwrap();
        assert_eq!(oldest.key.as_deref(), Some("a"));

        let mut found = Found::default();
        let (key, untold) = of("a", 1, "02:50");
        found.add(key, &untold, Status::NotTold("x".to_owned()));
        assert_eq!(found.into_backlog(&pair, now).pending.known(), None);
    }
}
