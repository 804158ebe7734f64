//! The network that instances are in: that of the base's EC2.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use super::model::Settings;
use super::name::Place;
use super::refusal::{Outcome, Refusal};

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) zone: String,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SecurityGroup {
    vpc: String,
    name: String,
}

/// VPCs, subnets and security groups of a region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Network {
    default_vpc: Option<String>,
    subnets: BTreeMap<String, Subnet>,
    groups: BTreeMap<String, SecurityGroup>,
}

impl Network {
    /// What EC2 answers to DescribeVpcs, DescribeSubnets and DescribeSecurityGroups.
    pub(crate) fn read(vpcs: &str, subnets: &str, groups: &str) -> Option<Self> {
        let vpcs = Document::parse(vpcs).ok()?;
        let default_vpc = items(&vpcs, "vpcSet")
            .find(|vpc| text(vpc, "isDefault") == Some("true"))
            .and_then(|vpc| text(&vpc, "vpcId").map(str::to_owned));
        let subnets = Document::parse(subnets).ok()?;
        let subnets = items(&subnets, "subnetSet").filter_map(|item| {
            let text = |name| text(&item, name).map(str::to_owned);
            let subnet = Subnet {
                id: text("subnetId")?,
                vpc: text("vpcId")?,
                zone: text("availabilityZone")?,
            };
            Some((subnet.id.clone(), subnet))
        });
        let subnets = subnets.collect();
        let groups = Document::parse(groups).ok()?;
        let groups = items(&groups, "securityGroupInfo").filter_map(|item| {
            let text = |name| text(&item, name).map(str::to_owned);
            let group = SecurityGroup {
                vpc: text("vpcId")?,
                name: text("groupName")?,
            };
            Some((text("groupId")?, group))
        });
        let groups = groups.collect();
        Some(Self {
            default_vpc,
            subnets,
            groups,
        })
    }

    /// The subnets of a subnet group, which are there, of one VPC and of two zones at least.
    pub(crate) fn subnets(&self, ids: &[String]) -> Outcome<Vec<Subnet>> {
        let missing: Vec<&str> = ids
            .iter()
            .filter(|id| !self.subnets.contains_key(*id))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::new(
                "InvalidSubnet",
                format!(
                    "Some input subnets in :[{}] are invalid.",
                    missing.join(", ")
                ),
            ));
        }
        let found: Vec<Subnet> = ids
            .iter()
            .filter_map(|id| self.subnets.get(id).cloned())
            .collect();
        let of_one = found
            .windows(2)
            .all(|pair| pair.first().map(|one| &one.vpc) == pair.last().map(|one| &one.vpc));
        if !of_one {
            return Err(Refusal::new(
                "InvalidSubnet",
                "The requested subnets are not all in a common VPC.",
            ));
        }
        let mut zones: Vec<&str> = found.iter().map(|subnet| subnet.zone.as_str()).collect();
        zones.sort_unstable();
        zones.dedup();
        if zones.len() < 2 {
            return Err(Refusal::few_zones(&zones));
        }
        Ok(found)
    }

    /// Whether a subnet lies in the zone: EC2 has one of the default VPC in each.
    pub(crate) fn has_zone(&self, zone: &str) -> bool {
        self.subnets.values().any(|subnet| subnet.zone == zone)
    }

    /// Those of the default VPC, where a region has one.
    pub(crate) fn default_subnets(&self) -> Vec<Subnet> {
        let subnets = self.subnets.values();
        let own = subnets.filter(|subnet| Some(&subnet.vpc) == self.default_vpc.as_ref());
        own.cloned().collect()
    }

    /// Puts settings into a VPC: its default security group unless others are given, which have to be there and in it.
    pub(crate) fn place(&self, settings: &mut Settings, vpc: Option<&str>) -> Outcome<()> {
        let Some(vpc) = vpc.or(self.default_vpc.as_deref()) else {
            return Err(Refusal::new(
                "InvalidVPCNetworkStateFault",
                "There is no default VPC in this region.",
            ));
        };
        if settings.security_groups == [Place::SECURITY_GROUP] {
            let default = |(_, group): &(&String, &SecurityGroup)| {
                group.vpc == vpc && group.name == "default"
            };
            if let Some((id, _)) = self.groups.iter().find(default) {
                settings.security_groups = vec![id.clone()];
            }
        }
        for id in &settings.security_groups {
            match self.groups.get(id) {
                Some(group) if group.vpc == vpc => {}
                Some(group) => {
                    return Err(Refusal::combination(format!(
                        "The DB instance and EC2 security group are in different VPCs. The DB instance is in {vpc} and the \
                         EC2 security group is in {}",
                        group.vpc
                    )));
                }
                None => {
                    return Err(Refusal::value(format!(
                        "Invalid security group , groupId= {id}, groupName=."
                    )));
                }
            }
        }
        vpc.clone_into(&mut settings.vpc);
        Ok(())
    }
}

fn items<'input, 'document>(
    document: &'document Document<'input>,
    set: &'static str,
) -> impl Iterator<Item = Node<'document, 'input>> {
    let sets = document
        .descendants()
        .filter(move |node| node.has_tag_name_of(set));
    sets.flat_map(|set| set.children().filter(|node| node.has_tag_name_of("item")))
}

fn text<'document>(node: &Node<'document, '_>, name: &str) -> Option<&'document str> {
    let mut children = node.children();
    children.find(|child| child.has_tag_name_of(name))?.text()
}

/// Whatever the namespace.
trait Named {
    fn has_tag_name_of(&self, name: &str) -> bool;
}

impl Named for Node<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        let vpcs = "<R xmlns='urn:x'><vpcSet><item><vpcId>vpc-1</vpcId><isDefault>true</isDefault></item>\
            <item><vpcId>vpc-2</vpcId><isDefault>false</isDefault></item></vpcSet></R>";
        let subnet = |id: &str, vpc: &str, zone: &str| {
            format!(
                "<item><subnetId>{id}</subnetId><vpcId>{vpc}</vpcId><availabilityZone>{zone}</availabilityZone>\
                 <tagSet><item><key>vpcId</key></item></tagSet></item>"
            )
        };
        let subnets = [
            subnet("a", "vpc-1", "z-a"),
            subnet("b", "vpc-1", "z-b"),
            subnet("b2", "vpc-1", "z-b"),
            subnet("other", "vpc-2", "z-a"),
        ];
        let subnets = format!("<R><subnetSet>{}</subnetSet></R>", subnets.concat());
        let groups = "<R><securityGroupInfo>\
            <item><groupId>sg-1</groupId><groupName>default</groupName><vpcId>vpc-1</vpcId></item>\
            <item><groupId>sg-2</groupId><groupName>default</groupName><vpcId>vpc-2</vpcId></item>\
            </securityGroupInfo></R>";
        Network::read(vpcs, &subnets, groups).unwrap()
    }

    // aws-behaviour: 63
    #[test]
    fn subnets_are_there_of_one_vpc_and_of_two_zones() {
        let subnets = |ids: &[&str]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            network().subnets(&ids).map_err(|refusal| refusal.code)
        };
        assert_eq!(subnets(&["a", "b"]).unwrap().len(), 2);
        assert_eq!(subnets(&["a", "none"]), Err("InvalidSubnet"));
        assert_eq!(subnets(&["b", "other"]), Err("InvalidSubnet"));
        let few = Err("DBSubnetGroupDoesNotCoverEnoughAZs");
        assert_eq!(subnets(&["b", "b2"]), few);
    }

    // aws-behaviour: 63
    #[test]
    fn place_takes_groups_of_the_vpc_alone() {
        let place = Place {
            region: "r".to_owned(),
            account: "0".to_owned(),
        };
        let placed = |groups: Option<&str>, vpc: Option<&str>| {
            let mut settings = Settings::new(&place);
            if let Some(groups) = groups {
                settings.security_groups = vec![groups.to_owned()];
            }
            let placed = network().place(&mut settings, vpc);
            placed
                .map(|()| settings.security_groups)
                .map_err(|refusal| refusal.code)
        };
        assert_eq!(placed(None, None).unwrap(), ["sg-1"]);
        assert_eq!(placed(None, Some("vpc-2")).unwrap(), ["sg-2"]);
        assert_eq!(placed(Some("sg-2"), Some("vpc-2")).unwrap(), ["sg-2"]);
        assert_eq!(
            placed(Some("sg-2"), None),
            Err("InvalidParameterCombination")
        );
        assert_eq!(placed(Some("sg-3"), None), Err("InvalidParameterValue"));
    }
}
