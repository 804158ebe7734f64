//! One server.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use super::{DataError, Directory, Tools, at};

/// The superuser, as on RDS: nobody is told its password.
pub(super) const ADMIN: &str = "rdsadmin";

/// Measured: 0.1 to 0.4 s, with a recovery 1 s; a loaded machine needs several times that.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How often something is looked at that is a matter of milliseconds.
const LOOK: Duration = Duration::from_millis(10);

/// A server, running or not.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) region: String,
    /// Holds `data`, and what the server writes on stderr.
    pub(super) home: Directory,
    /// Its archive: whole segments of its log.
    pub(super) segments: Arc<Directory>,
    pub(super) port: u16,
    pub(super) running: Option<Running>,
    /// Its region is off: it starts when that is back.
    pub(super) suspended: bool,
    /// Settings of its certificate.
    tls: Vec<String>,
    /// Transactions known to be in the archive.
    archived: Option<(String, String)>,
}

/// A server that answers.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    client: Client,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// Once running transactions have ended, with a checkpoint.
    Orderly,
    /// As by a loss of power; what was committed is there at the next start.
    AtOnce,
}

impl Server {
    pub(super) fn new(
        region: &str,
        home: Directory,
        segments: Arc<Directory>,
        tls: Vec<String>,
    ) -> Self {
        Self {
            region: region.to_owned(),
            home,
            segments,
            port: 0,
            running: None,
            suspended: false,
            tls,
            archived: None,
        }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Starts it and waits until it serves, on the port that it had if that is free; `more` are settings
    /// for this time only.
    pub(super) async fn start(
        &mut self,
        tools: &Tools,
        password: &str,
        more: &[String],
    ) -> Result<(), DataError> {
        // A port that was free may be taken by the time the server binds it.
        let mut attempts = 3;
        loop {
            attempts -= 1;
            let home = self.home.path();
            let port = free_port(self.port).map_err(at(home))?;
            match self.try_start(tools, password, port, more).await {
                Ok(running) => {
                    self.port = port;
                    self.running = Some(running);
                    return Ok(());
                }
                Err(DataError::NotReady { output })
                    if attempts > 0 && output.contains("Address already in use") =>
                {
                    self.port = 0;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_start(
        &self,
        tools: &Tools,
        password: &str,
        port: u16,
        more: &[String],
    ) -> Result<Running, DataError> {
        let path = self.home.path().join("server.log");
        let log = File::create(&path).map_err(at(&path))?;
        let archive = self.segments.path().display();
        let mut command = tools.command("postgres");
        command.arg("-D").arg(self.data());
        let settings = [
            format!("port={port}"),
            // Under another name first: who lists the archive sees whole segments only.
            format!(
                "archive_command=cp \"%p\" \"{archive}/%f.part\" && mv \"{archive}/%f.part\" \"{archive}/%f\""
            ),
        ];
        for setting in SETTINGS
            .iter()
            .copied()
            .chain(settings.iter().map(String::as_str))
            .chain(self.tls.iter().map(String::as_str))
            .chain(more.iter().map(String::as_str))
        {
            command.args(["-c", setting]);
        }
        let mut child = command
            .stdout(log.try_clone().map_err(at(&path))?)
            .stderr(log)
            .spawn()
            .map_err(|source| DataError::Run {
                program: "postgres",
                source,
            })?;
        let deadline = Instant::now() + READY_WITHIN;
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(port)
            .user(ADMIN)
            .password(password)
            .dbname("postgres");
        loop {
            let ended = child.try_wait().map_err(at(&path))?.is_some();
            if ended || Instant::now() > deadline {
                kill(&child, Stop::AtOnce);
                let output = fs::read_to_string(&path).unwrap_or_default();
                let lines: Vec<&str> = output.lines().collect();
                let output = lines[lines.len().saturating_sub(8)..].join("\n");
                return Err(DataError::NotReady { output });
            }
            // Refused, or starting up.
            if let Ok((client, connection)) = config.connect(NoTls).await {
                tokio::spawn(connection);
                return Ok(Running { child, client });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(super) fn client(&self) -> Result<&Client, DataError> {
        match &self.running {
            Some(running) => Ok(&running.client),
            None => Err(DataError::Absent(self.home.path().display().to_string())),
        }
    }

    /// Waits for the end of a recovery.
    pub(super) async fn recovered(&self) -> Result<(), DataError> {
        let deadline = Instant::now() + READY_WITHIN;
        while self
            .client()?
            .query_one("SELECT pg_is_in_recovery()", &[])
            .await?
            .get(0)
        {
            if Instant::now() > deadline {
                return Err(DataError::NotReady {
                    output: "the recovery does not end".into(),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Archives the log up to now, if there is something new in it; returns the last segment.
    pub(super) async fn archive(&mut self) -> Result<Option<String>, DataError> {
        let client = self.client()?;
        // Changes with every transaction that begins or ends, not with what the server writes by itself.
        let snapshot = async || -> Result<String, DataError> {
            let row = client
                .query_one("SELECT pg_current_snapshot()::text", &[])
                .await?;
            Ok(row.get(0))
        };
        let before = snapshot().await?;
        if let Some((known, segment)) = &self.archived
            && *known == before
        {
            return Ok(Some(segment.clone()));
        }
        // A recovery to a time in between stops at the first commit after it: here is one.
        client
            .query_one("SELECT pg_current_xact_id()::text", &[])
            .await?;
        let after = snapshot().await?;
        let row = client
            .query_one("SELECT pg_walfile_name(pg_switch_wal())", &[])
            .await?;
        let segment: String = row.get(0);
        let file = self.segments.path().join(&segment);
        let deadline = Instant::now() + READY_WITHIN;
        while !file.exists() {
            if Instant::now() > deadline {
                return Err(DataError::NotArchived { segment });
            }
            tokio::time::sleep(LOOK).await;
        }
        self.archived = Some((after, segment.clone()));
        Ok(Some(segment))
    }

    /// Stops it and waits for its end.
    pub(super) async fn stop(&mut self, how: Stop) {
        if let Some(mut running) = self.running.take() {
            kill(&running.child, how);
            drop(running.client);
            let ended = tokio::time::timeout(READY_WITHIN, running.child.wait()).await;
            if ended.is_err() {
                tracing::warn!(port = self.port, "a server does not stop");
                kill(&running.child, Stop::AtOnce);
            }
        }
    }
}

/// Small, quiet, and not safe against a loss of power of the machine.
const SETTINGS: [&str; 17] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "shared_buffers=8MB",
    "max_connections=50",
    "max_wal_senders=4",
    "max_worker_processes=2",
    "autovacuum=off",
    "jit=off",
    "wal_level=replica",
    "wal_keep_size=32MB",
    "min_wal_size=2MB",
    "max_wal_size=64MB",
    "archive_mode=on",
    "timezone=UTC",
    "log_timezone=UTC",
    "logging_collector=off",
];

fn kill(child: &Child, how: Stop) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(Pid::from_raw) {
        let signal = match how {
            Stop::Orderly => Signal::INT,
            Stop::AtOnce => Signal::QUIT,
        };
        // It may have ended in between.
        let _ = kill_process(id, signal);
    }
}

/// The wanted port if it is free, else another.
fn free_port(wanted: u16) -> std::io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", wanted))
        .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
    Ok(listener.local_addr()?.port())
}

/// The settings that let a server recover from an archive, and then go on by itself.
pub(super) fn recovery_settings(archive: &Path, until: Option<jiff::Timestamp>) -> Vec<String> {
    let mut settings = vec![
        format!("restore_command=cp \"{}/%f\" \"%p\"", archive.display()),
        "recovery_target_action=promote".to_owned(),
    ];
    if let Some(until) = until {
        // An offset: names of time zones, Z among them, are not known this early.
        let until = until.strftime("%Y-%m-%d %H:%M:%S%.6f+00");
        settings.push(format!("recovery_target_time={until}"));
    }
    settings
}
