//! One number for a whole bucket that does not depend on the order in which it was listed.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The sum, modulo 2^256, of the SHA-256 of every object's key, size and content identity. Two trees with
/// the same objects have the same digest, however they were listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeDigest([u64; 4]);

impl TreeDigest {
    /// Adds an object.
    pub fn add(&mut self, key: &str, size: u64, identity: &str) {
        let mut hasher = Sha256::new();
        hasher.update((key.len() as u64).to_le_bytes());
        hasher.update(key.as_bytes());
        hasher.update(size.to_le_bytes());
        hasher.update(identity.as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(hash.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            *word = u64::from_le_bytes(eight);
        }
        self.merge(Self(words));
    }

    /// Adds all objects of another tree.
    pub fn merge(&mut self, other: Self) {
        let mut carry = false;
        for (word, other) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = word.overflowing_add(other);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first || second;
        }
    }
}

impl fmt::Display for TreeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for word in self.0.iter().rev() {
            write!(f, "{word:016x}")?;
        }
        Ok(())
    }
}

impl Serialize for TreeDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(objects: &[(&str, u64, &str)]) -> TreeDigest {
        let mut digest = TreeDigest::default();
        for (key, size, identity) in objects {
            digest.add(key, *size, identity);
        }
        digest
    }

    #[test]
    fn digest_of_objects_in_another_order_is_the_same() {
        let (a, b) = (("a", 1, "x"), ("b", 2, "y"));
        assert_eq!(of(&[a, b]), of(&[b, a]));
        for other in [("a", 1, "z"), ("a", 3, "x"), ("c", 1, "x"), ("a1", 1, "")] {
            assert_ne!(of(&[a, b]), of(&[other, b]));
        }
        assert_ne!(of(&[a]), of(&[a, a]));
    }

    #[test]
    fn merge_of_digests_carries_from_word_to_word() {
        let mut digest = TreeDigest([u64::MAX, u64::MAX, 0, 0]);
        digest.merge(TreeDigest([1, 0, 0, 0]));
        assert_eq!(digest, TreeDigest([0, 0, 1, 0]));
        assert_eq!(digest.to_string().len(), 64);
    }
}
