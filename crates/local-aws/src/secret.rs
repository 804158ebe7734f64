//! Random texts that only those know who were told.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

/// 128 random bits as text. It is not shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn random() -> io::Result<Self> {
        let mut random = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        Ok(Self(hex::encode(random)))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `given` is it. How long the answer takes does not tell how much of it is right.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differences = own.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
        own.len() == given.len() && differences == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_known_by_all_of_it_and_not_shown() {
        let secret = Secret::random().unwrap();
        let text = secret.reveal().to_owned();
        assert_eq!(text.len(), 32);
        assert!(secret.is(text.as_bytes()));
        for wrong in ["", &text[1..], &format!("{text}0"), &"0".repeat(32)] {
            assert!(!secret.is(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{secret:?}").contains(&text));
        assert_ne!(Secret::random().unwrap(), secret);
    }
}
