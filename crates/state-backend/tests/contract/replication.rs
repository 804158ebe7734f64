//! Replication: its rule beside those of others, its canary, its metrics and alarms.

use std::time::Duration;

use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
use aws_sdk_s3::types::{ReplicationRuleFilter, Tag};
use aws_smithy_types::DateTime;
use report::Silent;
use state_backend::{Aspect, CanaryOptions, Health};

use crate::fixtures::{BUCKET, DR_BUCKET, apply};
use crate::{EXAMPLE, Stage};

/// Somebody else's rule to the same bucket stays; a rule of our name that replicates only what has a
/// tag is wrong, and is put right.
pub(crate) async fn replication_rules_of_others_stay(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let s3 = stage.env.region(backend.spec().primary.region).s3;
    let get = || s3.get_bucket_replication().bucket(BUCKET).send();
    let mut config = get()
        .await
        .expect("read")
        .replication_configuration
        .expect("there");
    let mut theirs = config.rules[0].clone();
    theirs.id = Some("audit".to_owned());
    theirs.priority = Some(5);
    theirs.filter = Some(ReplicationRuleFilter::builder().prefix("audit/").build());
    let tag = Tag::builder()
        .key("replicate")
        .value("yes")
        .build()
        .expect("complete");
    config.rules[0].filter = Some(ReplicationRuleFilter::builder().tag(tag).build());
    config.rules.push(theirs);
    s3.put_bucket_replication()
        .bucket(BUCKET)
        .replication_configuration(config)
        .send()
        .await
        .expect("written");
    let plan = backend.plan().await;
    let wrong: Vec<Aspect> = plan.pending().map(|item| item.facet.aspect).collect();
    assert_eq!(wrong, [Aspect::Replication]);
    let approved = plan.approve().expect("nothing is refused");
    assert!(backend.apply(&approved, &Silent).await.is_complete());
    let config = get()
        .await
        .expect("read")
        .replication_configuration
        .expect("there");
    let mut ids: Vec<&str> = config.rules().iter().filter_map(|rule| rule.id()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["audit", "terraform-state-to-dr"]);
    let priorities: Vec<_> = config.rules().iter().map(|rule| rule.priority()).collect();
    assert!(
        priorities.contains(&Some(5)) && priorities.contains(&Some(6)),
        "{priorities:?}"
    );
}

// aws-behaviour: 14
pub(crate) async fn the_canary_comes_through(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let options = CanaryOptions {
        now: jiff::Timestamp::now(),
        timeout: Duration::from_secs(60),
        token: "canary 1".to_owned(),
    };
    let canary = backend
        .canary(&options, &Silent)
        .await
        .expect("it comes through");
    assert_eq!(canary.bytes, 8);
}

/// Each alarm lies where its metric is, tells the topic of its own region, is quiet without traffic, and keeps the actions
/// that others have added.
// aws-behaviour: 16
pub(crate) async fn alarms_of_the_replication_are_made_where_their_metrics_are(stage: &Stage) {
    let topic = |region: &str| format!("arn:aws:sns:{region}:000000000000:oncall");
    let alarms = format!(
        "[state.dr]\nalarms = {{ topic = {:?}, dr_topic = {:?} }}",
        topic("ca-central-1"),
        topic("us-east-1")
    );
    let backend = stage
        .backend_of(&EXAMPLE.replace("[state.dr]", &alarms))
        .await;
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let made = [
        ("us-east-1", "replication-lag", "ReplicationLatency"),
        (
            "ca-central-1",
            "replication-failures",
            "OperationsFailedReplication",
        ),
    ];
    let pager = topic("us-east-1").replace("oncall", "pager");
    for (region, name, metric) in made {
        let cloudwatch = stage
            .env
            .region(region.parse().expect("a region"))
            .cloudwatch;
        let found = cloudwatch.describe_alarms().send().await.expect("read");
        assert_eq!(found.metric_alarms().len(), 1, "{found:?}");
        let alarm = &found.metric_alarms()[0];
        assert_eq!(
            alarm.alarm_name(),
            Some(format!("{BUCKET}-{name}").as_str())
        );
        assert_eq!(alarm.metric_name(), Some(metric));
        assert_eq!(alarm.alarm_actions(), [topic(region)]);
        assert_eq!(alarm.treat_missing_data(), Some("notBreaching"));
        // Somebody makes it deaf, and adds a pager.
        let put = cloudwatch
            .put_metric_alarm()
            .set_alarm_name(alarm.alarm_name.clone())
            .namespace("AWS/S3")
            .metric_name(metric)
            .set_dimensions(alarm.dimensions.clone())
            .set_statistic(alarm.statistic.clone())
            .threshold(1e9)
            .set_comparison_operator(alarm.comparison_operator.clone())
            .period(300)
            .evaluation_periods(1)
            .alarm_actions(&pager);
        put.send().await.expect("written");
    }
    let plan = backend.plan().await;
    assert_eq!(plan.pending().count(), 2, "{plan:#?}");
    let approved = plan.approve().expect("nothing is refused");
    assert!(backend.apply(&approved, &Silent).await.is_complete());
    for (region, _, _) in made {
        let cloudwatch = stage
            .env
            .region(region.parse().expect("a region"))
            .cloudwatch;
        let found = cloudwatch.describe_alarms().send().await.expect("read");
        let mut actions = found.metric_alarms()[0].alarm_actions().to_vec();
        actions.sort_unstable();
        assert_eq!(actions, [topic(region), pager.clone()]);
    }
    assert_eq!(backend.plan().await.pending().count(), 0);
}

/// A rule that another tool has made is the one whose metrics count.
// aws-behaviour: 16
pub(crate) async fn metrics_are_those_of_the_rule_that_is_there(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    let clients = stage.env.region(backend.spec().primary.region);
    let get = clients.s3.get_bucket_replication().bucket(BUCKET).send();
    let config = get.await.expect("read").replication_configuration;
    let mut config = config.expect("there");
    config.rules[0].id = Some("everything-to-dr".to_owned());
    clients
        .s3
        .put_bucket_replication()
        .bucket(BUCKET)
        .replication_configuration(config)
        .send()
        .await
        .expect("written");
    let now = jiff::Timestamp::now();
    let dr = stage.env.region("us-east-1".parse().expect("a region"));
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let late = MetricDatum::builder()
        .metric_name("ReplicationLatency")
        .dimensions(dimension("SourceBucket", BUCKET))
        .dimensions(dimension("DestinationBucket", DR_BUCKET))
        .dimensions(dimension("RuleId", "everything-to-dr"))
        .timestamp(DateTime::from_secs(now.as_second() - 120))
        .value(1200.0)
        .build();
    let put = dr.cloudwatch.put_metric_data().namespace("AWS/S3");
    put.metric_data(late).send().await.expect("published");
    let metrics = backend.replication_metrics(now).await.expect("a DR side");
    let latency = metrics
        .metrics
        .iter()
        .find(|metric| metric.name == "ReplicationLatency")
        .expect("there");
    assert_eq!(
        (latency.rule.as_str(), latency.value, latency.health),
        ("everything-to-dr", Some(1200.0), Health::Degraded)
    );
}
