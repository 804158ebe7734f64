//! Evidence: what terraform and AWS said at one time, kept so that a change shows and no secret does.
//!
//! A [`Folder`] holds captures, each with the digest of the one before, and reviews, which are chained in the
//! same way and bound to the capture that was reviewed. [`Folder::audit`] checks all of it; [`store`] puts a capture
//! in S3, under Object Lock; [`drift`] tells what is not the same in two captures, or in a plan.
//!
//! Terraform's outputs are read by [`Outputs`], and nothing leaves this crate but through a [`Redactor`]: it learns
//! the secrets of the outputs, recognises others by their names and shapes, and gives [`Redacted`] values. Other
//! crates' results say by [`Redact`] which of their texts it goes through.

mod audit;
mod bucket;
mod capture;
pub mod drift;
mod error;
mod files;
mod folder;
mod log;
mod outputs;
mod redaction;
mod review;
mod salt;
mod seal;

pub use audit::{Audit, Finding};
pub use bucket::{Hold, LockMode, Retention, S3Location, StoreError, Stored, plan_hold, store};
pub use capture::{
    Capture, CheckResult, CheckResults, Commit, Draft, FORMAT, Link, Origin, Recorded, StateHead,
    StateHeadError,
};
pub use error::EvidenceError;
pub use folder::{Folder, Kept};
pub use log::{Item, Log, Row, Standing, UnknownItem};
pub use outputs::{Output, Outputs, OutputsError};
#[cfg(test)]
pub(crate) use redaction::planted;
pub use redaction::{Hidden, Redact, Redacted, Redaction, RedactionPolicy, Redactor};
pub(crate) use redaction::{canonical, has_name_mark, is_hidden, secret_kinds, skeleton, veiled};
pub use review::{BadReview, Review, Signature};
pub use salt::{Salt, SaltError};
