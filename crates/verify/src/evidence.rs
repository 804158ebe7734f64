//! Evidence: what terraform and AWS said at one time, kept so that a change shows and no secret does.
//!
//! A [`Folder`] holds captures, each with the digest of the one before, and reviews, which are chained in the
//! same way and bound to the capture that was reviewed. [`Folder::audit`] checks all of it.

mod audit;
mod bucket;
mod capture;
mod error;
mod files;
mod folder;
mod log;
mod redaction;
mod review;
mod salt;
mod seal;

pub use audit::{Audit, Finding};
pub use bucket::{Place, Retention, StoreError, Stored, store};
pub use capture::{
    Capture, CheckResult, CheckResults, Commit, Draft, FORMAT, Link, Origin, Recorded, StateHead,
    StateHeadError,
};
pub use error::EvidenceError;
pub use folder::{Folder, Kept};
pub use log::{Item, Log, Row, Standing, UnknownItem};
#[cfg(test)]
pub(crate) use redaction::planted;
pub use redaction::{Hidden, Redacted, Redaction, RedactionPolicy, Redactor};
pub(crate) use redaction::{
    Redact, canonical, has_name_mark, is_hidden, secret_kinds, skeleton, veiled,
};
pub use review::{BadReview, Review, Signature};
pub use salt::{Salt, SaltError};
