//! AWS clients per region, and one classification of what can go wrong with them.
//!
//! [`AwsEnv::load`] takes the standard credential chain and endpoint settings
//! (`AWS_PROFILE`, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`, profile `services`), and
//! [`AwsEnv::region`] gives the clients of one region. Errors of every client become [`Error`],
//! whose [`ErrorClass`] says whether the region could not be reached, the call was refused, or the
//! resource is not there: three things that a tool used in an outage must not confuse.

mod clients;
mod environment;
mod error;
mod trust;

pub use clients::{Connections, RegionClients, iam_region};
pub use environment::{AwsEnv, Endpoints, LoadError, Options};
pub use error::{Call, Error, ErrorClass};
pub use trust::CaBundleError;
