//! What a child process may reach in an outage: AWS without the lost region, and no registry.
//!
//! Programs that are not ours keep to no type. But they send what goes over HTTPS through the proxy that their environment
//! names: this one connects them to AWS alone, but for one region, and remembers whom else they asked for.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use settings::Region;
use terraform::Environment;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
    copy_bidirectional,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Where AWS answers, in all partitions:
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html>.
const OF_AWS: [&str; 4] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
];
/// Lines of a request's head, and bytes of a line: whoever sends more is no client of a proxy.
const MOST_LINES: usize = 64;
const MOST_BYTES: u64 = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(10);
/// The variables that name a proxy, and those that name who is reached without.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const DIRECT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy on this machine, as long as it is kept.
#[derive(Debug)]
pub(super) struct Wall {
    address: SocketAddr,
    refused: Arc<Mutex<BTreeSet<String>>>,
    serving: JoinHandle<()>,
}

impl Wall {
    /// One that does not let `lost` be reached.
    pub(super) async fn open(lost: Region) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let refused = Arc::new(Mutex::new(BTreeSet::new()));
        let serving = tokio::spawn(serve(listener, lost, refused.clone()));
        Ok(Self {
            address,
            refused,
            serving,
        })
    }

    /// The environment in which a child is behind it. An error where the environment has a proxy of its own, which only
    /// that knows the way out.
    pub(super) fn around(&self, environment: Environment) -> Result<Environment, String> {
        let is_set = |name: &&&str| environment.get(name).is_some_and(|value| !value.is_empty());
        if let Some(name) = PROXIES.iter().find(is_set) {
            return Err(format!(
                "{name} leads through a proxy, behind which nobody sees whom terraform calls"
            ));
        }
        let proxy = format!("http://{}", self.address);
        let walled = PROXIES.iter().take(2);
        let environment = walled.fold(environment, |all, name| all.with(*name, proxy.as_str()));
        // What is on this machine is reached without.
        let direct = DIRECT.iter();
        Ok(direct.fold(environment, |all, name| {
            all.with(
                *name,
                "localhost,127.0.0.1,::1,169.254.169.254,169.254.170.2",
            )
        }))
    }

    /// Whom the children asked for and were not let reach.
    pub(super) fn refused(&self) -> Vec<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.iter().cloned().collect()
    }
}

impl Drop for Wall {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Whether a host is one of a region: its name is a part of the host's.
pub(super) fn is_of(host: &str, region: Region) -> bool {
    host.split('.').any(|label| label == region.as_str())
}

fn may_reach(host: &str, lost: Region) -> bool {
    let host = host.to_ascii_lowercase();
    OF_AWS.iter().any(|end| host.ends_with(end)) && !is_of(&host, lost)
}

async fn serve(listener: TcpListener, lost: Region, refused: Arc<Mutex<BTreeSet<String>>>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let refused = refused.clone();
                tokio::spawn(async move {
                    // A client that goes away is its own affair.
                    let _: io::Result<()> = pass(client, lost, &refused).await;
                });
            }
            // Too many open files: others will be closed.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// `CONNECT host:port`, and what is sent then (RFC 9110, section 9.3.6).
async fn pass(
    client: TcpStream,
    lost: Region,
    refused: &Mutex<BTreeSet<String>>,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let head = timeout(PATIENCE, head(&mut client)).await;
    let request = match head {
        Ok(Ok(head)) => head,
        Ok(Err(error)) => return Err(error),
        Err(_) => return Ok(()),
    };
    let mut words = request.split_ascii_whitespace();
    let target = match (words.next(), words.next()) {
        (Some("CONNECT"), Some(target)) => target,
        (_, target) => target.unwrap_or_default(),
    };
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
    if !request.starts_with("CONNECT ") || !may_reach(host, lost) {
        {
            let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.insert(host.to_owned());
        }
        return client
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .await;
    }
    let mut server = match timeout(PATIENCE, TcpStream::connect(target)).await {
        Ok(Ok(server)) => server,
        _ => {
            return client
                .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                .await;
        }
    };
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// The first line of a request; the others are read and dropped.
async fn head(client: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut first = String::new();
    for line in 0..MOST_LINES {
        let mut text = String::new();
        let mut limited = (&mut *client).take(MOST_BYTES);
        limited.read_line(&mut text).await?;
        match text.trim_end() {
            "" => return Ok(first),
            rest if line == 0 => first = rest.to_owned(),
            _ => {}
        }
    }
    Err(io::Error::other("the head of a request has too many lines"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Region {
        "ca-central-1".parse().unwrap()
    }

    #[test]
    fn may_reach_aws_without_the_lost_region_and_nobody_else() {
        for host in [
            "sts.ca-west-1.amazonaws.com",
            "my-ca-central-1-state.s3.ca-west-1.amazonaws.com",
            "iam.amazonaws.com",
            "S3.dualstack.ca-west-1.amazonaws.com",
        ] {
            assert!(may_reach(host, lost()), "{host}");
        }
        for host in [
            "sts.ca-central-1.amazonaws.com",
            "b.s3.dualstack.ca-central-1.amazonaws.com",
            "b.s3.CA-CENTRAL-1.amazonaws.com",
            "registry.terraform.io",
            "releases.hashicorp.com",
            "amazonaws.com.example.org",
            "",
        ] {
            assert!(!may_reach(host, lost()), "{host}");
        }
    }

    #[tokio::test]
    async fn pass_refuses_a_registry_and_remembers_it() {
        let wall = Wall::open(lost()).await.unwrap();
        let mut client = TcpStream::connect(wall.address).await.unwrap();
        let request = b"CONNECT registry.terraform.io:443 HTTP/1.1\r\nHost: registry.terraform.io:443\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert_eq!(wall.refused(), ["registry.terraform.io"]);
    }

    #[tokio::test]
    async fn around_an_environment_with_a_proxy_of_its_own_is_an_error() {
        let wall = Wall::open(lost()).await.unwrap();
        let environment = Environment::default().with("NO_PROXY", "amazonaws.com");
        let walled = wall.around(environment).unwrap();
        assert!(
            walled
                .get("HTTPS_PROXY")
                .is_some_and(|proxy| !proxy.is_empty())
        );
        assert!(
            !walled
                .get("NO_PROXY")
                .unwrap()
                .to_str()
                .unwrap()
                .contains("amazonaws")
        );
        let behind = Environment::default().with("https_proxy", "http://proxy:3128");
        assert!(wall.around(behind).unwrap_err().contains("https_proxy"));
    }
}
