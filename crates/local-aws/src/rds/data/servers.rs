//! All servers of one local AWS.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::sync::{Mutex, OnceCell};

use super::authority::Authority;
use super::server::{ADMIN, Server, Stop, recovery_settings};
use super::watchdog::Watchdog;
use super::{DataError, Directory, Tools, at, ship};

/// The servers, by the resource id of their instance.
#[derive(Debug)]
pub(crate) struct Servers {
    tools: Tools,
    root: PathBuf,
    authority: Authority,
    password: String,
    template: OnceCell<PathBuf>,
    servers: Mutex<BTreeMap<String, Server>>,
    made: AtomicU64,
    watchdog: std::sync::Mutex<Option<Watchdog>>,
}

/// From what a server starts.
pub(crate) enum Start<'start> {
    New {
        user: &'start str,
        password: &'start str,
        database: Option<&'start str>,
    },
    /// A copy of files, then the segments of an archive up to one, and in that up to a real time.
    Restored {
        base: &'start Path,
        segments: Option<(&'start Path, &'start str)>,
        until: Option<Timestamp>,
    },
    /// Following the server of this resource id.
    Replica(&'start str),
}

impl Servers {
    /// A place for servers; they end with this process, however it ends.
    pub(crate) fn new(tools: Tools) -> Result<Self, DataError> {
        let root = tempfile::Builder::new()
            .prefix("local-aws-rds-")
            .tempdir()
            .map_err(at(&std::env::temp_dir()))?
            .keep();
        let watchdog = Watchdog::start(&root).map_err(|source| DataError::Run {
            program: "sh",
            source,
        })?;
        tools.give(&root)?;
        Ok(Self {
            authority: Authority::new(&tools, &root)?,
            tools,
            root,
            password: random()?,
            template: OnceCell::new(),
            servers: Mutex::default(),
            made: AtomicU64::new(0),
            watchdog: std::sync::Mutex::new(Some(watchdog)),
        })
    }

    /// The certificate of the authority that signs those of the servers, in PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority.pem
    }

    /// Ends all servers and removes their files.
    pub(crate) fn end(&self) {
        drop(super::super::lock(&self.watchdog).take());
    }

    /// A new directory in a region, of the servers' user.
    pub(crate) fn directory(&self, region: &str, kind: &str) -> Result<Arc<Directory>, DataError> {
        let path = self.place(region, kind)?;
        self.tools.make(&path)?;
        Ok(Arc::new(Directory::new(path)))
    }

    /// A new path in a region.
    fn place(&self, region: &str, kind: &str) -> Result<PathBuf, DataError> {
        let region = self.root.join(region);
        self.tools.make(&region)?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Ok(region.join(format!("{kind}-{number}")))
    }

    /// An empty cluster, made once and then copied: initdb takes a second.
    async fn template(&self) -> Result<&Path, DataError> {
        let template = self.template.get_or_try_init(async || {
            let path = self.root.join("template");
            let secret = self.root.join("password");
            fs::write(&secret, &self.password).map_err(at(&secret))?;
            self.tools.give(&secret)?;
            let made = self
                .tools
                .run("initdb", |command| {
                    command
                        .arg("-D")
                        .arg(&path)
                        .args(["-U", ADMIN, "-A", "scram-sha-256", "-E", "UTF8"])
                        .args(["--locale=C", "--no-sync", "--wal-segsize=1"])
                        .arg("--pwfile")
                        .arg(&secret)
                })
                .await;
            fs::remove_file(&secret).map_err(at(&secret))?;
            made.map(|()| path)
        });
        Ok(template.await?)
    }

    async fn copy(&self, from: &Path, to: &Path) -> Result<(), DataError> {
        self.tools
            .run("cp", |command| command.arg("-a").arg(from).arg(to))
            .await
    }

    /// Starts a new server; returns its port.
    pub(crate) async fn create(
        &self,
        id: &str,
        region: &str,
        start: Start<'_>,
    ) -> Result<u16, DataError> {
        let home = self.place(region, "instance")?;
        self.tools.make(&home)?;
        let home = Directory::new(home);
        let segments = self.directory(region, "segments")?;
        let mut server = Server::new(region, home, segments, self.authority.settings());
        let mut more = Vec::new();
        match &start {
            Start::New { .. } => self.copy(self.template().await?, &server.data()).await?,
            Start::Restored {
                base,
                segments,
                until,
            } => {
                self.copy(base, &server.data()).await?;
                if let Some((archive, through)) = segments {
                    let own = server.home.path().join("restore");
                    self.tools.make(&own)?;
                    ship(archive, &own, through)?;
                    let signal = server.data().join("recovery.signal");
                    fs::write(&signal, "").map_err(at(&signal))?;
                    self.tools.give(&signal)?;
                    more = recovery_settings(&own, *until);
                }
            }
            Start::Replica(source) => {
                let port = self.port(source).await?;
                self.base_backup(port, &server.data(), &["-R"]).await?;
            }
        }
        server.start(&self.tools, &self.password, &more).await?;
        if let Err(error) = settle(&server, &start).await {
            server.stop(Stop::AtOnce).await;
            return Err(error);
        }
        let port = server.port;
        self.servers.lock().await.insert(id.to_owned(), server);
        Ok(port)
    }

    async fn port(&self, id: &str) -> Result<u16, DataError> {
        let servers = self.servers.lock().await;
        let server = servers.get(id).filter(|server| server.running.is_some());
        server
            .map(|server| server.port)
            .ok_or_else(|| DataError::Absent(id.to_owned()))
    }

    async fn base_backup(&self, port: u16, to: &Path, more: &[&str]) -> Result<(), DataError> {
        self.tools
            .run("pg_basebackup", |command| {
                command
                    .args(["-h", "127.0.0.1", "-U", ADMIN, "-c", "fast"])
                    .args(["--no-sync", "--no-manifest", "-p", &port.to_string()])
                    .args(more)
                    .arg("-D")
                    .arg(to)
                    .env("PGPASSWORD", &self.password)
            })
            .await
    }

    /// The files of a server as they are now.
    pub(crate) async fn capture(&self, id: &str) -> Result<Arc<Directory>, DataError> {
        let (port, region) = {
            let servers = self.servers.lock().await;
            let server = servers
                .get(id)
                .ok_or_else(|| DataError::Absent(id.to_owned()))?;
            if server.running.is_none() {
                // It was stopped in order: its files are whole.
                let path = self.place(&server.region, "base")?;
                self.copy(&server.data(), &path).await?;
                return Ok(Arc::new(Directory::new(path)));
            }
            (server.port, server.region.clone())
        };
        let base = self.directory(&region, "base")?;
        self.base_backup(port, base.path(), &[]).await?;
        Ok(base)
    }

    /// The archive of a server.
    pub(crate) async fn segments(&self, id: &str) -> Option<Arc<Directory>> {
        let servers = self.servers.lock().await;
        Some(servers.get(id)?.segments.clone())
    }

    /// See [`Server::archive`].
    pub(crate) async fn archive(&self, id: &str) -> Result<Option<String>, DataError> {
        match self.servers.lock().await.get_mut(id) {
            Some(server) => server.archive().await,
            None => Err(DataError::Absent(id.to_owned())),
        }
    }

    /// Starts a server that was stopped; returns its port.
    pub(crate) async fn start(&self, id: &str) -> Result<u16, DataError> {
        let mut servers = self.servers.lock().await;
        let server = servers
            .get_mut(id)
            .ok_or_else(|| DataError::Absent(id.to_owned()))?;
        if server.running.is_none() {
            server.start(&self.tools, &self.password, &[]).await?;
        }
        Ok(server.port)
    }

    /// Stops a server.
    pub(crate) async fn stop(&self, id: &str) {
        if let Some(server) = self.servers.lock().await.get_mut(id) {
            server.stop(Stop::Orderly).await;
        }
    }

    /// Stops a server and removes its files.
    pub(crate) async fn remove(&self, id: &str) {
        if let Some(mut server) = self.servers.lock().await.remove(id) {
            server.stop(Stop::AtOnce).await;
        }
    }

    /// Makes a replica a server of its own.
    pub(crate) async fn promote(&self, id: &str) -> Result<(), DataError> {
        let servers = self.servers.lock().await;
        let server = servers
            .get(id)
            .ok_or_else(|| DataError::Absent(id.to_owned()))?;
        server
            .client()?
            .query_one("SELECT pg_promote(true, 60)", &[])
            .await?;
        server.recovered().await
    }

    /// Sets a user's password.
    pub(crate) async fn set_password(
        &self,
        id: &str,
        user: &str,
        password: &str,
    ) -> Result<(), DataError> {
        let servers = self.servers.lock().await;
        let server = servers
            .get(id)
            .ok_or_else(|| DataError::Absent(id.to_owned()))?;
        let password = quoted(password);
        let script = format!("ALTER ROLE \"{user}\" PASSWORD {password}");
        Ok(server.client()?.batch_execute(&script).await?)
    }

    /// Stops the servers of regions that are off, at once as an outage does, and starts those of regions
    /// that are back. Returns the ports of those, or why one did not start.
    pub(crate) async fn follow(
        &self,
        down: impl Fn(&str) -> bool,
    ) -> Vec<(String, Result<u16, DataError>)> {
        let mut started = Vec::new();
        for (id, server) in self.servers.lock().await.iter_mut() {
            let off = down(&server.region);
            if off && server.running.is_some() {
                server.stop(Stop::AtOnce).await;
                server.suspended = true;
            } else if !off && server.suspended {
                server.suspended = false;
                let result = server.start(&self.tools, &self.password, &[]).await;
                started.push((id.clone(), result.map(|()| server.port)));
            }
        }
        started
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.end();
    }
}

/// What is left to do once a new server answers.
async fn settle(server: &Server, start: &Start<'_>) -> Result<(), DataError> {
    match start {
        Start::New {
            user,
            password,
            database,
        } => {
            let client = server.client()?;
            let password = quoted(password);
            let script = format!(
                "CREATE ROLE \"{user}\" LOGIN CREATEDB CREATEROLE PASSWORD {password};
                 ALTER DATABASE postgres OWNER TO \"{user}\";"
            );
            client.batch_execute(&script).await?;
            if let Some(database) = database.filter(|name| *name != "postgres") {
                let create = format!("CREATE DATABASE \"{database}\" OWNER \"{user}\"");
                client.batch_execute(&create).await?;
            }
            Ok(())
        }
        Start::Restored { .. } => server.recovered().await,
        Start::Replica(_) => Ok(()),
    }
}

/// A text for SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// 128 random bits as text.
fn random() -> Result<String, DataError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(at(path))?;
    Ok(hex::encode(bytes))
}
