//! Whether an environment is what the guide promises: checks that AWS answers, each with what should be,
//! what terraform says and what AWS says.

mod catalog;
mod changes;
mod check;
mod checks;
mod connection;
mod doctor;
pub mod drift;
mod environment_file;
pub mod evidence;
mod finding;
mod junit;
mod maintenance;
mod named;
mod outputs;
mod page;
mod policy;
mod probe;
#[cfg(test)]
mod sample;
mod sarif;
mod selection;
mod sites;
mod summary;
mod version;
mod wanted;

pub use catalog::Catalog;
pub use changes::{Change, Changes};
pub use check::{Answer, Blind, Check, Checked, Seen, Severity, Status};
pub use checks::{all, check, check_observed};
pub use connection::{DatabaseLogin, Place, RedisLogin, Secret, database_login, redis_login};
pub use doctor::{Diagnosed, Diagnosis, MOST_ERROR_BYTES, Ward, diagnose};
pub use environment_file::{EnvironmentError, EnvironmentFile, EnvironmentFormat, Logins};
pub use finding::Finding;
pub use junit::JunitError;
pub use maintenance::{Care, DrillRecord, Maintained, Period, Series, maintain};
pub use outputs::{Output, Outputs, OutputsError};
pub use probe::{
    HealthUrl, HealthUrlError, Latency, ProbeOptions, Probed, Target, TargetError, Trust,
    TrustError, probe,
};
pub use sarif::SarifScope;
pub use selection::{Pattern, PatternError, Selection};
pub use sites::Sites;
pub use wanted::Wanted;
