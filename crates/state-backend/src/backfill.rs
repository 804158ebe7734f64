//! Objects that replication has not brought to the DR side, since they were there before it, copied there.
//!
//! S3 replicates what is written after a rule is in force, and nothing else:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html>.

mod batch;
mod copy;
mod judge;
mod role;
mod view;

use std::collections::BTreeSet;
use std::time::Instant;

use aws_env::{Error, list_keys};
use futures::stream::{StreamExt as _, iter};
use jiff::Timestamp;
use report::{Observer, Outcome, ShellCommand};
use serde::{Serialize, Serializer};
use settings::{Region, RoleArn};

use crate::backend::Backend;
use crate::inventory::StateId;
use crate::inventory::read::{AT_ONCE, is_own};
use crate::problem::Problem;
use crate::side::SideAccess;
use crate::spec::{SideName, Spec};
use batch::batch_command;
pub(crate) use batch::report_folder;
pub use batch::{ApprovedBatch, BatchFailure, BatchJob, BatchReplication};
use judge::Compared;
pub use role::BatchRoleError;

/// Objects of more bytes than this are left to S3 itself. A state of 1,000 resources has 4 MB, and one copy has to end
/// within the time that a call may take.
const MOST_BYTES: u64 = 64 << 20;
/// More objects than this are left to S3 itself, all of them.
const MOST_OBJECTS: usize = 10_000;

/// Why an object is not in the DR bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackfillReason {
    /// It has no replication status: it was written before the rule was in force, or the rule did not cover it.
    NeverReplicated,
    /// S3 says FAILED, and does not try again by itself.
    Failed,
    /// S3 says that replication has not delivered it yet.
    Pending,
    /// S3 says that it was delivered.
    Delivered,
    /// It came by replication itself, and is not replicated on.
    Replica,
}

/// Why an object is not copied, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NotCopied {
    /// The DR side has another object under that key.
    Differs,
    /// It was deleted there.
    Deleted,
    /// Replication is about to bring it.
    Pending,
    /// It is archived, and cannot be read before it is restored.
    Archived,
    /// It is too large, or one of too many: for S3 Batch Replication.
    ForBatch,
    /// Somebody holds its lock on the DR side, and is about to write it there.
    Locked,
    /// It changed while it was looked at.
    Changed,
}

/// Where an object stands.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BackfillOutcome {
    /// It is to be copied.
    Planned,
    /// It was copied, and read back.
    Copied,
    /// It is not copied.
    Left {
        /// Why not.
        left: LeftObject,
    },
    /// It could not be asked for, or copied.
    Unknown {
        /// The error.
        problem: Problem,
    },
}

/// Why an object is not copied.
#[derive(Debug, Clone, Serialize)]
pub struct LeftObject {
    /// In a word.
    pub kind: NotCopied,
    /// In a sentence.
    pub text: String,
}

/// An object of the primary bucket that the DR bucket does not have as it is.
#[derive(Debug, Clone, Serialize)]
pub struct BackfillObject {
    /// Its key.
    pub key: String,
    /// The state that it is; null of another object.
    pub state: Option<StateId>,
    /// The version that is copied; null in a bucket without versions.
    pub version: Option<String>,
    /// Its size in bytes; null where it could not be asked.
    pub bytes: Option<u64>,
    /// Why it is not there; null where it could not be asked.
    pub reason: Option<BackfillReason>,
    /// Where it stands.
    #[serde(flatten)]
    pub outcome: BackfillOutcome,
}

/// What a backfill would do, or did.
#[derive(Debug, Clone, Serialize)]
pub struct Backfill {
    /// When it was asked for.
    pub time: Timestamp,
    /// The primary region.
    pub from: Region,
    /// Its bucket.
    pub from_bucket: String,
    /// The DR region.
    pub to: Region,
    /// Its bucket.
    pub to_bucket: String,
    /// Objects that both sides have alike.
    pub replicated: usize,
    /// The others, states first, then by key.
    pub objects: Vec<BackfillObject>,
    /// The command that has S3 replicate what is not copied here; null where there is nothing of that, or it is refused.
    #[serde(serialize_with = "text")]
    pub batch: Option<ShellCommand>,
    /// The same as a job of S3 Batch Replication; null where there is nothing for one.
    pub replication: Option<BatchReplication>,
    /// Beyond which objects are left to S3.
    pub limits: BackfillLimits,
}

/// What is copied here, and what is left to S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BackfillLimits {
    /// Objects of more bytes are left to S3 itself.
    pub bytes: u64,
    /// More objects than this are left to S3 itself, all of them.
    pub objects: usize,
}

impl Default for BackfillLimits {
    fn default() -> Self {
        Self {
            bytes: MOST_BYTES,
            objects: MOST_OBJECTS,
        }
    }
}

fn text<S: Serializer>(command: &Option<ShellCommand>, serializer: S) -> Result<S::Ok, S::Error> {
    match command {
        Some(command) => serializer.collect_str(command),
        None => serializer.serialize_none(),
    }
}

/// A backfill that somebody has agreed to: all that [`Backend::backfill`] takes.
///
/// ```compile_fail,E0308
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::Backfill) {
/// backend.backfill(&plan, &report::Silent).await;
/// # }
/// ```
///
/// ```
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::Backfill) {
/// backend.backfill(&plan.approve(), &report::Silent).await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ApprovedBackfill(Backfill);

/// Why nothing can be said of what is to be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackfillError {
    /// There is no DR side.
    #[error("the settings name no DR region")]
    NoDrSide,
    /// A region did not answer when the backend was connected, and is not asked again.
    #[error("{0}")]
    RegionLost(Problem),
    /// No job could run with the role that was named.
    #[error(transparent)]
    Role(#[from] BatchRoleError),
    /// A bucket cannot be listed.
    #[error(transparent)]
    Call(#[from] Error),
}

impl Backfill {
    /// How many objects are to be copied.
    pub fn planned(&self) -> usize {
        self.count(|outcome| matches!(outcome, BackfillOutcome::Planned))
    }

    fn count(&self, of: fn(&BackfillOutcome) -> bool) -> usize {
        let objects = self.objects.iter();
        objects.filter(|object| of(&object.outcome)).count()
    }

    /// What is left and what is not known stays as it is; the rest may be copied.
    pub fn approve(self) -> ApprovedBackfill {
        ApprovedBackfill(self)
    }

    fn settle(&mut self, spec: &Spec, role: Option<&RoleArn>) {
        let most = self.limits.objects;
        let by_number = self.planned() > most;
        if by_number {
            let planned =
                |object: &&mut BackfillObject| matches!(object.outcome, BackfillOutcome::Planned);
            for object in self.objects.iter_mut().filter(planned) {
                object.outcome = left(
                    NotCopied::ForBatch,
                    format!("it is one of more than {most}"),
                );
            }
        }
        self.objects
            .sort_by(|a, b| (a.state.is_none(), &a.key).cmp(&(b.state.is_none(), &b.key)));
        self.replication = BatchReplication::of(self, by_number, role);
        let replication = self.replication.as_ref();
        // What is refused here must not be done by hand either.
        let allowed = replication.filter(|batch| batch.refused.is_none());
        self.batch = allowed.map(|batch| batch_command(spec, batch));
    }
}

fn left(kind: NotCopied, text: impl Into<String>) -> BackfillOutcome {
    let text = text.into();
    BackfillOutcome::Left {
        left: LeftObject { kind, text },
    }
}

impl Backend {
    /// Looks for the objects of the primary bucket that the DR bucket does not have, and why not. Changes nothing. A job
    /// for what is not copied here is to run with `role`, or that of the settings.
    ///
    /// # Errors
    /// When there is no DR side, the role is of another account, or one of the two buckets cannot be listed.
    pub async fn backfill_plan(
        &self,
        limits: BackfillLimits,
        role: Option<&RoleArn>,
        now: Timestamp,
    ) -> Result<Backfill, BackfillError> {
        let (primary, dr) = self.pair()?;
        let spec = self.spec();
        if let Some(role) = role {
            role::check(spec, role)?;
        }
        let of_settings = spec.batch_role.as_ref().map(|role| spec.role_arn(role));
        // Made of a name, an account and a partition.
        let of_settings = of_settings.and_then(|role| role.parse::<RoleArn>().ok());
        let role = role.or(of_settings.as_ref());
        let listed = async |side: SideAccess<'_>| {
            list_keys(side.clients, side.side.bucket.as_str(), "").await
        };
        let (keys, there) = tokio::join!(listed(primary), listed(dr));
        let there: BTreeSet<String> = there?.into_iter().collect();
        let keys = keys?.into_iter().filter(|key| self.is_wanted(key));
        let looked = iter(keys).map(|key| {
            let is_there = there.contains(&key);
            self.compare(primary, dr, key, is_there, limits)
        });
        let looked: Vec<Compared> = looked.buffer_unordered(AT_ONCE).collect().await;
        let mut plan = Backfill {
            time: now,
            from: primary.side.region,
            from_bucket: primary.side.bucket.to_string(),
            to: dr.side.region,
            to_bucket: dr.side.bucket.to_string(),
            replicated: 0,
            objects: Vec::new(),
            batch: None,
            replication: None,
            limits,
        };
        for compared in looked {
            match compared {
                Compared::Gone => {}
                Compared::Same => plan.replicated += 1,
                Compared::Missing(object) => plan.objects.push(*object),
            }
        }
        plan.settle(spec, role);
        Ok(plan)
    }

    /// Copies the objects of the plan, several at a time: the very version that was looked at, only where nothing is, and
    /// read back. Nothing is kept between runs, so that a run that was killed is taken up by the next.
    pub async fn backfill(
        &self,
        ApprovedBackfill(plan): &ApprovedBackfill,
        observer: &dyn Observer,
    ) -> Backfill {
        let mut done = plan.clone();
        let objects = std::mem::take(&mut done.objects);
        let objects = iter(objects).map(|mut object| async move {
            if matches!(object.outcome, BackfillOutcome::Planned) {
                let begun = Instant::now();
                observer.started(&object.key);
                object.outcome = self.copy(&object).await;
                let outcome = match object.outcome {
                    BackfillOutcome::Copied => Outcome::Done,
                    BackfillOutcome::Unknown { .. } => Outcome::Failed,
                    _ => Outcome::Skipped,
                };
                observer.finished(&object.key, outcome, begun.elapsed());
            }
            object
        });
        done.objects = objects.buffered(AT_ONCE).collect().await;
        done
    }

    fn pair(&self) -> Result<(SideAccess<'_>, SideAccess<'_>), BackfillError> {
        let sides = self.at(SideName::Primary).zip(self.at(SideName::Dr));
        let (primary, dr) = sides.ok_or(BackfillError::NoDrSide)?;
        match primary.lost.or(dr.lost) {
            Some(problem) => Err(BackfillError::RegionLost(problem.clone())),
            None => Ok((primary, dr)),
        }
    }

    /// Whether an object has to be in the DR bucket. A lock is of a run in one region, and what this project itself writes
    /// is of one run.
    fn is_wanted(&self, key: &str) -> bool {
        let states = &self.spec().states;
        states.is_named(key) || !(states.is_lock(key) || is_own(key))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use settings::Settings;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../examples/berthcare-staging/infra.toml");

    fn plan(count: usize) -> Backfill {
        let settings = Settings::parse(EXAMPLE, date(2026, 11, 22)).unwrap();
        let spec = Spec::new(&settings, "111122223333");
        let object = |number: usize| BackfillObject {
            key: format!("{number:05}"),
            state: (number == 7).then(|| StateId::new("7")),
            version: None,
            bytes: Some(1),
            reason: Some(BackfillReason::NeverReplicated),
            outcome: BackfillOutcome::Planned,
        };
        let mut plan = Backfill {
            time: Timestamp::UNIX_EPOCH,
            from: spec.primary.region,
            from_bucket: spec.primary.bucket.to_string(),
            to: spec.primary.region,
            to_bucket: String::new(),
            replicated: 0,
            objects: (0..count).map(object).collect(),
            batch: None,
            replication: None,
            limits: BackfillLimits::default(),
        };
        plan.settle(&spec, None);
        plan
    }

    #[test]
    fn plan_of_more_than_is_copied_here_copies_nothing_and_names_the_batch_job() {
        let most = plan(MOST_OBJECTS);
        assert_eq!(most.planned(), MOST_OBJECTS);
        assert!(most.batch.is_none());
        assert!(most.objects[0].state.is_some(), "states come first");

        let more = plan(MOST_OBJECTS + 1);
        assert_eq!(more.planned(), 0);
        let command = more.batch.unwrap().to_string();
        for part in [
            "aws s3control create-job --region ca-central-1 --account-id 111122223333",
            r#"'{"S3ReplicateObject":{}}'"#,
            r#""SourceBucket":"arn:aws:s3:::berthcare-terraform-state""#,
            r#""ObjectReplicationStatuses":["NONE","FAILED"]"#,
        ] {
            assert!(command.contains(part), "{part}: {command}");
        }
    }
}
