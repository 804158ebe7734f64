//! Where an environment is, at a glance: which region serves, who carries a run, what was looked at and practised last.

use jiff::Timestamp;
use report::finding::Status as Found;
use report::{Document, Mark, Page, Report};
use serde::Serialize;
use settings::{Region, Regions, Settings};

use crate::lease::{LeaseState, causes};
use crate::ledger::{LedgerSummary, read_ledger};
use crate::plan::Goals;
use crate::preflight::store_told;
use crate::{
    DrillRecord, FoundDrill, KeptPreflight, MadeIn, Marker, Purpose, RunStatus, SeenLease, StepId,
    Store, last_preflight, read_drills, read_lease, read_run,
};

/// What there is of something, or why that is not known.
type Known<T> = Result<Option<T>, String>;

/// The last preflight, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreflightSummary {
    /// Its name.
    pub id: String,
    /// When it was begun.
    pub at: Timestamp,
    /// What it found: ok, wrong or unknown.
    pub verdict: Found,
    /// How many things were wrong.
    pub wrong: usize,
    /// How many were unknown.
    pub unknown: usize,
    /// Whether the primary region was left out.
    pub alone: bool,
}

/// The run that the lease is of.
#[derive(Debug, Serialize)]
pub struct RunSummary {
    /// Who has the lease, or had.
    pub lease: SeenLease,
    /// Where the run is; why that is not known.
    pub status: Result<RunStatus, String>,
}

/// A step that took longer than it did before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlowerStep {
    /// The step.
    pub step: StepId,
    /// How long it took, in milliseconds.
    pub now_ms: u64,
    /// How long it took before, in milliseconds.
    pub before_ms: u64,
}

/// Where an environment is.
#[derive(Debug, Serialize)]
pub struct RunbookStatus {
    /// Project and environment.
    pub environment: String,
    /// Where it runs, unless it is failed over.
    pub primary: Region,
    /// Where it is recovered.
    pub dr: Region,
    /// Why it is recovered nowhere; null where it has its DR region.
    pub unprotected: Option<String>,
    /// When it was asked.
    pub at: Timestamp,
    /// The mark of a failover.
    pub marker: Known<Marker>,
    /// The run that is under way, or was the last.
    pub run: Known<RunSummary>,
    /// The record of the last run that was verified, and is borne out by its journal.
    pub verified: Known<DrillRecord>,
    /// Records that do not count, with the reason: their journals do not bear them out, or they cannot be read.
    pub disputed: Result<Vec<String>, String>,
    /// Its steps that took longer than in the verified run of its kind before; why that is not known.
    pub slower: Result<Vec<SlowerStep>, String>,
    /// The last preflight.
    pub preflight: Known<PreflightSummary>,
    /// What would have been lost at each moment of the quarter.
    pub ledger: Known<LedgerSummary>,
}

impl RunbookStatus {
    /// Reads it from the records of an environment.
    pub async fn read(settings: &Settings, store: &impl Store, now: Timestamp) -> Self {
        let marker = Marker::read(store).await;
        let drills = read_drills(store).await.map_err(|error| store_told(&error));
        let verified = drills
            .as_ref()
            .map_err(Clone::clone)
            .map(|drills| last_verified(drills));
        let disputed = drills
            .as_ref()
            .map_err(Clone::clone)
            .map(|drills| disputed(drills));
        Self {
            environment: settings.name(),
            primary: settings.regions.primary,
            dr: settings.regions.dr,
            unprotected: settings.unprotected.clone(),
            at: now,
            marker: marker.map_err(|error| error.source.to_string()),
            run: run(store).await,
            verified,
            disputed,
            slower: drills.map(slower),
            preflight: summary(store).await,
            ledger: read_ledger(store, Goals::from(settings.objectives), now)
                .await
                .map_err(|error| store_told(&error)),
        }
    }

    /// One page that opens without a network: the same, and the quarter as pictures.
    pub fn page(&self) -> String {
        let page = Page::new(format!("Status of {}", self.environment))
            .about("Primary region", self.primary.as_str())
            .about("Recovered in", self.dr.as_str())
            .about("Asked", format!("{:.0}", self.at));
        self.document_with_charts().to_html(&page)
    }

    /// The same, and the quarter as pictures.
    pub fn document_with_charts(&self) -> Document {
        match &self.ledger {
            Ok(Some(ledger)) => self.document().append(ledger.charts()),
            _ => self.document(),
        }
    }

    fn contradicts(&self, marker: &Marker) -> Option<String> {
        marker.contradicts(Regions {
            primary: self.primary,
            dr: self.dr,
        })
    }

    /// Whether the environment has another region to go to, by settings that are its own.
    pub fn is_protected(&self) -> bool {
        let outdated = match &self.marker {
            Ok(Some(marker)) => self.contradicts(marker).is_some(),
            _ => false,
        };
        self.unprotected.is_none() && !outdated
    }

    /// Whether all of it could be read.
    pub fn is_known(&self) -> bool {
        let run = self
            .run
            .as_ref()
            .map(|run| run.as_ref().is_none_or(|run| run.status.is_ok()));
        self.marker.is_ok()
            && run == Ok(true)
            && self.verified.is_ok()
            && self.disputed.is_ok()
            && self.slower.is_ok()
            && self.preflight.is_ok()
            && self.ledger.is_ok()
    }
}

async fn run(store: &impl Store) -> Known<RunSummary> {
    let lease = read_lease(store).await.map_err(|error| causes(&error))?;
    let Some(lease) = lease else {
        return Ok(None);
    };
    let state = read_run(store, &lease.run).await;
    let status = state.map(|(state, _)| state.status);
    Ok(Some(RunSummary {
        lease,
        status: status.map_err(|error| causes(&error)),
    }))
}

/// What was slower in the last verified run than in the one of its kind before. Records that their journals do not bear out
/// are left out.
pub(crate) fn slower(found: Vec<FoundDrill>) -> Vec<SlowerStep> {
    let records = found.into_iter().filter_map(|drill| drill.record.ok());
    let mut verified: Vec<_> = records
        .filter_map(|record| Some((record.measured.clocks.verified?, record)))
        .collect();
    verified.sort_by_key(|(at, _)| *at);
    let Some((_, last)) = verified.pop() else {
        return Vec::new();
    };
    let mut earlier = verified.iter().rev().map(|(_, record)| record);
    let before = earlier.find(|record| record.measured.mode == last.measured.mode);
    let slower = before.map_or_else(Vec::new, |before| last.slower_than(before));
    let told = slower
        .into_iter()
        .map(|(step, now_ms, before_ms)| SlowerStep {
            step,
            now_ms,
            before_ms,
        });
    told.collect()
}

fn last_verified(found: &[FoundDrill]) -> Option<DrillRecord> {
    let records = found.iter().filter_map(|drill| drill.record.as_ref().ok());
    let verified = records.filter_map(|record| Some((record.measured.clocks.verified?, record)));
    let last = verified.max_by_key(|(at, _)| *at);
    last.map(|(_, record)| record.clone())
}

fn disputed(found: &[FoundDrill]) -> Vec<String> {
    let disputed = found.iter().filter_map(|drill| {
        let why = drill.record.as_ref().err()?;
        Some(format!("{}: {why}", drill.name))
    });
    disputed.collect()
}

async fn summary(store: &impl Store) -> Known<PreflightSummary> {
    let last = last_preflight(store)
        .await
        .map_err(|error| store_told(&error))?;
    let Some(KeptPreflight { id, found }) = last else {
        return Ok(None);
    };
    let found = found?;
    Ok(Some(PreflightSummary {
        id: id.to_string(),
        at: found.at,
        verdict: found.verdict(),
        wrong: found.count(Found::Wrong),
        unknown: found.count(Found::Unknown),
        alone: found.alone,
    }))
}

/// What a run was for and where it was made, as far as that is no matter of course.
fn where_made(record: &DrillRecord) -> String {
    let purpose = record.purpose.map_or("", |purpose| match purpose {
        Purpose::Drill => " (a drill",
        Purpose::Real => " (real",
    });
    let place = match &record.made_in {
        MadeIn::Account { id } => format!("in account {id}"),
        MadeIn::Emulator { .. } => "on an emulator".to_owned(),
        MadeIn::NotKnown => "in an account that is not known".to_owned(),
    };
    match purpose.is_empty() {
        true => format!(" ({place})"),
        false => format!("{purpose}, {place})"),
    }
}

fn days(from: Timestamp, to: Timestamp) -> String {
    match to.duration_since(from).as_hours() / 24 {
        0 => "today".to_owned(),
        1 => "1 day ago".to_owned(),
        days => format!("{days} days ago"),
    }
}

impl Report for RunbookStatus {
    const KIND: &'static str = "status";

    fn document(&self) -> Document {
        let unknown = |why: &String| (Mark::Unknown, format!("not known: {why}"));
        let serves = match &self.marker {
            Ok(Some(marker)) if marker.failed_over => (
                Mark::Wrong,
                format!("{}: failed over by run {}", marker.dr, marker.run),
            ),
            Ok(Some(marker)) if self.contradicts(marker).is_some() => {
                (Mark::Wrong, self.contradicts(marker).unwrap_or_default())
            }
            Ok(_) => (Mark::Ok, self.primary.to_string()),
            Err(why) => unknown(why),
        };
        let run = match &self.run {
            Ok(None) => (Mark::Plain, "there was none".to_owned()),
            Ok(Some(RunSummary { lease, status })) => {
                let (run, holder) = (&lease.run, &lease.holder);
                match (status, lease.state) {
                    (Err(why), _) => unknown(why),
                    (Ok(RunStatus::Finished), _) => (Mark::Ok, format!("{run} is finished")),
                    (Ok(RunStatus::Abandoned { .. }), _) => {
                        (Mark::Plain, format!("{run} was given up"))
                    }
                    (Ok(_), LeaseState::Held) => (
                        Mark::Wrong,
                        format!(
                            "{run}: {holder} carries it, the lease was renewed at {:.0}",
                            lease.renewed
                        ),
                    ),
                    (Ok(_), _) => (Mark::Wrong, format!("{run} was left by {holder}")),
                }
            }
            Err(why) => unknown(why),
        };
        let verified = match &self.verified {
            Ok(None) => (Mark::Unknown, "none has left a report".to_owned()),
            Ok(Some(record)) => {
                let report = &record.measured;
                let (mark, how) = match report.meets_objectives {
                    Some(true) => (Mark::Ok, "within the objectives"),
                    Some(false) => (Mark::Wrong, "outside the objectives"),
                    None => (Mark::Unknown, "not all of it was measured"),
                };
                let when = report.clocks.verified.map(|at| days(at, self.at));
                (
                    mark,
                    format!(
                        "{}{}, {}, {how}",
                        report.run,
                        where_made(record),
                        when.unwrap_or_default()
                    ),
                )
            }
            Err(why) => unknown(why),
        };
        let slower = match &self.slower {
            Ok(steps) if steps.is_empty() => None,
            Ok(steps) => {
                let told = steps.iter().map(|slower| {
                    let (now, before) = (slower.now_ms / 1000, slower.before_ms / 1000);
                    format!("{} {now} s after {before} s", slower.step)
                });
                Some((Mark::Wrong, told.collect::<Vec<_>>().join(", ")))
            }
            Err(why) => Some(unknown(why)),
        };
        let disputed = match &self.disputed {
            Ok(disputed) if disputed.is_empty() => None,
            Ok(disputed) => Some((Mark::Wrong, disputed.join("; "))),
            Err(why) => Some(unknown(why)),
        };
        let preflight = match &self.preflight {
            Ok(None) => (Mark::Unknown, "none was kept".to_owned()),
            Ok(Some(last)) => {
                let alone = if last.alone {
                    ", without the primary region"
                } else {
                    ""
                };
                let when = days(last.at, self.at);
                let (wrong, unknown) = (last.wrong, last.unknown);
                (
                    last.verdict.mark(),
                    format!("{when}{alone}: {wrong} wrong, {unknown} unknown"),
                )
            }
            Err(why) => unknown(why),
        };
        let unprotected = self.unprotected.as_ref();
        let ledger = match &self.ledger {
            Ok(Some(_)) => None,
            Ok(None) => Some((Mark::Unknown, "none is kept".to_owned())),
            Err(why) => Some(unknown(why)),
        };
        let facts = [
            Some(("serves", serves)),
            unprotected.map(|why| ("unprotected", (Mark::Wrong, why.clone()))),
            Some(("run", run)),
            Some(("last verified run", verified)),
            disputed.map(|disputed| ("records that do not count", disputed)),
            slower.map(|slower| ("slower than before", slower)),
            Some(("last preflight", preflight)),
            ledger.map(|ledger| ("what would be lost", ledger)),
        ];
        let recovered = match self.unprotected {
            Some(_) => "recovered nowhere".to_owned(),
            None => format!("recovered in {}", self.dr),
        };
        let heading = format!("{}: {}, {recovered}", self.environment, self.primary);
        let document = facts.into_iter().flatten().fold(
            Document::new().heading(heading),
            |document, (label, (mark, value))| document.fact(mark, label, value),
        );
        match &self.ledger {
            Ok(Some(ledger)) => document.append(ledger.document()),
            _ => document,
        }
    }
}
