//! Redis with TLS.

use std::fs::{self, File};

use tempfile::TempDir;

use super::{Server, command, free_port, give, program, wait_for};
use crate::certificates::Pair;
use crate::hunt::TOKEN;

/// How a server differs from a good one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    pub(crate) without_tls: bool,
    pub(crate) open: bool,
    pub(crate) replica: bool,
}

/// Starts one, or says why this machine cannot.
pub(crate) fn start(pair: &Pair, how: How) -> Option<Server> {
    let Some(redis) = program("redis-server") else {
        eprintln!("skipped: redis-server is not installed");
        return None;
    };
    let files = TempDir::new().unwrap();
    let at = |name: &str| files.path().join(name);
    give(files.path(), 0o700);
    for (from, to) in [(&pair.certificate, "server.pem"), (&pair.key, "server.key")] {
        fs::copy(from, at(to)).unwrap();
        give(&at(to), 0o600);
    }
    let port = free_port();
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        "save \"\"".to_owned(),
        format!("dir {}", files.path().display()),
    ];
    if how.without_tls {
        lines.push(format!("port {port}"));
    } else {
        lines.extend([
            "port 0".to_owned(),
            format!("tls-port {port}"),
            format!("tls-cert-file {}", at("server.pem").display()),
            format!("tls-key-file {}", at("server.key").display()),
            "tls-auth-clients no".to_owned(),
        ]);
    }
    if !how.open {
        lines.push(format!("requirepass \"{TOKEN}\""));
    }
    if how.replica {
        lines.push(format!("replicaof 127.0.0.1 {}", free_port()));
    }
    fs::write(at("redis.conf"), lines.join("\n")).unwrap();
    give(&at("redis.conf"), 0o600);
    let log = File::create(at("log")).unwrap();
    let mut child = command(&redis)
        .arg(at("redis.conf"))
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    wait_for(port, &mut child, &at("log"));
    Some(Server { port, child, files })
}
