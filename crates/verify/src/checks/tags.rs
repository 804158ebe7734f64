//! Item 15: the tags of everything in the stack that takes tags.

mod data;
mod network;
mod services;

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use report::finding::{Observation, Severity};

use super::Context;
use crate::check::{Answer, Check};
use crate::wanted::Wanted;

macro_rules! tags {
    ($id:literal, $title:literal) => {
        Check {
            id: $id,
            item: Some(15),
            severity: Severity::Low,
            title: $title,
            why: "costs cannot be told apart, nobody answers for it, and clean-ups may take it",
            fix: "terraform apply; for further tags: variable tags, and [tags] of infra.toml",
        }
    };
}

static NETWORK: Check = tags!("tags-network", "everything of the network has its tags");
static GROUPS: Check = tags!("tags-groups", "every security group has its tags");
static KEY: Check = tags!("tags-key", "the key has its tags");
static LOGS: Check = tags!("tags-logs", "every log group has its tags");
static ROLES: Check = tags!("tags-roles", "every role has its tags");
static BUCKETS: Check = tags!("tags-buckets", "every bucket has its tags");
static DATABASE: Check = tags!(
    "tags-database",
    "the database and its groups have their tags"
);
static CACHE: Check = tags!("tags-cache", "Redis and its groups have their tags");
static SECRETS: Check = tags!("tags-secrets", "every secret of the stack has its tags");
static CDN: Check = tags!("tags-cdn", "the distribution has its tags");
static TOPICS: Check = tags!("tags-topics", "every topic has its tags");
static ALARMS: Check = tags!("tags-alarms", "every alarm has its tags");

pub(super) static CHECKS: &[&Check] = &[
    &NETWORK, &GROUPS, &KEY, &LOGS, &ROLES, &BUCKETS, &DATABASE, &CACHE, &SECRETS, &CDN, &TOPICS,
    &ALARMS,
];

type Tags = BTreeMap<String, String>;

/// A resource, and its tags. One that does not exist is for another check to tell.
type Tagged = Vec<(String, Observation<Tags>)>;

/// A check, and how to see all that it asks about.
type Ask = (
    &'static Check,
    for<'a> fn(Context<'a>) -> BoxFuture<'a, Tagged>,
);

static ASKED: [Ask; 12] = [
    (&NETWORK, |context| network::network(context).boxed()),
    (&GROUPS, |context| network::groups(context).boxed()),
    (&KEY, |context| services::key(context).boxed()),
    (&LOGS, |context| services::logs(context).boxed()),
    (&ROLES, |context| services::roles(context).boxed()),
    (&BUCKETS, |context| data::buckets(context).boxed()),
    (&DATABASE, |context| data::database(context).boxed()),
    (&CACHE, |context| data::cache(context).boxed()),
    (&SECRETS, |context| data::secrets(context).boxed()),
    (&CDN, |context| services::cdn(context).boxed()),
    (&TOPICS, |context| services::topics(context).boxed()),
    (&ALARMS, |context| services::alarms(context).boxed()),
];

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let asked = ASKED.iter().map(async |(check, ask)| {
        let tagged = ask(context).await.into_iter();
        let judged = tagged.map(|(resource, tags)| judge(check, resource, tags, context.wanted));
        judged.collect::<Vec<_>>()
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn judge(
    check: &'static Check,
    resource: String,
    tags: Observation<Tags>,
    wanted: &Wanted,
) -> Answer {
    if let Err(unobserved) = &tags
        && unobserved.absent
    {
        return check.skipped(resource, "it does not exist");
    }
    let expected: Vec<String> = wanted
        .tags
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .chain(any_value(wanted).map(|key| format!("{key}=…")))
        .collect();
    let shown = tags.map(|tags| {
        let differ = wanted
            .tags
            .iter()
            .filter_map(|(key, value)| match tags.get(key) {
                Some(found) if found == value => None,
                Some(found) => Some(format!("{key}={found}")),
                None => Some(format!("no {key}")),
            });
        let lack = any_value(wanted).filter(|key| tags.get(*key).is_none_or(String::is_empty));
        let lack = lack.map(|key| format!("no {key}"));
        let differ: Vec<String> = differ.chain(lack).collect();
        if differ.is_empty() {
            (true, "as expected".to_owned())
        } else {
            (false, differ.join(", "))
        }
    });
    check.answer(resource, expected.join(", "), None, shown)
}

/// Keys that are wanted and whose values the settings do not say.
fn any_value(wanted: &Wanted) -> impl Iterator<Item = &str> {
    let keys = wanted.expect.tag_keys.iter().map(String::as_str);
    keys.filter(|key| !wanted.tags.contains_key(*key))
}

/// Tags as most services give them: key and value, either of which might be missing.
fn pairs<K, V>(tags: impl IntoIterator<Item = (K, V)>) -> Tags
where
    K: Into<Option<String>>,
    V: Into<Option<String>>,
{
    tags.into_iter()
        .filter_map(|(key, value)| Some((key.into()?, value.into().unwrap_or_default())))
        .collect()
}
