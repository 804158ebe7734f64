//! A failover that nothing disturbs.

use local_aws::RegionState;
use runbook::{Declared, Loss, Marker, RunReport, RunStatus, StepId, StepStatus};

use crate::stage::Environment;
use crate::stage::{DR, PASSWORD, PRIMARY, Stage, stage};

impl Stage {
    /// What a failover leaves, whatever happened on its way.
    pub(crate) async fn check_end(&self, environment: &Environment, of: &str) {
        let target = environment.target();
        let restores = self.accepted("RestoreDBInstanceToPointInTime");
        let made = restores
            .iter()
            .filter(|entry| entry.resource.as_deref() == Some(&*target));
        assert!(made.count() >= 1, "{of}: never restored");
        let found = self
            .rds
            .describe_db_instances()
            .db_instance_identifier(&target);
        let found = found.send().await.unwrap();
        assert_eq!(found.db_instances().len(), 1, "{of}");
        let policy = self
            .dr
            .s3
            .get_bucket_policy()
            .bucket(environment.data_bucket());
        let policy = policy.send().await.unwrap().policy.unwrap();
        assert_eq!(policy.matches("DrFence").count(), 1, "{of}: {policy}");
        let store = environment.store(self);
        let marker = Marker::read(&store).await.unwrap().unwrap();
        assert!(marker.failed_over, "{of}");
        let keys = aws_env::list_keys(&self.dr, &environment.state_bucket(), "")
            .await
            .unwrap();
        let marker = aws_env::list_keys(&self.dr, &environment.marker_bucket(), "")
            .await
            .unwrap();
        assert_eq!(marker, ["failed-over"], "{of}");
        self.check_secret(environment, of).await;
        let manifests = keys.iter().filter(|key| key.contains("/manifest-")).count();
        // One of each run that came so far: of one, and of one that followed it.
        let runs = runbook::list_runs(&store).await.unwrap().len();
        assert!((1..=runs).contains(&manifests), "{of}: {keys:?}");
    }
}

impl Stage {
    /// It says where the restored instance is, and all else that it said; nobody else has heard of it.
    async fn check_secret(&self, environment: &Environment, of: &str) {
        let (host, port) = self.address(&self.rds, &environment.target()).await;
        let (says, replica_of) = self.secret(DR, &environment.secret()).await;
        assert_eq!(replica_of, None, "{of}");
        let wanted = serde_json::json!({"username": "app", "password": PASSWORD, "dbname": "app",
            "host": host, "port": port});
        assert_eq!(says, wanted, "{of}");
        let prefix = ".dr-runs/";
        let bucket = environment.state_bucket();
        for key in aws_env::list_keys(&self.dr, &bucket, prefix).await.unwrap() {
            let get = self.dr.s3.get_object().bucket(&bucket).key(&key);
            let body = get.send().await.unwrap().body.collect().await.unwrap();
            let text = String::from_utf8_lossy(&body.into_bytes()).into_owned();
            assert!(!text.contains(PASSWORD), "{of}: {key}");
        }
    }
}

#[tokio::test]
async fn failover_ends_with_everything_in_the_dr_region_and_calls_no_other() {
    let stage = stage!();
    let environment = stage.environment(1).await;
    let process = environment.process(1);
    let plan_calls = stage.evidence(PRIMARY, &process).await;
    assert_eq!(plan_calls.rounds.len(), 1);
    stage.aws.clear_log();
    let state = environment.carry(&stage, &process).await.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    let status = |step: &str| state.steps[&StepId::new(step)].status;
    assert_eq!(status("restore/app"), StepStatus::Done);
    assert_eq!(status("terraform"), StepStatus::NotApplicable);
    stage.check_end(&environment, "undisturbed").await;
    let log = stage.aws.log();
    let lost = log
        .iter()
        .filter(|entry| entry.region.as_deref() != Some(DR));
    for entry in lost {
        let questions = ["GetCallerIdentity", "ListBuckets", "ListTables"];
        assert!(questions.contains(&entry.operation.as_str()), "{entry:?}");
    }
    let report = RunReport::of(&state);
    let lost = &report.databases["app"];
    assert!(
        lost.is_restored && lost.rpo_seconds.is_some(),
        "{report:#?}"
    );
    assert_eq!(report.meets_objectives, Some(true), "{report:#?}");
    // Once more: the environment is there already.
    let again = environment.process(2);
    let plan = environment.plan(&stage, &again).await;
    let open = runbook::OpenRun::begin(
        environment.store(&stage),
        None,
        again.clone(),
        runbook::LeaseTimes::default(),
        plan,
    );
    open.await.unwrap();
    environment.died(&again);
    let state = environment
        .carry(&stage, &environment.process(3))
        .await
        .unwrap();
    assert_eq!(
        state.steps[&StepId::new("declare")].status,
        StepStatus::Failed
    );
}

#[tokio::test]
async fn region_that_answers_is_not_lost_and_the_dr_region_has_to_answer() {
    let stage = stage!();
    let environment = stage.environment(1).await;
    let process = environment.process(1);
    let lost = stage.evidence(PRIMARY, &process).await;
    let declared = Declared::decide(vec![lost], None, jiff::Timestamp::now()).unwrap();
    assert_eq!(declared.lost, [PRIMARY.parse().unwrap()]);
    stage.aws.set_region(PRIMARY, RegionState::Up);
    let up = stage.evidence(PRIMARY, &process).await;
    let refused = Declared::decide(vec![up], None, jiff::Timestamp::now()).unwrap_err();
    assert!(matches!(refused, Loss::Answers(_)), "{refused}");
    let one_silent = local_aws::Fault::new(local_aws::FaultKind::RequestLost).service("s3");
    stage.aws.add_fault(one_silent);
    let partly = stage.evidence(PRIMARY, &process).await;
    let refused = Declared::decide(vec![partly], None, jiff::Timestamp::now()).unwrap_err();
    assert!(matches!(refused, Loss::Undecided(_)), "{refused}");
}
