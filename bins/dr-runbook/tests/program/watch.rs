//! The ledger, from looks to what was achieved.

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options};
use local_aws::RegionState;
use serde_json::Value;

use super::Stage;

async fn looked(stage: &Stage, arguments: &[&str], code: i32) -> Value {
    let arguments = [&["watch", "--output", "json"], arguments].concat();
    let (told, _) = stage.run(&arguments, code).await;
    serde_json::from_str(&told).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_keeps_what_would_be_lost_and_status_says_what_was_achieved() {
    let stage = stage!();
    stage.aws.set_region("ca-central-1", RegionState::Up);
    let (told, _) = stage.run(&["status"], 0).await;
    assert!(
        told.contains("what would be lost") && told.contains("none is kept"),
        "{told}"
    );
    stage.write_states().await;
    let found = looked(&stage, &["--metrics"], 0).await;
    assert_eq!(found["kind"], "watch", "{found:#}");
    assert_eq!(found["values"], serde_json::json!([0]), "{found:#}");
    let file = stage
        .folder
        .path()
        .join("state/dr-runbook/berthcare-staging/ledger.txt");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2);
    // What the primary region alone tells is not known without it.
    let found = looked(&stage, &["--alone"], 3).await;
    assert!(
        found["problems"][0]
            .as_str()
            .unwrap()
            .contains("was not asked"),
        "{found:#}"
    );
    stage.aws.set_region("ca-central-1", RegionState::Refuse);
    looked(&stage, &[], 3).await;
    let (json, _) = stage.run(&["status", "--output", "json"], 0).await;
    let status: Value = serde_json::from_str(&json).unwrap();
    let ledger = &status["ledger"]["Ok"];
    assert_eq!(
        (&ledger["looks"], &ledger["unreadable"]),
        (&3.into(), &0.into()),
        "{ledger:#}"
    );
    let day = &ledger["windows"][0];
    assert_eq!(day["name"], "24 h");
    assert!(
        day["achieved"][0]["unknown_seconds"].as_u64().unwrap() > 80_000,
        "{day:#}"
    );
    let page = stage.folder.path().join("status.html");
    let html = [
        "status",
        "--format",
        "html",
        "--out",
        page.to_str().unwrap(),
    ];
    let (told, _) = stage.run(&html, 0).await;
    assert!(
        told.contains("Achieved") && told.contains("not known for"),
        "{told}"
    );
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(
        page.contains("<svg") && page.contains("worst of each day"),
        "{page}"
    );
    let by_file = ["status", "--ledger", file.to_str().unwrap()];
    let (told, _) = stage.run(&by_file, 0).await;
    assert!(told.contains("3 looks"), "{told}");
    let env = AwsEnv::load(Options {
        endpoint_url: Some(stage.aws.endpoint().to_owned()),
        credentials: Some(Credentials::new("test", "test", None, None, "tests")),
        ..Options::default()
    });
    let dr = env.await.unwrap().region("ca-west-1".parse().unwrap());
    let metrics = dr.cloudwatch.list_metrics().namespace("DrRunbook").send();
    let metrics = metrics.await.unwrap();
    let mut names: Vec<&str> = metrics
        .metrics()
        .iter()
        .filter_map(|metric| metric.metric_name())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(
        names,
        ["DrillOverdue", "PreflightFailing", "StateSerialsBehind"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_at_an_interval_goes_on_until_it_is_told_to_end_and_brings_what_could_not_be_kept() {
    use local_aws::{Fault, FaultKind};
    let stage = stage!();
    stage.aws.set_region("ca-central-1", RegionState::Up);
    stage.write_states().await;
    let denied = Fault::new(FaultKind::Denied)
        .service("s3")
        .operation("PutObject");
    let denied = stage.aws.add_fault(denied);
    let (_, told) = stage.run(&["watch"], 3).await;
    assert!(told.contains("the next look brings it there"), "{told}");
    stage.aws.remove_fault(denied);
    let mut watching = stage.command(&["watch", "--every", "10s", "--holds", "1m"]);
    let watching = watching
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = watching.id().to_string();
    let records = async {
        loop {
            let (json, _) = stage.run(&["status", "--output", "json"], 0).await;
            let status: Value = serde_json::from_str(&json).unwrap();
            if status["ledger"]["Ok"]["looks"].as_u64().unwrap_or(0) >= 2 {
                return;
            }
        }
    };
    records.await;
    let ended = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    assert!(ended.unwrap().success());
    let ended = tokio::task::spawn_blocking(move || watching.wait_with_output().unwrap());
    let ended = ended.await.unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

/// A bucket in both regions, and a database of which there is nothing.
const MORE: &str = r#"
[[buckets]]
name = "bc-photos"
dr = "bc-photos-dr"
[[databases]]
id = "app"
dr_id = "app-dr"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn watch_tells_what_waits_of_a_bucket_and_that_a_database_without_copies_is_not_known() {
    let stage = stage!();
    stage.aws.set_region("ca-central-1", RegionState::Up);
    stage.write_states().await;
    let file = stage.folder.path().join("infra.toml");
    std::fs::write(&file, format!("{}{MORE}", super::SETTINGS)).unwrap();
    let env = AwsEnv::load(Options {
        endpoint_url: Some(stage.aws.endpoint().to_owned()),
        credentials: Some(Credentials::new("test", "test", None, None, "tests")),
        ..Options::default()
    });
    let env = env.await.unwrap();
    for (region, bucket) in [("ca-west-1", "bc-photos-dr"), ("ca-central-1", "bc-photos")] {
        super::make_bucket(&env.region(region.parse().unwrap()), bucket).await;
    }
    let value = |found: &Value, measure: &str| -> Value {
        let series = found["series"].as_array().unwrap();
        let at = series
            .iter()
            .position(|series| series["measure"] == measure);
        found["values"][at.unwrap()].clone()
    };
    let found = looked(&stage, &[], 3).await;
    assert_eq!(value(&found, "oldest-unreplicated"), 0, "{found:#}");
    assert_eq!(value(&found, "backlog"), 0, "{found:#}");
    assert_eq!(value(&found, "serials-behind"), 0, "{found:#}");
    for measure in ["recovery-point-age", "latest-restorable-age"] {
        assert_eq!(value(&found, measure), Value::Null, "{found:#}");
    }
    let told = found["problems"].to_string();
    assert!(
        told.contains("nothing to restore from") && told.contains("no such instance"),
        "{told}"
    );
    // One that no rule replicates has not arrived, and nobody knows whether it will.
    let primary = env.region("ca-central-1".parse().unwrap());
    let put = primary.s3.put_object().bucket("bc-photos").key("a.jpg");
    put.body(b"a".to_vec().into()).send().await.unwrap();
    let found = looked(&stage, &[], 3).await;
    assert_eq!(value(&found, "backlog"), 1, "{found:#}");
    assert_eq!(
        value(&found, "oldest-unreplicated"),
        Value::Null,
        "{found:#}"
    );
    let found = looked(&stage, &["--alone"], 3).await;
    assert_eq!(
        value(&found, "oldest-unreplicated"),
        Value::Null,
        "{found:#}"
    );
}

const TOPIC: &str = "arn:aws:sns:ca-west-1:000000000000:on-call";
const OTHER: &str = "arn:aws:sns:ca-west-1:000000000000:platform";

#[tokio::test(flavor = "multi_thread")]
async fn watch_keeps_alarms_of_what_has_an_objective_and_leaves_whom_they_tell_besides() {
    let stage = stage!();
    stage.aws.set_region("ca-central-1", RegionState::Up);
    stage.write_states().await;
    let file = stage.folder.path().join("infra.toml");
    std::fs::write(&file, format!("{}{MORE}", super::SETTINGS)).unwrap();
    let elsewhere = TOPIC.replace("ca-west-1", "us-east-1");
    let refused = ["watch", "--metrics", "--alarms", &elsewhere];
    let (_, told) = stage.run(&refused, 2).await;
    assert!(told.contains("is not in ca-west-1"), "{told}");
    stage.run(&["watch", "--alarms", TOPIC], 2).await;
    let watch = ["watch", "--metrics", "--alarms", TOPIC, "--holds", "5m"];
    let (_, told) = stage.run(&watch, 3).await;
    let env = AwsEnv::load(Options {
        endpoint_url: Some(stage.aws.endpoint().to_owned()),
        credentials: Some(Credentials::new("test", "test", None, None, "tests")),
        ..Options::default()
    });
    let dr = env.await.unwrap().region("ca-west-1".parse().unwrap());
    let alarms = async || {
        let found = dr.cloudwatch.describe_alarms().send().await.unwrap();
        found.metric_alarms.unwrap_or_default()
    };
    let found = alarms().await;
    let mut names: Vec<&str> = found
        .iter()
        .filter_map(|alarm| alarm.alarm_name())
        .collect();
    names.sort_unstable();
    let prefix = "berthcare-staging-dr";
    let wanted = [
        "DrillOverdue",
        "OldestUnreplicatedObjectAge-bc-photos",
        "PreflightFailing",
        "RecoveryPointAge-app",
    ];
    assert_eq!(names, wanted.map(|name| format!("{prefix}-{name}")));
    for name in names {
        assert!(told.contains(&format!("wrote the alarm {name}")), "{told}");
    }
    for alarm in &found {
        assert_eq!(
            (alarm.treat_missing_data(), alarm.period()),
            (Some("breaching"), Some(300))
        );
        assert_eq!(alarm.alarm_actions(), [TOPIC]);
    }
    stage.aws.clear_log();
    stage.run(&watch, 3).await;
    let written = stage.aws.log().into_iter();
    let written = written.filter(|entry| entry.operation == "PutMetricAlarm");
    assert_eq!(written.count(), 0);
    // Somebody has another threshold, and is told as well: the threshold is the objective's, and they are told still.
    let age = format!("{prefix}-RecoveryPointAge-app");
    let of = found.iter().find(|alarm| alarm.alarm_name() == Some(&age));
    let put = dr.cloudwatch.put_metric_alarm().alarm_name(&age);
    let put = put
        .namespace("DrRunbook")
        .metric_name("RecoveryPointAge")
        .set_dimensions(Some(of.unwrap().dimensions().to_vec()))
        .statistic(aws_sdk_cloudwatch::types::Statistic::Maximum)
        .comparison_operator(aws_sdk_cloudwatch::types::ComparisonOperator::GreaterThanThreshold)
        .threshold(9e9)
        .period(300)
        .evaluation_periods(1)
        .alarm_actions(OTHER);
    put.send().await.unwrap();
    let (_, told) = stage.run(&watch, 3).await;
    assert_eq!(told.matches("wrote the alarm").count(), 1, "{told}");
    let found = alarms().await;
    let mended = found.iter().find(|alarm| alarm.alarm_name() == Some(&age));
    let mended = mended.unwrap();
    assert_eq!(mended.threshold(), of.unwrap().threshold());
    assert_eq!(mended.alarm_actions(), [TOPIC, OTHER]);
    // One of its name that is of something else is somebody's, and stays as it is.
    let drill = format!("{prefix}-DrillOverdue");
    let put = dr.cloudwatch.put_metric_alarm().alarm_name(&drill);
    let put = put
        .namespace("Theirs")
        .metric_name("Drills")
        .statistic(aws_sdk_cloudwatch::types::Statistic::Sum)
        .comparison_operator(aws_sdk_cloudwatch::types::ComparisonOperator::GreaterThanThreshold)
        .threshold(1.0)
        .period(60)
        .evaluation_periods(1);
    put.send().await.unwrap();
    let (_, told) = stage.run(&watch, 4).await;
    let taken = format!("the alarm {drill} is of another metric");
    assert!(told.contains(&taken), "{told}");
    let found = alarms().await;
    let theirs = found
        .iter()
        .find(|alarm| alarm.alarm_name() == Some(&drill));
    assert_eq!(theirs.unwrap().namespace(), Some("Theirs"));
}
