//! Whether a rule of a security group lets the internet in, however its addresses are written.

use aws_sdk_ec2::types::IpPermission;
use ipnet::IpNet;

/// The widest blocks that IANA gives to one registry, in bits of the prefix: whoever lets in more than one of them does not
/// mean a network of somebody's.
/// <https://www.iana.org/assignments/ipv4-address-space/ipv4-address-space.xhtml>,
/// <https://www.iana.org/assignments/ipv6-unicast-address-assignments/ipv6-unicast-address-assignments.xhtml>
const WIDEST: (u8, u8) = (8, 12);

/// Whom a rule names by their addresses, of either family.
pub(crate) fn ranges(rule: &IpPermission) -> impl Iterator<Item = &str> {
    let four = rule.ip_ranges().iter().filter_map(|range| range.cidr_ip());
    let six = rule
        .ipv6_ranges()
        .iter()
        .filter_map(|range| range.cidr_ipv6());
    four.chain(six)
}

/// Whether the ranges together are the internet or a large part of it: `0.0.0.0/1` with `128.0.0.0/1` is `0.0.0.0/0`. What
/// is no range, such as the ID of a group, lets in nobody by address.
pub(crate) fn is_internet<'a>(ranges: impl IntoIterator<Item = &'a str>) -> bool {
    let ranges: Vec<IpNet> = ranges
        .into_iter()
        .filter_map(|range| range.parse().ok())
        .collect();
    IpNet::aggregate(&ranges).iter().any(|range| match range {
        IpNet::V4(range) => range.prefix_len() < WIDEST.0,
        IpNet::V6(range) => range.prefix_len() < WIDEST.1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internet_in_parts_is_the_internet() {
        for ranges in [
            vec!["0.0.0.0/0"],
            vec!["::/0"],
            vec!["2000::/3"],
            vec!["0.0.0.0/1", "128.0.0.0/1"],
            vec!["128.0.0.0/2"],
            vec!["10.0.0.0/16", "8.0.0.0/8", "9.0.0.0/8"],
            vec!["sg-0123", "0.0.0.0/0"],
        ] {
            assert!(is_internet(ranges.clone()), "{ranges:?}");
        }
        for ranges in [
            vec![],
            vec!["10.0.0.0/8"],
            vec!["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
            vec!["203.0.113.7/32"],
            vec!["2001:db8::/32", "fd00::/16"],
            vec!["sg-0123", "pl-0123"],
        ] {
            assert!(!is_internet(ranges.clone()), "{ranges:?}");
        }
    }
}
