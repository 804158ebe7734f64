//! What becomes of each object of the primary bucket, by what S3 and the DR bucket say of it.

use aws_env::{Error, ErrorClass};
use aws_sdk_s3::types::{ReplicationStatus, StorageClass};

use super::{
    BackfillLimits, BackfillObject, BackfillOutcome, BackfillReason, MOST_BYTES, NotCopied, left,
};
use crate::backend::Backend;
use crate::inventory::{StateId, StateObject, read};
use crate::problem::Problem;
use crate::repair::RepairError;
use crate::side::SideAccess;

pub(super) enum Compared {
    /// It was deleted since it was listed.
    Gone,
    /// Both sides have it.
    Same,
    /// The DR side has it not, or another one.
    Missing(Box<BackfillObject>),
}

/// What S3 says of an object of the primary bucket.
pub(super) struct Head {
    pub(super) version: Option<String>,
    bytes: u64,
    reason: BackfillReason,
    is_archived: bool,
}

impl Backend {
    pub(super) async fn compare(
        &self,
        primary: SideAccess<'_>,
        dr: SideAccess<'_>,
        key: String,
        is_there: bool,
        limits: BackfillLimits,
    ) -> Compared {
        let mut object = BackfillObject {
            state: self.spec().states.state(&key),
            key,
            version: None,
            bytes: None,
            reason: None,
            outcome: BackfillOutcome::Planned,
        };
        let head = match head(primary, &object.key).await {
            Ok(Some(head)) => head,
            Ok(None) => return Compared::Gone,
            Err(error) => {
                object.outcome = BackfillOutcome::Unknown {
                    problem: error.into(),
                };
                return Compared::Missing(Box::new(object));
            }
        };
        if is_there && head.reason == BackfillReason::Delivered {
            return Compared::Same;
        }
        object.version.clone_from(&head.version);
        object.bytes = Some(head.bytes);
        object.reason = Some(head.reason);
        match self
            .judge_object((primary, dr), &object, &head, is_there, limits)
            .await
        {
            Ok(None) => return Compared::Same,
            Ok(Some(outcome)) => object.outcome = outcome,
            Err(problem) => object.outcome = BackfillOutcome::Unknown { problem },
        }
        Compared::Missing(Box::new(object))
    }

    /// What becomes of an object; `None` where the DR bucket has it as it is.
    async fn judge_object(
        &self,
        (primary, dr): (SideAccess<'_>, SideAccess<'_>),
        object: &BackfillObject,
        head: &Head,
        is_there: bool,
        limits: BackfillLimits,
    ) -> Result<Option<BackfillOutcome>, Problem> {
        if is_there {
            return Ok(same(primary, dr, object)
                .await?
                .then_some(())
                .map_or_else(|| Some(left(NotCopied::Differs, differs(dr))), |()| None));
        }
        if head.reason == BackfillReason::Pending {
            let text = "replication is about to bring it";
            return Ok(Some(left(NotCopied::Pending, text)));
        }
        if head.is_archived {
            let text = "it is archived, and cannot be copied before it is restored";
            return Ok(Some(left(NotCopied::Archived, text)));
        }
        let id = StateId::new(&object.key);
        let newest = dr.versions(&id).await?.into_iter().next();
        if let Some(version) = newest {
            let id = version.version_id.unwrap_or_default();
            let region = dr.side.region;
            let text = format!("it is deleted in {region}, where its last version is {id}");
            return Ok(Some(left(NotCopied::Deleted, text)));
        }
        Ok(Some(match self.locked(dr, object).await? {
            Some(outcome) => outcome,
            None if head.bytes > limits.bytes => {
                left(NotCopied::ForBatch, format!("it has {} bytes", head.bytes))
            }
            None => BackfillOutcome::Planned,
        }))
    }

    /// Why a state is not copied that somebody is about to write on the DR side.
    pub(super) async fn locked(
        &self,
        dr: SideAccess<'_>,
        object: &BackfillObject,
    ) -> Result<Option<BackfillOutcome>, Problem> {
        let Some(state) = &object.state else {
            return Ok(None);
        };
        match dr.unlocked(state).await {
            Ok(()) => Ok(None),
            Err(RepairError::Unknown(problem)) => Err(problem),
            Err(error) => Ok(Some(left(NotCopied::Locked, error.to_string()))),
        }
    }
}

pub(super) fn differs(dr: SideAccess<'_>) -> String {
    format!("another object is in the DR region ({})", dr.side.region)
}

pub(super) async fn head(access: SideAccess<'_>, key: &str) -> Result<Option<Head>, Error> {
    let bucket = access.side.bucket.as_str();
    let call = access
        .clients
        .call("S3", "HeadObject", format!("{bucket}/{key}"));
    let head = access.clients.s3.head_object().bucket(bucket).key(key);
    let head = match head.send().await {
        Ok(head) => head,
        Err(error) => match call.failed(error) {
            error if error.class == ErrorClass::Absent => return Ok(None),
            error => return Err(error),
        },
    };
    let is_archived = matches!(
        head.storage_class,
        Some(StorageClass::Glacier | StorageClass::DeepArchive)
    ) || head.archive_status.is_some();
    let is_restored = head
        .restore
        .as_deref()
        .is_some_and(|restore| restore.contains("ongoing-request=\"false\""));
    Ok(Some(Head {
        version: head.version_id,
        bytes: head
            .content_length
            .and_then(|bytes| u64::try_from(bytes).ok())
            .unwrap_or_default(),
        reason: reason(head.replication_status.as_ref()),
        is_archived: is_archived && !is_restored,
    }))
}

fn reason(status: Option<&ReplicationStatus>) -> BackfillReason {
    match status.map(ReplicationStatus::as_str) {
        None => BackfillReason::NeverReplicated,
        // S3 has answered both words over time.
        Some("COMPLETE" | "COMPLETED") => BackfillReason::Delivered,
        Some("REPLICA") => BackfillReason::Replica,
        Some("PENDING") => BackfillReason::Pending,
        Some(_) => BackfillReason::Failed,
    }
}

/// Whether both buckets have the same content under a key. An object that is too large to be read is told apart by its
/// version alone, which a replica has of its source.
async fn same(
    primary: SideAccess<'_>,
    dr: SideAccess<'_>,
    object: &BackfillObject,
) -> Result<bool, Problem> {
    let there = head(dr, &object.key).await?;
    let Some(there) = there else {
        return Ok(false);
    };
    let is_version =
        |version: &Option<String>| version.as_deref().is_some_and(|version| version != "null");
    if is_version(&there.version) && there.version == object.version {
        return Ok(true);
    }
    if Some(there.bytes) != object.bytes || there.bytes > MOST_BYTES {
        return Ok(false);
    }
    let version = object.version.as_deref();
    let (ours, theirs) = tokio::join!(
        read::get(primary.clients, primary.side, &object.key, version),
        read::get(dr.clients, dr.side, &object.key, None),
    );
    let digest = |object: Option<StateObject>| object.and_then(|object| object.sha256);
    let (ours, theirs) = (digest(ours?), digest(theirs?));
    Ok(ours.is_some() && ours == theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_of_every_replication_status_is_known_and_of_another_one_failed() {
        let rows = [
            (None, BackfillReason::NeverReplicated),
            (Some("COMPLETE"), BackfillReason::Delivered),
            (Some("COMPLETED"), BackfillReason::Delivered),
            (Some("PENDING"), BackfillReason::Pending),
            (Some("FAILED"), BackfillReason::Failed),
            (Some("REPLICA"), BackfillReason::Replica),
            (Some("OF_TOMORROW"), BackfillReason::Failed),
        ];
        for (status, wanted) in rows {
            let status = status.map(ReplicationStatus::from);
            assert_eq!(reason(status.as_ref()), wanted, "{status:?}");
        }
    }
}
