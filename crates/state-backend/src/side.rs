//! One side of the backend, and what can be done there without the other one.

use aws_env::{Error, Reachability, RegionClients};
use settings::BucketName;

use crate::inventory::StateScope;
use crate::problem::Problem;
use crate::spec::{Side, SideName, Spec};

/// The clients of one side.
#[derive(Debug)]
pub(crate) struct SideClients {
    pub(crate) clients: RegionClients,
    /// The services that did not answer at the start, which are not called again, with their errors.
    pub(crate) silent: Vec<Problem>,
    /// Whether that is all of them.
    pub(crate) is_lost: bool,
}

impl SideClients {
    /// With the account ID, unless STS is silent.
    pub(crate) fn new(
        clients: RegionClients,
        reached: Reachability,
    ) -> Result<(Self, Option<String>), Error> {
        let is_lost = reached.is_lost();
        let access = Self {
            clients,
            is_lost,
            silent: reached.silent.into_iter().map(Problem::from).collect(),
        };
        Ok((access, reached.account?))
    }

    /// Why nothing is known when no STS answers.
    pub(crate) fn into_silence(self) -> Error {
        let call = self
            .clients
            .call("STS", "GetCallerIdentity", "this account");
        let first = self.silent.into_iter().next();
        first
            .and_then(Problem::into_error)
            .unwrap_or_else(|| Error::unexpected(call, "the answer names no account"))
    }

    pub(crate) fn silent(&self, service: &str) -> Option<&Problem> {
        let mut silent = self.silent.iter();
        silent.find(|problem| problem.error().call.service == service)
    }

    /// Why the region is not called, if none of its services answered.
    pub(crate) fn lost(&self) -> Option<&Problem> {
        self.silent.first().filter(|_| self.is_lost)
    }

    /// This side of `spec`, with these clients.
    pub(crate) fn at<'a>(&'a self, spec: &'a Spec, side: &'a Side) -> SideAccess<'a> {
        let mut others = spec.sides().filter(|other| other.name != side.name);
        SideAccess {
            side,
            clients: &self.clients,
            lost: self.lost(),
            other: others.next().map(|other| &other.bucket),
            states: &spec.states,
        }
    }
}

/// A side, with the clients of its region and of no other: what is read and written through it cannot need the other
/// region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SideAccess<'a> {
    pub(crate) side: &'a Side,
    pub(crate) clients: &'a RegionClients,
    /// Why the region is not called.
    pub(crate) lost: Option<&'a Problem>,
    /// The other side's bucket, which rows of a global table name.
    pub(crate) other: Option<&'a BucketName>,
    /// Which objects are states.
    pub(crate) states: &'a StateScope,
}

impl SideAccess<'_> {
    pub(crate) fn name(&self) -> SideName {
        self.side.name
    }
}
