//! A run that is killed at one of its requests.

use local_aws::{KillAt, LocalAws, Moment};

/// Runs `run` until its request comes, and drops it then; `true` if it came to its end before.
pub(crate) async fn runs_to_its_end(
    aws: &LocalAws,
    (nth, moment): (u64, Moment),
    run: impl Future,
) -> bool {
    KillAt::new(aws, nth, moment).run(aws, run).await.is_some()
}
