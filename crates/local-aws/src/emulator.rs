//! The emulator behind the proxy.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http::uri::Authority;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::bucket::Rules;
use crate::error::StartError;
use crate::secret::Secret;

mod container;
mod process;
mod venv;

use container::Container;
use process::Process;
use venv::Package;

/// What answers behind the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// ministack 1.5.33 as a child process, state in memory only.
    #[default]
    Ministack,
    /// moto server 5.2.5 as a child process, state in memory only.
    Moto,
    /// LocalStack 4.7.0, the Community edition, as a child process: S3, IAM, KMS, STS, SNS, Secrets Manager, logs and
    /// EC2, but no RDS, no replication, and no DynamoDB unless it finds a way to download it.
    Localstack,
    /// ministack 1.5.33 in a container of the local engine that `DOCKER_HOST` names.
    Docker,
    /// Something that already runs, `http://HOST:PORT`.
    Url(String),
}

impl fmt::Display for Base {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ministack => "ministack",
            Self::Moto => "moto",
            Self::Localstack => "localstack",
            Self::Docker => "docker",
            Self::Url(url) => url,
        })
    }
}

/// Neither the name of a base nor an `http://` URL.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no base: those are ministack, moto, localstack, docker and http://HOST:PORT")]
pub struct UnknownBase(String);

impl FromStr for Base {
    type Err = UnknownBase;

    fn from_str(text: &str) -> Result<Self, UnknownBase> {
        match text {
            "ministack" => Ok(Self::Ministack),
            "moto" => Ok(Self::Moto),
            "localstack" => Ok(Self::Localstack),
            "docker" => Ok(Self::Docker),
            url if url.starts_with("http://") => Ok(Self::Url(url.to_owned())),
            other => Err(UnknownBase(other.to_owned())),
        }
    }
}

/// A service whose customers' code an emulator can run, as processes of this machine with the rights of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// Functions of Lambda.
    Lambda,
    /// Scripts of Glue's jobs.
    Glue,
}

impl fmt::Display for Execution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Lambda => "lambda",
            Self::Glue => "glue",
        })
    }
}

/// Not the name of a service whose code can be run.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} runs no code here: those that can are lambda and glue")]
pub struct UnknownExecution(String);

impl FromStr for Execution {
    type Err = UnknownExecution;

    fn from_str(text: &str) -> Result<Self, UnknownExecution> {
        match text {
            "lambda" => Ok(Self::Lambda),
            "glue" => Ok(Self::Glue),
            other => Err(UnknownExecution(other.to_owned())),
        }
    }
}

/// How long a base may take from its start to its first answer. Measured: 0.2 to 1 s; a loaded machine
/// with two cores needs several times that.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A base that answers.
pub(crate) struct Running {
    pub(crate) authority: Authority,
    /// What the proxy has to add.
    pub(crate) rules: Rules,
    /// What it wants to hear from who asks it; `None` where it was not started here.
    pub(crate) secret: Option<Secret>,
    /// Whether it wants to know which regions are down: see `replication.py`.
    pub(crate) holds_replication: bool,
    kept: Kept,
}

/// What ends with the base.
enum Kept {
    Process(Process),
    Container(Box<Container>),
    Nothing,
}

impl Running {
    /// Id of the child process, if there is one.
    pub(crate) fn process_id(&self) -> Option<u32> {
        match &self.kept {
            Kept::Process(process) => Some(process.id()),
            Kept::Container(_) | Kept::Nothing => None,
        }
    }
}

impl Kept {
    fn port(&self) -> u16 {
        match self {
            Self::Process(process) => process.port(),
            Self::Container(container) => container.port(),
            Self::Nothing => 0,
        }
    }

    fn last_words(self) -> String {
        match self {
            Self::Process(mut process) => process.end(),
            Self::Container(_) | Self::Nothing => String::new(),
        }
    }
}

/// Where programs and files for child processes are.
pub(crate) struct Places {
    pub(crate) cache: PathBuf,
    pub(crate) python: PathBuf,
}

/// How an emulator shall run.
pub(crate) struct Wanted {
    /// The port that URLs in its answers lead to.
    pub(crate) proxy_port: u16,
    /// Whose code it may run as processes of its own.
    pub(crate) executions: Vec<Execution>,
    /// Known to the proxy and to the emulator, and to nobody else.
    pub(crate) secret: Secret,
}

impl Wanted {
    pub(crate) fn new(proxy_port: u16, executions: Vec<Execution>) -> Result<Self, StartError> {
        let secret = Secret::random().map_err(|source| StartError::Secret { source })?;
        Ok(Self {
            proxy_port,
            executions,
            secret,
        })
    }
}

impl Base {
    /// Starts the base and waits until it answers.
    pub(crate) async fn start(
        &self,
        places: &Places,
        wanted: Wanted,
    ) -> Result<Running, StartError> {
        // All others would run it in containers, and no engine is told to them.
        let runs_code = matches!(self, Self::Ministack | Self::Docker);
        if let (false, Some(execution)) = (runs_code, wanted.executions.first()) {
            return Err(StartError::NoExecution {
                base: self.to_string(),
                service: execution.to_string(),
            });
        }
        let process = async |package: Package| {
            let python = venv::prepare(package, places).await?;
            Process::start(&python, package.bootstrap, &wanted)
                .await
                .map(Kept::Process)
        };
        // The rules are what each base was seen to lack: docs/local-aws.md.
        let ministack = Rules {
            default_account: Some("000000000000"),
            ..Rules::default()
        };
        let (kept, ready_path, rules) = match self {
            Self::Ministack => (
                process(Package::MINISTACK).await?,
                MINISTACK_READY,
                ministack,
            ),
            Self::Docker => (
                Kept::Container(Box::new(Container::start(&wanted).await?)),
                MINISTACK_READY,
                ministack,
            ),
            Self::Moto => {
                let rules = Rules {
                    redirects: true,
                    accounts: true,
                    copy_conditions: true,
                    default_account: Some("123456789012"),
                };
                (process(Package::MOTO).await?, "/moto-api/", rules)
            }
            Self::Localstack => {
                let rules = Rules {
                    redirects: true,
                    accounts: true,
                    copy_conditions: true,
                    default_account: Some("000000000000"),
                };
                let kept = process(Package::LOCALSTACK).await?;
                (kept, "/_localstack/health", rules)
            }
            Self::Url(_) => (
                Kept::Nothing,
                "/",
                Rules {
                    redirects: true,
                    accounts: false,
                    copy_conditions: true,
                    default_account: None,
                },
            ),
        };
        let authority = match self {
            Self::Url(url) => authority_of(url)?,
            _ => authority_of(&format!("http://127.0.0.1:{}", kept.port()))?,
        };
        if let Err(why) = wait_until_ready(&authority, ready_path).await {
            return Err(StartError::NotReady {
                base: self.to_string(),
                why,
                output: kept.last_words(),
            });
        }
        let holds_replication = matches!(self, Self::Ministack | Self::Docker);
        let secret = (!matches!(self, Self::Url(_))).then_some(wanted.secret);
        Ok(Running {
            authority,
            rules,
            secret,
            holds_replication,
            kept,
        })
    }
}

/// Answered once ministack is up.
const MINISTACK_READY: &str = "/_ministack/health";

fn authority_of(url: &str) -> Result<Authority, StartError> {
    let bad = || StartError::Url {
        url: url.to_owned(),
    };
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let authority = uri.authority().cloned().ok_or_else(bad)?;
    let plain =
        uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
    if plain { Ok(authority) } else { Err(bad()) }
}

/// One request that waits in the listening socket's queue until the base takes it: any answer will do.
async fn wait_until_ready(authority: &Authority, path: &str) -> Result<(), String> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri: Uri = format!("http://{authority}{path}")
        .parse()
        .map_err(|error: http::uri::InvalidUri| error.to_string())?;
    match tokio::time::timeout(READY_WITHIN, client.get(uri)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => Err(format!("no answer within {} s", READY_WITHIN.as_secs())),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
