//! The checks, one file for each area of the guide's checklist.
//!
//! An area has a list of its checks and a function that asks AWS and answers them. Asking gives a picture
//! whose parts are each seen or not ([`crate::check::Observation`]); judging a picture calls nothing.

mod alarms;
#[cfg(test)]
mod asked;
pub(crate) mod backend;
mod buckets;
mod cache;
mod cdn;
mod dashboard;
mod database;
mod flow_logs;
mod groups;
mod keys;
mod network;
mod practices;
mod residency;
mod roles;
mod secrets;
mod tags;
mod topics;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use evidence::{Redacted, Redactor};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use report::finding::{Observation, Status, Unobserved};
use report::{Observer, Outcome, Silent};

use crate::check::{Answer, Check, Checked};
use crate::clients::EnvironmentClients;
use crate::locate::{Located, Sources};
use crate::selection::Selection;
use crate::wanted::Wanted;

/// Areas that are asked at once. Each has up to a few dozen calls under way: all areas together would wait for one
/// another longer than a call may take.
const AT_ONCE: usize = 6;

/// For the observer.
const ASKING: &str = "asking AWS";

/// What every area is handed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) clients: &'a EnvironmentClients,
    pub(crate) located: &'a Located,
    pub(crate) wanted: &'a Wanted,
    /// The account that answers.
    pub(crate) account: &'a str,
    /// Now.
    pub(crate) at: Timestamp,
}

/// The outputs that name the buckets.
const BUCKETS: [&str; 4] = [
    "s3_bucket_photos",
    "s3_bucket_documents",
    "s3_bucket_signatures",
    "s3_bucket_logs",
];

/// An area: its checks, and how to answer them.
struct Area {
    checks: &'static [&'static Check],
    answer: for<'a> fn(Context<'a>) -> BoxFuture<'a, Vec<Answer>>,
}

static AREAS: &[Area] = &[
    Area {
        checks: network::CHECKS,
        answer: |context| network::answers(context).boxed(),
    },
    Area {
        checks: buckets::CHECKS,
        answer: |context| buckets::answers(context).boxed(),
    },
    Area {
        checks: cdn::CHECKS,
        answer: |context| cdn::answers(context).boxed(),
    },
    Area {
        checks: roles::CHECKS,
        answer: |context| roles::answers(context).boxed(),
    },
    Area {
        checks: practices::CHECKS,
        answer: |context| practices::answers(context).boxed(),
    },
    Area {
        checks: groups::CHECKS,
        answer: |context| groups::answers(context).boxed(),
    },
    Area {
        checks: keys::CHECKS,
        answer: |context| keys::answers(context).boxed(),
    },
    Area {
        checks: flow_logs::CHECKS,
        answer: |context| flow_logs::answers(context).boxed(),
    },
    Area {
        checks: tags::CHECKS,
        answer: |context| tags::answers(context).boxed(),
    },
    Area {
        checks: residency::CHECKS,
        answer: |context| residency::answers(context).boxed(),
    },
    Area {
        checks: database::CHECKS,
        answer: |context| database::answers(context).boxed(),
    },
    Area {
        checks: cache::CHECKS,
        answer: |context| cache::answers(context).boxed(),
    },
    Area {
        checks: secrets::CHECKS,
        answer: |context| secrets::answers(context).boxed(),
    },
    Area {
        checks: dashboard::CHECKS,
        answer: |context| dashboard::answers(context).boxed(),
    },
    Area {
        checks: alarms::CHECKS,
        answer: |context| alarms::answers(context).boxed(),
    },
    Area {
        checks: topics::CHECKS,
        answer: |context| topics::answers(context).boxed(),
    },
    Area {
        checks: backend::CHECKS,
        answer: |context| backend::answers(context).boxed(),
    },
];

/// Answers about something that could not be looked at. Where it is known to be absent the first check, which
/// asks for it, is wrong, and nothing is left to be asked by the others.
fn unseen(checks: &[&'static Check], resource: &str, unobserved: &Unobserved) -> Vec<Answer> {
    checks
        .iter()
        .enumerate()
        .map(|(place, check)| {
            if unobserved.absent && place > 0 {
                check.skipped(resource, "it does not exist")
            } else {
                check.answer(resource, check.title, None, Err(unobserved.clone()))
            }
        })
        .collect()
}

/// The nodes of Redis that there are.
fn redis_nodes(context: Context<'_>) -> Observation<Vec<String>> {
    let nodes = context.located.texts("redis_node_ids")?.into_iter();
    Ok(nodes.map(str::to_owned).collect())
}

/// Names, for people.
fn listed(names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// Every check there is.
pub fn all() -> impl Iterator<Item = &'static Check> {
    AREAS.iter().flat_map(|area| area.checks).copied()
}

/// Asks AWS the checks of `selection`, several areas at once.
///
/// A check that got no answer is unknown. A region that does not answer makes everything unknown, at once.
pub async fn check(
    clients: &EnvironmentClients,
    sources: Sources<'_>,
    wanted: &Wanted,
    selection: &Selection,
    at: Timestamp,
) -> Redacted<Checked> {
    check_observed(clients, sources, wanted, selection, at, &Silent).await
}

/// Like [`check`], and tells `observer` how many areas have answered.
pub async fn check_observed(
    clients: &EnvironmentClients,
    sources: Sources<'_>,
    wanted: &Wanted,
    selection: &Selection,
    at: Timestamp,
    observer: &dyn Observer,
) -> Redacted<Checked> {
    let clients = &clients.clone().reading_once();
    let asked = |area: &&Area| area.checks.iter().any(|check| selection.takes(check));
    let areas: Vec<&Area> = AREAS.iter().filter(asked).collect();
    let begun = Instant::now();
    observer.started(ASKING);
    let account = clients.home.account_id().await;
    let located = match &account {
        Ok(account) => {
            observer.waiting(ASKING, "looking for the environment's resources");
            Located::find(clients, account, sources, wanted)
                .boxed()
                .await
        }
        Err(_) => Located::without_aws(sources, wanted),
    };
    let mut answers: Vec<Answer> = match &account {
        Ok(account) => {
            let context = Context {
                clients,
                located: &located,
                wanted,
                account,
                at,
            };
            let (all, done) = (areas.len(), AtomicUsize::new(0));
            let asked = areas.iter().map(|area| {
                let (answers, done) = ((area.answer)(context), &done);
                async move {
                    let answers = answers.await;
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    observer.waiting(ASKING, &format!("{done} of {all} areas have answered"));
                    answers
                }
            });
            let answers: Vec<Vec<Answer>> = futures::stream::iter(asked)
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            answers
                .into_iter()
                .flatten()
                .filter(|answer| selection.takes(answer.check))
                .collect()
        }
        Err(_) => Vec::new(),
    };
    let outcome = match &account {
        Ok(_) => Outcome::Done,
        Err(_) => Outcome::Failed,
    };
    observer.finished(ASKING, outcome, begun.elapsed());
    let reason = match &account {
        Ok(_) => "nothing was found to ask about".to_owned(),
        Err(error) => error.to_string(),
    };
    let answered: BTreeSet<&str> = answers.iter().map(|answer| answer.check.id).collect();
    let silent: Vec<Answer> = areas
        .iter()
        .flat_map(|area| area.checks)
        .filter(|check| selection.takes(check) && !answered.contains(check.id))
        .map(|check| Answer {
            status: Status::Unknown,
            ..check.skipped(&wanted.name, &reason)
        })
        .collect();
    answers.extend(silent);
    let place = |answer: &Answer| {
        (
            answer.check.item.unwrap_or(u8::MAX),
            answer.check.id,
            answer.resource.clone(),
        )
    };
    answers.sort_by_key(place);
    let mut checked = Checked {
        environment: wanted.name.clone(),
        region: wanted.region.to_string(),
        account: account.ok(),
        at,
        residency: wanted.exceptions.clone(),
        resources: located.summary(),
        answers,
    };
    checked.accept(&wanted.waivers);
    Redactor::for_display(sources.outputs).apply(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_items_are_those_of_the_guide() {
        let mut seen = BTreeSet::new();
        for check in all() {
            assert!(seen.insert(check.id), "{} twice", check.id);
            assert!(
                check.item.is_none_or(|item| (1..=15).contains(&item)),
                "{}",
                check.id
            );
            for text in [check.title, check.why, check.fix] {
                assert!(!text.is_empty(), "{}", check.id);
            }
        }
    }
}
