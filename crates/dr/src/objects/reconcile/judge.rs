//! What is known of a key on both sides and at the failover, asked where the listings leave it open.

use aws_env::Error;

use super::super::compare::{Detail, Verdict, compare_details};
use super::super::entry::ObjectMeta;
use super::super::examine::{Examination, Examiner, Question, is_of_one_object};
use super::decision::{Fate, Pair, Since, of_both, of_dr_only, of_primary_only};

/// Asks the DR bucket (the source) and the primary (the destination).
pub(super) struct Judge {
    pub(super) examiner: Examiner,
}

/// A key, what the manifest says of it, and what stands on both sides.
pub(super) struct Case {
    pub(super) key: String,
    pub(super) base: Option<ObjectMeta>,
    pub(super) dr: Option<ObjectMeta>,
    pub(super) primary: Option<ObjectMeta>,
}

/// Whether `now` is what the same bucket had then. Within one bucket an ETag names the content, under a key too.
fn is_unchanged(now: &ObjectMeta, base: &ObjectMeta) -> bool {
    now.is_version_of(base) || (now.size == base.size && now.etag == base.etag)
}

fn since(now: &ObjectMeta, base: Option<&ObjectMeta>) -> Since {
    match base.is_some_and(|base| is_unchanged(now, base)) {
        true => Since::Same,
        false => Since::Written,
    }
}

impl Judge {
    pub(super) fn new(examiner: Examiner) -> Self {
        Self { examiner }
    }

    /// Decides about one key.
    ///
    /// # Errors
    /// When a side does not answer at all.
    pub(super) async fn fate(&self, case: &Case) -> Result<Fate, Error> {
        let base = case.base.as_ref();
        let fate = match (&case.dr, &case.primary) {
            (None, None) => Fate::InSync,
            (Some(dr), None) => of_dr_only(since(dr, base)),
            (None, Some(primary)) => {
                let primary = self.primary_since(case, primary).await?;
                of_primary_only(base.is_some(), primary)
            }
            (Some(dr), Some(primary)) => self.both(case, dr, primary).await?,
        };
        match (&case.dr, fate) {
            (Some(dr), Fate::Copy(_)) if dr.class.is_archive() => {
                let now = self.examiner.source.detail(&case.key).await?;
                Ok(match now.is_some_and(|now| now.archived) {
                    true => Fate::Archived,
                    false => fate,
                })
            }
            _ => Ok(fate),
        }
    }

    async fn both(
        &self,
        case: &Case,
        dr: &ObjectMeta,
        primary: &ObjectMeta,
    ) -> Result<Fate, Error> {
        let listed = self.examiner.listed(&case.key, dr, primary);
        if let Some(Verdict::Equal(_)) = listed {
            return Ok(Fate::InSync);
        }
        let dr_since = since(dr, case.base.as_ref());
        let primary_since = self.primary_since(case, primary).await?;
        let decided = of_both(dr_since, primary_since, Pair::Unknown);
        // Only where both were written, or nothing tells, does it matter whether they are the same.
        if !matches!(decided, Fate::Undecided(_)) {
            return Ok(decided);
        }
        let examined = self
            .examiner
            .examine(Question {
                key: case.key.clone(),
                source: dr.clone(),
                destination: Some(primary.clone()),
            })
            .await?;
        let pair = match examined.verdict {
            Examination::Both(Verdict::Equal(_)) => Pair::Equal,
            Examination::Both(Verdict::Differs(_)) => Pair::Different,
            // Deleted since it was listed, too: the next run sees that.
            _ => Pair::Unknown,
        };
        // Of what DR has as it was, a provable difference is the primary's write.
        let primary_since = match (dr_since, primary_since, pair) {
            (Since::Same, Since::Unknown, Pair::Different) => Since::Written,
            (_, primary_since, _) => primary_since,
        };
        Ok(of_both(dr_since, primary_since, pair))
    }

    /// How the primary's object stands to what the DR bucket held at the failover.
    async fn primary_since(&self, case: &Case, primary: &ObjectMeta) -> Result<Since, Error> {
        let Some(base) = &case.base else {
            return Ok(Since::Written);
        };
        if is_unchanged(primary, base) {
            return Ok(Since::Same);
        }
        let (dr, to) = (&self.examiner.source, &self.examiner.destination);
        let copies = &self.examiner.own_copies;
        if copies.proves((dr, base), (to, primary), &case.key) {
            return Ok(Since::Same);
        }
        if primary.size != base.size {
            return Ok(Since::Written);
        }
        let then = self.then(case, base).await?;
        let now = one(to.detail(&case.key).await)?;
        let (Some(then), Some(now)) = (then, now) else {
            return Ok(Since::Unknown);
        };
        Ok(match compare_details(self.examiner.mode, &then, &now) {
            Verdict::Equal(_) => Since::Same,
            Verdict::Differs(_) => Since::Written,
            Verdict::NotProvable(_) | Verdict::Archived => Since::Unknown,
        })
    }

    /// What the DR bucket held at the failover, as far as it still does.
    async fn then(&self, case: &Case, base: &ObjectMeta) -> Result<Option<Detail>, Error> {
        let dr = &self.examiner.source;
        let seen = match &base.version {
            Some(version) => {
                let head = dr.head(&case.key, Some(version)).await;
                head.map(|head| head.map(|head| super::super::bucket::detail(&head)))
            }
            None => dr.detail(&case.key).await,
        };
        let seen = one(seen)?;
        Ok(seen.filter(|seen| seen.size == base.size && seen.etag == base.etag))
    }
}

/// What one object does not tell is not known; that nothing answers is an error.
fn one<T>(answer: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(error) if is_of_one_object(&error) => Ok(None),
        answer => answer,
    }
}
