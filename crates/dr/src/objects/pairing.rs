//! Which buckets belong together, where they are and whose: what settings say, in one place.

use aws_env::{Both, DrOnly, RegionClients};
use serde::{Deserialize, Serialize};
use settings::{AccountId, BucketName, Region, Settings, StateDr};

use super::bucket::Bucket;
use super::location::S3Location;

/// A bucket as settings have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairedBucket {
    /// Its name.
    pub name: BucketName,
    /// Where it is.
    pub region: Region,
    /// The account that it belongs to; that of the credentials where settings say none.
    pub account: Option<AccountId>,
}

impl PairedBucket {
    /// The bucket, called with the clients of its region.
    pub fn open(&self, clients: &RegionClients) -> Bucket {
        Bucket::new(clients, S3Location::whole(self.name.clone()))
    }
}

/// A bucket of application data and its copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketPair {
    /// What the application writes to: the source of replication.
    pub primary: PairedBucket,
    /// Its copy in the DR region.
    pub dr: PairedBucket,
}

impl BucketPair {
    /// Both buckets, the primary one first.
    pub fn open(&self, both: &Both) -> (Bucket, Bucket) {
        (
            self.primary.open(&both.primary.clients()),
            self.open_dr(&both.dr_only()),
        )
    }

    /// The copy alone, for when the primary region is lost.
    pub fn open_dr(&self, dr: &DrOnly) -> Bucket {
        self.dr.open(&dr.region().clients())
    }

    fn sides(&self) -> [&PairedBucket; 2] {
        [&self.primary, &self.dr]
    }
}

/// The buckets of application data with their copies, in the order of the settings, those of the state, and the bucket for
/// journals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairing {
    pairs: Vec<BucketPair>,
    state: Option<BucketPair>,
    journals: Option<PairedBucket>,
}

impl From<&Settings> for Pairing {
    fn from(settings: &Settings) -> Self {
        let side = |name: &BucketName, owner: Option<&AccountId>, region| PairedBucket {
            name: name.clone(),
            region,
            account: owner.or(settings.account.as_ref()).cloned(),
        };
        let (primary, dr) = (settings.regions.primary, settings.regions.dr);
        let pairs = settings.buckets.iter().map(|bucket| BucketPair {
            primary: side(&bucket.name, bucket.owner.as_ref(), primary),
            dr: side(&bucket.dr, bucket.dr_owner.as_ref(), dr),
        });
        let state = match &settings.state.dr {
            StateDr::Replicated(replica) => Some(BucketPair {
                primary: side(&settings.state.bucket, None, primary),
                dr: side(&replica.bucket, None, replica.region),
            }),
            StateDr::None => None,
        };
        Self {
            pairs: pairs.collect(),
            state,
            journals: settings
                .journals()
                .map(|name| side(name, None, settings.journals_region())),
        }
    }
}

impl Pairing {
    /// All pairs of application data.
    pub fn pairs(&self) -> &[BucketPair] {
        &self.pairs
    }

    /// The pair of a primary bucket.
    pub fn of_primary(&self, name: &BucketName) -> Option<&BucketPair> {
        self.pairs.iter().find(|pair| pair.primary.name == *name)
    }

    /// A bucket of a pair, whichever side it is of.
    pub fn bucket(&self, name: &BucketName) -> Option<&PairedBucket> {
        let mut sides = self.pairs.iter().flat_map(BucketPair::sides);
        sides.find(|bucket| bucket.name == *name)
    }

    /// Whether `name` is a copy in the DR region.
    pub fn is_dr(&self, name: &BucketName) -> bool {
        self.pairs.iter().any(|pair| pair.dr.name == *name)
    }

    /// The bucket of the Terraform state and its copy, where the state is replicated.
    pub fn state(&self) -> Option<&BucketPair> {
        self.state.as_ref()
    }

    /// Every bucket of the DR region that S3 replicates to: the copies of the data, and that of the state.
    pub fn replicas(&self) -> Vec<PairedBucket> {
        let pairs = self.pairs.iter().chain(&self.state);
        pairs.map(|pair| pair.dr.clone()).collect()
    }

    /// The bucket for journals, in the DR region.
    pub fn journals(&self) -> Option<&PairedBucket> {
        self.journals.as_ref()
    }

    /// The bucket for journals, which is there without the primary region.
    pub fn open_journals(&self, dr: &DrOnly) -> Option<Bucket> {
        let journals = self.journals.as_ref()?;
        Some(journals.open(&dr.region().clients()))
    }
}

#[cfg(test)]
impl BucketPair {
    pub(super) fn of(primary: &str, dr: &str) -> Self {
        let side = |name: &str, region: &str| PairedBucket {
            name: name.parse().unwrap(),
            region: region.parse().unwrap(),
            account: None,
        };
        Self {
            primary: side(primary, "ca-central-1"),
            dr: side(dr, "us-east-1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const SETTINGS: &str = r#"
        project = "berthcare"
        environment = "staging"
        account = "111122223333"
        regions = { primary = "ca-central-1", dr = "ca-west-1" }
        [state]
        bucket = "berthcare-state"
        key = "staging/terraform.tfstate"
        locking = ["s3"]
        [state.dr]
        bucket = "berthcare-state-dr"
        role = "replicate-state"
        [[buckets]]
        name = "photos"
        dr = "photos-dr"
        [[buckets]]
        name = "documents"
        dr = "documents-dr"
        dr_owner = "999988887777"
    "#;

    #[test]
    fn from_settings_gives_each_bucket_its_region_and_account() {
        let settings = Settings::parse(SETTINGS, date(2026, 11, 22)).unwrap();
        let pairing = Pairing::from(&settings);
        let bucket = |name: &str, region: &str, account: &str| PairedBucket {
            name: name.parse().unwrap(),
            region: region.parse().unwrap(),
            account: Some(account.parse().unwrap()),
        };
        let photos = BucketPair {
            primary: bucket("photos", "ca-central-1", "111122223333"),
            dr: bucket("photos-dr", "ca-west-1", "111122223333"),
        };
        let documents = BucketPair {
            primary: bucket("documents", "ca-central-1", "111122223333"),
            dr: bucket("documents-dr", "ca-west-1", "999988887777"),
        };
        assert_eq!(pairing.pairs(), [photos.clone(), documents.clone()]);
        let journals = bucket("berthcare-state-dr", "ca-west-1", "111122223333");
        assert_eq!(pairing.journals(), Some(&journals));
        assert_eq!(
            pairing.of_primary(&documents.primary.name),
            Some(&documents)
        );
        assert_eq!(pairing.of_primary(&documents.dr.name), None);
        assert_eq!(pairing.bucket(&documents.dr.name), Some(&documents.dr));
        let replicas = [photos.dr.clone(), documents.dr.clone(), journals];
        assert_eq!(pairing.replicas(), replicas);
        let state = &pairing.state().unwrap().primary;
        assert_eq!(
            *state,
            bucket("berthcare-state", "ca-central-1", "111122223333")
        );
        assert!(pairing.is_dr(&photos.dr.name) && !pairing.is_dr(&photos.primary.name));
    }

    #[test]
    fn from_settings_without_a_dr_side_of_the_state_has_no_bucket_for_journals() {
        let start = SETTINGS.find("[state.dr]").unwrap();
        let end = SETTINGS.find("[[buckets]]").unwrap();
        let mut text = SETTINGS.to_owned();
        text.replace_range(start..end, "[state.dr]\nstrategy = \"none\"\n");
        let settings = Settings::parse(&text, date(2026, 11, 22)).unwrap();
        let pairing = Pairing::from(&settings);
        assert_eq!((pairing.journals(), pairing.state()), (None, None));
    }
}
