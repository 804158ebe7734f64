//! Everything that a failover will need, looked at now.
//!
//! Each thing is an [`Item`]: as it should be, wrong, unknown, or left out for a reason; with what was seen and what to do.
//! What may not be known is never taken for good. The plan that a failover would have is made as a failover makes it
//! ([`plan_failover`](crate::plan_failover)), so that both say the same.
//!
//! Nothing is changed but the preflight's own records. Without the primary region ([`Reach::Alone`]) there is nothing from
//! which a client of it could be made.

mod access;
mod application;
mod databases;
mod kept;
mod keys;
mod objects;
mod records;
mod residency;
mod root;
mod state;
mod view;
mod wall;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use aws_env::{Both, DrOnly, SignIn};
use dr::objects::Pairing;
use futures::FutureExt as _;
use jiff::Timestamp;
use report::finding::{Finding, Status, Unobserved};
use serde::{Deserialize, Serialize};
use settings::{Region, Settings};

pub use kept::{KeptPreflight, kept_preflights, last_preflight};

use crate::failover::look_and_plan;
use crate::lease::causes;
use crate::record::Digest;
use crate::{
    Declared, EnvironmentRoot, FailoverRequest, Host, Plan, Practised, RunId, Store, StoreError,
};

/// Which regions may be called.
#[derive(Debug, Clone, Copy)]
pub enum Reach<'a> {
    /// Both, as long as there is no outage.
    Both(&'a Both),
    /// The DR region and no other, as in an outage.
    Alone(&'a DrOnly),
}

impl Reach<'_> {
    fn dr(&self) -> DrOnly {
        match self {
            Self::Both(both) => both.dr_only(),
            Self::Alone(dr) => (*dr).clone(),
        }
    }

    fn both(&self) -> Option<&Both> {
        match self {
            Self::Both(both) => Some(both),
            Self::Alone(_) => None,
        }
    }
}

/// What a preflight looks at, and with what.
pub struct PreflightRequest<'a, S, H> {
    /// The environment that would be failed over.
    pub settings: &'a Settings,
    /// Of the settings' file.
    pub settings_digest: Digest,
    /// Which regions may be called.
    pub reach: Reach<'a>,
    /// How the credentials' profile signs in; `None` where they come from no profile. Why nobody knows, where nobody does.
    pub sign_in: Result<Option<SignIn>, String>,
    /// Where the records of runs lie.
    pub store: &'a S,
    /// This machine.
    pub host: &'a H,
    /// Terraform, where the settings name a root module; else `None`. Why it cannot be run, where it cannot.
    pub root: Result<Option<EnvironmentRoot>, String>,
    /// A folder of this machine for what is needed meanwhile.
    pub folder: PathBuf,
    /// The folder of the settings' file: what they name on this machine is beside it.
    pub beside: PathBuf,
    /// Versions of this software and of what it will run.
    pub versions: BTreeMap<String, String>,
}

impl<S, H> fmt::Debug for PreflightRequest<'_, S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreflightRequest({:?})", self.reach)
    }
}

/// Something that a failover needs, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What was looked at, in a word or two: `recovery-point`.
    pub what: String,
    /// Of which resource.
    pub resource: String,
    /// What came out.
    pub status: Status,
    /// What should be.
    pub expected: String,
    /// What was seen, where something was.
    pub seen: Option<String>,
    /// Why it is unknown or was left out.
    pub reason: Option<String>,
    /// What to do, as a command where there is one; nothing when all is well.
    pub fix: Option<String>,
}

impl From<Finding> for Item {
    fn from(finding: Finding) -> Self {
        Self {
            what: finding.what.to_owned(),
            resource: finding.resource,
            status: finding.status,
            expected: finding.expected,
            seen: finding.seen,
            reason: finding.reason,
            fix: finding.fix,
        }
    }
}

/// Items that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// What they are about.
    pub name: String,
    /// What happens in a failover when one of them is wrong.
    pub why: String,
    /// The items, in the order in which they were looked at.
    pub items: Vec<Item>,
}

impl Area {
    fn new(name: &str, why: &str, findings: Vec<Finding>) -> Self {
        Self {
            name: name.to_owned(),
            why: why.to_owned(),
            items: findings.into_iter().map(Item::from).collect(),
        }
    }
}

/// What a preflight found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preflight {
    /// Its name, as runs have one.
    pub id: RunId,
    /// Project and environment, as the settings name them.
    pub environment: String,
    /// Where the environment runs.
    pub primary: Region,
    /// Where it is recovered.
    pub dr: Region,
    /// The account, as STS of the DR region says.
    pub account: Option<String>,
    /// When it was begun.
    pub at: Timestamp,
    /// Who ran it.
    pub operator: String,
    /// Whether nothing of the primary region was called.
    pub alone: bool,
    /// Of the settings: what was found says nothing about others.
    pub settings: Digest,
    /// Versions of this software and of what it runs.
    pub versions: BTreeMap<String, String>,
    /// What was found.
    pub areas: Vec<Area>,
    /// The residency exceptions that the regions need.
    pub residency: Vec<String>,
    /// The plan that a failover would have had.
    pub plan: Box<Plan>,
}

impl Preflight {
    /// Every item.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.areas.iter().flat_map(|area| &area.items)
    }

    /// How many items are of a status.
    pub fn count(&self, status: Status) -> usize {
        self.items().filter(|item| item.status == status).count()
    }

    /// The worst that is known: wrong, else unknown, else as it should be.
    pub fn verdict(&self) -> Status {
        let has = |status| self.count(status) > 0;
        match () {
            () if has(Status::Wrong) => Status::Wrong,
            () if has(Status::Unknown) || !has(Status::Ok) => Status::Unknown,
            () => Status::Ok,
        }
    }
}

/// Looks at everything that a failover will need, and keeps what was found beside the records of runs.
///
/// What cannot be kept is an item as well: a failover could not be recorded either.
pub async fn preflight<S: Store, H: Host>(request: PreflightRequest<'_, S, H>) -> Preflight {
    let settings = request.settings;
    let dr = request.reach.dr();
    let now = request.host.now();
    let id = RunId::new(request.host);
    let (access, account) = Box::pin(access::look(&request, &dr)).await;
    let planned = FailoverRequest {
        settings,
        settings_digest: request.settings_digest,
        account: account.clone(),
        // Nobody has looked whether it is lost: the plan is that of an outage which begins now.
        declared: Declared {
            lost: vec![settings.regions.primary],
            evidence: Vec::new(),
            declaration: None,
            declared: now,
            exercise: false,
        },
        despite_residency: None,
        fault: None,
        at: dr::database::At::Latest,
        versions: request.versions.clone(),
    };
    let (plan, targets) = Box::pin(look_and_plan(planned, &dr, request.host)).await;
    // Beside one another: each of them waits, above all for a region that does not answer.
    let data = async {
        let listed = objects::list(&dr, &Pairing::from(settings)).await;
        tokio::join!(
            keys::look(settings, &dr, &plan, &listed),
            objects::look(&request, &dr, &id, &listed)
        )
    };
    let practised = Practised {
        environment: &plan.environment,
        account: account.as_deref(),
        at: now,
        in_emulator: request.host.stand_in().is_some(),
    };
    let (records, state, databases, (keys, objects), (root, shown)) = tokio::join!(
        records::look(&request, &dr, &id, practised).boxed_local(),
        state::look(&request, &dr).boxed_local(),
        databases::look(&request, &dr, &plan, targets).boxed_local(),
        data.boxed_local(),
        root::look(&request).boxed_local(),
    );
    let application = Box::pin(application::look(&request, &dr, &shown)).await;
    let residency = residency::look(settings, now);
    let preflight = Preflight {
        id,
        environment: plan.environment.clone(),
        primary: settings.regions.primary,
        dr: settings.regions.dr,
        account,
        at: now,
        operator: request.host.holder().operator.clone(),
        alone: request.reach.both().is_none(),
        settings: request.settings_digest,
        versions: request.versions.clone(),
        areas: vec![
            access,
            records,
            state,
            keys,
            databases,
            objects,
            root,
            application,
            residency,
        ],
        residency: settings
            .exceptions_in_use()
            .iter()
            .map(ToString::to_string)
            .collect(),
        plan: Box::new(plan),
    };
    kept::keep(request.store, preflight).await
}

/// What could not be asked, or is known not to be there.
fn unobserved(error: &aws_env::Error) -> Unobserved {
    Unobserved {
        absent: error.class == aws_env::ErrorClass::Absent,
        reason: told(error),
    }
}

/// An error of AWS with AWS's own words.
fn told(error: &aws_env::Error) -> String {
    match &error.message {
        Some(message) => format!("{error}: {message}"),
        None => error.to_string(),
    }
}

/// An error of a store with the words of whoever keeps it.
pub(crate) fn store_told(error: &StoreError) -> String {
    match error {
        StoreError::Aws(error) => told(error),
        other => causes(other),
    }
}

/// What to do about a finding that is not as it should be; also where it is unknown.
fn advise(mut finding: Finding, fix: impl Into<String>) -> Finding {
    if matches!(finding.status, Status::Wrong | Status::Unknown) && finding.fix.is_none() {
        finding.fix = Some(fix.into());
    }
    finding
}

/// What only the primary region tells, where it is not asked.
fn primary_not_asked(what: &'static str, resource: impl Into<String>) -> Finding {
    Finding::skipped(what, resource, "the primary region is not asked")
}
