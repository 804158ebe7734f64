//! What a live account has of the guide's stack, to be priced: what carries the settings' tags, and where tags
//! are not listed, what is named after project and environment.

mod data;
mod network;
mod operations;
mod storage;

use aws_env::{AwsEnv, Call, Error};
use cost::{Attributes, Inventory, Resource, Source};
use serde_json::Value;
use settings::{Region, Settings};
use verify::EnvironmentClients;

/// More pages of one list than this are not read.
const MOST_PAGES: usize = 100;

const NOT_LOOKED_FOR: &str = "only what the guide's stack has was looked for in the account, by its tags and names: load \
                              balancers, functions, state machines, schedules, hosted zones and firewalls are not in it";

/// Asks for everything that is priced.
///
/// # Errors
/// When one of the services does not answer or refuses: an inventory without it would look cheaper.
pub(crate) async fn inventory(env: &AwsEnv, settings: &Settings) -> Result<Inventory, Error> {
    let (primary, dr) = (settings.regions.primary, settings.regions.dr);
    let mut asked = Asked {
        clients: EnvironmentClients::new(&env.access(primary), &env.global(primary)),
        region: primary,
        name: format!("{}-{}", settings.project, settings.environment),
        tags: tags(settings),
        found: Vec::new(),
    };
    asked.network().await?;
    asked.databases().await?;
    asked.caches().await?;
    asked.buckets(settings).await?;
    asked.table(settings).await?;
    asked.distributions().await?;
    asked.keys_and_secrets().await?;
    asked.monitoring().await?;
    asked.topics().await?;
    // The DR region has copies, and whatever is kept ready there.
    asked.clients = EnvironmentClients::new(&env.access(dr), &env.global(dr));
    asked.region = dr;
    asked.replicated_backups().await?;
    asked.network().await?;
    asked.databases().await?;
    asked.caches().await?;
    asked.buckets(settings).await?;
    asked.keys_and_secrets().await?;
    Ok(Inventory {
        source: Source::Live,
        region: Some(primary),
        dr_region: Some(dr),
        resources: asked.found,
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

struct Asked {
    clients: EnvironmentClients,
    region: Region,
    name: String,
    tags: Vec<(String, String)>,
    found: Vec<Resource>,
}

impl Asked {
    fn call(&self, service: &'static str, operation: &'static str) -> Call {
        self.clients.home.call(service, operation, "the stack")
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
        let region = (kind != "aws_cloudfront_distribution").then_some(self.region);
        self.found.push(Resource {
            address: format!("{kind}.{id}"),
            kind: kind.to_owned(),
            region,
            attributes: Attributes::new(attributes),
        });
    }
}

/// Reads a list page by page.
macro_rules! each_page {
    ($asked:expr, $service:literal, $operation:literal, $request:expr, |$page:ident| $body:block) => {
        let mut pages = $request.into_paginator().send();
        let mut read = 0;
        while let Some(page) = pages.next().await {
            let call = || $asked.call($service, $operation);
            if read == crate::live::MOST_PAGES {
                let what = format!("more than {read} pages");
                return Err(aws_env::Error::unexpected(call(), what));
            }
            read += 1;
            let $page = page.map_err(|error| call().failed(error))?;
            $body
        }
    };
}
use each_page;
