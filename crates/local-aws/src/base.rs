//! The emulator behind the front.

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

use crate::StartError;
use crate::bucket::Rules;

mod process;
mod venv;

use process::Process;
use venv::Package;

/// What answers behind the front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// ministack 1.5.33 as a child process, state in memory only.
    #[default]
    Ministack,
    /// moto server 5.2.5 as a child process, state in memory only.
    Moto,
    /// Something that already runs, `http://HOST:PORT`.
    Url(String),
}

impl fmt::Display for Base {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ministack => "ministack",
            Self::Moto => "moto",
            Self::Url(url) => url,
        })
    }
}

/// Neither the name of a base nor an `http://` URL.
#[derive(Debug, thiserror::Error)]
#[error("read the base {0:?}: give ministack, moto or http://HOST:PORT")]
pub struct UnknownBase(String);

impl FromStr for Base {
    type Err = UnknownBase;

    fn from_str(text: &str) -> Result<Self, UnknownBase> {
        match text {
            "ministack" => Ok(Self::Ministack),
            "moto" => Ok(Self::Moto),
            url if url.starts_with("http://") => Ok(Self::Url(url.to_owned())),
            other => Err(UnknownBase(other.to_owned())),
        }
    }
}

/// How long a base may take from its start to its first answer. Measured: 0.2 to 1 s; a loaded machine
/// with two cores needs several times that.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A base that answers.
pub(crate) struct Running {
    pub(crate) authority: Authority,
    /// What the front has to add.
    pub(crate) rules: Rules,
    /// Whether it wants to know which regions are down: see `replication.py`.
    pub(crate) holds_replication: bool,
    /// Ends with this value.
    process: Option<Process>,
}

impl Running {
    /// Id of the child process, if there is one.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }
}

/// Where programs and files for child processes are.
pub(crate) struct Places {
    pub(crate) cache: PathBuf,
    pub(crate) python: PathBuf,
}

impl Base {
    /// Starts the base and waits until it answers. URLs that it hands out shall lead to `front_port`.
    pub(crate) async fn start(
        &self,
        places: &Places,
        front_port: u16,
    ) -> Result<Running, StartError> {
        // What each base was seen to do: docs/local-aws.md.
        let (package, ready_path, rules) = match self {
            Self::Ministack => (Package::MINISTACK, "/_ministack/health", Rules::default()),
            Self::Moto => (
                Package::MOTO,
                "/moto-api/",
                Rules {
                    redirects: true,
                    accounts: true,
                },
            ),
            Self::Url(url) => {
                let authority = authority_of(url)?;
                wait_until_ready(&authority, "/").await.map_err(|why| {
                    StartError::NotReachable {
                        url: url.clone(),
                        why,
                    }
                })?;
                let rules = Rules {
                    redirects: true,
                    accounts: false,
                };
                return Ok(Running {
                    authority,
                    rules,
                    holds_replication: false,
                    process: None,
                });
            }
        };
        let python = venv::prepare(package, places).await?;
        let mut process = Process::start(&python, package.bootstrap, front_port).await?;
        let authority = authority_of(&format!("http://127.0.0.1:{}", process.port()))?;
        if let Err(why) = wait_until_ready(&authority, ready_path).await {
            return Err(StartError::NotReady {
                name: package.name,
                why,
                output: process.end(),
            });
        }
        Ok(Running {
            authority,
            rules,
            holds_replication: *self == Self::Ministack,
            process: Some(process),
        })
    }
}

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
