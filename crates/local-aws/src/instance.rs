//! One running local AWS.

use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use directories::ProjectDirs;
use tokio::task::JoinHandle;

use crate::bucket::UnknownAccount;
use crate::control::Control;
use crate::emulator::{Base, Execution, Places, Running, Wanted};
use crate::error::StartError;
use crate::fault::{Fault, FaultId, Faults};
use crate::log::{Log, LogEntry};
use crate::proxy::{self, Proxy};
use crate::rds::{Rds, RdsOptions};
use crate::region::RegionState;
use crate::secret::Secret;
use crate::state::State;

/// How a local AWS is started.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    base: Base,
    port: u16,
    log_file: Option<PathBuf>,
    seed: u64,
    cache_dir: Option<PathBuf>,
    python: Option<PathBuf>,
    executions: Vec<Execution>,
    rds: RdsChoice,
}

/// Whose RDS it is.
#[derive(Clone, Copy, Debug, Default)]
enum RdsChoice {
    /// Simulated where the emulator's was seen to lack most of it.
    #[default]
    ByBase,
    Simulated(RdsOptions),
    Emulator,
}

impl Builder {
    /// RDS is simulated here, in this way. Unless told otherwise it is so, with the default options, on
    /// ministack and docker, and the base's own on moto and a URL.
    #[must_use]
    pub fn rds(mut self, options: RdsOptions) -> Self {
        self.rds = RdsChoice::Simulated(options);
        self
    }

    /// RDS is the base's.
    #[must_use]
    pub fn without_rds(mut self) -> Self {
        self.rds = RdsChoice::Emulator;
        self
    }

    /// The emulator; [`Base::Ministack`] unless told otherwise.
    #[must_use]
    pub fn base(mut self, base: Base) -> Self {
        self.base = base;
        self
    }

    /// The emulator may run the code of this service's functions or jobs as processes on this machine, with all rights
    /// of the user. Off unless asked for: their invocations fail. Only [`Base::Ministack`] and [`Base::Docker`] can.
    #[must_use]
    pub fn allow_execution(mut self, of: Execution) -> Self {
        self.executions.push(of);
        self
    }

    /// Loopback port; 0, the default, takes any that is free.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Appends the log to this file, one JSON object per line.
    #[must_use]
    pub fn log_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.log_file = Some(path.into());
        self
    }

    /// Seed for the share of requests that faults hit.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Where emulators are installed; the user's cache directory unless told otherwise.
    #[must_use]
    pub fn cache_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(path.into());
        self
    }

    /// The Python that makes the environment, `python3` unless told otherwise.
    #[must_use]
    pub fn python(mut self, path: impl Into<PathBuf>) -> Self {
        self.python = Some(path.into());
        self
    }

    /// Starts it; returns once it answers. The first start on a machine installs the emulator.
    ///
    /// # Errors
    /// When something is missing on this machine ([`StartError::cannot_run_here`]), or the port, the log
    /// file or the emulator fail.
    pub async fn start(self) -> Result<LocalAws, StartError> {
        let cache = match self.cache_dir {
            Some(path) => path,
            None => ProjectDirs::from("", "", "local-aws")
                .ok_or(StartError::NoCache)?
                .cache_dir()
                .to_owned(),
        };
        let python = self.python.unwrap_or_else(|| "python3".into());
        let file = match self.log_file {
            Some(path) => {
                // Keys of objects are in it.
                let file = std::fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .open(&path);
                Some(file.map_err(|source| StartError::LogFile { path, source })?)
            }
            None => None,
        };
        let (listener, address) = proxy::bind(self.port).map_err(|source| StartError::Port {
            port: self.port,
            source,
        })?;
        let running = self
            .base
            .start(
                &Places { cache, python },
                Wanted::new(address.port(), self.executions)?,
            )
            .await?;
        let options = match (self.rds, &self.base) {
            (RdsChoice::Simulated(options), _) => Some(options),
            (RdsChoice::ByBase, Base::Ministack | Base::Docker) => Some(RdsOptions::default()),
            (RdsChoice::ByBase | RdsChoice::Emulator, _) => None,
        };
        let rds = options.map(Rds::new);
        let rds_runs = rds.clone().map(|rds| tokio::spawn(rds.run()));
        let token = Secret::random().map_err(|source| StartError::Secret { source })?;
        let state = Arc::new(State::new(
            format!("http://{address}"),
            token,
            &self.base,
            &running,
            self.seed,
            Log::new(file),
            rds,
        ));
        let proxy = Arc::new(Proxy::new(state.clone(), &running));
        let server = tokio::spawn(proxy.serve(listener));
        Ok(LocalAws {
            state,
            server,
            rds_runs,
            running,
        })
    }
}

/// The names of this machine, as `NO_PROXY` wants them.
const LOOPBACK: &str = "127.0.0.1,localhost,::1";

/// Variables that programs under test must not inherit: each would lead them past the local AWS, or to
/// other credentials. Variables that begin with `AWS_ENDPOINT_URL_` belong here too.
pub const REMOVED_VARIABLES: [&str; 8] = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
];

/// A running local AWS. Dropping it ends the emulator and closes the port.
pub struct LocalAws {
    state: Arc<State>,
    server: JoinHandle<()>,
    rds_runs: Option<JoinHandle<()>>,
    running: Running,
}

impl std::fmt::Debug for LocalAws {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LocalAws")
            .field("endpoint", &self.state.endpoint)
            .finish_non_exhaustive()
    }
}

impl LocalAws {
    /// Settings before the start.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts with [`Base::Ministack`] on a free port.
    ///
    /// # Errors
    /// See [`Builder::start`].
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    /// [`Builder::start_or_skip`] without other settings.
    ///
    /// # Errors
    /// Everything that is not this machine's lack: the test should fail.
    pub async fn start_or_skip() -> Result<Option<Self>, StartError> {
        Self::builder().start_or_skip().await
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.state.endpoint
    }

    /// A client for its control pages.
    pub fn control(&self) -> Control {
        Control::new(&self.state.endpoint, self.state.token.reveal())
    }

    /// Variables for programs under test. They must not inherit [`REMOVED_VARIABLES`].
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.state.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
            // Without it a program that finds no credentials waits for a machine's metadata service.
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            // Signed requests go to no proxy.
            ("NO_PROXY", LOOPBACK.into()),
            ("no_proxy", LOOPBACK.into()),
            ("LOCAL_AWS_TOKEN", self.state.token.reveal().to_owned()),
            ("LOCAL_AWS_URL", self.state.endpoint.clone()),
        ]
    }

    /// Switches a region off or on, for new requests and for those on their way. Requests of global
    /// services (IAM, CloudFront, Route 53) are signed for `us-east-1` and follow that region.
    pub fn set_region(&self, region: &str, state: RegionState) {
        self.state.set_region(region, state);
    }

    /// Lets a bucket belong to another account until it is deleted, as if somebody else had made it and allowed
    /// everybody everything: requests that expect another owner are refused, and nobody else can make one of this name.
    /// It need not exist yet.
    ///
    /// # Errors
    /// When `account` is not the number of one.
    pub fn set_bucket_owner(&self, bucket: &str, account: &str) -> Result<(), UnknownAccount> {
        self.state.buckets.give(bucket, account)
    }

    /// RDS, if it is simulated here.
    pub fn rds(&self) -> Option<&Rds> {
        self.state.rds.as_ref()
    }

    /// Adds a fault.
    pub fn add_fault(&self, fault: Fault) -> FaultId {
        self.state.faults(|faults| faults.add(fault))
    }

    /// Removes a fault; `false` when there is none of this id.
    pub fn remove_fault(&self, id: FaultId) -> bool {
        self.state.faults(|faults| faults.remove(id))
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.state.faults(Faults::clear);
    }

    /// The faults, with `times` counted down.
    pub fn faults(&self) -> Vec<(FaultId, Fault)> {
        self.state.faults(|faults| faults.list())
    }

    /// The requests so far, in the order in which their answers began. The last million are kept.
    pub fn log(&self) -> Vec<LogEntry> {
        self.state.log.entries()
    }

    /// Forgets the requests so far; a log file keeps them.
    pub fn clear_log(&self) {
        self.state.log.clear();
    }

    /// Id of the emulator's process, if it is a child of this one.
    pub fn process_id(&self) -> Option<u32> {
        self.running.process_id()
    }

    /// Waits until somebody asks it to stop, [`crate::Control::stop`].
    pub async fn stop_requested(&self) {
        self.state.stop.notified().await;
    }

    /// Closes the port and ends the emulator.
    pub async fn stop(mut self) {
        self.server.abort();
        // Only now is the port certainly closed.
        let _ = (&mut self.server).await;
    }
}

impl Drop for LocalAws {
    fn drop(&mut self) {
        self.server.abort();
        if let Some(runs) = &self.rds_runs {
            runs.abort();
        }
        // Others may still hold a handle on it.
        if let Some(rds) = &self.state.rds {
            rds.end();
        }
    }
}

impl Builder {
    /// Starts it, or returns `None` after a line `skipped: …` on stderr if this machine cannot run it. LocalStack is
    /// left out unless `LOCAL_AWS_LOCALSTACK` is set: it takes 570 MB. Where no [`Builder::cache_dir`] is given, `LOCAL_AWS_CACHE` names
    /// the directory of the emulators.
    ///
    /// # Errors
    /// Everything that is not this machine's lack.
    #[expect(
        clippy::print_stderr,
        reason = "a test that cannot run must say so; there is no other way to tell"
    )]
    pub async fn start_or_skip(mut self) -> Result<Option<LocalAws>, StartError> {
        if self.cache_dir.is_none() {
            self.cache_dir = std::env::var_os("LOCAL_AWS_CACHE").map(PathBuf::from);
        }
        if self.base == Base::Localstack && std::env::var_os("LOCAL_AWS_LOCALSTACK").is_none() {
            eprintln!(
                "skipped: localstack is 570 MB to install, LOCAL_AWS_LOCALSTACK=1 asks for it"
            );
            return Ok(None);
        }
        match self.start().await {
            Ok(aws) => Ok(Some(aws)),
            Err(error) if error.cannot_run_here() => {
                eprintln!("skipped: cannot {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
