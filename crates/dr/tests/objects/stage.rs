//! Two buckets in two regions, and short ways to fill and read them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, DrOnly, Options, RegionClients};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, ChecksumMode, CreateBucketConfiguration,
    VersioningConfiguration,
};
use dr::objects::{
    ApplyOptions, Approved, Bucket, BucketPair, ChangeLimit, Done, ExecuteError, JournalKey,
    JournalTrust, Lister as _, Mode, OwnCopies, PairedBucket, Parity, ParityOptions, Plan,
    PlanOptions, Planned, PlannedUndo, Policy, ReplayedRun, Run, S3Location, UndoError, apply,
    parity, plan, plan_undo, replay, undo,
};
use local_aws::{Base, LocalAws};
use tokio::sync::watch;

pub(crate) const PRIMARY: &str = "ca-central-1";
pub(crate) const DR: &str = "us-east-1";

pub(crate) struct Stage {
    pub(crate) aws: LocalAws,
    pub(crate) env: AwsEnv,
    pub(crate) from: RegionClients,
    pub(crate) to: RegionClients,
    pub(crate) source: Bucket,
    pub(crate) destination: Bucket,
    pub(crate) runs: tempfile::TempDir,
}

pub(crate) fn options() -> PlanOptions {
    PlanOptions {
        mode: Mode::Auto,
        headers: false,
        delete: false,
        leave_unproven: false,
        listings: 4,
        own_copies: OwnCopies::default(),
    }
}

macro_rules! stage {
    () => {
        match crate::stage::Stage::open().await {
            Some(stage) => stage,
            None => return,
        }
    };
}

pub(crate) fn deleting() -> PlanOptions {
    PlanOptions {
        delete: true,
        ..options()
    }
}

impl Stage {
    pub(crate) async fn open() -> Option<Self> {
        Self::on(Base::Ministack).await
    }

    /// Gives up an attempt after 300 ms, so that time-outs can be tried.
    pub(crate) async fn impatient() -> Option<Self> {
        let mut stage = Self::open().await?;
        let patience = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_millis(300))
            .build();
        for (clients, bucket) in [
            (&stage.from, &mut stage.source),
            (&stage.to, &mut stage.destination),
        ] {
            let config = clients.s3.config().to_builder();
            let mut clients = clients.clone();
            let config = config.timeout_config(patience.clone()).build();
            clients.s3 = aws_sdk_s3::Client::from_conf(config);
            *bucket = Bucket::new(&clients, bucket.location().clone());
        }
        Some(stage)
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
        let from = env.region(PRIMARY.parse().unwrap());
        let to = env.region(DR.parse().unwrap());
        let stage = Self {
            source: Bucket::new(&from, "s3://photos".parse().unwrap()),
            destination: Bucket::new(&to, "s3://photos-dr".parse().unwrap()),
            runs: tempfile::tempdir().unwrap(),
            aws,
            env,
            from,
            to,
        };
        stage.create(&stage.from, "photos").await;
        stage.create(&stage.to, "photos-dr").await;
        Some(stage)
    }

    /// What a step may use once the primary region is lost.
    pub(crate) fn dr_only(&self) -> DrOnly {
        self.env.dr_only(self.to.region)
    }

    pub(crate) async fn create(&self, clients: &RegionClients, bucket: &str) {
        let mut request = clients.s3.create_bucket().bucket(bucket);
        if clients.region.as_str() != DR {
            request = request.create_bucket_configuration(
                CreateBucketConfiguration::builder()
                    .location_constraint(BucketLocationConstraint::from(clients.region.as_str()))
                    .build(),
            );
        }
        request.send().await.unwrap();
        clients
            .s3
            .put_bucket_versioning()
            .bucket(bucket)
            .versioning_configuration(
                VersioningConfiguration::builder()
                    .status(BucketVersioningStatus::Enabled)
                    .build(),
            )
            .send()
            .await
            .unwrap();
    }

    pub(crate) async fn put(&self, clients: &RegionClients, bucket: &str, key: &str, body: &[u8]) {
        clients
            .s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(ByteStream::from(body.to_vec()))
            .send()
            .await
            .unwrap();
    }

    pub(crate) async fn put_source(&self, key: &str, body: &[u8]) {
        self.put(&self.from, "photos", key, body).await;
    }

    pub(crate) async fn put_destination(&self, key: &str, body: &[u8]) {
        self.put(&self.to, "photos-dr", key, body).await;
    }

    /// Puts a delete marker on an object of the destination.
    pub(crate) async fn delete(&self, key: &str) {
        let delete = self.to.s3.delete_object().bucket("photos-dr").key(key);
        delete.send().await.unwrap();
    }

    /// What the destination does with old versions.
    pub(crate) async fn versioning(&self, status: BucketVersioningStatus) {
        let configuration = VersioningConfiguration::builder().status(status).build();
        let put = self.to.s3.put_bucket_versioning().bucket("photos-dr");
        put.versioning_configuration(configuration)
            .send()
            .await
            .unwrap();
    }

    /// Keys of the destination but journals, also such that XML cannot name.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let whole = Bucket::new(&self.to, "s3://photos-dr".parse().unwrap());
        let page = whole.pages().page(None, 1_000).await.unwrap();
        page.iter().map(|(key, _)| key.to_owned()).collect()
    }

    /// Everything in the destination but journals.
    pub(crate) async fn destination(&self) -> BTreeMap<String, Seen> {
        see(&self.to, "photos-dr").await
    }

    /// Everything in the source.
    pub(crate) async fn source(&self) -> BTreeMap<String, Seen> {
        see(&self.from, "photos").await
    }

    pub(crate) async fn plan(&self, options: &PlanOptions) -> Planned {
        plan(&self.source, &self.destination, options, self.runs.path())
            .await
            .unwrap()
    }

    pub(crate) async fn apply(&self, run: &str, planned: Planned) -> Result<Done, ExecuteError> {
        let (_keep, stop) = watch::channel(false);
        self.apply_until(run, approve(planned), stop).await
    }

    pub(crate) async fn apply_until(
        &self,
        run: &str,
        approved: Approved,
        stop: watch::Receiver<bool>,
    ) -> Result<Done, ExecuteError> {
        let (run, options) = (self.run(run), self.options());
        apply(approved, &run, &options, stop, &report::Silent).await
    }

    /// Applies a failback.
    pub(crate) async fn apply_back(&self, run: &str, planned: Planned) -> Done {
        let run = Run {
            command: "reconcile".to_owned(),
            source: self.destination.location().to_string(),
            destination: self.source.location().to_string(),
            ..self.run(run)
        };
        let (_keep, stop) = watch::channel(false);
        let (approved, options) = (approve(planned), self.options());
        let done = apply(approved, &run, &options, stop, &report::Silent).await;
        done.unwrap()
    }

    /// Plans and applies.
    pub(crate) async fn sync(&self, run: &str, options: &PlanOptions) -> (Plan, Done) {
        let planned = self.plan(options).await;
        let plan = planned.plan().clone();
        (plan, self.apply(run, planned).await.unwrap())
    }

    pub(crate) async fn parity(&self, mode: Mode) -> Parity {
        let options = ParityOptions {
            mode,
            headers: false,
            listings: 4,
            sample: 3,
            seed: 1,
            own_copies: self.own_copies(),
        };
        parity(&self.source, &self.destination, &options)
            .await
            .unwrap()
    }

    /// For buckets whose ETags prove nothing: with what this machine has copied before.
    pub(crate) fn keyed_options(&self) -> PlanOptions {
        PlanOptions {
            own_copies: self.own_copies(),
            ..options()
        }
    }

    pub(crate) fn own_copies(&self) -> OwnCopies {
        let journals = vec![self.source.clone(), self.destination.clone()];
        let options = self.options();
        OwnCopies::new(options.runs, Some(options.journal_key), journals)
    }

    /// Undoes what was planned, as `name`.
    pub(crate) async fn carry_out_undo(&self, planned: PlannedUndo, name: &str) {
        let approved = planned.approve(JournalTrust::Own).unwrap();
        let (run, options) = (self.run(name), self.options());
        let undone = undo(approved, &run, &options, &report::Silent).await;
        let undone = undone.unwrap();
        assert_eq!(undone.failed.tally.objects, 0, "{undone:?}");
    }

    /// Undoes `run` as `name`; returns how many objects were put back.
    pub(crate) async fn undo(&self, run: &str, name: &str) -> u64 {
        let planned = self.plan_undo(run).await.unwrap();
        let plan = planned.plan();
        assert_eq!(plan.conflicts.tally.objects, 0, "{plan:?}");
        assert_eq!(plan.impossible.tally.objects, 0, "{plan:?}");
        let approved = planned.approve(JournalTrust::Own).unwrap();
        let (run, options) = (self.run(name), self.options());
        let undone = undo(approved, &run, &options, &report::Silent).await;
        let undone = undone.unwrap();
        assert_eq!(undone.failed.tally.objects, 0, "{undone:?}");
        undone.undone.objects
    }

    /// What undoing `run` would do; its jobs are not asked about.
    pub(crate) async fn plan_undo(&self, run: &str) -> Result<PlannedUndo, UndoError> {
        let directory = tempfile::tempdir().unwrap();
        let replayed = self.replay(run, directory.path()).await;
        // The steps are read from the open directory of the runs.
        plan_undo(&replayed, None, Some(&self.source), self.runs.path()).await
    }

    pub(crate) async fn replay(&self, run: &str, directory: &std::path::Path) -> ReplayedRun {
        // Journals hold whole keys.
        let whole = self.destination.location().bucket.clone();
        let whole = self.destination.beside(S3Location::whole(whole));
        let replayed = replay(
            self.runs.path(),
            &whole,
            None,
            run,
            &self.options().journal_key,
            directory,
        )
        .await;
        replayed.unwrap()
    }

    /// Whether an archived object of the source can be read.
    pub(crate) async fn is_restored(&self, key: &str) -> bool {
        let head = self.from.s3.head_object().bucket("photos").key(key);
        let restore = head.send().await.unwrap().restore.unwrap_or_default();
        restore.contains("ongoing-request=\"false\"")
    }

    pub(crate) fn run(&self, name: &str) -> Run {
        Run {
            run: name.to_owned(),
            command: "sync".to_owned(),
            started: jiff::Timestamp::UNIX_EPOCH,
            source: self.source.location().to_string(),
            destination: self.destination.location().to_string(),
        }
    }

    pub(crate) fn options(&self) -> ApplyOptions {
        ApplyOptions {
            runs: self.runs.path().to_owned(),
            journals: None,
            journal_key: JournalKey::new([1; 32]),
            kms_key: None,
            concurrency: 8,
        }
    }
}

/// The buckets of a stage, as settings pair them.
pub(crate) fn pair() -> BucketPair {
    let side = |name: &str, region: &str| PairedBucket {
        name: name.parse().unwrap(),
        region: region.parse().unwrap(),
        account: None,
    };
    BucketPair {
        primary: side("photos", PRIMARY),
        dr: side("photos-dr", DR),
    }
}

/// Approved whatever it changes: guards have tests of their own.
pub(crate) fn approve(planned: Planned) -> Approved {
    let policy = Policy {
        max_delete: ChangeLimit::percent(100),
        max_replace: ChangeLimit::percent(100),
        overwrite_unversioned: true,
        ..Policy::default()
    };
    planned.approve(&policy).unwrap()
}

/// What a reader sees of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

async fn see(clients: &RegionClients, bucket: &str) -> BTreeMap<String, Seen> {
    let mut seen = BTreeMap::new();
    let mut pages = clients
        .s3
        .list_objects_v2()
        .bucket(bucket)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        for object in page.unwrap().contents() {
            let key = object.key().unwrap();
            if !key.starts_with(".dr-journal/") {
                seen.insert(key.to_owned(), see_one(clients, bucket, key).await);
            }
        }
    }
    seen
}

pub(crate) async fn see_one(clients: &RegionClients, bucket: &str, key: &str) -> Seen {
    let object = clients
        .s3
        .get_object()
        .bucket(bucket)
        .key(key)
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    let tags = clients
        .s3
        .get_object_tagging()
        .bucket(bucket)
        .key(key)
        .send()
        .await
        .unwrap();
    Seen {
        content_type: object.content_type().map(str::to_owned),
        cache_control: object.cache_control().map(str::to_owned),
        metadata: object
            .metadata()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .collect(),
        body: object.body.collect().await.unwrap().to_vec(),
        tags: tags
            .tag_set
            .into_iter()
            .map(|tag| (tag.key, tag.value))
            .collect(),
    }
}
