//! How many requests went to which region.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use settings::Region;

/// Counts the requests that were sent to each region, every attempt of a call as one. What a [`RegionAccess`] refuses is
/// not sent, and not counted; nor is what sources of credentials ask. Clones count together.
///
/// [`RegionAccess`]: crate::RegionAccess
#[derive(Debug, Clone, Default)]
pub struct CallCount(Arc<Mutex<BTreeMap<Region, u64>>>);

impl CallCount {
    pub(crate) fn add(&self, region: Region) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(region).or_default() += 1;
    }

    /// How many there were until now; regions that were never called are left out.
    pub fn by_region(&self) -> BTreeMap<Region, u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
