//! The VPC and what is in it.

use super::Resource;
use super::Stack;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, DomainType, Filter, ResourceType, Tag, TagSpecification,
};

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

pub(crate) fn pairs(resource: &Resource) -> Vec<Tag> {
    let tags = resource.tags().into_iter();
    tags.map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

pub(crate) async fn vpc(stack: &mut Stack) {
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

pub(crate) async fn subnets(stack: &mut Stack) {
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

pub(crate) async fn ways_out(stack: &mut Stack) {
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

pub(crate) async fn routes(stack: &mut Stack) {
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
pub fn ids(stack: &Stack, output: &str) -> Vec<String> {
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

/// The only id, or the first, that an output names.
pub fn id(stack: &Stack, output: &str) -> String {
    ids(stack, output).into_iter().next().expect("an output")
}
