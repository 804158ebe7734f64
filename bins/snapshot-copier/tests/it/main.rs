//! The real program against Lambda's runtime API on loopback and a local AWS.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

mod runtime;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options};
use local_aws::{Fault, FaultKind, LocalAws, Rds, RdsClock, RdsOptions, RegionState};
use serde_json::{Value, json};

use runtime::Lambda;

const PRIMARY: &str = "ca-central-1";
const DR: &str = "us-east-1";

struct Stage {
    aws: LocalAws,
    rds: Rds,
    from: aws_sdk_rds::Client,
    to: aws_sdk_rds::Client,
}

impl Stage {
    async fn open() -> Option<Self> {
        let builder = LocalAws::builder().rds(RdsOptions {
            clock: RdsClock::Stepped,
            ..RdsOptions::default()
        });
        let aws = builder.start_or_skip().await.unwrap()?;
        let env = AwsEnv::load(Options {
            endpoint_url: Some(aws.endpoint().to_owned()),
            credentials: Some(Credentials::new("test", "test", None, None, "tests")),
            ..Options::default()
        })
        .await
        .unwrap();
        let client =
            |region: &str| aws_env::client!(aws_sdk_rds, &env.access(region.parse().unwrap()));
        let stage = Self {
            rds: aws.rds().unwrap().clone(),
            from: client(PRIMARY),
            to: client(DR),
            aws,
        };
        let create = stage
            .from
            .create_db_instance()
            .db_instance_identifier("app");
        create
            .engine("postgres")
            .db_instance_class("db.t4g.medium")
            .allocated_storage(20)
            .master_username("app")
            .master_user_password("correct-horse")
            .backup_retention_period(0)
            .send()
            .await
            .unwrap();
        stage.minutes(6).await;
        Some(stage)
    }

    async fn minutes(&self, minutes: u64) {
        self.rds.step(Duration::from_secs(60 * minutes)).await;
    }

    /// A manual snapshot, available; its ARN.
    async fn take(&self, id: &str) -> String {
        let create = self.from.create_db_snapshot().db_instance_identifier("app");
        let made = create.db_snapshot_identifier(id).send().await.unwrap();
        self.minutes(3).await;
        made.db_snapshot()
            .unwrap()
            .db_snapshot_arn()
            .unwrap()
            .to_owned()
    }

    /// Identifier and status of every copy.
    async fn copies(&self) -> Vec<(String, String)> {
        let found = self.to.describe_db_snapshots().send().await.unwrap();
        let of = |text: Option<&str>| text.unwrap_or_default().to_owned();
        found
            .db_snapshots()
            .iter()
            .map(|copy| (of(copy.db_snapshot_identifier()), of(copy.status())))
            .collect()
    }

    fn begun(&self) -> usize {
        let log = self.aws.log();
        log.iter()
            .filter(|entry| entry.operation == "CopyDBSnapshot")
            .count()
    }

    async fn lambda(&self) -> Lambda {
        let settings = [
            ("SOURCE_REGION", PRIMARY),
            ("TARGET_REGION", DR),
            ("TARGET_KMS_KEY", ""),
            ("DATABASES", "app"),
            ("KEEP_LAST", "1"),
            ("KEEP_DAYS", "0"),
            ("TAGS", r#"{"Owner":"platform"}"#),
        ];
        Lambda::start(&self.aws, &settings).await
    }
}

/// The event of the RDS user guide, "DB snapshot events", with another snapshot and event ID.
fn finished(arn: &str, event: &str) -> Value {
    json!({
        "version": "0",
        "id": "844e2571-85d4-695f-b930-0153b71dcb42",
        "detail-type": "RDS DB Snapshot Event",
        "source": "aws.rds",
        "account": "123456789012",
        "time": "2018-10-06T12:26:13Z",
        "region": PRIMARY,
        "resources": [arn],
        "detail": {
            "EventCategories": ["creation"],
            "SourceType": "SNAPSHOT",
            "SourceArn": arn,
            "Date": "2018-10-06T12:26:13.882Z",
            "Message": "Manual snapshot created",
            "SourceIdentifier": arn.rsplit(':').next(),
            "EventID": event
        }
    })
}

/// The event of a scheduled rule, of the EventBridge user guide.
fn tick() -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2015-10-08T16:53:06Z",
        "region": PRIMARY,
        "resources": [format!("arn:aws:events:{PRIMARY}:123456789012:rule/my-scheduled-rule")],
        "detail": {}
    })
}

#[tokio::test]
async fn invoke_by_an_event_that_comes_twice_makes_one_copy() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let arn = stage.take("seed").await;
    let mut lambda = stage.lambda().await;
    let outcome = |answer: &Value| {
        answer
            .pointer("/databases/0/copied/snapshots/0/outcome")
            .cloned()
    };
    for _ in 0..2 {
        let answer = lambda
            .invoke(&finished(&arn, "RDS-EVENT-0042"))
            .await
            .unwrap();
        assert_eq!(answer["event"], "snapshot");
        assert_eq!(outcome(&answer), Some(json!("in-progress")), "{answer}");
    }
    stage.minutes(11).await;
    let answer = lambda
        .invoke(&finished(&arn, "RDS-EVENT-0042"))
        .await
        .unwrap();
    assert_eq!(outcome(&answer), Some(json!("unchanged")), "{answer}");
    // The schedule finds that copy as well.
    let answer = lambda.invoke(&tick()).await.unwrap();
    assert_eq!(outcome(&answer), Some(json!("unchanged")), "{answer}");
    assert_eq!((stage.begun(), stage.copies().await.len()), (1, 1));
}

#[tokio::test]
async fn invoke_by_an_event_that_is_none_of_its_own_does_nothing() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let arn = stage.take("seed").await;
    let mut lambda = stage.lambda().await;
    let elsewhere = arn.replace(PRIMARY, "eu-west-1");
    for event in [
        finished(&arn, "RDS-EVENT-0041"),
        finished(&elsewhere, "RDS-EVENT-0042"),
        finished(&arn.replace("seed", "gone"), "RDS-EVENT-0091"),
        finished("arn:aws:rds:x", "RDS-EVENT-0042"),
        json!({}),
    ] {
        let answer = lambda.invoke(&event).await.unwrap();
        assert_eq!(answer["event"], "nothing", "{answer}");
        assert!(answer["ignored"].is_string());
    }
    assert_eq!(stage.begun(), 0);
}

#[tokio::test]
async fn invoke_by_notifications_of_sns_makes_one_copy() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let arn = stage.take("seed").await;
    let mut lambda = stage.lambda().await;
    let through_sns = |message: Value, attributes: Value| {
        json!({"Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "Sns": {
                "Type": "Notification",
                "TopicArn": format!("arn:aws:sns:{PRIMARY}:123456789012:rds"),
                "Subject": "RDS Notification Message",
                "Message": message.to_string(),
                "MessageAttributes": attributes,
            }
        }]})
    };
    let link = "http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#RDS-EVENT-0042";
    let mut body = json!({
        "Event Source": "db-snapshot",
        "Event Time": "2018-10-06 12:26:13.882",
        "Source ID": "seed",
        "Source ARN": arn,
        "Event ID": link,
        "Event Message": "Manual snapshot created",
    });
    let of_bridge = through_sns(finished(&arn, "RDS-EVENT-0042"), json!({}));
    let attributes = json!({
        "EventID": {"Type": "String", "Value": "RDS-EVENT-0042"},
        "Resource": {"Type": "String", "Value": arn},
    });
    let with_attributes = through_sns(body.clone(), attributes);
    let without = through_sns(body.clone(), json!({}));
    body.as_object_mut().unwrap().remove("Source ARN");
    let by_id = through_sns(body, json!({}));
    for event in [of_bridge, with_attributes, without, by_id] {
        let answer = lambda.invoke(&event).await.unwrap();
        assert_eq!(answer["event"], "snapshot", "{event} {answer}");
        let outcome = &answer["databases"][0]["copied"]["snapshots"][0]["outcome"];
        assert_eq!(outcome, "in-progress", "{event} {answer}");
    }
    assert_eq!(stage.begun(), 1);
}

// aws-behaviour: 31
#[tokio::test]
async fn invoke_by_schedule_copies_the_newest_and_prunes_what_has_a_good_successor() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let mut lambda = stage.lambda().await;
    stage.take("first").await;
    lambda.invoke(&tick()).await.unwrap();
    stage.minutes(11).await;
    let [(first, status)] = &stage.copies().await[..] else {
        panic!("one copy")
    };
    assert_eq!(status, "available");
    assert!(
        !lambda.log().contains("RecoveryPointAge"),
        "no copy is ready"
    );
    stage.take("second").await;
    // Its copy is under way: the first is still the last good one.
    let answer = lambda.invoke(&tick()).await.unwrap();
    assert_eq!(answer["databases"][0]["pruned"]["snapshots"], json!([]));
    let age = &answer["databases"][0]["recovery_point_age_seconds"];
    assert!(age.is_u64(), "{answer}");
    let metric = lambda.log();
    let metric = metric.lines().find(|line| line.starts_with("{\"_aws\""));
    let metric: Value = serde_json::from_str(metric.unwrap_or_default()).unwrap();
    assert_eq!(&metric["RecoveryPointAge"], age);
    stage.minutes(11).await;
    // While a failover is on, nothing goes.
    let arn = format!("arn:aws:rds:{DR}:000000000000:snapshot:{first}");
    let tags = stage.to.list_tags_for_resource().resource_name(&arn);
    let tags = tags.send().await.unwrap();
    let owner = tags
        .tag_list()
        .iter()
        .find(|tag| tag.key() == Some("Owner"));
    assert_eq!(owner.and_then(|tag| tag.value()), Some("platform"));
    let marker = "dr-replicate:failover:run";
    let tag = aws_sdk_rds::types::Tag::builder().key(marker).value("now");
    let mark = stage.to.add_tags_to_resource().resource_name(&arn);
    mark.tags(tag.build()).send().await.unwrap();
    let answer = lambda.invoke(&tick()).await.unwrap();
    assert_eq!(answer["databases"][0]["pruned"]["snapshots"], json!([]));
    assert_eq!(answer["databases"][0]["held_by"], json!(["run"]));
    let clear = stage.to.remove_tags_from_resource().resource_name(&arn);
    clear.tag_keys(marker).send().await.unwrap();
    let answer = lambda.invoke(&tick()).await.unwrap();
    assert_eq!(
        answer["databases"][0]["pruned"]["snapshots"][0]["snapshot"],
        json!(first)
    );
    let left = stage.copies().await;
    assert!(left.len() == 1 && left[0].0 != *first, "{left:?}");
    assert_eq!(stage.begun(), 2);
}

#[tokio::test]
async fn invoke_that_goes_wrong_is_an_error_for_the_alarm() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let mut lambda = stage.lambda().await;
    let error = lambda.invoke(&tick()).await.unwrap_err();
    assert_eq!(error["errorType"], "SnapshotsNotCopied");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains("no snapshot of app"), "{message}");
    stage.take("seed").await;
    stage.aws.set_region(DR, RegionState::Refuse);
    let error = lambda.invoke(&tick()).await.unwrap_err();
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains("cannot be reached"), "{message}");
    // It serves on.
    stage.aws.set_region(DR, RegionState::Up);
    lambda.invoke(&tick()).await.unwrap();
    assert_eq!(stage.begun(), 1);
}

#[tokio::test]
async fn invoke_after_a_copy_failed_is_an_error() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let arn = stage.take("seed").await;
    stage.rds.end_snapshot_as(DR, "*", "failed");
    let mut lambda = stage.lambda().await;
    lambda.invoke(&tick()).await.unwrap();
    stage.minutes(11).await;
    let [(failed, status)] = &stage.copies().await[..] else {
        panic!("one copy")
    };
    assert_eq!(status, "failed");
    // Whichever comes next: an event, or the schedule, which prunes it.
    for event in [finished(&arn, "RDS-EVENT-0042"), tick()] {
        let error = lambda.invoke(&event).await.unwrap_err();
        let done: Value = serde_json::from_str(error["errorMessage"].as_str().unwrap()).unwrap();
        let reported = done["databases"][0]["errors"].to_string();
        assert!(
            reported.contains(&format!("{failed}, a copy of {arn}, failed")),
            "{reported}"
        );
    }
    // Another was begun at once, and the failed one is not reported again once it is gone.
    let left = stage.copies().await;
    assert!(left.len() == 1 && left[0].0 != *failed, "{left:?}");
    lambda.invoke(&tick()).await.unwrap();
    stage.minutes(11).await;
    lambda.invoke(&tick()).await.unwrap();
    assert_eq!(stage.copies().await[0].1, "available");
    assert_eq!(stage.begun(), 2);
}

#[tokio::test]
async fn invoke_that_could_not_begin_is_an_error_although_that_is_transient() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.take("seed").await;
    let mut lambda = stage.lambda().await;
    for (kind, word) in [
        (FaultKind::SlowDown, "throttled"),
        (FaultKind::InternalError, "cannot be reached"),
    ] {
        let fault = Fault::new(kind).service("rds").operation("CopyDBSnapshot");
        let fault = stage.aws.add_fault(fault);
        let error = lambda.invoke(&tick()).await.unwrap_err();
        let done: Value = serde_json::from_str(error["errorMessage"].as_str().unwrap()).unwrap();
        let done = &done["databases"][0];
        assert_eq!(done["copied"]["snapshots"][0]["outcome"], "queued");
        let reported = done["errors"].to_string();
        assert!(
            reported.contains("CopyDBSnapshot") && reported.contains(word),
            "{reported}"
        );
        stage.aws.remove_fault(fault);
    }
    let answer = lambda.invoke(&tick()).await.unwrap();
    let copied = &answer["databases"][0]["copied"];
    assert_eq!(copied["snapshots"][0]["outcome"], "in-progress");
    assert_eq!(copied["last_error"], Value::Null);
}

#[tokio::test]
async fn invoke_for_a_hostile_name_logs_and_answers_nothing_that_acts() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let mut lambda = stage.lambda().await;
    let name =
        "arn:aws:rds:ca-central-1:123456789012:snapshot:x\u{1b}[2J\u{9b}2J\u{202e}\n INFO forged";
    let answer = lambda.invoke(&finished(name, "RDS-EVENT-0042")).await;
    let said = match &answer {
        Ok(answer) => answer.to_string(),
        Err(error) => error["errorMessage"].as_str().unwrap().to_owned(),
    };
    assert!(said.contains("forged"), "{said}");
    let log = lambda.log();
    assert!(log.contains("forged"), "{log}");
    for acts in ["\u{1b}[2J", "\u{9b}", "\u{202e}", "\n INFO forged"] {
        assert!(!log.contains(acts), "{acts:?} {log:?}");
        assert!(answer.is_ok() || !said.contains(acts), "{acts:?} {said:?}");
    }
}
