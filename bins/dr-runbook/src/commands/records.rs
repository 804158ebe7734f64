//! Where the records of runs lie.

use std::path::PathBuf;

use anyhow::anyhow;
use aws_env::{AwsEnv, DrOnly};
use cli::{Exit, Failure, GlobalArgs};
use directories::ProjectDirs;
use runbook::{Created, ETag, FolderStore, Marker, S3Store, Store, StoreError, Stored};
use settings::{RUNS, Settings};

use crate::args::{JournalPlace, RecordsArgs};

/// The environment of a command, from which nothing but the region with its records can be called: the DR region, unless it is
/// unprotected.
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) env: AwsEnv,
    pub(super) dr: DrOnly,
    /// The account of the credentials, as STS of the DR region says.
    pub(super) account: Option<String>,
}

impl Context {
    pub(super) async fn open(global: &GlobalArgs) -> Result<Self, Failure> {
        let mut context = Self::unasked(global).await?;
        context.account = account(&context.settings, &context.dr).await?;
        Ok(context)
    }

    /// Refuses what leads to a DR region where there is none.
    pub(super) fn protected(&self, exit: Exit) -> Result<(), Failure> {
        match &self.settings.unprotected {
            None => Ok(()),
            Some(why) => Err(
                Failure::new(exit, anyhow!("the environment is unprotected: {why}"))
                    .hint("`dr-runbook commit --dr REGION` gives it a DR region"),
            ),
        }
    }

    /// Without asking who we are.
    pub(super) async fn unasked(global: &GlobalArgs) -> Result<Self, Failure> {
        let settings = cli::load_settings_in_emergency(global)?;
        cli::residency_notes(&settings);
        let env = cli::aws_env(Some(&settings)).await?;
        let dr = env.dr_only(settings.journals_region());
        Ok(Self {
            settings,
            env,
            dr,
            account: None,
        })
    }
}

/// Asks the DR region who we are, before anything else: nothing can be done where it does not answer, or in another
/// account.
async fn account(settings: &Settings, dr: &DrOnly) -> Result<Option<String>, Failure> {
    let clients = dr.region().clients();
    let reached = clients.reachability().await;
    if reached.is_lost()
        && let Some(error) = reached.silent.into_iter().next()
    {
        return Err(Failure::aws("reach the DR region", error)
            .hint("a failover needs its DR region; another one is a decision for the settings"));
    }
    let account = reached
        .account
        .map_err(|error| Failure::aws("ask who we are", error))?;
    match (&account, &settings.account) {
        (Some(found), Some(wanted)) if *found != wanted.as_str() => Err(Failure::new(
            Exit::Refused,
            anyhow!("the credentials are of account {found}, and the environment is in {wanted}"),
        )
        .hint("check AWS_PROFILE")),
        _ => Ok(account),
    }
}

/// A bucket, or a folder of this machine.
#[derive(Debug, Clone)]
pub(super) enum Records {
    Bucket(Box<S3Store>),
    Folder(FolderStore),
}

/// What a command works with.
pub(super) struct Places {
    pub(super) records: Records,
    /// The copy on this machine, where records lie in a bucket.
    pub(super) copy: Option<FolderStore>,
    /// Where this machine keeps what belongs to runs.
    pub(super) folder: PathBuf,
}

impl Places {
    pub(super) fn of(context: &Context, args: &RecordsArgs) -> Result<Self, Failure> {
        let settings = &context.settings;
        let environment = settings.name();
        let folder = match &args.runs_dir {
            Some(folder) => folder.clone(),
            None => state()?,
        };
        let folder = folder.join(&environment);
        let local = FolderStore::new(&folder);
        let (records, copy) = match args.journal {
            JournalPlace::Local => (Records::Folder(local), None),
            JournalPlace::Bucket => {
                let bucket = settings.journals().ok_or_else(|| {
                    Failure::new(Exit::Usage, anyhow!("the settings have no bucket for records"))
                        .hint("set journal_bucket or [state.dr], or record on this machine alone with --journal local")
                })?;
                let clients = context.dr.region().clients();
                let prefix = format!("{RUNS}{environment}/");
                let store = S3Store::new(clients, bucket.as_str(), prefix);
                (Records::Bucket(Box::new(store)), Some(local))
            }
        };
        Ok(Self {
            records,
            copy,
            folder,
        })
    }
}

/// The mark of the environment.
pub(super) async fn marker(records: &Records) -> Result<Option<Marker>, Failure> {
    Marker::read(records).await.map_err(|error| {
        let store = error.source.downcast_ref::<StoreError>();
        let hint = store.and_then(super::bucket_hint);
        let failure = Failure::new(Exit::Unchecked, anyhow!("{}", error.source));
        failure.hint(
            hint.unwrap_or_else(|| {
                "without the mark nobody knows where the environment is".to_owned()
            }),
        )
    })
}

fn state() -> Result<PathBuf, Failure> {
    let dirs = ProjectDirs::from("", "", "dr-runbook");
    let dirs = dirs.map(|dirs| dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_owned());
    dirs.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            anyhow!("failed to find the user's state directory"),
        )
        .hint("give --runs-dir DIR")
    })
}

impl Store for Records {
    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        match self {
            Self::Bucket(store) => store.create(key, bytes).await,
            Self::Folder(store) => store.create(key, bytes).await,
        }
    }

    async fn replace(
        &self,
        key: &str,
        bytes: &[u8],
        seen: &ETag,
    ) -> Result<Option<ETag>, StoreError> {
        match self {
            Self::Bucket(store) => store.replace(key, bytes, seen).await,
            Self::Folder(store) => store.replace(key, bytes, seen).await,
        }
    }

    async fn read(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        match self {
            Self::Bucket(store) => store.read(key).await,
            Self::Folder(store) => store.read(key).await,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Bucket(store) => store.list(prefix).await,
            Self::Folder(store) => store.list(prefix).await,
        }
    }

    fn place(&self, key: &str) -> String {
        match self {
            Self::Bucket(store) => store.place(key),
            Self::Folder(store) => store.place(key),
        }
    }
}
