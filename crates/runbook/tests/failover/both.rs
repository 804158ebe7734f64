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
    Decisions, Declared, Digest, Evidence, FailbackRequest, Host as _, LeaseTimes, LossWindow,
    Marker, Mode, ObjectRuns, OpenRun, Plan, PlannedMove, Policy, RegionLoss, RunOptions, RunState,
    RunStatus, StepId, SwitchoverRequest, TurnedSettings, UndoRequest, Watch, carry_on, not_known,
    not_possible, plan_failback, plan_switchover, plan_undo, read_lease, read_run,
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
            security_groups = ["sg-00000001"]
"#;

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

    /// An environment that was in the primary region, and is failed over. The primary region is back.
    pub(crate) async fn failed_over(&self, number: u64) -> Environment {
        let environment = Box::pin(self.at_home(number)).await;
        Box::pin(self.fail_over(&environment, 1000)).await;
        environment
    }

    /// An environment in the primary region, with three objects, a state and a database, all of them replicated.
    pub(crate) async fn at_home(&self, number: u64) -> Environment {
        Box::pin(self.at_home_with(number, "")).await
    }

    /// The same, with more in the settings.
    pub(crate) async fn at_home_with(&self, number: u64, more: &str) -> Environment {
        let more = format!("{HOME}{}\n{more}", secret_of(number));
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
        self.aws.set_region(PRIMARY, RegionState::Up);
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

    pub(crate) fn object_runs(&self) -> ObjectRuns {
        ObjectRuns {
            folder: self.folder.path().join("objects"),
            key: JournalKey::new([7; 32]),
            concurrency: 4,
        }
    }

    pub(crate) async fn last_failover(&self, stage: &Stage) -> Result<RunState, String> {
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
        let evidence = Evidence::gather_health(&both.primary, LossWindow::ONCE, process).await;
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
        let seen = (watch, skip);
        Box::pin(self.go(stage, process, Mode::Failback, decisions, seen)).await
    }

    /// A switchover from its beginning, or the one that is not over, as far as it goes.
    pub(crate) async fn switch_over(
        &self,
        stage: &Stage,
        process: &Process,
        (watch, skip): (&dyn Watch, &[&str]),
    ) -> Result<RunState, String> {
        let (decisions, seen) = (Decisions::default(), (watch, skip));
        Box::pin(self.go(stage, process, Mode::Planned, decisions, seen)).await
    }

    pub(crate) async fn plan_over(&self, stage: &Stage, process: &Process) -> Result<Plan, String> {
        let both = stage.both();
        let primary = Evidence::gather_health(&both.primary, LossWindow::ONCE, process).await;
        let dr = Evidence::gather_health(&both.dr, LossWindow::ONCE, process).await;
        let declared = Declared::both_healthy(primary, dr, process.now());
        let request = SwitchoverRequest {
            settings: &self.settings,
            settings_digest: Digest::of(b"settings"),
            account: None,
            declared: declared.map_err(|error| error.to_string())?,
            not_ready: Vec::new(),
            despite_residency: None,
            versions: BTreeMap::new(),
        };
        let plan = Box::pin(plan_switchover(request, &both, process)).await;
        match not_possible(&plan, &[]).as_slice() {
            [] => Ok(plan),
            problems => Err(problems.join("; ")),
        }
    }

    /// Gives a switchover up, and puts back what it has changed, as far as that goes.
    pub(crate) async fn undo(
        &self,
        stage: &Stage,
        process: &Process,
        watch: &dyn Watch,
    ) -> Result<Option<RunState>, String> {
        let leased = Box::pin(self.leased(stage)).await?.unwrap();
        let (store, times) = (self.store(stage), LeaseTimes::default());
        let text = |error: runbook::OpenError| error.to_string();
        let switchover = match leased.plan.mode {
            Mode::Undo if leased.status == RunStatus::Finished => return Ok(Some(leased)),
            Mode::Undo => {
                let run = &leased.plan.run;
                let open = OpenRun::resume(store, None, process.clone(), times, run);
                let open = Box::pin(open).await.map_err(text)?;
                let seen = (watch, &[][..]);
                let carried = self.carry_back(stage, process, open, Decisions::default(), seen);
                return Box::pin(carried).await.map(Some);
            }
            _ if leased.status.is_over() => leased,
            _ => {
                let run = &leased.plan.run;
                let open = OpenRun::resume(store.clone(), None, process.clone(), times, run);
                let open = Box::pin(open).await.map_err(text)?;
                let given_up = Box::pin(open.abandon("Kim", "not today"));
                given_up.await.map_err(text)?
            }
        };
        let both = stage.both();
        let evidence = Evidence::gather_health(&both.primary, LossWindow::ONCE, process).await;
        let declared = Declared::healthy(evidence, process.now());
        let request = UndoRequest {
            settings: &self.settings,
            settings_digest: Digest::of(b"settings"),
            account: None,
            declared: declared.map_err(|error| error.to_string())?,
            switchover: &switchover,
            versions: BTreeMap::new(),
        };
        let Some(plan) = plan_undo(request, process) else {
            return Ok(None);
        };
        let store = self.store(stage);
        let open = OpenRun::begin(store, None, process.clone(), LeaseTimes::default(), plan);
        let open = Box::pin(open).await.map_err(text)?;
        let seen = (watch, &[][..]);
        let carried = self.carry_back(stage, process, open, Decisions::default(), seen);
        Box::pin(carried).await.map(Some)
    }

    /// Begins a run by a plan that was made before.
    pub(crate) async fn begin_planned(
        &self,
        stage: &Stage,
        process: &Process,
        plan: Plan,
    ) -> Result<RunState, String> {
        let (store, times) = (self.store(stage), LeaseTimes::default());
        let open = OpenRun::begin(store, None, process.clone(), times, plan);
        let open = Box::pin(open).await.map_err(|error| error.to_string())?;
        let seen: (&dyn Watch, &[&str]) = (&Unseen, &[]);
        let carried = self.carry_back(stage, process, open, Decisions::default(), seen);
        Box::pin(carried).await
    }

    /// A planned move from its beginning, or the one that is not over, as far as it goes.
    async fn go(
        &self,
        stage: &Stage,
        process: &Process,
        mode: Mode,
        decisions: Decisions,
        (watch, skip): (&dyn Watch, &[&str]),
    ) -> Result<RunState, String> {
        let store = self.store(stage);
        let times = LeaseTimes::default();
        let leased = Box::pin(self.leased(stage)).await?;
        if let Some(run) = &leased
            && run.plan.mode == mode
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
                let plan = match mode {
                    Mode::Failback => Box::pin(self.plan_back(stage, process, &decisions)).await?,
                    _ => Box::pin(self.plan_over(stage, process)).await?,
                };
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
    pub(crate) async fn leased(&self, stage: &Stage) -> Result<Option<RunState>, String> {
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
        let turned = TurnedSettings::of(&self.settings);
        let mode = open.state().plan.mode;
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
        let (target, home) = match mode {
            Mode::Failback => (
                view(&turned.primary, PRIMARY, "primary"),
                &turned.pilot_light,
            ),
            Mode::Planned => (view(&self.settings, DR, "primary"), &turned.brought_up),
            _ => (view(&self.settings, DR, "primary"), &turned.pilot_light),
        };
        let steps = PlannedMove {
            settings: &self.settings,
            both,
            mode,
            target,
            home: view(home, PRIMARY, "pilot-light"),
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
