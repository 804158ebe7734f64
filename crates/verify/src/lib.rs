//! Whether an environment is what the guide promises: checks that AWS answers, each with what should be,
//! what terraform says and what AWS says.

mod catalog;
mod changes;
mod check;
mod checks;
mod junit;
mod outputs;
mod policy;
#[cfg(test)]
mod sample;
mod sarif;
mod selection;
mod sites;
mod summary;
mod wanted;

pub use catalog::Catalog;
pub use changes::{Change, Changes};
pub use check::{Answer, Blind, Check, Checked, Seen, Severity, Status};
pub use checks::{all, check, check_observed};
pub use junit::JunitError;
pub use outputs::{Output, Outputs, OutputsError};
pub use sarif::SarifScope;
pub use selection::{Pattern, PatternError, Selection};
pub use sites::Sites;
pub use wanted::Wanted;
