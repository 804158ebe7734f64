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
mod hiding;
mod log;
mod review;
mod salt;
mod seal;
mod secrets;

pub use audit::{Audit, Finding};
pub use bucket::{Place, Retention, StoreError, Stored, store};
pub use capture::{
    Capture, CheckResult, CheckResults, Commit, Draft, FORMAT, Hidden, Link, Origin, Recorded,
    StateHead, StateHeadError,
};
pub use error::EvidenceError;
pub use folder::{Folder, Kept};
pub use hiding::{Hider, Hiding, Treatment};
pub(crate) use hiding::{canonical, mark, skeleton};
pub use log::{Item, Log, Row, Standing, UnknownItem};
pub use review::{BadReview, Review, Signature};
pub use salt::{Salt, SaltError};
pub use secrets::Secrets;
