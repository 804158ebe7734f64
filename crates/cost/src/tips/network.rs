use rust_decimal::Decimal;

use super::{Finder, Saving, Tip, Trust, addresses};
use crate::inventory::Resource;
use crate::money::{Usd, UsdRange};
use crate::prices::{PriceKey, Scope, Service};
use crate::quantity::{HOURS_PER_MONTH, Scenario};

const NAT: &str = "aws_nat_gateway";
const BYTES: &str = "monthly_data_processed_gb";

impl Finder<'_> {
    /// Every NAT gateway of the stack's region.
    fn gateways(&self) -> Vec<Resource> {
        self.inventory
            .of_kind(NAT)
            .filter(|nat| nat.region == self.inventory.region)
            .cloned()
            .collect()
    }

    /// What has passed through these gateways, in GB.
    fn bytes(&self, gateways: &[Resource], scenario: Scenario) -> Decimal {
        gateways
            .iter()
            .map(|nat| self.usage.of(&nat.address, NAT, BYTES).0.get(scenario))
            .sum()
    }

    /// The first tier's price of one unit.
    fn unit_price(&self, service: Service, item: &str) -> Option<Usd> {
        let key = PriceKey {
            scope: Scope::Region(self.inventory.region?),
            service,
            item: item.to_owned(),
        };
        let price = self.book.price(&key)?;
        Some(price.tiers().first()?.usd)
    }

    /// One NAT gateway for all zones.
    pub(super) fn one_nat(&mut self) {
        let name = "Share one NAT gateway";
        let gateways = self.gateways();
        let Some((_, rest)) = gateways.split_first().filter(|(_, rest)| !rest.is_empty()) else {
            return;
        };
        let dropped = addresses(rest);
        // Each has one address, and nothing in a plan says which.
        let mut addresses_left = rest.len();
        let mut changed = self.inventory.clone();
        changed.resources.retain(|resource| {
            let address = resource.kind == "aws_eip" && resource.region == self.inventory.region;
            if address && addresses_left > 0 {
                addresses_left -= 1;
                return false;
            }
            !dropped.contains(&resource.address)
        });
        let options = self.options;
        let Some(Saving { trust, .. }) = self.saving(name, &changed, options) else {
            return;
        };
        // What the dropped ones carried goes through the other one, and crosses zones, billed on both sides.
        let (Some(hour), Some(ipv4), Some(cross)) = (
            self.unit_price(Service::Ec2, "nat gateway"),
            self.unit_price(Service::Vpc, "public ipv4"),
            self.unit_price(Service::DataTransfer, "between zones"),
        ) else {
            self.notes.push(format!(
                "{name}: the price of traffic between zones is not known"
            ));
            return;
        };
        let fixed = (hour + ipv4).times(HOURS_PER_MONTH * Decimal::from(rest.len()));
        let crossing = |scenario| cross.times(self.bytes(rest, scenario) * Decimal::TWO);
        // Little saving where much crosses.
        let saves = UsdRange {
            low: fixed - crossing(Scenario::High),
            expected: fixed - crossing(Scenario::Expected),
            high: fixed - crossing(Scenario::Low),
        }
        .rounded();
        if saves.expected <= Usd::ZERO {
            return;
        }
        self.tip(Tip {
            name: name.to_owned(),
            resources: addresses(&gateways),
            saves,
            trust,
            how: format!(
                "{} × {} × (${} + ${}) less, and {} for traffic that then crosses zones",
                rest.len(),
                HOURS_PER_MONTH,
                hour.exact(),
                ipv4.exact(),
                crossing(Scenario::Expected),
            ),
            risk:
                "when the zone of the gateway fails, nothing in the other zone reaches the internet"
                    .to_owned(),
            change: "nat_gateways = \"single\"".to_owned(),
            expect: Some("nat = \"single\"".to_owned()),
        });
    }

    /// Gateway endpoints for S3 and DynamoDB, which cost nothing.
    pub(super) fn gateway_endpoints(&mut self) {
        let gateways = self.gateways();
        let has_gateway = self.inventory.of_kind("aws_vpc_endpoint").any(|endpoint| {
            endpoint.region == self.inventory.region
                && matches!(
                    endpoint.attributes.text("vpc_endpoint_type"),
                    None | Some("Gateway")
                )
        });
        if gateways.is_empty() || has_gateway {
            return;
        }
        let Some(price) = self.unit_price(Service::Ec2, "nat gateway data") else {
            return;
        };
        let half = Decimal::new(5, 1);
        let expected = price
            .times(self.bytes(&gateways, Scenario::Expected) * half)
            .rounded();
        if expected <= Usd::ZERO {
            return;
        }
        self.tip(Tip {
            name: "Reach S3 and DynamoDB through gateway endpoints".to_owned(),
            resources: addresses(&gateways),
            saves: UsdRange {
                low: Usd::ZERO,
                expected,
                high: price.times(self.bytes(&gateways, Scenario::Expected)).rounded(),
            },
            trust: Trust::Low,
            how: format!(
                "${} for every GB that no longer passes a NAT gateway: nothing if none of it goes to S3 or DynamoDB, half of it expected, at most all",
                price.exact()
            ),
            risk: "none: they cost nothing and keep that traffic off the internet".to_owned(),
            change: "aws_vpc_endpoint of type Gateway for s3 and dynamodb, in the private route tables"
                .to_owned(),
            expect: None,
        });
    }
}
