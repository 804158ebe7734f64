//! Redis: that it refuses plain connections and sessions without AUTH, speaks TLS, lets us in, and takes writes.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisConnectionInfo, RedisError};
use report::finding::{Finding, Observation, Unobserved};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::link::{Handshake, Trust, Way};
use super::{Latency, Outcome, not_tried};
use crate::bounded::{Bounded, RedisAnswers, SESSION};
use crate::connection::RedisLogin;

const PLAIN: &str = "redis-plain";
const TLS: &str = "redis-tls";
const GUARDED: &str = "redis-guarded";
const AUTH: &str = "redis-auth";
const CANARY: &str = "redis-canary";
const ROLE: &str = "redis-role";

/// For how long a canary stays when its removal does not come through.
const CANARY_SECONDS: u64 = 60;

pub(super) async fn probe(
    way: Way<'_>,
    trust: &Trust,
    login: Observation<&RedisLogin>,
    count: usize,
) -> Outcome {
    let at = way.endpoint.to_string();
    let mut out = Outcome::default();
    let plain = match way.connect().await {
        Ok(mut stream) => way.deadline.within(ping(&mut stream)).await,
        Err(unobserved) => Err(unobserved),
    };
    let handshake = match way.connect().await {
        Ok(stream) => Handshake::with(way, trust, stream).await,
        Err(unobserved) => Err(unobserved),
    };
    let (handshake, plain) = judge(handshake, plain);
    out.findings.push(
        Finding::new(PLAIN, &at, "connections without TLS are refused", plain)
            .fix("set transit_encryption_mode = \"required\", then terraform apply"),
    );
    let expected = "TLS with a certificate for this host from a trusted authority";
    let stream = match handshake {
        Ok(Handshake::Trusted { stream, version }) => {
            out.findings
                .push(Finding::new(TLS, &at, expected, Ok((true, version))));
            Ok(stream)
        }
        Ok(Handshake::Refused { why, fix }) => {
            out.findings
                .push(Finding::new(TLS, &at, expected, Ok((false, why))).fix(fix));
            Err(Unobserved::because("there is no connection to trust"))
        }
        Err(unobserved) => {
            out.findings
                .push(Finding::new(TLS, &at, expected, Err(unobserved.clone())));
            Err(unobserved)
        }
    };
    match stream {
        Ok(stream) => inside(&mut out, &at, way, trust, stream, login, count).await,
        Err(unobserved) => {
            for what in [GUARDED, AUTH, CANARY, ROLE] {
                out.findings.push(not_tried(what, &at, &unobserved));
            }
        }
    }
    out
}

/// An answer to a PING without AUTH.
enum Pinged {
    Served,
    /// Redis answers, but wants something else first: its code.
    Error(String),
    /// What came is not Redis's: a TLS alert, or the end of the connection.
    NotRedis,
}

async fn ping<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Pinged {
    let talk = async {
        stream.write_all(b"PING\r\n").await?;
        let mut line = Vec::new();
        while !line.ends_with(b"\n") && line.len() < 512 {
            line.push(stream.read_u8().await?);
        }
        Ok::<_, std::io::Error>(line)
    };
    let Ok(line) = talk.await else {
        return Pinged::NotRedis;
    };
    let line = String::from_utf8_lossy(&line);
    match line.strip_prefix('-') {
        Some(error) => Pinged::Error(
            error
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
        None if line.starts_with("+PONG") => Pinged::Served,
        None => Pinged::NotRedis,
    }
}

/// Both together: a server that answers in plain has no TLS, whatever its silence to a handshake looks like;
/// and an end of a plain connection proves a refusal only where TLS shows that somebody is there.
fn judge(
    handshake: Observation<Handshake>,
    plain: Observation<Pinged>,
) -> (Observation<Handshake>, Observation<(bool, String)>) {
    let plain = match plain {
        Ok(Pinged::Served | Pinged::Error(_)) => {
            let seen = (false, "accepted: the server answers without TLS".to_owned());
            let handshake = match handshake {
                Err(_) => Ok(Handshake::not_offered("TLS is not offered")),
                handshake => handshake,
            };
            return (handshake, Ok(seen));
        }
        Ok(Pinged::NotRedis) => match &handshake {
            Ok(Handshake::Trusted { .. }) => Ok((true, "refused".to_owned())),
            Ok(Handshake::Refused { .. }) => Err(Unobserved::because(
                "it is not known who refused: TLS failed",
            )),
            Err(unobserved) => Err(unobserved.clone()),
        },
        Err(unobserved) => Err(unobserved),
    };
    (handshake, plain)
}

async fn inside(
    out: &mut Outcome,
    at: &str,
    way: Way<'_>,
    trust: &Trust,
    mut stream: Box<TlsStream<TcpStream>>,
    login: Observation<&RedisLogin>,
    count: usize,
) {
    let guarded = way.deadline.within(ping(&mut stream)).await;
    drop(stream);
    let guarded = guarded.and_then(|pinged| match pinged {
        Pinged::Served => Ok((false, "it serves anybody".to_owned())),
        Pinged::Error(code) if code == "NOAUTH" => Ok((true, "refused".to_owned())),
        Pinged::Error(code) => Err(Unobserved::because(format!("it answered {code:.40}"))),
        Pinged::NotRedis => Err(Unobserved::because("what answers is no Redis server")),
    });
    out.findings.push(
        Finding::new(GUARDED, at, "commands without AUTH are refused", guarded)
            .fix("set auth_token of the replication group, then terraform apply"),
    );

    let expected = "the token of the secret is accepted";
    let connection = async {
        let login = login.map_err(Refused::Unobserved)?;
        let stream = way.connect().await.map_err(Refused::Unobserved)?;
        match Handshake::with(way, trust, stream)
            .await
            .map_err(Refused::Unobserved)?
        {
            Handshake::Trusted { stream, .. } => log_in(way, stream, login).await,
            Handshake::Refused { why, .. } => Err(Refused::Unobserved(Unobserved::because(why))),
        }
    }
    .await;
    let mut connection = match connection {
        Ok(connection) => {
            let seen = Ok((true, "accepted, PING answered".to_owned()));
            out.findings.push(Finding::new(AUTH, at, expected, seen));
            connection
        }
        Err(refused) => {
            let seen = match refused {
                Refused::Unobserved(unobserved) => Err(unobserved),
                Refused::Server(why) => Ok((false, why)),
            };
            out.findings.push(Finding::new(AUTH, at, expected, seen).fix(
                "the secret and Redis differ: terraform apply -replace=module.cache.random_password.auth_token",
            ));
            let unobserved = Unobserved::because("nobody is logged in");
            for what in [CANARY, ROLE] {
                out.findings.push(not_tried(what, at, &unobserved));
            }
            return;
        }
    };
    let canary = canary(way, &mut connection).await;
    out.findings.push(Finding::new(
        CANARY,
        at,
        "a key is written, read back and removed",
        canary,
    ));
    let role = role(way, &mut connection).await;
    out.findings.push(
        Finding::new(ROLE, at, "the primary, which takes writes", role)
            .fix("use the primary endpoint of the replication group, not the reader's"),
    );
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        let ping = redis::cmd("PING");
        match way
            .deadline
            .within(ping.query_async::<String>(&mut connection))
            .await
        {
            Ok(Ok(_)) => took.push(begun.elapsed()),
            _ => break,
        }
    }
    out.measured(
        AUTH,
        at,
        "PING",
        Latency::new(format!("{at} PING"), took),
        count,
    );
}

enum Refused {
    Server(String),
    Unobserved(Unobserved),
}

async fn log_in(
    way: Way<'_>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static,
    login: &RedisLogin,
) -> Result<MultiplexedConnection, Refused> {
    let info = RedisConnectionInfo::default()
        .set_password(login.token.reveal())
        .set_skip_set_lib_name();
    // The deadline of the probe is the only one.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let stream = Bounded::new(stream, RedisAnswers::default(), SESSION);
    let connecting = MultiplexedConnection::new_with_config(&info, stream, config);
    let connected = way.deadline.within(async {
        let (mut connection, driver) = connecting.await?;
        // It ends when the connection goes.
        tokio::spawn(driver);
        redis::cmd("PING")
            .query_async::<String>(&mut connection)
            .await?;
        Ok::<_, RedisError>(connection)
    });
    match connected.await.map_err(Refused::Unobserved)? {
        Ok(connection) => Ok(connection),
        // Only codes are told: the words of server and client may repeat what was sent.
        Err(error) => Err(match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH" | "NOPERM")) => {
                Refused::Server("the token is not accepted".to_owned())
            }
            (_, Some(code)) => {
                Refused::Server(format!("the server refuses the session ({code:.40})"))
            }
            _ => Refused::Unobserved(told(&error)),
        }),
    }
}

fn told(error: &RedisError) -> Unobserved {
    Unobserved::because(match error.code() {
        Some(code) => format!("the server answered {code:.40}"),
        None if error.is_io_error() => "the session broke off".to_owned(),
        None => "the answer is not understood".to_owned(),
    })
}

async fn canary(
    way: Way<'_>,
    connection: &mut MultiplexedConnection,
) -> Observation<(bool, String)> {
    let key = format!("verify-staging:probe:{:016x}", rand::random::<u64>());
    let value = format!("{:032x}", rand::random::<u128>());
    let set = redis::cmd("SET")
        .arg(&key)
        .arg(&value)
        .arg("EX")
        .arg(CANARY_SECONDS)
        .to_owned();
    let written = way
        .deadline
        .within(set.query_async::<String>(connection))
        .await?;
    match written {
        Ok(_) => {}
        Err(error) => {
            return match error.code() {
                Some("READONLY") => Ok((false, "it takes no writes".to_owned())),
                Some(code @ ("OOM" | "NOREPLICAS" | "MISCONF" | "CLUSTERDOWN" | "NOPERM")) => {
                    Ok((false, format!("the write is refused ({code})")))
                }
                _ => Err(told(&error)),
            };
        }
    }
    let get = redis::cmd("GET").arg(&key).to_owned();
    let read = way
        .deadline
        .within(get.query_async::<Option<String>>(connection))
        .await?
        .map_err(|error| told(&error))?;
    let del = redis::cmd("DEL").arg(&key).to_owned();
    let removed = way
        .deadline
        .within(del.query_async::<u64>(connection))
        .await?
        .map_err(|error| told(&error))?;
    Ok(match (read.as_deref() == Some(value.as_str()), removed) {
        (true, 1) => (true, "written, read and removed".to_owned()),
        (true, _) => (false, "it was gone before it was removed".to_owned()),
        (false, _) => (false, "what was read is not what was written".to_owned()),
    })
}

async fn role(way: Way<'_>, connection: &mut MultiplexedConnection) -> Observation<(bool, String)> {
    let info = redis::cmd("INFO").arg("replication").to_owned();
    let info = way
        .deadline
        .within(info.query_async::<String>(connection))
        .await?
        .map_err(|error| told(&error))?;
    let value = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    match value("role") {
        Some("master") => {
            let replicas = value("connected_slaves").and_then(|number| number.parse::<u32>().ok());
            let replicas = replicas.map_or("an unknown number of".to_owned(), |n| n.to_string());
            Ok((true, format!("primary with {replicas} replicas")))
        }
        Some("slave") => Ok((false, "a replica".to_owned())),
        _ => Err(Unobserved::because("INFO tells no role")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a server that answers everything with `answer`, over and over, and how much of it was taken.
    async fn taken(answer: Vec<u8>) -> usize {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            let _ = far.read(&mut buffer).await;
            let mut taken = 0;
            while taken < 64 << 20 {
                match far.write(&answer).await {
                    Ok(0) | Err(_) => break,
                    Ok(written) => taken += written,
                }
            }
            taken
        });
        let endpoint = crate::connection::Endpoint {
            host: "redis.invalid".to_owned(),
            port: 6379,
        };
        let way = Way {
            endpoint: &endpoint,
            via: None,
            deadline: crate::link::Deadline::new(std::time::Duration::from_secs(60)),
        };
        let login = RedisLogin {
            endpoint: endpoint.clone(),
            token: crate::Secret::new("t"),
        };
        assert!(log_in(way, near, &login).await.is_err());
        server.await.unwrap()
    }

    #[tokio::test]
    async fn log_in_at_a_server_that_answers_without_end_reads_no_more_than_the_limit() {
        for answer in [
            vec![b'+'; 1 << 16],
            [&b"$1000000000\r\n"[..], &[b'x'; 1 << 16]].concat(),
            b"*2147483647\r\n".to_vec(),
            b"%2147483647\r\n".to_vec(),
            b"*1\r\n".repeat(10_000),
        ] {
            let taken = taken(answer.clone()).await;
            let shown = String::from_utf8_lossy(&answer[..12]).into_owned();
            assert!(taken < 2 << 20, "{shown:?} {taken}");
        }
    }
}
