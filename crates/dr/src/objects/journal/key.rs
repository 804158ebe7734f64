//! The digest that each object of a journal carries, by a key that is not in the bucket: HMAC-SHA256 (RFC 2104) over the
//! run, its bucket, the object's number and its content.
//!
//! Objects are written one after the other and whole, so that what a killed run leaves is the beginning of its journal,
//! each part of which fits. What is missing at the end cannot be told from what a killed run did not write.

use std::fmt;

use hex::FromHex;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The object's metadata that has the digest: the key's ID, a colon, and the digest, both in hexadecimal digits.
pub(super) const DIGEST: &str = "dr-journal-digest";

/// Bytes of a key: as many as the digest has, more of which add nothing.
const LENGTH: usize = 32;

/// The key of the digests. Whoever has it can write journals that an undo believes.
#[derive(Clone, PartialEq, Eq)]
pub struct JournalKey([u8; LENGTH]);

/// A text is no key. It is not repeated: it may be most of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has {} hexadecimal digits", 2 * LENGTH)]
pub struct NoJournalKey;

impl JournalKey {
    /// A key of random bytes.
    pub fn new(random: [u8; LENGTH]) -> Self {
        Self(random)
    }

    /// Reads what [`JournalKey::to_text`] gives; spaces and newlines around it do not count.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NoJournalKey> {
        let key = FromHex::from_hex(text.trim());
        key.map(Self).map_err(|_| NoJournalKey)
    }

    /// The key, to be kept in a file.
    pub fn to_text(&self) -> String {
        hex::encode(self.0) + "\n"
    }

    /// What names the key, and tells nothing about it.
    pub fn id(&self) -> String {
        let digest = self.mac(b"dr-journal key id").finalize().into_bytes();
        hex::encode(&digest[..8])
    }

    fn mac(&self, domain: &[u8]) -> Hmac<Sha256> {
        // Keys of every length are taken: <https://docs.rs/hmac/0.13/hmac/struct.Hmac.html>. One of the block's length
        // cannot be refused, and is what a shorter one is filled up to.
        let mut block = [0; 64];
        block[..LENGTH].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(domain);
        mac
    }

    /// Begins the digest of an object: number `part` of what `run` writes to `bucket`.
    pub(super) fn begin(&self, bucket: &str, run: &str, part: u32) -> PartDigest {
        let mut mac = self.mac(b"dr-journal part 1");
        for name in [bucket, run] {
            mac.update(&(name.len() as u64).to_be_bytes());
            mac.update(name.as_bytes());
        }
        mac.update(&part.to_be_bytes());
        PartDigest(mac)
    }

    /// What the object's metadata says of its content.
    pub(super) fn digest(&self, bucket: &str, run: &str, part: u32, content: &[u8]) -> String {
        let mut digest = self.begin(bucket, run, part);
        digest.update(content);
        format!(
            "{}:{}",
            self.id(),
            hex::encode(digest.0.finalize().into_bytes())
        )
    }
}

/// Keys are not printed.
impl fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JournalKey").finish_non_exhaustive()
    }
}

/// The digest of an object that is being read.
#[derive(Debug)]
pub(super) struct PartDigest(Hmac<Sha256>);

impl PartDigest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Whether it is `expected`; takes the same time wherever they differ.
    pub(super) fn is(self, expected: &[u8; LENGTH]) -> bool {
        self.0.verify_slice(expected).is_ok()
    }
}

/// By what an object of a journal is vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Voucher {
    /// Nothing.
    None,
    /// A digest by another key, of this ID.
    OtherKey(String),
    /// This digest, by the key at hand.
    Digest([u8; LENGTH]),
}

impl Voucher {
    /// Reads an object's metadata, which whoever may write to the bucket can have written.
    pub(super) fn read(metadata: Option<&str>, key: &JournalKey) -> Self {
        let Some((id, digest)) = metadata.and_then(|text| text.split_once(':')) else {
            return Self::None;
        };
        match (<[u8; 8]>::from_hex(id), FromHex::from_hex(digest)) {
            (Ok(_), Ok(digest)) if id == key.id() => Self::Digest(digest),
            (Ok(_), Ok(_)) => Self::OtherKey(id.to_owned()),
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> JournalKey {
        JournalKey::new([byte; LENGTH])
    }

    // Made with Python's hmac and hashlib.
    #[test]
    fn digest_is_hmac_sha256_of_what_it_binds() {
        let digest = key(7).digest("photos-dr", "r1", 3, b"content\n");
        assert_eq!(
            digest,
            "58644fa22987353c:a585a92753fb7cba183e8efcebcc113431108767536bd8a0db275e29ad1b3508"
        );
    }

    #[test]
    fn digest_of_another_bucket_run_number_content_or_key_differs() {
        let digest = key(7).digest("ab", "c", 0, b"x");
        for other in [
            key(7).digest("a", "bc", 0, b"x"),
            key(7).digest("ab", "d", 0, b"x"),
            key(7).digest("ab", "c", 1, b"x"),
            key(7).digest("ab", "c", 0, b"y"),
            key(8).digest("ab", "c", 0, b"x"),
        ] {
            assert_ne!(digest, other);
        }
    }

    #[test]
    fn parse_reads_what_to_text_gives_and_nothing_else() {
        let text = key(0xa5).to_text();
        assert_eq!(JournalKey::parse(&text), Ok(key(0xa5)));
        for wrong in [
            "",
            "a5",
            &text[1..],
            &format!("{}é", &text[..62]),
            &text.replace('a', "g"),
        ] {
            assert_eq!(JournalKey::parse(wrong), Err(NoJournalKey), "{wrong:?}");
        }
        assert!(!format!("{:?}", key(0xa5)).contains("a5"));
    }

    #[test]
    fn voucher_of_metadata_that_is_no_digest_is_none() {
        let digest = key(7).digest("b", "r", 0, b"x");
        assert!(matches!(
            Voucher::read(Some(&digest), &key(7)),
            Voucher::Digest(_)
        ));
        let id = key(7).id();
        assert_eq!(
            Voucher::read(Some(&digest), &key(8)),
            Voucher::OtherKey(id.clone())
        );
        for text in [
            None,
            Some(""),
            Some(":"),
            Some("x:y"),
            Some(&*id),
            Some(&digest[..80]),
        ] {
            assert_eq!(Voucher::read(text, &key(7)), Voucher::None, "{text:?}");
        }
    }
}
