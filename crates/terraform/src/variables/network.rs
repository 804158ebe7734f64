//! IP networks, as far as a mistake in one can be told.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network, as in `10.0.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NetworkError {
    #[error("it is no network: one is an address, a slash and a number of bits, as in 10.0.0.0/16")]
    Form,
    #[error("an address of this kind has {most} bits, and not {bits}")]
    Bits { bits: u8, most: u8 },
    #[error("its address has bits set behind the first {bits}: the network is {network}")]
    Host { bits: u8, network: Network },
}

impl Network {
    fn width(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        }
    }

    /// The address as a number with its first bit at the top.
    fn number(address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn masked(address: IpAddr, bits: u8) -> IpAddr {
        let mask = match bits {
            0 => 0,
            bits => u128::MAX << (128 - u32::from(bits)),
        };
        let number = Self::number(address) & mask;
        match address {
            // The upper 32 bits are all that a number of such an address has.
            IpAddr::V4(_) => IpAddr::V4(u32::try_from(number >> 96).unwrap_or_default().into()),
            IpAddr::V6(_) => IpAddr::V6(number.into()),
        }
    }

    /// Whether each address of `other` is one of this.
    pub(super) fn contains(self, other: Self) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
            && self.bits <= other.bits
            && Self::masked(other.address, self.bits) == self.address
    }

    /// Whether the two have an address in common.
    pub(super) fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = text.split_once('/').ok_or(NetworkError::Form)?;
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Form)?;
        let plain = bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u8 = bits
            .parse()
            .ok()
            .filter(|_| plain)
            .ok_or(NetworkError::Form)?;
        let most = Self::width(address);
        if bits > most {
            return Err(NetworkError::Bits { bits, most });
        }
        let network = Self {
            address: Self::masked(address, bits),
            bits,
        };
        match network.address == address {
            true => Ok(network),
            false => Err(NetworkError::Host { bits, network }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn network_of_a_text_with_a_mistake_says_which() {
        for text in [
            "10.0.0.0/16",
            "0.0.0.0/0",
            "10.1.2.3/32",
            "2001:db8::/32",
            "::/0",
        ] {
            assert_eq!(network(text).to_string(), text);
        }
        for text in [
            "",
            "10.0.0.0",
            "10.0.0/8",
            "10.0.0.256/8",
            "10.0.0.0/x",
            "10.0.0.0/+8",
            "a/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Form), "{text}");
        }
        let told = |text: &str| text.parse::<Network>().unwrap_err().to_string();
        assert!(told("10.0.0.0/33").contains("32 bits, and not 33"));
        assert!(told("10.0.5.0/16").ends_with("the network is 10.0.0.0/16"));
        assert!(told("2001:db8::1/32").ends_with("the network is 2001:db8::/32"));
    }

    #[test]
    fn networks_overlap_when_one_contains_the_other() {
        let rows = [
            ("10.0.0.0/16", "10.0.255.0/24", true),
            ("10.0.0.0/24", "10.0.1.0/24", false),
            ("0.0.0.0/0", "10.0.1.0/24", true),
            ("0.0.0.0/0", "2001:db8::/32", false),
            ("10.0.0.0/24", "10.0.0.0/24", true),
        ];
        for (one, other, overlap) in rows {
            let (one, other) = (network(one), network(other));
            assert_eq!(one.overlaps(other), overlap, "{one} {other}");
            assert_eq!(other.overlaps(one), overlap, "{other} {one}");
        }
        assert!(network("10.0.0.0/16").contains(network("10.0.1.0/24")));
        assert!(!network("10.0.1.0/24").contains(network("10.0.0.0/16")));
    }
}
