//! Environments that were built in the primary region, failed over, and go back.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_env::Both;
use aws_sdk_s3::types::{
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, ReplicationConfiguration,
    ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
};
use dr::objects::JournalKey;
use local_aws::{RdsQuotas, RegionState};
use report::Silent;
use runbook::{
    Decisions, Declared, Digest, Evidence, Failback, FailbackRequest, FailbackSettings, Host as _,
    LeaseTimes, LossWindow, Marker, Mode, ObjectRuns, OpenRun, Plan, Policy, RegionLoss,
    RunOptions, RunState, RunStatus, StepId, Watch, carry_on, not_known, plan_failback, read_lease,
    read_run,
};
use state_backend::{HeldLocks, LockHolder};
use tokio::sync::watch;

use crate::stage::{
    DR, Environment, Nobody, PRIMARY, Process, STATE_KEY, Stage, Unseen, create_database,
    create_groups, make_bucket, replicate_backups, secret_of, state,
};

const HOME: &str = r#"
            [databases.failback.restore]
            multi_az = false
            subnet_group = "home"
            parameter_group = "home-postgres"
            security_groups = ["sg-0f1e2d3c4b5a69788"]
"#;

const NO_WINDOW: LossWindow = LossWindow {
    window: Duration::ZERO,
    every: Duration::ZERO,
};

impl Stage {
    /// What restores in the primary region need, once.
    pub(crate) async fn make_home(&self) {
        self.aws.set_region(PRIMARY, RegionState::Up);
        create_groups(&self.rds_primary, "home").await;
        // Of the many environments of a test, not of one.
        self.aws.rds().unwrap().set_quotas(RdsQuotas {
            manual_snapshots: 10_000,
            replicated_backups: 10_000,
            instances: 10_000,
            ..RdsQuotas::default()
        });
    }

    /// An environment that was in the primary region, with three objects, a state and a database, and is failed over. The
    /// primary region is back.
    pub(crate) async fn failed_over(&self, number: u64) -> Environment {
        let more = format!("{HOME}{}", secret_of(number));
        let environment = Self::named(number, &format!("home-{number}"), &more);
        for bucket in [
            environment.state_bucket(),
            environment.data_bucket(),
            environment.marker_bucket(),
        ] {
            make_bucket(&self.dr, &bucket).await;
        }
        for (bucket, copy) in [
            (environment.state_home(), environment.state_bucket()),
            (environment.data_home(), environment.data_bucket()),
        ] {
            make_bucket(&self.primary, &bucket).await;
            self.replicate(&bucket, &copy).await;
        }
        self.put_home(&environment.state_home(), STATE_KEY, &state(3))
            .await;
        for key in ["a.jpg", "b.jpg", "c.jpg"] {
            self.put_home(&environment.data_home(), key, key).await;
        }
        let arn = create_database(&self.rds_primary, &environment.home()).await;
        let rds = self.aws.rds().unwrap();
        rds.step(Duration::from_secs(10 * 60)).await;
        replicate_backups(&self.rds, arn).await;
        rds.step(Duration::from_secs(60 * 60)).await;
        self.replicated_secret(&environment).await;
        Box::pin(self.fail_over(&environment, 1000)).await;
        environment
    }

    /// Fails an environment over, with the primary region off meanwhile.
    pub(crate) async fn fail_over(&self, environment: &Environment, pid: u32) {
        self.aws.set_region(PRIMARY, RegionState::Refuse);
        let process = environment.process(pid);
        let state = Box::pin(environment.begin(self, &process)).await;
        assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
        self.aws.set_region(PRIMARY, RegionState::Up);
    }

    async fn replicate(&self, bucket: &str, copy: &str) {
        let markers = DeleteMarkerReplication::builder();
        let markers = markers
            .status(DeleteMarkerReplicationStatus::Enabled)
            .build();
        let destination = Destination::builder().bucket(format!("arn:aws:s3:::{copy}"));
        let rule = ReplicationRule::builder()
            .id("all")
            .priority(1)
            .status(ReplicationRuleStatus::Enabled)
            .filter(ReplicationRuleFilter::builder().prefix("").build())
            .delete_marker_replication(markers)
            .destination(destination.build().unwrap())
            .build()
            .unwrap();
        let configuration = ReplicationConfiguration::builder()
            .role("arn:aws:iam::000000000000:role/replicate")
            .rules(rule)
            .build()
            .unwrap();
        let put = self.primary.s3.put_bucket_replication().bucket(bucket);
        let put = put.replication_configuration(configuration);
        put.send().await.unwrap();
    }

    pub(crate) async fn put_home(&self, bucket: &str, key: &str, body: &str) {
        let put = self.primary.s3.put_object().bucket(bucket).key(key);
        let put = put.body(body.as_bytes().to_vec().into());
        put.send().await.unwrap();
    }

    pub(crate) async fn delete(&self, bucket: &str, key: &str) {
        let delete = self.dr.s3.delete_object().bucket(bucket).key(key);
        delete.send().await.unwrap();
    }

    /// The objects of a bucket of the primary region.
    pub(crate) async fn home_objects(&self, environment: &Environment) -> BTreeMap<String, String> {
        objects(&self.primary, &environment.data_home()).await
    }

    pub(crate) async fn dr_objects(&self, environment: &Environment) -> BTreeMap<String, String> {
        objects(&self.dr, &environment.data_bucket()).await
    }

    pub(crate) fn both(&self) -> Both {
        self.env.both(PRIMARY.parse().unwrap(), DR.parse().unwrap())
    }

    /// The instances of a database's name in a region, with their status.
    pub(crate) async fn status(&self, rds: &aws_sdk_rds::Client, id: &str) -> Option<String> {
        let all = rds.describe_db_instances().send().await.unwrap();
        let mut found = all.db_instances().iter();
        let found = found.find(|instance| instance.db_instance_identifier() == Some(id))?;
        found.db_instance_status().map(str::to_owned)
    }
}

async fn objects(clients: &aws_env::RegionClients, bucket: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for key in aws_env::list_keys(clients, bucket, "").await.unwrap() {
        let get = clients.s3.get_object().bucket(bucket).key(&key);
        let body = get.send().await.unwrap().body.collect().await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        found.insert(key, text);
    }
    found
}

impl Environment {
    pub(crate) fn home(&self) -> String {
        format!("home-{}", self.number)
    }

    pub(crate) fn state_home(&self) -> String {
        format!("state-{}", self.number)
    }

    pub(crate) fn data_home(&self) -> String {
        format!("photos-{}", self.number)
    }

    /// A failover from its beginning.
    pub(crate) async fn begin(&self, stage: &Stage, process: &Process) -> RunState {
        let plan = Box::pin(self.plan(stage, process)).await;
        let times = LeaseTimes::default();
        let open = OpenRun::begin(self.store(stage), None, process.clone(), times, plan);
        let open = Box::pin(open).await.unwrap();
        Box::pin(self.carry_over(stage, process, open))
            .await
            .unwrap()
    }

    fn object_runs(&self) -> ObjectRuns {
        ObjectRuns {
            folder: self.folder.path().join("objects"),
            key: JournalKey::new([7; 32]),
            concurrency: 4,
        }
    }

    async fn last_failover(&self, stage: &Stage) -> Result<RunState, String> {
        let store = self.store(stage);
        let marker = Marker::read(&store).await;
        let marker = marker.map_err(|error| error.source.to_string())?.unwrap();
        let run = read_run(&store, &marker.run).await;
        Ok(run.map_err(|error| error.to_string())?.0)
    }

    pub(crate) async fn plan_back(
        &self,
        stage: &Stage,
        process: &Process,
        decisions: &Decisions,
    ) -> Result<Plan, String> {
        let both = stage.both();
        let evidence = Evidence::gather_health(&both.primary, NO_WINDOW, process).await;
        let failover = self.last_failover(stage).await?;
        let objects = self.object_runs();
        let request = FailbackRequest {
            settings: &self.settings,
            settings_digest: Digest::of(b"settings"),
            account: None,
            declared: Declared::healthy(evidence, process.now())
                .map_err(|error| error.to_string())?,
            failover: &failover,
            objects: &objects,
            decisions,
            versions: BTreeMap::new(),
        };
        let plan = Box::pin(plan_failback(request, &both, process)).await;
        match not_known(&plan).as_slice() {
            [] => Ok(plan),
            unknown => Err(unknown.join("; ")),
        }
    }

    /// A failback from its beginning, or the one that is not over, as far as it goes.
    pub(crate) async fn fail_back(
        &self,
        stage: &Stage,
        process: &Process,
        decisions: &str,
    ) -> Result<RunState, String> {
        self.fail_back_seen(stage, process, decisions, &Unseen, &[])
            .await
    }

    /// The same, seen record by record, without some of its steps.
    pub(crate) async fn fail_back_seen(
        &self,
        stage: &Stage,
        process: &Process,
        decisions: &str,
        watch: &dyn Watch,
        skip: &[&str],
    ) -> Result<RunState, String> {
        let decisions = Decisions::parse(decisions).unwrap();
        let store = self.store(stage);
        let times = LeaseTimes::default();
        let leased = Box::pin(self.leased(stage)).await?;
        if let Some(run) = &leased
            && run.plan.mode == Mode::Failback
            && run.status == RunStatus::Finished
        {
            return Ok(run.clone());
        }
        let not_over = leased.filter(|run| !run.status.is_over());
        let open = match not_over.map(|run| run.plan.run) {
            Some(run) => {
                Box::pin(OpenRun::resume(
                    store.clone(),
                    None,
                    process.clone(),
                    times,
                    &run,
                ))
                .await
            }
            None => {
                let plan = Box::pin(self.plan_back(stage, process, &decisions)).await?;
                Box::pin(OpenRun::begin(
                    store.clone(),
                    None,
                    process.clone(),
                    times,
                    plan,
                ))
                .await
            }
        };
        let open = open.map_err(|error| error.to_string())?;
        Box::pin(self.carry_back(stage, process, open, decisions, (watch, skip))).await
    }

    /// The run that the lease names, where its records were begun.
    async fn leased(&self, stage: &Stage) -> Result<Option<RunState>, String> {
        let store = self.store(stage);
        let lease = read_lease(&store)
            .await
            .map_err(|error| error.to_string())?;
        let Some(lease) = lease else {
            return Ok(None);
        };
        match read_run(&store, &lease.run).await {
            Ok((state, _)) => Ok(Some(state)),
            Err(error) if error.to_string().contains("has no run") => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn carry_back(
        &self,
        stage: &Stage,
        process: &Process,
        open: OpenRun<runbook::S3Store, Process>,
        decisions: Decisions,
        (watch, skip): (&dyn Watch, &[&str]),
    ) -> Result<RunState, String> {
        let permit = open.lease().permit();
        let both = stage.both();
        let both = Both {
            primary: both.primary.under(&permit),
            dr: both.dr.under(&permit),
            global: both.global.under(&permit),
        };
        let turned = FailbackSettings::of(&self.settings);
        let view = |settings, region: &str, folder: &str| RegionLoss {
            settings,
            dr: stage.env.dr_only(region.parse().unwrap()).under(&permit),
            store: self.store(stage),
            host: process.clone(),
            folder: self.folder.path().join(folder),
            root: Ok(None),
            hooks: self.hooks(),
            holder: LockHolder {
                who: "jo@laptop".to_owned(),
                time: process.now(),
                token: open.state().plan.run.to_string(),
                held: HeldLocks::default(),
            },
            observer: &Silent,
        };
        let steps = Failback {
            settings: &self.settings,
            both,
            primary: view(&turned.primary, PRIMARY, "primary"),
            pilot_light: view(&turned.pilot_light, PRIMARY, "pilot-light"),
            dr: view(&self.settings, DR, "dr"),
            objects: self.object_runs(),
            decisions,
        };
        let skip = skip
            .iter()
            .map(|step| (StepId::new(step), "a test".to_owned()));
        let options = RunOptions {
            policy: Policy::Auto,
            operator: "jo@laptop".to_owned(),
            skip: skip.collect(),
            ..RunOptions::default()
        };
        let (_stop, stopped) = watch::channel(false);
        let ended = Box::pin(carry_on(&open, &steps, &Nobody, &options, watch, stopped)).await;
        ended.map_err(|error| error.to_string())
    }
}
