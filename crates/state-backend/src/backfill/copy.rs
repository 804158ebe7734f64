//! One object copied: the very version that was looked at, only where nothing is.

use super::judge::{Head, differs, head};
use super::{BackfillObject, BackfillOutcome, NotCopied, left};
use crate::backend::Backend;
use crate::inventory::{StateId, StateObject, read};
use crate::problem::Problem;
use crate::repair::RepairError;
use crate::side::SideAccess;

impl Backend {
    pub(super) async fn copy(&self, object: &BackfillObject) -> BackfillOutcome {
        let Ok((primary, dr)) = self.pair() else {
            return left(NotCopied::Changed, "a region does not answer any more");
        };
        match self.try_copy(primary, dr, object).await {
            Ok(outcome) => outcome,
            Err(problem) => BackfillOutcome::Unknown { problem },
        }
    }

    async fn try_copy(
        &self,
        primary: SideAccess<'_>,
        dr: SideAccess<'_>,
        object: &BackfillObject,
    ) -> Result<BackfillOutcome, Problem> {
        if let Some(outcome) = self.locked(dr, object).await? {
            return Ok(outcome);
        }
        let id = StateId::new(&object.key);
        let source = source(primary, object).await?;
        // A newer one replicates by itself, and what is deleted is to stay so.
        let (Some(source), Some(current)) = source else {
            let text = "it is another version since it was looked at, or deleted";
            return Ok(left(NotCopied::Changed, text));
        };
        if current.version != object.version {
            let text = "it was written since it was looked at, and replicates by itself";
            return Ok(left(NotCopied::Changed, text));
        }
        match dr.bring(&id, &primary.side.bucket, &source, None).await {
            Ok(()) => {}
            Err(RepairError::Changed { .. }) => return Ok(left(NotCopied::Differs, differs(dr))),
            Err(RepairError::Call(error)) => return Err(error.into()),
            Err(RepairError::Unknown(problem)) => return Err(problem),
            Err(error) => return Ok(left(NotCopied::Changed, error.to_string())),
        }
        let there = read::get(dr.clients, dr.side, &object.key, None).await?;
        Ok(
            match there.and_then(|there| there.sha256) == source.sha256 {
                true => BackfillOutcome::Copied,
                false => left(NotCopied::Differs, differs(dr)),
            },
        )
    }
}

/// The version that was looked at, and the one that is there now.
async fn source(
    primary: SideAccess<'_>,
    object: &BackfillObject,
) -> Result<(Option<StateObject>, Option<Head>), Problem> {
    let version = object.version.as_deref();
    let source = read::get(primary.clients, primary.side, &object.key, version).await?;
    Ok((source, head(primary, &object.key).await?))
}
