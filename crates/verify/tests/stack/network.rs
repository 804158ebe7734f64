//! The VPC and what is in it.

use futures::FutureExt as _;

use aws_sdk_ec2::types::{
    AttributeBooleanValue, DomainType, Filter, NetworkAcl, ResourceType, RuleAction, Tag,
    TagSpecification,
};

use crate::Stack;
use crate::mutation::{ByUnitTest, Mutation, show};
use crate::state::Resource;

pub(crate) async fn build(stack: &mut Stack) {
    vpc(stack).await;
    subnets(stack).await;
    ways_out(stack).await;
    routes(stack).await;
    for endpoint in stack.state.of("aws_vpc_endpoint") {
        let made = stack
            .clients
            .ec2
            .create_vpc_endpoint()
            .vpc_id(endpoint.text("vpc_id"))
            .service_name(endpoint.text("service_name"))
            .set_route_table_ids(Some(endpoint.texts("route_table_ids")))
            .tag_specifications(tags(&endpoint, ResourceType::VpcEndpoint))
            .send()
            .await
            .expect("an endpoint")
            .vpc_endpoint
            .and_then(|endpoint| endpoint.vpc_endpoint_id)
            .expect("its id");
        stack.state.became(&endpoint, "id", made);
    }
}

/// All tags of a resource, for a call that makes it.
pub(crate) fn tags(resource: &Resource, kind: ResourceType) -> TagSpecification {
    TagSpecification::builder()
        .resource_type(kind)
        .set_tags(Some(pairs(resource)))
        .build()
}

fn pairs(resource: &Resource) -> Vec<Tag> {
    let tags = resource.tags().into_iter();
    tags.map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

async fn vpc(stack: &mut Stack) {
    let ec2 = stack.clients.ec2.clone();
    let vpc = stack.state.one("aws_vpc", "module.networking");
    let id = ec2
        .create_vpc()
        .cidr_block(vpc.text("cidr_block"))
        .tag_specifications(tags(&vpc, ResourceType::Vpc))
        .send()
        .await
        .expect("a VPC")
        .vpc
        .and_then(|vpc| vpc.vpc_id)
        .expect("its id");
    let on = || AttributeBooleanValue::builder().value(true).build();
    let support = ec2.modify_vpc_attribute().vpc_id(&id);
    let support = support.enable_dns_support(on()).send().await;
    support.expect("DNS");
    let names = ec2.modify_vpc_attribute().vpc_id(&id);
    let names = names.enable_dns_hostnames(on()).send().await;
    names.expect("names");
    stack.state.became(&vpc, "id", &id);

    // Terraform takes over the group that AWS made, and takes its rules away.
    let group = stack.state.one("aws_default_security_group", "networking");
    let found = ec2
        .describe_security_groups()
        .filters(Filter::builder().name("vpc-id").values(&id).build())
        .filters(
            Filter::builder()
                .name("group-name")
                .values("default")
                .build(),
        )
        .send()
        .await
        .expect("groups")
        .security_groups
        .and_then(|groups| groups.into_iter().next())
        .expect("a default group");
    let default = found.group_id.expect("its id");
    if let Some(rules) = found.ip_permissions.filter(|rules| !rules.is_empty()) {
        let revoked = ec2.revoke_security_group_ingress().group_id(&default);
        let revoked = revoked.set_ip_permissions(Some(rules)).send().await;
        revoked.expect("no ingress");
    }
    if let Some(rules) = found
        .ip_permissions_egress
        .filter(|rules| !rules.is_empty())
    {
        let revoked = ec2.revoke_security_group_egress().group_id(&default);
        let revoked = revoked.set_ip_permissions(Some(rules)).send().await;
        revoked.expect("no egress");
    }
    let tagged = ec2.create_tags().resources(&default);
    let tagged = tagged.set_tags(Some(pairs(&group))).send().await;
    tagged.expect("tags");
    stack.state.became(&group, "id", default);
}

async fn subnets(stack: &mut Stack) {
    for subnet in stack.state.of("aws_subnet") {
        let made = stack
            .clients
            .ec2
            .create_subnet()
            .vpc_id(subnet.text("vpc_id"))
            .availability_zone(subnet.text("availability_zone"))
            .cidr_block(subnet.text("cidr_block"))
            .tag_specifications(tags(&subnet, ResourceType::Subnet))
            .send()
            .await
            .expect("a subnet")
            .subnet
            .and_then(|subnet| subnet.subnet_id)
            .expect("its id");
        stack.state.became(&subnet, "id", made);
    }
}

async fn ways_out(stack: &mut Stack) {
    let ec2 = stack.clients.ec2.clone();
    let gateway = stack.state.one("aws_internet_gateway", "module.networking");
    let made = ec2
        .create_internet_gateway()
        .tag_specifications(tags(&gateway, ResourceType::InternetGateway))
        .send()
        .await
        .expect("an internet gateway")
        .internet_gateway
        .and_then(|gateway| gateway.internet_gateway_id)
        .expect("its id");
    let attached = ec2.attach_internet_gateway().internet_gateway_id(&made);
    let attached = attached.vpc_id(gateway.text("vpc_id")).send().await;
    attached.expect("an attachment");
    stack.state.became(&gateway, "id", made);

    for address in stack.state.of("aws_eip") {
        let made = ec2
            .allocate_address()
            .domain(DomainType::Vpc)
            .tag_specifications(tags(&address, ResourceType::ElasticIp))
            .send()
            .await
            .expect("an address")
            .allocation_id
            .expect("its id");
        stack.state.became(&address, "id", &made);
        stack.state.became(&address, "allocation_id", made);
    }
    for nat in stack.state.of("aws_nat_gateway") {
        let made = ec2
            .create_nat_gateway()
            .allocation_id(nat.text("allocation_id"))
            .subnet_id(nat.text("subnet_id"))
            .tag_specifications(tags(&nat, ResourceType::Natgateway))
            .send()
            .await
            .expect("a NAT gateway")
            .nat_gateway
            .and_then(|nat| nat.nat_gateway_id)
            .expect("its id");
        stack.state.became(&nat, "id", made);
    }
}

async fn routes(stack: &mut Stack) {
    let ec2 = stack.clients.ec2.clone();
    for table in stack.state.of("aws_route_table") {
        let made = ec2
            .create_route_table()
            .vpc_id(table.text("vpc_id"))
            .tag_specifications(tags(&table, ResourceType::RouteTable))
            .send()
            .await
            .expect("a route table")
            .route_table
            .and_then(|table| table.route_table_id)
            .expect("its id");
        stack.state.became(&table, "id", made);
    }
    for route in stack.state.of("aws_route") {
        let text = |attribute| route.maybe(attribute).map(str::to_owned);
        ec2.create_route()
            .route_table_id(route.text("route_table_id"))
            .destination_cidr_block(route.text("destination_cidr_block"))
            .set_gateway_id(text("gateway_id"))
            .set_nat_gateway_id(text("nat_gateway_id"))
            .send()
            .await
            .expect("a route");
    }
    for association in stack.state.of("aws_route_table_association") {
        ec2.associate_route_table()
            .route_table_id(association.text("route_table_id"))
            .subnet_id(association.text("subnet_id"))
            .send()
            .await
            .expect("an association");
    }
}

/// An id of the stack, by the output that names it.
fn ids(stack: &Stack, output: &str) -> Vec<String> {
    let outputs: serde_json::Value =
        serde_json::from_slice(&stack.state.outputs()).expect("outputs");
    let value = &outputs[output]["value"];
    match value.as_array() {
        Some(values) => values
            .iter()
            .filter_map(|id| id.as_str().map(str::to_owned))
            .collect(),
        None => value.as_str().map(str::to_owned).into_iter().collect(),
    }
}

pub(crate) fn id(stack: &Stack, output: &str) -> String {
    ids(stack, output).into_iter().next().expect("an output")
}

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
