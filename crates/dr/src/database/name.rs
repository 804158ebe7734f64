//! Identifiers for copied snapshots.

use sha2::{Digest, Sha256};

use super::Snapshot;

/// The longest identifier of a snapshot, and its other rules:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CopyDBSnapshot.html>.
const LONGEST: usize = 255;

/// Whether RDS takes `id` for a snapshot that is to be made: 1 to 255 letters, digits and hyphens, a letter
/// first, no hyphen last, no two in a row. `rds:…`, the name of an automated snapshot, is not one.
pub fn is_legal_snapshot_id(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && id.starts_with(|c: char| c.is_ascii_alphabetic())
        && !id.ends_with('-')
        && !id.contains("--")
}

/// The identifier of the copy of `source`: database, region, time and a digest of the source's ARN, so that
/// two sources never share one and an old copy is never taken for a new one. `attempt` counts from 1; a later
/// one is for when an earlier identifier is held by something else, such as a copy that failed.
///
/// `None` when the source's time is not known.
pub fn copy_id(source: &Snapshot, attempt: usize) -> Option<String> {
    let time = source.taken?.strftime("%Y%m%dt%H%M%Sz").to_string();
    let region = super::snapshot::arn_region(&source.arn).unwrap_or("unknown-region");
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(source.arn.as_bytes()).into();
    let digest = format!("{:08x}", u32::from_be_bytes([a, b, c, d]));
    let mut id = legal_part(&source.database);
    if !id.starts_with(|c: char| c.is_ascii_alphabetic()) {
        id = format!("db-{id}");
    }
    // Room for everything else.
    id.truncate(128);
    for part in [region, &time, &digest] {
        id = format!("{}-{}", id.trim_end_matches('-'), legal_part(part));
    }
    if attempt > 1 {
        id = format!("{id}-{attempt}");
    }
    Some(id)
}

/// Letters, digits and single hyphens between them, in lower case.
pub(super) fn legal_part(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::snapshot::tests::{at, snapshot};
    use super::*;

    // aws-behaviour: 7
    // aws-behaviour: 27
    #[test]
    fn copy_id_of_a_source_is_legal_and_tells_source_and_time() {
        let mut source = snapshot(
            "rds:berthcare-2026-11-22-03-15",
            at("2026-11-22T03:15:12.345Z"),
        );
        source.database = "berthcare-staging-postgres".to_owned();
        let id = copy_id(&source, 1).unwrap();
        assert!(
            id.starts_with("berthcare-staging-postgres-ca-central-1-20261122t031512z-"),
            "{id}"
        );
        assert_eq!(copy_id(&source, 2).unwrap(), format!("{id}-2"));
        let mut other = source.clone();
        other.arn.push('x');
        assert_ne!(copy_id(&other, 1).unwrap(), id);
        source.taken = None;
        assert_eq!(copy_id(&source, 1), None);
        assert!(!is_legal_snapshot_id("rds:berthcare-2026-11-22-03-15-dr"));
    }

    /// The copier's role may tag and delete what has such a name, and nothing else.
    #[test]
    fn copy_id_is_what_the_role_of_the_copier_names() {
        let terraform = include_str!("../../../../terraform/modules/dr/main.tf");
        let pattern = "????????t??????z-????????";
        assert!(terraform.contains(&format!("copy_time_and_digest = \"{pattern}\"")));
        assert!(terraform.contains("${identifier}-${local.region}-${local.copy_time_and_digest}"));
        let matches = |id: &str, pattern: &str| {
            let same = |(a, b): (char, char)| b == '?' || a == b;
            id.len() == pattern.len() && id.chars().zip(pattern.chars()).all(same)
        };
        let mut source = snapshot("manual", at("2026-11-22T03:15:12Z"));
        source.database = "berthcare-staging-postgres".to_owned();
        let of = |rest: &str| format!("berthcare-staging-postgres-ca-central-1-{pattern}{rest}");
        for (attempt, rest) in [(1, ""), (2, "-?"), (99, "-??")] {
            let id = copy_id(&source, attempt).unwrap();
            assert!(matches(&id, &of(rest)), "{id}");
        }
        source.database = "berthcare-staging-postgres-dr".to_owned();
        let id = copy_id(&source, 1).unwrap();
        assert!(!matches(&id, &of("")) && !matches(&id, &of("-??")), "{id}");
    }

    proptest! {
        #[test]
        fn copy_id_of_any_source_is_legal(database in ".{0,300}", arn in ".{0,80}", attempt in 1usize..500) {
            let mut source = snapshot("x", at("2026-11-22T03:15:12Z"));
            source.database = database;
            source.arn = arn;
            let id = copy_id(&source, attempt).unwrap();
            prop_assert!(is_legal_snapshot_id(&id), "{}", id);
        }
    }
}
