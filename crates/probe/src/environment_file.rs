//! The application's environment, as the guide's "Update Backend Environment Variables" lists it.

use evidence::Outputs;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use report::finding::{Observation, Unobserved};
use serde_json::{Map, Value, json};
use settings::Region;

use crate::connection::{self, DatabaseLogin, Endpoint, RedisLogin, Secret};

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentFormat {
    /// `NAME=value`, as shells and dotenv libraries read it.
    Dotenv,
    /// One JSON object.
    Json,
    /// `environment` and `secrets` of a container definition of ECS.
    Ecs,
}

/// The credentials, where values are wanted instead of references.
#[derive(Debug, Clone)]
pub struct Logins {
    /// Of the database.
    pub database: DatabaseLogin,
    /// Of Redis.
    pub redis: RedisLogin,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// Terraform does not say what has to be in it.
    #[error("find all values: {}", reasons(.0))]
    Missing(Vec<Unobserved>),
    /// A value that no host, port, name, ARN or password has, and that would begin a variable of its own for those who
    /// read the file line by line.
    #[error("write {0}: its value has a line break or another control character")]
    ControlCharacter(&'static str),
    /// ECS would show the values to everybody who can read a task definition.
    #[error("write values of secrets for ECS, which takes references")]
    EcsReveals,
}

fn reasons(unobserved: &[Unobserved]) -> String {
    let reasons: Vec<&str> = unobserved
        .iter()
        .map(|unobserved| unobserved.reason.as_str())
        .collect();
    reasons.join("; ")
}

enum Content {
    Plain(String),
    /// A field of a secret.
    Reference {
        arn: String,
        field: &'static str,
    },
    Revealed(Secret),
    /// A URL with a secret in it, which is there only when values are.
    Withheld,
}

/// The variables, in the guide's order.
pub struct EnvironmentFile(Vec<(&'static str, Content)>);

/// All but the unreserved characters of RFC 3986.
const URL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The only mode of PostgreSQL's clients that knows whom it talks to: `require` takes any certificate,
/// <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>.
const SSL_MODE: &str = "verify-full";

/// What outputs and logins say, before it becomes variables.
struct Parts {
    /// Host and port.
    database: (String, u16),
    /// Host and port.
    redis: (String, u16),
    name: String,
    user: String,
    database_secret: String,
    redis_secret: String,
    buckets: [(&'static str, String); 3],
    cdn: String,
    /// Where the application finds RDS's certificates.
    authorities: String,
}

impl Parts {
    /// All that is missing is told at once.
    fn read(
        outputs: &Outputs,
        authorities: &str,
        logins: Option<&Logins>,
    ) -> Result<Self, EnvironmentError> {
        let mut missing = Vec::new();
        let mut text = |name: &str| match outputs.text(name) {
            Ok(text) => text.to_owned(),
            Err(unobserved) => {
                missing.push(unobserved);
                String::new()
            }
        };
        let database_secret = text("db_credentials_secret_arn");
        let redis_secret = text("redis_credentials_secret_arn");
        let (name, user) = match logins {
            Some(Logins { database, .. }) => (database.database.clone(), database.user.clone()),
            None => (text("db_name"), text("db_username")),
        };
        let buckets = [
            ("S3_BUCKET_PHOTOS", text("s3_bucket_photos")),
            ("S3_BUCKET_DOCUMENTS", text("s3_bucket_documents")),
            ("S3_BUCKET_SIGNATURES", text("s3_bucket_signatures")),
        ];
        let cdn = text("cloudfront_domain_name");
        let (database, redis) = match logins {
            Some(Logins { database, redis }) => {
                (Ok(database.endpoint.clone()), Ok(redis.endpoint.clone()))
            }
            None => (
                connection::database_endpoint(outputs),
                connection::redis_endpoint(outputs),
            ),
        };
        let mut endpoint = |endpoint: Observation<Endpoint>| match endpoint {
            Ok(endpoint) => (endpoint.host, endpoint.port),
            Err(unobserved) => {
                missing.push(unobserved);
                (String::new(), 0)
            }
        };
        let (database, redis) = (endpoint(database), endpoint(redis));
        if !missing.is_empty() {
            return Err(EnvironmentError::Missing(missing));
        }
        Ok(Self {
            database,
            redis,
            name,
            user,
            database_secret,
            redis_secret,
            buckets,
            cdn,
            authorities: authorities.to_owned(),
        })
    }

    /// The database's password and URL, the cache's token and URL: revealed with logins, else as references to the
    /// secrets that hold them; a URL, of which only a part is in a secret, is withheld.
    fn secrets(&self, logins: Option<&Logins>) -> [Content; 4] {
        let Some(Logins { database, redis }) = logins else {
            let reference = |arn: &str, field| Content::Reference {
                arn: arn.to_owned(),
                field,
            };
            return [
                reference(&self.database_secret, "password"),
                Content::Withheld,
                reference(&self.redis_secret, "auth_token"),
                Content::Withheld,
            ];
        };
        let url = |text: &str| utf8_percent_encode(text, URL).to_string();
        let (host, port) = &self.database;
        let database_url = format!(
            "postgresql://{}:{}@{host}:{port}/{}?sslmode={SSL_MODE}&sslrootcert={}",
            url(&self.user),
            url(database.password.reveal()),
            url(&self.name),
            url(&self.authorities),
        );
        let (host, port) = &self.redis;
        // rediss: TLS, without which the cache answers nobody.
        let redis_url = format!("rediss://:{}@{host}:{port}/0", url(redis.token.reveal()));
        [
            Content::Revealed(database.password.clone()),
            Content::Revealed(Secret::new(database_url)),
            Content::Revealed(redis.token.clone()),
            Content::Revealed(Secret::new(redis_url)),
        ]
    }
}

impl EnvironmentFile {
    /// From terraform's outputs. Secrets are named by their ARNs; with `logins`, their values are in it, and
    /// the URLs that hold them. `authorities` is where the application finds RDS's certificates.
    ///
    /// # Errors
    /// When terraform does not say all of it; every lack is told.
    pub fn new(
        outputs: &Outputs,
        region: Region,
        authorities: &str,
        logins: Option<&Logins>,
    ) -> Result<Self, EnvironmentError> {
        let parts = Parts::read(outputs, authorities, logins)?;
        let [password, database_url, token, redis_url] = parts.secrets(logins);
        let plain = Content::Plain;
        let ((db_host, db_port), (redis_host, redis_port)) = (parts.database, parts.redis);
        let mut variables = vec![
            ("POSTGRES_HOST", plain(db_host)),
            ("POSTGRES_PORT", plain(db_port.to_string())),
            ("POSTGRES_DB", plain(parts.name)),
            ("POSTGRES_USER", plain(parts.user)),
            ("POSTGRES_PASSWORD", password),
            ("DATABASE_URL", database_url),
            ("PGSSLMODE", plain(SSL_MODE.to_owned())),
            ("PGSSLROOTCERT", plain(parts.authorities)),
            ("REDIS_HOST", plain(redis_host)),
            ("REDIS_PORT", plain(redis_port.to_string())),
            ("REDIS_PASSWORD", token),
            ("REDIS_URL", redis_url),
            ("AWS_REGION", plain(region.to_string())),
        ];
        variables.extend(parts.buckets.map(|(name, bucket)| (name, plain(bucket))));
        variables.push(("CLOUDFRONT_DOMAIN", plain(parts.cdn)));
        let controls = |text: &str| text.contains(char::is_control);
        let refused = |content: &Content| match content {
            Content::Plain(text) => controls(text),
            // A password may have a tab or a line break, which its quotation holds.
            Content::Revealed(secret) => secret.reveal().contains('\0'),
            Content::Reference { arn, .. } => controls(arn),
            Content::Withheld => false,
        };
        match variables.iter().find(|(_, content)| refused(content)) {
            Some((name, _)) => Err(EnvironmentError::ControlCharacter(name)),
            None => Ok(Self(variables)),
        }
    }

    /// The text of the file. It may hold secrets.
    ///
    /// # Errors
    /// When values are in it that must not be in this format.
    pub fn write(&self, format: EnvironmentFormat) -> Result<Secret, EnvironmentError> {
        match format {
            EnvironmentFormat::Dotenv => Ok(Secret::new(self.dotenv())),
            EnvironmentFormat::Json => Ok(Secret::new(format!("{:#}\n", self.json()))),
            EnvironmentFormat::Ecs => Ok(Secret::new(format!("{:#}\n", self.ecs()?))),
        }
    }

    fn dotenv(&self) -> String {
        let mut out = String::new();
        for (name, content) in &self.0 {
            match content {
                Content::Plain(text) => out.push_str(&format!("{name}={}\n", quoted(text))),
                Content::Revealed(secret) => {
                    out.push_str(&format!("{name}={}\n", quoted(secret.reveal())));
                }
                Content::Reference { arn, field } => {
                    out.push_str(&format!(
                        "# {name}: the field {field} of\n{name}_SECRET_ARN={}\n",
                        quoted(arn)
                    ));
                }
                Content::Withheld => {
                    out.push_str(&format!("# {name} holds a secret: --reveal writes it\n"));
                }
            }
        }
        out
    }

    fn json(&self) -> Value {
        let variables = self.0.iter().filter_map(|(name, content)| {
            let value = match content {
                Content::Plain(text) => json!(text),
                Content::Revealed(secret) => json!(secret.reveal()),
                Content::Reference { arn, field } => json!({"secret": arn, "field": field}),
                Content::Withheld => return None,
            };
            Some(((*name).to_owned(), value))
        });
        Value::Object(variables.collect::<Map<_, _>>())
    }

    fn ecs(&self) -> Result<Value, EnvironmentError> {
        let (mut environment, mut secrets) = (Vec::new(), Vec::new());
        for (name, content) in &self.0 {
            match content {
                Content::Plain(text) => environment.push(json!({"name": name, "value": text})),
                // ARN, key of the JSON, stage and version of the secret, of which the last two have defaults.
                Content::Reference { arn, field } => {
                    secrets.push(json!({"name": name, "valueFrom": format!("{arn}:{field}::")}));
                }
                Content::Revealed(_) => return Err(EnvironmentError::EcsReveals),
                Content::Withheld => {}
            }
        }
        Ok(json!({"environment": environment, "secrets": secrets}))
    }
}

/// A value as shells and dotenv libraries read it: bare, else in single quotes, in which nothing means
/// anything; with a single quote in it, in double quotes as a shell reads them.
fn quoted(text: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/@%+=,".contains(&byte);
    if !text.is_empty() && text.bytes().all(bare) {
        return text.to_owned();
    }
    if !text.contains('\'') {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for char in text.chars() {
        if matches!(char, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(char);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const BUNDLE: &str = "/etc/ssl/rds bundle.pem";
    const OUTPUTS: &str = r#"{"db_credentials_secret_arn": {"value": "arn:aws:secretsmanager:ca-central-1:1:secret:app-a"},
        "redis_credentials_secret_arn": {"value": "arn:aws:secretsmanager:ca-central-1:1:secret:redis-b"},
        "db_address": {"value": "db.example"}, "db_port": {"value": 5432}, "db_name": {"value": "berthcare"},
        "db_username": {"value": "berthcare_app"}, "redis_endpoint": {"value": "redis.example"},
        "redis_port": {"value": 6379}, "s3_bucket_photos": {"value": "p"}, "s3_bucket_documents": {"value": "d"},
        "s3_bucket_signatures": {"value": "s"}, "cloudfront_domain_name": {"value": "d1.cloudfront.net"}}"#;

    fn file(logins: Option<&Logins>) -> EnvironmentFile {
        let outputs = Outputs::parse(OUTPUTS.as_bytes()).unwrap();
        EnvironmentFile::new(&outputs, "ca-central-1".parse().unwrap(), BUNDLE, logins).unwrap()
    }

    fn text(logins: Option<&Logins>, format: EnvironmentFormat) -> String {
        file(logins).write(format).unwrap().reveal().to_owned()
    }

    fn logins(password: &str) -> Logins {
        let endpoint = |host: &str, port| Endpoint {
            host: host.to_owned(),
            port,
        };
        Logins {
            database: DatabaseLogin {
                endpoint: endpoint("db.example", 5432),
                database: "berthcare".into(),
                user: "berthcare_app".into(),
                password: Secret::new(password),
            },
            redis: RedisLogin {
                endpoint: endpoint("redis.example", 6379),
                token: Secret::new(password),
            },
        }
    }

    #[test]
    fn secrets_are_references_unless_asked_for() {
        let dotenv = text(None, EnvironmentFormat::Dotenv);
        for line in [
            "POSTGRES_HOST=db.example",
            "POSTGRES_PASSWORD_SECRET_ARN=arn:aws:secretsmanager:ca-central-1:1:secret:app-a",
            "PGSSLMODE=verify-full",
            "PGSSLROOTCERT='/etc/ssl/rds bundle.pem'",
            "REDIS_PASSWORD_SECRET_ARN=arn:aws:secretsmanager:ca-central-1:1:secret:redis-b",
            "AWS_REGION=ca-central-1",
            "CLOUDFRONT_DOMAIN=d1.cloudfront.net",
        ] {
            assert!(
                dotenv.lines().any(|found| found == line),
                "{line}: {dotenv}"
            );
        }
        assert!(
            !dotenv.contains("\nDATABASE_URL=") && !dotenv.contains("\nREDIS_URL="),
            "{dotenv}"
        );
        let ecs: Value = serde_json::from_str(&text(None, EnvironmentFormat::Ecs)).unwrap();
        assert_eq!(
            ecs["secrets"],
            json!([
                {"name": "POSTGRES_PASSWORD", "valueFrom": "arn:aws:secretsmanager:ca-central-1:1:secret:app-a:password::"},
                {"name": "REDIS_PASSWORD", "valueFrom": "arn:aws:secretsmanager:ca-central-1:1:secret:redis-b:auth_token::"},
            ])
        );
        assert_eq!(ecs["environment"].as_array().unwrap().len(), 13);
        let json: Value = serde_json::from_str(&text(None, EnvironmentFormat::Json)).unwrap();
        assert_eq!(json["REDIS_PASSWORD"]["field"], "auth_token");
    }

    #[test]
    fn urls_are_encoded_and_know_whom_they_talk_to() {
        let logins = logins("p@ss/w:rd?#%é");
        let json: Value =
            serde_json::from_str(&text(Some(&logins), EnvironmentFormat::Json)).unwrap();
        assert_eq!(
            json["DATABASE_URL"],
            "postgresql://berthcare_app:p%40ss%2Fw%3Ard%3F%23%25%C3%A9@db.example:5432/berthcare?sslmode=verify-full&sslrootcert=%2Fetc%2Fssl%2Frds%20bundle.pem"
        );
        assert_eq!(
            json["REDIS_URL"],
            "rediss://:p%40ss%2Fw%3Ard%3F%23%25%C3%A9@redis.example:6379/0"
        );
        assert_eq!(json["POSTGRES_PASSWORD"], "p@ss/w:rd?#%é");
        let ecs = file(Some(&logins)).write(EnvironmentFormat::Ecs);
        assert!(matches!(ecs, Err(EnvironmentError::EcsReveals)));
    }

    #[test]
    fn every_lack_is_told() {
        let outputs = Outputs::parse(br#"{"db_name": {"value": "x"}}"#).unwrap();
        let error = EnvironmentFile::new(&outputs, "ca-central-1".parse().unwrap(), BUNDLE, None)
            .err()
            .unwrap()
            .to_string();
        for name in [
            "db_username",
            "db_endpoint",
            "redis_endpoint",
            "s3_bucket_photos",
        ] {
            assert!(error.contains(name), "{name}: {error}");
        }
    }

    /// What a shell makes of a dotenv file.
    fn shell(text: &str, name: &str) -> String {
        let script = format!("{text}\nprintf '%s' \"${name}\"");
        let done = Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert!(done.status.success(), "{text}");
        String::from_utf8(done.stdout).unwrap()
    }

    #[test]
    fn what_is_no_value_of_an_environment_is_refused() {
        let outputs = Outputs::parse(OUTPUTS.as_bytes()).unwrap();
        let file = EnvironmentFile::new(
            &outputs,
            "ca-central-1".parse().unwrap(),
            BUNDLE,
            Some(&logins("a\0b")),
        );
        assert!(matches!(
            file,
            Err(EnvironmentError::ControlCharacter("POSTGRES_PASSWORD"))
        ));
        let endpoint = OUTPUTS.replace("db.example", "db.example\\nNODE_OPTIONS=x");
        assert_ne!(endpoint, OUTPUTS);
        let outputs = Outputs::parse(endpoint.as_bytes()).unwrap();
        let file = EnvironmentFile::new(&outputs, "ca-central-1".parse().unwrap(), BUNDLE, None);
        assert!(matches!(
            file,
            Err(EnvironmentError::ControlCharacter("POSTGRES_HOST"))
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn a_shell_reads_what_was_meant(password in "[ -~é\n\t]{1,40}") {
            let dotenv = text(Some(&logins(&password)), EnvironmentFormat::Dotenv);
            // Not the environment of the test: the name is one that only the file sets.
            prop_assert_eq!(shell(&dotenv, "POSTGRES_PASSWORD"), password);
        }
    }
}
