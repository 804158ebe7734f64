//! Instances: states, defaults of a restore, refusals.

use aws_sdk_rds::types::Tag;
use local_aws::{Fault, FaultKind, RdsQuotas, RegionState};

use super::{
    DR, PRIMARY, available, client, code, create, created, instance, minutes, start_or_return,
    taken,
};

#[tokio::test]
async fn an_instance_takes_its_time_and_backs_itself_up() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let made = create(&client, "App").send().await.unwrap();
    let made = made.db_instance().unwrap();
    assert_eq!(made.db_instance_identifier(), Some("app"));
    assert_eq!(made.db_instance_status(), Some("creating"));
    assert!(made.endpoint().is_none() && made.latest_restorable_time().is_none());
    rds.step(minutes(4)).await;
    assert_eq!(
        instance(&client, "app").await.db_instance_status(),
        Some("backing-up")
    );
    rds.step(minutes(1)).await;
    let made = instance(&client, "app").await;
    assert_eq!(made.db_instance_status(), Some("available"));
    assert_eq!(made.endpoint().unwrap().port(), Some(5432));
    assert!(made.engine_version().unwrap().starts_with("18."));
    let backups = client.describe_db_snapshots().send().await.unwrap();
    let [backup] = backups.db_snapshots() else {
        panic!("{backups:?}")
    };
    assert!(
        backup
            .db_snapshot_identifier()
            .unwrap()
            .starts_with("rds:app-20")
    );
    assert_eq!(backup.snapshot_type(), Some("automated"));

    let latest = |instance: aws_sdk_rds::types::DbInstance| {
        instance.latest_restorable_time().unwrap().secs()
    };
    let first = latest(instance(&client, "app").await);
    rds.step(minutes(5)).await;
    let second = latest(instance(&client, "app").await);
    assert_eq!(second % 300, 0);
    assert!(second > first);
    rds.step(minutes(5)).await;
    assert_eq!(latest(instance(&client, "app").await), second + 300);

    let entry = aws.log().into_iter().next().unwrap();
    assert_eq!(
        (
            entry.service.as_str(),
            entry.operation.as_str(),
            entry.resource.as_deref()
        ),
        ("rds", "CreateDBInstance", Some("App"))
    );
}

#[tokio::test]
async fn a_running_clock_needs_no_steps() {
    let options = local_aws::RdsOptions {
        clock: local_aws::RdsClock::Running { factor: 100_000 },
        ..Default::default()
    };
    let Some((aws, _)) = super::start(options).await else {
        return;
    };
    let client = client(&aws, PRIMARY);
    create(&client, "app").send().await.unwrap();
    while instance(&client, "app").await.db_instance_status() != Some("available") {
        tokio::task::yield_now().await;
    }
}

// aws-behaviour: 29
#[tokio::test]
async fn a_restore_has_defaults_unless_it_is_told() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    for group in ["private", "other"] {
        client
            .create_db_subnet_group()
            .db_subnet_group_name(group)
            .db_subnet_group_description(group)
            .subnet_ids("subnet-00000001")
            .subnet_ids("subnet-00000002")
            .send()
            .await
            .unwrap();
    }
    client
        .create_db_parameter_group()
        .db_parameter_group_name("tuned")
        .db_parameter_group_family("postgres18")
        .description("tuned")
        .send()
        .await
        .unwrap();
    create(&client, "app")
        .multi_az(true)
        .db_subnet_group_name("private")
        .db_parameter_group_name("tuned")
        .vpc_security_group_ids("sg-00000001")
        .deletion_protection(true)
        .send()
        .await
        .unwrap();
    rds.step(minutes(5)).await;
    taken(&client, &rds, "app", "before").await;
    let restore = |id: &str| {
        client
            .restore_db_instance_from_db_snapshot()
            .db_snapshot_identifier("before")
            .db_instance_identifier(id)
    };
    restore("plain").send().await.unwrap();
    restore("told")
        .multi_az(true)
        .db_subnet_group_name("other")
        .db_parameter_group_name("tuned")
        .vpc_security_group_ids("sg-00000001")
        .db_instance_class("db.r6g.large")
        .send()
        .await
        .unwrap();
    rds.step(minutes(6)).await;
    let facts = |of: aws_sdk_rds::types::DbInstance| {
        (
            of.multi_az(),
            of.db_subnet_group()
                .unwrap()
                .db_subnet_group_name()
                .map(str::to_owned),
            of.vpc_security_groups()[0]
                .vpc_security_group_id()
                .map(str::to_owned),
            of.db_parameter_groups()[0]
                .db_parameter_group_name()
                .map(str::to_owned),
            of.db_instance_class().map(str::to_owned),
            of.deletion_protection(),
            of.db_instance_status().map(str::to_owned),
        )
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        facts(instance(&client, "plain").await),
        (
            Some(false),
            text("default"),
            text("sg-00000001"),
            text("default.postgres18"),
            text("db.t4g.micro"),
            Some(false),
            text("available")
        )
    );
    assert_eq!(
        facts(instance(&client, "told").await),
        (
            Some(true),
            text("other"),
            text("sg-00000001"),
            text("tuned"),
            text("db.r6g.large"),
            Some(false),
            text("available")
        )
    );
    let error = restore("told").send().await.unwrap_err();
    assert_eq!(code(&error), "DBInstanceAlreadyExists");
    let error = restore("x")
        .db_subnet_group_name("none")
        .send()
        .await
        .unwrap_err();
    assert!(
        error
            .into_service_error()
            .is_db_subnet_group_not_found_fault()
    );
}

#[tokio::test]
async fn what_aws_refuses_is_refused() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    for bad in ["1app", "app--x", "app-", "a_b", &"a".repeat(64)] {
        let error = create(&client, bad).send().await.unwrap_err();
        assert_eq!(code(&error), "InvalidParameterValue", "{bad}");
    }
    let error = create(&client, "app")
        .engine_version("15.5")
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    let error = create(&client, "app")
        .backup_retention_period(36)
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    let error = client
        .create_db_instance()
        .engine("postgres")
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "MissingParameter");
    created(&client, &rds, "app").await;
    let error = create(&client, "app").send().await.unwrap_err();
    assert!(
        error
            .into_service_error()
            .is_db_instance_already_exists_fault()
    );
    let error = client
        .describe_db_instances()
        .db_instance_identifier("none")
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_db_instance_not_found_fault());

    rds.set_quotas(RdsQuotas {
        instances: 1,
        ..RdsQuotas::default()
    });
    let error = create(&client, "second").send().await.unwrap_err();
    assert_eq!(code(&error), "InstanceQuotaExceeded");
    rds.set_quotas(RdsQuotas {
        storage_gib: 39,
        ..RdsQuotas::default()
    });
    let error = create(&client, "second").send().await.unwrap_err();
    assert_eq!(code(&error), "StorageQuotaExceeded");
    rds.set_quotas(RdsQuotas::default());

    let delete = || client.delete_db_instance().db_instance_identifier("app");
    let error = delete().send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    let error = delete()
        .skip_final_snapshot(true)
        .final_db_snapshot_identifier("last")
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    client
        .modify_db_instance()
        .db_instance_identifier("app")
        .deletion_protection(true)
        .send()
        .await
        .unwrap();
    let error = delete().skip_final_snapshot(true).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    client
        .modify_db_instance()
        .db_instance_identifier("app")
        .deletion_protection(false)
        .send()
        .await
        .unwrap();
    delete()
        .final_db_snapshot_identifier("last")
        .send()
        .await
        .unwrap();
    rds.step(minutes(2)).await;
    let left = client.describe_db_instances().send().await.unwrap();
    assert!(left.db_instances().is_empty());
    let left = client.describe_db_snapshots().send().await.unwrap();
    let left: Vec<_> = left
        .db_snapshots()
        .iter()
        .filter_map(|snapshot| snapshot.db_snapshot_identifier())
        .collect();
    assert_eq!(left, ["last"], "the automated one went with the instance");
}

// aws-behaviour: 32
#[tokio::test]
async fn a_stopped_instance_takes_no_backups_and_starts_by_itself() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    created(&client, &rds, "app").await;
    client
        .stop_db_instance()
        .db_instance_identifier("app")
        .send()
        .await
        .unwrap();
    rds.step(minutes(2)).await;
    let stopped = instance(&client, "app").await;
    assert_eq!(stopped.db_instance_status(), Some("stopped"));
    let snapshots = async || {
        let answer = client.describe_db_snapshots().send().await.unwrap();
        answer.db_snapshots().len()
    };
    let (before, latest) = (
        snapshots().await,
        *stopped.latest_restorable_time().unwrap(),
    );
    rds.step(minutes(7 * 24 * 60 - 1)).await;
    let stopped = instance(&client, "app").await;
    assert_eq!(stopped.db_instance_status(), Some("stopped"));
    assert_eq!(stopped.latest_restorable_time(), Some(&latest));
    assert_eq!(snapshots().await, before);
    rds.step(minutes(3)).await;
    let started = instance(&client, "app").await;
    assert_eq!(started.db_instance_status(), Some("available"));
    rds.step(minutes(24 * 60)).await;
    assert!(
        *instance(&client, "app")
            .await
            .latest_restorable_time()
            .unwrap()
            > latest
    );
}

#[tokio::test]
async fn hard_changes_wait_or_take_their_time() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    created(&client, &rds, "app").await;
    let modify = |class: &str| {
        client
            .modify_db_instance()
            .db_instance_identifier("app")
            .db_instance_class(class)
    };
    modify("db.r6g.large").send().await.unwrap();
    let waiting = instance(&client, "app").await;
    assert_eq!(waiting.db_instance_class(), Some("db.t4g.micro"));
    assert_eq!(
        waiting
            .pending_modified_values()
            .unwrap()
            .db_instance_class(),
        Some("db.r6g.large")
    );
    modify("db.r6g.xlarge")
        .apply_immediately(true)
        .send()
        .await
        .unwrap();
    assert_eq!(
        instance(&client, "app").await.db_instance_status(),
        Some("modifying")
    );
    rds.step(minutes(2)).await;
    let done = instance(&client, "app").await;
    assert_eq!(done.db_instance_class(), Some("db.r6g.xlarge"));
    assert_eq!(done.db_instance_status(), Some("available"));
    modify("db.t4g.micro").send().await.unwrap();
    rds.step(minutes(8 * 24 * 60)).await;
    assert_eq!(
        instance(&client, "app").await.db_instance_class(),
        Some("db.t4g.micro"),
        "after the maintenance window"
    );
}

#[tokio::test]
async fn endings_can_be_chosen_and_retries_are_throttled() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    rds.end_instance_as(PRIMARY, "app*", "incompatible-parameters");
    create(&client, "app-1").send().await.unwrap();
    rds.step(minutes(5)).await;
    assert_eq!(
        instance(&client, "app-1").await.db_instance_status(),
        Some("incompatible-parameters")
    );
    created(&client, &rds, "app-2").await;
    rds.end_snapshot_as(PRIMARY, "s", "failed");
    assert_eq!(
        taken(&client, &rds, "app-2", "s").await.status(),
        Some("failed")
    );
    assert!(rds.set_snapshot_status(PRIMARY, "s", "deleting"));
    assert_eq!(
        super::snapshot(&client, "s").await.status(),
        Some("deleting")
    );
    assert!(!rds.set_instance_status(PRIMARY, "none", "failed"));

    aws.add_fault(Fault::new(FaultKind::SlowDown).service("rds").times(1));
    let error = client.describe_db_instances().send().await.unwrap_err();
    assert_eq!(code(&error), "Throttling");
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn a_region_that_is_off_stands_still() {
    let (aws, rds) = start_or_return!();
    let (primary, dr) = (client(&aws, PRIMARY), client(&aws, DR));
    create(&primary, "app").send().await.unwrap();
    create(&dr, "app").send().await.unwrap();
    rds.step(minutes(3)).await;
    aws.set_region(PRIMARY, RegionState::Refuse);
    primary.describe_db_instances().send().await.unwrap_err();
    rds.step(minutes(60)).await;
    assert_eq!(
        instance(&dr, "app").await.db_instance_status(),
        Some("available")
    );
    aws.set_region(PRIMARY, RegionState::Up);
    assert_eq!(
        instance(&primary, "app").await.db_instance_status(),
        Some("creating")
    );
    rds.step(minutes(2)).await;
    assert_eq!(
        instance(&primary, "app").await.db_instance_status(),
        Some("available")
    );
}

#[tokio::test]
async fn no_resource_has_more_than_fifty_tags() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    created(&client, &rds, "app").await;
    taken(&client, &rds, "app", "seed").await;
    let tags = |count: usize| {
        let tag = |number| Tag::builder().key(format!("key-{number}")).value("v");
        Some((0..count).map(|number| tag(number).build()).collect())
    };
    let new = create(&client, "new").set_tags(tags(51)).send().await;
    assert_eq!(code(&new.unwrap_err()), "InvalidParameterValue");
    let copy = |count| {
        let copy = client
            .copy_db_snapshot()
            .source_db_snapshot_identifier("seed");
        copy.target_db_snapshot_identifier("copy")
            .set_tags(tags(count))
    };
    let refused = copy(51).send().await.unwrap_err();
    assert_eq!(code(&refused), "InvalidParameterValue");
    copy(50).send().await.unwrap();
    let restore = client
        .restore_db_instance_from_db_snapshot()
        .db_snapshot_identifier("seed")
        .db_instance_identifier("restored")
        .set_tags(tags(51));
    let refused = restore.send().await.unwrap_err();
    assert_eq!(code(&refused), "InvalidParameterValue");
}

#[tokio::test]
async fn a_zone_is_one_of_the_region_and_not_given_for_two() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    created(&client, &rds, "app").await;
    for (zone, multi_az, refused) in [
        ("ca-central-1a", true, "InvalidParameterCombination"),
        ("us-east-1a", false, "InvalidParameterValue"),
        ("ca-central-1z", false, "InvalidParameterValue"),
        ("ca-central-1", false, "InvalidParameterValue"),
    ] {
        let new = create(&client, "new").availability_zone(zone);
        let error = new.multi_az(multi_az).send().await.unwrap_err();
        assert_eq!(code(&error), refused, "{zone}");
        if !multi_az {
            let replica = client
                .create_db_instance_read_replica()
                .source_db_instance_identifier("app")
                .db_instance_identifier("replica")
                .availability_zone(zone);
            assert_eq!(code(&replica.send().await.unwrap_err()), refused, "{zone}");
        }
    }
    let new = create(&client, "new").availability_zone("ca-central-1b");
    let made = new.send().await.unwrap().db_instance.unwrap();
    assert_eq!(made.availability_zone(), Some("ca-central-1b"));
}

#[tokio::test]
async fn a_master_user_has_sixteen_characters_at_most() {
    let (aws, _) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let named = |name: &str| create(&client, "app").master_username(name).send();
    let error = named("abcdefghijklmnopq").await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    named("abcdefghijklmnop").await.unwrap();
}

#[tokio::test]
async fn a_replica_has_the_password_of_its_source() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    created(&client, &rds, "app").await;
    let replica = client.create_db_instance_read_replica();
    let replica = replica.source_db_instance_identifier("app");
    replica
        .db_instance_identifier("replica")
        .send()
        .await
        .unwrap();
    rds.step(minutes(10)).await;
    let modify = client
        .modify_db_instance()
        .db_instance_identifier("replica");
    let error = modify.master_user_password("battery-staple").send().await;
    assert_eq!(code(&error.unwrap_err()), "InvalidParameterCombination");
    available(&client, "replica").await;
}

#[tokio::test]
async fn an_instance_does_not_move_within_its_vpc() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    created(&client, &rds, "app").await;
    let group = client.create_db_subnet_group().db_subnet_group_name("g");
    group
        .db_subnet_group_description("g")
        .subnet_ids("subnet-00000001")
        .subnet_ids("subnet-00000002")
        .send()
        .await
        .unwrap();
    let modify = client.modify_db_instance().db_instance_identifier("app");
    let error = modify.db_subnet_group_name("g").send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidVPCNetworkStateFault");
}

#[tokio::test]
async fn tags_belong_to_what_an_arn_names() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let made = created(&client, &rds, "app").await;
    let arn = made.db_instance_arn().unwrap();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    client
        .add_tags_to_resource()
        .resource_name(arn)
        .tags(tag("env", "staging"))
        .tags(tag("owner", "Zoë: a=b@c"))
        .send()
        .await
        .unwrap();
    client
        .remove_tags_from_resource()
        .resource_name(arn)
        .tag_keys("env")
        .send()
        .await
        .unwrap();
    let listed = client
        .list_tags_for_resource()
        .resource_name(arn)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.tag_list(), [tag("owner", "Zoë: a=b@c")]);
    assert_eq!(instance(&client, "app").await.tag_list(), listed.tag_list());
    let error = client
        .list_tags_for_resource()
        .resource_name(format!("{arn}-none"))
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_db_instance_not_found_fault());
    // What there is on AWS and not here is no invalid name.
    for (kind, refused) in [
        ("og", "NotSimulated"),
        ("cluster", "NotSimulated"),
        ("kind", "InvalidParameterValue"),
    ] {
        let name = format!("arn:aws:rds:{PRIMARY}:000000000000:{kind}:app");
        let list = client.list_tags_for_resource().resource_name(name);
        let error = list.send().await.unwrap_err();
        assert_eq!(code(&error), refused, "{kind}");
    }
}

#[tokio::test]
async fn inputs_that_nobody_looks_at_are_told() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    create(&client, "app").send().await.unwrap();
    assert_eq!(rds.unread_inputs(), []);
    let support = "open-source-rds-extended-support-disabled";
    let other = create(&client, "other").engine_lifecycle_support(support);
    other.send().await.unwrap();
    let told: Vec<String> = rds
        .unread_inputs()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told, ["EngineLifecycleSupport of CreateDBInstance"]);
    // What would make another instance is refused, and makes none.
    let refused = create(&client, "third").character_set_name("UTF8");
    let refused = refused.send().await.unwrap_err();
    assert_eq!(code(&refused), "NotSimulated");
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 501);
    let instances = client.describe_db_instances().send().await.unwrap();
    assert_eq!(instances.db_instances().len(), 2);
    let options = client.describe_option_groups().send().await.unwrap_err();
    assert_eq!(code(&options), "NotSimulated");
    // Clusters are the base's.
    client.describe_db_clusters().send().await.unwrap();
    assert_eq!(rds.status().unread, rds.unread_inputs());
}

#[tokio::test]
async fn a_change_lingers_before_it_begins_and_a_first_backup_takes_as_long_as_told() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    rds.set_linger(minutes(1));
    rds.set_first_backup(minutes(180));
    create(&client, "app").send().await.unwrap();
    rds.step(minutes(60)).await;
    let status = async || {
        let there = instance(&client, "app").await;
        let status = there.db_instance_status().unwrap().to_owned();
        (status, there.deletion_protection().unwrap())
    };
    assert_eq!(status().await, ("backing-up".to_owned(), false));
    rds.step(minutes(130)).await;
    let change = client.modify_db_instance().db_instance_identifier("app");
    let change = change.deletion_protection(true).apply_immediately(true);
    change.send().await.unwrap();
    assert_eq!(status().await, ("available".to_owned(), false));
    rds.step(minutes(1)).await;
    assert_eq!(status().await, ("modifying".to_owned(), false));
    rds.step(minutes(2)).await;
    assert_eq!(status().await, ("available".to_owned(), true));
}

#[tokio::test]
async fn a_managed_password_is_refused_where_rds_refuses_it() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let managed = |id: &str| {
        let create = create(&client, id).set_master_user_password(None);
        create.manage_master_user_password(true)
    };
    let nowhere = "arn:aws:kms:ca-central-1:000000000000:key/00000000-0000-0000-0000-000000000000";
    let refused = managed("other").master_user_secret_kms_key_id(nowhere);
    let refused = refused.send().await.unwrap_err();
    assert_eq!(code(&refused), "KMSKeyNotAccessibleFault");
    managed("app").send().await.unwrap();
    rds.step(minutes(6)).await;
    let replica = client
        .create_db_instance_read_replica()
        .source_db_instance_identifier("app")
        .db_instance_identifier("replica");
    let refused = replica.send().await.unwrap_err();
    assert_eq!(code(&refused), "InvalidDBInstanceState");
    let restore = client
        .restore_db_instance_to_point_in_time()
        .source_db_instance_identifier("app")
        .target_db_instance_identifier("restored")
        .use_latest_restorable_time(true)
        .manage_master_user_password(true);
    let refused = restore.send().await.unwrap_err();
    assert_eq!(code(&refused), "InvalidParameterCombination");
}

// aws-behaviour: 63
#[tokio::test]
async fn a_network_is_that_of_ec2() {
    let (aws, _) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let group = |subnets: &[&str]| {
        let create = client.create_db_subnet_group().db_subnet_group_name("g");
        let subnets = subnets.iter().map(|id| (*id).to_owned()).collect();
        create
            .db_subnet_group_description("g")
            .set_subnet_ids(Some(subnets))
    };
    for (subnets, refused) in [
        (&["subnet-00000001", "subnet-1"][..], "InvalidSubnet"),
        (&["subnet-00000001"], "DBSubnetGroupDoesNotCoverEnoughAZs"),
        (
            &["subnet-00000001", "subnet-00000001"],
            "DBSubnetGroupDoesNotCoverEnoughAZs",
        ),
    ] {
        let error = group(subnets).send().await.unwrap_err();
        assert_eq!(code(&error), refused, "{subnets:?}");
    }
    let made = group(&["subnet-00000001", "subnet-00000002"]).send().await;
    let made = made.unwrap();
    let made = made.db_subnet_group().unwrap();
    assert_eq!(made.vpc_id(), Some("vpc-00000001"));
    let zone = |number: usize| {
        let zone = made.subnets()[number].subnet_availability_zone().unwrap();
        zone.name().unwrap().to_owned()
    };
    assert_eq!(
        (zone(0), zone(1)),
        ("ca-central-1a".into(), "ca-central-1b".into())
    );
    let refused = create(&client, "app").vpc_security_group_ids("sg-app");
    assert_eq!(
        code(&refused.send().await.unwrap_err()),
        "InvalidParameterValue"
    );
    let app = create(&client, "app")
        .db_subnet_group_name("g")
        .send()
        .await;
    let app = app.unwrap().db_instance.unwrap();
    let groups = app.vpc_security_groups()[0].vpc_security_group_id();
    assert_eq!(groups, Some("sg-00000001"));
}

// aws-behaviour: 63
#[tokio::test]
async fn storage_has_iops_where_its_type_does_and_grows_by_a_tenth_every_six_hours() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let kind = |kind: &str, gib: i32| {
        let create = create(&client, "x").allocated_storage(gib);
        create.storage_type(kind)
    };
    for (refused, why) in [
        (kind("gp3", 399).iops(12_000), "gp3 below 400 GiB"),
        (kind("gp3", 400).iops(11_999), "gp3 has 12000"),
        (kind("gp3", 20).storage_throughput(500), "gp3 below 400 GiB"),
        (kind("gp2", 100).iops(1000), "gp2 has none"),
        (kind("io1", 100), "io1 wants IOPS"),
        (kind("io1", 100).iops(5001), "50 in a GiB"),
        (kind("gp2", 100).max_allocated_storage(105), "a tenth"),
    ] {
        let error = refused.send().await.unwrap_err();
        assert_eq!(code(&error), "InvalidParameterCombination", "{why}");
    }
    let error = kind("gp2", 50).max_allocated_storage(25).send().await;
    let error = error.unwrap_err().into_service_error();
    let wanted = "Max storage size must be greater than storage size";
    assert_eq!(error.meta().message(), Some(wanted));
    let error = kind("gp9", 20).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    created(&client, &rds, "app").await;
    let grow = |gib: i32| {
        let modify = client.modify_db_instance().db_instance_identifier("app");
        modify.allocated_storage(gib).apply_immediately(true)
    };
    let error = grow(21).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    grow(22).send().await.unwrap();
    rds.step(minutes(2)).await;
    let there = instance(&client, "app").await;
    assert_eq!(there.db_instance_status(), Some("storage-optimization"));
    assert_eq!(there.allocated_storage(), Some(22));
    let error = grow(30).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    rds.step(minutes(6 * 60)).await;
    let there = instance(&client, "app").await;
    assert_eq!(there.db_instance_status(), Some("available"));
    let error = grow(20).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    rds.set_storage_optimization(std::time::Duration::ZERO);
    grow(30).send().await.unwrap();
    rds.step(minutes(2)).await;
    let there = instance(&client, "app").await;
    assert_eq!(there.db_instance_status(), Some("available"));
}

#[tokio::test]
async fn an_instance_is_backed_up_during_snapshots_and_its_window_and_down_without_backups() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let in_an_hour = rds.now() + jiff_minutes(60);
    let window = |from: jiff::Timestamp| {
        let to = from + jiff_minutes(30);
        format!("{}-{}", from.strftime("%H:%M"), to.strftime("%H:%M"))
    };
    let app = create(&client, "app").preferred_backup_window(window(in_an_hour));
    app.send().await.unwrap();
    rds.step(minutes(6)).await;
    let status = async || {
        let there = instance(&client, "app").await;
        there.db_instance_status().unwrap().to_owned()
    };
    let take = |id: &str| {
        let take = client.create_db_snapshot().db_instance_identifier("app");
        take.db_snapshot_identifier(id)
    };
    take("one").send().await.unwrap();
    assert_eq!(status().await, "backing-up");
    let error = take("two").send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidDBInstanceState");
    rds.step(minutes(2)).await;
    assert_eq!(status().await, "available");
    take("two").send().await.unwrap();
    rds.step(minutes(2)).await;
    // To the minute in which the daily window begins.
    let left = in_an_hour.duration_since(rds.now()).as_secs();
    rds.step(std::time::Duration::from_secs(u64::try_from(left).unwrap()))
        .await;
    assert_eq!(status().await, "backing-up");
    rds.step(minutes(2)).await;
    let keep = |days| {
        let modify = client.modify_db_instance().db_instance_identifier("app");
        modify.backup_retention_period(days).apply_immediately(true)
    };
    keep(0).send().await.unwrap();
    assert_eq!(status().await, "modifying");
    rds.step(minutes(2)).await;
    assert_eq!(status().await, "available");
    let left = client.describe_db_instance_automated_backups().send().await;
    assert!(left.unwrap().db_instance_automated_backups().is_empty());
    for bad in ["03:00-03:29", "3:00-4:00"] {
        let error = create(&client, "x")
            .preferred_backup_window(bad)
            .send()
            .await;
        assert_eq!(code(&error.unwrap_err()), "InvalidParameterValue", "{bad}");
    }
    let bad = create(&client, "x").preferred_maintenance_window("sun:06:00-sun:06:10");
    assert_eq!(
        code(&bad.send().await.unwrap_err()),
        "InvalidParameterValue"
    );
}

fn jiff_minutes(minutes: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_mins(minutes)
}

#[tokio::test]
async fn settings_of_an_instance_are_those_that_rds_has() {
    let (aws, rds) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let make = || create(&client, "x");
    for (refused, why) in [
        (make().monitoring_interval(60), "monitoring without a role"),
        (
            make().enable_cloudwatch_logs_exports("slowquery"),
            "a log of another engine",
        ),
        (
            make().manage_master_user_password(true),
            "a password that is given and managed",
        ),
        (
            make().master_user_secret_kms_key_id("alias/aws/rds"),
            "a key for no secret",
        ),
    ] {
        let error = refused.send().await.unwrap_err();
        assert_eq!(code(&error), "InvalidParameterCombination", "{why}");
    }
    for (refused, why) in [
        (
            make().monitoring_interval(2),
            "an interval that there is not",
        ),
        (
            make().performance_insights_retention_period(8),
            "a retention that there is not",
        ),
        (make().license_model("bring-your-own-license"), "a license"),
    ] {
        let error = refused.send().await.unwrap_err();
        assert_eq!(code(&error), "InvalidParameterValue", "{why}");
    }
    let old = create(&client, "app").engine_version("17.6").send().await;
    old.unwrap();
    rds.step(minutes(5)).await;
    let modify = || client.modify_db_instance().db_instance_identifier("app");
    let error = modify().engine_version("17.5").send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    let reboot = client.reboot_db_instance().db_instance_identifier("app");
    let error = reboot.force_failover(true).send().await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    let replica = client.create_db_instance_read_replica();
    let replica = replica.source_db_instance_identifier("app");
    replica
        .db_instance_identifier("replica")
        .send()
        .await
        .unwrap();
    rds.step(minutes(6)).await;
    let error = modify()
        .backup_retention_period(0)
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "InvalidParameterCombination");
    let error = modify().manage_master_user_password(true).send().await;
    assert_eq!(code(&error.unwrap_err()), "InvalidDBInstanceState");
}

#[tokio::test]
async fn capacity_is_refused_as_any_error_is() {
    let (aws, _) = start_or_return!();
    let client = client(&aws, PRIMARY);
    let full = FaultKind::Error(local_aws::ErrorAnswer {
        code: "InsufficientDBInstanceCapacity".to_owned(),
        status: 400,
        message: "db.t4g.micro is <not> available".to_owned(),
    });
    aws.add_fault(Fault::new(full).operation("CreateDBInstance").times(1));
    let error = create(&client, "app").send().await.unwrap_err();
    assert_eq!(code(&error), "InsufficientDBInstanceCapacity");
    let error = error.into_service_error();
    assert!(error.is_insufficient_db_instance_capacity_fault());
    assert!(error.to_string().contains("InsufficientDBInstanceCapacity"));
    create(&client, "app").send().await.unwrap();
}
