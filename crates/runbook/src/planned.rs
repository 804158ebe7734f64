//! What plans of moves between two regions that both serve have in common: a failback, and a switchover, which is the same
//! road the other way.

use dr::database::{LastSnapshot, RdsClients, RunName, Whose, last_snapshot_id};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::{Database, HookPoint, Region, ReplicaLocks, Settings, State, StateDr};

use crate::failback::names;
use crate::failover::{Impossible, hook};
use crate::lease::causes;
use crate::plan::{PlannedStep, RunId, StepId};
use crate::steps::consistency::ConsistencyPlace;
use crate::steps::hook::HookInputs;

/// The settings as the steps of a planned move take them.
#[derive(Debug, Clone)]
pub struct TurnedSettings {
    /// With the regions changed over: the primary region is what receives, and each database's source its instance in the DR
    /// region. What a failover does to the DR region, a failback does to the primary region by these.
    pub primary: Settings,
    /// The same with the DR environment's root module, whose state is at home in the primary region, and its variables as they
    /// are to be while that region serves.
    pub pilot_light: Settings,
    /// The same with its variables as they are when the DR region serves: before a switchover cannot be taken back, what it
    /// brings up is in the state at home.
    pub brought_up: Settings,
}

impl TurnedSettings {
    /// Of an environment's settings. Databases without a way back are left out of the turned ones.
    pub fn of(settings: &Settings) -> Self {
        let mut primary = settings.clone();
        primary.regions.primary = settings.regions.dr;
        primary.regions.dr = settings.regions.primary;
        primary.state = turned_state(settings);
        let databases = settings.databases.iter();
        primary.databases = databases.filter_map(Database::turned).collect();
        let failback = &settings.failback;
        primary.failover.terraform = failback.terraform.clone();
        primary.failover.variables = failback.variables.clone();
        primary.failover.restored_database = failback.restored_database.clone();
        primary.failover.marker_bucket = None;
        let mut pilot_light = primary.clone();
        pilot_light.failover.terraform = settings.failover.terraform.clone();
        pilot_light.failover.variables = failback.pilot_light.clone();
        pilot_light.failover.restored_database = None;
        let mut brought_up = pilot_light.clone();
        brought_up.failover.variables = settings.failover.variables.clone();
        brought_up.failover.restored_database = settings.failover.restored_database.clone();
        Self {
            primary,
            pilot_light,
            brought_up,
        }
    }
}

/// The backend with its sides changed over: what a failover does to the state of the DR region, it does to that of the primary
/// region by this.
fn turned_state(settings: &Settings) -> State {
    let mut state = settings.state.clone();
    state.old_lock_table = None;
    if let StateDr::Replicated(replica) = &mut state.dr {
        replica.region = settings.regions.primary;
        std::mem::swap(&mut state.bucket, &mut replica.bucket);
        std::mem::swap(&mut state.encryption, &mut replica.encryption);
        // A global table has one name in both regions.
        if let (ReplicaLocks::OwnTable(own), Some(table)) =
            (&mut replica.locks, &mut state.lock_table)
        {
            std::mem::swap(own, table);
        }
    }
    state
}

/// The instance that a database is moved from, as whoever planned the move saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceInstance {
    /// The database, as the settings name it.
    pub(crate) database: String,
    pub(crate) instance: String,
    pub(crate) whose: Whose,
}

/// The steps of a plan in the making.
pub(crate) struct Planner {
    pub(crate) run: RunId,
    pub(crate) steps: Vec<PlannedStep>,
}

impl Planner {
    pub(crate) fn new(run: RunId) -> Self {
        Self {
            run,
            steps: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, id: &StepId, title: &str, after: &[StepId], inputs: Value) {
        self.steps.push(PlannedStep {
            id: id.clone(),
            title: title.to_owned(),
            after: after.to_vec(),
            gate: None,
            inputs,
        });
    }

    /// What a person agrees to before the step that was added last.
    pub(crate) fn gate(&mut self, question: &str) {
        if let Some(step) = self.steps.last_mut() {
            step.gate = Some(question.to_owned());
        }
    }

    pub(crate) fn name(&self) -> Result<RunName, Impossible> {
        self.run.as_str().parse().map_err(impossible)
    }

    /// The command that the settings have for a point; its step, where they have one.
    pub(crate) fn hook(
        &mut self,
        settings: &Settings,
        point: HookPoint,
        after: &[StepId],
    ) -> Option<StepId> {
        let names: Vec<&str> = after.iter().map(|step| step.0.as_str()).collect();
        let step = hook(settings, point, &names)?;
        let id = step.id.clone();
        self.steps.push(step);
        Some(id)
    }

    /// Writers stop in `region`: by a command of the project, or by the word of whoever agrees to it.
    pub(crate) fn drain(&mut self, settings: &Settings, region: Region, after: &[StepId]) {
        let stopped = self.hook(settings, HookPoint::StopWriters, after);
        if stopped.is_some() {
            self.gate(&format!(
                "stop what writes in {region}: nobody can write until the cut-over"
            ));
        }
        let after = stopped.map_or_else(|| after.to_vec(), |step| vec![step]);
        let title = format!("Stop what writes in {region}");
        let proof = proof(settings);
        let is_proven = proof.is_some();
        self.add(&StepId::new(names::DRAIN), &title, &after, json!(proof));
        if !is_proven {
            self.gate(&format!(
                "nothing writes to the databases and buckets of {region} any more, and nothing will before the end of the run"
            ));
        }
    }

    /// The steps in which databases are asked whether their rows and the objects belong together.
    pub(crate) fn consistency(
        &mut self,
        settings: &Settings,
        place: &ConsistencyPlace<'_>,
    ) -> Vec<StepId> {
        let steps = place.steps(settings);
        let ids = steps.iter().map(|step| step.id.clone()).collect();
        self.steps.extend(steps);
        ids
    }

    /// The last snapshot of the instance `source` of a database, and its copy in `to`.
    pub(crate) fn last_snapshot(
        &mut self,
        database: &Database,
        source: &str,
        snapshot: Result<LastSnapshot, Impossible>,
        to: Region,
    ) {
        let of = |kind: &str| StepId::of(kind, database.id.as_ref());
        let title = format!("Take the last snapshot of {source}");
        let drain = [StepId::new(names::DRAIN)];
        self.add(&of(names::SNAPSHOT), &title, &drain, or_problem(snapshot));
        let title = format!("Copy it to {to}");
        let inputs = json!({"database": database.id});
        self.add(&of(names::COPY), &title, &[of(names::SNAPSHOT)], inputs);
    }

    /// What is taken of a database that goes this `way`.
    pub(crate) async fn snapshot_of(
        &self,
        settings: &Settings,
        way: &Database,
        from: &RdsClients,
    ) -> Result<LastSnapshot, Impossible> {
        let there = from.instance(way.id.as_ref()).await;
        let there = there.map_err(|error| unknown(&error))?;
        let resource_id = there.and_then(|there| there.resource_id);
        let resource_id = resource_id
            .ok_or_else(|| impossible(format!("{} has no instance {}", from.region(), way.id)))?;
        Ok(LastSnapshot {
            instance: way.id.to_string(),
            resource_id,
            snapshot: last_snapshot_id(way.id.as_ref(), &self.name()?),
            tags: settings.tags.clone(),
        })
    }
}

/// The command that proves that nobody writes, where the settings have one.
pub(crate) fn proof(settings: &Settings) -> Option<HookInputs> {
    let point = HookPoint::Drained;
    let hook = settings.hooks.get(&point)?.clone();
    Some(HookInputs { point, hook })
}

pub(crate) fn impossible(problem: impl ToString) -> Impossible {
    Impossible {
        problem: problem.to_string(),
        hint: None,
        is_unknown: false,
    }
}

pub(crate) fn unknown(error: &aws_env::Error) -> Impossible {
    Impossible {
        is_unknown: true,
        ..impossible(causes(error))
    }
}

pub(crate) fn or_problem<T: Serialize>(inputs: Result<T, Impossible>) -> Value {
    match inputs {
        Ok(inputs) => json!(inputs),
        Err(impossible) => json!(impossible),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn settings_turned_round_have_the_state_of_the_primary_region_where_a_failover_looks() {
        let text = include_str!("../../../examples/berthcare-staging/infra.toml");
        let settings = Settings::parse(text, date(2026, 11, 30)).unwrap();
        let turned = TurnedSettings::of(&settings);
        for (of, root) in [
            (&turned.primary, &settings.failback.terraform),
            (&turned.pilot_light, &settings.failover.terraform),
            (&turned.brought_up, &settings.failover.terraform),
        ] {
            let told = json!(of.state.dr);
            assert_eq!(told["bucket"], settings.state.bucket.as_str());
            assert_eq!(told["lock_table"], "berthcare-terraform-locks");
            assert_ne!(of.state.bucket, settings.state.bucket);
            assert_eq!(of.regions.dr, settings.regions.primary);
            assert_eq!(of.failover.terraform, *root);
            // Turned twice it is itself.
            assert_eq!(turned_state(of), settings.state);
        }
        assert_eq!(turned.primary.databases[0].dr_id, settings.databases[0].id);
        let (up, light) = (&turned.brought_up.failover, &turned.pilot_light.failover);
        assert_eq!(up.variables, settings.failover.variables);
        assert_eq!(light.variables, settings.failback.pilot_light);
    }
}
