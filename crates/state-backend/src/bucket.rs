//! State buckets: what is wanted of them, what they are, and how one becomes the other.

mod apply;
mod observe;
mod wanted;

pub(crate) use apply::apply;
pub(crate) use observe::{has_object_lock, observe, replication, rules_to};
pub(crate) use wanted::{wanted, wanted_object_lock, wanted_replication};
