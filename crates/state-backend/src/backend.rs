//! A connection to the backend in both regions.

use std::collections::HashMap;

use aws_env::{Both, Error, GlobalClients, RegionClients};
use futures::future::join_all;
use serde_json::{Value, json};
use settings::Settings;

use crate::plan::{Found, Observed, Plan};
use crate::problem::Problem;
use crate::reading::{Readings, SideReading};
use crate::side::{SideAccess, SideClients};
use crate::spec::{Aspect, Facet, Kind, Resource, SideName, Spec};
use crate::wanted::wanted;
use crate::{alarm, bucket, key, role, table};

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
    /// There is no side to fail over to.
    #[error("the settings name no DR side")]
    NoDrSide,
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
    /// See [`Backend::open`].
    ///
    /// # Errors
    /// As there.
    pub async fn connect(settings: &Settings, regions: &Both) -> Result<Self, ConnectError> {
        Self::open(Spec::of_settings(settings), regions).await
    }

    /// Asks both regions who we are. A service that does not answer is noted and not called again; its part of every
    /// result is unknown. A region is lost when none of its services answers.
    ///
    /// # Errors
    /// When no region's STS answers, the credentials are not good in one that does, or they are of another account than
    /// `spec` names.
    pub async fn open(mut spec: Spec, regions: &Both) -> Result<Self, ConnectError> {
        let primary = regions.primary.clients();
        let dr = spec.dr.as_ref().map(|_| regions.dr.clients());
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
        spec.settle_account(account)?;
        Ok(Self {
            spec,
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
        self.of(side).lost()
    }

    /// One side; `None` where the settings have none of this name.
    pub(crate) fn at(&self, side: SideName) -> Option<SideAccess<'_>> {
        let of_spec = self.spec.side(side)?;
        Some(self.of(side).at(&self.spec, of_spec))
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
    fn not_asked(&self, facet: &Facet) -> Option<&Problem> {
        let resource = &facet.resource;
        if facet.aspect == Aspect::ObjectLock
            && let Some(problem) = self.primary.silent("S3")
        {
            return Some(problem);
        }
        match resource.kind {
            Kind::Role | Kind::Key | Kind::Alarm => None,
            Kind::Bucket => self.of(resource.side).silent("S3"),
            Kind::Table => self.of(resource.side).silent("DynamoDB"),
        }
    }

    /// What the sides show from now on.
    pub(crate) fn readings(&self) -> Readings<'_> {
        Readings {
            primary: SideReading::new(self.primary.at(&self.spec, &self.spec.primary)),
            dr: self.at(SideName::Dr).map(SideReading::new),
        }
    }

    /// Reads every facet from AWS; changes nothing.
    pub async fn observe(&self) -> Vec<Observed> {
        self.observe_of(&self.readings()).await
    }

    async fn observe_of(&self, readings: &Readings<'_>) -> Vec<Observed> {
        let facets = wanted(&self.spec);
        let existence = join_all(
            facets
                .iter()
                .filter(|facet| facet.aspect == Aspect::Exists)
                .map(|facet| async {
                    let found = self.observe_facet(readings, facet).await;
                    (facet.resource.clone(), found)
                }),
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
                _ => self.observe_facet(readings, facet).await,
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
        self.plan_of(&self.readings()).await
    }

    pub(crate) async fn plan_of(&self, readings: &Readings<'_>) -> Plan {
        Plan::new(self.observe_of(readings).await)
    }

    async fn observe_facet(&self, readings: &Readings<'_>, facet: &Facet) -> Found {
        if let Some(problem) = self.not_asked(facet) {
            return Found::Unknown(problem.clone());
        }
        match self.read(readings, facet).await {
            Ok(Some(value)) => Found::Value(value),
            Ok(None) => Found::Absent,
            Err(problem) => Found::Unknown(problem),
        }
    }

    /// What AWS has for a facet.
    pub(crate) async fn read(
        &self,
        readings: &Readings<'_>,
        facet: &Facet,
    ) -> Result<Option<Value>, Problem> {
        let reading = readings.of(facet.resource.side);
        let clients = reading.access.clients;
        match facet.resource.kind {
            Kind::Bucket if facet.aspect == Aspect::ObjectLock => {
                let primary = &self.primary.clients;
                let (theirs, ours) = tokio::join!(
                    bucket::has_object_lock(primary, self.spec.primary.bucket.as_str()),
                    bucket::has_object_lock(clients, &facet.resource.name)
                );
                Ok(Some(json!({"primary": theirs?, "dr": ours?})))
            }
            Kind::Bucket => bucket::observe(reading, &self.spec, facet).await,
            Kind::Table => table::observe(reading, facet).await,
            Kind::Role => Ok(role::observe(&self.global, facet).await?),
            Kind::Key => Ok(key::observe(clients, facet).await?),
            Kind::Alarm => Ok(alarm::observe(clients, facet).await?),
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
