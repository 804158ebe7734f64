//! What stands in the destination right before it is changed.

use aws_env::Error;
use futures::{StreamExt as _, TryStreamExt as _};

use super::bucket::Bucket;
use super::examine::is_of_one_object;
use super::plan::Step;

/// Destination objects that are looked at at once.
const AT_ONCE: usize = 32;

/// What stands in the destination of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rechecked {
    /// What was listed; also where nobody looked.
    Same,
    /// Something else, or nothing any more.
    Changed,
    /// S3 does not tell, and says why.
    Unreadable(String),
}

/// Looks at the destination of those steps that `wanted` picks, and fills in the versions found. Returns all
/// steps in their order. One that cannot be looked at stops no other.
pub(super) async fn recheck(
    destination: &Bucket,
    steps: Vec<Step>,
    wanted: fn(&Step) -> bool,
) -> Result<Vec<(Step, Rechecked)>, Error> {
    futures::stream::iter(steps)
        .map(|mut step| async move {
            if !wanted(&step) {
                return Ok((step, Rechecked::Same));
            }
            let there = match destination.detail(&step.key).await {
                Err(error) if is_of_one_object(&error) => {
                    return Ok((step, Rechecked::Unreadable(error.to_string())));
                }
                there => there?,
            };
            let listed = step.destination.as_ref().map(|meta| &meta.etag);
            let same = there.as_ref().map(|there| &there.etag) == listed;
            step.version = there.and_then(|there| there.version);
            let rechecked = match same {
                true => Rechecked::Same,
                false => Rechecked::Changed,
            };
            Ok((step, rechecked))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}
