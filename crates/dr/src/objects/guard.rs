//! What must not be done, decided before anything is.
//!
//! A [`Planned`] becomes an [`Approved`] here and nowhere else, and only an `Approved` is carried out: by
//! [`super::apply`] or, as batch jobs, by [`super::submit`].

use std::fmt;
use std::str::FromStr;

use aws_env::Error;
use serde::{Deserialize, Serialize};
use settings::BucketName;

use super::bucket::Bucket;
use super::location::S3Location;
use super::pairing::BucketPair;
use super::plan::{Direction, Plan, Planned};

/// How many of the destination's objects a run may change in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeLimit {
    objects: Option<u64>,
    percent: Option<u8>,
    least: u64,
}

impl ChangeLimit {
    /// Deletions unless said otherwise: 10 % of the destination's objects or 1,000, whichever is less.
    pub const DELETIONS: Self = Self {
        objects: Some(1_000),
        percent: Some(10),
        least: 0,
    };

    /// Overwriting unless said otherwise: 10 % of the destination's objects or 10,000, whichever is less, and
    /// one object at any rate. More than for deletions: objects change in everyday use, and the old versions
    /// are kept.
    pub const REPLACEMENTS: Self = Self {
        objects: Some(10_000),
        percent: Some(10),
        least: 1,
    };

    /// This many objects.
    pub const fn objects(number: u64) -> Self {
        Self {
            objects: Some(number),
            percent: None,
            least: 0,
        }
    }

    /// This share of the destination's objects, rounded down.
    pub const fn percent(percent: u8) -> Self {
        Self {
            objects: None,
            percent: Some(percent),
            least: 0,
        }
    }

    /// As a number of objects, for a destination that has `objects`.
    pub fn limit(self, objects: u64) -> u64 {
        let share = self.percent.map(|percent| {
            let limit = u128::from(objects) * u128::from(percent) / 100;
            u64::try_from(limit).unwrap_or(u64::MAX)
        });
        let limits = self.objects.into_iter().chain(share);
        limits.min().unwrap_or(0).max(self.least)
    }
}

impl FromStr for ChangeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is neither a number of objects nor a percentage (25, 5%)");
        match text.strip_suffix('%') {
            Some(percent) => percent
                .parse()
                .ok()
                .filter(|percent| *percent <= 100)
                .map(Self::percent)
                .ok_or_else(wrong),
            None => text.parse().map(Self::objects).map_err(|_| wrong()),
        }
    }
}

/// What a run may do.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Buckets and their copies in the DR region, as settings pair them.
    pub pairs: &'a [BucketPair],
    /// The bucket for journals, where there is one: it is never a side of a sync.
    pub journals: Option<&'a BucketName>,
    /// How many objects may be deleted.
    pub max_delete: ChangeLimit,
    /// How many objects may be overwritten.
    pub max_replace: ChangeLimit,
    /// Overwriting is allowed although the destination keeps no versions.
    pub overwrite_unversioned: bool,
}

impl Default for Policy<'_> {
    fn default() -> Self {
        Self {
            pairs: &[],
            journals: None,
            max_delete: ChangeLimit::DELETIONS,
            max_replace: ChangeLimit::REPLACEMENTS,
            overwrite_unversioned: false,
        }
    }
}

/// A plan that the guard has let pass, with the buckets that it was made for.
///
/// Nothing else can be applied, and nothing else makes one:
///
/// ```no_run
/// # use dr::objects::{ApplyOptions, Planned, Policy, Run, apply};
/// # async fn f(planned: Planned, run: Run, options: ApplyOptions) {
/// # let (_stop, stop) = tokio::sync::watch::channel(false);
/// let approved = planned.approve(&Policy::default()).expect("refused");
/// let done = apply(approved, &run, &options, stop, &report::Silent).await;
/// # }
/// ```
///
/// A plan alone is not enough:
///
/// ```compile_fail,E0308
/// # use dr::objects::{ApplyOptions, Planned, Policy, Run, apply};
/// # async fn f(planned: Planned, run: Run, options: ApplyOptions) {
/// # let (_stop, stop) = tokio::sync::watch::channel(false);
/// let done = apply(planned, &run, &options, stop, &report::Silent).await;
/// # }
/// ```
///
/// ```compile_fail,E0451
/// # use dr::objects::{Approved, Planned};
/// fn approve_all(planned: Planned) -> Approved {
///     Approved { planned, overwrite_unversioned: true }
/// }
/// ```
#[derive(Debug)]
pub struct Approved {
    planned: Planned,
    overwrite_unversioned: bool,
}

impl Approved {
    /// What was planned, in numbers.
    pub fn plan(&self) -> &Plan {
        self.planned.plan()
    }

    /// What is copied from.
    pub fn source(&self) -> &Bucket {
        self.planned.source()
    }

    /// What is changed.
    pub fn destination(&self) -> &Bucket {
        self.planned.destination()
    }

    pub(super) fn planned(&self) -> &Planned {
        &self.planned
    }

    /// Asks again what was approved because the destination keeps versions: `false` when it keeps none by now.
    ///
    /// # Errors
    /// When the destination does not tell.
    pub(super) async fn still_holds(&self) -> Result<bool, Error> {
        let Plan {
            replace, delete, ..
        } = self.plan();
        let overwrites = replace.tally.objects > 0 && !self.overwrite_unversioned;
        if delete.tally.objects == 0 && !overwrites {
            return Ok(true);
        }
        self.destination().keeps_versions().await
    }
}

impl Planned {
    /// Lets the plan pass, or says everything that speaks against it.
    ///
    /// # Errors
    /// When it would change more than `policy` allows, or lose something for good.
    pub fn approve(self, policy: &Policy<'_>) -> Result<Approved, Refusals> {
        let plan = self.plan();
        let intended = Intended {
            source: self.source().location(),
            destination: self.destination().location(),
            direction: self.direction,
            source_objects: plan.source.objects,
            destination_objects: plan.destination.objects,
            replaced: plan.replace.tally.objects,
            deleted: plan.delete.tally.objects,
            keeps_versions: self.keeps_versions,
        };
        Refusals::none_in(check(&intended, policy))?;
        Ok(Approved {
            planned: self,
            overwrite_unversioned: policy.overwrite_unversioned,
        })
    }
}

/// Everything that the guard looks at, beside the policy.
#[derive(Clone, Debug)]
struct Intended<'a> {
    source: &'a S3Location,
    destination: &'a S3Location,
    direction: Direction,
    source_objects: u64,
    destination_objects: u64,
    replaced: u64,
    deleted: u64,
    keeps_versions: bool,
}

/// Everything that speaks against a run: at least one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(transparent)]
#[error("{}", self.joined())]
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    fn none_in(refusals: Vec<Refusal>) -> Result<(), Self> {
        if refusals.is_empty() {
            Ok(())
        } else {
            Err(Self(refusals))
        }
    }

    /// The reasons, the gravest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Refusal> {
        self.0.iter()
    }

    fn joined(&self) -> String {
        let reasons: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        reasons.join("; ")
    }
}

/// Why a run is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Refusal {
    /// Source and destination are the same, or one lies in the other.
    SamePlace,
    /// Settings say that the source is the DR copy of the destination.
    Swapped {
        /// The primary bucket.
        primary: String,
        /// Its copy in the DR region.
        dr: String,
    },
    /// One of the two is the bucket of the journals, whose objects are of this machinery and of nobody else.
    Journals {
        /// The bucket.
        bucket: String,
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
    /// More would be overwritten than allowed.
    TooManyReplacements {
        /// How many objects.
        replaced: u64,
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
            Self::Journals { .. } => {
                "its objects are journals of runs, and the states that S3 replicates by itself: neither is copied; give \
                 another bucket"
            }
            Self::EmptySource { .. } => {
                "check --from; a source that really is empty can be left without --delete"
            }
            Self::TooManyDeletions { .. } => {
                "look at the plan; if it is right, allow it with --max-delete"
            }
            Self::TooManyReplacements { .. } => {
                "look at the plan: was the source overwritten by mistake? If it is right, allow it with \
                 --max-replace; --leave-unproven leaves out what is not provably different"
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
            Self::Journals { bucket } => {
                write!(
                    f,
                    "{bucket} is the bucket of the journals, and is not synced"
                )
            }
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
            Self::TooManyReplacements { replaced, limit } => write!(
                f,
                "{replaced} objects would be overwritten, and {limit} are allowed"
            ),
            Self::NoVersions { deleted, replaced } => write!(
                f,
                "the destination keeps no versions, and {deleted} objects would be deleted and {replaced} overwritten for good"
            ),
        }
    }
}

/// What speaks against a run before anything is listed.
///
/// # Errors
/// When source and destination are the same, or swapped against the policy's pairs, or one has the journals.
pub fn check_locations(
    source: &S3Location,
    destination: &S3Location,
    policy: &Policy<'_>,
) -> Result<(), Refusals> {
    Refusals::none_in(places(source, destination, policy.pairs, policy.journals))
}

fn places(
    source: &S3Location,
    destination: &S3Location,
    pairs: &[BucketPair],
    journals: Option<&BucketName>,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if let Some(bucket) =
        journals.filter(|bucket| [&source.bucket, &destination.bucket].contains(bucket))
    {
        refusals.push(Refusal::Journals {
            bucket: bucket.to_string(),
        });
    }
    if source.overlaps(destination) {
        refusals.push(Refusal::SamePlace);
    }
    let is_swapped = |pair: &&BucketPair| {
        pair.dr.name == source.bucket && pair.primary.name == destination.bucket
    };
    if let Some(pair) = pairs.iter().find(is_swapped) {
        refusals.push(Refusal::Swapped {
            primary: pair.primary.name.to_string(),
            dr: pair.dr.name.to_string(),
        });
    }
    refusals
}

/// Everything that speaks against the run; nothing when it may go on. Pure.
fn check(intended: &Intended<'_>, policy: &Policy<'_>) -> Vec<Refusal> {
    // A reconciliation goes the other way on purpose, and decides about each key by three states.
    let pairs = match intended.direction {
        Direction::Replication => policy.pairs,
        Direction::Failback => &[],
    };
    let (source, destination) = (intended.source, intended.destination);
    let mut refusals = places(source, destination, pairs, policy.journals);
    let Intended {
        deleted,
        replaced,
        destination_objects,
        ..
    } = *intended;
    // A mistyped folder and a bucket that was emptied look the same: neither is a reason to erase a copy.
    if deleted > 0 && intended.source_objects == 0 {
        refusals.push(Refusal::EmptySource { deleted });
    }
    let limit = policy.max_delete.limit(destination_objects);
    if deleted > limit {
        refusals.push(Refusal::TooManyDeletions { deleted, limit });
    }
    // Junk that was written over a source has the same keys, so that no deletion gives it away.
    let limit = policy.max_replace.limit(destination_objects);
    if replaced > limit {
        refusals.push(Refusal::TooManyReplacements { replaced, limit });
    }
    let overwritten = replaced > 0 && !policy.overwrite_unversioned;
    if !intended.keeps_versions && (deleted > 0 || overwritten) {
        refusals.push(Refusal::NoVersions { deleted, replaced });
    }
    refusals
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(text: &str) -> S3Location {
        text.parse().unwrap()
    }

    fn intended<'a>(source: &'a S3Location, destination: &'a S3Location) -> Intended<'a> {
        Intended {
            source,
            destination,
            direction: Direction::Replication,
            source_objects: 100,
            destination_objects: 100,
            replaced: 5,
            deleted: 10,
            keeps_versions: true,
        }
    }

    // aws-behaviour: 10
    #[test]
    fn check_of_a_run_that_breaks_one_rule_names_that_rule_alone() {
        let (a, b) = (place("s3://photos"), place("s3://photos-dr"));
        let pairs = [BucketPair::of("photos", "photos-dr")];
        let policy = Policy {
            pairs: &pairs,
            ..Policy::default()
        };
        let fine = intended(&a, &b);
        assert_eq!(check(&fine, &policy), []);

        assert_eq!(check(&intended(&a, &a), &policy), [Refusal::SamePlace]);
        let swapped = intended(&b, &a);
        assert!(matches!(
            check(&swapped, &policy)[..],
            [Refusal::Swapped { .. }]
        ));
        let failback = Intended {
            direction: Direction::Failback,
            ..swapped
        };
        assert_eq!(check(&failback, &policy), []);
        let empty = Intended {
            source_objects: 0,
            ..fine.clone()
        };
        assert_eq!(
            check(&empty, &policy),
            [Refusal::EmptySource { deleted: 10 }]
        );
        let deleting = Intended {
            deleted: 11,
            ..fine.clone()
        };
        let (deleted, limit) = (11, 10);
        assert_eq!(
            check(&deleting, &policy),
            [Refusal::TooManyDeletions { deleted, limit }]
        );
        let allowed = Policy {
            max_delete: ChangeLimit::objects(11),
            ..policy
        };
        assert_eq!(check(&deleting, &allowed), []);
        let overwriting = Intended {
            replaced: 11,
            ..fine
        };
        let replaced = 11;
        assert_eq!(
            check(&overwriting, &policy),
            [Refusal::TooManyReplacements { replaced, limit }]
        );
        let allowed = Policy {
            max_replace: ChangeLimit::percent(11),
            ..policy
        };
        assert_eq!(check(&overwriting, &allowed), []);
    }

    // aws-behaviour: 10
    #[test]
    fn check_of_a_destination_without_versions_refuses_what_cannot_be_undone() {
        let (a, b) = (place("s3://photos"), place("s3://photos-dr"));
        let careful = Policy::default();
        let reckless = Policy {
            overwrite_unversioned: true,
            ..careful
        };
        let deleting = Intended {
            keeps_versions: false,
            ..intended(&a, &b)
        };
        let refused = |intended: &Intended<'_>, policy: &Policy<'_>| {
            matches!(check(intended, policy)[..], [Refusal::NoVersions { .. }])
        };
        assert!(refused(&deleting, &reckless));
        let overwriting = Intended {
            deleted: 0,
            ..deleting
        };
        assert!(refused(&overwriting, &careful));
        assert_eq!(check(&overwriting, &reckless), []);
    }

    #[test]
    fn limit_of_a_destination_is_the_least_that_is_given() {
        assert_eq!(ChangeLimit::DELETIONS.limit(100), 10);
        assert_eq!(ChangeLimit::DELETIONS.limit(1_000_000), 1_000);
        assert_eq!(ChangeLimit::REPLACEMENTS.limit(100), 10);
        assert_eq!(ChangeLimit::REPLACEMENTS.limit(1_000_000), 10_000);
        // One object of a handful may change.
        assert_eq!(ChangeLimit::REPLACEMENTS.limit(3), 1);
        assert_eq!(ChangeLimit::DELETIONS.limit(3), 0);
        assert_eq!("5%".parse::<ChangeLimit>().unwrap().limit(40), 2);
        assert_eq!("7".parse::<ChangeLimit>().unwrap().limit(40), 7);
        assert_eq!("0".parse::<ChangeLimit>().unwrap().limit(40), 0);
    }

    #[test]
    fn change_limit_that_is_neither_number_nor_percentage_is_refused() {
        for text in ["101%", "-1", "", "%", "many"] {
            assert!(text.parse::<ChangeLimit>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn check_that_passes_loses_little_and_can_be_undone(
            source_objects in 0_u64..5_000, destination_objects in 0_u64..50_000,
            deleted in 0_u64..50_000, replaced in 0_u64..50_000, keeps_versions in any::<bool>(),
        ) {
            let (a, b) = (place("s3://photos"), place("s3://photos-dr"));
            let intended = Intended {
                source_objects, destination_objects, deleted, replaced, keeps_versions,
                ..intended(&a, &b)
            };
            if check(&intended, &Policy::default()).is_empty() {
                prop_assert!(deleted <= 1_000 && deleted * 10 <= destination_objects);
                prop_assert!(replaced <= 10_000);
                prop_assert!(replaced <= 1 || replaced * 10 <= destination_objects);
                prop_assert!(deleted == 0 || source_objects > 0);
                prop_assert!(keeps_versions || deleted + replaced == 0);
            }
        }
    }
}
