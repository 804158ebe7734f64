use std::collections::BTreeMap;

use settings::{Expect, Region, Residency, Settings, StateDr, Waivers};

/// What the guide and the settings ask of the environment.
///
/// Fields are public, so that an embedder with other numbers sets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Project and environment, with a hyphen between.
    pub name: String,
    /// Where everything lies that is not global.
    pub region: Region,
    /// Where data may lie.
    pub residency: Residency,
    /// Exceptions from that which are in use, in words.
    pub exceptions: Vec<String>,
    /// Tags that everything has.
    pub tags: BTreeMap<String, String>,
    /// Buckets that everybody may read through the distribution, and why; no other.
    pub public_read: BTreeMap<String, String>,
    /// The bucket that each bucket of data replicates to, where there is DR.
    pub replicas: BTreeMap<String, String>,
    /// The guide's numbers, or those of `[expect]`.
    pub expect: Expect,
    /// What somebody has accepted although a check finds it wrong.
    pub waivers: Waivers,
    /// Where Terraform's state lies; `None` where this side has none.
    pub state: Option<StateWanted>,
}

/// Where Terraform's state lies in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateWanted {
    /// The bucket.
    pub bucket: String,
    /// The key of the state.
    pub key: String,
    /// The table that Terraform locks with, where it does.
    pub lock_table: Option<String>,
}

impl Wanted {
    /// The guide's numbers or those of the settings, with their names and tags.
    pub fn new(settings: &Settings) -> Self {
        let managed = ("ManagedBy", "terraform");
        let expect = settings.expect.clone();
        let is_wanted = expect.tag_keys.iter().any(|key| key == managed.0);
        let tags = settings.tags.iter().chain(is_wanted.then_some(managed));
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self {
            name: settings.name(),
            region: settings.regions.primary,
            residency: settings.residency.clone(),
            exceptions: settings
                .exceptions_in_use()
                .iter()
                .map(ToString::to_string)
                .collect(),
            tags: tags.collect(),
            public_read: settings
                .buckets
                .iter()
                .filter_map(|bucket| Some((bucket.name.to_string(), bucket.public_read.clone()?)))
                .collect(),
            replicas: settings
                .buckets
                .iter()
                .map(|bucket| (bucket.name.to_string(), bucket.dr.to_string()))
                .collect(),
            expect,
            waivers: Waivers::default(),
            state: Some(StateWanted {
                bucket: settings.state.bucket.to_string(),
                key: settings.state.key.to_string(),
                lock_table: settings.state.lock_table.as_ref().map(ToString::to_string),
            }),
        }
    }

    /// The same of the environment in its DR region, while that serves: its buckets are the copies, and nothing is
    /// replicated out of them.
    pub fn of_dr(settings: &Settings) -> Self {
        let public = settings.buckets.iter();
        let public =
            public.filter_map(|bucket| Some((bucket.dr.to_string(), bucket.public_read.clone()?)));
        Self {
            region: settings.regions.dr,
            public_read: public.collect(),
            replicas: BTreeMap::new(),
            state: match &settings.state.dr {
                StateDr::None => None,
                StateDr::Replicated(replica) => Some(StateWanted {
                    bucket: replica.bucket.to_string(),
                    key: settings.state.key.to_string(),
                    lock_table: settings.state.lock_table_in_dr().map(ToString::to_string),
                }),
            },
            ..Self::new(settings)
        }
    }

    /// The alias of the environment's key.
    pub fn key_alias(&self) -> String {
        let own = || format!("alias/{}", self.name);
        self.expect.key_alias.clone().unwrap_or_else(own)
    }

    /// The application's log group.
    pub fn app_log_group(&self) -> String {
        let own = || format!("/ecs/{}", self.name);
        self.expect.app_log_group.clone().unwrap_or_else(own)
    }
}
