//! An earlier version of a state brought back.

use aws_env::ErrorClass;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use report::{Document, Report};
use serde::Serialize;
use terraform::StateFile;

use crate::backend::Backend;
use crate::inventory::{LastVersion, Presence, StateId, StateObject, read};
use crate::repair::RepairError;
use crate::spec::SideName;

/// Everything but what a URL's path may have as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A version of a state that is to become the current one. What is there now stays as a version below it.
#[derive(Debug, Clone, Serialize)]
pub struct StateRestore {
    /// Which state.
    pub state: StateId,
    /// On which side.
    pub side: SideName,
    /// The version that is brought back.
    pub version: StateObject,
    /// What is there now; null when the state is deleted.
    pub current: Option<StateObject>,
    /// The newest version of a state that is deleted.
    pub deleted: Option<LastVersion>,
}

impl StateRestore {
    /// Whether what is there now comes from another beginning: the two are no versions of one state.
    pub fn changes_lineage(&self) -> bool {
        let lineage = |object: &StateObject| {
            let content = object.content.as_ref().ok()?;
            Some(content.lineage().to_owned())
        };
        let current = self.current.as_ref().and_then(lineage);
        current.is_some() && current != lineage(&self.version)
    }
}

impl Backend {
    /// Looks whether a version of a state can be brought back on one side.
    ///
    /// # Errors
    /// When it is no version of the state or no state, is there already, or the state is locked or not known.
    pub async fn plan_restore(
        &self,
        side: SideName,
        state: &StateId,
        version: &str,
    ) -> Result<StateRestore, RepairError> {
        let of_side = self.unlocked(side, state).await?;
        let object = state.object();
        let clients = self.clients(side);
        let wanted = read::get(clients, of_side, &object, Some(version)).await?;
        let wanted = wanted.ok_or_else(|| RepairError::NoVersion {
            state: state.clone(),
            side,
            version: version.to_owned(),
        })?;
        if let Err(why) = &wanted.content {
            return Err(RepairError::Unreadable {
                state: state.clone(),
                why: why.clone(),
            });
        }
        let (current, deleted) = match self.state(side, state).await.map(|state| state.found) {
            Some(Presence::Present(current)) => (Some(current), None),
            Some(Presence::Deleted(last)) => (None, Some(last)),
            Some(Presence::Absent) | None => (None, None),
            Some(Presence::Unknown { problem }) => return Err(RepairError::Unknown(problem)),
        };
        if current
            .as_ref()
            .is_some_and(|current| current.sha256 == wanted.sha256)
        {
            let state = state.clone();
            return Err(RepairError::Current { state });
        }
        Ok(StateRestore {
            state: state.clone(),
            side,
            version: wanted,
            current,
            deleted,
        })
    }

    /// Makes it the current version, if what is there is still what was seen, and the digest row that of it.
    ///
    /// # Errors
    /// When the state has changed or is locked meanwhile, or AWS cannot be asked.
    pub async fn restore_state(&self, restore: &StateRestore) -> Result<(), RepairError> {
        let (side, state) = (restore.side, &restore.state);
        let of_side = self.unlocked(side, state).await?;
        let clients = self.clients(side);
        let (bucket, object) = (of_side.bucket.as_str(), state.object());
        let version = restore.version.version.as_deref().unwrap_or("null");
        let source = utf8_percent_encode(&object, PATH);
        let call = clients.call("S3", "CopyObject", format!("{bucket}/{object}"));
        let copy = clients
            .s3
            .copy_object()
            .bucket(bucket)
            .key(&object)
            .copy_source(format!("{bucket}/{source}?versionId={version}"));
        let copy = match restore.current.as_ref().map(|current| current.etag.clone()) {
            Some(etag) => copy.set_if_match(etag),
            None => copy.if_none_match("*"),
        };
        let copied = copy.send().await.map_err(|error| call.failed(error));
        tracing::info!(
            region = %clients.region,
            resource = object,
            step = "bring back a version",
            outcome = if copied.is_ok() { "done" } else { "failed" },
            "applied"
        );
        match copied {
            Ok(_) => {}
            Err(error) if error.class == ErrorClass::Conflict => {
                // An attempt whose answer was lost has left the very content.
                let now = read::get(clients, of_side, &object, None).await?;
                if now.and_then(|now| now.sha256) != restore.version.sha256 {
                    let state = state.clone();
                    return Err(RepairError::Changed { state });
                }
            }
            Err(error) => return Err(error.into()),
        }
        match self.plan_digest_repair(side, state).await {
            Ok(repair) => self.repair_digest(&repair).await,
            Err(RepairError::Matches { .. } | RepairError::NoTable { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn describe(object: &StateObject) -> String {
    let time = object
        .modified
        .map_or_else(|| "an unknown time".to_owned(), |time| time.to_string());
    match &object.content {
        Ok(StateFile::Plain(state)) => format!(
            "serial {} of {time}, {} resources, lineage {}",
            state.serial, state.instances, state.lineage
        ),
        Ok(StateFile::Encrypted { serial, lineage }) => {
            format!("serial {serial} of {time}, encrypted by OpenTofu, lineage {lineage}")
        }
        Err(why) => format!("no state ({why})"),
    }
}

impl Report for StateRestore {
    const KIND: &'static str = "state-restore";

    fn document(&self) -> Document {
        let now = match (&self.current, &self.deleted) {
            (Some(current), _) => describe(current),
            (None, Some(_)) => "deleted".to_owned(),
            (None, None) => "nothing".to_owned(),
        };
        Document::new().table(
            ["", "State", "Now", "Brought back"],
            vec![(
                report::Mark::Plain,
                vec![
                    self.side.to_string(),
                    self.state.to_string(),
                    now,
                    describe(&self.version),
                ],
            )],
        )
    }
}
