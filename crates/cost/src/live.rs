//! What a live account has of the guide's stack, to be priced: what carries the settings' tags, and where tags
//! are not listed, what is named after project and environment.

mod data;
mod network;
mod operations;
mod storage;

use aws_env::{Both, Call, Error, RegionAccess};
use serde_json::Value;
use settings::{Region, Settings};

use crate::inventory::{Attributes, Inventory, Resource, Source};

/// More pages of one list than this are not read.
const MOST_PAGES: usize = 100;

const NOT_LOOKED_FOR: &str = "only what the guide's stack has was looked for in the account, by its tags and names: load \
                              balancers, functions, state machines, schedules, hosted zones and firewalls are not in it";

/// Asks both regions of the settings for everything that is priced.
///
/// # Errors
/// When one of the services does not answer or refuses: an inventory without it would look cheaper.
pub async fn observe(both: &Both, settings: &Settings) -> Result<Inventory, Error> {
    let mut search = Search {
        clients: Clients::new(&both.primary, &both.global),
        name: settings.name(),
        tags: tags(settings),
        found: Vec::new(),
    };
    search.network().await?;
    search.databases().await?;
    search.caches().await?;
    search.buckets(settings).await?;
    search.table(settings).await?;
    search.distributions().await?;
    search.keys_and_secrets().await?;
    search.monitoring().await?;
    search.topics().await?;
    // The DR region has copies, and whatever is kept ready there.
    search.clients = Clients::new(&both.dr, &both.global);
    search.replicated_backups().await?;
    search.network().await?;
    search.databases().await?;
    search.caches().await?;
    search.buckets(settings).await?;
    search.keys_and_secrets().await?;
    Ok(Inventory {
        source: Source::Live,
        region: Some(both.primary.region()),
        dr_region: Some(both.dr.region()),
        resources: search.found,
        notes: vec![NOT_LOOKED_FOR.to_owned()],
        incomplete: true,
    })
}

/// `Project` and `Environment`, as the settings write them.
fn tags(settings: &Settings) -> Vec<(String, String)> {
    let ours = |key: &str| {
        ["project", "environment"]
            .iter()
            .any(|wanted| key.eq_ignore_ascii_case(wanted))
    };
    let tags = settings.tags.iter().filter(|(key, _)| ours(key));
    tags.map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The clients of one region, and those of the global services.
struct Clients {
    access: RegionAccess,
    s3: aws_sdk_s3::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    ec2: aws_sdk_ec2::Client,
    rds: aws_sdk_rds::Client,
    elasticache: aws_sdk_elasticache::Client,
    kms: aws_sdk_kms::Client,
    secrets: aws_sdk_secretsmanager::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    sns: aws_sdk_sns::Client,
    global: Region,
    cloudfront: aws_sdk_cloudfront::Client,
    /// Where CloudFront's alarms are, whatever the region.
    global_cloudwatch: aws_sdk_cloudwatch::Client,
}

impl Clients {
    fn new(here: &RegionAccess, global: &RegionAccess) -> Self {
        let clients = here.clients();
        Self {
            access: here.clone(),
            s3: clients.s3,
            dynamodb: clients.dynamodb,
            cloudwatch: clients.cloudwatch,
            ec2: aws_env::client!(aws_sdk_ec2, here),
            rds: aws_env::client!(aws_sdk_rds, here),
            elasticache: aws_env::client!(aws_sdk_elasticache, here),
            kms: aws_env::client!(aws_sdk_kms, here),
            secrets: aws_env::client!(aws_sdk_secretsmanager, here),
            logs: aws_env::client!(aws_sdk_cloudwatchlogs, here),
            sns: aws_env::client!(aws_sdk_sns, here),
            global: global.region(),
            cloudfront: aws_env::client!(aws_sdk_cloudfront, global),
            global_cloudwatch: aws_env::client!(aws_sdk_cloudwatch, global),
        }
    }

    /// A name for errors of calls to the region.
    fn call(
        &self,
        service: &'static str,
        operation: &'static str,
        resource: impl Into<String>,
    ) -> Call {
        self.access.call(service, operation, resource)
    }
}

/// A search for the resources of one stack, region after region.
struct Search {
    clients: Clients,
    name: String,
    tags: Vec<(String, String)>,
    found: Vec<Resource>,
}

impl Search {
    /// A name for errors of calls about the whole stack.
    fn call(&self, service: &'static str, operation: &'static str) -> Call {
        self.clients.call(service, operation, "the stack")
    }

    /// A name for errors of calls to the global services about the whole stack.
    fn global_call(&self, service: &'static str, operation: &'static str) -> Call {
        Call {
            region: self.clients.global,
            ..self.call(service, operation)
        }
    }

    /// Whether a resource with these tags is of the stack.
    fn is_ours<'t>(
        &self,
        tags: impl IntoIterator<Item = (Option<&'t str>, Option<&'t str>)>,
    ) -> bool {
        let tags: Vec<_> = tags.into_iter().collect();
        self.tags.iter().all(|(key, value)| {
            tags.iter()
                .any(|(found, of)| *found == Some(key.as_str()) && *of == Some(value.as_str()))
        })
    }

    /// Whether a name says that it is of the stack.
    fn is_named(&self, name: &str) -> bool {
        name.contains(&self.name)
    }

    fn add<const N: usize>(
        &mut self,
        kind: &str,
        id: &str,
        attributes: [(&'static str, Value); N],
    ) {
        // CloudFront has no region.
        let region =
            (kind != "aws_cloudfront_distribution").then_some(self.clients.access.region());
        self.found.push(Resource {
            address: format!("{kind}.{id}"),
            kind: kind.to_owned(),
            region,
            attributes: Attributes::new(attributes),
        });
    }
}
