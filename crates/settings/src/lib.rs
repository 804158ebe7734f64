//! `infra.toml`, parsed and validated.
//!
//! [`Settings::parse`] turns the file's text into types that hold only what AWS accepts: names follow
//! AWS's naming rules, regions come from a table, KMS keys lie in the region that uses them, and a region
//! outside the data residency policy is there only with an exception that has not expired. Code that has a
//! [`Settings`] does not check any of this again.
//!
//! The file format is described in `docs/settings.md`. Serializing a [`Settings`] gives the same layout,
//! with every default filled in.

mod committed;
mod databases;
mod document;
mod duration;
mod error;
mod expect;
mod failover;
mod hooks;
mod integrity;
mod names;
mod objectives;
mod outputs;
mod pairs;
mod regions;
mod residency;
mod resources;
mod settings;
mod state;
mod tags;
mod waivers;

pub use committed::{Committed, CommittedError, NewDr};
pub use databases::{CopiesKept, Database, DatabaseSecret, Failback, RestoreAs, RestoreOptions};
pub use duration::{DurationError, parse_duration};
pub use error::{ErrorKind, Position, SettingsError, SettingsErrors};
pub use expect::{AlarmThresholds, BucketEncryption, DatabaseSecrets, Expect, NatLayout};
pub use failover::{EnvironmentFailback, Failover, VariableValue};
pub use hooks::{Hook, HookPoint};
pub use integrity::{Integrity, ObjectRows, SchemaVersion, SequenceMargin};
pub use names::{
    AccountId, BucketName, DbIdentifier, EnvironmentName, InstanceClass, KmsKeyArn, NameError,
    ParameterGroupName, ProjectName, RoleArn, RoleName, SecretName, SecurityGroupId, StateKey,
    SubnetGroupName, TableName, TopicArn, WorkspaceKeyPrefix,
};
pub use objectives::Objectives;
pub use outputs::{FromOutputs, OutputsFile, Source, outputs_named};
pub use pairs::{Bucket, JOURNAL, RUNS};
pub use regions::{Country, Region, RegionRole, Regions};
pub use residency::{ExceptionInUse, Residency, ResidencyException};
pub use resources::{NamedResource, ResourceRole, Resources};
pub use settings::Settings;
pub use state::{AlarmTopics, Encryption, Locking, ReplicaLocks, State, StateDr, StateReplica};
pub use tags::{Tags, TagsError};
pub use waivers::{Waiver, Waivers};
