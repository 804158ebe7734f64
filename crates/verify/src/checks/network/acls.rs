//! Network ACLs: whether they let through what a subnet needs. Security groups judge after them, and know connections;
//! an ACL does not, and has to let the answers through as well.
//! <https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html>

use aws_sdk_ec2::types::{NetworkAclEntry, RuleAction};
use ipnet::Ipv4Net;
use report::finding::{Observation, Unobserved};

/// Packets of TCP that a subnet needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    out: bool,
    ports: (i32, i32),
    peer: Ipv4Net,
}

/// TLS.
const HTTPS: (i32, i32) = (443, 443);

/// Where answers go to: NAT gateways and load balancers take any of these, Linux fewer.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/nacl-ephemeral-ports.html>
const ANSWERS: (i32, i32) = (1024, 65535);

/// The number of TCP, and that of any protocol, in EC2's answers.
const TCP: [&str; 2] = ["6", "-1"];

/// What a public subnet needs: load balancer and NAT gateway.
pub(super) fn of_public() -> [Flow; 4] {
    let flow = |out, ports| Flow {
        out,
        ports,
        peer: Ipv4Net::default(),
    };
    [
        flow(false, HTTPS),
        flow(false, ANSWERS),
        flow(true, HTTPS),
        flow(true, ANSWERS),
    ]
}

/// What a private subnet needs: tasks that call AWS, and database and Redis, which answer in the VPC.
pub(super) fn of_private(vpc: Ipv4Net) -> [Flow; 3] {
    let flow = |out, ports, peer| Flow { out, ports, peer };
    [
        flow(false, ANSWERS, Ipv4Net::default()),
        flow(true, HTTPS, Ipv4Net::default()),
        flow(true, ANSWERS, vpc),
    ]
}

/// Which of the flows the rules of an ACL let through to nobody.
///
/// # Errors
/// Where rules speak of parts of a flow only: that may be meant, and may be too little.
pub(super) fn blocked(entries: &[NetworkAclEntry], flows: &[Flow]) -> Observation<Vec<String>> {
    let mut blocked = Vec::new();
    for flow in flows {
        if !flow.passes(entries)? {
            blocked.push(flow.words());
        }
    }
    Ok(blocked)
}

impl Flow {
    fn words(&self) -> String {
        let way = if self.out { "to" } else { "from" };
        let (first, last) = self.ports;
        let ports = match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        format!("tcp {ports} {way} {}", self.peer)
    }

    /// The rule with the lowest number that fits decides.
    fn passes(&self, entries: &[NetworkAclEntry]) -> Observation<bool> {
        let mut rules: Vec<&NetworkAclEntry> = entries
            .iter()
            .filter(|rule| rule.egress() == Some(self.out))
            .filter(|rule| rule.protocol().is_some_and(|of| TCP.contains(&of)))
            .collect();
        rules.sort_by_key(|rule| rule.rule_number());
        let mut in_part = false;
        for rule in rules {
            // The others are of IPv6.
            let Some(range) = rule.cidr_block() else {
                continue;
            };
            let range: Ipv4Net = range
                .parse()
                .map_err(|_| Unobserved::because(format!("{range} is no range of addresses")))?;
            let ports = match rule.port_range() {
                Some(ports) => (ports.from().unwrap_or(0), ports.to().unwrap_or(65535)),
                None => (0, 65535),
            };
            let allows = rule.rule_action() == Some(&RuleAction::Allow);
            let whole =
                range.contains(&self.peer) && ports.0 <= self.ports.0 && self.ports.1 <= ports.1;
            if whole {
                return Ok(allows);
            }
            let touches = (range.contains(&self.peer) || self.peer.contains(&range))
                && ports.0 <= self.ports.1
                && self.ports.0 <= ports.1;
            // Denying some of it, as one does with attackers, leaves the rest to the later rules.
            in_part |= touches && allows;
        }
        if in_part {
            return Err(Unobserved::because(format!(
                "its rules let {} through in part",
                self.words()
            )));
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::PortRange;

    use super::*;

    fn rule(
        number: i32,
        out: bool,
        allows: bool,
        range: &str,
        ports: Option<(i32, i32)>,
    ) -> NetworkAclEntry {
        let action = match allows {
            true => RuleAction::Allow,
            false => RuleAction::Deny,
        };
        NetworkAclEntry::builder()
            .rule_number(number)
            .egress(out)
            .rule_action(action)
            .cidr_block(range)
            .protocol(if ports.is_some() { "6" } else { "-1" })
            .set_port_range(ports.map(|(from, to)| PortRange::builder().from(from).to(to).build()))
            .build()
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let vpc: Ipv4Net = "10.0.0.0/16".parse().unwrap();
        let all = |out| rule(100, out, true, "0.0.0.0/0", None);
        let last = |out| rule(32767, out, false, "0.0.0.0/0", None);
        let judged = |more: &[NetworkAclEntry]| {
            let mut rules = vec![last(false), last(true), all(false), all(true)];
            rules.extend_from_slice(more);
            let shown = [
                blocked(&rules, &of_public()).map(|all| all.len()),
                blocked(&rules, &of_private(vpc)).map(|all| all.len()),
            ];
            shown.map(Result::ok)
        };
        assert_eq!(judged(&[]), [Some(0), Some(0)]);
        // Denied before everything is allowed.
        let denied = rule(50, false, false, "0.0.0.0/0", None);
        assert_eq!(judged(&[denied]), [Some(2), Some(1)]);
        let late = rule(200, false, false, "0.0.0.0/0", None);
        assert_eq!(judged(&[late]), [Some(0), Some(0)]);
        let attacker = rule(50, false, false, "203.0.113.0/24", None);
        assert_eq!(judged(&[attacker]), [Some(0), Some(0)]);
        let answers = rule(50, true, false, "10.0.0.0/8", Some((1024, 65535)));
        assert_eq!(judged(&[answers]), [Some(0), Some(1)]);
        let ssh = rule(50, false, false, "0.0.0.0/0", Some((22, 22)));
        assert_eq!(judged(&[ssh]), [Some(0), Some(0)]);
    }

    #[test]
    fn what_is_let_through_in_part_is_unknown() {
        let vpc: Ipv4Net = "10.0.0.0/16".parse().unwrap();
        let office = [
            rule(1, false, true, "203.0.113.0/24", None),
            rule(1, true, true, "0.0.0.0/0", None),
        ];
        assert!(blocked(&office, &of_public()).is_err());
        let linux = rule(1, false, true, "0.0.0.0/0", Some((32768, 60999)));
        assert!(blocked(&[linux], &of_private(vpc)).is_err());
        assert_eq!(blocked(&[], &of_private(vpc)).map(|all| all.len()), Ok(3));
    }
}
