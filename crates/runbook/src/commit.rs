//! The plan of a commit: the environment stays where it was failed over to. What it lacks there of a primary region is made, and
//! where a new DR region is given, the copies in it. The region that is left is not called: it may never come back.

mod difference;
mod records;

use std::collections::BTreeMap;

use dr::objects::Pairing;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::{Committed, Settings};

pub use self::difference::difference;
pub use self::records::carry_records;

use crate::failback::pinned;
use crate::failover::names as failover_names;
use crate::plan::{Goals, Mode, Plan, ResidencyNotes, RunId, StepId};
use crate::planned::{Planner, or_problem};
use crate::record::Digest;
use crate::steps::secrets::SecretInputs;
use crate::{Declared, Host, RunState};

/// The names of the steps.
pub(crate) mod names {
    pub(crate) use crate::failback::names::{
        BACKUPS, OBJECTS, RELEASE, SECRET_REPLICA, STATE_PARITY,
    };

    pub(crate) const STAY: &str = "stay";
    pub(crate) const PROTECT: &str = "protect";
    pub(crate) const STATE_COPY: &str = "state-copy";
    pub(crate) const BUCKET: &str = "bucket";
    pub(crate) const COMMIT: &str = "commit";
}

/// What a commit is planned from.
#[derive(Debug)]
pub struct CommitRequest<'a> {
    /// The name that the run gets, which is in its settings.
    pub run: RunId,
    /// The environment, as its settings are until then.
    pub settings: &'a Settings,
    /// Of the settings' file: a run goes on by those that it was planned with.
    pub settings_digest: Digest,
    /// Where it stays.
    pub committed: &'a Committed,
    /// What the settings mean from then on.
    pub means: &'a Settings,
    /// Of those.
    pub means_digest: Digest,
    /// How the file changes, in lines.
    pub difference: Vec<String>,
    /// The account of the credentials, as STS of the region that serves says.
    pub account: Option<String>,
    /// The run that brought the environment where it is. One that was committed before has marked nothing.
    pub last: &'a RunState,
    /// That the regions serve which the environment has from then on, and how that is known.
    pub declared: Declared,
    /// Versions of this software and of what it will run.
    pub versions: BTreeMap<String, String>,
}

/// What is decided for the step behind which the environment has other settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInputs {
    /// Where it stays.
    pub committed: Committed,
    /// Of the settings that it has from then on.
    pub settings: Digest,
    /// How their file changes, in lines.
    pub difference: Vec<String>,
}

/// An instance that is to have backups of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProtectInputs {
    pub(crate) instance: String,
    pub(crate) retention_days: u32,
}

impl CommitInputs {
    /// Of a run that commits; `None` of another one.
    pub fn of(plan: &Plan) -> Option<Self> {
        let step = plan.step(&StepId::new(names::COMMIT))?;
        Self::deserialize(&step.inputs)
            .ok()
            .filter(|_| plan.mode == Mode::Commit)
    }
}

/// Plans a commit. Calls nothing.
pub fn plan_commit(request: CommitRequest<'_>, host: &impl Host) -> Plan {
    let (settings, means) = (request.settings, request.means);
    let committed = request.committed;
    let to = committed.to;
    let mut planner = Planner::new(request.run);
    let one = |name: &str| StepId::new(name);
    let stay = [one(names::STAY)];
    let title = format!("Look whether the environment is in {to}, and {to} serves");
    planner.add(&stay[0], &title, &[], Value::Null);
    let mut before = stay.to_vec();
    for database in &means.databases {
        let id = StepId::of(names::PROTECT, database.id.as_ref());
        let days = database.retention_days;
        let title = format!(
            "Keep backups of {} for {days} days, and keep it from deletion",
            database.id
        );
        let inputs = json!(ProtectInputs {
            instance: database.id.to_string(),
            retention_days: days,
        });
        planner.add(&id, &title, &stay, inputs);
        before.push(id);
    }
    if committed.dr.is_some() {
        plan_copies(&mut planner, means, &mut before);
    }
    let title = format!("Make {to} the primary region, for good");
    let inputs = json!(CommitInputs {
        committed: committed.clone(),
        settings: request.means_digest,
        difference: request.difference,
    });
    planner.add(&one(names::COMMIT), &title, &before, inputs);
    let left = match settings.unprotected {
        None => settings.regions.primary,
        Some(_) => settings.regions.dr,
    };
    let gate = match &committed.dr {
        Some(_) => {
            format!("no failback leads to {left} any more; what only {left} has is given up")
        }
        None => format!(
            "no failback leads to {left} any more; what only {left} has is given up, and nothing has a copy in another region"
        ),
    };
    planner.gate(&gate);
    // A run that is given up before leaves them to the failback, which takes them off itself.
    if request
        .last
        .plan
        .step(&StepId::new(failover_names::PIN))
        .is_some()
    {
        let title = "Let copies of before be deleted again";
        let committed = [one(names::COMMIT)];
        let inputs = or_problem(pinned(request.last));
        planner.add(&one(names::RELEASE), title, &committed, inputs);
    }
    let Planner { run, steps } = planner;
    Plan {
        run,
        mode: Mode::Commit,
        environment: settings.name(),
        drill: None,
        undoes: None,
        account: request.account,
        primary: left,
        dr: to,
        declared: request.declared,
        residency: ResidencyNotes::new(means, None),
        fault: None,
        planned: host.now(),
        operator: host.holder().operator.clone(),
        settings: request.settings_digest,
        versions: request.versions,
        objectives: Goals::from(settings.objectives),
        steps,
    }
}

/// What the new DR region gets.
fn plan_copies(planner: &mut Planner, means: &Settings, before: &mut Vec<StepId>) {
    let dr = means.regions.dr;
    let one = |name: &str| StepId::new(name);
    let stay = [one(names::STAY)];
    let title = format!("Make the state's bucket and locks in {dr}, and copy the states there");
    planner.add(&one(names::STATE_COPY), &title, &stay, Value::Null);
    let title = "Wait until every Terraform state is the same in both regions";
    let copied = [one(names::STATE_COPY)];
    planner.add(&one(names::STATE_PARITY), title, &copied, Value::Null);
    before.push(one(names::STATE_PARITY));
    for pair in Pairing::from(means).pairs() {
        let name = pair.primary.name.as_ref();
        let bucket = StepId::of(names::BUCKET, name);
        let title = format!("Make {}, and replicate {name} to it", pair.dr.name);
        // The records of what is copied lie beside the state's copy.
        planner.add(&bucket, &title, &copied, json!(pair));
        let id = StepId::of(names::OBJECTS, name);
        let title = format!("Copy what {} lacks of {name}", pair.dr.name);
        planner.add(&id, &title, &[bucket], json!(pair));
        before.push(id);
    }
    for database in &means.databases {
        let id = StepId::of(names::BACKUPS, database.id.as_ref());
        let title = format!("Replicate the backups of {} to {dr}", database.id);
        let protected = [StepId::of(names::PROTECT, database.id.as_ref())];
        planner.add(&id, &title, &protected, json!(true));
        before.push(id);
        for secret in &database.secrets {
            let id = StepId::of(names::SECRET_REPLICA, secret.name.as_str());
            let title = format!("Replicate the secret {} to {dr}", secret.name);
            let inputs = json!(SecretInputs {
                secret: secret.clone(),
                instance: database.id.to_string(),
            });
            planner.add(&id, &title, &stay, inputs);
            before.push(id);
        }
    }
}
