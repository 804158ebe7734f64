//! A connection to the backend in both regions.

use std::collections::HashMap;

use aws_env::{Both, Error, GlobalClients, Reachability, RegionClients};
use futures::future::join_all;
use serde_json::Value;
use settings::Settings;

use crate::plan::{Found, Observed, Plan};
use crate::problem::Problem;
use crate::spec::{Aspect, Facet, Kind, Resource, SideName, Spec};
use crate::wanted::wanted;
use crate::{alarm, bucket, key, role, table};

/// The clients of one side.
#[derive(Debug)]
struct SideClients {
    clients: RegionClients,
    /// The services that did not answer at the start, which are not called again, with their errors.
    silent: Vec<Problem>,
    /// Whether that is all of them.
    is_lost: bool,
}

impl SideClients {
    /// With the account ID, unless STS is silent.
    fn new(clients: RegionClients, reached: Reachability) -> Result<(Self, Option<String>), Error> {
        let is_lost = reached.is_lost();
        let access = Self {
            clients,
            is_lost,
            silent: reached.silent.into_iter().map(Problem::from).collect(),
        };
        Ok((access, reached.account?))
    }

    /// Why nothing is known when no STS answers.
    fn into_silence(self) -> Error {
        let call = self
            .clients
            .call("STS", "GetCallerIdentity", "this account");
        let first = self.silent.into_iter().next();
        first
            .and_then(Problem::into_error)
            .unwrap_or_else(|| Error::unexpected(call, "the answer names no account"))
    }

    fn silent(&self, service: &str) -> Option<&Problem> {
        let mut silent = self.silent.iter();
        silent.find(|problem| problem.error().call.service == service)
    }
}

/// Why there is no backend to work with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No region's STS answers, or the credentials are not good in one that does.
    #[error(transparent)]
    Call(#[from] Error),
    /// Everything would be made, or looked for, in somebody else's account.
    #[error(
        "the credentials are of account {credentials}, and the settings are for account {settings}"
    )]
    OtherAccount {
        /// The account of the credentials, as STS tells it.
        credentials: String,
        /// `account` of the settings.
        settings: String,
    },
}

/// The backend that settings describe, with clients for its regions.
#[derive(Debug)]
pub struct Backend {
    spec: Spec,
    primary: SideClients,
    dr: Option<SideClients>,
    global: GlobalClients,
}

impl Backend {
    /// Asks both regions who we are. A service that does not answer is noted and not called again; its part of every
    /// result is unknown. A region is lost when none of its services answers.
    ///
    /// # Errors
    /// When no region's STS answers, the credentials are not good in one that does, or they are of another account than
    /// the settings name.
    pub async fn connect(settings: &Settings, regions: &Both) -> Result<Self, ConnectError> {
        let draft = Spec::new(settings, "");
        let primary = regions.primary.clients();
        let dr = draft.dr.as_ref().map(|_| regions.dr.clients());
        let (first, second) = tokio::join!(primary.reachability(), async {
            match &dr {
                Some(clients) => Some(clients.reachability().await),
                None => None,
            }
        });
        let (primary, account_of_primary) = SideClients::new(primary, first)?;
        let dr = match dr.zip(second) {
            Some((clients, reached)) => Some(SideClients::new(clients, reached)?),
            None => None,
        };
        let (dr, account_of_dr) = dr.unzip();
        let Some(account) = account_of_primary.or(account_of_dr.flatten()) else {
            return Err(primary.into_silence().into());
        };
        if let Some(named) = &settings.account
            && named.as_str() != account
        {
            return Err(ConnectError::OtherAccount {
                credentials: account,
                settings: named.to_string(),
            });
        }
        Ok(Self {
            spec: Spec::new(settings, account),
            primary,
            dr,
            global: GlobalClients::new(&regions.global),
        })
    }

    /// What is wanted, with the account's names and ARNs.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Why a side's region is not called, if none of its services answered.
    pub fn lost(&self, side: SideName) -> Option<&Problem> {
        let clients = self.of(side);
        clients.silent.first().filter(|_| clients.is_lost)
    }

    fn of(&self, side: SideName) -> &SideClients {
        match (side, &self.dr) {
            (SideName::Dr, Some(dr)) => dr,
            _ => &self.primary,
        }
    }

    pub(crate) fn global(&self) -> &GlobalClients {
        &self.global
    }

    pub(crate) fn clients(&self, side: SideName) -> &RegionClients {
        &self.of(side).clients
    }

    /// Why a resource is not asked for. IAM is not part of either region.
    fn not_asked(&self, resource: &Resource) -> Option<&Problem> {
        match resource.kind {
            Kind::Role | Kind::Key | Kind::Alarm => None,
            Kind::Bucket => self.of(resource.side).silent("S3"),
            Kind::Table => self.of(resource.side).silent("DynamoDB"),
        }
    }

    /// Reads every facet from AWS; changes nothing.
    pub async fn observe(&self) -> Vec<Observed> {
        let facets = wanted(&self.spec);
        let existence = join_all(
            facets
                .iter()
                .filter(|facet| facet.aspect == Aspect::Exists)
                .map(|facet| async { (facet.resource.clone(), self.observe_facet(facet).await) }),
        )
        .await;
        let existence: HashMap<Resource, Found> = existence.into_iter().collect();
        let found = join_all(facets.iter().map(|facet| async {
            let there = existence.get(&facet.resource);
            match (facet.aspect, there) {
                (Aspect::Exists, Some(found)) => found.clone(),
                (_, Some(Found::Absent)) => Found::Absent,
                (_, Some(Found::Unknown(problem))) => Found::Unknown(problem.clone()),
                (_, Some(Found::Value(value))) if is_not_ours(facet, value) => Found::Absent,
                _ => self.observe_facet(facet).await,
            }
        }))
        .await;
        facets
            .into_iter()
            .zip(found)
            .map(|(facet, found)| Observed { facet, found })
            .collect()
    }

    /// [`Backend::observe`] and [`Plan::new`] together.
    pub async fn plan(&self) -> Plan {
        Plan::new(self.observe().await)
    }

    pub(crate) async fn observe_facet(&self, facet: &Facet) -> Found {
        if let Some(problem) = self.not_asked(&facet.resource) {
            return Found::Unknown(problem.clone());
        }
        match self.read(facet).await {
            Ok(Some(value)) => Found::Value(value),
            Ok(None) => Found::Absent,
            Err(error) => Found::Unknown(error.into()),
        }
    }

    /// What AWS has for a facet, asked now.
    pub(crate) async fn read(&self, facet: &Facet) -> Result<Option<Value>, Error> {
        let clients = self.clients(facet.resource.side);
        match facet.resource.kind {
            Kind::Bucket => bucket::observe(clients, &self.spec, facet).await,
            Kind::Table => table::observe(clients, facet).await,
            Kind::Role => role::observe(&self.global, facet).await,
            Kind::Key => key::observe(clients, facet).await,
            Kind::Alarm => alarm::observe(clients, facet).await,
        }
    }
}

/// A bucket that is elsewhere or somebody else's is not asked for its settings.
fn is_not_ours(facet: &Facet, existence: &Value) -> bool {
    facet.resource.kind == Kind::Bucket
        && existence.get("region").and_then(Value::as_str) != Some(facet.resource.region.as_str())
}

#[cfg(test)]
pub(crate) mod test_support;
