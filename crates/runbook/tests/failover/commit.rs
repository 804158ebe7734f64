//! An environment that stays where it was failed over to.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use aws_env::{Both, CallPermit, DrOnly};
use dr::database::At;
use jiff::civil::date;
use local_aws::{KillAt, Moment, RegionState};
use report::Silent;
use runbook::{
    Commit, CommitInputs, CommitRequest, Declaration, Declared, Digest, Evidence, FailoverRequest,
    Host as _, LeaseTimes, LossWindow, Marker, Mode, OpenRun, Plan, PlannedMove, Policy,
    RegionLoss, RunId, RunOptions, RunState, RunStatus, RunbookStatus, S3Store, StepId, StepStatus,
    Watch, carry_on, carry_records, difference, plan_commit, plan_failover,
};
use settings::{Committed, NewDr, Settings};
use state_backend::{HeldLocks, LockHolder};
use tokio::sync::{Notify, watch};

use crate::failback::{Seen, failed, status};
use crate::stage::{
    DR, Environment, Nobody, PRIMARY, Process, STATE_KEY, Stage, Unseen, create_groups, stage,
    state,
};

/// Where it is recovered from then on.
const NEW: &str = "us-west-2";
/// The only one besides in Canada is lost.
const COUNTRIES: &str = "[residency]\ncountries = [\"CA\", \"US\"]\n";

const TODAY: jiff::civil::Date = date(2026, 11, 30);

impl Stage {
    /// An environment whose primary region is lost and stays so.
    async fn lost_for_good(&self, number: u64) -> Environment {
        self.aws.set_region(PRIMARY, RegionState::Up);
        let environment = Box::pin(self.at_home_with(number, COUNTRIES)).await;
        Box::pin(self.fail_over(&environment, 1000)).await;
        self.aws.set_region(PRIMARY, RegionState::Refuse);
        Box::pin(self.use_in_dr(&environment)).await;
        environment
    }

    /// What restores in the new region need, once.
    async fn make_new(&self) {
        create_groups(&self.rds_new(), "dr").await;
    }

    fn rds_new(&self) -> aws_sdk_rds::Client {
        let access = self.env.access(NEW.parse().unwrap());
        aws_env::client!(aws_sdk_rds, &access)
    }

    fn store_new(&self, environment: &Environment) -> S3Store {
        let clients = self.env.region(NEW.parse().unwrap());
        S3Store::new(
            clients,
            format!("state-{}-{NEW}", environment.number),
            ".dr-runs/",
        )
    }

    /// What a commit leaves, whatever happened on its way.
    async fn check_committed(&self, environment: &Environment, is_protected: bool, of: &str) {
        let marker = Marker::read(&environment.store(self)).await;
        let marker = marker.unwrap().unwrap();
        assert!(!marker.failed_over, "{of}");
        assert_eq!(marker.primary.as_str(), DR, "{of}");
        assert!(
            marker.contradicts(environment.settings.regions).is_some(),
            "{of}"
        );
        let found = self.rds.describe_db_instances();
        let found = found.db_instance_identifier(environment.target());
        let found = found.send().await.unwrap();
        let instance = &found.db_instances()[0];
        assert_eq!(instance.deletion_protection(), Some(true), "{of}");
        assert_eq!(instance.backup_retention_period(), Some(7), "{of}");
        // What the failover has kept may go, as any other copy.
        let backups = self.rds.describe_db_instance_automated_backups();
        let backups = backups.send().await.unwrap();
        let backups = backups.db_instance_automated_backups().iter();
        for backup in
            backups.filter(|one| one.db_instance_identifier() == Some(&*environment.home()))
        {
            let arn = backup.db_instance_automated_backups_arn().unwrap();
            let tags = self.rds.list_tags_for_resource().resource_name(arn);
            let tags = tags.send().await.unwrap();
            let mut keys = tags.tag_list().iter().filter_map(|tag| tag.key());
            let held = keys.find(|key| {
                key.starts_with("dr-replicate:pin:") || key.starts_with("dr-replicate:failover:")
            });
            assert_eq!(held, None, "{of}");
        }
        let new = self.env.region(NEW.parse().unwrap());
        let objects = format!("photos-{}-{NEW}", environment.number);
        if !is_protected {
            let made = aws_env::list_keys(&new, &objects, "").await;
            assert!(made.is_err(), "{of}: something was made in {NEW}");
            return;
        }
        let mut copied = aws_env::list_keys(&new, &objects, "").await.unwrap();
        copied.sort();
        let there = self.dr_objects(environment).await;
        assert_eq!(copied, there.keys().cloned().collect::<Vec<_>>(), "{of}");
        let get = new.s3.get_object();
        let get = get.bucket(format!("state-{}-{NEW}", environment.number));
        let body = get.key(STATE_KEY).send().await.unwrap().body;
        let body = body.collect().await.unwrap().to_vec();
        assert_eq!(String::from_utf8(body).unwrap(), state(4), "{of}");
        let backups = self.rds_new().describe_db_instance_automated_backups();
        let backups = backups.send().await.unwrap();
        let backups = backups.db_instance_automated_backups().iter();
        let of_target = backups.filter(|backup| {
            backup.db_instance_identifier() == Some(&*environment.target())
                && backup.region() == Some(DR)
        });
        assert_eq!(of_target.count(), 1, "{of}");
        let (_, replica_of) = self.secret(NEW, &environment.secret()).await;
        assert_eq!(replica_of.as_deref(), Some(DR), "{of}");
    }

    /// That nobody has asked the region that is left since the log was cleared.
    fn check_left_alone(&self, of: &str) {
        let log = self.aws.log().into_iter();
        let asked: Vec<_> = log
            .filter(|entry| entry.region.as_deref() == Some(PRIMARY))
            .collect();
        assert!(asked.is_empty(), "{of}: {asked:?}");
    }

    /// That what is written from then on comes over by itself.
    async fn check_replicates(&self, environment: &Environment) {
        self.put(&environment.data_bucket(), "after.jpg", "after")
            .await;
        let new = self.env.region(NEW.parse().unwrap());
        let bucket = format!("photos-{}-{NEW}", environment.number);
        let there = aws_env::list_keys(&new, &bucket, "after").await.unwrap();
        assert_eq!(there, ["after.jpg"]);
    }
}

impl Environment {
    fn committed(&self, run: &RunId, dr: Option<&str>) -> Committed {
        Committed {
            to: DR.parse().unwrap(),
            dr: dr.map(|region| NewDr {
                region: region.parse().unwrap(),
                kms: None,
                topic: None,
            }),
            run: run.to_string(),
        }
    }

    async fn plan_stay(
        &self,
        stage: &Stage,
        process: &Process,
        dr: Option<&str>,
    ) -> Result<Plan, String> {
        let run = RunId::new(process);
        let committed = self.committed(&run, dr);
        let rewritten = committed.rewrite(self.text.as_str().into(), TODAY);
        let (text, means) = rewritten.map_err(|error| error.to_string())?;
        let serves = stage.env.access(DR.parse().unwrap());
        let seen = Evidence::gather_health(&serves, LossWindow::ONCE, process).await;
        let declared = Declared::healthy(seen, process.now());
        let declared = declared.map_err(|error| error.to_string())?;
        let last = self.last_failover(stage).await?;
        let request = CommitRequest {
            run,
            settings: &self.settings,
            settings_digest: Digest::of(b"settings"),
            committed: &committed,
            means: &means,
            means_digest: Digest::of(text.as_bytes()),
            difference: difference(&self.text, &text),
            account: None,
            last: &last,
            declared,
            versions: BTreeMap::new(),
        };
        Ok(plan_commit(request, process))
    }

    /// A commit from its beginning, or the one that is not over, as far as it goes.
    async fn stay(
        &self,
        stage: &Stage,
        process: &Process,
        dr: Option<&str>,
        watch: &dyn Watch,
    ) -> Result<RunState, String> {
        let (store, times) = (self.store(stage), LeaseTimes::default());
        let leased = Box::pin(self.leased(stage)).await?;
        let leased = leased.filter(|run| run.plan.mode == Mode::Commit);
        let open = match leased {
            Some(run) if run.status == RunStatus::Finished => return Ok(run),
            Some(run) => {
                let run = &run.plan.run;
                Box::pin(OpenRun::resume(store, None, process.clone(), times, run)).await
            }
            None => {
                let plan = Box::pin(self.plan_stay(stage, process, dr)).await?;
                Box::pin(OpenRun::begin(store, None, process.clone(), times, plan)).await
            }
        };
        let open = open.map_err(|error| error.to_string())?;
        Box::pin(self.carry_stay(stage, process, open, watch)).await
    }

    async fn carry_stay(
        &self,
        stage: &Stage,
        process: &Process,
        open: OpenRun<S3Store, Process>,
        watch: &dyn Watch,
    ) -> Result<RunState, String> {
        let permit = open.lease().permit();
        let committed = CommitInputs::of(&open.state().plan).unwrap().committed;
        let rewritten = committed.rewrite(self.text.as_str().into(), TODAY);
        let (_, means) = rewritten.map_err(|error| error.to_string())?;
        let run = open.state().plan.run;
        let in_dr = stage.env.dr_only(DR.parse().unwrap());
        let view = |settings, dr: &DrOnly| self.view(stage, process, &run, settings, (dr, &permit));
        let copies = committed.dr.is_some().then(|| {
            let new = stage.env.dr_only(NEW.parse().unwrap());
            let both = stage.env.both(DR.parse().unwrap(), NEW.parse().unwrap());
            PlannedMove {
                settings: &means,
                both: Both {
                    primary: both.primary.under(&permit),
                    dr: both.dr.under(&permit),
                    global: both.global.under(&permit),
                },
                mode: Mode::Commit,
                target: view(&means, &new),
                home: view(&means, &new),
                dr: view(&means, &new),
                objects: self.object_runs(),
                decisions: Default::default(),
            }
        });
        let steps = Commit {
            serves: view(&self.settings, &in_dr),
            means: &means,
            kms: None,
            copies,
        };
        let options = RunOptions {
            policy: Policy::Auto,
            operator: "jo@laptop".to_owned(),
            ..RunOptions::default()
        };
        let (_stop, stopped) = watch::channel(false);
        let ended = Box::pin(carry_on(&open, &steps, &Nobody, &options, watch, stopped)).await;
        ended.map_err(|error| error.to_string())
    }

    fn view<'s>(
        &self,
        stage: &Stage,
        process: &Process,
        run: &RunId,
        settings: &'s Settings,
        (dr, permit): (&DrOnly, &CallPermit),
    ) -> RegionLoss<'s, S3Store, Process> {
        RegionLoss {
            settings,
            dr: dr.under(permit),
            store: self.store(stage),
            host: process.clone(),
            folder: self.folder.path().join("commit"),
            root: Ok(None),
            hooks: self.hooks(),
            holder: LockHolder {
                who: "jo@laptop".to_owned(),
                time: process.now(),
                token: run.to_string(),
                held: HeldLocks::default(),
            },
            observer: &Silent,
        }
    }

    /// A failover to the new DR region, by the settings of then; something happens when it has begun.
    async fn fail_over_again(
        &self,
        stage: &Stage,
        process: &Process,
        means: &Settings,
        meanwhile: impl AsyncFnOnce(),
    ) -> RunState {
        let mut settings = means.clone();
        // What a person adds when Terraform has made the groups.
        let database = &mut settings.databases[0];
        let restore = database.failback.as_ref().unwrap().restore.clone();
        database.restore = restore;
        let dr = stage.env.dr_only(NEW.parse().unwrap());
        let request = FailoverRequest {
            settings: &settings,
            settings_digest: Digest::of(b"settings"),
            account: None,
            declared: Declared::decide(
                vec![stage.evidence(DR, process).await],
                Some(Declaration {
                    by: "Kim".to_owned(),
                    reason: "it burns as well".to_owned(),
                }),
                process.now(),
            )
            .unwrap(),
            despite_residency: None,
            fault: None,
            at: At::Latest,
            versions: BTreeMap::new(),
        };
        let plan = Box::pin(plan_failover(request, &dr, process)).await;
        let store = stage.store_new(self);
        let times = LeaseTimes::default();
        let open = OpenRun::begin(store.clone(), None, process.clone(), times, plan);
        let open = Box::pin(open).await.unwrap();
        meanwhile().await;
        let permit = open.lease().permit();
        let run = open.state().plan.run;
        let steps = RegionLoss {
            store,
            ..self.view(stage, process, &run, &settings, (&dr, &permit))
        };
        let options = RunOptions {
            policy: Policy::Auto,
            operator: "jo@laptop".to_owned(),
            ..RunOptions::default()
        };
        let (_stop, stopped) = watch::channel(false);
        let ended = carry_on(&open, &steps, &Nobody, &options, &Unseen, stopped);
        Box::pin(ended).await.unwrap()
    }
}

#[tokio::test]
async fn commit_without_a_dr_region_makes_a_primary_one_and_leaves_the_lost_one_alone() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.lost_for_good(1)).await;
    let disarm = stage.rds.modify_db_instance();
    let disarm = disarm.db_instance_identifier(environment.target());
    let disarm = disarm.backup_retention_period(1).apply_immediately(true);
    disarm.send().await.unwrap();
    let process = environment.process(1);
    stage.aws.clear_log();
    let state = Box::pin(environment.stay(&stage, &process, None, &Unseen)).await;
    let state = state.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    stage.check_left_alone("undisturbed");
    stage
        .check_committed(&environment, false, "undisturbed")
        .await;
    assert_eq!(status(&state, "protect/app-1-dr"), StepStatus::Done);
    let inputs = CommitInputs::of(&state.plan).unwrap();
    let rewritten = inputs
        .committed
        .rewrite(environment.text.as_str().into(), TODAY);
    let (_, means) = rewritten.unwrap();
    let shown = RunbookStatus::read(&means, &environment.store(&stage), process.now()).await;
    assert!(shown.is_known() && !shown.is_protected(), "{shown:#?}");
    // Settings of before begin nothing any more.
    let again = environment.process(2);
    let over = Box::pin(environment.begin(&stage, &again)).await;
    let told = failed(&over);
    assert!(told.contains("since run"), "{told}");
    assert_eq!(status(&over, "fence"), StepStatus::Pending);
    let store = environment.store(&stage);
    let old = RunbookStatus::read(&environment.settings, &store, process.now());
    assert!(!old.await.is_protected());
}

#[tokio::test]
async fn commit_with_a_dr_region_copies_everything_there_and_a_second_failover_leads_to_it() {
    let stage = stage!();
    stage.make_home().await;
    stage.make_new().await;
    let environment = Box::pin(stage.lost_for_good(1)).await;
    let process = environment.process(1);
    stage.aws.clear_log();
    let state = Box::pin(environment.stay(&stage, &process, Some(NEW), &Unseen)).await;
    let state = state.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    let (from, to) = (environment.store(&stage), stage.store_new(&environment));
    assert!(carry_records(&from, &to).await.unwrap() > 3);
    stage.check_left_alone("undisturbed");
    stage
        .check_committed(&environment, true, "undisturbed")
        .await;
    stage.check_replicates(&environment).await;
    let inputs = CommitInputs::of(&state.plan).unwrap();
    let rewritten = inputs
        .committed
        .rewrite(environment.text.as_str().into(), TODAY);
    let (_, means) = rewritten.unwrap();
    let shown = RunbookStatus::read(&means, &to, process.now()).await;
    assert!(shown.is_known() && shown.is_protected(), "{shown:#?}");
    let rds = stage.aws.rds().unwrap();
    rds.step(std::time::Duration::from_secs(60 * 60)).await;
    stage.aws.set_region(DR, RegionState::Refuse);
    let process = environment.process(2);
    let over = Box::pin(environment.fail_over_again(&stage, &process, &means, async || ())).await;
    assert_eq!(over.status, RunStatus::Finished, "{}", failed(&over));
    let target = stage.status(&stage.rds_new(), &environment.home()).await;
    assert_eq!(target.as_deref(), Some("available"));
    let marker = Marker::read(&to).await.unwrap().unwrap();
    assert!(
        marker.failed_over && marker.dr.as_str() == NEW,
        "{marker:?}"
    );
    let runs = runbook::list_runs(&to).await.unwrap();
    assert_eq!(runs.len(), 3);
    stage.check_left_alone("after the second failover");
}

impl Stage {
    /// What lease and mark were before the commit, in the order in which they were written, the last ones left out.
    async fn old_records(&self, environment: &Environment) -> Vec<(String, String)> {
        let bucket = environment.state_bucket();
        let mut old = Vec::new();
        for key in [".dr-runs/lease.json", ".dr-runs/failed-over.json"] {
            let versions = aws_env::list_versions(&self.dr, &bucket, key).await;
            for version in versions.unwrap().into_iter().skip(1).take(2) {
                let get = self.dr.s3.get_object().bucket(&bucket).key(key);
                let got = get.set_version_id(version.version_id).send().await;
                let bytes = got.unwrap().body.collect().await.unwrap().to_vec();
                old.push((key.to_owned(), String::from_utf8(bytes).unwrap()));
            }
        }
        old
    }

    /// S3 replicates what the records were, when others were written in the new region long since.
    async fn deliver_late(&self, environment: &Environment, old: &[(String, String)]) {
        self.aws.set_region(NEW, RegionState::Refuse);
        self.aws.set_region(DR, RegionState::Up);
        for (key, text) in old {
            self.put(&environment.state_bucket(), key, text).await;
        }
        self.aws.set_region(NEW, RegionState::Up);
        let new = self.env.region(NEW.parse().unwrap());
        for key in [".dr-runs/lease.json", ".dr-runs/failed-over.json"] {
            let get = new.s3.get_object().key(key);
            let got = get.bucket(format!("state-{}-{NEW}", environment.number));
            let got = got.send().await.unwrap();
            let status = got
                .replication_status
                .as_ref()
                .map(|status| status.as_str());
            assert_eq!(status, Some("REPLICA"), "{key}");
            let bytes = got.body.collect().await.unwrap().to_vec();
            let last = old.iter().rfind(|(of, _)| of == key).unwrap();
            assert_eq!(String::from_utf8(bytes).unwrap(), last.1, "{key}");
        }
    }
}

// aws-behaviour: 61
#[tokio::test]
async fn records_that_replicate_late_after_a_commit_take_nothing_over() {
    let stage = stage!();
    stage.make_home().await;
    stage.make_new().await;
    let environment = Box::pin(stage.lost_for_good(1)).await;
    let process = environment.process(1);
    let state = Box::pin(environment.stay(&stage, &process, Some(NEW), &Unseen)).await;
    let state = state.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{}", failed(&state));
    let (from, to) = (environment.store(&stage), stage.store_new(&environment));
    let old = stage.old_records(&environment).await;
    // Before anybody has written there, what S3 has brought is what is known, and it is written once more.
    carry_records(&from, &to).await.unwrap();
    assert_eq!(carry_records(&from, &to).await.unwrap(), 0);
    let committed = Marker::read(&to).await.unwrap();
    stage.deliver_late(&environment, &old).await;
    assert_eq!(Marker::read(&to).await.unwrap(), committed);
    let lease = runbook::read_lease(&to).await.unwrap().unwrap();
    assert_eq!(
        (lease.run, lease.state),
        (state.plan.run.clone(), runbook::LeaseState::Over)
    );
    let inputs = CommitInputs::of(&state.plan).unwrap();
    let rewritten = inputs
        .committed
        .rewrite(environment.text.as_str().into(), TODAY);
    let (_, means) = rewritten.unwrap();
    let rds = stage.aws.rds().unwrap();
    rds.step(std::time::Duration::from_secs(60 * 60)).await;
    stage.aws.set_region(DR, RegionState::Refuse);
    let process = environment.process(2);
    // And while the next run is under way.
    let meanwhile = async || {
        stage.deliver_late(&environment, &old).await;
        stage.aws.set_region(DR, RegionState::Refuse);
    };
    let over = environment.fail_over_again(&stage, &process, &means, meanwhile);
    let over = Box::pin(over).await;
    assert_eq!(over.status, RunStatus::Finished, "{}", failed(&over));
    let marker = Marker::read(&to).await.unwrap().unwrap();
    assert_eq!(
        (marker.run, marker.failed_over),
        (over.plan.run.clone(), true)
    );
    // From then on the fence keeps replicas out.
    let lease = runbook::read_lease(&to).await.unwrap().unwrap();
    assert_eq!(lease.run, over.plan.run);
}

#[tokio::test]
async fn commit_is_refused_where_the_environment_is_elsewhere() {
    let stage = stage!();
    stage.make_home().await;
    let environment = Box::pin(stage.failed_over(1)).await;
    let process = environment.process(1);
    let plan = Box::pin(environment.plan_stay(&stage, &process, None)).await;
    let plan = plan.unwrap();
    // Brought home meanwhile.
    let back = environment.process(2);
    let back = Box::pin(environment.fail_back(&stage, &back, "")).await;
    assert_eq!(back.unwrap().status, RunStatus::Finished);
    let (store, times) = (environment.store(&stage), LeaseTimes::default());
    let open = OpenRun::begin(store, None, process.clone(), times, plan);
    let open = Box::pin(open).await.unwrap();
    let stopped = environment.carry_stay(&stage, &process, open, &Unseen);
    let stopped = Box::pin(stopped).await.unwrap();
    let told = failed(&stopped);
    assert!(
        told.contains("was brought to ca-central-1 by run"),
        "{told}"
    );
    stage.aws.set_region(DR, RegionState::Refuse);
    let silent = Box::pin(environment.plan_stay(&stage, &process, None)).await;
    let silent = silent.unwrap_err();
    assert!(silent.starts_with("ca-west-1 does not serve"), "{silent}");
}

/// How many requests or records lie between two that are tried; `RUNBOOK_EVERY` sets another number, 1 for all of them.
fn stride(usual: usize) -> usize {
    let set = std::env::var("RUNBOOK_EVERY").ok();
    set.and_then(|every| every.parse().ok()).unwrap_or(usual)
}

#[tokio::test]
async fn commit_killed_at_its_requests_ends_the_same() {
    let stage = stage!();
    stage.make_home().await;
    stage.make_new().await;
    let (mut number, mut kills) = (0, 0);
    for moment in Moment::ALL {
        for nth in (1..).step_by(stride(229)) {
            number += 1;
            let of = format!("{moment:?} {nth}");
            let environment = Box::pin(stage.lost_for_good(number)).await;
            stage.aws.clear_log();
            let process = environment.process(1);
            let kill = KillAt::new(&stage.aws, nth, moment);
            let run = Box::pin(environment.stay(&stage, &process, Some(NEW), &Unseen));
            if let Some(state) = kill.run(&stage.aws, run).await {
                assert_eq!(state.unwrap().status, RunStatus::Finished, "{of}");
                break;
            }
            kills += 1;
            environment.died(&process);
            let process = environment.process(2);
            let run = environment.stay(&stage, &process, Some(NEW), &Unseen);
            let state = Box::pin(run).await.unwrap();
            assert_eq!(
                state.status,
                RunStatus::Finished,
                "{of}: {}",
                failed(&state)
            );
            stage.check_committed(&environment, true, &of).await;
            stage.check_left_alone(&of);
        }
    }
    assert!(kills > 3, "{kills}");
    println!("{kills} kills");
}

#[tokio::test]
async fn commit_killed_after_its_records_ends_the_same() {
    let stage = stage!();
    stage.make_home().await;
    stage.make_new().await;
    let mut number = 0;
    let mut steps = BTreeSet::new();
    for last in (3..).step_by(stride(13)) {
        number += 1;
        let of = format!("after record {last}");
        let environment = Box::pin(stage.lost_for_good(number)).await;
        let process = environment.process(1);
        let death = Rc::new(Notify::new());
        let seen = Seen(last, death.clone());
        let run = environment.stay(&stage, &process, Some(NEW), &seen);
        let ended = tokio::select! {
            biased;
            () = death.notified() => None,
            ended = Box::pin(run) => Some(ended),
        };
        if let Some(state) = ended {
            assert_eq!(state.unwrap().status, RunStatus::Finished, "{of}");
            break;
        }
        environment.died(&process);
        let process = environment.process(2);
        let run = environment.stay(&stage, &process, Some(NEW), &Unseen);
        let state = Box::pin(run).await.unwrap();
        assert_eq!(
            state.status,
            RunStatus::Finished,
            "{of}: {}",
            failed(&state)
        );
        stage.check_committed(&environment, true, &of).await;
        steps.extend(state.steps.keys().map(|step| step.kind().to_owned()));
    }
    assert!(number > 2, "{number}");
    assert!(steps.contains(StepId::new("commit").kind()));
}
