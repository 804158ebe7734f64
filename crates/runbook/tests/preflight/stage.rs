//! An environment that is ready for a failover, in every respect.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Both, Options, RegionClients};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, ReplicationConfiguration,
    ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    VersioningConfiguration,
};
use aws_sdk_secretsmanager::types::{ReplicaRegionType, Tag};
use jiff::Timestamp;
use jiff::civil::date;
use local_aws::{LocalAws, RdsClock, RdsOptions};
use report::finding::Status;
use runbook::{
    Digest, DrillRecord, EnvironmentRoot, Holder, Host, JournalSeal, Preflight, PreflightRequest,
    Reach, Record, RunState, S3Store, Store, preflight,
};
use serde_json::json;
use settings::Settings;
use tempfile::TempDir;

pub(crate) const PRIMARY: &str = "ca-central-1";
pub(crate) const DR: &str = "ca-west-1";
pub(crate) const STATE: &str = "staging/terraform.tfstate";
pub(crate) const RUN: &str = "20261101T031500Z-0123456789abcdef";
const ROLE: &str = "break-glass";

macro_rules! stage {
    () => {
        match crate::stage::Stage::open().await {
            Some(stage) => stage,
            None => return,
        }
    };
}
pub(crate) use stage;

pub(crate) struct Stage {
    pub(crate) aws: LocalAws,
    /// As the role of outages.
    pub(crate) env: AwsEnv,
    pub(crate) primary: RegionClients,
    pub(crate) dr: RegionClients,
    pub(crate) rds: aws_sdk_rds::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) ec2: aws_sdk_ec2::Client,
    /// Of the primary region.
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) text: String,
    /// Those of the data and of the database.
    pub(crate) keys: [String; 2],
    pub(crate) security_group: String,
    pub(crate) folder: TempDir,
}

/// What a preflight says of each thing, by what and resource.
pub(crate) type Answers = BTreeMap<(String, String), Status>;

pub(crate) fn answers(found: &Preflight) -> Answers {
    let answers = found
        .items()
        .map(|item| ((item.what.clone(), item.resource.clone()), item.status));
    answers.collect()
}

/// A process of this machine.
pub(crate) struct Process(Holder);

impl Process {
    pub(crate) fn new() -> Self {
        Self(Holder {
            operator: "jo@laptop".to_owned(),
            machine: "machine".to_owned(),
            pid: 7,
            started_ticks: Some(7),
        })
    }
}

impl Host for Process {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn random(&self) -> u64 {
        // Names of preflights within one second differ.
        u64::try_from(Timestamp::now().subsec_nanosecond()).unwrap()
    }

    fn holder(&self) -> &Holder {
        &self.0
    }

    fn is_alive(&self, _: &Holder) -> Option<bool> {
        None
    }

    fn stand_in(&self) -> Option<String> {
        Some("a local AWS".to_owned())
    }
}

impl Stage {
    pub(crate) async fn open() -> Option<Self> {
        let builder = LocalAws::builder().rds(RdsOptions {
            clock: RdsClock::Stepped,
            ..RdsOptions::default()
        });
        let aws = builder.start_or_skip().await.unwrap()?;
        let load = async |credentials: Credentials| {
            let options = Options {
                endpoint_url: Some(aws.endpoint().to_owned()),
                credentials: Some(credentials),
                // A region that is off stays off.
                attempts: Some(2),
                ..Options::default()
            };
            AwsEnv::load(options).await.unwrap()
        };
        let admin = load(Credentials::new("test", "test", None, None, "tests")).await;
        let (from, to) = (PRIMARY.parse().unwrap(), DR.parse().unwrap());
        let (primary, dr) = (admin.region(from), admin.region(to));
        let kms = aws_env::client!(aws_sdk_kms, &admin.access(to));
        let mut keys = Vec::new();
        for client in [
            &kms,
            &kms,
            &aws_env::client!(aws_sdk_kms, &admin.access(from)),
        ] {
            let key = client
                .create_key()
                .send()
                .await
                .unwrap()
                .key_metadata
                .unwrap();
            keys.push(key.arn.unwrap());
        }
        let [data_key, database_key, primary_key] = keys.try_into().unwrap();
        let ec2 = aws_env::client!(aws_sdk_ec2, &admin.access(to));
        let group = ec2
            .create_security_group()
            .group_name("database")
            .description("database");
        let security_group = group.send().await.unwrap().group_id.unwrap();
        let text = format!(
            r#"
            project = "berthcare"
            environment = "staging"
            regions = {{ primary = "{PRIMARY}", dr = "{DR}" }}
            [state]
            bucket = "state"
            key = "{STATE}"
            locking = ["s3"]
            [state.dr]
            bucket = "state-dr"
            role = "replicate-state"
            [[buckets]]
            name = "photos"
            dr = "photos-dr"
            [[databases]]
            id = "app"
            dr_id = "app-dr"
            kms = "{database_key}"
            [databases.restore]
            class = "db.t4g.medium"
            multi_az = false
            subnet_group = "dr"
            parameter_group = "dr-postgres"
            security_groups = ["{security_group}"]
            [databases.integrity]
            ca = "authorities.pem"
            login = "app"
            [failover]
            marker_bucket = "marker"
            break_glass = "{ROLE}"
            variables = {{ mode = "full" }}
            "#
        );
        let role = aws_env::GlobalClients::new(&admin.global(from))
            .iam
            .create_role();
        let role = role.role_name(ROLE).assume_role_policy_document(
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"AWS": "*"}}]})
            .to_string(),
        );
        let role = role.send().await.unwrap().role.unwrap();
        let assume = dr
            .sts
            .assume_role()
            .role_arn(role.arn)
            .role_session_name("jo");
        let session = assume.send().await.unwrap().credentials.unwrap();
        let credentials = Credentials::new(
            session.access_key_id,
            session.secret_access_key,
            Some(session.session_token),
            None,
            "tests",
        );
        let stage = Self {
            env: load(credentials).await,
            rds: aws_env::client!(aws_sdk_rds, &admin.access(to)),
            secrets: aws_env::client!(aws_sdk_secretsmanager, &admin.access(from)),
            aws,
            primary,
            dr,
            kms,
            ec2,
            text,
            keys: [data_key, database_key],
            security_group,
            folder: tempfile::tempdir().unwrap(),
        };
        stage.write_authorities();
        stage.make_buckets().await;
        stage.make_database(&admin, &primary_key).await;
        stage.make_secret("app").await;
        stage.replicate_secret("app").await;
        stage.keep_drill(10).await;
        Some(stage)
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::parse(&self.text, date(2026, 11, 30)).unwrap()
    }

    pub(crate) fn both(&self) -> Both {
        self.env.both(PRIMARY.parse().unwrap(), DR.parse().unwrap())
    }

    pub(crate) fn store(&self) -> S3Store {
        let clients = self.env.region(DR.parse().unwrap());
        S3Store::new(clients, "state-dr", ".dr-runs/berthcare-staging/")
    }

    async fn make_buckets(&self) {
        for (clients, bucket) in [
            (&self.primary, "state"),
            (&self.dr, "state-dr"),
            (&self.primary, "photos"),
            (&self.dr, "photos-dr"),
            (&self.dr, "marker"),
        ] {
            let location = BucketLocationConstraint::from(clients.region.as_str());
            let location = CreateBucketConfiguration::builder().location_constraint(location);
            let create = clients.s3.create_bucket().bucket(bucket);
            let create = create.create_bucket_configuration(location.build());
            create.send().await.unwrap();
            let versioning = VersioningConfiguration::builder();
            let versioning = versioning.status(BucketVersioningStatus::Enabled).build();
            let put = clients.s3.put_bucket_versioning().bucket(bucket);
            put.versioning_configuration(versioning)
                .send()
                .await
                .unwrap();
        }
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(ServerSideEncryption::AwsKms)
            .kms_master_key_id(&self.keys[0])
            .build()
            .unwrap();
        let rule =
            ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
        let encryption = ServerSideEncryptionConfiguration::builder()
            .rules(rule.build())
            .build();
        let put = self.dr.s3.put_bucket_encryption().bucket("photos-dr");
        let put = put.server_side_encryption_configuration(encryption.unwrap());
        put.send().await.unwrap();
        for bucket in ["state", "photos"] {
            self.replicate(bucket).await;
        }
        for key in ["a.jpg", "b.jpg"] {
            put_object(&self.primary, "photos", key, key).await;
        }
        put_object(&self.primary, "state", STATE, &state(3, "")).await;
    }

    pub(crate) async fn replicate(&self, bucket: &str) {
        let markers =
            DeleteMarkerReplication::builder().status(DeleteMarkerReplicationStatus::Enabled);
        let destination = Destination::builder().bucket(format!("arn:aws:s3:::{bucket}-dr"));
        let rule = ReplicationRule::builder()
            .id("all")
            .priority(1)
            .status(ReplicationRuleStatus::Enabled)
            .filter(ReplicationRuleFilter::builder().prefix("").build())
            .delete_marker_replication(markers.build())
            .destination(destination.build().unwrap())
            .build()
            .unwrap();
        let configuration = ReplicationConfiguration::builder()
            .role("arn:aws:iam::000000000000:role/replicate-state")
            .rules(rule)
            .build()
            .unwrap();
        let put = self.primary.s3.put_bucket_replication().bucket(bucket);
        put.replication_configuration(configuration)
            .send()
            .await
            .unwrap();
    }

    async fn make_database(&self, admin: &AwsEnv, key: &str) {
        let from = aws_env::client!(aws_sdk_rds, &admin.access(PRIMARY.parse().unwrap()));
        let create = from.create_db_instance().db_instance_identifier("app");
        let create = create
            .engine("postgres")
            .db_instance_class("db.t4g.medium")
            .allocated_storage(20)
            .master_username("app")
            .master_user_password("correct-horse")
            .storage_encrypted(true)
            .kms_key_id(key)
            .backup_retention_period(7);
        let created = create.send().await.unwrap().db_instance.unwrap();
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        self.aws.rds().unwrap().step(minutes(10)).await;
        self.make_groups().await;
        let replicate = self.rds.start_db_instance_automated_backups_replication();
        let replicate = replicate
            .source_db_instance_arn(created.db_instance_arn.unwrap())
            .kms_key_id(&self.keys[1])
            .backup_retention_period(7);
        replicate.send().await.unwrap();
        self.aws.rds().unwrap().step(minutes(60)).await;
    }

    /// Those that are there already stay.
    pub(crate) async fn make_groups(&self) {
        let group = self.rds.create_db_subnet_group().db_subnet_group_name("dr");
        let group = group.db_subnet_group_description("dr");
        let _there = group
            .subnet_ids("subnet-00000001")
            .subnet_ids("subnet-00000002")
            .send()
            .await;
        let group = self
            .rds
            .create_db_parameter_group()
            .db_parameter_group_name("dr-postgres");
        let group = group
            .db_parameter_group_family("postgres18")
            .description("dr");
        let _there = group.send().await;
    }

    /// Whom the questions to a restored database trust.
    pub(crate) fn write_authorities(&self) {
        let authority = rcgen::generate_simple_self_signed(vec!["authority".to_owned()]);
        let pem = authority.unwrap().cert.pem();
        std::fs::write(self.folder.path().join("authorities.pem"), pem).unwrap();
    }

    /// A secret of the environment, in the primary region.
    pub(crate) async fn make_secret(&self, name: &str) {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let create = self.secrets.create_secret().name(name);
        let create = create.secret_string(
            json!({"username": "app", "password": "hunter2", "dbname": "app"}).to_string(),
        );
        let create = create
            .tags(tag("Project", "berthcare"))
            .tags(tag("Environment", "staging"));
        create.send().await.unwrap();
    }

    async fn replicate_secret(&self, name: &str) {
        let replicate = self.secrets.replicate_secret_to_regions().secret_id(name);
        let region = ReplicaRegionType::builder().region(DR).build();
        replicate.add_replica_regions(region).send().await.unwrap();
    }

    /// A failover of this account that was verified so many days ago: its journal, and the record that follows from it.
    pub(crate) async fn keep_drill(&self, days: i64) {
        let at = Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
        let plan = json!({
            "run": RUN, "mode": "region-loss", "environment": "berthcare-staging", "account": "000000000000",
            "primary": PRIMARY, "dr": DR,
            "declared": {"lost": [PRIMARY], "evidence": [], "declaration": null, "declared": at},
            "fault": at, "planned": at, "operator": "kim", "settings": "00".repeat(32), "versions": {},
            "objectives": {"rto_seconds": 2700, "rpo_database_seconds": 900, "rpo_objects_seconds": 900},
            "steps": [{"id": "verify", "title": "Verify", "after": []}],
        });
        let events = [
            json!({"event": "planned", "plan": plan}),
            json!({"event": "began", "step": "verify", "attempt": 1}),
            json!({"event": "ended", "step": "verify", "outcome": "done", "changed": true, "result": {}}),
        ];
        let place = ".dr-runs/berthcare-staging";
        let (mut previous, mut records) = (None, Vec::new());
        for (seq, event) in events.iter().enumerate() {
            let record = json!({
                "run": RUN, "seq": seq, "epoch": 1, "nonce": seq, "time": at, "previous": previous, "event": event,
            });
            let text = record.to_string();
            let key = format!("{place}/runs/{RUN}/{seq:06}.json");
            put_object(&self.dr, "state-dr", &key, &text).await;
            previous = Some(Digest::of(text.as_bytes()));
            records.push(serde_json::from_value::<Record>(record).unwrap());
        }
        let journal = JournalSeal {
            records: 3,
            digest: previous,
        };
        let record = DrillRecord::of(&RunState::replay(&records).unwrap(), journal);
        let key = format!("{place}/reports/{RUN}.json");
        put_object(&self.dr, "state-dr", &key, &json!(record).to_string()).await;
    }

    pub(crate) async fn preflight(&self) -> Preflight {
        let both = self.both();
        self.preflight_with(&self.settings(), Reach::Both(&both), Ok(None))
            .await
    }

    pub(crate) async fn preflight_with(
        &self,
        settings: &Settings,
        reach: Reach<'_>,
        root: Result<Option<EnvironmentRoot>, String>,
    ) -> Preflight {
        let store = self.store();
        let request = PreflightRequest {
            settings,
            settings_digest: Digest::of(b"settings"),
            reach,
            sign_in: Ok(None),
            store: &store,
            host: &Process::new(),
            root,
            folder: self.scratch(),
            beside: self.folder.path().to_owned(),
            versions: BTreeMap::new(),
        };
        let found = Box::pin(preflight(request)).await;
        let last = runbook::last_preflight(&store).await.ok().flatten();
        if let Some(last) = last.filter(|last| last.id == found.id) {
            assert_eq!(last.found.as_ref(), Ok(&found));
        }
        found
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.folder.path().join("preflight")
    }

    /// Writes a record of a run as another process would.
    pub(crate) async fn record(&self, key: &str, content: &serde_json::Value) {
        let bytes = content.to_string();
        self.store().create(key, bytes.as_bytes()).await.unwrap();
    }
}

pub(crate) async fn put_object(clients: &RegionClients, bucket: &str, key: &str, body: &str) {
    let body = ByteStream::from(body.as_bytes().to_vec());
    let put = clients.s3.put_object().bucket(bucket).key(key).body(body);
    put.send().await.unwrap();
}

pub(crate) async fn delete_object(clients: &RegionClients, bucket: &str, key: &str) {
    let delete = clients.s3.delete_object().bucket(bucket).key(key);
    delete.send().await.unwrap();
}

pub(crate) fn state(serial: u64, output: &str) -> String {
    json!({"version": 4, "terraform_version": "1.11.4", "serial": serial,
        "lineage": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "outputs": {"marked": {"value": output, "type": "string"}}, "resources": []})
    .to_string()
}
