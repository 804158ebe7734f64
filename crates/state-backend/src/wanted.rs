//! What is wanted of every resource.

use crate::spec::{Facet, SideName, Spec};
use crate::{alarm, bucket, key, role, table};

/// Every facet of the backend, in the order in which it can be made true: replication last, since it needs both
/// buckets, versioned, and the role.
pub fn wanted(spec: &Spec) -> Vec<Facet> {
    let mut facets = Vec::new();
    for side in spec.sides() {
        if let Some(key) = side.encryption.kms_key() {
            facets.push(key::wanted(side, key));
        }
        facets.extend(bucket::wanted(spec, side));
        if side.name == SideName::Dr {
            facets.push(bucket::wanted_object_lock(spec, side));
        }
        if let Some(table) = &side.table {
            facets.extend(table::wanted(spec, side, table));
        }
        if let (None, Some(table)) = (&side.table, &side.old_table) {
            facets.push(table::wanted_of_old(side, table));
        }
    }
    if let (Some(role), Some(dr)) = (&spec.role, &spec.dr) {
        facets.extend(role::wanted(spec, role, dr));
        facets.push(bucket::wanted_replication(spec, role, dr));
        if let Some(role) = &spec.batch_role {
            facets.extend(role::wanted_of_batch(spec, role));
        }
        if let Some(topics) = &spec.alarms {
            facets.extend(alarm::wanted(spec, dr, topics));
        }
    }
    facets.retain(|facet| spec.wants(facet));
    facets
}
