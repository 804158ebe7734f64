//! Item 5: the buckets of photos, documents, signatures and logs.

mod catalog;
mod judge;
mod lifecycle;
mod observe;

use futures::future::join_all;
use report::finding::{Observation, Unobserved};

use super::Context;
use crate::check::{Answer, Check};

pub(super) use catalog::CHECKS;
pub(super) use judge::blocks_off;
pub(super) use observe::policy;

/// A bucket of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// What is in it.
    pub(super) name: &'static str,
    /// Terraform's output with its name.
    pub(super) output: &'static str,
}

/// Buckets with data of the application.
pub(super) const DATA: [Kind; 3] = [
    Kind {
        name: "photos",
        output: "s3_bucket_photos",
    },
    Kind {
        name: "documents",
        output: "s3_bucket_documents",
    },
    Kind {
        name: "signatures",
        output: "s3_bucket_signatures",
    },
];

/// The bucket of access logs.
pub(super) const LOGS: Kind = Kind {
    name: "logs",
    output: "s3_bucket_logs",
};

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let kinds = DATA.into_iter().chain([LOGS]);
    let buckets = join_all(kinds.map(async |kind| {
        let picture = match context.located.text(kind.output) {
            Ok(name) => Ok(observe::bucket(context, name).await),
            Err(unobserved) => Err(unobserved),
        };
        (kind, picture)
    }));
    let (buckets, account, alarms) = tokio::join!(
        buckets,
        observe::account_block(context),
        observe::failure_alarms(context),
    );
    let mut answers = Vec::new();
    for (kind, picture) in &buckets {
        match picture {
            Ok(picture) => {
                answers.extend(judge::bucket(context, *kind, picture, &account, &alarms));
            }
            Err(unobserved) => answers.extend(nothing(*kind, unobserved)),
        }
    }
    answers.extend(judge::log_delivery(context, &buckets));
    answers
}

/// Without its name nothing can be asked about a bucket.
fn nothing(kind: Kind, unobserved: &Unobserved) -> Vec<Answer> {
    let asked = CHECKS.iter().copied();
    let asked: Vec<&Check> = asked.filter(|check| judge::applies(check, kind)).collect();
    super::unseen(&asked, &format!("{} bucket", kind.name), unobserved)
}

type Buckets = [(Kind, Observation<observe::Picture>)];
