//! The guide's regular tasks: with data, without, and with answers that are refused.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, MetricDatum, StandardUnit, StateValue, Statistic,
};
use local_aws::{Fault, FaultKind};

use crate::stage::{BUCKETS, Ran, Stage, text};

const DATABASE: &str = "berthcare-staging-postgres";

async fn maintenance(stage: &Stage, period: &str) -> Ran {
    stage
        .run(&["maintenance", period, "--output", "json"])
        .await
}

fn statuses(ran: &Ran, what: &str) -> Vec<String> {
    ran.found(what)
        .into_iter()
        .map(|(status, _)| status)
        .collect()
}

/// Values of the last days, the oldest first; the newest an hour ago.
async fn measured(
    stage: &Stage,
    space: &str,
    metric: &str,
    dimensions: &[(&str, &str)],
    values: &[f64],
) {
    for (age, value) in values.iter().rev().enumerate() {
        let hours = 1 + 24 * u64::try_from(age).unwrap();
        let at = SystemTime::now() - Duration::from_secs(3600 * hours);
        let mut datum = MetricDatum::builder()
            .metric_name(metric)
            .timestamp(at.into())
            .value(*value)
            .unit(StandardUnit::None);
        for (name, value) in dimensions {
            datum = datum.dimensions(Dimension::builder().name(*name).value(*value).build());
        }
        let put = stage
            .clients
            .home
            .cloudwatch
            .put_metric_data()
            .namespace(space);
        put.metric_data(datum.build()).send().await.unwrap();
    }
}

// aws-behaviour: 35
#[tokio::test]
async fn alarms_are_told_by_their_state_and_history() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let cloudwatch = &stage.clients.home.cloudwatch;
    for (name, state) in [
        ("berthcare-staging-quiet", StateValue::Ok),
        ("berthcare-staging-rings", StateValue::Alarm),
        ("berthcare-staging-blind", StateValue::InsufficientData),
    ] {
        let put = cloudwatch
            .put_metric_alarm()
            .alarm_name(name)
            .namespace("AWS/RDS")
            .metric_name("CPUUtilization")
            .statistic(Statistic::Average)
            .period(300)
            .evaluation_periods(1)
            .threshold(80.0)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold);
        put.send().await.unwrap();
        let set = cloudwatch
            .set_alarm_state()
            .alarm_name(name)
            .state_value(state);
        set.state_reason("a test").send().await.unwrap();
    }
    let names = [
        "berthcare-staging-quiet",
        "berthcare-staging-rings",
        "berthcare-staging-blind",
        "berthcare-staging-gone",
        "berthcare-staging-cloudfront-5xx",
    ];
    stage.output("cloudwatch_alarm_names", names.to_vec());
    // Otherwise the topics are those that alarms tell, for which both regions are asked.
    stage.output("sns_alerts_topic_arn", "arn:alerts");
    stage.output("sns_global_alerts_topic_arn", "arn:global");
    let ran = maintenance(&stage, "weekly").await;
    assert_eq!(
        statuses(&ran, "alarm"),
        ["ok", "wrong", "unknown", "wrong", "wrong"],
        "{ran:?}"
    );
    let rang = ran.found("alarm-history");
    assert!(
        rang[1].0 == "wrong" && rang[1].1.contains("rang 1 times"),
        "{rang:?}"
    );
    // CloudFront's are asked where they are.
    let asked = stage.aws.log();
    let there = asked.iter().filter(|entry| {
        entry.operation.starts_with("DescribeAlarm") && entry.region.as_deref() == Some("us-east-1")
    });
    assert_eq!(there.count(), 1);
    // Without the second, Redis would be known to be absent, which is worse than unknown.
    for service in ["monitoring", "elasticache"] {
        let denied = Fault::new(FaultKind::Denied).service(service);
        stage.aws.add_fault(denied);
    }
    let ran = maintenance(&stage, "weekly").await;
    assert!(
        ran.found("alarm")
            .iter()
            .all(|(status, why)| status == "unknown" && why.contains("denied"))
    );
    assert_eq!(ran.code, Some(3));
}

#[tokio::test]
async fn trends_come_from_data_and_no_data_is_unknown() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    stage.output("db_identifier", DATABASE);
    // AWS would say that there is no Redis, which is no lack of data.
    let denied = Fault::new(FaultKind::Denied).service("elasticache");
    stage.aws.add_fault(denied);
    let ran = maintenance(&stage, "weekly").await;
    for what in ["trend", "storage-lasts", "growth"] {
        assert!(
            statuses(&ran, what)
                .iter()
                .all(|status| status == "unknown"),
            "{what}: {ran:?}"
        );
    }
    let gib = 1_073_741_824.0;
    let of_database = [("DBInstanceIdentifier", DATABASE)];
    measured(
        &stage,
        "AWS/RDS",
        "CPUUtilization",
        &of_database,
        &[10.0, 30.0],
    )
    .await;
    let free: Vec<f64> = [50.0, 48.0, 46.0, 44.0]
        .iter()
        .map(|free| free * gib)
        .collect();
    measured(&stage, "AWS/RDS", "FreeStorageSpace", &of_database, &free).await;
    let photos = [
        ("BucketName", BUCKETS[0].1),
        ("StorageType", "StandardStorage"),
    ];
    measured(
        &stage,
        "AWS/S3",
        "BucketSizeBytes",
        &photos,
        &[gib, 3.0 * gib],
    )
    .await;
    let ran = maintenance(&stage, "weekly").await;
    let trends = ran.found("trend");
    assert!(
        trends[1]
            .1
            .starts_with("30.0 % at last, 10.0 to 30.0 over 2 days"),
        "{trends:?}"
    );
    ran.assert("storage-lasts", "wrong", "22 days");
    let grown = ran.found("growth");
    assert!(
        grown[0].1.contains("3.00 GiB") && grown[0].1.contains("+2.00 GiB"),
        "{grown:?}"
    );
    assert_eq!(grown[1].0, "unknown");
    let series = ran.json()["series"].as_array().unwrap().len();
    assert_eq!(
        series, 4,
        "two of the CPU, one of the storage, one of a bucket: {ran:?}"
    );
    assert_eq!(ran.code, Some(1));
    let told = stage.run(&["maintenance", "weekly", "--markdown"]).await;
    assert!(
        told.stdout.contains("| RDS FreeStorageSpace, minimum |"),
        "{told:?}"
    );
}

#[tokio::test]
async fn rules_for_the_world_and_groups_of_nobody_are_told() {
    use aws_sdk_ec2::types::{IpPermission, IpRange};
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let ec2 = &stage.clients.ec2;
    let vpc = ec2
        .create_vpc()
        .cidr_block("10.0.0.0/16")
        .send()
        .await
        .unwrap();
    let vpc = vpc.vpc().unwrap().vpc_id().unwrap().to_owned();
    let mut ids = Vec::new();
    for name in ["alb", "left"] {
        let group = ec2
            .create_security_group()
            .vpc_id(&vpc)
            .group_name(name)
            .description(name);
        ids.push(group.send().await.unwrap().group_id().unwrap().to_owned());
    }
    let world = |port: i32| {
        IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(port)
            .to_port(port)
            .ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build())
            .build()
    };
    for id in &ids {
        let allow = ec2.authorize_security_group_ingress().group_id(id);
        allow.ip_permissions(world(443)).send().await.unwrap();
    }
    stage.output("vpc_id", vpc);
    stage.output("alb_security_group_id", ids[0].clone());
    let ran = maintenance(&stage, "monthly").await;
    let found = |what: &str, name: &str| {
        let json = ran.json();
        let findings = json["findings"].as_array().unwrap().clone();
        let of = |finding: &&serde_json::Value| {
            finding["what"] == what && finding["resource"].as_str().unwrap().ends_with(name)
        };
        findings.iter().find(of).unwrap()["status"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(found("group-rules", " alb"), "ok", "{ran:?}");
    assert_eq!(found("group-rules", " left"), "wrong", "{ran:?}");
    assert_eq!(found("group-used", " alb"), "ok", "{ran:?}");
    assert_eq!(found("group-used", " left"), "wrong", "{ran:?}");
    ran.assert("costs", "skipped", "verify-staging cost");
    assert_eq!(ran.code, Some(1));
    let denied = Fault::new(FaultKind::Denied).operation("DescribeNetworkInterfaces");
    stage.aws.add_fault(denied);
    let ran = maintenance(&stage, "monthly").await;
    assert!(
        statuses(&ran, "group-used")
            .iter()
            .all(|status| status == "unknown"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn roles_drills_and_versions_are_told() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    stage.output("db_identifier", DATABASE);
    let ran = maintenance(&stage, "quarterly").await;
    ran.assert("role-used", "wrong", "absent");
    ran.assert("last-drill", "unknown", "");
    ran.assert("db-minor", "wrong", "absent");
    // No output names Redis, and AWS has none.
    ran.assert("redis-minor", "wrong", "absent");

    for (version, id) in [("15.12", DATABASE), ("15.15", "newest")] {
        let rds = &stage.clients.rds;
        rds.create_db_instance()
            .db_instance_identifier(id)
            .db_instance_class("db.t4g.medium")
            .engine("postgres")
            .engine_version(version)
            .allocated_storage(20)
            .master_username("jo")
            .master_user_password("x1234567890")
            .send()
            .await
            .unwrap();
    }
    let iam = &stage.clients.iam;
    let role = iam.create_role().role_name("berthcare-staging-ecs-task");
    role.assume_role_policy_document("{}").send().await.unwrap();
    let attach = iam
        .attach_role_policy()
        .role_name("berthcare-staging-ecs-task");
    attach
        .policy_arn("arn:aws:iam::aws:policy/AdministratorAccess")
        .send()
        .await
        .unwrap();
    let drills = stage.folder("drills");
    // What says of itself that it went well, and what a drill on an emulator prints, is no record of a run.
    std::fs::create_dir_all(drills.join("reports")).unwrap();
    let forged = [
        ("passed.json", r#"{"passed": true}"#),
        (
            "drill.json",
            r#"{"rto": 12.5, "rto_objective": 2700.0, "writes_lost": 0}"#,
        ),
    ];
    for (name, record) in forged {
        std::fs::write(drills.join("reports").join(name), record).unwrap();
    }
    let arguments = [
        "maintenance",
        "quarterly",
        "--drills",
        text(&drills),
        "--output",
        "json",
    ];
    let ran = stage.run(&arguments).await;
    ran.assert("db-minor", "wrong", "15.12 runs, 15.15 is there");
    ran.assert("role-used", "ok", "it is new");
    ran.assert("role-policies", "wrong", "AdministratorAccess");
    ran.assert(
        "last-drill",
        "unknown",
        "passed.json: it is no record of a run",
    );
    stage.output("db_identifier", "newest");
    stage
        .aws
        .add_fault(Fault::new(FaultKind::Denied).service("iam"));
    let ran = stage.run(&arguments).await;
    ran.assert("db-minor", "ok", "15.15 is the newest");
    ran.assert("role-used", "unknown", "access denied");
    for service in ["rds", "elasticache"] {
        let denied = Fault::new(FaultKind::Denied).service(service);
        stage.aws.add_fault(denied);
    }
    let ran = stage.run(&arguments).await;
    ran.assert("db-minor", "unknown", "access denied");
    ran.assert("redis-minor", "unknown", "access denied");
    let ran = stage
        .run(&["maintenance", "quarterly", "--drills", "no-such-folder"])
        .await;
    assert_eq!(ran.code, Some(2));
}
