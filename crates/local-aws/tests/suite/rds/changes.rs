//! Changes that RDS takes its time for, or refuses: passwords, groups, upgrades, parameters of each family. What it publishes
//! of replicas.

use aws_sdk_cloudwatch::types::{Dimension, Statistic};
use aws_sdk_rds::types::{ApplyMethod, Filter, Parameter, Tag};
use aws_smithy_types::DateTime;
use jiff::SignedDuration;
use local_aws::RegionState;

use super::{
    DR, PRIMARY, available, client, code, create, created, instance, minutes, start_or_return,
};
use crate::clients;

#[tokio::test]
async fn a_password_is_pending_until_the_server_has_it() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    created(&client, &rds, "app").await;
    let modify = || client.modify_db_instance().db_instance_identifier("app");
    let given = modify().master_user_password("battery-staple").send();
    let given = given.await.unwrap();
    let answered = given.db_instance().unwrap().pending_modified_values();
    assert_eq!(answered.unwrap().master_user_password(), Some("****"));
    let changing = instance(&client, "app").await;
    assert_eq!(
        changing.db_instance_status(),
        Some("resetting-master-credentials")
    );
    let error = modify().copy_tags_to_snapshot(true).send().await;
    assert_eq!(code(&error.unwrap_err()), "InvalidDBInstanceState");
    rds.step(minutes(2)).await;
    let changed = available(&client, "app").await;
    let pending = changed.pending_modified_values().unwrap();
    assert_eq!(pending.master_user_password(), None);
    // With another change it comes at the end of that; a secret is there when the server knows it.
    let both = modify().db_instance_class("db.t4g.large");
    let both = both
        .manage_master_user_password(true)
        .apply_immediately(true);
    both.send().await.unwrap();
    let changing = instance(&client, "app").await;
    assert_eq!(changing.db_instance_status(), Some("modifying"));
    let secret = changing.master_user_secret().unwrap();
    assert_eq!(secret.secret_status(), Some("creating"));
    rds.step(minutes(2)).await;
    let changed = available(&client, "app").await;
    let secret = changed.master_user_secret().unwrap();
    assert_eq!(secret.secret_status(), Some("active"));
    // A password that is none changes nothing.
    let error = modify().manage_master_user_password(false);
    let error = error.master_user_password("short").send().await;
    assert_eq!(code(&error.unwrap_err()), "InvalidParameterValue");
    available(&client, "app").await;
}

#[tokio::test]
async fn groups_are_pending_for_a_moment() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let before = created(&client, &rds, "app").await;
    let old = before.vpc_security_groups()[0].vpc_security_group_id();
    let old = old.unwrap().to_owned();
    let ec2 = clients::ec2(&aws, PRIMARY);
    let vpc = before.db_subnet_group().unwrap().vpc_id().unwrap();
    let new = ec2.create_security_group().group_name("new").vpc_id(vpc);
    let new = new.description("new").send().await.unwrap();
    let new = new.group_id.unwrap();
    let parameters = client.create_db_parameter_group().description("d");
    parameters
        .db_parameter_group_name("app-pg18")
        .db_parameter_group_family("postgres18")
        .send()
        .await
        .unwrap();
    let modify = client.modify_db_instance().db_instance_identifier("app");
    modify
        .vpc_security_group_ids(&new)
        .db_parameter_group_name("app-pg18")
        .send()
        .await
        .unwrap();
    let seen = async || {
        let app = instance(&client, "app").await;
        let groups = app.vpc_security_groups().iter().map(|group| {
            let text = |text: Option<&str>| text.unwrap().to_owned();
            (text(group.vpc_security_group_id()), text(group.status()))
        });
        let parameters = &app.db_parameter_groups()[0];
        let name = parameters.db_parameter_group_name().unwrap().to_owned();
        let status = parameters.parameter_apply_status().unwrap().to_owned();
        (groups.collect::<Vec<_>>(), (name, status))
    };
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert_eq!(
        seen().await,
        (
            vec![pair(&new, "adding"), pair(&old, "removing")],
            pair("app-pg18", "applying")
        )
    );
    rds.step(minutes(1)).await;
    assert_eq!(
        seen().await,
        (
            vec![pair(&new, "active")],
            pair("app-pg18", "pending-reboot")
        )
    );
}

// aws-behaviour: 33
#[tokio::test]
async fn an_upgrade_is_to_a_version_that_is_a_target() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let versions = client.describe_db_engine_versions().engine("postgres");
    let versions = versions.engine_version("15.14").send().await.unwrap();
    let [version] = versions.db_engine_versions() else {
        panic!("{versions:?}");
    };
    let targets = version.valid_upgrade_target().iter();
    let targets: Vec<_> = targets
        .map(|to| (to.engine_version().unwrap(), to.is_major_version_upgrade()))
        .collect();
    assert!(targets.contains(&("15.15", Some(false))), "{targets:?}");
    assert!(targets.contains(&("16.11", Some(true))), "{targets:?}");
    assert!(!targets.iter().any(|(to, _)| *to == "16.9"), "{targets:?}");

    let make = client.create_db_parameter_group().description("d");
    make.db_parameter_group_name("own")
        .db_parameter_group_family("postgres15")
        .send()
        .await
        .unwrap();
    for (id, group) in [("app", None), ("own", Some("own".to_owned()))] {
        let create = create(&client, id).engine_version("15.14");
        let create = create.set_db_parameter_group_name(group);
        create.send().await.unwrap();
    }
    rds.step(minutes(5)).await;
    let upgrade = |id: &str, to: &str| {
        let modify = client.modify_db_instance().db_instance_identifier(id);
        let modify = modify.engine_version(to).apply_immediately(true);
        modify.allow_major_version_upgrade(true)
    };
    // Released before the version that runs; not after it; to a group of the old family; with a group of its own.
    for refused in [
        upgrade("app", "16.9"),
        upgrade("app", "15.13"),
        upgrade("app", "16.11").db_parameter_group_name("own"),
        upgrade("own", "16.11"),
    ] {
        let error = refused.send().await.unwrap_err();
        assert_eq!(code(&error), "InvalidParameterCombination", "{error:?}");
    }
    upgrade("app", "16.11").send().await.unwrap();
    let group = async |id: &str| {
        let group = instance(&client, id).await.db_parameter_groups()[0].clone();
        group.db_parameter_group_name.unwrap()
    };
    assert_eq!(group("app").await, "default.postgres15");
    upgrade("own", "16.11")
        .db_parameter_group_name("default.postgres16")
        .send()
        .await
        .unwrap();
    rds.step(minutes(2)).await;
    for id in ["app", "own"] {
        let app = available(&client, id).await;
        assert_eq!(app.engine_version(), Some("16.11"));
        let [parameters] = app.db_parameter_groups() else {
            panic!("{app:?}");
        };
        assert_eq!(group(id).await, "default.postgres16");
        assert_eq!(parameters.parameter_apply_status(), Some("in-sync"));
    }
}

#[tokio::test]
async fn parameters_of_each_major_version_have_types_and_ranges() {
    let (aws, _rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    for major in 13..=18 {
        let name = format!("of-{major}");
        let make = client.create_db_parameter_group().description("d");
        make.db_parameter_group_name(&name)
            .db_parameter_group_family(format!("postgres{major}"))
            .send()
            .await
            .unwrap();
        let set = |parameter: &str, value: &str| {
            let parameter = Parameter::builder()
                .parameter_name(parameter)
                .parameter_value(value)
                .apply_method(ApplyMethod::PendingReboot);
            let set = client.modify_db_parameter_group();
            set.db_parameter_group_name(&name)
                .parameters(parameter.build())
                .send()
        };
        for (parameter, value) in [
            ("max_connections", "banana"),
            ("max_connections", "5"),
            ("work_mem", "64MB"),
            ("wal_level", "logical"),
        ] {
            let error = set(parameter, value).await.unwrap_err();
            assert_eq!(code(&error), "InvalidParameterValue", "{major} {parameter}");
        }
        set("max_connections", "400").await.unwrap();
        let timeout = set("transaction_timeout", "1000").await;
        assert_eq!(timeout.is_ok(), major >= 17, "{major}: {timeout:?}");
        let asked = client
            .describe_db_parameters()
            .db_parameter_group_name(&name);
        let mut shown = asked.into_paginator().items().send();
        let mut count = 0;
        while let Some(parameter) = shown.next().await {
            assert!(parameter.unwrap().data_type().is_some());
            count += 1;
        }
        assert!(count > 300, "{major}: {count}");
    }
}

#[tokio::test]
async fn windows_do_not_overlap_and_a_new_instance_gets_one_that_fits() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let (backup, maintenance) = ("03:00-04:00", "Sun:03:30-Sun:04:30");
    let both = create(&client, "app")
        .preferred_backup_window(backup)
        .preferred_maintenance_window(maintenance);
    let error = both.send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    let one = create(&client, "app").preferred_backup_window("06:00-07:00");
    let one = one.send().await.unwrap();
    let chosen = one.db_instance().unwrap().preferred_maintenance_window();
    assert_eq!(chosen, Some("sun:00:00-sun:00:30"));
    let one = create(&client, "other").preferred_maintenance_window("Sun:03:15-Sun:03:45");
    let one = one.send().await.unwrap();
    let one = one.db_instance().unwrap();
    assert_eq!(one.preferred_backup_window(), Some("00:00-00:30"));
    let lower = Some("sun:03:15-sun:03:45");
    assert_eq!(one.preferred_maintenance_window(), lower);
    rds.step(minutes(5)).await;
    let modify = client.modify_db_instance().db_instance_identifier("other");
    let modify = modify.preferred_backup_window(backup).send().await;
    assert_eq!(code(&modify.unwrap_err()), "InvalidParameterValue");
}

#[tokio::test]
async fn copies_have_the_tags_that_are_given_or_copied_and_filters_have_values() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    created(&client, &rds, "app").await;
    let tag = |key: &str| Tag::builder().key(key).value("x").build();
    let take = client.create_db_snapshot().db_instance_identifier("app");
    let take = take.db_snapshot_identifier("one").tags(tag("old"));
    take.send().await.unwrap();
    rds.step(minutes(3)).await;
    for (target, copies, given, wanted) in [
        ("none", false, None, None),
        ("copied", true, None, Some("old")),
        ("given", false, Some("new"), Some("new")),
        ("both", true, Some("new"), Some("new")),
    ] {
        let copy = client.copy_db_snapshot().copy_tags(copies);
        let made = copy
            .source_db_snapshot_identifier("one")
            .target_db_snapshot_identifier(target)
            .set_tags(given.map(|given| vec![tag(given)]))
            .send()
            .await
            .unwrap();
        let tags = made.db_snapshot().unwrap().tag_list().iter();
        let keys: Vec<_> = tags.filter_map(|tag| tag.key()).collect();
        assert_eq!(keys, wanted.into_iter().collect::<Vec<_>>(), "{target}");
    }
    let empty = Filter::builder().name("db-snapshot-id").values("").build();
    let error = client.describe_db_snapshots().filters(empty).send().await;
    assert_eq!(code(&error.unwrap_err()), "InvalidParameterCombination");
}

// aws-behaviour: 6
#[tokio::test]
async fn replica_lag_is_in_cloudwatch_and_grows_without_the_source() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    let source = created(&primary, &rds, "app").await;
    let create = dr.create_db_instance_read_replica();
    create
        .source_db_instance_identifier(source.db_instance_arn().unwrap())
        .db_instance_identifier("follower")
        .send()
        .await
        .unwrap();
    rds.step(minutes(10)).await;
    let began = rds.now();
    let cloudwatch = clients::cloudwatch(&aws, DR);
    let figures = async || {
        let of = Dimension::builder()
            .name("DBInstanceIdentifier")
            .value("follower");
        let time = |at: jiff::Timestamp| DateTime::from_secs(at.as_second());
        let asked = cloudwatch.get_metric_statistics().namespace("AWS/RDS");
        let answer = asked
            .metric_name("ReplicaLag")
            .dimensions(of.build())
            .start_time(time(began - SignedDuration::from_hours(1)))
            .end_time(time(rds.now()))
            .period(60)
            .statistics(Statistic::Maximum)
            .send()
            .await
            .unwrap();
        let mut points: Vec<_> = answer
            .datapoints()
            .iter()
            .map(|point| (point.timestamp().unwrap().secs(), point.maximum().unwrap()))
            .collect();
        points.sort_by_key(|(at, _)| *at);
        points
    };
    let first = figures().await;
    // Each minute once, of those that are over and in which the replica was there: it took five of the ten.
    assert!((3..=5).contains(&first.len()), "{first:?}");
    assert!(first.windows(2).all(|pair| pair[1].0 - pair[0].0 == 60));
    assert!(first.iter().all(|(_, lag)| *lag == 1.0), "{first:?}");
    assert_eq!(figures().await, first);
    aws.set_region(PRIMARY, RegionState::Refuse);
    rds.step(minutes(10)).await;
    let lost = figures().await;
    assert_eq!(lost.len(), first.len() + 10, "{lost:?}");
    let last = lost.last().unwrap().1;
    assert!((481.0..=601.0).contains(&last), "{last}");
    // It is back, and the replica follows; or nobody says whether it does.
    aws.set_region(PRIMARY, RegionState::Up);
    assert!(rds.set_replica_lag(DR, "follower", Some(minutes(2))));
    rds.step(minutes(5)).await;
    assert_eq!(figures().await.last().unwrap().1, 120.0);
    assert!(rds.set_replica_lag(DR, "follower", None));
    let known = figures().await.len();
    rds.step(minutes(5)).await;
    assert_eq!(figures().await.len(), known);
    assert!(!rds.set_replica_lag(DR, "none", None));
}
