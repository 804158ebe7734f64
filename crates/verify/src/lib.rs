//! Whether an environment is what the guide promises: checks that AWS answers, each with what should be,
//! what terraform says and what AWS says.

mod catalog;
mod changes;
mod check;
mod checks;
mod clients;
pub mod doctor;
mod internet;
mod locate;
pub mod maintenance;
mod named;
mod page;
mod policy;
mod results;
#[cfg(test)]
mod sample;
mod selection;
mod summary;
mod version;
mod wanted;

pub use catalog::Catalog;
pub use changes::{Change, Changes};
pub use check::{Answer, Check, Checked, Grade};
pub use checks::{all, check, check_observed};
pub use clients::EnvironmentClients;
pub use locate::{Found, Located, Origin, ResourceFound, Sources, StackState, StateAttributes};
pub use selection::{Pattern, PatternError, Selection};
pub use wanted::{StateWanted, Wanted};
