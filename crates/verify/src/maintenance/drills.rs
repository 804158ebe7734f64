//! Whether a failover has been practised, as whoever can check the records says.

use report::finding::Finding;

use super::Context;

pub(super) fn review(context: Context<'_>) -> Finding {
    Finding::new(
        "last-drill",
        context.name(),
        "a failover of this environment, in its account, verified within its objectives in this quarter",
        context.practised.clone(),
    )
    .fix("hold one: docs/runbooks/drill.md has the steps; a drill on an emulator does not count")
}
