//! PostgreSQL with TLS.

use std::fs::{self, File};

use tempfile::TempDir;

use super::{Server, command, free_port, give, program, wait_for};
use crate::certificates::Pair;
use crate::hunt::PASSWORD;

/// The user, whose database is `postgres`.
pub(crate) const USER: &str = "berthcare_admin";

/// How a server differs from a good one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    pub(crate) without_tls: bool,
    pub(crate) plain_accepted: bool,
    pub(crate) replica: bool,
    pub(crate) read_only: bool,
    pub(crate) logs_statements: bool,
}

/// Starts one, or says why this machine cannot.
pub(crate) fn start(pair: &Pair, how: How) -> Option<Server> {
    let (Some(initdb), Some(postgres)) = (program("initdb"), program("postgres")) else {
        eprintln!("skipped: PostgreSQL is not installed");
        return None;
    };
    let null = command("sh".as_ref())
        .args(["-c", ": >/dev/null"])
        .status()
        .unwrap();
    if !null.success() {
        eprintln!("skipped: PostgreSQL's user may not write to /dev/null");
        return None;
    }
    let files = TempDir::new().unwrap();
    let at = |name: &str| files.path().join(name);
    give(files.path(), 0o700);
    fs::write(at("password"), PASSWORD).unwrap();
    give(&at("password"), 0o600);
    for (from, to) in [(&pair.certificate, "server.pem"), (&pair.key, "server.key")] {
        fs::copy(from, at(to)).unwrap();
        give(&at(to), 0o600);
    }
    let made = command(&initdb)
        .arg("-D")
        .arg(at("data"))
        .args([
            "-U",
            USER,
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ])
        .arg("--pwfile")
        .arg(at("password"))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    // Like rds.force_ssl: no entry fits a session without TLS.
    let kind = if how.plain_accepted || how.without_tls {
        "host"
    } else {
        "hostssl"
    };
    let rules = format!("{kind} all all 127.0.0.1/32 scram-sha-256\n");
    fs::write(at("data").join("pg_hba.conf"), rules).unwrap();
    if how.replica {
        fs::write(at("data").join("standby.signal"), "").unwrap();
        give(&at("data").join("standby.signal"), 0o600);
    }
    let port = free_port();
    let log = File::create(at("log")).unwrap();
    let mut server = command(&postgres);
    server.arg("-D").arg(at("data"));
    let settings = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "fsync=off".to_owned(),
        "shared_buffers=8MB".to_owned(),
        format!("ssl={}", if how.without_tls { "off" } else { "on" }),
        format!("ssl_cert_file={}", at("server.pem").display()),
        format!("ssl_key_file={}", at("server.key").display()),
        format!(
            "log_statement={}",
            if how.logs_statements { "all" } else { "none" }
        ),
        format!(
            "default_transaction_read_only={}",
            if how.read_only { "on" } else { "off" }
        ),
    ];
    for setting in &settings {
        server.args(["-c", setting]);
    }
    let mut child = server
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    wait_for(port, &mut child, &at("log"));
    // It listens before it serves.
    while !fs::read_to_string(at("log"))
        .unwrap()
        .contains("ready to accept")
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Some(Server { port, child, files })
}
