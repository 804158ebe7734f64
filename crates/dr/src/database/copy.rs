//! Snapshots copied to the DR region: which ones, under which name, and how many at once.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use aws_env::{Error, Waiter, WaiterConfig};
use report::{Document, Mark, Observer, Outcome, Report};
use serde::Serialize;
use settings::{Region, Tags};

use super::clients::is_any;
use super::{
    KeyProblem, RdsClients, Refusal, Snapshot, SnapshotState, check_key, copy_id, provenance_tags,
    show,
};

/// How many identifiers are tried for one copy: every failed copy holds one until it is pruned.
const MOST_ATTEMPTS: usize = 100;

/// How one source stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyState {
    /// There is no copy.
    Missing,
    /// A copy is under way, from this run or another.
    InProgress,
    /// A good copy is there.
    Done,
}

/// One source and its copy.
#[derive(Debug, Clone, Serialize)]
pub struct CopyStep {
    /// The snapshot in the primary region.
    pub source: Snapshot,
    /// The identifier of the copy in the DR region.
    pub target: String,
    /// How it stands.
    pub state: CopyState,
}

/// A source that is not copied, and why.
#[derive(Debug, Clone, Serialize)]
pub struct LeftOut {
    /// Identifier of the snapshot.
    pub snapshot: String,
    /// Its type or status, which rules a copy out.
    pub why: String,
}

/// What is to be copied, newest first.
#[derive(Debug, Clone, Serialize)]
pub struct CopyPlan {
    /// Identifier of the database, as the settings have it.
    pub database: String,
    /// The region that receives it.
    pub region: Region,
    /// One step for each source, newest first.
    pub steps: Vec<CopyStep>,
    /// Newer ones than those, or the one that was asked for, that cannot be copied.
    pub left_out: Vec<LeftOut>,
}

impl CopyPlan {
    /// Whether everything is there already.
    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|step| step.state == CopyState::Done)
    }

    /// Copies that would be begun.
    pub fn missing(&self) -> usize {
        let missing = |step: &&CopyStep| step.state == CopyState::Missing;
        self.steps.iter().filter(missing).count()
    }
}

impl Report for CopyPlan {
    const KIND: &'static str = "snapshot-copy-plan";

    fn document(&self) -> Document {
        let steps = self.steps.iter().map(|step| {
            let (mark, word) = match step.state {
                CopyState::Missing => (Mark::Wrong, "copy"),
                CopyState::InProgress => (Mark::Unknown, "in progress"),
                CopyState::Done => (Mark::Ok, "there"),
            };
            let taken = step.source.taken.map_or("unknown".to_owned(), show::time);
            let cells = [
                word.to_owned(),
                taken,
                step.source.id.clone(),
                step.target.clone(),
            ];
            (mark, cells.to_vec())
        });
        let left = self.left_out.iter().map(|left| {
            let cells = [
                "left out".to_owned(),
                left.why.clone(),
                left.snapshot.clone(),
            ];
            (Mark::Unknown, [&cells[..], &[String::new()]].concat())
        });
        Document::new()
            .heading(format!("Snapshots of {} to {}", self.database, self.region))
            .table(
                ["", "Taken", "Snapshot", "Copy"],
                steps.chain(left).collect(),
            )
    }
}

/// Which of `sources`, the snapshots of `database` in the primary region, are copied to `dr`: the newest
/// `last` that are good, or just `only` of these. `present` is what is in the DR region of the same
/// database. An existing copy counts only if it is of that very source and time.
///
/// # Errors
/// When there is nothing to copy, or the partition wants what cannot be done.
pub fn plan_copies(
    sources: &[Snapshot],
    present: &[Snapshot],
    database: &str,
    (primary, dr): (Region, Region),
    last: usize,
    only: Option<&str>,
) -> Result<CopyPlan, Refusal> {
    // PreSignedUrl "applies only to GovCloud (US) Regions", where it is required:
    // https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CopyDBSnapshot.html
    if dr.partition() == "aws-us-gov" {
        return Err(Refusal::PreSignedUrl {
            partition: dr.partition(),
        });
    }
    let mut sources: Vec<&Snapshot> = sources
        .iter()
        .filter(|source| source.database == database)
        .collect();
    sources.sort_by_key(|source| Reverse((source.taken, &source.id)));
    if let Some(only) = only {
        let known = sources.iter().map(|source| source.id.clone()).collect();
        sources.retain(|source| source.id == only || source.arn == only);
        if sources.is_empty() {
            return Err(Refusal::SnapshotUnknown {
                snapshot: only.to_owned(),
                database: database.to_owned(),
                region: primary,
                known,
            });
        }
    }
    let mut plan = CopyPlan {
        database: database.to_owned(),
        region: dr,
        steps: Vec::new(),
        left_out: Vec::new(),
    };
    for source in sources {
        if plan.steps.len() >= last {
            break;
        }
        match step(source, present) {
            Ok(step) => plan.steps.push(step),
            Err(why) => plan.left_out.push(LeftOut {
                snapshot: source.id.clone(),
                why,
            }),
        }
    }
    if plan.steps.is_empty() {
        let seen = plan.left_out.iter();
        return Err(Refusal::NoSnapshot {
            database: database.to_owned(),
            region: primary,
            seen: seen
                .map(|left| format!("{}: {}", left.snapshot, left.why))
                .collect(),
        });
    }
    Ok(plan)
}

/// The step for one source, or why there is none.
fn step(source: &Snapshot, present: &[Snapshot]) -> Result<CopyStep, String> {
    // AWS Backup's own snapshots are copied by AWS Backup only.
    if !matches!(source.kind.as_str(), "automated" | "manual") {
        return Err(format!("snapshots of type {} are not copied", source.kind));
    }
    if source.state != SnapshotState::Available {
        return Err(source.state.to_string());
    }
    let found = |state: SnapshotState| {
        let mut copies = present.iter().filter(|copy| copy.is_copy_of(source));
        copies.find(|copy| copy.state == state)
    };
    let (state, existing) = match (
        found(SnapshotState::Available),
        found(SnapshotState::InProgress),
    ) {
        (Some(copy), _) => (CopyState::Done, Some(copy.id.clone())),
        (None, Some(copy)) => (CopyState::InProgress, Some(copy.id.clone())),
        (None, None) => (CopyState::Missing, None),
    };
    let held = |id: &String| present.iter().any(|snapshot| snapshot.id == *id);
    let target = match existing {
        Some(id) => id,
        None => (1..=MOST_ATTEMPTS)
            .filter_map(|attempt| copy_id(source, attempt))
            .find(|id| !held(id))
            .ok_or("its time is not known, or too many copies of it have failed")?,
    };
    Ok(CopyStep {
        source: source.clone(),
        target,
        state,
    })
}

/// How copies are made.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// The key of the DR region.
    pub key: Option<String>,
    /// Tags from the settings.
    pub tags: Tags,
    /// Copies from other regions that may be in progress in the DR region at once; as many as AWS takes unless given. Its
    /// default is 20 for an account and destination
    /// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html>), which can be raised: what it
    /// refuses waits.
    pub quota: Option<usize>,
    /// How long to wait for them.
    pub waiter: WaiterConfig,
}

/// How one copy ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyOutcome {
    /// A good copy was there before.
    Unchanged,
    /// A good copy is there now.
    Copied,
    /// It is still under way; the next run goes on with it.
    InProgress,
    /// It was not begun, since as many are under way as AWS allows; the next run begins it.
    Queued,
    /// It failed, or is of no use; in words.
    Failed(String),
}

/// What became of one source.
#[derive(Debug, Clone, Serialize)]
pub struct CopiedOne {
    /// Identifier of the snapshot in the primary region.
    pub source: String,
    /// Identifier of its copy in the DR region.
    pub target: String,
    /// How it ended.
    pub outcome: CopyOutcome,
}

/// What became of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct Copied {
    /// Identifier of the database, as the settings have it.
    pub database: String,
    /// The region that receives it.
    pub region: Region,
    /// Each source, newest first.
    pub snapshots: Vec<CopiedOne>,
    /// At most so many copies were in progress at once, those of others included, as far as was seen.
    pub most_in_progress: usize,
    /// Why no more could be begun although nothing is in progress.
    pub blocked: Option<String>,
    /// Why the last look did not come to its end although the next may: throttled, or no answer. What is
    /// unfinished is then reported as it was before. None when that look went well.
    pub last_error: Option<String>,
    /// How long it took.
    #[serde(serialize_with = "super::show::seconds")]
    pub took: Duration,
}

impl Copied {
    /// Whether every source has a good copy.
    pub fn is_complete(&self) -> bool {
        let good =
            |one: &CopiedOne| matches!(one.outcome, CopyOutcome::Copied | CopyOutcome::Unchanged);
        self.snapshots.iter().all(good)
    }

    /// Whether any copy failed.
    pub fn has_failed(&self) -> bool {
        let failed = |one: &CopiedOne| matches!(one.outcome, CopyOutcome::Failed(_));
        self.snapshots.iter().any(failed)
    }
}

impl Report for Copied {
    const KIND: &'static str = "snapshot-copy";

    fn document(&self) -> Document {
        let rows = self.snapshots.iter().map(|one| {
            let (mark, word, why) = match &one.outcome {
                CopyOutcome::Unchanged => (Mark::Ok, "there before", ""),
                CopyOutcome::Copied => (Mark::Ok, "copied", ""),
                CopyOutcome::InProgress => (Mark::Unknown, "in progress", ""),
                CopyOutcome::Queued => (Mark::Unknown, "queued", ""),
                CopyOutcome::Failed(why) => (Mark::Wrong, "failed", why.as_str()),
            };
            let cells = [word, &one.source, &one.target, why].map(str::to_owned);
            (mark, cells.to_vec())
        });
        let document = Document::new()
            .heading(format!("Copies of {} in {}", self.database, self.region))
            .table(["", "Snapshot", "Copy", "Why"], rows.collect())
            .text(format!(
                "{} snapshots in {}, at most {} copies in progress at once",
                self.snapshots.len(),
                report::duration(self.took),
                self.most_in_progress
            ));
        let reasons = [&self.blocked, &self.last_error];
        reasons
            .into_iter()
            .flatten()
            .fold(document, |document, why| document.text(why.clone()))
    }
}

/// Copies what `plan` lacks, as many at once as `quota` and AWS allow, and waits for all of it. A copy that is under way
/// already is waited for, not begun again. What is unfinished at the deadline goes on by itself; the next
/// run finds it.
///
/// # Errors
/// A [`Refusal`] before anything is begun when the key does not do; an error of AWS that will not pass.
pub async fn copy(
    site: &RdsClients,
    plan: &CopyPlan,
    options: &CopyOptions,
    observer: &dyn Observer,
) -> Result<Result<Copied, Refusal>, Error> {
    if let Some(refusal) = refuse_copies(site, plan, options.key.as_deref()).await? {
        return Ok(Err(refusal));
    }
    let mut queue = Queue {
        site,
        options,
        steps: plan.steps.iter().map(Item::new).collect(),
        most: 0,
        blocked: None,
    };
    let mut waiting = Waiter::begin(options.waiter);
    let label = format!("copy snapshots of {} to {}", plan.database, plan.region);
    observer.started(&label);
    let mut last_error = None;
    let outcome = loop {
        last_error = match queue.round().await {
            Err(error) if !error.is_transient() => break Err(error),
            Err(error) => {
                observer.waiting(&label, &error.to_string());
                Some(match &error.message {
                    Some(message) => format!("{error}: {message}"),
                    None => error.to_string(),
                })
            }
            Ok(()) => {
                observer.waiting(&label, &queue.progress());
                None
            }
        };
        if queue.is_over() || !waiting.pause().await {
            break Ok(());
        }
    };
    let copied = Copied {
        database: plan.database.clone(),
        region: plan.region,
        most_in_progress: queue.most,
        blocked: queue.blocked.take(),
        last_error,
        snapshots: queue.steps.into_iter().map(Item::end).collect(),
        took: waiting.elapsed(),
    };
    let reported = match &outcome {
        Ok(()) if plan.is_done() => Outcome::Unchanged,
        Ok(()) if copied.is_complete() => Outcome::Done,
        Ok(()) if !copied.has_failed() => Outcome::Skipped,
        _ => Outcome::Failed,
    };
    observer.finished(&label, reported, copied.took);
    outcome.map(|()| Ok(copied))
}

/// Why [`copy`] would begin nothing of `plan` with `key`, that of the DR region in the settings: asked once, before anything
/// is begun, and for a plan that is only shown.
///
/// # Errors
/// When KMS does not answer, or refuses to say.
pub async fn refuse_copies(
    site: &RdsClients,
    plan: &CopyPlan,
    key: Option<&str>,
) -> Result<Option<Refusal>, Error> {
    let region = site.region();
    let missing = plan
        .steps
        .iter()
        .filter(|step| step.state == CopyState::Missing);
    if missing.clone().next().is_none() {
        return Ok(None);
    }
    let Some(key) = key else {
        let encrypted = missing.clone().any(|step| step.source.encrypted);
        return Ok(encrypted.then(|| Refusal::KeyMissing {
            database: plan.database.clone(),
            region,
        }));
    };
    let problem: Result<(), KeyProblem> = check_key(site, key).await?;
    Ok(problem.err().map(|problem| Refusal::Key {
        key: key.to_owned(),
        region,
        problem,
    }))
}

/// One source while it is worked on.
struct Item<'a> {
    step: &'a CopyStep,
    outcome: CopyOutcome,
    /// RDS has shown it; right after the call it may not yet.
    seen: bool,
    progress: String,
}

impl<'a> Item<'a> {
    fn new(step: &'a CopyStep) -> Self {
        let (outcome, seen) = match step.state {
            CopyState::Missing => (CopyOutcome::Queued, false),
            CopyState::InProgress => (CopyOutcome::InProgress, true),
            CopyState::Done => (CopyOutcome::Unchanged, false),
        };
        Self {
            step,
            outcome,
            seen,
            progress: String::new(),
        }
    }

    fn is_over(&self) -> bool {
        !matches!(self.outcome, CopyOutcome::Queued | CopyOutcome::InProgress)
    }

    fn end(self) -> CopiedOne {
        CopiedOne {
            source: self.step.source.id.clone(),
            target: self.step.target.clone(),
            outcome: self.outcome,
        }
    }

    /// Takes up what RDS shows under its identifier.
    fn see(&mut self, seen: Option<&Snapshot>) {
        self.outcome = match seen {
            None if self.seen => CopyOutcome::Failed("it is gone: something deleted it".to_owned()),
            None => return,
            Some(copy) if !copy.is_copy_of(&self.step.source) => {
                let why = "another snapshot has its identifier; the next run takes another";
                CopyOutcome::Failed(why.to_owned())
            }
            Some(copy) => {
                self.seen = true;
                self.progress = copy.progress();
                match &copy.state {
                    SnapshotState::Available => CopyOutcome::Copied,
                    SnapshotState::InProgress => CopyOutcome::InProgress,
                    state => CopyOutcome::Failed(format!("its copy is {state}")),
                }
            }
        };
    }
}

/// The sources of a plan, some under way and some waiting for a place.
struct Queue<'a> {
    site: &'a RdsClients,
    options: &'a CopyOptions,
    steps: Vec<Item<'a>>,
    most: usize,
    blocked: Option<String>,
}

impl Queue<'_> {
    /// Looks at all copies of the region, and begins as many as there are places.
    async fn round(&mut self) -> Result<(), Error> {
        if self.steps.iter().all(Item::is_over) {
            return Ok(());
        }
        let present = self.site.snapshots(None).await?;
        let by_id: BTreeMap<&str, &Snapshot> = present
            .iter()
            .map(|copy| (copy.id.as_str(), copy))
            .collect();
        for item in self.steps.iter_mut().filter(|item| !item.is_over()) {
            item.see(by_id.get(item.step.target.as_str()).copied());
        }
        let is_copying = |copy: &&Snapshot| {
            copy.state == SnapshotState::InProgress
                && copy
                    .source_region
                    .as_deref()
                    .is_some_and(|region| region != self.site.region().as_str())
        };
        let in_progress = present.iter().filter(is_copying).count();
        self.most = self.most.max(in_progress);
        let quota = self.options.quota.unwrap_or(usize::MAX);
        let mut places = quota.saturating_sub(in_progress);
        self.blocked = None;
        let mut begun = 0;
        for item in &mut self.steps {
            if places == 0 {
                break;
            }
            if item.outcome != CopyOutcome::Queued {
                continue;
            }
            match begin(self.site, item.step, self.options).await? {
                Begun::Yes => {
                    item.outcome = CopyOutcome::InProgress;
                    places -= 1;
                    begun += 1;
                }
                // Somebody else was faster; the next look shows how it stands.
                Begun::Already => item.outcome = CopyOutcome::InProgress,
                Begun::Never(why) => item.outcome = CopyOutcome::Failed(why),
                Begun::Quota(why) => {
                    if in_progress + begun == 0 {
                        self.blocked = Some(why);
                    }
                    break;
                }
            }
        }
        self.most = self.most.max(in_progress + begun);
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.blocked.is_some() || self.steps.iter().all(Item::is_over)
    }

    fn progress(&self) -> String {
        let count = |wanted: fn(&CopyOutcome) -> bool| {
            self.steps
                .iter()
                .filter(|item| wanted(&item.outcome))
                .count()
        };
        let slowest = self
            .steps
            .iter()
            .filter(|item| item.outcome == CopyOutcome::InProgress)
            .map(|item| item.progress.as_str())
            .rfind(|progress| !progress.is_empty());
        let over = self.steps.iter().filter(|item| item.is_over()).count();
        let mut text = format!(
            "{over} of {} done, {} in progress, {} queued",
            self.steps.len(),
            count(|outcome| *outcome == CopyOutcome::InProgress),
            count(|outcome| *outcome == CopyOutcome::Queued),
        );
        if let Some(slowest) = slowest {
            text = format!("{text}, the last at {slowest}");
        }
        text
    }
}

enum Begun {
    Yes,
    /// There is one of this identifier.
    Already,
    /// No place; why, in AWS's words.
    Quota(String),
    /// This one cannot be copied.
    Never(String),
}

/// Begins one copy. The source is named by its ARN, without which RDS looks for it in its own region.
async fn begin(site: &RdsClients, step: &CopyStep, options: &CopyOptions) -> Result<Begun, Error> {
    let source = &step.source;
    let taken = source
        .taken
        .map(|taken| taken.to_string())
        .unwrap_or_default();
    let own = [
        (provenance_tags::SOURCE, source.arn.clone()),
        (provenance_tags::SOURCE_TIME, taken),
    ];
    let request = site
        .rds
        .copy_db_snapshot()
        .source_db_snapshot_identifier(&source.arn)
        .target_db_snapshot_identifier(&step.target)
        .set_kms_key_id(options.key.clone())
        .set_tags(Some(provenance_tags::tags(&own, &options.tags)));
    let Err(error) = request.send().await else {
        site.applied("begin copy of snapshot", &step.target);
        return Ok(Begun::Yes);
    };
    let error = site.call("CopyDBSnapshot", &step.target).failed(error);
    let why = || error.message.clone().unwrap_or_else(|| error.to_string());
    // The answer to an earlier call may have been lost, or two runs begin at once.
    if is_any(&error, &["DBSnapshotAlreadyExists"]) {
        Ok(Begun::Already)
    } else if is_any(&error, &["SnapshotQuotaExceeded"]) {
        Ok(Begun::Quota(why()))
    } else if is_any(&error, &["DBSnapshotNotFound", "InvalidDBSnapshotState"]) {
        // Since it was planned the source was deleted, or is being deleted.
        Ok(Begun::Never(format!(
            "the source cannot be copied any more: {}",
            why()
        )))
    } else {
        Err(error)
    }
}

#[cfg(test)]
mod tests;
