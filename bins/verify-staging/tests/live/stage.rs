//! A local AWS with secrets and buckets, terraform's outputs that name them, and the program.

use std::path::{Path, PathBuf};

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options};
use local_aws::{LocalAws, RdsClock, RdsOptions};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use verify::EnvironmentClients;

use crate::certificates::{DATABASE, REDIS};
use crate::hunt::{PASSWORD, TOKEN, assert_clean};
use crate::servers::postgres::USER;

const SETTINGS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../examples/berthcare-staging/infra.toml"
);
pub(crate) const BUCKETS: [(&str, &str); 4] = [
    ("s3_bucket_photos", "berthcare-photos-staging"),
    ("s3_bucket_documents", "berthcare-documents-staging"),
    ("s3_bucket_signatures", "berthcare-signatures-staging"),
    ("s3_bucket_logs", "berthcare-logs-staging"),
];

pub(crate) struct Stage {
    pub(crate) aws: LocalAws,
    pub(crate) clients: EnvironmentClients,
    pub(crate) env: AwsEnv,
    pub(crate) outputs: Map<String, Value>,
    folder: TempDir,
}

/// How the program ended and what it said; clean of secrets.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Stage {
    /// With secrets as RDS and the cache's module keep them.
    pub(crate) async fn open() -> Option<Self> {
        // Time stands still for instances of RDS unless it is moved.
        let builder = LocalAws::builder().rds(RdsOptions {
            clock: RdsClock::Stepped,
            ..RdsOptions::default()
        });
        let aws = builder.start_or_skip().await.unwrap()?;
        let env = AwsEnv::load(Options {
            endpoint_url: Some(aws.endpoint().to_owned()),
            credentials: Some(Credentials::new("test", "test", None, None, "test")),
            ..Options::default()
        })
        .await
        .unwrap();
        let region = "ca-central-1".parse().unwrap();
        let clients = EnvironmentClients::new(&env.access(region), &env.global(region));
        let mut stage = Self {
            aws,
            clients,
            env,
            outputs: Map::new(),
            folder: TempDir::new().unwrap(),
        };
        let credentials = json!({"username": USER, "password": PASSWORD});
        let arn = stage.secret("credentials", &credentials.to_string()).await;
        stage.output("db_credentials_secret_arn", arn);
        let redis = json!({"auth_token": TOKEN, "host": REDIS, "port": 6379, "engine": "redis"});
        let arn = stage.secret("redis", &redis.to_string()).await;
        stage.output("redis_credentials_secret_arn", arn);
        for (name, value) in [
            ("db_address", json!(DATABASE)),
            ("db_port", json!(5432)),
            ("db_name", json!("postgres")),
            ("db_username", json!(USER)),
            ("redis_endpoint", json!(REDIS)),
            ("redis_port", json!(6379)),
            (
                "cloudfront_domain_name",
                json!("d111111abcdef8.cloudfront.net"),
            ),
        ] {
            stage.output(name, value);
        }
        for (output, bucket) in BUCKETS {
            stage.output(output, bucket);
        }
        Some(stage)
    }

    /// Sets an output.
    pub(crate) fn output(&mut self, name: &str, value: impl Into<Value>) {
        let output = json!({"sensitive": false, "value": value.into()});
        self.outputs.insert(name.to_owned(), output);
    }

    /// Makes a secret; returns its ARN.
    pub(crate) async fn secret(&self, name: &str, text: &str) -> String {
        let made = self
            .clients
            .secrets
            .create_secret()
            .name(name)
            .secret_string(text)
            .send()
            .await
            .unwrap();
        made.arn.unwrap()
    }

    /// A folder for files of the test.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Runs the program, and looks for secrets in what it says and in every file that it wrote.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        let ran = self.run_revealing(arguments).await;
        assert_clean("standard output", ran.stdout.as_bytes());
        assert_clean("standard error", ran.stderr.as_bytes());
        for entry in std::fs::read_dir(self.work()).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                continue;
            }
            assert_clean(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
        ran
    }

    /// Where the program runs.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder("work")
    }

    /// Runs the program where secrets are meant to be seen. It tells all it can, at the level of traces.
    pub(crate) async fn run_revealing(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "").await
    }

    /// Runs the program with a text on its standard input, and looks for secrets.
    pub(crate) async fn run_reading(&self, arguments: &[&str], text: &str) -> Ran {
        let ran = self.run_with(arguments, text).await;
        assert_clean("standard output", ran.stdout.as_bytes());
        assert_clean("standard error", ran.stderr.as_bytes());
        ran
    }

    /// Runs the program without outputs.
    pub(crate) async fn run_alone(&self, arguments: &[&str]) -> Ran {
        self.run_on(arguments, None, "").await
    }

    async fn run_with(&self, arguments: &[&str], text: &str) -> Ran {
        let outputs = self.folder("outputs").join("outputs.json");
        std::fs::write(&outputs, Value::Object(self.outputs.clone()).to_string()).unwrap();
        self.run_on(arguments, Some(&outputs), text).await
    }

    async fn run_on(&self, arguments: &[&str], outputs: Option<&Path>, text: &str) -> Ran {
        let stdin = self.folder("outputs").join("stdin");
        std::fs::write(&stdin, text).unwrap();
        let done = tokio::process::Command::new(env!("CARGO_BIN_EXE_verify-staging"))
            .args(arguments)
            .args(["--config", SETTINGS, "-vv"])
            .args(outputs.map(|_| "--outputs"))
            .args(outputs)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("RUST_LOG", "trace")
            .envs(self.aws.environment())
            .current_dir(self.work())
            .stdin(std::fs::File::open(&stdin).unwrap())
            .output()
            .await
            .unwrap();
        Ran {
            code: done.status.code(),
            stdout: String::from_utf8(done.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }
}

/// Without its traces, which are long.
impl std::fmt::Debug for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let traced = |line: &&str| {
            ["TRACE ", "DEBUG ", " INFO "]
                .iter()
                .any(|level| line.starts_with(level))
        };
        let told: Vec<&str> = self.stderr.lines().filter(|line| !traced(line)).collect();
        write!(
            f,
            "exit {:?}\n{}\n{}",
            self.code,
            self.stdout,
            told.join("\n")
        )
    }
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// What was found of one thing: status, and what was seen or why not.
    pub(crate) fn found(&self, what: &str) -> Vec<(String, String)> {
        let json = self.json();
        let text = |finding: &Value, name: &str| finding[name].as_str().map(str::to_owned);
        let findings: Vec<Value> = match json["diagnoses"].as_array() {
            Some(diagnoses) => diagnoses
                .iter()
                .flat_map(|diagnosis| diagnosis["findings"].as_array().unwrap().clone())
                .collect(),
            None => json["findings"].as_array().unwrap().clone(),
        };
        findings
            .iter()
            .filter(|finding| finding["what"] == what)
            .map(|finding| {
                let seen = text(finding, "seen").or(text(finding, "reason"));
                (text(finding, "status").unwrap(), seen.unwrap_or_default())
            })
            .collect()
    }

    /// The one thing that was found, with its status.
    #[track_caller]
    pub(crate) fn assert(&self, what: &str, status: &str, seen: &str) {
        let found = self.found(what);
        assert!(
            found.len() == 1 && found[0].0 == status && found[0].1.contains(seen),
            "{what} is not {status} ({seen}): {found:?}"
        );
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
