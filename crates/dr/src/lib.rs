//! Disaster recovery for what Terraform does not hold.
//!
//! [`objects`] keeps the buckets of two regions the same: it compares, copies, guards, and puts back.

pub mod objects;
