//! Starting an instance, and finding one that runs.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use directories::ProjectDirs;
use local_aws::stack::Practice;
use local_aws::{Base, Control, LocalAws, REMOVED_VARIABLES, Rds, RdsData, RdsOptions, RdsQuotas};
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::args::{At, Start};
use crate::outcome::Hinted;

/// Names another directory for emulators and for what `up --detach` leaves.
const CACHE: &str = "LOCAL_AWS_CACHE";
/// Where a command that `exec` runs finds its instance.
const URL: &str = "LOCAL_AWS_URL";
/// What the instance wants to hear from that command.
const TOKEN: &str = "LOCAL_AWS_TOKEN";

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
    for execution in arguments.allow_execution {
        builder = builder.allow_execution(execution);
    }
    if let Some(path) = arguments.log {
        builder = builder.log_file(path);
    }
    let practice = arguments.stack.as_deref().map(Practice::begin);
    let practice = practice.transpose()?;
    let aws = builder.start().await?;
    if let Some(practice) = practice {
        practice.build(&aws).await?;
    }
    if let Some(why) = aws.rds().and_then(Rds::data_missing)
        && !arguments.no_rds_data
    {
        tracing::info!("RDS instances are states only, without servers: {why}");
    }
    Ok(aws)
}

/// The environment of an instance, with what this process excepts from proxies already.
pub(crate) fn environment(aws: &LocalAws) -> Vec<(&'static str, String)> {
    let excepted = |name: &str| std::env::var(name).ok().filter(|hosts| !hosts.is_empty());
    let with_own = |(name, value): (&'static str, String)| match name {
        "NO_PROXY" | "no_proxy" => match excepted(name) {
            Some(hosts) => (name, format!("{hosts},{value}")),
            None => (name, value),
        },
        _ => (name, value),
    };
    aws.environment().into_iter().map(with_own).collect()
}

/// The environment of an instance as lines for a shell.
pub(crate) fn shell_lines(aws: &LocalAws) -> Vec<String> {
    let inherited = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unset: Vec<String> = inherited.filter(|name| is_removed(name)).collect();
    unset.sort();
    let exports = environment(aws).into_iter();
    let mut lines: Vec<String> = exports
        .map(|(name, value)| format!("export {name}={}", quoted(&value)))
        .collect();
    if !unset.is_empty() {
        lines.push(format!("unset {}", unset.join(" ")));
    }
    // A command that does nothing: some shells take no comments here. The last line, for `eval` without quotes.
    lines.push(format!(
        ": {}",
        quoted("This is a local AWS on this machine, not AWS; what is in it goes with it.")
    ));
    lines
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,@%+=".contains(&byte);
    match text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Whether a variable would lead programs past the local AWS.
pub(crate) fn is_removed(name: &str) -> bool {
    REMOVED_VARIABLES.contains(&name) || name.starts_with("AWS_ENDPOINT_URL_")
}

/// What an instance leaves in the cache directory for other terminals of its user, and for nobody else.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) url: String,
    pub(crate) process: u32,
    token: String,
}

impl Run {
    fn of(aws: &LocalAws) -> Self {
        let token = aws
            .environment()
            .into_iter()
            .find(|(name, _)| *name == TOKEN);
        Self {
            url: aws.endpoint().to_owned(),
            process: std::process::id(),
            token: token.map(|(_, token)| token).unwrap_or_default(),
        }
    }

    /// The file of the instance in the background.
    fn detached(cache: &Path) -> PathBuf {
        cache.join("detached.json")
    }

    /// The file of the instance at a URL: its name is the port.
    fn at(cache: &Path, url: &str) -> Option<PathBuf> {
        let port: u16 = url.trim_end_matches('/').rsplit(':').next()?.parse().ok()?;
        Some(cache.join("runs").join(format!("{port}.json")))
    }

    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// What the last `up --detach` left, if anything. It need not run any more.
    pub(crate) fn in_background(cache: &Path) -> Option<Self> {
        Self::read(&Self::detached(cache))
    }

    /// Written under another name first: a reader never sees half of it.
    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().unwrap_or(path);
        make_private(folder)?;
        let text = serde_json::to_vec(self)?;
        let draft = path.with_extension(format!("{}", std::process::id()));
        private_file(&draft)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| fs::rename(&draft, path))
            .with_context(|| format!("write {}", path.display()))
    }

    fn control(&self) -> Control {
        Control::new(&self.url, &self.token)
    }

    /// Whether it still runs: its port answers, and as that process.
    pub(crate) async fn runs(&self) -> bool {
        let status = self.control().status().await;
        status.is_ok_and(|status| status.process == self.process)
    }
}

/// The files that say where an instance is; gone with this value.
#[derive(Debug)]
pub(crate) struct Announced(Vec<PathBuf>);

impl Announced {
    /// Tells other terminals of the user about an instance.
    pub(crate) fn announce(aws: &LocalAws, background: bool) -> anyhow::Result<Self> {
        let cache = cache_dir()?;
        let run = Run::of(aws);
        let mut files: Vec<PathBuf> = Run::at(&cache, &run.url).into_iter().collect();
        files.extend(background.then(|| Run::detached(&cache)));
        let announced = Self(files);
        announced.0.iter().try_for_each(|path| run.write(path))?;
        forget_killed(&cache);
        Ok(announced)
    }

    /// The same for an instance that is of use even if no other terminal finds it.
    pub(crate) fn announce_if_possible(aws: &LocalAws) -> Option<Self> {
        let announced = Self::announce(aws, false);
        announced
            .inspect_err(|error| {
                tracing::warn!("commands in other terminals need LOCAL_AWS_TOKEN: {error:#}");
            })
            .ok()
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        for path in &self.0 {
            forget(path, std::process::id());
        }
    }
}

/// Removes a file if it is still that of process `process`.
fn forget(path: &Path, process: u32) {
    if Run::read(path).is_some_and(|run| run.process == process) {
        // Another `down` may have been faster.
        let _ = fs::remove_file(path);
    }
}

/// Removes what the instance at a URL left if it was killed.
pub(crate) fn forget_dead(url: &str) -> anyhow::Result<()> {
    let cache = cache_dir()?;
    let files = [Some(Run::detached(&cache)), Run::at(&cache, url)];
    files.iter().flatten().for_each(|path| forget_if_dead(path));
    Ok(())
}

/// Removes what instances left that were killed.
fn forget_killed(cache: &Path) {
    let files = fs::read_dir(cache.join("runs"))
        .into_iter()
        .flatten()
        .flatten();
    files.for_each(|file| forget_if_dead(&file.path()));
}

fn forget_if_dead(path: &Path) {
    if let Some(run) = Run::read(path)
        && !is_alive(run.process)
    {
        forget(path, run.process);
    }
}

/// Whether there is such a process.
pub(crate) fn is_alive(process: u32) -> bool {
    i32::try_from(process)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// A directory that nobody else may enter, if it has to be made; one that is there stays as it is.
pub(crate) fn make_private(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("create {}", path.display()))
}

/// An empty file that nobody else may read, also if it was there and somebody could.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let file = options.write(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.set_len(0)?;
    Ok(file)
}

/// The instance that a command is about.
pub(crate) fn find(at: &At) -> anyhow::Result<Control> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (named, token) = (variable(URL), variable(TOKEN));
    let url = at.url.clone().or_else(|| named.clone());
    let cache = cache_dir()?;
    let Some(url) = url else {
        return match Run::in_background(&cache) {
            Some(run) => Ok(run.control()),
            None => Err(Hinted::new(
                "find a local AWS that runs",
                "`local-aws up --detach` starts one; --url or LOCAL_AWS_URL name another",
            )
            .into()),
        };
    };
    // A token in the environment is that of the instance in the environment.
    if let Some(token) = token.clone().filter(|_| named.as_ref() == Some(&url)) {
        return Ok(Control::new(url, token));
    }
    let run = Run::at(&cache, &url).and_then(|path| Run::read(&path));
    let own = run.map(|run| run.token).or(token);
    // Without one it answers what it wants.
    Ok(Control::new(url, own.unwrap_or_default()))
}
