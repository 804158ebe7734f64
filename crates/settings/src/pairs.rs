//! Application data: buckets, each with its counterpart in the DR region, and what pairs have in common.

use serde::Serialize;

use crate::BucketName;
use crate::document::{Field, Section};

/// A bucket of application data and the one that it replicates to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// The bucket in the primary region.
    pub name: BucketName,
    /// The bucket in the DR region.
    pub dr: BucketName,
}

/// Where a name that must be unique was first used.
pub(crate) struct Used<T> {
    names: Vec<(T, String)>,
}

impl<T: PartialEq + std::fmt::Display + Clone> Used<T> {
    pub(crate) fn new() -> Used<T> {
        Used { names: Vec::new() }
    }

    /// Reports `name` if it was used before.
    pub(crate) fn add(&mut self, name: &T, field: &Field<'_>) {
        match self.names.iter().find(|(used, _)| used == name) {
            Some((_, path)) => {
                field.conflict::<()>(
                    format!("{name} is used already as {path}"),
                    "give each its own name",
                );
            }
            None => self.names.push((name.clone(), field.path().to_owned())),
        }
    }
}

impl Bucket {
    /// Bucket names are unique in a partition, so `used` covers the whole file.
    pub(crate) fn read_all(field: &Field<'_>, used: &mut Used<BucketName>) -> Option<Vec<Bucket>> {
        read_all(field, |section| {
            let name = section.required("name", "\"berthcare-photos-staging\"");
            let dr = section.required("dr", "\"berthcare-photos-staging-dr\"");
            section.close();
            let name = unique(name, used);
            let dr = unique(dr, used);
            Some(Bucket {
                name: name?,
                dr: dr?,
            })
        })
    }
}

/// Reads every element, also after one that is wrong.
pub(crate) fn read_all<T>(
    field: &Field<'_>,
    mut read: impl FnMut(Section<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let items: Vec<Option<T>> = field
        .array()?
        .into_iter()
        .map(|field| field.section().and_then(&mut read))
        .collect();
    items.into_iter().collect()
}

/// Reads a name and reports it if `used` has it.
pub(crate) fn unique<T>(field: Option<Field<'_>>, used: &mut Used<T>) -> Option<T>
where
    T: std::str::FromStr<Err = crate::NameError> + PartialEq + std::fmt::Display + Clone,
{
    let field = field?;
    let name = field.parse()?;
    used.add(&name, &field);
    Some(name)
}
