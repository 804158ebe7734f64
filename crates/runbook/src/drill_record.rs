//! What a run leaves for those who ask later whether a failover has been practised: one record, of drills and of real
//! failovers, that is checked against the journal of its run before it counts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use report::finding::{Observation, Unobserved};
use serde::{Deserialize, Serialize};
use settings::Region;

use crate::facts::cut_over;
use crate::failover::names;
use crate::journal::{JournalSeal, read_sealed};
use crate::lease::causes;
use crate::steps::{REPORTS, record_key};
use crate::{Mode, RunId, RunReport, RunState, RunStatus, StepId, Store, StoreError};

/// A quarter, and a week's grace.
pub(crate) const DRILL_DAYS: i64 = 92 + 7;
/// The account of emulators, which is nobody's.
const NOBODYS_ACCOUNT: &str = "000000000000";

/// Where a run was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum MadeIn {
    /// In an account of AWS.
    Account {
        /// Its ID.
        id: String,
    },
    /// Something stood in for AWS.
    Emulator {
        /// Where it answered, if that is known.
        endpoint: Option<String>,
    },
    /// The credentials' account was not known.
    NotKnown,
}

impl MadeIn {
    pub(crate) fn of(state: &RunState) -> Self {
        match (&state.stand_in, state.plan.account.as_deref()) {
            (Some(endpoint), _) => Self::Emulator {
                endpoint: Some(endpoint.clone()),
            },
            (None, Some(NOBODYS_ACCOUNT)) => Self::Emulator { endpoint: None },
            (None, Some(id)) => Self::Account { id: id.to_owned() },
            (None, None) => Self::NotKnown,
        }
    }
}

/// What a run was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To practise: on an emulator, or as whoever began it said.
    Drill,
    /// It was meant.
    Real,
}

impl Purpose {
    pub(crate) fn of(state: &RunState) -> Self {
        match (MadeIn::of(state), state.plan.declared.exercise) {
            (MadeIn::Emulator { .. }, _) | (_, true) => Self::Drill,
            (MadeIn::Account { .. } | MadeIn::NotKnown, false) => Self::Real,
        }
    }

    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drill => "drill",
            Self::Real => "real",
        }
    }
}

/// That a run was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// By whom.
    pub by: String,
    /// Their reason, in their words.
    pub reason: String,
}

impl GivenUp {
    fn of(state: &RunState) -> Option<Self> {
        match &state.status {
            RunStatus::Abandoned { by, reason } => Some(Self {
                by: by.clone(),
                reason: reason.clone(),
            }),
            RunStatus::Open | RunStatus::Stopped { .. } | RunStatus::Finished => None,
        }
    }
}

/// What a run measured, where it was made, and by which journal that can be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRecord {
    /// What it measured.
    #[serde(flatten)]
    pub measured: RunReport,
    /// Where it was made.
    pub made_in: MadeIn,
    /// Whether it was a drill; left out by an earlier version, which did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Who gave it up, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<GivenUp>,
    /// The region that serves after it.
    pub serves: Region,
    /// How long each step took, in milliseconds.
    pub steps_ms: BTreeMap<StepId, u64>,
    /// The records of the run until this one was written.
    pub journal: JournalSeal,
}

impl DrillRecord {
    /// What the records say that `journal` names.
    pub fn of(state: &RunState, journal: JournalSeal) -> Self {
        let steps = state.steps.iter().filter(|(_, step)| step.is_settled());
        let steps = steps.filter_map(|(id, step)| {
            let took = step.ended?.duration_since(step.began?).as_millis();
            Some((id.clone(), u64::try_from(took).unwrap_or(0)))
        });
        Self {
            measured: RunReport::of(state),
            made_in: MadeIn::of(state),
            purpose: Some(Purpose::of(state)),
            given_up: GivenUp::of(state),
            serves: serves(state),
            steps_ms: steps.collect(),
            journal,
        }
    }

    /// Whether everything that it says follows from the journal of its run; why not, else.
    async fn check(&self, store: &impl Store) -> Result<(), String> {
        let run = &self.measured.run;
        let records = read_sealed(store, run, self.journal).await;
        let records = records.map_err(|error| causes(&error))?;
        let state = records.as_ref().and_then(RunState::replay);
        match state {
            None => Err(format!(
                "the journal of run {run} is not there, or has other records"
            )),
            Some(state) if self.is_what(Self::of(&state, self.journal)) => Ok(()),
            Some(_) => Err(format!(
                "it does not say what the journal of run {run} says"
            )),
        }
    }

    /// Whether it is what was derived. What an earlier version did not say counts for nothing, and contradicts nothing.
    fn is_what(&self, derived: Self) -> bool {
        let purpose = self.purpose.and(derived.purpose);
        Self { purpose, ..derived } == *self
    }

    /// The steps that took longer than in `before`, by a quarter and ten seconds at least, with both times in
    /// milliseconds.
    pub fn slower_than(&self, before: &Self) -> Vec<(StepId, u64, u64)> {
        let steps = self.steps_ms.iter();
        let slower = steps.filter_map(|(id, now)| {
            let then = before.steps_ms.get(id)?;
            let much = then
                .saturating_add(then / 4)
                .max(then.saturating_add(10_000));
            (*now > much).then(|| (id.clone(), *now, *then))
        });
        slower.collect()
    }
}

/// The region that serves after a run: of one that was given up, where its last records leave it.
fn serves(state: &RunState) -> Region {
    let (from, to) = state.plan.way();
    let is_moved = match state.plan.mode {
        Mode::RegionLoss => state.result(&StepId::new(names::DECLARE)).is_some(),
        Mode::Planned | Mode::Failback | Mode::Undo => cut_over(state).is_some(),
        // Whoever stays is there already.
        Mode::Commit => true,
    };
    match state.status {
        RunStatus::Abandoned { .. } if !is_moved => from,
        _ => to,
    }
}

/// A record as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDrill {
    /// The name of its file or object.
    pub name: String,
    /// The record, where its journal says the same; why it does not count, else.
    pub record: Result<DrillRecord, String>,
}

/// The records of drills and real failovers of a store, each checked against the journal of its run.
///
/// # Errors
/// When they cannot be listed. One that cannot be read says so itself.
pub async fn read_drills(store: &impl Store) -> Result<Vec<FoundDrill>, StoreError> {
    let mut found = Vec::new();
    for name in store.list(REPORTS).await? {
        let record = match store.read(&name).await {
            Err(error) => Err(causes(&error)),
            Ok(None) => Err("it was listed and is gone".to_owned()),
            Ok(Some(stored)) => checked(store, &stored.bytes).await,
        };
        found.push(FoundDrill { name, record });
    }
    Ok(found)
}

/// The record of one run, if it has left one.
///
/// # Errors
/// When it cannot be read: then nobody knows.
pub(crate) async fn read_drill(
    store: &impl Store,
    run: &RunId,
) -> Result<Option<FoundDrill>, StoreError> {
    let name = record_key(run);
    let Some(stored) = store.read(&name).await? else {
        return Ok(None);
    };
    let record = checked(store, &stored.bytes).await;
    let record = record.and_then(|record| match record.measured.run == *run {
        true => Ok(record),
        false => Err(format!("it is of run {}", record.measured.run)),
    });
    Ok(Some(FoundDrill { name, record }))
}

async fn checked(store: &impl Store, bytes: &[u8]) -> Result<DrillRecord, String> {
    match serde_json::from_slice::<DrillRecord>(bytes) {
        Err(error) => Err(format!("it is no record of a run: {error}")),
        Ok(record) => record.check(store).await.map(|()| record),
    }
}

/// Of whom it is asked whether a failover has been practised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Practised<'a> {
    /// Project and environment.
    pub environment: &'a str,
    /// The account; `None` where nobody knows it.
    pub account: Option<&'a str>,
    /// When it is asked: drills of the quarter before it count.
    pub at: Timestamp,
    /// Whether it is asked of an environment of an emulator: there a drill on one counts.
    pub in_emulator: bool,
}

impl Practised<'_> {
    /// Whether a failover of the environment, in its account, was verified within its objectives in this quarter. Without a
    /// record that counts that is unknown.
    pub fn judge(&self, found: &[FoundDrill]) -> Observation<(bool, String)> {
        let mut left_out = Vec::new();
        let mut newest: Option<(Timestamp, &DrillRecord)> = None;
        for drill in found {
            let record = drill.record.as_ref().map_err(Clone::clone);
            match record.and_then(|record| Ok((self.counts(record)?, record))) {
                Err(why) => left_out.push(format!("{}: {why}", drill.name)),
                Ok((Some(at), record)) if newest.is_none_or(|(newest, _)| at > newest) => {
                    newest = Some((at, record));
                }
                Ok(_) => {}
            }
        }
        let Some((at, record)) = newest else {
            return Err(Unobserved::because(match left_out.is_empty() {
                true => "no failover has left a record".to_owned(),
                false => format!("no record counts: {}", left_out.join("; ")),
            }));
        };
        let since = self.at.duration_since(at);
        let late = since > SignedDuration::from_hours(24 * DRILL_DAYS);
        let (met, how) = match (
            record.measured.clocks.verified,
            record.measured.meets_objectives,
        ) {
            (None, _) => (false, "not verified"),
            (_, Some(true)) => (true, "within the objectives"),
            (_, Some(false)) => (false, "outside the objectives"),
            (_, None) => (false, "and not all of it was measured"),
        };
        let told = format!(
            "run {}, {} days ago, {how}",
            record.measured.run,
            since.as_hours() / 24
        );
        Ok((met && !late, told))
    }

    /// The time of a failover that counts; `None` of the way back, which takes other steps.
    fn counts(&self, record: &DrillRecord) -> Result<Option<Timestamp>, String> {
        let measured = &record.measured;
        if measured.environment != self.environment {
            return Err(format!("it is of {}", measured.environment));
        }
        if let Some(GivenUp { by, reason }) = &record.given_up {
            return Err(format!("it was given up by {by}: {reason}"));
        }
        match &record.made_in {
            MadeIn::Account { id } => match self.account {
                Some(account) if account == id => {}
                Some(_) => return Err(format!("it was made in account {id}")),
                None => return Err("which account is asked about is not known".to_owned()),
            },
            MadeIn::Emulator { .. } if self.in_emulator => {}
            MadeIn::Emulator { .. } => return Err("it was made on an emulator".to_owned()),
            MadeIn::NotKnown => {
                return Err("it does not say in which account it was made".to_owned());
            }
        }
        let at = measured.clocks.verified.unwrap_or(measured.clocks.declared);
        // The way back, what puts a move back and what stays take other steps: they show nothing of a failover.
        let is_failover = matches!(measured.mode, Mode::RegionLoss | Mode::Planned);
        Ok(is_failover.then_some(at))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::record::{Digest, Record};
    use crate::status::slower;
    use crate::{FolderStore, SlowerStep};

    const RUN: &str = "20261101T031500Z-0123456789abcdef";

    /// A run in an account, verified within its objectives, with its journal and its record.
    async fn practise(
        store: &FolderStore,
        run: &str,
        account: Option<&str>,
        stand_in: Option<&str>,
    ) -> DrillRecord {
        practise_for(store, run, (account, stand_in), 1).await
    }

    /// As [`practise`], with a verification that takes so many minutes.
    async fn practise_for(
        store: &FolderStore,
        run: &str,
        (account, stand_in): (Option<&str>, Option<&str>),
        minutes: usize,
    ) -> DrillRecord {
        let declared = "2026-11-01T03:15:00Z";
        let plan = json!({
            "run": run, "mode": "region-loss", "environment": "berthcare-staging", "account": account,
            "primary": "ca-central-1", "dr": "ca-west-1",
            "declared": {"lost": ["ca-central-1"], "evidence": [], "declaration": null, "declared": declared},
            "fault": declared, "planned": declared, "operator": "kim", "settings": "00".repeat(32), "versions": {},
            "objectives": {"rto_seconds": 2700, "rpo_database_seconds": 900, "rpo_objects_seconds": 900},
            "steps": [{"id": "verify", "title": "Verify", "after": []}],
        });
        let events = [
            json!({"event": "planned", "plan": plan}),
            json!({"event": "began", "step": "verify", "attempt": 1}),
            json!({"event": "ended", "step": "verify", "outcome": "done", "changed": true, "result": {}}),
        ];
        let (mut previous, mut records) = (None::<Digest>, Vec::new());
        for (seq, event) in events.iter().enumerate() {
            let minute = 15 + if seq == 2 { 1 + minutes } else { seq };
            let record: Record = serde_json::from_value(json!({
                "run": run, "seq": seq, "epoch": 1, "nonce": seq, "time": format!("2026-11-01T03:{minute}:00Z"),
                "previous": previous, "stand_in": stand_in, "event": event,
            }))
            .unwrap();
            let bytes = serde_json::to_vec_pretty(&record).unwrap();
            store
                .create(&format!("runs/{run}/{seq:06}.json"), &bytes)
                .await
                .unwrap();
            previous = Some(Digest::of(&bytes));
            records.push(record);
        }
        let seal = JournalSeal {
            records: 3,
            digest: previous,
        };
        let record = DrillRecord::of(&RunState::replay(&records).unwrap(), seal);
        keep(store, &format!("{run}.json"), &json!(record)).await;
        record
    }

    async fn keep(store: &FolderStore, name: &str, record: &Value) {
        let bytes = serde_json::to_vec(record).unwrap();
        store.put(&format!("{REPORTS}{name}"), &bytes).unwrap();
    }

    async fn judged(store: &FolderStore, at: &str) -> Observation<(bool, String)> {
        let asked = Practised {
            environment: "berthcare-staging",
            account: Some("123456789012"),
            at: at.parse().unwrap(),
            in_emulator: false,
        };
        asked.judge(&read_drills(store).await.unwrap())
    }

    fn unknown(judged: Observation<(bool, String)>, why: &str) {
        let told = format!("{:?}", judged.unwrap_err());
        assert!(told.contains(why), "{told}");
    }

    const NOW: &str = "2026-11-30T00:00:00Z";

    #[tokio::test]
    async fn record_counts_when_its_journal_says_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path());
        unknown(judged(&store, NOW).await, "no failover has left a record");
        let record = practise(&store, RUN, Some("123456789012"), None).await;
        let (well, told) = judged(&store, NOW).await.unwrap();
        assert!(
            well && told.contains("28 days ago, within the objectives"),
            "{told}"
        );
        assert!(!judged(&store, "2027-03-30T00:00:00Z").await.unwrap().0);
        // Nothing else is changed but one number.
        let mut forged = json!(record);
        forged["rto_from_fault_seconds"] = json!(1);
        keep(&store, &format!("{RUN}.json"), &forged).await;
        unknown(judged(&store, NOW).await, "does not say what the journal");
        forged["journal"]["digest"] = json!("00".repeat(32));
        keep(&store, &format!("{RUN}.json"), &forged).await;
        unknown(judged(&store, NOW).await, "has other records");
        std::fs::remove_dir_all(folder.path().join("runs")).unwrap();
        unknown(judged(&store, NOW).await, "is not there");
    }

    #[tokio::test]
    async fn what_is_no_record_of_this_environment_in_this_account_is_no_drill_that_went_well() {
        let rows = [
            (
                Some("123456789012"),
                Some("http://127.0.0.1:4566"),
                "it was made on an emulator",
            ),
            (Some("000000000000"), None, "it was made on an emulator"),
            (
                Some("999999999999"),
                None,
                "it was made in account 999999999999",
            ),
            (None, None, "does not say in which account"),
        ];
        for (account, stand_in, why) in rows {
            let folder = tempfile::tempdir().unwrap();
            let store = FolderStore::new(folder.path());
            practise(&store, RUN, account, stand_in).await;
            unknown(judged(&store, NOW).await, why);
            let inside = Practised {
                environment: "berthcare-staging",
                account,
                at: NOW.parse().unwrap(),
                in_emulator: true,
            };
            let judged = inside.judge(&read_drills(&store).await.unwrap());
            assert_eq!(
                judged.is_ok_and(|(well, _)| well),
                why.contains("emulator") || account == Some("999999999999"),
                "{why}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path());
        keep(
            &store,
            "drill-20261120-101500.json",
            &json!({"passed": true}),
        )
        .await;
        unknown(judged(&store, NOW).await, "it is no record of a run");
        practise(&store, RUN, Some("123456789012"), None).await;
        let other = Practised {
            environment: "berthcare-production",
            account: None,
            at: NOW.parse().unwrap(),
            in_emulator: false,
        };
        unknown(
            other.judge(&read_drills(&store).await.unwrap()),
            "it is of berthcare-staging",
        );
    }

    #[tokio::test]
    async fn record_says_whether_it_was_a_drill_and_one_of_before_is_not_held_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path());
        let mut record = practise(&store, RUN, Some("123456789012"), None).await;
        assert_eq!(record.purpose, Some(Purpose::Real));
        record.purpose = Some(Purpose::Drill);
        keep(&store, &format!("{RUN}.json"), &json!(record)).await;
        unknown(judged(&store, NOW).await, "does not say what the journal");
        record.purpose = None;
        keep(&store, &format!("{RUN}.json"), &json!(record)).await;
        assert!(judged(&store, NOW).await.unwrap().0);
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path());
        let emulated = practise(&store, RUN, Some("000000000000"), None).await;
        assert_eq!(emulated.purpose, Some(Purpose::Drill));
    }

    #[tokio::test]
    async fn only_a_failover_shows_that_a_failover_works() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path());
        let mut record = practise(&store, RUN, Some("123456789012"), None).await;
        let asked = Practised {
            environment: "berthcare-staging",
            account: Some("123456789012"),
            at: NOW.parse().unwrap(),
            in_emulator: false,
        };
        for mode in [
            Mode::RegionLoss,
            Mode::Planned,
            Mode::Undo,
            Mode::Failback,
            Mode::Commit,
        ] {
            record.measured.mode = mode;
            let found = FoundDrill {
                name: "it".to_owned(),
                record: Ok(record.clone()),
            };
            let counts = matches!(mode, Mode::RegionLoss | Mode::Planned);
            assert_eq!(asked.judge(&[found]).is_ok(), counts, "{mode:?}");
        }
    }

    #[tokio::test]
    async fn run_that_was_given_up_is_no_drill_that_went_well_and_hides_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path());
        let next = "20261102T031600Z-0123456789abcdef";
        practise(&store, next, Some("123456789012"), None).await;
        let run: RunId = next.parse().unwrap();
        let mut records = crate::read_records(&store, &run).await.unwrap();
        let mut last = records[2].clone();
        let bytes = store
            .read(&format!("runs/{next}/000002.json"))
            .await
            .unwrap();
        last.seq = 3;
        last.previous = Some(Digest::of(&bytes.unwrap().bytes));
        last.event = crate::Event::Abandoned {
            by: "Kim".to_owned(),
            reason: "enough".to_owned(),
        };
        let bytes = serde_json::to_vec_pretty(&last).unwrap();
        let key = format!("runs/{next}/000003.json");
        store.create(&key, &bytes).await.unwrap();
        records.push(last);
        let seal = JournalSeal {
            records: 4,
            digest: Some(Digest::of(&bytes)),
        };
        let record = DrillRecord::of(&RunState::replay(&records).unwrap(), seal);
        assert_eq!(record.given_up.as_ref().unwrap().by, "Kim");
        // The region loss was never declared in it.
        assert_eq!(record.serves.as_str(), "ca-central-1");
        keep(&store, &format!("{next}.json"), &json!(record)).await;
        unknown(judged(&store, NOW).await, "it was given up by Kim: enough");
        practise(&store, RUN, Some("123456789012"), None).await;
        assert!(judged(&store, NOW).await.unwrap().0);
    }

    #[tokio::test]
    async fn step_that_took_a_quarter_longer_is_slower_than_before() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path());
        let before = practise(&store, RUN, Some("123456789012"), None).await;
        let mut now = before.clone();
        assert_eq!(now.slower_than(&before), []);
        now.steps_ms.insert(StepId::new("verify"), 69_000);
        assert_eq!(now.slower_than(&before), []);
        now.steps_ms.insert(StepId::new("verify"), 76_000);
        let verify = StepId::new("verify");
        assert_eq!(now.slower_than(&before), [(verify, 76_000, 60_000)]);
    }

    #[tokio::test]
    async fn status_tells_what_was_slower_than_in_the_run_before() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path());
        let slower = async || slower(read_drills(&store).await.unwrap());
        assert_eq!(slower().await, []);
        practise(&store, RUN, None, None).await;
        assert_eq!(slower().await, [], "nothing before it");
        let next = "20261101T031600Z-0123456789abcdef";
        practise_for(&store, next, (None, None), 3).await;
        let verify = SlowerStep {
            step: StepId::new("verify"),
            now_ms: 180_000,
            before_ms: 60_000,
        };
        assert_eq!(slower().await, [verify]);
        // Without its journal the run before says nothing.
        std::fs::remove_dir_all(folder.path().join("runs").join(RUN)).unwrap();
        assert_eq!(slower().await, []);
    }
}
