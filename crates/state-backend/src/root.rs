//! A root module's backend turned to one side: configured, initialised, and shown to work there.
//!
//! Everything is asked of the side that the root is turned to, by terraform too: of the other one nothing has to be
//! there.

mod hold;
pub(crate) mod probe;
mod readiness;
mod turn;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use aws_env::Endpoints;
use files::FileError;
use report::{Document, Mark, Report};
use serde::{Serialize, Serializer};
use serde_json::Value;
use settings::Settings;
use sha2::{Digest as _, Sha256};
use terraform::{Argument, BackendConfig, Environment, RootModule, RootModuleError};

pub use hold::HeldRoot;
pub use readiness::NotReady;
pub use turn::{RootFailure, RootStep, TurnError, TurnedRoot, TurnedRoots};

use crate::handover::Handover;
use crate::inventory::{NotAState, StateId, StateScope, Workspace};
use crate::render::BackendFile;
use crate::spec::{SideName, Spec};

/// Where a root's backend is to lead. Nothing has been changed yet.
#[derive(Debug, Clone, Serialize)]
pub struct RootPlan {
    /// The root module's folder.
    pub folder: PathBuf,
    /// The side that it is turned to.
    pub side: SideName,
    /// The state of the workspace that is selected.
    pub state: StateId,
    /// What says which state that is.
    pub key_from: KeyFrom,
    /// The name of the file with that side's configuration, in the folder.
    pub file: String,
    /// What is there under that name now.
    pub found: FoundFile,
    /// Why it will stay where it is; null when it will be turned.
    pub stays: Option<NotReady>,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    wanted: Wanted,
}

/// What a root's backend has to be after init.
#[derive(Debug, Clone)]
struct Wanted {
    bucket: String,
    region: String,
    prefix: String,
    table: Option<String>,
}

/// What says which key a root's states have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyFrom {
    /// The backend block of its code.
    Code,
    /// The backend that `terraform init` set up last.
    Init,
    /// `state.key` of the settings.
    Settings,
}

/// What is there in the place of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoundFile {
    /// Nothing.
    Absent,
    /// What would be written.
    Current,
    /// One that was written here earlier, and that nobody has changed since.
    Own,
    /// Another one.
    Other,
}

/// A plan that may be carried out: the file in its way, if there is one, may be replaced, and somebody's own is kept under
/// another name.
#[derive(Debug, Clone)]
pub struct ApprovedRoot(RootPlan);

/// Why a root's backend cannot be turned. Each names the folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The settings have no such side.
    #[error("the settings have no {side} side to which {} could be turned", folder.display())]
    NoSide {
        /// The root's folder.
        folder: PathBuf,
        /// The side that was asked for.
        side: SideName,
    },
    /// Its code does not say which backend it has.
    #[error("the backend of {} is not known", folder.display())]
    Code {
        /// The root's folder.
        folder: PathBuf,
        /// Why not.
        source: RootModuleError,
    },
    /// Its code has no backend.
    #[error("the code in {} has no backend block, so that its state is a file", folder.display())]
    NoBackend {
        /// The root's folder.
        folder: PathBuf,
    },
    /// Its states are not in S3.
    #[error("the backend of {} is {kind:?}, and not \"s3\"", folder.display())]
    OtherBackend {
        /// The root's folder.
        folder: PathBuf,
        /// The backend's type.
        kind: String,
    },
    /// An argument on which it depends what is meant is not a constant.
    #[error("`{argument}` in the backend block of {} is no constant text", folder.display())]
    NotConstant {
        /// The root's folder.
        folder: PathBuf,
        /// The argument.
        argument: &'static str,
    },
    /// Its states are in another bucket than those of the settings.
    #[error("the states of {} are in the bucket {bucket}, which is neither side's", folder.display())]
    OtherBucket {
        /// The root's folder.
        folder: PathBuf,
        /// The bucket.
        bucket: String,
    },
    /// Neither its code nor an earlier init says which key its states have, and the settings are of several.
    #[error(
        "the key of the states of {} is neither in its backend block nor known from an init, and the settings name \
         several", folder.display()
    )]
    NoKey {
        /// The root's folder.
        folder: PathBuf,
    },
    /// Its state is none of those of the settings.
    #[error("the state of {} is none of the settings'", folder.display())]
    NotAState {
        /// The root's folder.
        folder: PathBuf,
        /// Why not.
        source: NotAState,
    },
    /// Two roots would work with one state.
    #[error("{} and {} would both have the state {state}", other.display(), folder.display())]
    SameState {
        /// The root's folder.
        folder: PathBuf,
        /// The root that has the state already.
        other: PathBuf,
        /// The state.
        state: StateId,
    },
    /// An argument of its code is of one side, and the configuration of the side does not replace it.
    #[error(
        "`{argument}` in the backend block of {} stays as it is on either side", folder.display()
    )]
    Fixed {
        /// The root's folder.
        folder: PathBuf,
        /// The argument.
        argument: &'static str,
    },
    /// Terraform would go to another place than the one where its states were looked at.
    #[error(
        "the environment variable {variable} leads terraform, and nothing else, to an endpoint of its own"
    )]
    Variable {
        /// Its name.
        variable: &'static str,
    },
    /// The file in the place of the side's configuration is somebody's own.
    #[error("{} exists, differs, and was not written here", file.display())]
    OtherFile {
        /// The file.
        file: PathBuf,
    },
    /// The file in the place of the side's configuration cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Arguments that lead to one region, and that a partial configuration replaces only where it has them. Others lead where
/// `region` does, which it always has: `profile`, `assume_role`, `skip_…`.
const OF_ONE_SIDE: [&str; 8] = [
    "dynamodb_endpoint",
    "dynamodb_table",
    "endpoint",
    "iam_endpoint",
    "kms_key_id",
    "sts_endpoint",
    "sts_region",
    "sse_customer_key",
];
/// A configuration for a local AWS replaces it, and one for AWS does not: a drill that took it would say nothing of the
/// day on which the region is lost.
const ENDPOINTS: &str = "endpoints";
/// Variables that lead terraform's S3 backend to another place than the SDKs know, and so than the states were looked at:
/// <https://developer.hashicorp.com/terraform/language/backend/s3#custom-service-endpoints>.
const OF_TERRAFORM_ALONE: [&str; 4] = [
    "AWS_S3_ENDPOINT",
    "AWS_DYNAMODB_ENDPOINT",
    "AWS_IAM_ENDPOINT",
    "AWS_STS_ENDPOINT",
];

/// A configuration file has some hundred bytes; what is longer is somebody's own.
const LONGEST_FILE: u64 = 64 << 10;
/// What a file begins with that was written here, before the digest of the rest.
const HEADER: &str = "# Written by init-backend; changes are kept, and asked about. sha256 ";

impl RootPlan {
    /// The plans for several roots, which terraform will work with in `environment`.
    ///
    /// # Errors
    /// When one of them cannot be turned, or two would have the same state.
    pub fn all(
        settings: &Settings,
        endpoints: &Endpoints,
        side: SideName,
        roots: &[RootModule],
        environment: &Environment,
    ) -> Result<Vec<Self>, RootError> {
        let is_set = |variable: &&str| {
            environment
                .get(variable)
                .is_some_and(|value| !value.is_empty())
        };
        if let Some(variable) = OF_TERRAFORM_ALONE.into_iter().find(is_set) {
            return Err(RootError::Variable { variable });
        }
        let scope = StateScope::new(&settings.state);
        let mut plans: Vec<Self> = Vec::new();
        let mut states: BTreeMap<StateId, PathBuf> = BTreeMap::new();
        for root in roots {
            let plan = Self::new(settings, endpoints, side, root)?;
            if let Err(source) = scope.find(&plan.state.object()) {
                let folder = plan.folder;
                return Err(RootError::NotAState { folder, source });
            }
            if let Some(other) = states.insert(plan.state.clone(), plan.folder.clone()) {
                return Err(RootError::SameState {
                    folder: plan.folder,
                    other,
                    state: plan.state,
                });
            }
            plans.push(plan);
        }
        Ok(plans)
    }

    fn new(
        settings: &Settings,
        endpoints: &Endpoints,
        side: SideName,
        root: &RootModule,
    ) -> Result<Self, RootError> {
        let folder = || root.folder.clone();
        let code = s3_backend(root)?;
        let spec = Spec::new(settings, "");
        let to = spec.side(side);
        let to = to.ok_or_else(|| RootError::NoSide {
            folder: folder(),
            side,
        })?;
        // Of another backend than ours init remembers nothing that counts here.
        let remembered = root.remembered.as_ref().filter(|old| old.kind == "s3");
        let buckets: Vec<&str> = spec.sides().map(|side| side.bucket.as_str()).collect();
        for config in [Some(code), remembered].into_iter().flatten() {
            if let Some(bucket) = text(root, config, "bucket")?
                && !buckets.contains(&bucket)
            {
                return Err(RootError::OtherBucket {
                    folder: folder(),
                    bucket: bucket.to_owned(),
                });
            }
        }
        let in_code = text(root, code, "key")?;
        let of_init = remembered.map(|old| text(root, old, "key"));
        let (key, key_from) = match (in_code, of_init.transpose()?.flatten()) {
            (Some(key), _) => (key, KeyFrom::Code),
            (None, Some(key)) => (key, KeyFrom::Init),
            (None, None) => match &settings.state.keys {
                Some(keys) if keys.len() > 1 => return Err(RootError::NoKey { folder: folder() }),
                _ => (settings.state.key.as_str(), KeyFrom::Settings),
            },
        };
        let prefix = match text(root, code, "workspace_key_prefix")? {
            Some(prefix) => prefix,
            None => match remembered {
                Some(old) => text(root, old, "workspace_key_prefix")?,
                None => None,
            }
            .unwrap_or(settings.state.workspace_key_prefix.as_str()),
        };
        let no_side = || RootError::NoSide {
            folder: folder(),
            side,
        };
        let file =
            BackendFile::of_key(settings, side, endpoints, key, prefix).ok_or_else(no_side)?;
        let fixed = OF_ONE_SIDE
            .into_iter()
            .filter(|argument| !file.sets(argument))
            .chain([ENDPOINTS])
            .find(|argument| code.argument(argument) != Argument::Unset);
        if let Some(argument) = fixed {
            let folder = folder();
            return Err(RootError::Fixed { folder, argument });
        }
        let workspace = root.workspace.clone().map(|name| Workspace {
            prefix: prefix.to_owned(),
            name,
        });
        let text = with_header(file.as_str());
        let name = format!("{side}.s3.tfbackend");
        Ok(Self {
            folder: folder(),
            side,
            state: StateId {
                key: key.to_owned(),
                workspace,
            },
            key_from,
            found: look(&root.folder.join(&name), &text, file.as_str())?,
            file: name,
            stays: None,
            text,
            wanted: Wanted {
                bucket: to.bucket.to_string(),
                region: to.region.to_string(),
                prefix: prefix.to_owned(),
                table: to.table.as_ref().map(ToString::to_string),
            },
        })
    }

    fn mark(&self) -> Mark {
        match self.stays {
            None => Mark::Plain,
            Some(NotReady::Unknown { .. }) => Mark::Unknown,
            Some(_) => Mark::Wrong,
        }
    }

    /// What the configuration file says.
    pub fn configuration(&self) -> &str {
        &self.text
    }

    /// The path of the configuration file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.file)
    }

    /// A plan that may be carried out after a failover or failback, which has to have made its state ready: terraform
    /// would go on from whatever is there, and make anew what it does not know of. `replace` as in [`RootPlan::approve`].
    ///
    /// # Errors
    /// When the state was left or is not known, or a file of somebody else is in the way.
    pub fn approve_after(
        self,
        handover: &Handover,
        replace: bool,
    ) -> Result<ApprovedRoot, Box<TurnedRoot>> {
        let not_ready = match handover.is_ready(&self.state) {
            true => None,
            false => Some(NotReady::of(handover, &self.state).unwrap_or(NotReady::NotDone)),
        };
        if let Some(why) = not_ready {
            let state = self.state.clone();
            let error = TurnError::NotReady { state, why };
            let stays = TurnedRoot::not_begun(&self, RootStep::State, error);
            return Err(Box::new(stays));
        }
        let file = self.path();
        let plan = self.clone();
        self.approve(replace).map_err(|_| {
            Box::new(TurnedRoot::not_begun(
                &plan,
                RootStep::Configure,
                TurnError::FileChanged { file },
            ))
        })
    }

    /// A plan that may be carried out; `replace` says that a file of somebody else in its way may be replaced.
    ///
    /// # Errors
    /// When there is such a file, and it may not.
    pub fn approve(self, replace: bool) -> Result<ApprovedRoot, RootError> {
        match self.found {
            FoundFile::Other if !replace => Err(RootError::OtherFile { file: self.path() }),
            _ => Ok(ApprovedRoot(self)),
        }
    }
}

impl BackendFile {
    /// The configuration of one side for a root module that has not been initialised: the key and the prefix of workspaces
    /// that its code names, else those of the settings. `None` when there is no such side.
    ///
    /// # Errors
    /// When the root has no backend in S3, or nothing says which key its states have.
    pub fn of_root(
        settings: &Settings,
        side: SideName,
        endpoints: &Endpoints,
        root: &RootModule,
    ) -> Result<Option<Self>, RootError> {
        let code = s3_backend(root)?;
        let several = settings.state.keys.as_ref().is_some_and(|of| of.len() > 1);
        let key = match text(root, code, "key")? {
            Some(key) => key,
            None if several => {
                let folder = root.folder.clone();
                return Err(RootError::NoKey { folder });
            }
            None => settings.state.key.as_str(),
        };
        let prefix = text(root, code, "workspace_key_prefix")?
            .unwrap_or(settings.state.workspace_key_prefix.as_str());
        Ok(Self::of_key(settings, side, endpoints, key, prefix))
    }
}

/// The backend of a root's code, which is one in S3.
fn s3_backend(root: &RootModule) -> Result<&BackendConfig, RootError> {
    let folder = || root.folder.clone();
    match &root.code {
        None => Err(RootError::NoBackend { folder: folder() }),
        Some(code) if code.kind != "s3" => Err(RootError::OtherBackend {
            folder: folder(),
            kind: code.kind.clone(),
        }),
        Some(code) => Ok(code),
    }
}

/// A constant text of a backend; `None` where it is not set.
fn text<'a>(
    root: &RootModule,
    config: &'a BackendConfig,
    argument: &'static str,
) -> Result<Option<&'a str>, RootError> {
    match config.argument(argument) {
        Argument::Unset => Ok(None),
        Argument::Value(Value::String(text)) => Ok(Some(text)),
        Argument::Value(_) | Argument::NotConstant => Err(RootError::NotConstant {
            folder: root.folder.clone(),
            argument,
        }),
    }
}

fn with_header(text: &str) -> String {
    format!("{HEADER}{}\n{text}", digest(text))
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    hex::encode(&digest[..8])
}

/// `bare` is what `init-backend render` writes.
fn look(path: &Path, wanted: &str, bare: &str) -> Result<FoundFile, FileError> {
    let found = match files::read_limited(path, LONGEST_FILE) {
        Ok(found) => found,
        Err(FileError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(FoundFile::Absent);
        }
        Err(FileError::TooLarge { .. }) => return Ok(FoundFile::Other),
        Err(error) => return Err(error),
    };
    let Ok(found) = String::from_utf8(found) else {
        return Ok(FoundFile::Other);
    };
    let is_own = found
        .strip_prefix(HEADER)
        .and_then(|rest| rest.split_once('\n'))
        .is_some_and(|(noted, rest)| noted == digest(rest));
    Ok(match is_own {
        _ if found == wanted => FoundFile::Current,
        true => FoundFile::Own,
        // Rendered by hand, and of the same content.
        false if found == bare => FoundFile::Own,
        false => FoundFile::Other,
    })
}

impl fmt::Display for FoundFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "new",
            Self::Current => "as it is",
            Self::Own => "replaced",
            Self::Other => "somebody's own, kept under another name if you agree",
        })
    }
}

impl fmt::Display for KeyFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "its backend block",
            Self::Init => "its last init",
            Self::Settings => "state.key of the settings",
        })
    }
}

/// The plans of several roots.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct RootPlans(pub Vec<RootPlan>);

impl RootPlans {
    /// These roots beside a failover or failback that is planned: those whose state it will not make ready stay.
    #[must_use]
    pub fn beside(mut self, handover: &Handover) -> Self {
        for plan in &mut self.0 {
            plan.stays = NotReady::of(handover, &plan.state);
        }
        self
    }
}

impl Report for RootPlans {
    const KIND: &'static str = "root-plans";

    fn document(&self) -> Document {
        if self.0.is_empty() {
            return Document::new();
        }
        let rows = self.0.iter().map(|plan| {
            let cells = vec![
                plan.folder.display().to_string(),
                plan.state.to_string(),
                plan.key_from.to_string(),
                plan.file.clone(),
                match plan.stays {
                    Some(_) => "not written: the root stays where it is".to_owned(),
                    None => plan.found.to_string(),
                },
            ];
            (plan.mark(), cells)
        });
        let document = Document::new().heading("Roots").table(
            ["Folder", "State", "Known from", "File", ""],
            rows.collect(),
        );
        let remarks = self.0.iter().filter_map(|plan| {
            let why = plan.stays.as_ref()?;
            Some(format!("{}: {why}.", plan.folder.display()))
        });
        remarks.fold(document, Document::text)
    }
}

/// A path in JSON, as text.
fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
