//! The environment of the staging guide, made on a local AWS by calls to its API from what terraform has in its state after an
//! apply of `terraform/environments/staging`: for tests that look at a whole environment, and for practice
//! (`local-aws up --stack`).
//!
//! Whatever it is made from is part of this crate, as is the AWS that takes it: where a call fails, one of the two is broken. So
//! nothing here gives an error back; it ends with what failed.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here is a defect of this crate, and no caller could do anything about it"
)]

pub mod backend;
pub mod buckets;
pub mod cache;
pub mod cdn;
mod clients;
pub mod database;
pub mod groups;
mod keys;
pub mod logs;
pub mod monitoring;
pub mod network;
mod practice;
pub mod roles;
pub mod secrets;
mod state;

pub use clients::Clients;
pub use practice::{Practice, PracticeError};
pub use state::{Conventions, Resource, State, other_names};

use crate::{LocalAws, Rds};

/// The region of the environment.
pub const REGION: &str = "ca-central-1";

/// The DR region of the example's settings.
const DR_REGION: &str = "us-east-1";

/// Where Terraform's state lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateNames {
    /// The bucket.
    pub bucket: String,
    /// The state's key in it.
    pub key: String,
    /// The table of locks.
    pub lock_table: String,
}

impl StateNames {
    /// Those of `examples/berthcare-staging/infra.toml`.
    pub fn of_example() -> Self {
        Self {
            bucket: "berthcare-terraform-state".to_owned(),
            key: "staging/terraform.tfstate".to_owned(),
            lock_table: "berthcare-terraform-locks".to_owned(),
        }
    }
}

/// The environment as far as it is made.
#[derive(Debug)]
pub struct Stack {
    /// What terraform would have in its state.
    pub state: State,
    /// Clients of the account that it is in.
    clients: Clients,
    /// That account.
    account: String,
    names: StateNames,
    rds: Rds,
}

impl Stack {
    /// An environment of which nothing is made yet. The account is that of the access key `key`, which is also the number of
    /// the account if it has twelve digits. `None` where RDS is not simulated: the base's own has no states that pass.
    pub fn empty(
        aws: &LocalAws,
        key: &str,
        conventions: Conventions,
        names: StateNames,
    ) -> Option<Self> {
        let is_number = crate::known_account(key).is_ok();
        let account = if is_number { key } else { DEFAULT_ACCOUNT };
        Some(Self {
            state: State::load(conventions, account),
            clients: Clients::new(aws.endpoint(), key),
            account: account.to_owned(),
            names,
            rds: aws.rds()?.clone(),
        })
    }

    /// Makes everything, area by area, in the order of what refers to what.
    pub async fn build(&mut self) {
        keys::build(self).await;
        network::build(self).await;
        groups::build(self).await;
        roles::build(self).await;
        logs::build(self).await;
        buckets::build(self).await;
        database::build(self).await;
        cache::build(self).await;
        secrets::build(self).await;
        cdn::build(self).await;
        buckets::policies(self).await;
        monitoring::build(self).await;
        roles::account(self).await;
        backend::build(self).await;
    }
}

/// Of every access key that is no account's number.
const DEFAULT_ACCOUNT: &str = "000000000000";
