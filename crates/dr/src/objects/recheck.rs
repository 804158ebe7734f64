//! What stands in the destination right before it is changed.

use aws_env::Error;
use futures::{StreamExt as _, TryStreamExt as _};

use super::bucket::Bucket;
use super::plan::Step;

/// Destination objects that are looked at at once.
const AT_ONCE: usize = 32;

/// Looks at the destination of those steps that `wanted` picks, and fills in the versions found. Returns all
/// steps in their order, with `false` where the destination is not any more as it was listed.
pub(super) async fn recheck(
    destination: &Bucket,
    steps: Vec<Step>,
    wanted: fn(&Step) -> bool,
) -> Result<Vec<(Step, bool)>, Error> {
    futures::stream::iter(steps)
        .map(|mut step| async move {
            if !wanted(&step) {
                return Ok((step, true));
            }
            let there = destination.detail(&step.key).await?;
            let listed = step.destination.as_ref().map(|meta| &meta.etag);
            let same = there.as_ref().map(|there| &there.etag) == listed;
            step.version = there.and_then(|there| there.version);
            Ok((step, same))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}
