//! The terraform program, and what it writes.
//!
//! [`Terraform`] is the program in the folder of one environment. It runs as a child that ends when this process
//! ends, gracefully if it can; what it does arrives as [`Event`]s, what it complains of as [`Diagnostic`]s.
//! [`Document`] is a plan or a state as `terraform show -json` writes it, [`Outputs`] what `terraform output -json`
//! does, [`StateFile`] a state as a backend keeps it. All of them read files that were written on Windows or by a
//! wrapper script, and tell what else was found in JSON's place ([`JsonError`]).
//!
//! Plans, states, outputs and diagnostics may hold secrets. No error of this crate repeats their text, and values are
//! kept only as far as a reader asks for them ([`Keep`]).

mod address;
mod child;
mod command;
mod deployment;
mod diagnostic;
mod document;
mod environment;
mod error;
mod event;
mod json;
mod lock;
mod outputs;
mod plan;
mod review;
mod root_module;
mod state_file;
mod state_values;
mod values;
mod variables;
mod version;

pub use address::{import_block, resource_of};
pub use child::{ChildId, Finished, Prepared, Running, Transcript, Watchdog};
pub use command::{ERRORED_STATE, InitOptions, PlanOptions, Terraform, Validation};
pub use deployment::{
    ApplyContext, ApplyError, ApplyIntent, ApplyOutcome, Approval, ApprovalError,
    ApprovedDeployment, Deployment, DeploymentState, Ended, ErroredState, PlanDigest,
    PlanDigestError, PlannedDeployment, RecordError, ResourceProgress, ResourceStanding, Settled,
    Standing, StateVersion, judge_errored_state,
};
pub use diagnostic::{Diagnostic, Position, Severity, SourceRange};
pub use document::{Document, DocumentError, PriorState};
pub use environment::Environment;
pub use error::Error;
pub use event::{ChangeCounts, Event, observe};
pub use json::{Found, JsonError, decode, parse as parse_json};
pub use lock::{LockId, LockIdError, LockInfo};
pub use outputs::{Output, Outputs};
pub use plan::{
    Action, Change, Configuration, ConfiguredModule, ConfiguredResource, Expression, ModuleCall,
    Plan, Provider, ProviderExpressions, ResourceChange, Variable,
};
pub use review::{PlanReview, ReviewedAction, ReviewedChange};
pub use root_module::{Argument, BackendConfig, RootModule, RootModuleError};
pub use state_file::{StateFile, StateFileError, StateSummary};
pub use state_values::StateValuesError;
pub use values::{All, Keep, Module, Resource, State, Values};
pub use variables::{
    DeclaredVariable, DeclaredVariables, SetVariable, VariableFile, judge_variables,
};
pub use version::{Version, VersionError};
