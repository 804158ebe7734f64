use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Prefixes that are counted apart: a bucket may have as many as objects.
const MOST: usize = 500;

/// How many objects there are by the first part of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixCounts {
    /// By the key's part up to its first `/`, that included; empty for keys without one.
    pub objects: BTreeMap<String, u64>,
    /// Objects below further prefixes, of which there were too many to count each apart.
    pub others: u64,
}

impl PrefixCounts {
    /// Counts the object with this key.
    pub fn add(&mut self, key: &str) {
        let end = key.find('/').map_or(0, |at| at + 1);
        self.count(&key[..end], 1);
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (prefix, objects) in other.objects {
            self.count(&prefix, objects);
        }
        self.others += other.others;
    }

    fn count(&mut self, prefix: &str, objects: u64) {
        let has_room = self.objects.len() < MOST;
        match self.objects.get_mut(prefix) {
            Some(count) => *count += objects,
            None if has_room => {
                self.objects.insert(prefix.to_owned(), objects);
            }
            None => self.others += objects,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.objects.values().sum::<u64>() + self.others
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.others == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_by_their_first_part_and_none_is_lost_among_many() {
        let mut counts = PrefixCounts::default();
        for key in ["visits/a/1.jpg", "visits/b", "/x", "plain.txt", ""] {
            counts.add(key);
        }
        let mut more = PrefixCounts::default();
        for number in 0..MOST {
            more.add(&format!("{number}/x"));
        }
        counts.merge(more);
        assert_eq!(counts.objects.len(), MOST);
        let [visits, root, plain] = ["visits/", "/", ""].map(|prefix| counts.objects[prefix]);
        assert_eq!((visits, root, plain, counts.others), (2, 1, 2, 3));
    }
}
