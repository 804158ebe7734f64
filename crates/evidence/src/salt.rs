use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What makes a fingerprint say nothing to those who do not have it: without it, a short secret could be
/// found by trying.
#[derive(Clone)]
pub struct Salt([u8; Salt::BYTES]);

/// Text that is no salt. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no salt: 64 hexadecimal digits are expected")]
pub struct SaltError;

impl Salt {
    const BYTES: usize = 32;
    /// SHA-256 works on blocks of 64 bytes; HMAC fills a shorter key up with zeros (RFC 2104).
    const BLOCK: usize = 64;

    /// A new one.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// From what [`Salt::to_text`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, SaltError> {
        let digits = text.trim().as_bytes();
        if digits.len() != 2 * Self::BYTES {
            return Err(SaltError);
        }
        let mut bytes = [0; Self::BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = char::from(*digit).to_digit(16).ok_or(SaltError)?;
                *byte = *byte << 4 | u8::try_from(value).map_err(|_| SaltError)?;
            }
        }
        Ok(Self(bytes))
    }

    /// For a file that only its owner reads.
    pub fn to_text(&self) -> String {
        format!("{}\n", hex::encode(self.0))
    }

    /// A name by which captures say which salt was used; it tells nothing about the salt.
    pub fn id(&self) -> String {
        self.fingerprint("name of the salt", "", 16)
    }

    /// HMAC-SHA-256 of `text` for one purpose, its first `digits` hexadecimal digits.
    pub(super) fn fingerprint(&self, purpose: &str, text: &str, digits: usize) -> String {
        let mut key = [0; Self::BLOCK];
        key[..Self::BYTES].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&key.into());
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        let mut all = hex::encode(mac.finalize().into_bytes());
        all.truncate(digits);
        all
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Salt({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_is_read_as_it_was_written_and_shows_nothing_of_itself() {
        let salt = Salt::random();
        let again = Salt::parse(&salt.to_text()).unwrap();
        assert_eq!(salt.id(), again.id());
        let digits = salt.to_text();
        assert!(!format!("{salt:?}").contains(&digits[..16]));
        assert!(!digits.contains(&salt.id()));
        assert_ne!(Salt::random().id(), salt.id());
        for text in ["", "00", &"g".repeat(64), &"0".repeat(66), &"é".repeat(32)] {
            assert!(Salt::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fingerprints_are_hmac_sha_256() {
        // printf 'p\0hunter2' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…01
        let salt = Salt::parse(&"01".repeat(32)).unwrap();
        let known = "af10fbcca594c8d4448bf787af8b8a05874a532b5c321ad75fbff27f8a137b7e";
        assert_eq!(salt.fingerprint("p", "hunter2", 64), known);
        assert_ne!(salt.fingerprint("q", "hunter2", 64), known);
    }
}
