//! An earlier version of a state brought back.

use aws_env::{Error, ErrorClass};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use report::{Document, Report, counted};
use serde::Serialize;
use settings::BucketName;
use terraform::StateFile;

use crate::backend::Backend;
use crate::inventory::{LastVersion, Presence, StateId, StateObject, read};
use crate::repair::RepairError;
use crate::side::SideAccess;
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
    /// The state whose object gets earlier content.
    pub state: StateId,
    /// Whose bucket has the version, and gets it again as the current one.
    pub side: SideName,
    /// The version that is brought back; in JSON not `version`, which each document has for its own.
    #[serde(rename = "brought_back")]
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
        let access = self.at(side).ok_or(RepairError::NoSide { side })?;
        let object = state.object();
        access.states.find(&object)?;
        access.unlocked(state).await?;
        let wanted = read::get(access.clients, access.side, &object, Some(version)).await?;
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
        let (current, deleted) = match access.state(state).await.found {
            Presence::Present(current) => (Some(current), None),
            Presence::Deleted(last) => (None, Some(last)),
            Presence::Absent => (None, None),
            Presence::Unknown { problem } => return Err(RepairError::Unknown(problem)),
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
        let access = self.at(side).ok_or(RepairError::NoSide { side })?;
        access.unlocked(state).await?;
        let current = restore.current.as_ref();
        access
            .bring(state, &access.side.bucket, &restore.version, current)
            .await?;
        match access.plan_digest_repair(state).await {
            Ok(repair) => access.repair_digest(&repair).await,
            Err(RepairError::Matches { .. } | RepairError::NoTable { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl SideAccess<'_> {
    /// Makes a version of a state in the bucket `from` what is here, if what is here still is `current`.
    pub(crate) async fn bring(
        &self,
        state: &StateId,
        from: &BucketName,
        version: &StateObject,
        current: Option<&StateObject>,
    ) -> Result<(), RepairError> {
        let Self { side, clients, .. } = *self;
        let (bucket, object) = (side.bucket.as_str(), state.object());
        // An object that was there before the bucket kept versions has none, and is known by its ETag.
        let id = version.version.as_ref();
        let id = id.map_or_else(String::new, |id| format!("?versionId={id}"));
        let source = utf8_percent_encode(&object, PATH);
        let call = || clients.call("S3", "CopyObject", format!("{bucket}/{object}"));
        let copy = clients
            .s3
            .copy_object()
            .bucket(bucket)
            .key(&object)
            .copy_source(format!("{from}/{source}{id}"))
            .set_copy_source_if_match(version.etag.clone());
        let copy = match current.map(|current| &current.etag) {
            Some(Some(etag)) => copy.if_match(etag),
            None => copy.if_none_match("*"),
            Some(None) => {
                let what = "what is there has no ETag, so that it cannot be replaced for certain";
                return Err(Error::unexpected(call(), what).into());
            }
        };
        if version.version.is_none() && version.etag.is_none() {
            let what =
                "the source has neither a version nor an ETag, so that another one could be copied";
            return Err(Error::unexpected(call(), what).into());
        }
        let copied = copy.send().await.map_err(|error| call().failed(error));
        tracing::info!(
            region = %clients.region,
            resource = object,
            step = "bring back a version",
            outcome = if copied.is_ok() { "done" } else { "failed" },
            "applied"
        );
        match copied {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.class, ErrorClass::Conflict | ErrorClass::Absent) => {
                // An attempt whose answer was lost has left the very content. If-Match on what is gone is 404.
                let now = read::get(clients, side, &object, None).await?;
                let now = now.and_then(|now| now.sha256);
                if now.is_some() && now == version.sha256 {
                    return Ok(());
                }
                match error.class {
                    ErrorClass::Conflict => Err(RepairError::Changed {
                        state: state.clone(),
                    }),
                    _ => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn describe(object: &StateObject) -> String {
    let time = object
        .modified
        .map_or_else(|| "an unknown time".to_owned(), |time| time.to_string());
    match &object.content {
        Ok(StateFile::Plain(state)) => format!(
            "serial {} of {time}, {}, lineage {}",
            state.serial,
            counted(state.instances, "resource"),
            state.lineage
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
