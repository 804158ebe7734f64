//! The regions that AWS has, so that a region that was mistyped is not taken for one that is down.
//!
//! <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>, and its siblings for GovCloud
//! and China.

const REGIONS: [&str; 39] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// AWS has no such region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("AWS has no region {name:?}; the nearest name is {nearest}")]
pub struct UnknownRegion {
    /// The name that no region has.
    pub name: String,
    /// The region whose name takes the fewest changes.
    pub nearest: &'static str,
}

/// Whether AWS has a region of this name.
///
/// # Errors
/// When it has none; the error names the nearest.
pub fn known_region(name: &str) -> Result<(), UnknownRegion> {
    if REGIONS.contains(&name) {
        return Ok(());
    }
    let nearest = REGIONS
        .into_iter()
        .min_by_key(|region| distance(name, region))
        .unwrap_or("us-east-1");
    Err(UnknownRegion {
        name: name.to_owned(),
        nearest,
    })
}

/// Letters to insert, remove or replace (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (done, letter) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], done + 1);
        for (at, other) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_region_names_the_nearest_of_an_unknown_one() {
        assert_eq!(known_region("ca-central-1"), Ok(()));
        for (name, nearest) in [
            ("ca-centrl-1", "ca-central-1"),
            ("ca-central-11", "ca-central-1"),
            ("us-eats-1", "us-east-1"),
            ("us-east1", "us-east-1"),
            ("ca-west", "ca-west-1"),
        ] {
            assert_eq!(
                known_region(name).expect_err(name).nearest,
                nearest,
                "{name}"
            );
        }
    }

    #[test]
    fn distance_counts_changes() {
        for (from, to, changes) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("centrl", "central", 1),
        ] {
            assert_eq!(distance(from, to), changes, "{from} {to}");
        }
    }
}
