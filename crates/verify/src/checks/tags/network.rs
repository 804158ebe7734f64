//! EC2 shows tags with what it describes.

use aws_sdk_ec2::types::{Filter, Tag};
use report::finding::{Observation, Unobserved};

use super::super::Context;
use super::{Tagged, Tags, pairs};

fn tags(tags: Option<Vec<Tag>>) -> Tags {
    let tags = tags.unwrap_or_default().into_iter();
    pairs(tags.map(|tag| (tag.key, tag.value)))
}

pub(super) async fn network(context: Context<'_>) -> Tagged {
    match seen(context).await {
        Ok(tagged) => tagged,
        Err(unobserved) => vec![("network".to_owned(), Err(unobserved))],
    }
}

/// What the VPC holds and terraform made: not the main route table, the network ACL and the options for DHCP,
/// which AWS makes, nor NAT gateways that are gone and linger.
async fn seen(context: Context<'_>) -> Observation<Tagged> {
    let vpc = context.located.text("vpc_id")?;
    let filter = |name: &str| Filter::builder().name(name).values(vpc).build();
    let ec2 = &context.clients.ec2;
    let vpcs = async {
        let pages = ec2.describe_vpcs().filters(filter("vpc-id"));
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| failed(context, "DescribeVpcs", error))
    };
    let subnets = async {
        let pages = ec2.describe_subnets().filters(filter("vpc-id"));
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| failed(context, "DescribeSubnets", error))
    };
    let gateways = async {
        let pages = ec2.describe_internet_gateways();
        let pages = pages.filters(filter("attachment.vpc-id"));
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| failed(context, "DescribeInternetGateways", error))
    };
    let tables = async {
        let pages = ec2.describe_route_tables().filters(filter("vpc-id"));
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| failed(context, "DescribeRouteTables", error))
    };
    let endpoints = async {
        let pages = ec2.describe_vpc_endpoints().filters(filter("vpc-id"));
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| failed(context, "DescribeVpcEndpoints", error))
    };
    let logs = async {
        let pages = ec2.describe_flow_logs().filter(filter("resource-id"));
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        found.map_err(|error| failed(context, "DescribeFlowLogs", error))
    };
    let (vpcs, subnets, gateways, tables, endpoints, logs, nat) = tokio::join!(
        vpcs,
        subnets,
        gateways,
        tables,
        endpoints,
        logs,
        nat(context, filter("vpc-id"))
    );
    let vpcs = vpcs?;
    if vpcs.is_empty() {
        return Err(Unobserved::absent(format!("EC2 knows no VPC {vpc}")));
    }
    let main = |table: &aws_sdk_ec2::types::RouteTable| {
        let mut associations = table.associations().iter();
        associations.any(|association| association.main() == Some(true))
    };
    let mut tagged: Vec<(Option<String>, Option<Vec<Tag>>)> = Vec::new();
    tagged.extend(vpcs.into_iter().map(|vpc| (vpc.vpc_id, vpc.tags)));
    tagged.extend(subnets?.into_iter().map(|one| (one.subnet_id, one.tags)));
    let gateways = gateways?.into_iter();
    tagged.extend(gateways.map(|one| (one.internet_gateway_id, one.tags)));
    let tables = tables?.into_iter().filter(|table| !main(table));
    tagged.extend(tables.map(|one| (one.route_table_id, one.tags)));
    let endpoints = endpoints?.into_iter();
    let own = endpoints.filter(|one| one.vpc_id() == Some(vpc));
    tagged.extend(own.map(|one| (one.vpc_endpoint_id, one.tags)));
    tagged.extend(logs?.into_iter().map(|one| (one.flow_log_id, one.tags)));
    tagged.extend(nat?);
    Ok(tagged
        .into_iter()
        .filter_map(|(id, found)| Some((id?, Ok(tags(found)))))
        .collect())
}

/// The NAT gateways, and the addresses that they have.
async fn nat(
    context: Context<'_>,
    of_vpc: Filter,
) -> Observation<Vec<(Option<String>, Option<Vec<Tag>>)>> {
    let ec2 = &context.clients.ec2;
    let pages = ec2.describe_nat_gateways().filter(of_vpc);
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let found = found.map_err(|error| failed(context, "DescribeNatGateways", error))?;
    let gone = ["deleting", "deleted", "failed"];
    let there = found.into_iter().filter(|gateway| {
        let state = gateway.state().map(|state| state.as_str());
        !state.is_some_and(|state| gone.contains(&state))
    });
    let there: Vec<_> = there.collect();
    let addresses: Vec<String> = there
        .iter()
        .flat_map(|gateway| gateway.nat_gateway_addresses())
        .filter_map(|address| address.allocation_id().map(str::to_owned))
        .collect();
    let mut tagged: Vec<_> = there
        .into_iter()
        .map(|gateway| (gateway.nat_gateway_id, gateway.tags))
        .collect();
    if !addresses.is_empty() {
        let asked = ec2.describe_addresses().set_allocation_ids(Some(addresses));
        let found = asked.send().await;
        let found = found.map_err(|error| failed(context, "DescribeAddresses", error))?;
        let found = found.addresses.unwrap_or_default().into_iter();
        tagged.extend(found.map(|one| (one.allocation_id, one.tags)));
    }
    Ok(tagged)
}

fn failed<E>(
    context: Context<'_>,
    operation: &'static str,
    error: aws_smithy_runtime_api::client::result::SdkError<
        E,
        aws_smithy_runtime_api::client::orchestrator::HttpResponse,
    >,
) -> Unobserved
where
    E: std::error::Error
        + aws_smithy_types::error::metadata::ProvideErrorMetadata
        + Send
        + Sync
        + 'static,
{
    let call = context.clients.call("EC2", operation, "the VPC");
    Unobserved::from(call.failed(error))
}

/// The stack's groups, and the VPC's default one, which terraform tags.
pub(super) async fn groups(context: Context<'_>) -> Tagged {
    let located = context.located;
    let seen = async {
        let of_vpc = Filter::builder().name("vpc-id");
        let of_vpc = of_vpc.values(located.text("vpc_id")?).build();
        let own = [
            "alb_security_group_id",
            "ecs_tasks_security_group_id",
            "rds_security_group_id",
            "redis_security_group_id",
        ];
        let own: Vec<&str> = own
            .into_iter()
            .map(|output| located.text(output))
            .collect::<Observation<_>>()?;
        let pages = context.clients.ec2.describe_security_groups();
        let pages = pages.filters(of_vpc).into_paginator().items().send();
        let found: Result<Vec<_>, _> = pages.collect().await;
        let found = found.map_err(|error| failed(context, "DescribeSecurityGroups", error))?;
        let found = found.into_iter().filter_map(|group| {
            let default = group.group_name() == Some("default");
            let id = group.group_id?;
            let ours = default || own.contains(&id.as_str());
            ours.then(|| (id, Ok(tags(group.tags))))
        });
        Ok(found.collect())
    };
    match seen.await {
        Ok(tagged) => tagged,
        Err(unobserved) => vec![("security groups".to_owned(), Err(unobserved))],
    }
}
