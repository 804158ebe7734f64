//! What follows from the records of a run at a moment: what it measured, what an hour in the DR region costs, for how long
//! the environment has been in another country.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cost::{PriceBook, Usd, database_hour};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize as _, Serialize};
use settings::{Country, Region};

use crate::failback::names as back;
use crate::failover::{RestoreInputs, names};
use crate::{
    JournalError, Mode, Plan, RunReport, RunState, StepId, Store, StoreError,
    journal::read_records, list_runs,
};

/// When an environment came home from where a failover brought it, if it did, or why that is not known.
pub type Returned = Result<Option<Timestamp>, String>;

/// What follows from the records of a run at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFacts {
    /// What it measured.
    pub report: RunReport,
    /// What an hour in the DR region costs; null of a run that leads home.
    pub dr_hour: Option<HourlyCost>,
    /// For how long the environment was in another country than its data may lie in; null where it was not.
    pub outside_country: Option<OutsideCountry>,
}

impl RunFacts {
    /// What the records say at `at`. `returned` is when the environment came home from where a failover brought it, or why
    /// that is not known.
    pub fn of(state: &RunState, at: Timestamp, returned: Returned) -> Self {
        let plan = &state.plan;
        Self {
            report: RunReport::of(state),
            dr_hour: (plan.way().1 == plan.dr && plan.mode != Mode::Commit)
                .then(|| HourlyCost::of(plan)),
            outside_country: OutsideCountry::of(state, at, returned),
        }
    }
}

/// What an hour costs while the environment is in the DR region, as far as the plan lets that be known. It is always more:
/// what is not counted is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HourlyCost {
    /// US dollars, at least; null where nothing could be priced.
    pub usd_at_least: Option<Usd>,
    /// The date of the price book.
    pub prices_of: Option<Date>,
    /// What is counted, with its price.
    pub counted: BTreeMap<String, Usd>,
    /// What is not, and why.
    pub not_counted: Vec<String>,
}

/// The prices of this release. The pages of a run are written after each of its records.
pub(crate) static PRICES: LazyLock<Option<PriceBook>> = LazyLock::new(|| PriceBook::builtin().ok());

impl HourlyCost {
    /// What the restored databases of a plan cost.
    pub fn of(plan: &Plan) -> Self {
        let mut cost = Self {
            usd_at_least: None,
            prices_of: PRICES.as_ref().map(PriceBook::version),
            counted: BTreeMap::new(),
            not_counted: Vec::new(),
        };
        let restores = plan.steps.iter();
        for step in restores.filter(|step| step.id.kind() == names::RESTORE) {
            match database(plan, &step.inputs) {
                Ok((what, usd)) => {
                    let sum = cost.usd_at_least.get_or_insert_default();
                    *sum += usd;
                    cost.counted.insert(what, usd);
                }
                Err(why) => cost.not_counted.push(format!("{}: {why}", step.id)),
            }
        }
        cost.not_counted.push(
            match plan.drill {
                None => "storage, requests, transfer, and what Terraform brings up",
                // Its copies of objects are counted beside this, and it has no Terraform.
                Some(_) => "storage of databases, keys, and the requests of parts",
            }
            .to_owned(),
        );
        cost
    }
}

fn database(plan: &Plan, inputs: &serde_json::Value) -> Result<(String, Usd), String> {
    let RestoreInputs { plan: restore, .. } = RestoreInputs::deserialize(inputs)
        .map_err(|_| "it is not known as what it is restored".to_owned())?;
    let class = restore.wanted.class.as_ref();
    let class = class.ok_or("the settings leave its class to that of the source")?;
    let engine = restore.engine.as_ref();
    let engine = engine.ok_or("RDS does not say what the source ran")?;
    let zones = match restore.wanted.multi_az {
        true => "two zones",
        false => "one zone",
    };
    let what = format!("{}: {} {class}, {zones}", restore.target, engine.name);
    let book = PRICES.as_ref().ok_or("there is no price book")?;
    let hour = database_hour(
        book,
        plan.dr,
        &engine.name,
        class.as_str(),
        restore.wanted.multi_az,
    );
    let hour = hour.ok_or_else(|| format!("the price book has no {what} in {}", plan.dr))?;
    Ok((what, hour))
}

/// For how long the environment was in another country, by exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutsideCountry {
    /// The region.
    pub region: Region,
    /// Its country.
    pub country: Country,
    /// From when: the declaration, or the cut-over of a planned failover.
    pub from: Timestamp,
    /// Until when; null while it is there.
    pub until: Option<Timestamp>,
    /// From then until it came home, or until this was written.
    pub seconds: u64,
    /// Why it is not known whether it came home; null where that is known.
    pub not_known: Option<String>,
    /// By whose word: the exceptions from the residency policy, with reason, approver and last day.
    pub exceptions: Vec<String>,
    /// Why it went on although one had run out.
    pub despite: Option<String>,
}

impl OutsideCountry {
    fn of(state: &RunState, at: Timestamp, returned: Returned) -> Option<Self> {
        let plan = &state.plan;
        let notes = &plan.residency;
        if !notes.is_outside(plan.dr, plan.primary) {
            return None;
        }
        let (from, until) = match plan.mode {
            Mode::Failback => (notes.since?, Ok(cut_over(state))),
            Mode::RegionLoss => (plan.declared.declared, returned),
            Mode::Planned => (cut_over(state)?, returned),
            Mode::Undo | Mode::Commit => return None,
        };
        let (until, not_known) = match until {
            Ok(until) => (until, None),
            Err(why) => (None, Some(why)),
        };
        let seconds = until.unwrap_or(at).duration_since(from).as_secs();
        Some(Self {
            region: plan.dr,
            country: plan.dr.country(),
            from,
            until,
            // Two clocks may differ: less than nothing is nothing.
            seconds: u64::try_from(seconds).unwrap_or(0),
            not_known,
            exceptions: notes.exceptions.clone(),
            despite: notes.despite.clone(),
        })
    }
}

/// When a planned move has cut over.
pub(crate) fn cut_over(state: &RunState) -> Option<Timestamp> {
    let id = StepId::new(back::CUT_OVER);
    state.result(&id)?;
    state.steps.get(&id)?.ended
}

/// When the environment came home from where `failover` brought it, and by which run; `None` while it is there.
///
/// # Errors
/// When the records of a run that came later cannot be read: then nobody knows.
pub async fn returned(
    store: &impl Store,
    failover: &RunState,
) -> Result<Option<(RunState, Timestamp)>, JournalError> {
    let back = failbacks(store, failover).await?;
    let home = back
        .into_iter()
        .filter_map(|state| Some((cut_over(&state)?, state)));
    let first = home.min_by_key(|(at, _)| *at);
    Ok(first.map(|(at, state)| (state, at)))
}

/// The failbacks from where `failover` brought the environment, the newest first, whether they came to their end or not.
///
/// # Errors
/// When the records of a run cannot be read: then nobody knows.
pub(crate) async fn failbacks(
    store: &impl Store,
    failover: &RunState,
) -> Result<Vec<RunState>, JournalError> {
    let run = &failover.plan.run;
    let declared = failover.plan.declared.declared;
    let runs = list_runs(store)
        .await
        .map_err(|source| unlisted(store, source))?;
    let mut found = Vec::new();
    for other in runs.iter().filter(|other| *other != run) {
        let records = read_records(store, other).await?;
        let Some(state) = RunState::replay(&records) else {
            continue;
        };
        // Clocks of machines differ, so that names tell which came first only where the plan does not.
        let is_of_it = match state.plan.residency.since {
            Some(since) => since == declared,
            None => other > run,
        };
        if state.plan.mode == Mode::Failback && is_of_it {
            found.push(state);
        }
    }
    Ok(found)
}

/// The newest run that puts back what `switchover` had changed, which was given up.
///
/// # Errors
/// When the records of a run cannot be read: then nobody knows.
pub(crate) async fn put_back(
    store: &impl Store,
    switchover: &RunState,
) -> Result<Option<RunState>, JournalError> {
    let run = &switchover.plan.run;
    let runs = list_runs(store)
        .await
        .map_err(|source| unlisted(store, source))?;
    for other in runs.iter().filter(|other| *other != run) {
        let state = RunState::replay(&read_records(store, other).await?);
        let of_it = state.filter(|state| state.plan.undoes.as_ref() == Some(run));
        if of_it.is_some() {
            return Ok(of_it);
        }
    }
    Ok(None)
}

fn unlisted(store: &impl Store, source: StoreError) -> JournalError {
    JournalError::Store {
        place: store.place("runs/"),
        source,
    }
}
