//! What stands in the destination right before it is changed.

use aws_env::Error;
use futures::{StreamExt as _, TryStreamExt as _};

use super::bucket::{Bucket, Pages};
use super::entry::{ETag, ObjectMeta};
use super::examine::is_of_one_object;
use super::plan::Step;
use super::version_ids::look_up;

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

/// Fewer steps are looked at one by one.
const FEW: usize = 16;

/// Looks at the destination of all steps, and fills in the versions found: by the list of versions, as far as that is quicker.
/// Returns all steps in their order. One that cannot be looked at stops no other.
pub(super) async fn recheck_all(
    destination: &Bucket,
    pages: &Pages,
    mut steps: Vec<Step>,
) -> Result<Vec<(Step, Rechecked)>, Error> {
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by(|one, other| steps[*one].key.cmp(&steps[*other].key));
    let mut seen: Vec<Option<Option<ObjectMeta>>> = vec![None; steps.len()];
    if steps.len() >= FEW {
        let keys: Vec<&str> = order.iter().map(|at| steps[*at].key.as_str()).collect();
        look_up(pages, &keys, |at, now| {
            let now = now.filter(|now| now.version.is_some()).cloned();
            seen[order[at]] = Some(now);
        })
        .await?;
    }
    let mut rechecked = Vec::with_capacity(steps.len());
    let mut rest = Vec::new();
    for (at, (mut step, seen)) in steps.drain(..).zip(seen).enumerate() {
        match seen {
            Some(now) => {
                let same = step.is_as_listed(now.as_ref().map(|now| &now.etag));
                step.version = now.and_then(|now| now.version).map(Into::into);
                rechecked.push((at, (step, same)));
            }
            None => rest.push((at, step)),
        }
    }
    let (places, steps): (Vec<_>, Vec<_>) = rest.into_iter().unzip();
    let asked = recheck(destination, steps, |_| true).await?;
    rechecked.extend(places.into_iter().zip(asked));
    rechecked.sort_by_key(|(at, _)| *at);
    Ok(rechecked.into_iter().map(|(_, step)| step).collect())
}

impl Step {
    /// Whether what is in the destination now is what was listed.
    fn is_as_listed(&self, now: Option<&ETag>) -> Rechecked {
        match now == self.destination.as_ref().map(|meta| &meta.etag) {
            true => Rechecked::Same,
            false => Rechecked::Changed,
        }
    }
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
            let rechecked = step.is_as_listed(there.as_ref().map(|there| &there.etag));
            step.version = there.and_then(|there| there.version);
            Ok((step, rechecked))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}
