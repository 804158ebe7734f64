//! Item 5: the buckets of photos, documents, signatures and logs.

mod catalog;
mod judge;
mod lifecycle;
mod observe;

use futures::future::join_all;

use super::Question;
use crate::check::{Answer, Blind, Seen};

pub(super) use catalog::CHECKS;
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

pub(super) async fn answers(question: Question<'_>) -> Vec<Answer> {
    let kinds = DATA.into_iter().chain([LOGS]);
    let buckets = join_all(kinds.map(async |kind| {
        let picture = match question.outputs.text(kind.output) {
            Ok(name) => Ok(observe::bucket(question, name).await),
            Err(blind) => Err(blind),
        };
        (kind, picture)
    }));
    let (buckets, account, alarms) = tokio::join!(
        buckets,
        observe::account_block(question),
        observe::failure_alarms(question),
    );
    let mut answers = Vec::new();
    for (kind, picture) in &buckets {
        match picture {
            Ok(picture) => {
                answers.extend(judge::bucket(question, *kind, picture, &account, &alarms));
            }
            Err(blind) => answers.extend(nothing(*kind, blind)),
        }
    }
    answers.extend(judge::log_delivery(question, &buckets));
    answers
}

/// Without its name nothing can be asked about a bucket.
fn nothing(kind: Kind, blind: &Blind) -> Vec<Answer> {
    CHECKS
        .iter()
        .filter(|check| judge::applies(check, kind))
        .map(|check| {
            check.answer(
                format!("{} bucket", kind.name),
                check.title,
                None,
                Err(blind.clone()),
            )
        })
        .collect()
}

type Buckets = [(Kind, Seen<observe::Picture>)];
