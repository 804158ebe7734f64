//! A connection to the backend in both regions.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_env::{Both, Error, GlobalClients, Reachability, RegionClients};
use futures::future::join_all;
use serde::{Serialize, Serializer};
use serde_json::Value;
use settings::Settings;

use crate::plan::Plan;
use crate::spec::{Aspect, Facet, Kind, Resource, SideName, Spec};
use crate::{bucket, role, table};

/// An error of AWS, in results that are kept, copied and serialised.
#[derive(Debug, Clone)]
pub struct Problem(Arc<Error>);

impl Problem {
    /// The error itself.
    pub fn error(&self) -> &Error {
        &self.0
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match &self.0.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("class", &self.0.class)?;
        map.serialize_entry("region", &self.0.call.region)?;
        map.serialize_entry("service", self.0.call.service)?;
        map.serialize_entry("operation", self.0.call.operation)?;
        map.serialize_entry("resource", &self.0.call.resource)?;
        map.serialize_entry("code", &self.0.code)?;
        map.serialize_entry("message", &self.0.message)?;
        map.serialize_entry("request_id", &self.0.request_id)?;
        map.end()
    }
}

/// What AWS has for a facet.
#[derive(Debug, Clone)]
pub enum Found {
    /// This value.
    Value(Value),
    /// Nothing.
    Absent,
    /// It could not be read.
    Unknown(Problem),
}

/// A facet and what AWS has for it.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What is wanted.
    pub facet: Facet,
    /// What is there.
    pub found: Found,
}

#[derive(Debug)]
struct Access {
    clients: RegionClients,
    /// The services that did not answer at the start, which are not called again, with their errors.
    silent: Vec<Problem>,
    /// Whether that is all of them.
    is_lost: bool,
}

impl Access {
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
            .and_then(|problem| Arc::into_inner(problem.0))
            .unwrap_or_else(|| Error::unexpected(call, "the answer names no account"))
    }

    fn silent(&self, service: &str) -> Option<&Problem> {
        let mut silent = self.silent.iter();
        silent.find(|problem| problem.error().call.service == service)
    }
}

/// The backend that settings describe, with clients for its regions.
#[derive(Debug)]
pub struct Backend {
    spec: Spec,
    primary: Access,
    dr: Option<Access>,
    global: GlobalClients,
}

impl Backend {
    /// Asks both regions who we are. A service that does not answer is noted and not called again; its part of every
    /// result is unknown. A region is lost when none of its services answers.
    ///
    /// # Errors
    /// When no region's STS answers, or the credentials are not good in one that does.
    pub async fn connect(settings: &Settings, regions: &Both) -> Result<Self, Error> {
        let draft = Spec::new(settings, "");
        let primary = regions.primary.clients();
        let dr = draft.dr.as_ref().map(|_| regions.dr.clients());
        let (first, second) = tokio::join!(primary.reachability(), async {
            match &dr {
                Some(clients) => Some(clients.reachability().await),
                None => None,
            }
        });
        let (primary, account_of_primary) = Access::new(primary, first)?;
        let dr = match dr.zip(second) {
            Some((clients, reached)) => Some(Access::new(clients, reached)?),
            None => None,
        };
        let (dr, account_of_dr) = dr.unzip();
        let Some(account) = account_of_primary.or(account_of_dr.flatten()) else {
            return Err(primary.into_silence());
        };
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
        let access = self.access(side);
        access.silent.first().filter(|_| access.is_lost)
    }

    fn access(&self, side: SideName) -> &Access {
        match (side, &self.dr) {
            (SideName::Dr, Some(dr)) => dr,
            _ => &self.primary,
        }
    }

    pub(crate) fn global(&self) -> &GlobalClients {
        &self.global
    }

    pub(crate) fn clients(&self, side: SideName) -> &RegionClients {
        &self.access(side).clients
    }

    /// Why a resource is not asked for. IAM is not part of either region.
    fn not_asked(&self, resource: &Resource) -> Option<&Problem> {
        match resource.kind {
            Kind::Role => None,
            Kind::Bucket => self.access(resource.side).silent("S3"),
            Kind::Table => self.access(resource.side).silent("DynamoDB"),
        }
    }

    /// Reads every facet from AWS; changes nothing.
    pub async fn observe(&self) -> Vec<Observed> {
        let facets = self.spec.facets();
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
