//! The VPC and what is in it.

use crate::Stack;
use crate::mutation::{ByUnitTest, Mutation, show};
use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, NetworkAcl, RuleAction};
use futures::FutureExt as _;
use local_aws::stack::network::{id, ids};

/// The route table of a subnet.
fn table(stack: &Stack, subnet: &str) -> String {
    let associations = stack.state.of("aws_route_table_association");
    let of = associations
        .iter()
        .find(|found| found.text("subnet_id") == subnet);
    of.expect("an association")
        .text("route_table_id")
        .to_owned()
}

/// Takes a default route away.
async fn without_default_route(stack: &Stack, table: &str) {
    let route = stack.clients.ec2.delete_route().route_table_id(table);
    let route = route.destination_cidr_block("0.0.0.0/0").send().await;
    route.expect("no route");
}

/// Puts a subnet under another route table.
async fn under(stack: &Stack, subnet: &str, table: &str) {
    let ec2 = &stack.clients.ec2;
    let of = Filter::builder()
        .name("association.subnet-id")
        .values(subnet);
    let found = ec2.describe_route_tables().filters(of.build()).send().await;
    let found = found.expect("route tables");
    let association = found
        .route_tables()
        .iter()
        .flat_map(|table| table.associations())
        .find(|association| association.subnet_id() == Some(subnet))
        .and_then(|association| association.route_table_association_id())
        .expect("an association")
        .to_owned();
    let moved = ec2.replace_route_table_association();
    let moved = moved.association_id(association).route_table_id(table);
    moved.send().await.expect("another table");
}

pub(crate) fn mutations() -> Vec<Mutation> {
    vec![
        Mutation {
            name: "a NAT gateway is deleted",
            item: Some(2),
            breaks: &["nat-available", "nat-routed", "tags-network"],
            apply: |stack| {
                async {
                    let nat = id(stack, "nat_gateway_ids");
                    let gone = stack.clients.ec2.delete_nat_gateway().nat_gateway_id(nat);
                    gone.send().await.expect("no gateway");
                }
                .boxed()
            },
        },
        Mutation {
            name: "a private subnet leaves through the NAT gateway of the other zone",
            item: Some(2),
            breaks: &["nat-routed"],
            apply: |stack| {
                async {
                    let table = table(stack, &id(stack, "private_subnet_ids"));
                    let other = ids(stack, "nat_gateway_ids").pop().expect("two gateways");
                    let route = stack.clients.ec2.replace_route().route_table_id(table);
                    let route = route.destination_cidr_block("0.0.0.0/0");
                    route.nat_gateway_id(other).send().await.expect("a route");
                }
                .boxed()
            },
        },
        Mutation {
            name: "a private subnet loses its default route",
            item: Some(2),
            breaks: &["nat-routed"],
            apply: |stack| {
                async {
                    let table = table(stack, &id(stack, "private_subnet_ids"));
                    without_default_route(stack, &table).await;
                }
                .boxed()
            },
        },
        Mutation {
            name: "a private subnet's default route goes to the internet gateway",
            item: Some(1),
            breaks: &["vpc-private-routes", "nat-routed"],
            apply: |stack| {
                async {
                    let table = table(stack, &id(stack, "private_subnet_ids"));
                    let gateway = stack.state.one("aws_internet_gateway", "networking");
                    let route = stack.clients.ec2.replace_route().route_table_id(table);
                    let route = route.destination_cidr_block("0.0.0.0/0");
                    let route = route.gateway_id(gateway.text("id")).send().await;
                    route.expect("a route");
                }
                .boxed()
            },
        },
        Mutation {
            name: "a private subnet has an IPv6 route to the internet gateway",
            item: Some(1),
            breaks: &["vpc-private-routes"],
            apply: |stack| {
                async {
                    let table = table(stack, &id(stack, "private_subnet_ids"));
                    let gateway = stack.state.one("aws_internet_gateway", "networking");
                    let route = stack.clients.ec2.create_route().route_table_id(table);
                    let route = route.destination_ipv6_cidr_block("::/0");
                    let route = route.gateway_id(gateway.text("id")).send().await;
                    route.expect("a route");
                }
                .boxed()
            },
        },
        Mutation {
            name: "a private subnet is under the public route table",
            item: Some(1),
            breaks: &["vpc-private-routes", "nat-routed", "vpc-endpoints"],
            apply: |stack| {
                async {
                    let public = table(stack, &id(stack, "public_subnet_ids"));
                    under(stack, &id(stack, "private_subnet_ids"), &public).await;
                }
                .boxed()
            },
        },
        Mutation {
            name: "a public subnet is under a private route table",
            item: Some(1),
            breaks: &["vpc-public-routes"],
            apply: |stack| {
                async {
                    let private = table(stack, &id(stack, "private_subnet_ids"));
                    under(stack, &id(stack, "public_subnet_ids"), &private).await;
                }
                .boxed()
            },
        },
        Mutation {
            name: "the public subnets lose their default route",
            item: Some(1),
            breaks: &["vpc-public-routes"],
            apply: |stack| {
                async {
                    let table = table(stack, &id(stack, "public_subnet_ids"));
                    without_default_route(stack, &table).await;
                }
                .boxed()
            },
        },
        Mutation {
            name: "the network ACL denies everything before it allows everything",
            item: Some(1),
            breaks: &["vpc-acls"],
            apply: |stack| {
                async {
                    let ec2 = &stack.clients.ec2;
                    let acls = ec2.describe_network_acls().send().await.expect("ACLs");
                    let vpc = id(stack, "vpc_id");
                    let of_vpc = |acl: &&NetworkAcl| acl.vpc_id() == Some(&vpc);
                    let acl = acls.network_acls().iter().find(of_vpc).expect("one");
                    let rule = ec2.create_network_acl_entry().rule_number(50).egress(false);
                    let rule = rule.network_acl_id(acl.network_acl_id().expect("its ID"));
                    let rule = rule.protocol("-1").rule_action(RuleAction::Deny);
                    let rule = rule.cidr_block("0.0.0.0/0").send().await;
                    rule.expect("a rule");
                }
                .boxed()
            },
        },
        Mutation {
            name: "a private subnet is deleted",
            item: Some(1),
            breaks: &[
                "vpc-subnets",
                "vpc-public-addresses",
                "vpc-private-routes",
                "nat-routed",
                "vpc-acls",
                "tags-network",
            ],
            apply: |stack| {
                async {
                    let subnet = id(stack, "private_subnet_ids");
                    let gone = stack.clients.ec2.delete_subnet().subnet_id(subnet);
                    gone.send().await.expect("no subnet");
                }
                .boxed()
            },
        },
        Mutation {
            name: "a subnet gives public addresses",
            item: Some(1),
            breaks: &["vpc-public-addresses"],
            apply: |stack| {
                async {
                    let subnet = id(stack, "private_subnet_ids");
                    let on = AttributeBooleanValue::builder().value(true).build();
                    let given = stack.clients.ec2.modify_subnet_attribute();
                    let given = given.subnet_id(subnet).map_public_ip_on_launch(on);
                    given.send().await.expect("addresses");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the VPC gives no names",
            item: Some(1),
            breaks: &["vpc-dns"],
            apply: |stack| {
                async {
                    let off = AttributeBooleanValue::builder().value(false).build();
                    let names = stack.clients.ec2.modify_vpc_attribute();
                    let names = names.vpc_id(id(stack, "vpc_id")).enable_dns_hostnames(off);
                    names.send().await.expect("no names");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the VPC resolves no names",
            item: Some(1),
            breaks: &["vpc-dns"],
            apply: |stack| {
                async {
                    let off = AttributeBooleanValue::builder().value(false).build();
                    let support = stack.clients.ec2.modify_vpc_attribute();
                    let support = support.vpc_id(id(stack, "vpc_id")).enable_dns_support(off);
                    support.send().await.expect("no names");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the endpoint of S3 is deleted",
            item: Some(1),
            breaks: &["vpc-endpoints", "tags-network"],
            apply: |stack| {
                async {
                    let endpoint = stack.state.one("aws_vpc_endpoint", "\"s3\"");
                    let gone = stack.clients.ec2.delete_vpc_endpoints();
                    let gone = gone.vpc_endpoint_ids(endpoint.text("id")).send().await;
                    gone.expect("no endpoint");
                }
                .boxed()
            },
        },
    ]
}

pub(crate) const ELSEWHERE: &[ByUnitTest] = &[
    ByUnitTest {
        name: "the VPC has another network",
        item: Some(1),
        breaks: &["vpc-cidr"],
        test: "a_vpc_of_another_network_is_noticed",
    },
    ByUnitTest {
        name: "the VPC is deleted",
        item: Some(1),
        breaks: &["vpc-exists"],
        test: "a_vpc_that_is_gone_is_told_once",
    },
    ByUnitTest {
        name: "the internet gateway is detached, and the public route leads nowhere",
        item: Some(1),
        breaks: &["vpc-public-routes"],
        test: "a_route_that_leads_nowhere_is_no_way",
    },
    ByUnitTest {
        name: "a NAT gateway is made private",
        item: Some(2),
        breaks: &["nat-available"],
        test: "a_private_nat_gateway_does_not_count",
    },
];

#[tokio::test]
async fn each_way_of_breaking_the_network_is_noticed() {
    show(mutations()).await;
}
