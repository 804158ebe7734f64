//! The versions of a state, and what they tell of writes that one of the sides does not know of.

use std::fmt;

use aws_env::{Error, ErrorClass, ObjectVersion, VersionPages};
use jiff::Timestamp;
use serde::Serialize;

use super::{Presence, StateId, StateObject, read};
use crate::handover::restore_command;
use crate::health::Health;
use crate::problem::Observation;
use crate::side::SideAccess;
use crate::spec::SideName;

/// Versions in one answer: most states have fewer, and one more question is for those that have not.
const PAGE: i32 = 200;

/// A write of the DR side that the primary side never had, and that lies below an object which replication wrote
/// over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostWrite {
    /// The version that it is in the DR bucket, and can be brought back from.
    pub version: String,
    /// When it was written.
    pub modified: Option<Timestamp>,
    /// The serial that Terraform gave it in DR, which the primary region may have used for another write.
    pub serial: u64,
    /// Its lineage: a `restore` to another one is asked for twice.
    pub lineage: String,
}

impl SideAccess<'_> {
    /// The versions of a state, newest first, without delete markers.
    pub(crate) async fn versions(&self, state: &StateId) -> Result<Vec<ObjectVersion>, Error> {
        let (bucket, object) = (self.side.bucket.as_str(), state.object());
        let resource = format!("{bucket}/{object}");
        let call = self.clients.call("S3", "ListObjectVersions", resource);
        let pages = VersionPages::new(&self.clients.s3, call, bucket, &object);
        let mut pages = pages.page_size(PAGE);
        let mut versions = Vec::new();
        loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if error.class == ErrorClass::Absent => break,
                Err(error) => return Err(error),
            };
            // Keys come in their order, and this one is the first of all that begin with it.
            let is_over = page.iter().any(|version| version.key != object);
            versions.extend(
                page.into_iter()
                    .filter(|version| version.key == object && !version.is_delete_marker),
            );
            if is_over {
                break;
            }
        }
        Ok(versions)
    }

    async fn version(
        &self,
        state: &StateId,
        version: &ObjectVersion,
    ) -> Result<Option<StateObject>, Error> {
        let id = version.version_id.as_deref();
        read::get(self.clients, self.side, &state.object(), id).await
    }
}

/// Whether the copy of a state on one side comes from what the other has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descent {
    /// This side had the other's very version, and has gone on from there.
    Proven,
    /// The other's version is not among those that this side went on from.
    Unproven,
    /// It was there before and was written over, or the other side had it and went back: somebody has undone a copy.
    Undone,
}

/// How many older versions are read where ETags do not tell what they hold.
const READ_BACK: usize = 16;

/// Whether `current`, of the higher serial, comes from what the other side has. Serials alone do not tell: what the
/// primary wrote and replication never brought has one that DR has used again, and what was brought back has its own.
pub(crate) async fn descent(
    state: &StateId,
    (side, current): (SideAccess<'_>, &StateObject),
    (other_side, other): (SideAccess<'_>, &StateObject),
) -> Result<Descent, Error> {
    let versions = side.versions(state).await?;
    let same_version = |version: &ObjectVersion| {
        id(version).is_some_and(|id| Some(id) == other.version.as_deref())
    };
    let is_others = |version: &ObjectVersion| {
        same_version(version)
            || etag(version).is_some_and(|etag| other.md5.as_deref() == Some(etag))
    };
    let mut at = versions.iter().position(is_others);
    if at.is_none() {
        for (index, version) in versions.iter().enumerate().skip(1).take(READ_BACK) {
            if holds(side, state, version, other).await? {
                at = Some(index);
                break;
            }
        }
    }
    // The first that was written upon it has the next serial, or a higher one.
    let (at, first) = match at.and_then(|at| Some((at, at.checked_sub(1)?))) {
        None => return Ok(Descent::Unproven),
        Some((at, 0)) => (at, Some(current.clone())),
        Some((at, first)) => match versions.get(first) {
            Some(version) => (at, side.version(state, version).await?),
            None => (at, None),
        },
    };
    let goes_on = first.filter(|first| match (&first.content, &other.content) {
        (Ok(first), Ok(other)) => {
            first.lineage() == other.lineage() && first.serial() > other.serial()
        }
        _ => false,
    });
    let Some(first) = goes_on else {
        return Ok(Descent::Unproven);
    };
    let below = versions.get(at + 1..).unwrap_or_default();
    if had(side, state, below, &first).await? {
        return Ok(Descent::Undone);
    }
    let of_other = other_side.versions(state).await?;
    let below = of_other.get(1..).unwrap_or_default();
    Ok(match had(other_side, state, below, current).await? {
        true => Descent::Undone,
        false => Descent::Proven,
    })
}

/// Whether one of `versions` has the content of `object`.
async fn had(
    side: SideAccess<'_>,
    state: &StateId,
    versions: &[ObjectVersion],
    object: &StateObject,
) -> Result<bool, Error> {
    // Without a KMS key, an ETag is the MD5 of the content: then nothing has to be read.
    let md5 = object.md5.as_deref();
    if md5.is_some() && versions.iter().any(|version| etag(version) == md5) {
        return Ok(true);
    }
    for version in versions {
        if holds(side, state, version, object).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The newest write of the DR side that replication has written over and that the primary side never had.
pub(crate) async fn overwritten(
    primary: SideAccess<'_>,
    dr: SideAccess<'_>,
    state: &StateId,
    ours: &Presence,
    theirs: &Presence,
) -> Observation<Option<LostWrite>> {
    match (ours, theirs) {
        (Presence::Unknown { problem }, _) | (_, Presence::Unknown { problem }) => {
            problem.clone().into()
        }
        (_, Presence::Present(current)) => lost_write(primary, dr, state, current).await.into(),
        _ => Observation::Known(None),
    }
}

async fn lost_write(
    primary: SideAccess<'_>,
    dr: SideAccess<'_>,
    state: &StateId,
    current: &StateObject,
) -> Result<Option<LostWrite>, Error> {
    let versions = dr.versions(state).await?;
    if versions.len() < 2 {
        return Ok(None);
    }
    let of_primary = primary.versions(state).await?;
    // A replica has its source's version ID, but for that of a version of before versioning.
    let source_of = |version: &ObjectVersion| {
        let wanted = id(version)?;
        let mut sources = of_primary.iter();
        sources.position(|source| id(source) == Some(wanted))
    };
    let before_versioning = of_primary.iter().position(|source| id(source).is_none());
    for (at, pair) in versions.windows(2).enumerate() {
        let [over, version] = pair else { continue };
        let by_id = source_of(over);
        let source = by_id.or(before_versioning.filter(|at| {
            let source = of_primary.get(*at);
            source.is_some_and(|source| source.size == over.size)
        }));
        let (Some(source), None) = (source, source_of(version)) else {
            continue;
        };
        // Without a KMS key, an ETag is the MD5 of the content: then nothing has to be read.
        let newer = versions.iter().take(at + 1);
        let known: Vec<&str> = newer.chain(&of_primary).filter_map(etag).collect();
        if etag(version).is_some_and(|etag| known.contains(&etag)) {
            continue;
        }
        if by_id.is_none() {
            let over = dr.version(state, over).await?;
            if !over.is_some_and(|over| over.is_replica) {
                continue;
            }
        }
        let Some(written) = dr.version(state, version).await? else {
            continue;
        };
        // Of what is no state, nothing is lost; nor of a replica whose source has expired.
        let (false, Ok(content)) = (written.is_replica, &written.content) else {
            continue;
        };
        let md5 = written.md5.as_deref();
        if md5.is_some_and(|md5| known.contains(&md5)) || written.sha256 == current.sha256 {
            continue;
        }
        if holds(dr, state, over, &written).await? {
            continue;
        }
        // What DR got by a copy, before there was replication, lies below the first replica.
        if let Some(before) = of_primary.get(source + 1)
            && holds(primary, state, before, &written).await?
        {
            continue;
        }
        return Ok(version.version_id.clone().map(|version| LostWrite {
            version,
            modified: written.modified,
            serial: content.serial(),
            lineage: content.lineage().to_owned(),
        }));
    }
    Ok(None)
}

/// Whether a version has the content of `written`.
async fn holds(
    side: SideAccess<'_>,
    state: &StateId,
    version: &ObjectVersion,
    written: &StateObject,
) -> Result<bool, Error> {
    if version.size.is_some_and(|size| size != written.bytes) {
        return Ok(false);
    }
    let found = side.version(state, version).await?;
    Ok(found.is_some_and(|found| found.sha256.is_some() && found.sha256 == written.sha256))
}

/// What tells a version from every other; none of one that was there before its bucket kept any.
pub(crate) fn id(version: &ObjectVersion) -> Option<&str> {
    version.version_id.as_deref().filter(|id| *id != "null")
}

pub(crate) fn etag(version: &ObjectVersion) -> Option<&str> {
    Some(version.etag.as_ref()?.trim_matches('"'))
}

impl LostWrite {
    /// What it is, and how it is brought back.
    pub(crate) fn remark(&self, state: &StateId) -> String {
        let version = &self.version;
        let restore = restore_command(state, version, SideName::Dr);
        format!(
            "{state}: {self}; the primary region never had it. It is the version {version}: `{restore}` brings it back."
        )
    }
}

impl fmt::Display for LostWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serial = self.serial;
        write!(
            f,
            "DR's write of serial {serial} was overwritten by replication"
        )
    }
}

impl From<&Observation<Option<LostWrite>>> for Health {
    fn from(overwritten: &Observation<Option<LostWrite>>) -> Self {
        match overwritten {
            Observation::Known(None) => Self::Ok,
            Observation::Known(Some(_)) => Self::Degraded,
            Observation::Unknown { .. } => Self::Unknown,
        }
    }
}
