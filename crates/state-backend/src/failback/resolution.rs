//! What a person has chosen for a state of which neither copy comes from the other.

use std::collections::BTreeMap;
use std::fmt;

use aws_env::{Error, ObjectVersion, list_versions};
use aws_sdk_s3::types::BucketVersioningStatus;
use serde::Serialize;
use tokio::sync::OnceCell;

use super::Sides;
use crate::inventory::history::{etag, id};
use crate::inventory::{NotAState, Presence, StateId, StateObject, read};
use crate::problem::Problem;
use crate::side::SideAccess;
use crate::spec::SideName;

/// What becomes of a state that both regions have written, or that one of them has deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Resolution {
    /// The DR region's copy is written over the primary region's.
    KeepDr,
    /// The primary region's copy is written over the DR region's.
    KeepPrimary,
    /// The copy of the region that still has the state is brought to the one that deleted it.
    BringBack,
    /// The region that still has the state deletes it as well.
    StayDeleted,
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeepDr => "keep-dr",
            Self::KeepPrimary => "keep-primary",
            Self::BringBack => "bring-back",
            Self::StayDeleted => "stay-deleted",
        })
    }
}

/// The choices of a failback: at most one for each state.
#[derive(Debug, Clone, Default)]
pub struct Resolutions(BTreeMap<String, Resolution>);

impl Resolutions {
    /// Chooses for the state with this object.
    ///
    /// # Errors
    /// When something else was chosen for it already.
    pub fn choose(&mut self, object: &str, resolution: Resolution) -> Result<(), FailbackError> {
        match self.0.insert(object.to_owned(), resolution) {
            Some(first) if first != resolution => Err(FailbackError::ChosenTwice {
                state: object.to_owned(),
                first,
                second: resolution,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn of(&self, state: &StateId) -> Option<Resolution> {
        self.0.get(&state.object()).copied()
    }

    /// The keys of the objects of all states that something was chosen for.
    pub(super) fn objects(&self) -> impl Iterator<Item = String> {
        self.0.keys().cloned()
    }

    /// The first choice for a state that is not among `states`.
    pub(super) fn missing<'a>(
        &self,
        states: impl IntoIterator<Item = &'a StateId>,
    ) -> Option<(&str, Resolution)> {
        let known: Vec<String> = states.into_iter().map(StateId::object).collect();
        let mut chosen = self.0.iter();
        let (object, resolution) = chosen.find(|(object, _)| !known.contains(object))?;
        Some((object, *resolution))
    }
}

/// Why no failback can be planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FailbackError {
    /// There is nothing to fail back from.
    #[error("the settings name no DR side")]
    NoDrSide,
    /// Only one of the two can be done.
    #[error("{state} has two choices, {first} and {second}")]
    ChosenTwice {
        /// The key of the state's object.
        state: String,
        /// One.
        first: Resolution,
        /// And another one.
        second: Resolution,
    },
    /// Something was chosen for what is none of the states.
    #[error(transparent)]
    NotAState(#[from] NotAState),
    /// Nothing has to be chosen, or something else.
    #[error("{resolution} does not fit {state}: {why}")]
    NoConflict {
        /// The key of the state's object.
        state: String,
        /// What was chosen.
        resolution: Resolution,
        /// How it stands.
        why: String,
    },
}

/// Whether the buckets of both sides keep what is written over: each is asked once in a run.
#[derive(Debug, Default)]
pub(super) struct Versioning {
    primary: OnceCell<Result<bool, Problem>>,
    dr: OnceCell<Result<bool, Problem>>,
}

impl Versioning {
    pub(super) async fn is_kept(&self, access: SideAccess<'_>) -> Result<bool, Problem> {
        let known = match access.name() {
            SideName::Primary => &self.primary,
            SideName::Dr => &self.dr,
        };
        let asked = known.get_or_init(|| async { Ok(keeps_versions(access).await?) });
        asked.await.clone()
    }
}

async fn keeps_versions(access: SideAccess<'_>) -> Result<bool, Error> {
    let bucket = access.side.bucket.as_str();
    let clients = access.clients;
    let call = clients.call("S3", "GetBucketVersioning", bucket);
    let asked = clients.s3.get_bucket_versioning().bucket(bucket).send();
    let found = asked.await.map_err(|error| call.failed(error))?;
    Ok(found.status == Some(BucketVersioningStatus::Enabled))
}

impl Sides<'_> {
    /// Whether a state stands as it would after `resolution` was carried out, and did not stand so without: a run that
    /// was killed is repeated with its choices, of which some are done.
    pub(super) async fn is_settled(
        &self,
        state: &StateId,
        resolution: Resolution,
        ours: &Presence,
        theirs: &Presence,
    ) -> Result<bool, Error> {
        match (resolution, ours, theirs) {
            (Resolution::KeepDr, Presence::Present(_), Presence::Present(kept)) => {
                was_written_over(state, self.primary, self.dr, kept).await
            }
            (Resolution::KeepPrimary, Presence::Present(kept), Presence::Present(_)) => {
                was_written_over(state, self.dr, self.primary, kept).await
            }
            (Resolution::BringBack, Presence::Present(_), Presence::Present(_)) => {
                let (ours, theirs) = tokio::join!(
                    was_brought_back(self.primary, state),
                    was_brought_back(self.dr, state)
                );
                Ok(ours? || theirs?)
            }
            (Resolution::StayDeleted, Presence::Deleted(_), Presence::Deleted(_)) => Ok(true),
            _ => Ok(false),
        }
    }
}

/// Whether `loser` has, below its current version, one that `kept` does not come from: only a choice puts it over that.
async fn was_written_over(
    state: &StateId,
    loser: SideAccess<'_>,
    winner: SideAccess<'_>,
    kept: &StateObject,
) -> Result<bool, Error> {
    let (lost, won) = tokio::join!(loser.versions(state), winner.versions(state));
    let (lost, won) = (lost?, won?);
    let Some(below) = lost.get(1) else {
        return Ok(false);
    };
    let is_known = won.iter().any(|version| {
        let same_id = id(version).is_some() && id(version) == id(below);
        same_id || (etag(version).is_some() && etag(version) == etag(below))
    });
    let version = below.version_id.as_deref();
    let Some(below) = read::get(loser.clients, loser.side, &state.object(), version).await? else {
        return Ok(false);
    };
    if below.sha256 == kept.sha256 {
        return Ok(false);
    }
    let comes_from = match (&kept.content, &below.content) {
        (Ok(kept), Ok(below)) => {
            kept.lineage() == below.lineage() && kept.serial() > below.serial()
        }
        _ => false,
    };
    Ok(!(is_known && comes_from))
}

/// Whether the current version was written upon a delete marker. S3 lists versions and markers apart, each with the second
/// in which it was written.
async fn was_brought_back(access: SideAccess<'_>, state: &StateId) -> Result<bool, Error> {
    let object = state.object();
    let versions = list_versions(access.clients, access.side.bucket.as_str(), &object).await?;
    let of_state = versions.iter().filter(|version| version.key == object);
    let (markers, mut written): (Vec<_>, Vec<_>) =
        of_state.partition(|version| version.is_delete_marker);
    let seconds = |version: &ObjectVersion| version.modified.map(|time| time.secs());
    written.sort_by_key(|version| std::cmp::Reverse((version.latest, seconds(version))));
    let below = written.get(1).and_then(|version| seconds(version));
    let is_current = written.first().is_some_and(|version| version.latest);
    Ok(is_current && markers.into_iter().any(|marker| seconds(marker) >= below))
}
