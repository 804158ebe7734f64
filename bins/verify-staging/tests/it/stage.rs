//! A folder with settings, a terraform that says what a test wants, and the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use local_aws::LocalAws;
use serde_json::{Value, json};
use tempfile::TempDir;

const SETTINGS: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");
/// Where captures go.
pub(crate) const EVIDENCE: &str = "docs/infra-verification";

pub(crate) struct Stage {
    pub(crate) dir: TempDir,
    environment: Vec<(String, String)>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let stage = Self {
            dir: TempDir::new().unwrap(),
            environment: Vec::new(),
        };
        stage.file("infra.toml", SETTINGS);
        stage
    }

    /// One whose program speaks to `aws`.
    pub(crate) fn on(aws: &LocalAws) -> Self {
        let mut stage = Self::new();
        for (name, value) in aws.environment() {
            stage.set(name, &value);
        }
        stage
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A program of this name, which is a script of the shell.
    pub(crate) fn script(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.file(&format!("bin/{name}"), &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let own = self.path("bin");
        Command::new(env!("CARGO_BIN_EXE_verify-staging"))
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", format!("{}:{path}", own.display()))
            // No repository but one that a test makes.
            .env("GIT_CEILING_DIRECTORIES", self.dir.path().parent().unwrap())
            .envs(self.environment.iter().cloned())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Standard output of a run that ends with `exit`.
    pub(crate) fn text(&self, exit: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?} {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, exit: i32, arguments: &[&str]) -> Value {
        let text = self.text(exit, &[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// A capture of `outputs`, without asking AWS; its path from the stage's folder.
    pub(crate) fn capture(&self, outputs: &Value) -> String {
        self.file("outputs.json", &outputs.to_string());
        let capture = ["capture", "--from", "outputs.json", "--no-check"];
        self.json(0, &capture)["file"].as_str().unwrap().to_owned()
    }

    /// What a file of the evidence says.
    pub(crate) fn read(&self, path: &str) -> Value {
        let text = fs::read_to_string(self.path(path)).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// What the guide's stack puts out, as far as the log records it.
pub(crate) fn outputs() -> Value {
    let secret = "arn:aws:secretsmanager:ca-central-1:123456789012:secret:staging";
    let all = [
        ("vpc_id", json!("vpc-0a1b2c3d")),
        ("public_subnet_ids", json!(["subnet-1", "subnet-2"])),
        ("private_subnet_ids", json!(["subnet-3", "subnet-4"])),
        (
            "db_endpoint",
            json!("db.x1.ca-central-1.rds.amazonaws.com:5432"),
        ),
        (
            "redis_endpoint",
            json!("master.redis.x1.cac1.cache.amazonaws.com"),
        ),
        (
            "cloudfront_domain_name",
            json!("d111111abcdef8.cloudfront.net"),
        ),
        (
            "db_credentials_secret_arn",
            json!(format!("{secret}/db-AbCdEf")),
        ),
        (
            "redis_credentials_secret_arn",
            json!(format!("{secret}/redis-AbCdEf")),
        ),
        (
            "cloudwatch_dashboard_url",
            json!("https://console.aws.amazon.com/cloudwatch/home#dashboards:name=staging"),
        ),
        (
            "sns_alerts_topic_arn",
            json!("arn:aws:sns:ca-central-1:123456789012:alerts"),
        ),
        ("s3_bucket_photos", json!("berthcare-photos-staging")),
    ];
    let mut outputs: Value = all
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!({"sensitive": false, "value": value})))
        .collect();
    outputs["redis_auth"] =
        json!({"sensitive": true, "type": "string", "value": "first-secret-of-redis"});
    outputs
}

/// Every file below `folder`.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
