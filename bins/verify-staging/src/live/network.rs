use aws_env::Error;
use aws_sdk_ec2::types::{Filter, NatGatewayState, Tag};
use serde_json::json;

use super::{Asked, each_page};

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (Option<&str>, Option<&str>)> {
    tags.iter().map(|tag| (tag.key(), tag.value()))
}

impl Asked {
    /// Gateways, addresses, endpoints, flow logs.
    pub(super) async fn network(&mut self) -> Result<(), Error> {
        let filters: Vec<Filter> = self
            .tags
            .iter()
            .map(|(key, value)| {
                Filter::builder()
                    .name(format!("tag:{key}"))
                    .values(value)
                    .build()
            })
            .collect();
        let ec2 = self.clients.ec2.clone();
        let filtered = || Some(filters.clone());

        let request = ec2.describe_nat_gateways().set_filter(filtered());
        each_page!(self, "EC2", "DescribeNatGateways", request, |page| {
            for gateway in page.nat_gateways() {
                let there = matches!(
                    gateway.state(),
                    Some(NatGatewayState::Available | NatGatewayState::Pending)
                );
                if there && self.is_ours(pairs(gateway.tags())) {
                    let id = gateway.nat_gateway_id().unwrap_or_default();
                    self.add("aws_nat_gateway", id, [("id", json!(id))]);
                }
            }
        });
        let addresses = ec2
            .describe_addresses()
            .set_filters(filtered())
            .send()
            .await
            .map_err(|error| self.call("EC2", "DescribeAddresses").failed(error))?;
        for address in addresses.addresses() {
            if self.is_ours(pairs(address.tags())) {
                self.add("aws_eip", address.allocation_id().unwrap_or_default(), []);
            }
        }
        let request = ec2.describe_vpc_endpoints().set_filters(filtered());
        each_page!(self, "EC2", "DescribeVpcEndpoints", request, |page| {
            for endpoint in page.vpc_endpoints() {
                if self.is_ours(pairs(endpoint.tags())) {
                    let kind = endpoint
                        .vpc_endpoint_type()
                        .map(|kind| kind.as_str().to_owned());
                    let attributes = [
                        ("vpc_endpoint_type", json!(kind)),
                        ("subnet_ids", json!(endpoint.subnet_ids())),
                    ];
                    let id = endpoint.vpc_endpoint_id().unwrap_or_default();
                    self.add("aws_vpc_endpoint", id, attributes);
                }
            }
        });
        let request = ec2.describe_flow_logs().set_filter(filtered());
        each_page!(self, "EC2", "DescribeFlowLogs", request, |page| {
            for log in page.flow_logs() {
                if self.is_ours(pairs(log.tags())) {
                    let kind = log
                        .log_destination_type()
                        .map(|kind| kind.as_str().to_owned());
                    let destination = log.log_destination().map(str::to_owned).or_else(|| {
                        let group = log.log_group_name()?;
                        Some(format!("arn:aws:logs:{}::log-group:{group}", self.region))
                    });
                    let attributes = [
                        ("log_destination_type", json!(kind)),
                        ("log_destination", json!(destination)),
                    ];
                    self.add(
                        "aws_flow_log",
                        log.flow_log_id().unwrap_or_default(),
                        attributes,
                    );
                }
            }
        });
        Ok(())
    }
}
