//! Commands of the project between the steps of a failover.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use runbook::{Outcome, RunStatus, StepId, StepStatus};
use serde_json::{Value, json};
use settings::{Hook, HookPoint};

use crate::stage::{Environment, stage};

impl Environment {
    /// A script beside the settings, for a point of the failover.
    pub(crate) fn hook(&mut self, point: HookPoint, script: &str, timeout_ms: u64) {
        let name = format!("./{point}");
        let path = self.folder.path().join(&name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let hook = Hook {
            command: vec![name, "a b".to_owned()],
            timeout: std::time::Duration::from_millis(timeout_ms),
        };
        self.settings.hooks.insert(point, hook);
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

pub(crate) const LONG: u64 = 60_000;

/// In the order of a failover.
const POINTS: [HookPoint; 4] = [
    HookPoint::AfterRestore,
    HookPoint::AfterTerraform,
    HookPoint::BeforeTraffic,
    HookPoint::AfterTraffic,
];

#[tokio::test]
async fn hooks_are_run_in_order_and_told_of_the_run() {
    let stage = stage!();
    let mut environment = stage.environment(1).await;
    for point in POINTS {
        let script =
            "echo \"$DR_HOOK $1 $#\" >>order; env >\"env-$DR_HOOK\"; echo out; echo err >&2";
        environment.hook(point, script, LONG);
    }
    let process = environment.process(1);
    let state = environment.carry(&stage, &process).await.unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    let order: Vec<String> = POINTS.map(|point| format!("{point} a b 1")).into();
    assert_eq!(environment.read("order").lines().collect::<Vec<_>>(), order);
    let told = environment.read("env-before-traffic");
    let told: Vec<&str> = told.lines().collect();
    let endpoint = &state.result(&StepId::new("restore/app")).unwrap()["endpoint"];
    let endpoint = endpoint.as_str().unwrap();
    for wanted in [
        &format!("DR_RUN={}", state.plan.run),
        "DR_MODE=region-loss",
        "DR_LOST_REGIONS=ca-central-1",
        "DR_PRIMARY_REGION=ca-central-1",
        "DR_REGION=ca-west-1",
        "AWS_REGION=ca-west-1",
        "DR_ENVIRONMENT=berthcare-e1",
        "DR_EPOCH=1",
        "DR_ATTEMPT=1",
        &format!("DR_DATABASE_ENDPOINT={endpoint}"),
    ] {
        assert!(told.contains(&wanted), "{wanted}: {told:#?}");
    }
    let mut databases = told
        .iter()
        .filter_map(|line| line.strip_prefix("DR_DATABASES="));
    let databases: Value = serde_json::from_str(databases.next().unwrap()).unwrap();
    let wanted = json!({"app": {"identifier": "app-1-dr", "endpoint": endpoint}});
    assert_eq!(databases, wanted);
    let log = environment.folder.path().join("hook-before-traffic-1.log");
    assert_eq!(fs::read_to_string(&log).unwrap(), "out\nerr\n");
    assert_eq!(
        fs::metadata(&log).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // Each has its place between the steps.
    let ended = |step: &str| state.steps[&StepId::new(step)].ended.unwrap();
    assert!(ended("restore/app") <= ended("hook/after-restore"));
    assert!(ended("hook/after-restore") <= ended("terraform"));
    assert!(ended("hook/after-terraform") <= ended("verify"));
    assert!(ended("verify") <= ended("hook/before-traffic"));
    assert!(ended("hook/before-traffic") <= ended("traffic"));
    assert!(ended("traffic") <= ended("hook/after-traffic"));
    assert!(ended("hook/after-traffic") <= ended("report"));
}

#[tokio::test]
async fn hook_that_fails_hangs_or_is_missing_stops_its_step_and_is_run_again() {
    let stage = stage!();
    let mut environment = stage.environment(1).await;
    let rows = [
        (
            "echo secret; exit 3",
            LONG,
            "`./before-traffic 'a b'` ended with exit status: 3",
        ),
        // What it has started is ended as well.
        (
            "trap '' TERM; sleep 600 & echo $! >started; while :; do sleep 1; done",
            300,
            "had not ended after 300ms and was killed, with what it had started",
        ),
        ("exec ./nothing", LONG, "ended with exit status: 127"),
    ];
    for (number, (script, timeout, wanted)) in rows.into_iter().enumerate() {
        environment.hook(HookPoint::BeforeTraffic, script, timeout);
        if number > 0 {
            // Each is another run's plan.
            let next = stage.environment(u64::try_from(number).unwrap() + 1).await;
            let hooks = std::mem::take(&mut environment.settings.hooks);
            let before = std::mem::replace(&mut environment, next);
            environment.settings.hooks = hooks;
            environment.folder = before.folder;
        }
        let process = environment.process(1);
        let state = environment.carry(&stage, &process).await.unwrap();
        environment.died(&process);
        assert!(
            matches!(state.status, RunStatus::Stopped { .. }),
            "{script}"
        );
        let step = &state.steps[&StepId::new("hook/before-traffic")];
        let Some(Outcome::Failed { problem, hint, .. }) = &step.outcome else {
            panic!("{script}: {step:#?}");
        };
        assert!(problem.contains(wanted), "{script}: {problem}");
        let hint = hint.as_deref().unwrap();
        assert!(hint.contains("hook-before-traffic-1.log"), "{hint}");
        assert!(
            !format!("{state:?}").contains("secret\\n"),
            "its output is no part of the records"
        );
        assert_eq!(
            state.steps[&StepId::new("traffic")].status,
            StepStatus::Pending
        );
        // Mended: the settings are as they were, and the file is another.
        environment.hook(
            HookPoint::BeforeTraffic,
            "echo $DR_ATTEMPT >attempt",
            timeout,
        );
        let state = environment
            .carry(&stage, &environment.process(2))
            .await
            .unwrap();
        assert_eq!(state.status, RunStatus::Finished, "{script}: {state:#?}");
        assert_eq!(environment.read("attempt"), "2\n");
    }
    let started = environment.read("started");
    let started = format!("/proc/{}/stat", started.trim());
    let stat = fs::read_to_string(started).unwrap_or_default();
    assert!(
        stat.is_empty() || stat.contains(") Z "),
        "it still runs: {stat}"
    );
}

#[tokio::test]
async fn output_of_a_hook_is_kept_up_to_a_limit() {
    let stage = stage!();
    let mut environment = stage.environment(1).await;
    let script = "head -c 3000000 /dev/zero; echo end";
    environment.hook(HookPoint::AfterTraffic, script, LONG);
    let state = environment
        .carry(&stage, &environment.process(1))
        .await
        .unwrap();
    assert_eq!(state.status, RunStatus::Finished, "{state:#?}");
    let log = fs::read(environment.folder.path().join("hook-after-traffic-1.log")).unwrap();
    assert!(
        log.len() < (1 << 20) + 100 && log.ends_with(b"(cut off after 1048576 bytes)\n"),
        "{}",
        log.len()
    );
}
