//! The security groups and their rules.

use super::Resource;
use super::Stack;
use super::network::tags;
use aws_sdk_ec2::types::{IpPermission, IpRange, ResourceType, UserIdGroupPair};

pub(crate) async fn build(stack: &mut Stack) {
    let ec2 = stack.clients.ec2.clone();
    for group in stack.state.of("aws_security_group") {
        let made = ec2
            .create_security_group()
            .group_name(group.text("name"))
            .description(group.text("description"))
            .vpc_id(group.text("vpc_id"))
            .tag_specifications(tags(&group, ResourceType::SecurityGroup))
            .send()
            .await
            .expect("a group")
            .group_id
            .expect("its id");
        // AWS lets a new group out everywhere; terraform takes that away.
        let everywhere = IpPermission::builder()
            .ip_protocol("-1")
            .ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build())
            .build();
        let revoked = ec2.revoke_security_group_egress().group_id(&made);
        let revoked = revoked.ip_permissions(everywhere).send().await;
        revoked.expect("no egress");
        stack.state.became(&group, "id", made);
    }
    for rule in stack.state.of("aws_vpc_security_group_ingress_rule") {
        let group = rule.text("security_group_id");
        let made = ec2.authorize_security_group_ingress().group_id(group);
        let made = made.ip_permissions(permission(&rule)).send().await;
        made.expect("an ingress rule");
    }
    for rule in stack.state.of("aws_vpc_security_group_egress_rule") {
        let group = rule.text("security_group_id");
        let made = ec2.authorize_security_group_egress().group_id(group);
        let made = made.ip_permissions(permission(&rule)).send().await;
        made.expect("an egress rule");
    }
}

/// A rule of terraform's as EC2 takes it.
pub fn permission(rule: &Resource) -> IpPermission {
    let text = |attribute| rule.maybe(attribute).map(str::to_owned);
    let range = text("cidr_ipv4").map(|cidr| {
        let range = IpRange::builder().cidr_ip(cidr);
        range.set_description(text("description")).build()
    });
    let group = text("referenced_security_group_id").map(|group| {
        let pair = UserIdGroupPair::builder().group_id(group);
        pair.set_description(text("description")).build()
    });
    IpPermission::builder()
        .ip_protocol(rule.text("ip_protocol"))
        .from_port(rule.number("from_port"))
        .to_port(rule.number("to_port"))
        .set_ip_ranges(range.map(|range| vec![range]))
        .set_user_id_group_pairs(group.map(|group| vec![group]))
        .build()
}
