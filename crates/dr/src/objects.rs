//! Objects of a bucket and of its copy in another region.

mod entry;
mod list_xml;
mod split;
mod walk;

pub use entry::{ETag, Facts, Modified, Page, StorageClass};
pub use list_xml::{ListingError, ListingReader};
pub use walk::{Lister, Side, Visitor, WalkError, walk};
