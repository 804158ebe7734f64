//! What must not be done, decided before anything is.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use settings::BucketName;

use super::place::Place;

/// How much a run may delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaxDelete {
    /// 10 % of the destination's objects or 1,000, whichever is less.
    #[default]
    Default,
    /// This many objects.
    Objects(u64),
    /// This share of the destination's objects.
    Percent(u8),
}

impl MaxDelete {
    /// As a number of objects, for a destination that has `objects`.
    pub fn limit(self, objects: u64) -> u64 {
        let share = |percent: u8| {
            let limit = u128::from(objects) * u128::from(percent) / 100;
            u64::try_from(limit).unwrap_or(u64::MAX)
        };
        match self {
            Self::Default => share(10).min(1_000),
            Self::Objects(limit) => limit,
            Self::Percent(percent) => share(percent),
        }
    }
}

impl FromStr for MaxDelete {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is neither a number of objects nor a percentage (25, 5%)");
        match text.strip_suffix('%') {
            Some(percent) => percent
                .parse()
                .ok()
                .filter(|percent| *percent <= 100)
                .map(Self::Percent)
                .ok_or_else(wrong),
            None => text.parse().map(Self::Objects).map_err(|_| wrong()),
        }
    }
}

/// Everything that the guard looks at.
#[derive(Clone, Debug)]
pub struct Intended<'a> {
    /// What is copied from.
    pub source: &'a Place,
    /// What is copied to.
    pub destination: &'a Place,
    /// Buckets and their copies in the DR region, as settings pair them.
    pub pairs: &'a [(BucketName, BucketName)],
    /// Objects that the source has.
    pub source_objects: u64,
    /// Objects that the destination has.
    pub destination_objects: u64,
    /// Objects that would be overwritten.
    pub replaced: u64,
    /// Objects that would be deleted.
    pub deleted: u64,
    /// The destination keeps versions.
    pub keeps_versions: bool,
    /// Overwriting was allowed although the destination keeps no versions.
    pub overwrite_unversioned: bool,
    /// How much may be deleted.
    pub max_delete: MaxDelete,
}

/// Why a run is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Refusal {
    /// Source and destination are the same, or one lies in the other.
    SamePlace,
    /// Settings say that the source is the DR copy of the destination.
    Swapped {
        /// The primary bucket.
        primary: String,
        /// Its copy.
        dr: String,
    },
    /// Something would be deleted because the source lists nothing.
    EmptySource {
        /// How many objects.
        deleted: u64,
    },
    /// More would be deleted than allowed.
    TooManyDeletions {
        /// How many objects.
        deleted: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// Something would be lost for good, since the destination keeps no versions.
    NoVersions {
        /// Objects that would be deleted.
        deleted: u64,
        /// Objects that would be overwritten.
        replaced: u64,
    },
}

impl Refusal {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::SamePlace => {
                "give two different buckets, or folders of which none holds the other"
            }
            Self::Swapped { .. } => {
                "for failback use `dr-replicate reconcile`, which deletes nothing that was written meanwhile"
            }
            Self::EmptySource { .. } => {
                "check --from; a source that really is empty can be left without --delete"
            }
            Self::TooManyDeletions { .. } => {
                "look at the plan; if it is right, allow it with --max-delete"
            }
            Self::NoVersions { .. } => {
                "turn versioning on for the destination; --overwrite-unversioned allows overwriting, never deleting"
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SamePlace => f.write_str("source and destination are the same"),
            Self::Swapped { primary, dr } => write!(
                f,
                "source and destination are swapped: settings pair {primary} with its copy {dr}"
            ),
            Self::EmptySource { deleted } => {
                write!(
                    f,
                    "the source lists nothing, and {deleted} objects would be deleted"
                )
            }
            Self::TooManyDeletions { deleted, limit } => {
                write!(
                    f,
                    "{deleted} objects would be deleted, and {limit} are allowed"
                )
            }
            Self::NoVersions { deleted, replaced } => write!(
                f,
                "the destination keeps no versions, and {deleted} objects would be deleted and {replaced} overwritten for good"
            ),
        }
    }
}

/// Refusals that need no listing.
pub fn check_places(
    source: &Place,
    destination: &Place,
    pairs: &[(BucketName, BucketName)],
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if source.overlaps(destination) {
        refusals.push(Refusal::SamePlace);
    }
    if let Some((primary, dr)) = pairs
        .iter()
        .find(|(primary, dr)| *dr == source.bucket && *primary == destination.bucket)
    {
        refusals.push(Refusal::Swapped {
            primary: primary.to_string(),
            dr: dr.to_string(),
        });
    }
    refusals
}

/// Everything that speaks against the run; nothing when it may go on.
pub fn check(intended: &Intended<'_>) -> Vec<Refusal> {
    let mut refusals = check_places(intended.source, intended.destination, intended.pairs);
    let Intended {
        deleted, replaced, ..
    } = *intended;
    if deleted > 0 && intended.source_objects == 0 {
        refusals.push(Refusal::EmptySource { deleted });
    }
    let limit = intended.max_delete.limit(intended.destination_objects);
    if deleted > limit {
        refusals.push(Refusal::TooManyDeletions { deleted, limit });
    }
    if !intended.keeps_versions
        && (deleted > 0 || (replaced > 0 && !intended.overwrite_unversioned))
    {
        refusals.push(Refusal::NoVersions { deleted, replaced });
    }
    refusals
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap()
    }

    fn intended<'a>(
        source: &'a Place,
        destination: &'a Place,
        pairs: &'a [(BucketName, BucketName)],
    ) -> Intended<'a> {
        Intended {
            source,
            destination,
            pairs,
            source_objects: 100,
            destination_objects: 100,
            replaced: 5,
            deleted: 10,
            keeps_versions: true,
            overwrite_unversioned: false,
            max_delete: MaxDelete::Default,
        }
    }

    // aws-behaviour: 10
    #[test]
    fn each_rule_refuses_and_nothing_else_does() {
        let (a, b) = (place("s3://photos"), place("s3://photos-dr"));
        let pairs = [("photos".parse().unwrap(), "photos-dr".parse().unwrap())];
        let fine = intended(&a, &b, &pairs);
        assert_eq!(check(&fine), []);

        assert_eq!(check(&intended(&a, &a, &pairs)), [Refusal::SamePlace]);
        assert!(matches!(
            check(&intended(&b, &a, &pairs))[..],
            [Refusal::Swapped { .. }]
        ));
        let empty = Intended {
            source_objects: 0,
            ..fine.clone()
        };
        assert_eq!(check(&empty), [Refusal::EmptySource { deleted: 10 }]);
        let many = Intended {
            deleted: 11,
            ..fine.clone()
        };
        assert_eq!(
            check(&many),
            [Refusal::TooManyDeletions {
                deleted: 11,
                limit: 10
            }]
        );
        let allowed = Intended {
            max_delete: MaxDelete::Objects(11),
            ..many
        };
        assert_eq!(check(&allowed), []);
        let unversioned = Intended {
            keeps_versions: false,
            overwrite_unversioned: true,
            ..fine.clone()
        };
        assert!(matches!(
            check(&unversioned)[..],
            [Refusal::NoVersions { .. }]
        ));
        let only_overwriting = Intended {
            deleted: 0,
            ..unversioned
        };
        assert_eq!(check(&only_overwriting), []);
        let unversioned = Intended {
            overwrite_unversioned: false,
            ..only_overwriting
        };
        assert!(matches!(
            check(&unversioned)[..],
            [Refusal::NoVersions { .. }]
        ));
    }

    #[test]
    fn limits_are_read_and_counted() {
        assert_eq!(MaxDelete::Default.limit(100), 10);
        assert_eq!(MaxDelete::Default.limit(1_000_000), 1_000);
        assert_eq!("5%".parse::<MaxDelete>().unwrap().limit(40), 2);
        assert_eq!("7".parse::<MaxDelete>().unwrap().limit(40), 7);
        assert!("101%".parse::<MaxDelete>().is_err());
        assert!("-1".parse::<MaxDelete>().is_err());
    }

    proptest! {
        #[test]
        fn whatever_passes_loses_little_and_can_be_undone(
            source_objects in 0_u64..5_000, destination_objects in 0_u64..50_000,
            deleted in 0_u64..50_000, replaced in 0_u64..100, keeps_versions in any::<bool>(),
        ) {
            let (a, b) = (place("s3://photos"), place("s3://photos-dr"));
            let intended = Intended {
                source_objects, destination_objects, deleted, replaced, keeps_versions,
                ..intended(&a, &b, &[])
            };
            if check(&intended).is_empty() {
                prop_assert!(deleted <= 1_000 && deleted * 10 <= destination_objects);
                prop_assert!(deleted == 0 || source_objects > 0);
                prop_assert!(keeps_versions || deleted + replaced == 0);
            }
        }
    }
}
