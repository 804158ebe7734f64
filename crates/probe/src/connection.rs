//! How to reach the database and Redis: endpoints from terraform's outputs, credentials from Secrets Manager.

use std::fmt;

use evidence::Outputs;
use report::finding::{Observation, Unobserved};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::clients::ProbeClients;

/// A value that is never shown. Its memory is overwritten when it goes; copies that the SDK and the clients
/// of the servers make of it are theirs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself, for those who need it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The name, which a certificate has to have.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Who logs in to the database, and where.
#[derive(Debug, Clone)]
pub struct DatabaseLogin {
    /// The server.
    pub endpoint: Endpoint,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// The token of Redis, and where.
#[derive(Debug, Clone)]
pub struct RedisLogin {
    /// The primary.
    pub endpoint: Endpoint,
    /// What AUTH takes.
    pub token: Secret,
}

/// Where the database is, if terraform says so.
pub(crate) fn database_endpoint(outputs: &Outputs) -> Observation<Endpoint> {
    if let Ok(host) = outputs.text("db_address") {
        let port = outputs.number("db_port").unwrap_or(5432);
        return Endpoint::new(host, port);
    }
    let endpoint = outputs.text("db_endpoint")?;
    let (host, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, "5432"));
    Endpoint::new(host, port.parse().unwrap_or_default())
}

/// Where Redis is, if terraform says so.
pub(crate) fn redis_endpoint(outputs: &Outputs) -> Observation<Endpoint> {
    let port = outputs.number("redis_port").unwrap_or(6379);
    Endpoint::new(outputs.text("redis_endpoint")?, port)
}

impl Endpoint {
    fn new(host: &str, port: i64) -> Observation<Self> {
        let port = u16::try_from(port)
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| Unobserved::because(format!("{port} is no port")))?;
        if host.is_empty() {
            return Err(Unobserved::because("the host is empty"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// Reads the credentials of the application's user, and never those of the master user; what terraform says of host,
/// port and database wins.
///
/// # Errors
/// When a secret cannot be read, or has not what it should.
pub async fn database_login(
    clients: &ProbeClients,
    outputs: &Outputs,
) -> Observation<DatabaseLogin> {
    let secret = outputs.text("db_credentials_secret_arn")?;
    // Not every stack says what its master user is called: that both are one secret is enough.
    if outputs
        .text("db_master_secret_arn")
        .is_ok_and(|master| master == secret)
    {
        return Err(Unobserved::because(format!(
            "the secret {secret} is of the master user, not of the application's"
        )));
    }
    let fields = Fields::read(clients, secret).await?;
    let database = match outputs.text("db_name") {
        Ok(database) => database,
        Err(_) => fields.text("dbname")?,
    };
    let user = fields.text("username")?;
    if outputs
        .text("db_master_username")
        .is_ok_and(|master| master == user)
    {
        return Err(Unobserved::because(format!(
            "the secret {} is of the master user {user}, not of the application's",
            fields.name
        )));
    }
    Ok(DatabaseLogin {
        endpoint: database_endpoint(outputs).or_else(|_| fields.endpoint(5432))?,
        database: database.to_owned(),
        user: user.to_owned(),
        password: Secret::new(fields.text("password")?),
    })
}

/// Reads who logs in to the database at `endpoint` from the secret `name`: its fields `username`, `password`, and `dbname` unless
/// `database` is given.
///
/// # Errors
/// When the secret cannot be read, or has not what it should.
pub async fn secret_login(
    clients: &ProbeClients,
    name: &str,
    endpoint: Endpoint,
    database: Option<&str>,
) -> Observation<DatabaseLogin> {
    let fields = Fields::read(clients, name).await?;
    let database = match database {
        Some(database) => database,
        None => fields.text("dbname")?,
    };
    Ok(DatabaseLogin {
        endpoint,
        database: database.to_owned(),
        user: fields.text("username")?.to_owned(),
        password: Secret::new(fields.text("password")?),
    })
}

/// Reads the token of Redis; what terraform says of host and port wins.
///
/// # Errors
/// When the secret cannot be read, or has not what it should.
pub async fn redis_login(clients: &ProbeClients, outputs: &Outputs) -> Observation<RedisLogin> {
    let fields = Fields::read(clients, outputs.text("redis_credentials_secret_arn")?).await?;
    Ok(RedisLogin {
        endpoint: redis_endpoint(outputs).or_else(|_| fields.endpoint(6379))?,
        token: Secret::new(fields.text("auth_token")?),
    })
}

/// A secret that is a JSON object. Nothing of it is ever repeated in an error.
pub(crate) struct Fields {
    name: String,
    fields: serde_json::Map<String, Value>,
}

impl Fields {
    pub(crate) async fn read(clients: &ProbeClients, arn: &str) -> Observation<Self> {
        let call = clients
            .region
            .call("Secrets Manager", "GetSecretValue", arn);
        let answer = clients
            .secrets
            .get_secret_value()
            .secret_id(arn)
            .send()
            .await
            .map_err(|error| Unobserved::from(call.failed(error)))?;
        let text = answer
            .secret_string()
            .ok_or_else(|| Unobserved::because(format!("the secret {arn} holds no text")))?;
        Self::parse(arn, text)
    }

    fn parse(name: &str, text: &str) -> Observation<Self> {
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(Self {
                name: name.to_owned(),
                fields,
            }),
            _ => Err(Unobserved::because(format!(
                "the secret {name} holds no JSON object"
            ))),
        }
    }

    pub(crate) fn text(&self, field: &str) -> Observation<&str> {
        self.fields
            .get(field)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Unobserved::because(format!("the secret {} has no {field}", self.name)))
    }

    pub(crate) fn endpoint(&self, default_port: i64) -> Observation<Endpoint> {
        let port = match self.fields.get("port") {
            None => default_port,
            // Secrets written by hand have it as text.
            Some(Value::String(port)) => port.parse().unwrap_or_default(),
            Some(port) => port.as_i64().unwrap_or_default(),
        };
        Endpoint::new(self.text("host")?, port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let login = RedisLogin {
            endpoint: Endpoint::new("h", 1).unwrap(),
            token: Secret::new("hunter2"),
        };
        let shown = format!("{login:?} {:#?}", login.token);
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_secret_of_another_shape_is_told_without_its_content() {
        for text in [
            "hunter2",
            "\"hunter2\"",
            "[\"hunter2\"]",
            "{\"password\":\"hunter2\"",
        ] {
            let unobserved = Fields::parse("arn", text).err().unwrap();
            assert!(
                !unobserved.reason.contains("hunter2") && !unobserved.absent,
                "{unobserved:?}"
            );
        }
        let fields = Fields::parse("arn", r#"{"password":{"is":"hunter2"},"host":""}"#).unwrap();
        for field in ["password", "host", "user"] {
            let unobserved = fields.text(field).unwrap_err();
            assert!(!unobserved.reason.contains("hunter2"), "{unobserved:?}");
        }
    }

    #[test]
    fn the_port_of_a_secret_is_a_number_or_text() {
        let port = |json: &str| {
            Fields::parse("arn", json)
                .unwrap()
                .endpoint(5432)
                .map(|at| at.port)
        };
        assert_eq!(port(r#"{"host":"h"}"#), Ok(5432));
        assert_eq!(port(r#"{"host":"h","port":6000}"#), Ok(6000));
        assert_eq!(port(r#"{"host":"h","port":"6000"}"#), Ok(6000));
        for bad in ["\"x\"", "0", "70000", "null", "-1"] {
            assert!(
                port(&format!(r#"{{"host":"h","port":{bad}}}"#)).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_endpoint_serves_where_there_is_no_address() {
        let endpoint = |json: &str| database_endpoint(&Outputs::parse(json.as_bytes()).unwrap());
        let there = endpoint(r#"{"db_endpoint":{"value":"db.example:6000"}}"#).unwrap();
        assert_eq!((there.host.as_str(), there.port), ("db.example", 6000));
        let there = endpoint(
            r#"{"db_endpoint":{"value":"a:1"},"db_address":{"value":"b"},"db_port":{"value":2}}"#,
        );
        assert_eq!(there.unwrap().to_string(), "b:2");
        assert!(endpoint(r#"{"vpc_id":{"value":"v"}}"#).is_err());
    }
}
