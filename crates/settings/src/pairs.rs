//! Application data: buckets, each with its counterpart in the DR region, and what pairs have in common.

use serde::Serialize;

use crate::document::{Field, Section};
use crate::{AccountId, BucketName};

/// Where runs that change objects keep their journals, in each bucket that they change. What is below it is no object of
/// anybody's, and no state.
pub const JOURNAL: &str = ".dr-journal/";

/// Where failovers and failbacks keep their records, in the bucket for journals ([`Settings::journals`]).
///
/// [`Settings::journals`]: crate::Settings::journals
pub const RUNS: &str = ".dr-runs/";

/// A bucket of application data and the one that it replicates to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// The bucket in the primary region.
    pub name: BucketName,
    /// The bucket in the DR region.
    pub dr: BucketName,
    /// The account that `name` belongs to, where it is another than the environment's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountId>,
    /// The account that `dr` belongs to, where it is another than the environment's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_owner: Option<AccountId>,
    /// Why everybody who knows an object's name may read it through CloudFront; nobody may without a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_read: Option<String>,
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
            let owner = section.optional("owner", "\"111122223333\"");
            let dr_owner = section.optional("dr_owner", "\"111122223333\"");
            let public_read = section.optional("public_read", PUBLIC_READ);
            section.close();
            let name = unique(name, used);
            let dr = unique(dr, used);
            let owner = parsed(owner.as_ref());
            let dr_owner = parsed(dr_owner.as_ref());
            let public_read = match public_read {
                Some(field) => reason(&field).map(Some),
                None => Some(None),
            };
            Some(Bucket {
                name: name?,
                dr: dr?,
                owner: owner?,
                dr_owner: dr_owner?,
                public_read: public_read?,
            })
        })
    }
}

const PUBLIC_READ: &str = "\"Leaflets for everybody; no health records in this bucket\"";

/// A reason that says something: the least that tells a sentence from a "yes".
const REASON_WORDS: usize = 3;

/// As `public_read` of the module `cdn` has it.
fn reason(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.split(' ').count() < REASON_WORDS {
        return field.invalid(
            format!("{text:?} is no reason"),
            format!(
                "say in a sentence why everybody may read it, or leave the field out: {PUBLIC_READ}"
            ),
        );
    }
    Some(text)
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

/// Reads a field that may be left out. `None`, and a report, when it is there and wrong.
pub(crate) fn parsed<T>(field: Option<&Field<'_>>) -> Option<Option<T>>
where
    T: std::str::FromStr<Err = crate::NameError>,
{
    match field {
        Some(field) => field.parse().map(Some),
        None => Some(None),
    }
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
