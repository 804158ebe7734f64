//! Names: that they are known, and that those of the database and Redis lead into the VPC.

use std::net::IpAddr;

use report::finding::{Finding, Observation, Unobserved};

use super::link::Deadline;
use crate::connection::Endpoint;

/// Where a name has to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// To addresses of the VPC.
    Inside,
    Anywhere,
}

pub(super) async fn probe(endpoint: &Endpoint, leads: Leads, deadline: Deadline) -> Finding {
    let resolved = addresses(endpoint, deadline).await;
    let expected = match leads {
        Leads::Inside => "private addresses",
        Leads::Anywhere => "an address",
    };
    let seen = resolved.map(|addresses| {
        let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let right = leads == Leads::Anywhere || addresses.iter().copied().all(is_private);
        (right, shown.join(", "))
    });
    Finding::new("dns", &endpoint.host, expected, seen)
        .fix("publicly_accessible = false, then terraform apply; a public address can be reached from everywhere")
}

async fn addresses(endpoint: &Endpoint, deadline: Deadline) -> Observation<Vec<IpAddr>> {
    let Endpoint { host, port } = endpoint;
    let found = deadline
        .within(tokio::net::lookup_host((host.as_str(), *port)))
        .await?
        // The resolver does not tell an unknown name from a server that does not answer.
        .map_err(|_| Unobserved::because("the name is not resolved"))?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(Unobserved::because("the name has no address"));
    }
    Ok(addresses)
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_vpc_are_told_from_public_ones() {
        for (address, private) in [
            ("10.0.1.2", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("127.0.0.1", true),
            ("52.60.1.1", false),
            ("fd00::1", true),
            ("2600:1f11::1", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), private, "{address}");
        }
    }
}
