use std::fmt;
use std::str::FromStr;

/// A version of terraform, as in `1.11.4` or `1.12.0-beta1`.
///
/// The order is that of semantic versioning as far as numbers go; a pre-release comes before its release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
    // False comes first.
    is_release: bool,
    pre_release: String,
}

impl Version {
    /// A release.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
            is_release: true,
            pre_release: String::new(),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        match self.is_release {
            true => Ok(()),
            false => write!(f, "-{}", self.pre_release),
        }
    }
}

/// Text that is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers with dots between them")]
pub struct VersionError;

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What is built of the version's sources follows a plus sign.
        let text = text.split('+').next().unwrap_or(text);
        let (numbers, pre_release) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = numbers.split('.').map(str::parse);
        let mut number = || parts.next().and_then(Result::ok).ok_or(VersionError);
        let (major, minor, patch) = (number()?, number()?, number()?);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        if parts.next().is_some() || !pre_release.chars().all(plain) || pre_release.len() > 32 {
            return Err(VersionError);
        }
        Ok(Self {
            major,
            minor,
            patch,
            is_release: pre_release.is_empty(),
            pre_release: pre_release.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_order_puts_a_pre_release_before_its_release() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        let sorted = ["1.9.12", "1.10.0-beta1", "1.10.0", "1.10.1+ent", "2.0.0"].map(version);
        assert!(sorted.is_sorted());
        assert_eq!(sorted[1].to_string(), "1.10.0-beta1");
        assert_eq!(sorted[2], Version::new(1, 10, 0));
        for bad in ["", "1.10", "1.x.0", "1.2.3.4", "1.2.3-\u{1b}[0m"] {
            assert_eq!(bad.parse::<Version>(), Err(VersionError), "{bad:?}");
        }
    }
}
