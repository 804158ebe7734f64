//! Whether an environment is what the guide promises: checks that AWS answers, each with what should be,
//! what terraform says and what AWS says.

mod catalog;
mod check;
mod checks;
mod outputs;
mod selection;
mod sites;
mod wanted;

pub use catalog::Catalog;
pub use check::{Answer, Blind, Check, Checked, Seen, Severity, Status};
pub use checks::{all, check};
pub use outputs::{Output, Outputs, OutputsError};
pub use selection::{Pattern, PatternError, Selection};
pub use sites::Sites;
pub use wanted::Wanted;
