//! Two buckets of the example's settings, and the program.

use std::process::{Child, Command, Output};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options, RegionClients};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CompletedMultipartUpload, CompletedPart,
    CreateBucketConfiguration, VersioningConfiguration,
};
use local_aws::{Base, LocalAws, REMOVED_VARIABLES};
use serde_json::Value;

pub(crate) const PRIMARY: &str = "ca-central-1";
pub(crate) const DR: &str = "us-east-1";
pub(crate) const EXAMPLE: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");
pub(crate) const FROM: &str = "berthcare-photos-staging";
pub(crate) const TO: &str = "berthcare-photos-staging-dr";
/// Where journals lie: in the state's copy, since the settings name no other bucket for them.
pub(crate) const JOURNALS: &str = "berthcare-terraform-state-dr";

pub(crate) struct Stage {
    pub(crate) aws: LocalAws,
    pub(crate) from: RegionClients,
    pub(crate) to: RegionClients,
    pub(crate) folder: tempfile::TempDir,
}

/// From now on a bucket keeps versions.
pub(crate) async fn keep_versions(clients: &RegionClients, bucket: &str) {
    let versioning = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let put = clients.s3.put_bucket_versioning().bucket(bucket);
    let put = put.versioning_configuration(versioning);
    put.send().await.unwrap();
}

impl Stage {
    pub(crate) async fn open() -> Option<Self> {
        Self::on(Base::Ministack).await
    }

    pub(crate) async fn on(base: Base) -> Option<Self> {
        let builder = LocalAws::builder().base(base);
        let aws = builder.start_or_skip().await.unwrap()?;
        let env = AwsEnv::load(Options {
            endpoint_url: Some(aws.endpoint().to_owned()),
            credentials: Some(Credentials::new("test", "test", None, None, "tests")),
            ..Options::default()
        })
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("infra.toml"), EXAMPLE).unwrap();
        let stage = Self {
            aws,
            from: env.region(PRIMARY.parse().unwrap()),
            to: env.region(DR.parse().unwrap()),
            folder,
        };
        let location = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(PRIMARY))
            .build();
        let create = stage.from.s3.create_bucket().bucket(FROM);
        create
            .create_bucket_configuration(location)
            .send()
            .await
            .unwrap();
        for bucket in [TO, JOURNALS] {
            let create = stage.to.s3.create_bucket().bucket(bucket);
            create.send().await.unwrap();
        }
        keep_versions(&stage.to, TO).await;
        Some(stage)
    }

    pub(crate) async fn put(&self, clients: &RegionClients, bucket: &str, keys: &[&str]) {
        for key in keys {
            let body = ByteStream::from(key.as_bytes().to_vec());
            let put = clients.s3.put_object().bucket(bucket).key(*key).body(body);
            put.send().await.unwrap();
        }
    }

    /// The program, in the test's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dr-replicate"));
        for name in REMOVED_VARIABLES {
            command.env_remove(name);
        }
        command
            .envs(self.aws.environment())
            .env("INFRA_CONFIG", self.folder.path().join("infra.toml"))
            .env("DR_REPLICATE_RUNS", self.folder.path().join("runs"))
            .env(
                "DR_REPLICATE_JOURNAL_KEY",
                self.folder.path().join("journal.key"),
            )
            .current_dir(self.folder.path())
            .args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn json(&self, exit: i32, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--output", "json"]].concat();
        let output = self.run(&arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// An object in parts of 5 MiB and less, in the source.
    pub(crate) async fn put_in_parts(&self, key: &str, parts: &[Vec<u8>]) {
        let s3 = &self.from.s3;
        let upload = s3.create_multipart_upload().bucket(FROM).key(key);
        let upload = upload.send().await.unwrap();
        let id = upload.upload_id().unwrap();
        let mut done = CompletedMultipartUpload::builder();
        for (number, part) in (1..).zip(parts) {
            let put = s3.upload_part().bucket(FROM).key(key).upload_id(id);
            let put = put.part_number(number).body(part.clone().into());
            let etag = put.send().await.unwrap().e_tag;
            let part = CompletedPart::builder().part_number(number);
            done = done.parts(part.set_e_tag(etag).build());
        }
        let complete = s3.complete_multipart_upload().bucket(FROM).key(key);
        let complete = complete.upload_id(id).multipart_upload(done.build());
        complete.send().await.unwrap();
    }

    /// Uploads to the destination that are neither completed nor aborted.
    pub(crate) async fn uploads(&self) -> Vec<String> {
        let list = self.to.s3.list_multipart_uploads().bucket(TO);
        let uploads = list.send().await.unwrap().uploads.unwrap_or_default();
        uploads
            .into_iter()
            .filter_map(|upload| upload.upload_id)
            .collect()
    }

    /// Waits until the local AWS has answered so many requests for `operation`, or the program has ended.
    pub(crate) async fn until(&self, operation: &str, number: usize, child: &mut Child) {
        let seen = || {
            let log = self.aws.log();
            let calls = log.iter().filter(|entry| entry.operation == operation);
            calls.count()
        };
        while seen() < number && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let page = self
            .to
            .s3
            .list_objects_v2()
            .bucket(TO)
            .send()
            .await
            .unwrap();
        let keys = page.contents().iter().filter_map(|object| object.key());
        keys.filter(|key| !key.starts_with(".dr-journal/"))
            .map(str::to_owned)
            .collect()
    }
}

macro_rules! stage {
    () => {
        match Stage::open().await {
            Some(stage) => stage,
            None => return,
        }
    };
}
