//! PostgreSQL: that it refuses plain connections, speaks TLS, lets us in, answers, and takes writes.

use report::finding::{Finding, Observation, Unobserved};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, config::SslMode};
use tokio_rustls::client::TlsStream;

use super::link::{Handshake, Trust, Way, kind};
use super::{Latency, Outcome, not_tried};
use crate::bounded::{Bounded, PostgresMessages, SESSION};
use crate::connection::DatabaseLogin;

const PLAIN: &str = "database-plain";
const TLS: &str = "database-tls";
const LOGIN: &str = "database-login";
const QUERY: &str = "database-query";
const ROLE: &str = "database-role";

pub(super) async fn probe(
    way: Way<'_>,
    trust: &Trust,
    login: Observation<&DatabaseLogin>,
    count: usize,
) -> Outcome {
    let at = way.endpoint.to_string();
    let mut out = Outcome::default();
    let user = login
        .as_ref()
        .map_or("postgres", |login| login.user.as_str());
    let plain = plain(way, user).await;
    let handshake = handshake(way, trust).await;

    out.findings.push(
        Finding::new(PLAIN, &at, "connections without TLS are refused", plain)
            .fix("set rds.force_ssl = 1 in the parameter group and reboot, then terraform apply"),
    );
    let stream = match tls(&mut out, &at, handshake) {
        Ok(stream) => stream,
        Err(unobserved) => {
            for what in [LOGIN, QUERY, ROLE] {
                out.findings.push(not_tried(what, &at, &unobserved));
            }
            return out;
        }
    };
    let client = match login {
        Ok(login) => log_in(way, stream, login).await,
        Err(unobserved) => Err(Refused::Unobserved(unobserved)),
    };
    let expected = "the credentials of the secret are accepted";
    let client = match client {
        Ok(client) => {
            let seen = Ok((true, "accepted".to_owned()));
            out.findings.push(Finding::new(LOGIN, &at, expected, seen));
            client
        }
        Err(refused) => {
            let unobserved = Unobserved::because("nobody is logged in");
            let (seen, fix) = match refused {
                Refused::Unobserved(unobserved) => (Err(unobserved), ""),
                Refused::Server { why, fix } => (Ok((false, why)), fix),
            };
            out.findings
                .push(Finding::new(LOGIN, &at, expected, seen).fix(fix));
            for what in [QUERY, ROLE] {
                out.findings.push(not_tried(what, &at, &unobserved));
            }
            return out;
        }
    };
    ask(&mut out, &at, way, &client, count).await;
    out
}

/// The finding about TLS, and the stream if there is one.
fn tls(
    out: &mut Outcome,
    at: &str,
    handshake: Observation<Handshake>,
) -> Observation<Box<TlsStream<TcpStream>>> {
    let expected = "TLS with a certificate for this host from a trusted authority";
    let (finding, stream) = match handshake {
        Ok(Handshake::Trusted { stream, version }) => (
            Finding::new(TLS, at, expected, Ok((true, version))),
            Ok(stream),
        ),
        Ok(Handshake::Refused { why, fix }) => (
            Finding::new(TLS, at, expected, Ok((false, why))).fix(fix),
            Err(Unobserved::because("there is no connection to trust")),
        ),
        Err(unobserved) => (
            Finding::new(TLS, at, expected, Err(unobserved.clone())),
            Err(unobserved),
        ),
    };
    out.findings.push(finding);
    stream
}

/// Begins a session without TLS and sees whether the server would go on. Nothing secret is sent.
async fn plain(way: Way<'_>, user: &str) -> Observation<(bool, String)> {
    let mut stream = way.connect().await?;
    let ended = |error| {
        let why = kind(&error);
        Unobserved::because(format!("the connection ended before an answer: {why}"))
    };
    let answer = way.deadline.within(begin_session(&mut stream, user));
    match answer.await?.map_err(ended)? {
        (b'E', body) => match field(&body, b'C').as_deref() {
            // No entry of pg_hba.conf fits: what force_ssl does.
            Some("28000") => Ok((true, "refused".to_owned())),
            code => {
                let code = code.unwrap_or("without a code");
                let why = format!("the server gave error {code:.40} to a session without TLS");
                Err(Unobserved::because(why))
            }
        },
        (b'R', _) => Ok((false, "accepted: the server goes on without TLS".to_owned())),
        _ => Err(Unobserved::because("what answers is no PostgreSQL server")),
    }
}

/// Begins a session without TLS as `user`, and gives the type and the body of the first message that answers.
pub(crate) async fn begin_session(
    stream: &mut TcpStream,
    user: &str,
) -> std::io::Result<(u8, Vec<u8>)> {
    stream.write_all(&startup(user)).await?;
    let first = stream.read_u8().await?;
    let length = stream.read_u32().await?;
    // An answer to a startup message has a few hundred bytes.
    let mut body = vec![0; length.saturating_sub(4).min(8192) as usize];
    stream.read_exact(&mut body).await?;
    Ok((first, body))
}

/// Version 3.0 of the protocol, a user, and a database that every server has.
fn startup(user: &str) -> Vec<u8> {
    let mut body = 0x0003_0000_u32.to_be_bytes().to_vec();
    for text in ["user", user, "database", "postgres"] {
        body.extend(text.bytes().filter(|byte| *byte != 0));
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [length.to_be_bytes().to_vec(), body].concat()
}

/// A field of an ErrorResponse: type, text, zero.
pub(crate) fn field(body: &[u8], wanted: u8) -> Option<String> {
    body.split(|byte| *byte == 0)
        .filter_map(|field| field.split_first())
        .find(|(kind, _)| **kind == wanted)
        .map(|(_, text)| String::from_utf8_lossy(text).into_owned())
}

/// Asks for TLS as PostgreSQL wants it: SSLRequest, one byte of answer, then the handshake.
pub(crate) async fn handshake(way: Way<'_>, trust: &Trust) -> Observation<Handshake> {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let mut stream = way.connect().await?;
    let talk = async {
        stream.write_all(&SSL_REQUEST).await?;
        stream.read_u8().await
    };
    let ended = |error| {
        let why = kind(&error);
        Unobserved::because(format!("the connection ended before an answer: {why}"))
    };
    match way.deadline.within(talk).await?.map_err(ended)? {
        b'S' => Handshake::with(way, trust, stream).await,
        b'N' => Ok(Handshake::not_offered("TLS is not offered")),
        _ => Err(Unobserved::because("what answers is no PostgreSQL server")),
    }
}

pub(crate) enum Refused {
    /// The server answered.
    Server {
        why: String,
        fix: &'static str,
    },
    Unobserved(Unobserved),
}

pub(crate) async fn log_in(
    way: Way<'_>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    login: &DatabaseLogin,
) -> Result<Client, Refused> {
    log_in_as(way, stream, login, "verify-staging probe", SESSION).await
}

/// A session of which at most `bytes` are read, and which the server shows under the name `application`.
pub(crate) async fn log_in_as(
    way: Way<'_>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    login: &DatabaseLogin,
    application: &str,
    bytes: u64,
) -> Result<Client, Refused> {
    let mut config = tokio_postgres::Config::new();
    config
        .user(&login.user)
        .password(login.password.reveal())
        .dbname(&login.database)
        .application_name(application)
        // The stream is TLS already.
        .ssl_mode(SslMode::Disable);
    let connected = way
        .deadline
        .within(config.connect_raw(
            Bounded::new(stream, PostgresMessages::default(), bytes),
            NoTls,
        ))
        .await
        .map_err(Refused::Unobserved)?;
    match connected {
        Ok((client, connection)) => {
            // It ends when the client goes.
            tokio::spawn(connection);
            Ok(client)
        }
        Err(error) => Err(refused(&error)),
    }
}

/// Only the server's code is told: its words, and the client's, may repeat what was sent.
fn refused(error: &tokio_postgres::Error) -> Refused {
    let Some(code) = error.code() else {
        return Refused::Unobserved(Unobserved::because(
            "the session broke off while logging in",
        ));
    };
    let credentials = "the secret and the database differ: rotate the secret (aws secretsmanager rotate-secret --secret-id ARN), then run this again";
    let (why, fix) = match *code {
        SqlState::INVALID_PASSWORD => ("the password is not accepted", credentials),
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => ("the user may not log in", credentials),
        SqlState::INVALID_CATALOG_NAME => {
            ("there is no such database", "create it, or correct db_name")
        }
        SqlState::TOO_MANY_CONNECTIONS => (
            "the server has no connection left",
            "see who holds them: SELECT usename, state, count(*) FROM pg_stat_activity GROUP BY 1, 2",
        ),
        SqlState::CANNOT_CONNECT_NOW => (
            "the server is starting or stopping",
            "try again in a minute",
        ),
        _ => ("the server refuses the session", "look at the server's log"),
    };
    Refused::Server {
        why: format!("{why} (SQLSTATE {:.40})", code.code()),
        fix,
    }
}

async fn ask(out: &mut Outcome, at: &str, way: Way<'_>, client: &Client, count: usize) {
    let failed = |error: tokio_postgres::Error| {
        Unobserved::because(match error.code() {
            Some(code) => format!("the query failed (SQLSTATE {:.40})", code.code()),
            None => "the session broke off".to_owned(),
        })
    };
    let sql = "SELECT current_setting('server_version'), pg_is_in_recovery(), \
               current_setting('transaction_read_only') = 'on'";
    let seen: Observation<(String, bool, bool)> = async {
        let row = way
            .deadline
            .within(client.query_one(sql, &[]))
            .await?
            .map_err(failed)?;
        let (version, replica, read_only) = (row.try_get(0), row.try_get(1), row.try_get(2));
        Ok((
            version.map_err(failed)?,
            replica.map_err(failed)?,
            read_only.map_err(failed)?,
        ))
    }
    .await;
    let answers = seen.as_ref().map_err(Clone::clone);
    let version = answers
        .clone()
        // The server says it: no more of it than a version has.
        .map(|(version, ..)| (true, format!("PostgreSQL {version:.40}")));
    out.findings
        .push(Finding::new(QUERY, at, "it answers", version));
    let role = answers.map(|(_, replica, read_only)| match (replica, read_only) {
        (true, _) => (false, "a replica, which takes no writes".to_owned()),
        (false, true) => (false, "a primary, but it takes no writes".to_owned()),
        (false, false) => (true, "primary".to_owned()),
    });
    out.findings.push(
        Finding::new(ROLE, at, "a primary that takes writes", role)
            .fix("point to the writer, or promote the replica: aws rds promote-read-replica --db-instance-identifier ID"),
    );
    if seen.is_err() {
        return;
    }
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        match way.deadline.within(client.simple_query("SELECT 1")).await {
            Ok(Ok(_)) => took.push(begun.elapsed()),
            _ => break,
        }
    }
    out.measured(
        QUERY,
        at,
        "SELECT 1",
        Latency::new(format!("{at} SELECT 1"), took),
        count,
    );
}

#[cfg(test)]
mod tests {
    use report::finding::Status;
    use tokio::io::DuplexStream;

    use super::*;

    #[test]
    fn the_code_of_an_error_is_found_among_its_fields() {
        let body = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry\0\0";
        assert_eq!(field(body, b'C').as_deref(), Some("28000"));
        assert_eq!(field(body, b'X'), None);
        assert_eq!(field(b"", b'C'), None);
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    /// Lets everybody in, then answers every query with `answer`, over and over; returns how much of it was taken.
    async fn hostile(mut stream: DuplexStream, first: Vec<u8>, answer: Vec<u8>) -> usize {
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer).await;
        let _ = stream.write_all(&first).await;
        let _ = stream.read(&mut buffer).await;
        let mut taken = 0;
        // More than anybody should take.
        while taken < 64 << 20 {
            match stream.write(&answer).await {
                Ok(0) | Err(_) => break,
                Ok(written) => taken += written,
            }
        }
        taken
    }

    fn login() -> DatabaseLogin {
        DatabaseLogin {
            endpoint: crate::connection::Endpoint {
                host: "db.invalid".to_owned(),
                port: 5432,
            },
            database: "d".to_owned(),
            user: "u".to_owned(),
            password: crate::Secret::new("p"),
        }
    }

    fn way_to(endpoint: &crate::connection::Endpoint) -> Way<'_> {
        Way {
            endpoint,
            via: None,
            deadline: crate::link::Deadline::new(std::time::Duration::from_secs(60)),
        }
    }

    async fn taken(first: Vec<u8>, answer: Vec<u8>) -> (usize, Outcome) {
        let (near, far) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(hostile(far, first, answer));
        let login = login();
        let way = way_to(&login.endpoint);
        let mut out = Outcome::default();
        match log_in(way, near, &login).await {
            Ok(client) => ask(&mut out, "at", way, &client, 1).await,
            Err(_) => {
                let why = Unobserved::because("not let in");
                out.findings.push(not_tried(LOGIN, "at", &why));
            }
        }
        (server.await.unwrap(), out)
    }

    fn let_in() -> Vec<u8> {
        [message(b'R', &[0; 4]), message(b'Z', b"I")].concat()
    }

    #[tokio::test]
    async fn ask_of_a_server_that_answers_without_end_reads_no_more_than_the_limit() {
        let row = message(b'D', &[&[0, 1, 0, 1, 0, 0][..], &[b'x'; 1 << 16]].concat());
        let notice = message(b'N', &[&b"Mhello\0\0"[..]].concat());
        for answer in [row, notice] {
            let (taken, out) = taken(let_in(), answer).await;
            assert!(taken < 32 << 20, "{taken}");
            assert!(
                out.findings
                    .iter()
                    .all(|finding| finding.status == Status::Unknown),
                "{out:?}"
            );
        }
    }

    #[tokio::test]
    async fn ask_of_a_server_with_a_message_of_two_gigabytes_ends_at_its_length() {
        let row = [
            &[b'D'][..],
            &0x7fff_ffff_u32.to_be_bytes(),
            &[b'x'; 1 << 16],
        ]
        .concat();
        let (taken, _) = taken(let_in(), row).await;
        assert!(taken < 1 << 20, "{taken}");
    }

    // The client would hash the password so often, on the one thread there is.
    #[tokio::test]
    async fn log_in_at_a_server_that_wants_the_password_hashed_for_hours_ends() {
        let sasl = message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            let _ = far.read(&mut buffer).await;
            let _ = far.write_all(&sasl).await;
            let read = far.read(&mut buffer).await.unwrap_or_default();
            let first = String::from_utf8_lossy(&buffer[..read]).into_owned();
            let nonce = first.rsplit("r=").next().unwrap_or_default().to_owned();
            let next = format!("r={nonce}x,s=c2FsdA==,i=4000000000");
            let _ = far
                .write_all(&message(b'R', &[b"\0\0\0\x0b", next.as_bytes()].concat()))
                .await;
            let _ = far.read(&mut buffer).await;
        });
        let login = login();
        let way = way_to(&login.endpoint);
        let refused = log_in(way, near, &login).await;
        assert!(matches!(refused, Err(Refused::Unobserved(_))));
        server.await.unwrap();
    }

    #[test]
    fn a_startup_message_has_its_own_length() {
        let message = startup("a\0b");
        assert_eq!(
            message[..4],
            u32::try_from(message.len()).unwrap().to_be_bytes()
        );
        assert!(message.ends_with(b"database\0postgres\0\0"));
    }
}
