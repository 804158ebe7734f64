//! Which resources there are.

mod attributes;
mod guide;
mod plan;

use serde::Serialize;
use settings::Region;
use terraform::DocumentError;
use thiserror::Error;

pub use attributes::Attributes;
pub(crate) use attributes::number;

/// Where an inventory comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// What a Terraform plan would leave behind.
    Plan,
    /// What a Terraform state says is there.
    State,
    /// The staging guide's stack, with the names and regions of the settings.
    Settings,
    /// What AWS shows.
    Live,
}

/// A managed resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// As Terraform writes it, as in `module.network.aws_nat_gateway.this["a"]`.
    pub address: String,
    /// As in `aws_nat_gateway`.
    pub kind: String,
    /// Its region; `None` when it has none or when nothing tells.
    pub region: Option<Region>,
    /// What it is set to, as far as prices depend on it.
    #[serde(skip)]
    pub attributes: Attributes,
}

/// All resources of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// Where it comes from.
    pub source: Source,
    /// The region of the stack.
    pub region: Option<Region>,
    /// The region to recover in.
    pub dr_region: Option<Region>,
    /// In the order of the source.
    pub resources: Vec<Resource>,
    /// What a reader has to know, as that the plan is not complete.
    pub notes: Vec<String>,
    /// Something that will be there is not in it.
    pub incomplete: bool,
}

/// Why an inventory cannot be read.
#[derive(Debug, Error)]
pub enum InventoryError {
    /// Not what `terraform show -json` writes.
    #[error("the plan or state cannot be read")]
    Document(#[from] DocumentError),
    /// Terraform could not finish the plan.
    #[error("Terraform marked the plan as errored, so resources are missing from it")]
    Errored,
    /// More than is read.
    #[error("the plan or state has {bytes} bytes, and at most {most} are read")]
    TooLarge {
        /// How many it has.
        bytes: u64,
        /// [`Inventory::MOST_BYTES`].
        most: u64,
    },
    /// A resource in a region that does not exist.
    #[error("the region of {address} cannot be used")]
    Region {
        /// Its address, as Terraform writes it.
        address: String,
        /// What is wrong with it.
        source: settings::NameError,
    },
}

impl Inventory {
    /// The largest plan or state that is read, in bytes. One of 1,000 resources has about 3 MB.
    pub const MOST_BYTES: u64 = 40 << 20;

    /// Puts every resource of which nothing tells the region into `region`, and notes how many those are and that it is
    /// `whose`, as in "the primary region of the settings". Global resources among them cost the same everywhere.
    pub fn assume_region(&mut self, region: Region, whose: &str) {
        let unknown = self.resources.iter_mut().filter(|of| of.region.is_none());
        let mut count = 0;
        for resource in unknown {
            resource.region = Some(region);
            count += 1;
        }
        if count > 0 {
            self.notes.push(format!(
                "nothing tells the region of {count} resources: they are priced in {region}, {whose}"
            ));
        }
        self.region.get_or_insert(region);
    }

    /// The same stack in another region; what has no region stays as it is.
    #[must_use]
    pub fn moved(&self, from: Region, to: Region) -> Self {
        let mut moved = self.clone();
        moved.region = Some(to);
        for resource in &mut moved.resources {
            if resource.region == Some(from) {
                resource.region = Some(to);
            }
        }
        moved
    }

    /// The resources of a type.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.resources
            .iter()
            .filter(move |resource| resource.kind == kind)
    }
}

/// An address with `instead` in place of each key of count and for_each, and those keys; a key may hold any text.
pub(crate) fn with_keys<'a>(address: &'a str, instead: &str) -> (String, Vec<&'a str>) {
    let mut out = String::with_capacity(address.len());
    let mut keys = Vec::new();
    let mut chars = address.char_indices();
    while let Some((_, c)) = chars.next() {
        if c != '[' {
            out.push(c);
            continue;
        }
        let rest = chars.as_str();
        let mut quoted = false;
        let mut end = rest.len();
        let begin = address.len() - rest.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if quoted => {
                    chars.next();
                }
                '"' => quoted = !quoted,
                ']' if !quoted => {
                    end = at - begin;
                    break;
                }
                _ => {}
            }
        }
        keys.push(&rest[..end]);
        out.push_str(instead);
    }
    (out, keys)
}
