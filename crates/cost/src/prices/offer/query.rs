//! Which product of the Price List an item of the price book is.
//!
//! Usage types are what AWS bills by, so that they tell products apart best. They begin with a code of the
//! region (`CAN1-NatGateway-Hours`), in us-east-1 often with none, and for KMS with the region itself.

use rust_decimal::Decimal;

use super::{Dimension, Product, Step, Term};
use crate::prices::{PriceKey, Scope, Service};
use crate::quantity::{Quantity, Unit, parse_number};

/// Service, item, usage type without its region, and an attribute where that is the usage type of several
/// products. What is neither here nor has a variable part is not looked for: it is told, and keeps its price.
const USAGE_TYPES: &str = include_str!("../../../data/usage-types.csv");

/// The product that an item of the price book is, and how it is bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceQuery {
    key: PriceKey,
    unit: Unit,
    usage: String,
    attributes: Vec<(&'static str, String)>,
    /// Lease contract length and purchase option of a reservation.
    reserved: Option<(String, String)>,
}

impl PriceQuery {
    /// The query for an item counted in `unit`; `None` when nothing says which product it is.
    pub fn of(key: &PriceKey, unit: Unit) -> Option<Self> {
        let (usage, mut attributes, reserved) = variable(key).or_else(|| listed(key))?;
        if let Scope::Region(region) = key.scope
            // Dashboards have one price in all regions, and no region.
            && key.item != "dashboard"
        {
            let field = if key.service == Service::DataTransfer {
                "fromRegionCode"
            } else {
                "regionCode"
            };
            attributes.push((field, region.as_str().to_owned()));
        }
        Some(Self {
            key: key.clone(),
            unit,
            usage,
            attributes,
            reserved,
        })
    }

    /// What it is for.
    pub fn key(&self) -> &PriceKey {
        &self.key
    }

    /// The usage type, without its region.
    pub fn usage(&self) -> &str {
        &self.usage
    }

    /// Attributes that the product must have.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// Whether this is the product.
    pub fn matches(&self, product: &Product) -> bool {
        let usage = product.attribute("usagetype").unwrap_or_default();
        let named = if self.key.scope == Scope::Global {
            usage == self.usage
        } else {
            bare(usage) == self.usage
        };
        // Storage is listed once for all engines in some regions, and once for each in others.
        let engine = |name: &str, found: Option<&str>| {
            name == "databaseEngine" && found == Some("Any") && self.usage.starts_with("RDS:")
        };
        named
            && self.attributes().all(|(name, wanted)| {
                let found = product.attribute(name);
                found == Some(wanted) || engine(name, found)
            })
    }

    /// The price that the products which match agree on, with their SKUs.
    ///
    /// # Errors
    /// Why there is none, in words: no product, products that do not agree, another unit.
    pub(in crate::prices) fn price(
        &self,
        products: &[Product],
    ) -> Result<(Vec<Step>, Vec<String>), String> {
        let mut found: Option<Vec<Step>> = None;
        let mut skus = Vec::new();
        for product in products.iter().filter(|product| self.matches(product)) {
            let Some(term) = product.terms.iter().find(|term| self.bought(term)) else {
                continue;
            };
            let steps = self.steps(term)?;
            if found.as_ref().is_some_and(|other| *other != steps) {
                return Err(format!(
                    "products that all fit do not agree: {} and {}",
                    skus.join(", "),
                    product.sku
                ));
            }
            found = Some(steps);
            skus.push(product.sku.clone());
        }
        match found {
            Some(steps) => Ok((steps, skus)),
            None => Err(format!(
                "the price list has no product of usage type {} for it",
                self.usage
            )),
        }
    }

    fn bought(&self, term: &Term) -> bool {
        let says = |name: &str| term.term_attributes.get(name).map(String::as_str);
        match &self.reserved {
            None => term.term_attributes.is_empty(),
            Some((lease, payment)) => {
                says("LeaseContractLength") == Some(lease)
                    && says("PurchaseOption") == Some(payment)
                    && says("OfferingClass") == Some("standard")
            }
        }
    }

    fn steps(&self, term: &Term) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        for dimension in term.price_dimensions.values() {
            let counted = offered(self.unit)
                .iter()
                .any(|unit| unit.eq_ignore_ascii_case(&dimension.unit));
            if counted {
                steps.push(step(dimension)?);
            } else if self.reserved.is_none() {
                return Err(format!(
                    "AWS counts it in {:?}, not in {}",
                    dimension.unit, self.unit
                ));
            }
            // What a reservation costs up front is a dimension of its own.
        }
        steps.sort();
        let mut end = Some(Decimal::ZERO);
        for step in &steps {
            if end != Some(step.from) {
                return Err("the tiers of the price list do not join".to_owned());
            }
            end = step.to;
        }
        if steps.is_empty() {
            return Err("the price list has no price in dollars for it".to_owned());
        }
        Ok(steps)
    }
}

/// A line of the list for items whose name has no variable part.
fn listed(key: &PriceKey) -> Option<Parts> {
    USAGE_TYPES.lines().skip(1).find_map(|line| {
        let mut cells = line.split(',');
        if cells.next()? != key.service.code() || cells.next()? != key.item {
            return None;
        }
        let usage = cells.next()?.to_owned();
        let attribute = (cells.next()?, cells.next()?.to_owned());
        let attributes = (!attribute.0.is_empty()).then_some(attribute);
        Some((usage, attributes.into_iter().collect(), None))
    })
}

/// Usage type, attributes, and lease and payment of a reservation.
type Parts = (
    String,
    Vec<(&'static str, String)>,
    Option<(String, String)>,
);

/// Items with a class, an engine or a region in their name.
fn variable(key: &PriceKey) -> Option<Parts> {
    let words: Vec<&str> = key.item.split(' ').collect();
    match (key.service, words.as_slice()) {
        (Service::Rds, ["instance", engine, class, zones]) => {
            let (usage, attributes) = instance(engine, class, zones)?;
            Some((usage, attributes, None))
        }
        (Service::Rds, ["reserved", engine, class, zones, term, payment]) => {
            let (usage, attributes) = instance(engine, class, zones)?;
            Some((usage, attributes, Some(reservation(term, payment)?)))
        }
        (Service::Rds, ["storage" | "iops", kind, zones]) => {
            let multi = if *zones == "multi-az" {
                "Multi-AZ-"
            } else {
                ""
            };
            let usage = match (words[0], *kind) {
                ("storage", "gp2") => format!("RDS:{multi}GP2-Storage"),
                ("storage", "gp3") => format!("RDS:{multi}GP3-Storage"),
                ("storage", "io1") => format!("RDS:{multi}PIOPS-Storage"),
                ("storage", "standard") => format!("RDS:{multi}StorageUsage"),
                ("iops", "gp3") => format!("RDS:{multi}GP3-PIOPS"),
                ("iops", "io1") => format!("RDS:{multi}PIOPS"),
                _ => return None,
            };
            Some((
                usage,
                vec![("databaseEngine", "PostgreSQL".to_owned())],
                None,
            ))
        }
        (Service::ElastiCache, ["node", engine, class]) => {
            let (usage, attributes) = node(engine, class)?;
            Some((usage, attributes, None))
        }
        (Service::ElastiCache, ["reserved", engine, class, term, payment]) => {
            let (usage, attributes) = node(engine, class)?;
            Some((usage, attributes, Some(reservation(term, payment)?)))
        }
        (Service::DataTransfer, ["to", region]) => {
            region.parse::<settings::Region>().ok()?;
            let attributes = vec![
                ("toRegionCode", (*region).to_owned()),
                ("transferType", "InterRegion Outbound".to_owned()),
            ];
            Some(("AWS-Out-Bytes".to_owned(), attributes, None))
        }
        _ => None,
    }
}

fn step(dimension: &Dimension) -> Result<Step, String> {
    let number = |text: &str| parse_number(text).map_err(|error| error.to_string());
    let usd = dimension
        .price_per_unit
        .get("USD")
        .ok_or("the price list has no price in dollars for it")?;
    let to = match dimension.end_range.as_deref() {
        None | Some("Inf") => None,
        Some(to) => Some(number(to)?),
    };
    Ok(Step {
        from: number(dimension.begin_range.as_deref().unwrap_or("0"))?,
        to,
        usd: number(usd)?,
    })
}

fn instance(
    engine: &str,
    class: &str,
    zones: &str,
) -> Option<(String, Vec<(&'static str, String)>)> {
    let engine = match engine {
        "postgresql" => "PostgreSQL",
        "mysql" => "MySQL",
        "mariadb" => "MariaDB",
        _ => return None,
    };
    let (usage, zones) = match zones {
        "multi-az" => ("Multi-AZUsage", "Multi-AZ"),
        "single-az" => ("InstanceUsage", "Single-AZ"),
        _ => return None,
    };
    let attributes = vec![
        ("databaseEngine", engine.to_owned()),
        ("deploymentOption", zones.to_owned()),
    ];
    Some((format!("{usage}:{class}"), attributes))
}

fn node(engine: &str, class: &str) -> Option<(String, Vec<(&'static str, String)>)> {
    let engine = match engine {
        "redis" => "Redis",
        "valkey" => "Valkey",
        "memcached" => "Memcached",
        _ => return None,
    };
    let attributes = vec![("cacheEngine", engine.to_owned())];
    Some((format!("NodeUsage:{class}"), attributes))
}

fn reservation(term: &str, payment: &str) -> Option<(String, String)> {
    let payment = match payment {
        "no-upfront" => "No Upfront",
        "partial-upfront" => "Partial Upfront",
        _ => return None,
    };
    Some((term.to_owned(), payment.to_owned()))
}

/// A usage type without the code of its region, or of the two regions of a transfer.
pub(super) fn bare(usage: &str) -> &str {
    let mut rest = usage;
    // KMS: the region's own name.
    let mut parts = usage.splitn(4, '-');
    if let (Some(a), Some(b), Some(c), Some(d)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
        && format!("{a}-{b}-{c}").parse::<settings::Region>().is_ok()
    {
        return d;
    }
    while let Some((code, after)) = rest.split_once('-') {
        if !is_code(code) {
            break;
        }
        rest = after;
    }
    rest
}

/// `CAN1`, `USE1`, `EU`: capitals and a number, but for the oldest region of Europe.
fn is_code(code: &str) -> bool {
    let letters = code.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbered = letters.len() < code.len()
        && (2..=4).contains(&letters.len())
        && letters.chars().all(|c| c.is_ascii_uppercase());
    numbered || code == "EU"
}

/// The Price List's words for a unit. A product that is counted in another is not the one.
fn offered(unit: Unit) -> &'static [&'static str] {
    match unit {
        Unit::InstanceHour
        | Unit::NodeHour
        | Unit::Hour
        | Unit::AddressHour
        | Unit::EndpointHour => &["Hrs", "Hours"],
        Unit::VcpuHour | Unit::GbHour => &["Hours", "Hrs"],
        Unit::GbMonth => &["GB-Mo", "GB-Month"],
        Unit::Gb => &["GB"],
        Unit::Request => &["Requests", "Request", "API Requests"],
        Unit::RequestUnit => &[
            "ReadRequestUnits",
            "WriteRequestUnits",
            "ReplicatedWriteRequestUnits",
            "ReplWriteRequestUnits",
        ],
        Unit::CapacityUnitHour => &["ReadCapacityUnit-Hrs", "WriteCapacityUnit-Hrs"],
        Unit::KeyMonth => &["Keys", "Months"],
        Unit::SecretMonth => &["Secrets"],
        Unit::AlarmMonth => &["Alarms"],
        Unit::MetricMonth => &["Metrics"],
        Unit::DashboardMonth => &["Dashboards"],
        Unit::IopsMonth => &["IOPS-Mo"],
        Unit::LcuHour => &["LCU-Hrs"],
        Unit::GbSecond => &["Lambda-GB-Second", "GB-Seconds", "Seconds", "Second"],
        Unit::Notification => &["Notifications"],
        Unit::Transition => &["StateTransitions"],
        Unit::Job => &["Jobs"],
        Unit::Object => &["Objects"],
        Unit::ZoneMonth => &["HostedZone", "HostedZones"],
        _ => &[],
    }
}

impl Step {
    /// The price of `per` units; `None` when it is more than anything costs.
    pub(in crate::prices) fn usd_of(&self, per: Decimal) -> Option<Decimal> {
        let usd = self.usd.checked_mul(per)?.normalize();
        Quantity::new(usd, Unit::Request).ok().map(Quantity::amount)
    }
}

#[cfg(test)]
mod tests;
