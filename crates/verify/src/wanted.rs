use std::collections::BTreeMap;

use settings::{Region, Residency, Settings};

/// What the guide and the settings ask of the environment.
///
/// The numbers are the guide's; fields are public, so that an embedder with other numbers sets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Project and environment, with a hyphen between: the beginning of most names.
    pub name: String,
    /// Where everything lies that is not global.
    pub region: Region,
    /// Where data may lie.
    pub residency: Residency,
    /// Exceptions from that which are in use, in words.
    pub exceptions: Vec<String>,
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
    /// Buckets that everybody may read through the distribution, and why; no other.
    pub public_read: BTreeMap<String, String>,
    /// Days for which noncurrent versions of objects are kept, at least.
    pub noncurrent_days: i32,
    /// Days after which objects go to Glacier.
    pub glacier_days: i32,
    /// Days after which objects go to Deep Archive: seven years.
    pub deep_archive_days: i32,
    /// The bucket that each bucket of data replicates to, where there is DR.
    pub replicas: BTreeMap<String, String>,
    /// Port on which the application's tasks listen.
    pub app_port: u16,
    /// Networks from which the load balancer is reached.
    pub alb_ingress: Vec<String>,
    /// Days for which flow logs are kept, at least.
    pub flow_log_days: i32,
}

impl Wanted {
    /// Tags that everything has, whatever their values.
    pub(crate) const TAG_KEYS: [&str; 4] = ["Project", "Environment", "ManagedBy", "Owner"];

    /// The guide's numbers, with the names and tags of the settings.
    pub fn new(settings: &Settings) -> Self {
        let tags = settings.tags.iter().chain([("ManagedBy", "terraform")]);
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self {
            name: format!("{}-{}", settings.project, settings.environment),
            region: settings.regions.primary,
            residency: settings.residency.clone(),
            exceptions: settings
                .exceptions_in_use()
                .iter()
                .map(ToString::to_string)
                .collect(),
            tags: tags.collect(),
            zones: 2,
            backup_days: 7,
            redis_nodes: 2,
            countries: vec!["CA".to_owned(), "US".to_owned()],
            public_read: settings
                .buckets
                .iter()
                .filter_map(|bucket| Some((bucket.name.to_string(), bucket.public_read.clone()?)))
                .collect(),
            noncurrent_days: 90,
            glacier_days: 365,
            deep_archive_days: 2555,
            replicas: settings
                .buckets
                .iter()
                .map(|bucket| (bucket.name.to_string(), bucket.dr.to_string()))
                .collect(),
            app_port: 3000,
            alb_ingress: vec!["0.0.0.0/0".to_owned()],
            flow_log_days: 365,
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
            ..Self::new(settings)
        }
    }
}
