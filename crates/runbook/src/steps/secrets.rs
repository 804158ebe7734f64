//! Secrets that say where a database is. In the DR region they are replicas, and say where the lost one was: each is promoted,
//! and gets the address of the restored instance.
//!
//! What a secret holds is read and written, and is in no record, no message and no log: those have its name, its version and the
//! address.

use aws_env::{Call, ErrorClass, RegionAccess};
use aws_sdk_secretsmanager::types::StatusType;
use probe::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use settings::DatabaseSecret;

use super::{RegionLoss, inputs};
use crate::record::Digest;
use crate::{Check, Host, PlannedStep, StepContext, StepError, Store};

/// Which secret, and whose address it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretInputs {
    #[serde(flatten)]
    pub(crate) secret: DatabaseSecret,
    /// The instance in the region that receives.
    pub(crate) instance: String,
}

/// The content of a secret, which is shown nowhere.
pub(crate) struct Content {
    fields: Map<String, Value>,
    version: String,
}

impl Content {
    /// Reads the current version.
    pub(crate) async fn read(access: &RegionAccess, name: &str) -> Result<Self, StepError> {
        let call = call(access, "GetSecretValue", name);
        let read = client(access).get_secret_value().secret_id(name);
        let read = read.send().await.map_err(|error| call.failed(error))?;
        let text = read.secret_string().unwrap_or_default();
        // The error of the parser would repeat a part of it.
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            return Err(StepError::wrong(format!(
                "the secret {name} holds no JSON object"
            )));
        };
        Ok(Self {
            fields,
            version: read.version_id.unwrap_or_default(),
        })
    }

    /// Its host and its port, by the settings' names of the fields.
    pub(crate) fn fields_of(&self, secret: &DatabaseSecret) -> Result<(&Value, &Value), StepError> {
        let field = |field: &str| {
            let missing = || format!("the secret {} has no field {field:?}", secret.name);
            self.fields.get(field).ok_or_else(|| {
                StepError::refused(missing())
                    .hint("databases.secrets of the settings says which fields have host and port")
            })
        };
        Ok((field(&secret.host)?, field(&secret.port)?))
    }

    /// Whether it says this address already.
    pub(super) fn says(
        &self,
        secret: &DatabaseSecret,
        address: &Endpoint,
    ) -> Result<bool, StepError> {
        let (host, port) = self.fields_of(secret)?;
        let port = match port {
            Value::String(port) => port.parse().ok(),
            port => port.as_u64(),
        };
        Ok(host.as_str() == Some(&*address.host) && port == Some(address.port.into()))
    }

    /// Whether both say the same, but for the address.
    pub(super) fn is_but_for_address(&self, other: &Self, secret: &DatabaseSecret) -> bool {
        let rest = |content: &Self| {
            let mut fields = content.fields.clone();
            fields.remove(&secret.host);
            fields.remove(&secret.port);
            fields
        };
        rest(self) == rest(other)
    }

    /// The same with this address, as it is written.
    fn with(mut self, secret: &DatabaseSecret, address: &Endpoint) -> String {
        let is_text = self.fields.get(&secret.port).is_some_and(Value::is_string);
        let port = match is_text {
            true => json!(address.port.to_string()),
            false => json!(address.port),
        };
        self.fields.insert(secret.host.clone(), json!(address.host));
        self.fields.insert(secret.port.clone(), port);
        Value::Object(self.fields).to_string()
    }
}

pub(super) fn client(access: &RegionAccess) -> aws_sdk_secretsmanager::Client {
    aws_env::client!(aws_sdk_secretsmanager, access)
}

pub(super) fn call(access: &RegionAccess, operation: &'static str, secret: &str) -> Call {
    access.call("Secrets Manager", operation, secret)
}

/// A secret as its region shows it.
pub(super) struct Described {
    pub(super) arn: String,
    /// The region that it is a replica of.
    pub(super) replica_of: Option<String>,
    /// The key that encrypts it, where it is not AWS's own.
    pub(super) key: Option<String>,
    /// The regions that it is replicated to, each with its status and what AWS says about it.
    pub(super) replicas: Vec<(String, StatusType, String)>,
}

/// `None` where there is no such secret.
pub(super) async fn describe(
    access: &RegionAccess,
    name: &str,
) -> Result<Option<Described>, StepError> {
    let call = call(access, "DescribeSecret", name);
    let described = client(access).describe_secret().secret_id(name);
    let described = match described.send().await.map_err(|error| call.failed(error)) {
        Ok(described) => described,
        Err(error) if error.class == ErrorClass::Absent => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let own = access.region();
    let replicas = described.replication_status().iter().filter_map(|replica| {
        let status = replica.status()?.clone();
        let told = replica.status_message().unwrap_or_default().to_owned();
        Some((replica.region()?.to_owned(), status, told))
    });
    Ok(Some(Described {
        replicas: replicas.collect(),
        key: described.kms_key_id,
        replica_of: described
            .primary_region
            .filter(|region| region != own.as_str()),
        arn: described.arn.unwrap_or_default(),
    }))
}

/// Where the instance answers that a secret is about.
pub(super) async fn address<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    instance: &str,
) -> Result<Endpoint, StepError> {
    let found = of.databases().instance(instance).await?;
    let endpoint = found.and_then(|found| found.endpoint);
    let endpoint = endpoint
        .as_deref()
        .and_then(|endpoint| endpoint.rsplit_once(':'));
    match endpoint.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => Ok(Endpoint {
            host: host.to_owned(),
            port,
        }),
        None => Err(StepError::unchecked(format!(
            "RDS shows no address of {instance} in {}",
            of.dr.region().region()
        ))),
    }
}

pub(super) async fn check<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let SecretInputs { secret, instance } = inputs(step)?;
    let access = of.dr.region();
    let address = address(of, &instance).await?;
    let name = secret.name.as_str();
    let Some(described) = describe(access, name).await? else {
        let region = access.region();
        let error = StepError::wrong(format!("{region} has no secret {name}"));
        return Err(error.hint(
            "it was not replicated before the outage: make it by hand with what the application needs, and resume",
        ));
    };
    let content = Content::read(access, name).await?;
    let is_right = content.says(&secret, &address)?;
    let Some(from) = &described.replica_of else {
        return Ok(match is_right {
            true => Check::Done(
                json!({"secret": described.arn, "address": address.to_string(), "version": content.version}),
            ),
            false => todo(format!(
                "write the address {address} into the secret {name}"
            )),
        });
    };
    Ok(todo(format!(
        "promote the secret {name}, a replica from {from}, and write the address {address} into it"
    )))
}

pub(super) fn todo(what: String) -> Check {
    Check::Todo {
        what,
        needs_approval: false,
    }
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let SecretInputs { secret, instance } = inputs(step)?;
    let access = of.dr.region();
    let address = address(of, &instance).await?;
    let name = secret.name.as_str();
    let described = describe(access, name).await?;
    if described.is_some_and(|described| described.replica_of.is_some()) {
        // In the region of the replica: the primary one need not be there.
        let call = call(access, "StopReplicationToReplica", name);
        let stop = client(access).stop_replication_to_replica().secret_id(name);
        let stopped = stop.send().await.map_err(|error| call.failed(error));
        if let Err(error) = stopped {
            // It may have been promoted, and the answer lost: then a second call is refused.
            let described = describe(access, name).await?;
            if described.is_none_or(|described| described.replica_of.is_some()) {
                return Err(error.into());
            }
        }
    }
    let content = Content::read(access, name).await?;
    if content.says(&secret, &address)? {
        return Ok(());
    }
    write(access, &secret, &address, content, context).await
}

/// Writes the address. The version has a name that follows from what was read: a call that arrives late makes no other one.
pub(super) async fn write(
    access: &RegionAccess,
    secret: &DatabaseSecret,
    address: &Endpoint,
    content: Content,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let name = secret.name.as_str();
    let run = &context.state().plan.run;
    let region = access.region();
    let token = format!("{run} {region} {name} {address} {}", content.version);
    let token = Digest::of(token.as_bytes()).to_string();
    let call = call(access, "PutSecretValue", name);
    let put = client(access)
        .put_secret_value()
        .secret_id(name)
        .client_request_token(token)
        .secret_string(content.with(secret, address));
    put.send().await.map_err(|error| call.failed(error))?;
    Ok(())
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    match check(of, step).await? {
        Check::Done(done) => Ok(done),
        _ => Err(StepError::wrong(
            "the secret was written and does not say where the database is",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            panic!("{text}");
        };
        Content {
            fields,
            version: "v1".to_owned(),
        }
    }

    fn secret() -> DatabaseSecret {
        DatabaseSecret {
            name: "app/database".parse().unwrap(),
            host: "host".to_owned(),
            port: "port".to_owned(),
        }
    }

    #[test]
    fn address_is_written_as_the_secret_has_it_and_all_else_stays() {
        let address = Endpoint {
            host: "new.example".to_owned(),
            port: 6000,
        };
        for (before, after) in [
            (
                r#"{"host":"old","password":"hunter2","port":5432}"#,
                r#"{"host":"new.example","password":"hunter2","port":6000}"#,
            ),
            (
                r#"{"host":"old","port":"5432","username":"app"}"#,
                r#"{"host":"new.example","port":"6000","username":"app"}"#,
            ),
        ] {
            assert!(!content(before).says(&secret(), &address).unwrap());
            assert_eq!(content(before).with(&secret(), &address), after);
            assert!(content(after).says(&secret(), &address).unwrap());
        }
    }

    #[test]
    fn secret_without_the_fields_is_refused_without_its_content() {
        let address = Endpoint {
            host: "h".to_owned(),
            port: 1,
        };
        let refused = content(r#"{"password":"hunter2","port":1}"#).says(&secret(), &address);
        let told = refused.unwrap_err().source.to_string();
        assert!(
            told.contains("\"host\"") && !told.contains("hunter2"),
            "{told}"
        );
    }
}
