use std::collections::BTreeMap;

use settings::{Region, Settings};

/// What the guide and the settings ask of the environment.
///
/// The numbers are the guide's; fields are public, so that an embedder with other numbers sets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Project and environment, with a hyphen between: the beginning of most names.
    pub name: String,
    /// Where everything lies that is not global.
    pub region: Region,
    /// Tags that everything has.
    pub tags: BTreeMap<String, String>,
    /// Availability zones; in each a public and a private subnet and a NAT gateway.
    pub zones: usize,
    /// Days of automated backups of the database, at least.
    pub backup_days: i32,
    /// Nodes of Redis.
    pub redis_nodes: usize,
    /// Countries to which the distribution answers, and no others.
    pub countries: Vec<String>,
    /// Days for which noncurrent versions of objects are kept, at least.
    pub noncurrent_days: i32,
}

impl Wanted {
    /// The guide's numbers, with the names and tags of the settings.
    pub fn new(settings: &Settings) -> Self {
        let tags = settings
            .tags
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Self {
            name: format!("{}-{}", settings.project, settings.environment),
            region: settings.regions.primary,
            tags,
            zones: 2,
            backup_days: 7,
            redis_nodes: 2,
            countries: vec!["CA".to_owned(), "US".to_owned()],
            noncurrent_days: 90,
        }
    }
}
