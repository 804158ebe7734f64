//! Conditions on what a copy replaces, for bases that do not look at them.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use tokio::sync::OwnedMutexGuard;

use crate::answer::Problem;
use crate::request::Call;

/// What has to hold for the object that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Condition {
    /// The condition of a request, if it has one.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let value = |name| {
            let value = headers.get(name)?;
            Some(value.to_str().ok()?.trim().to_owned())
        };
        let condition = Self {
            if_match: value(IF_MATCH),
            if_none_match: value(IF_NONE_MATCH),
        };
        (condition != Self::default()).then_some(condition)
    }

    /// The refusal, given the ETag of the object that is there.
    pub(crate) fn refusal(&self, etag: Option<&str>) -> Option<Problem> {
        let same = |wanted: &str, etag: &str| {
            wanted == "*" || wanted.trim_matches('"') == etag.trim_matches('"')
        };
        match (&self.if_none_match, &self.if_match, etag) {
            (Some(unwanted), _, Some(etag)) if same(unwanted, etag) => {
                Some(Problem::PreconditionFailed)
            }
            // AWS's own choice; RFC 9110 would have 412.
            (_, Some(_), None) => Some(Problem::NoSuchKey),
            (_, Some(wanted), Some(etag)) if !same(wanted, etag) => {
                Some(Problem::PreconditionFailed)
            }
            _ => None,
        }
    }
}

/// Lets one conditional write to each key through at a time: what it has seen is what it replaces.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn of a write that has a condition.
    pub(crate) async fn take(&self, call: &Call) -> Option<OwnedMutexGuard<()>> {
        let name = call.resource.clone()?;
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody waits for these any more.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            turns.entry(name).or_default().clone()
        };
        Some(turn.lock_owned().await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_is_that_of_aws() {
        let condition = |if_match: Option<&str>, if_none_match: Option<&str>| Condition {
            if_match: if_match.map(str::to_owned),
            if_none_match: if_none_match.map(str::to_owned),
        };
        for (condition, there, expected) in [
            (condition(None, Some("*")), None, None),
            (
                condition(None, Some("*")),
                Some("\"a\""),
                Some("PreconditionFailed"),
            ),
            (
                condition(None, Some("\"a\"")),
                Some("\"a\""),
                Some("PreconditionFailed"),
            ),
            (condition(None, Some("\"b\"")), Some("\"a\""), None),
            (condition(Some("\"a\""), None), Some("\"a\""), None),
            (condition(Some("a"), None), Some("\"a\""), None),
            (
                condition(Some("\"b\""), None),
                Some("\"a\""),
                Some("PreconditionFailed"),
            ),
            (condition(Some("\"b\""), None), None, Some("NoSuchKey")),
            (condition(Some("*"), None), None, Some("NoSuchKey")),
            (condition(Some("*"), None), Some("\"a\""), None),
        ] {
            let refusal = condition
                .refusal(there)
                .map(|problem| format!("{problem:?}"));
            assert_eq!(refusal.as_deref(), expected, "{condition:?} {there:?}");
        }
    }

    #[tokio::test]
    async fn turns_are_taken_one_after_the_other_for_each_key() {
        let turns = Turns::default();
        let call = |key: &str| Call {
            resource: Some(format!("bucket/{key}")),
            ..Call::default()
        };
        let first = turns.take(&call("a")).await;
        // Another key does not wait.
        assert!(turns.take(&call("b")).await.is_some());
        let call_a = call("a");
        let mut second = Box::pin(turns.take(&call_a));
        let now =
            std::future::poll_fn(|context| std::task::Poll::Ready(second.as_mut().poll(context)));
        assert!(now.await.is_pending());
        drop(first);
        assert!(second.await.is_some());
    }
}
