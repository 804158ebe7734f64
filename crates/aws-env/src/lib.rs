//! AWS clients per region, and one classification of what can go wrong with them.
//!
//! [`AwsEnv::load`] takes the standard credential chain and endpoint settings
//! (`AWS_PROFILE`, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`, profile `services`), and
//! [`AwsEnv::access`] gives access to one region and to no other ([`Both`], [`DrOnly`]). One pager ([`pages`]), one
//! waiter ([`wait`]) and one log of calls ([`CallLog`]) serve all of them. Errors of every client become [`Error`],
//! whose [`ErrorClass`] says whether the region could not be reached, the call was refused, or the
//! resource is not there: three things that a tool used in an outage must not confuse.

mod access;
mod address;
mod body;
mod call_count;
mod call_log;
mod clients;
mod credentials;
mod db_instance;
mod environment;
mod error;
mod iam_action;
mod listing;
mod loopback;
mod owners;
mod pages;
mod permit;
mod read_once;
mod sign_in;
mod trust;
mod waiter;
mod wall;

pub use access::{Both, DrOnly, RegionAccess};
pub use address::AddressHost;
pub use body::{BodyError, read_body};
pub use call_count::CallCount;
pub use call_log::{CALL_LOG_TARGET, CallLog};
pub use clients::{
    ConnectionPool, Connections, GlobalClients, Reachability, RegionClients, iam_region,
};
pub use db_instance::DbInstanceState;
pub use environment::{AwsEnv, Endpoints, LoadError, Options};
pub use error::{Call, Error, ErrorClass};
pub use iam_action::iam_actions;
pub use listing::{
    ListedObject, ObjectPages, ObjectVersion, VersionPages, decode_key, delete_objects,
    delete_versions, list_keys, list_versions,
};
pub use owners::{BucketOwners, OwnerGuard, OwnerUnknown};
pub use pages::{pages, pages_up_to};
pub use permit::{CallPermit, NotPermitted};
pub use read_once::ReadOnce;
pub use sign_in::SignIn;
pub use trust::CaBundleError;
pub use waiter::{Poll, Waiter, WaiterConfig, wait};
pub use wall::OutsideRegion;
