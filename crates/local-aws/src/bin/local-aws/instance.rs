//! Starting an instance, and finding one that runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use directories::ProjectDirs;
use local_aws::{Base, Control, LocalAws, REMOVED_VARIABLES, Rds, RdsData, RdsOptions, RdsQuotas};
use serde::{Deserialize, Serialize};

use crate::args::{At, Start};
use crate::outcome::Hinted;

/// Names another directory for emulators and for what `up --detach` leaves.
const CACHE: &str = "LOCAL_AWS_CACHE";
/// Where a command that `exec` runs finds its instance.
const URL: &str = "LOCAL_AWS_URL";

pub(crate) fn cache_dir() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os(CACHE) {
        return Ok(path.into());
    }
    let directories = ProjectDirs::from("", "", "local-aws");
    let directories = directories.context("find the user's cache directory")?;
    Ok(directories.cache_dir().to_owned())
}

pub(crate) async fn start(arguments: Start) -> anyhow::Result<LocalAws> {
    let mut builder = LocalAws::builder()
        .base(arguments.base.clone())
        .port(arguments.port)
        .seed(arguments.seed)
        .cache_dir(cache_dir()?);
    // The base's own RDS, where the library leaves it to the base.
    if matches!(arguments.base, Base::Ministack | Base::Docker) {
        builder = builder.rds(RdsOptions {
            clock: arguments.rds_clock,
            data: if arguments.no_rds_data {
                RdsData::Off
            } else {
                RdsData::WhereInstalled
            },
            quotas: RdsQuotas::default(),
        });
    }
    if arguments.executors {
        builder = builder.executors();
    }
    if let Some(path) = arguments.log {
        builder = builder.log_file(path);
    }
    let aws = builder.start().await?;
    if let Some(why) = aws.rds().and_then(Rds::data_missing)
        && !arguments.no_rds_data
    {
        tracing::info!("RDS instances are states only, without servers: {why}");
    }
    Ok(aws)
}

/// The environment of an instance as lines for a shell.
pub(crate) fn shell_lines(aws: &LocalAws) -> Vec<String> {
    let inherited = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unset: Vec<String> = inherited.filter(|name| is_removed(name)).collect();
    unset.sort();
    let mut lines: Vec<String> = aws
        .environment()
        .into_iter()
        .map(|(name, value)| format!("export {name}={value}"))
        .collect();
    if !unset.is_empty() {
        lines.push(format!("unset {}", unset.join(" ")));
    }
    lines
}

/// Whether a variable would lead programs past the local AWS.
pub(crate) fn is_removed(name: &str) -> bool {
    REMOVED_VARIABLES.contains(&name) || name.starts_with("AWS_ENDPOINT_URL_")
}

/// What `up --detach` leaves in the cache directory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Detached {
    pub(crate) url: String,
    pub(crate) process: u32,
}

impl Detached {
    fn path(cache: &Path) -> PathBuf {
        cache.join("detached.json")
    }

    /// What the last `up --detach` left, if anything. It need not run any more.
    pub(crate) fn read(cache: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::path(cache)).ok()?).ok()
    }

    /// Written under another name first: a reader never sees half of it.
    pub(crate) fn write(&self, cache: &Path) -> anyhow::Result<()> {
        let path = Self::path(cache);
        let draft = path.with_extension(format!("{}", std::process::id()));
        fs::write(&draft, serde_json::to_vec(self)?)
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("write {}", path.display()))
    }

    /// Removes the file if it is still that of process `process`.
    pub(crate) fn forget(cache: &Path, process: u32) {
        if Self::read(cache).is_some_and(|detached| detached.process == process) {
            // Another `down` may have been faster.
            let _ = fs::remove_file(Self::path(cache));
        }
    }

    /// Whether it still runs: its port answers, and as that process.
    pub(crate) async fn runs(&self) -> bool {
        let status = Control::new(&self.url).status().await;
        status.is_ok_and(|status| status.process == self.process)
    }
}

/// The instance that a command is about.
pub(crate) fn find(at: &At) -> anyhow::Result<Control> {
    if let Some(url) = &at.url {
        return Ok(Control::new(url));
    }
    if let Ok(url) = std::env::var(URL)
        && !url.is_empty()
    {
        return Ok(Control::new(url));
    }
    match Detached::read(&cache_dir()?) {
        Some(detached) => Ok(Control::new(detached.url)),
        None => Err(Hinted::new(
            "find a local AWS that runs",
            "`local-aws up --detach` starts one; --url or LOCAL_AWS_URL name another",
        )
        .into()),
    }
}
