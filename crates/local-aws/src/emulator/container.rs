//! The emulator in a container.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use testcontainers::bollard::models::PortBinding;
use testcontainers::core::client::{ClientError, docker_client_instance};
use testcontainers::core::{ContainerPort, IntoContainerPort};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt, TestcontainersError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Wanted;
use super::process::{LISTEN, environment};
use super::venv::Package;
use crate::error::StartError;
use crate::secret::Secret;

const IMAGE: &str = "ministackorg/ministack";
const TAG: &str = "1.5.33";
/// Port of the emulator in the container.
const PORT: u16 = 4566;
/// Port that `container_life.py` serves.
const LIFE: u16 = 4567;

/// From the start of the container to its first sign of life. Measured: below 1 s.
const ALIVE_WITHIN: Duration = Duration::from_secs(60);

/// A container that ends with this value, and with this process however it ends.
pub(super) struct Container {
    container: Option<ContainerAsync<GenericImage>>,
    port: u16,
    /// Its end is the container's end.
    _life: TcpStream,
}

impl Container {
    pub(super) async fn start(wanted: &Wanted) -> Result<Self, StartError> {
        let no_engine = |error: String| StartError::NoEngine { why: error };
        let engine = docker_client_instance()
            .await
            .map_err(|error| no_engine(error.to_string()))?;
        engine
            .ping()
            .await
            .map_err(|error| no_engine(error.to_string()))?;

        let life: &[&str] = &[include_str!("container_life.py")];
        let program = [&LISTEN, life, Package::MINISTACK.bootstrap].concat();
        let (port, life) = (PORT.tcp(), LIFE.tcp());
        let request = GenericImage::new(IMAGE, TAG)
            .with_entrypoint("python3")
            .with_exposed_port(port)
            .with_exposed_port(life)
            .with_cmd(["-c".to_owned(), program.join("\n")])
            .with_host_config_modifier(move |host| {
                host.auto_remove = Some(true);
                host.publish_all_ports = Some(false);
                host.port_bindings = Some(HashMap::from([loopback(port), loopback(life)]));
            });
        let request = environment(wanted)
            .into_iter()
            .fold(request, |request, (name, value)| {
                request.with_env_var(name, value)
            })
            .with_env_var("LOCAL_AWS_LISTEN", format!("0.0.0.0:{PORT}"))
            // Tells the container of one instance from those of others.
            .with_label("local-aws.proxy-port", wanted.proxy_port.to_string());
        let container = request.start().await.map_err(failed)?;
        let host_port = |port: ContainerPort| container.get_host_port_ipv4(port);
        let (port, life_port) = (
            host_port(port).await.map_err(failed)?,
            host_port(life).await.map_err(failed)?,
        );
        let life =
            connect(life_port, &wanted.secret)
                .await
                .map_err(|source| StartError::Container {
                    source: source.into(),
                })?;
        Ok(Self {
            container: Some(container),
            port,
            _life: life,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Removal needs a runtime. Without one the end of the connection ends the container, and the
        // engine removes it.
        if tokio::runtime::Handle::try_current().is_err() {
            std::mem::forget(self.container.take());
        }
    }
}

fn loopback(port: ContainerPort) -> (String, Option<Vec<PortBinding>>) {
    let binding = PortBinding {
        host_ip: Some("127.0.0.1".into()),
        host_port: Some(String::new()),
    };
    (port.to_string(), Some(vec![binding]))
}

fn failed(error: TestcontainersError) -> StartError {
    match error {
        TestcontainersError::Client(ClientError::PullImage { descriptor, err }) => {
            StartError::Image {
                image: descriptor,
                why: err.to_string(),
            }
        }
        error => StartError::Container {
            source: error.into(),
        },
    }
}

/// An engine's own proxy may take the connection before the container does: only the byte counts.
async fn connect(port: u16, secret: &Secret) -> io::Result<TcpStream> {
    let deadline = Instant::now() + ALIVE_WITHIN;
    loop {
        let attempt = async {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all(secret.reveal().as_bytes()).await?;
            stream.read_u8().await?;
            Ok(stream)
        };
        match tokio::time::timeout_at(deadline, attempt).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(_)) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
        }
    }
}
