use aws_env::{Error, pages_up_to};
use aws_sdk_ec2::types::{Filter, NatGatewayState, Tag};
use serde_json::json;

use super::{MOST_PAGES, Search};

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (Option<&str>, Option<&str>)> {
    tags.iter().map(|tag| (tag.key(), tag.value()))
}

impl Search {
    /// Gateways, addresses, endpoints, flow logs.
    pub(super) async fn network(&mut self) -> Result<(), Error> {
        self.nat_gateways().await?;
        self.addresses().await?;
        self.endpoints().await?;
        self.flow_logs().await
    }

    /// What EC2 is asked to filter by, so that it does not list the whole region.
    fn filters(&self) -> Option<Vec<Filter>> {
        let filters = self.tags.iter().map(|(key, value)| {
            Filter::builder()
                .name(format!("tag:{key}"))
                .values(value)
                .build()
        });
        Some(filters.collect())
    }

    async fn nat_gateways(&mut self) -> Result<(), Error> {
        let request = self
            .clients
            .ec2
            .describe_nat_gateways()
            .set_filter(self.filters());
        let call = self.call("EC2", "DescribeNatGateways");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
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
        }
        Ok(())
    }

    async fn addresses(&mut self) -> Result<(), Error> {
        let addresses = self
            .clients
            .ec2
            .describe_addresses()
            .set_filters(self.filters())
            .send()
            .await
            .map_err(|error| self.call("EC2", "DescribeAddresses").failed(error))?;
        for address in addresses.addresses() {
            if self.is_ours(pairs(address.tags())) {
                self.add("aws_eip", address.allocation_id().unwrap_or_default(), []);
            }
        }
        Ok(())
    }

    async fn endpoints(&mut self) -> Result<(), Error> {
        let request = self
            .clients
            .ec2
            .describe_vpc_endpoints()
            .set_filters(self.filters());
        let call = self.call("EC2", "DescribeVpcEndpoints");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
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
        }
        Ok(())
    }

    async fn flow_logs(&mut self) -> Result<(), Error> {
        let request = self
            .clients
            .ec2
            .describe_flow_logs()
            .set_filter(self.filters());
        let call = self.call("EC2", "DescribeFlowLogs");
        let pages = request.into_paginator().send();
        for page in pages_up_to(call, MOST_PAGES, pages).await? {
            for log in page.flow_logs() {
                if self.is_ours(pairs(log.tags())) {
                    let kind = log
                        .log_destination_type()
                        .map(|kind| kind.as_str().to_owned());
                    let destination = log.log_destination().map(str::to_owned).or_else(|| {
                        let group = log.log_group_name()?;
                        Some(format!(
                            "arn:aws:logs:{}::log-group:{group}",
                            self.clients.access.region()
                        ))
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
        }
        Ok(())
    }
}
