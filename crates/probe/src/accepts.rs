//! Whether a database server accepts connections, for whoever waits until it does. No secret is sent, and nothing is asked
//! of AWS.

use std::io::ErrorKind;
use std::time::Duration;

use report::finding::Unobserved;
use serde::Serialize;
use tokio::net::TcpStream;

use crate::database::{begin_session, field};
use crate::link::{Deadline, kind};

/// A server in another region answers a connection within a second.
const CONNECT: Duration = Duration::from_secs(5);

/// PostgreSQL's code while it starts or stops (`cannot_connect_now`). It comes before any question of users and TLS, so that
/// every other error is that of a server that accepts connections, as `pg_isready` has it.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const NOT_NOW: &str = "57P03";

/// How a connection to a database server ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ServerConnection {
    /// It accepts connections.
    Accepted,
    /// Its host, or what lies before it, was reached and refuses.
    Rejected {
        /// The reason, in words.
        why: String,
    },
    /// It was not reached from this machine, which says nothing about it: databases are usually reached from their VPC alone.
    Untried {
        /// The reason, in words.
        why: String,
    },
}

impl ServerConnection {
    /// Tries one to `endpoint`, a `HOST:PORT`. Of PostgreSQL a session is begun, up to its question for a password;
    /// of another engine (its name as RDS has it, such as `mysql`) the connection alone counts.
    pub async fn to(endpoint: Option<&str>, engine: Option<&str>) -> Self {
        let Some(endpoint) = endpoint else {
            return Self::untried("it has no endpoint");
        };
        let deadline = Deadline::new(CONNECT);
        let mut stream = match deadline.within(TcpStream::connect(endpoint)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                return Self::Rejected { why: kind(&error) };
            }
            Ok(Err(error)) => return Self::untried(kind(&error)),
            Err(Unobserved { reason, .. }) => return Self::untried(reason),
        };
        if engine.is_some_and(|engine| engine != "postgres") {
            return Self::Accepted;
        }
        match deadline
            .within(begin_session(&mut stream, "postgres"))
            .await
        {
            Ok(Ok((b'R', _))) => Self::Accepted,
            Ok(Ok((b'E', body))) if field(&body, b'C').as_deref() == Some(NOT_NOW) => {
                Self::Rejected {
                    why: format!("the server is starting or stopping (SQLSTATE {NOT_NOW})"),
                }
            }
            Ok(Ok((b'E', _))) => Self::Accepted,
            // What lies between may take connections for it, such as a tunnel.
            Ok(Ok(_)) => Self::untried("what answers is no PostgreSQL server"),
            Ok(Err(error)) => Self::untried(format!(
                "the connection ended before an answer: {}",
                kind(&error)
            )),
            Err(Unobserved { reason, .. }) => Self::untried(reason),
        }
    }

    fn untried(why: impl Into<String>) -> Self {
        Self::Untried { why: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What comes of a server that answers the first message with `answer` and goes.
    async fn answered(answer: Vec<u8>, engine: Option<&str>) -> ServerConnection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Its length, version 3.0, and the parameters.
            let length = match engine {
                None | Some("postgres") => stream.read_u32().await.unwrap(),
                Some(_) => 4,
            };
            let mut message = vec![0; length as usize - 4];
            stream.read_exact(&mut message).await.unwrap();
            stream.write_all(&answer).await.unwrap();
            String::from_utf8_lossy(&message).into_owned()
        };
        let (connection, message) =
            tokio::join!(ServerConnection::to(Some(&endpoint), engine), server);
        assert!(!message.contains("password"), "{message}");
        connection
    }

    fn error(code: &str) -> Vec<u8> {
        let body = format!("SFATAL\0VFATAL\0C{code}\0Mno\0\0");
        let length = u32::try_from(body.len() + 4).unwrap();
        [&b"E"[..], &length.to_be_bytes(), body.as_bytes()].concat()
    }

    #[tokio::test]
    async fn to_a_server_is_accepted_unless_it_is_starting() {
        let question = b"R\0\0\0\x08\0\0\0\x0a".to_vec();
        let accepted = ServerConnection::Accepted;
        assert_eq!(answered(question, None).await, accepted);
        // No entry for sessions without TLS, which force_ssl takes away; no connection left.
        for code in ["28000", "53300"] {
            let connection = answered(error(code), Some("postgres")).await;
            assert_eq!(connection, accepted, "{code}");
        }
        let starting = answered(error(NOT_NOW), Some("postgres")).await;
        assert!(
            matches!(&starting, ServerConnection::Rejected { why } if why.contains(NOT_NOW)),
            "{starting:?}"
        );
        // Another engine speaks another protocol.
        assert_eq!(answered(Vec::new(), Some("mysql")).await, accepted);
    }

    #[tokio::test]
    async fn to_what_is_no_server_or_not_reached_is_no_answer_about_it() {
        for answer in [Vec::new(), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()] {
            let connection = answered(answer, None).await;
            assert!(
                matches!(&connection, ServerConnection::Untried { .. }),
                "{connection:?}"
            );
        }
        for endpoint in [None, Some("db..invalid:5432"), Some("db")] {
            let connection = ServerConnection::to(endpoint, None).await;
            assert!(
                matches!(&connection, ServerConnection::Untried { .. }),
                "{connection:?}"
            );
        }
        // Nobody listens, on a host that is there. The port is kept, so that nobody else comes to.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let endpoint = socket.local_addr().unwrap().to_string();
        let refused = ServerConnection::to(Some(&endpoint), None).await;
        let why = "connection refused".to_owned();
        assert_eq!(refused, ServerConnection::Rejected { why });
    }

    #[tokio::test(start_paused = true)]
    async fn to_a_server_that_is_silent_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let silent = ServerConnection::to(Some(&endpoint), None).await;
        let why = "no answer within 5 s".to_owned();
        assert_eq!(silent, ServerConnection::Untried { why });
    }
}
