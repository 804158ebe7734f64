//! A deployment: a plan that is saved in a folder of its own, reviewed, approved and applied once.
//!
//! Its records are files of that folder, each written once: what was planned, that an apply began, which process it is,
//! how it ended. From them [`Deployment::state`] says what happened, also after the death of the process that applied.
//! [`ApprovedDeployment`] is made by [`Deployment::approve`] alone, and nothing else can be applied.

mod apply;
mod digest;
mod errored;
mod records;

use std::path::{Path, PathBuf};

use files::{FileError, Secrecy};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::review::PlanReview;
use crate::state_file::{StateFile, StateSummary};

pub use apply::{ApplyContext, ApplyError};
pub use digest::{PlanDigest, PlanDigestError};
pub use errored::{ErroredState, judge_errored_state};
pub use records::{
    ApplyIntent, ApplyOutcome, DeploymentState, Ended, ResourceProgress, ResourceStanding, Settled,
    Standing,
};

const PLAN: &str = "plan";
const PLANNED: &str = "planned.json";
/// Records are never this long, in bytes.
const MOST_RECORD: u64 = 64 << 20;

/// Which state a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateVersion {
    /// The same for all states that came from one.
    pub lineage: String,
    /// One more with every write.
    pub serial: u64,
}

impl StateVersion {
    /// Of a state as a backend keeps it; `None` of what terraform cannot read.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match StateFile::parse(bytes) {
            Ok(StateFile::Plain(StateSummary {
                lineage, serial, ..
            }))
            | Ok(StateFile::Encrypted { lineage, serial }) => Some(Self { lineage, serial }),
            Err(_) => None,
        }
    }
}

/// What was planned: the first record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDeployment {
    /// The folder's name.
    pub id: String,
    /// When the plan was made, by the clock of that machine.
    pub at: Timestamp,
    /// Who made it, as `user@host`.
    pub by: String,
    /// The environment's name, which is typed before something is destroyed.
    pub environment: String,
    /// The root module's folder.
    pub root: PathBuf,
    /// The workspace; `None` for the default one.
    pub workspace: Option<String>,
    /// Files with values, besides those that terraform reads by itself.
    pub var_files: Vec<PathBuf>,
    /// Of the plan file.
    pub digest: PlanDigest,
    /// The terraform that planned.
    pub terraform: String,
    /// The state that it planned from; `None` where there was none.
    pub state: Option<StateVersion>,
    /// Everything is to be deleted.
    pub destroys_all: bool,
    /// What it would do.
    pub review: PlanReview,
}

/// The folder of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    folder: PathBuf,
}

/// Who agrees to what.
#[derive(Debug, Clone, Default)]
pub struct Approval {
    /// The digest of the plan that was reviewed, where it was reviewed elsewhere.
    pub digest: Option<PlanDigest>,
    /// The environment's name, as it was typed.
    pub typed: Option<String>,
}

/// Why a deployment may not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Somebody has written the plan file since.
    #[error("the plan file has the digest {found}, and {recorded} was reviewed")]
    PlanChanged {
        /// What it had when it was saved.
        recorded: PlanDigest,
        /// What it has.
        found: PlanDigest,
    },
    /// Another plan was reviewed.
    #[error("the plan of {id} has the digest {recorded}, and not {asked}")]
    OtherPlan {
        /// The name of its folder, as in [`PlannedDeployment::id`].
        id: String,
        /// The digest that was recorded with its plan.
        recorded: PlanDigest,
        /// What was reviewed.
        asked: PlanDigest,
    },
    /// A plan is applied once: what it was made from is not there any more.
    #[error("the plan of {id} was applied already, by {by} at {at}")]
    AppliedBefore {
        /// The name of its folder, as in [`PlannedDeployment::id`].
        id: String,
        /// Who began that apply, as `user@host`.
        by: String,
        /// When that apply began.
        at: Timestamp,
    },
    /// Something would be destroyed, and the environment's name was not typed.
    #[error(
        "{} would be destroyed, and the name {environment} was not typed",
        listed(addresses)
    )]
    NotConfirmed {
        /// The name.
        environment: String,
        /// What would be destroyed.
        addresses: Vec<String>,
    },
    /// Another name was typed.
    #[error("{typed:?} was typed, and the environment is {environment}")]
    OtherName {
        /// What was typed.
        typed: String,
        /// The name.
        environment: String,
    },
}

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not what was written.
    #[error("the record {} cannot be understood", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What of it is not as it is written.
        source: serde_json::Error,
    },
}

/// At most so many addresses stand in a message.
const LISTED: usize = 3;

fn listed(addresses: &[String]) -> String {
    let first: Vec<&str> = addresses.iter().take(LISTED).map(String::as_str).collect();
    match addresses.len().saturating_sub(LISTED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// A deployment that may be applied: its plan is the one that was reviewed, was never applied, and destroys nothing that
/// was not agreed to.
///
/// ```compile_fail,E0308
/// # async fn f(deployment: terraform::Deployment, context: &terraform::ApplyContext<'_>) {
/// let apply: fn(terraform::ApprovedDeployment) = |_| ();
/// apply(deployment);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ApprovedDeployment {
    deployment: Deployment,
    planned: PlannedDeployment,
}

impl Deployment {
    /// A new folder for its owner alone.
    ///
    /// # Errors
    /// When it is there already, or cannot be made.
    pub fn create(folder: &Path) -> Result<Self, FileError> {
        if folder.exists() {
            return Err(FileError::Exists {
                path: folder.to_owned(),
            });
        }
        files::create_secret_folder(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The deployments whose folders lie in `folder`, the newest first. There may be none.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn list(folder: &Path) -> Result<Vec<Self>, FileError> {
        let failed = |source| FileError::Read {
            path: folder.to_owned(),
            source,
        };
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let folder = entry.map_err(failed)?.path();
            // One that died while it planned has nothing that could be applied.
            if folder.join(PLANNED).is_file() {
                found.push(Self { folder });
            }
        }
        found.sort_by(|one, other| other.folder.cmp(&one.folder));
        Ok(found)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where terraform saves the plan.
    pub fn plan_path(&self) -> PathBuf {
        self.folder.join(PLAN)
    }

    /// The plan file for its owner alone, and its digest.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    pub fn digest(&self) -> Result<PlanDigest, FileError> {
        let path = self.plan_path();
        for_its_owner(&path).map_err(|source| FileError::Write {
            path: path.clone(),
            source,
        })?;
        PlanDigest::of_file(&path)
    }

    /// Writes down what was planned.
    ///
    /// # Errors
    /// When it was written before, or cannot be.
    pub fn record(&self, planned: &PlannedDeployment) -> Result<(), RecordError> {
        self.write(PLANNED, planned)
    }

    /// What was planned.
    ///
    /// # Errors
    /// When the record is not there, or cannot be read.
    pub fn planned(&self) -> Result<PlannedDeployment, RecordError> {
        let path = self.folder.join(PLANNED);
        let bytes = files::read_limited(&path, MOST_RECORD)?;
        serde_json::from_slice(&bytes).map_err(|source| RecordError::Broken { path, source })
    }

    /// Lets it pass that the plan is applied.
    ///
    /// # Errors
    /// When the plan is not the one that was reviewed, was applied before, or destroys what was not agreed to.
    pub fn approve(self, approval: &Approval) -> Result<ApprovedDeployment, ApprovalError> {
        let planned = self.planned()?;
        if let Some(intent) = self.intent()? {
            return Err(ApprovalError::AppliedBefore {
                id: planned.id,
                by: intent.by,
                at: intent.at,
            });
        }
        if let Some(asked) = approval
            .digest
            .clone()
            .filter(|asked| *asked != planned.digest)
        {
            return Err(ApprovalError::OtherPlan {
                id: planned.id,
                recorded: planned.digest,
                asked,
            });
        }
        let found = self.digest().map_err(RecordError::File)?;
        if found != planned.digest {
            return Err(ApprovalError::PlanChanged {
                recorded: planned.digest,
                found,
            });
        }
        let environment = planned.environment.clone();
        match &approval.typed {
            Some(typed) if *typed != environment => {
                return Err(ApprovalError::OtherName {
                    typed: typed.clone(),
                    environment,
                });
            }
            None if planned.is_destructive() => {
                let addresses = planned.review.destructive();
                return Err(ApprovalError::NotConfirmed {
                    environment,
                    addresses: addresses.map(|change| change.address.clone()).collect(),
                });
            }
            _ => {}
        }
        Ok(ApprovedDeployment {
            deployment: self,
            planned,
        })
    }

    /// Removes the plan file: it holds values of variables, and its plan will not be applied any more.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn discard_plan(&self) -> Result<(), FileError> {
        let path = self.plan_path();
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(FileError::Write { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Removes the folder of a plan that did not come about; of one that was recorded nothing.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn abandon(self) -> Result<(), FileError> {
        if self.folder.join(PLANNED).exists() {
            return Ok(());
        }
        std::fs::remove_dir_all(&self.folder).map_err(|source| FileError::Write {
            path: self.folder,
            source,
        })
    }

    fn write(&self, name: &str, record: &impl Serialize) -> Result<(), RecordError> {
        let path = self.folder.join(name);
        let bytes = serde_json::to_vec_pretty(record).map_err(|source| RecordError::Broken {
            path: path.clone(),
            source,
        })?;
        Ok(files::write_new_file(&path, &bytes, Secrecy::Secret)?)
    }

    /// A record; `None` where it was not written.
    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, RecordError> {
        let path = self.folder.join(name);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read_limited(&path, MOST_RECORD)?;
        let record = serde_json::from_slice(&bytes);
        record
            .map(Some)
            .map_err(|source| RecordError::Broken { path, source })
    }
}

impl PlannedDeployment {
    /// Whether something that is there will not be there any more.
    pub fn is_destructive(&self) -> bool {
        self.destroys_all || self.review.destructive().next().is_some()
    }
}

impl ApprovedDeployment {
    /// What was planned.
    pub fn planned(&self) -> &PlannedDeployment {
        &self.planned
    }

    /// Where its plan and its records lie.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }
}

#[cfg(unix)]
fn for_its_owner(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn for_its_owner(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
