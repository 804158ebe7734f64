//! AWS regions, the countries they lie in, and the two that the settings choose.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::NameError;
use crate::document::{Field, Section, nearest};

/// One row of the region table.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Row {
    name: &'static str,
    country: &'static str,
    partition: &'static str,
}

const fn row(name: &'static str, country: &'static str, partition: &'static str) -> Row {
    Row {
        name,
        country,
        partition,
    }
}

/// Every region of the partitions that a customer can sign up for, with the ISO 3166-1 code of the country
/// that its data centres are in. Names and places:
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>; partitions: the
/// `partitions.json` of the AWS SDKs. In order of partition, then name.
static REGIONS: [Row; 39] = [
    row("af-south-1", "ZA", "aws"),
    row("ap-east-1", "HK", "aws"),
    row("ap-east-2", "TW", "aws"),
    row("ap-northeast-1", "JP", "aws"),
    row("ap-northeast-2", "KR", "aws"),
    row("ap-northeast-3", "JP", "aws"),
    row("ap-south-1", "IN", "aws"),
    row("ap-south-2", "IN", "aws"),
    row("ap-southeast-1", "SG", "aws"),
    row("ap-southeast-2", "AU", "aws"),
    row("ap-southeast-3", "ID", "aws"),
    row("ap-southeast-4", "AU", "aws"),
    row("ap-southeast-5", "MY", "aws"),
    row("ap-southeast-6", "NZ", "aws"),
    row("ap-southeast-7", "TH", "aws"),
    row("ca-central-1", "CA", "aws"),
    row("ca-west-1", "CA", "aws"),
    row("eu-central-1", "DE", "aws"),
    row("eu-central-2", "CH", "aws"),
    row("eu-north-1", "SE", "aws"),
    row("eu-south-1", "IT", "aws"),
    row("eu-south-2", "ES", "aws"),
    row("eu-west-1", "IE", "aws"),
    row("eu-west-2", "GB", "aws"),
    row("eu-west-3", "FR", "aws"),
    row("il-central-1", "IL", "aws"),
    row("me-central-1", "AE", "aws"),
    row("me-south-1", "BH", "aws"),
    row("mx-central-1", "MX", "aws"),
    row("sa-east-1", "BR", "aws"),
    row("us-east-1", "US", "aws"),
    row("us-east-2", "US", "aws"),
    row("us-west-1", "US", "aws"),
    row("us-west-2", "US", "aws"),
    row("cn-north-1", "CN", "aws-cn"),
    row("cn-northwest-1", "CN", "aws-cn"),
    row("eusc-de-east-1", "DE", "aws-eusc"),
    row("us-gov-east-1", "US", "aws-us-gov"),
    row("us-gov-west-1", "US", "aws-us-gov"),
];

/// An AWS region that this release knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(&'static Row);

impl Region {
    /// Every known region.
    pub fn all() -> impl Iterator<Item = Region> {
        REGIONS.iter().map(Region)
    }

    /// The name, as in `ca-central-1`.
    pub fn as_str(self) -> &'static str {
        self.0.name
    }

    /// The country its data centres are in.
    pub fn country(self) -> Country {
        Country(self.0.country)
    }

    /// The partition that ARNs of this region carry: `aws`, `aws-us-gov`, `aws-cn` or `aws-eusc`.
    pub fn partition(self) -> &'static str {
        self.0.partition
    }

    /// The domain under which the partition's services are: `s3.ca-central-1.amazonaws.com`, `s3.cn-north-1.amazonaws.com.cn`.
    /// From `partitions.json` of the AWS SDKs (`dnsSuffix`).
    pub fn dns_suffix(self) -> &'static str {
        match self.partition() {
            "aws-cn" => "amazonaws.com.cn",
            "aws-eusc" => "amazonaws.eu",
            _ => "amazonaws.com",
        }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({})", self.0.name)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name)
    }
}

impl std::str::FromStr for Region {
    type Err = NameError;

    fn from_str(value: &str) -> Result<Region, NameError> {
        Region::all()
            .find(|region| region.as_str() == value)
            .ok_or_else(|| {
                let fix = match nearest(value, Region::all().map(Region::as_str)) {
                    Some(name) => format!("did you mean {name:?}?"),
                    None => "write a region's code, as in \"ca-central-1\"".to_owned(),
                };
                NameError::new(value, "an AWS region", "this release does not know it", fix)
            })
    }
}

impl TryFrom<String> for Region {
    type Error = NameError;

    fn try_from(value: String) -> Result<Region, NameError> {
        value.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> String {
        region.as_str().to_owned()
    }
}

/// A country that has an AWS region, by its ISO 3166-1 alpha-2 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Country(&'static str);

/// What serde derives for it takes text alone that lives as long as the program.
impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        code.parse().map_err(serde::de::Error::custom)
    }
}

impl Country {
    /// The code, as in `CA`.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl std::str::FromStr for Country {
    type Err = NameError;

    fn from_str(value: &str) -> Result<Country, NameError> {
        Region::all()
            .map(Region::country)
            .find(|country| country.0 == value)
            .ok_or_else(|| {
                let mut codes: Vec<&str> = Region::all().map(|region| region.country().0).collect();
                codes.sort_unstable();
                codes.dedup();
                let problem = "no AWS region has this ISO 3166-1 code";
                NameError::new(
                    value,
                    "a country",
                    problem,
                    format!("write one of {}", codes.join(", ")),
                )
            })
    }
}

impl TryFrom<String> for Country {
    type Error = NameError;

    fn try_from(value: String) -> Result<Country, NameError> {
        value.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> String {
        country.0.to_owned()
    }
}

/// What a region is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RegionRole {
    /// Where the environment runs.
    Primary,
    /// Where it is recovered when the primary region is lost.
    Dr,
}

impl fmt::Display for RegionRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RegionRole::Primary => "primary",
            RegionRole::Dr => "DR",
        })
    }
}

/// The two regions: different ones, of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Regions {
    /// Where the environment runs.
    pub primary: Region,
    /// Where it is recovered when the primary region is lost.
    pub dr: Region,
}

impl Regions {
    /// Both regions with their roles, primary first.
    pub fn iter(&self) -> impl Iterator<Item = (RegionRole, Region)> {
        [
            (RegionRole::Primary, self.primary),
            (RegionRole::Dr, self.dr),
        ]
        .into_iter()
    }

    /// The regions, and the fields that name them: primary, then DR.
    pub(crate) fn read<'d>(section: Section<'d>) -> Option<(Regions, [Field<'d>; 2])> {
        let primary = section.required("primary", "\"ca-central-1\"");
        let dr = section.required("dr", "\"ca-west-1\"");
        section.close();
        let read = |field: Option<Field<'d>>| {
            let field = field?;
            Some((field.parse::<Region>()?, field))
        };
        let (primary, dr) = (read(primary), read(dr));
        let ((primary, primary_field), (dr, dr_field)) = (primary?, dr?);

        if primary == dr {
            return dr_field.conflict(
                format!("the DR region is the primary region, {primary}"),
                "choose a second region: the loss of one must not touch the other",
            );
        }
        if primary.partition() != dr.partition() {
            let (a, b) = (primary.partition(), dr.partition());
            return dr_field.conflict(
                format!("{primary} is in partition {a} and {dr} in {b}"),
                "choose two regions of one partition: nothing replicates between partitions",
            );
        }
        Some((Regions { primary, dr }, [primary_field, dr_field]))
    }
}
