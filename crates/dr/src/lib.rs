//! Disaster recovery for what Terraform does not hold.
//!
//! [`objects`] keeps the buckets of two regions the same: it compares, copies, guards, and puts back.
//! [`database`] finds what a database can be restored from, copies snapshots, and restores.

pub mod database;
pub mod objects;
