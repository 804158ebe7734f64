//! Restores in the DR region.

use std::cell::Cell;

use dr::database::{
    At, Begun, Instance, Kind, Refusal, RestoreError, RestorePlan, RestoreProgress, RestoreStep,
    RestoreWatch, begin_restore, check_restore_target, compare_quotas, enable, judge_source_region,
    plan_enable, quotas, restore, source_regions, wait_restore,
};
use local_aws::{Fault, FaultKind, RegionState};
use report::Silent;
use report::finding::Status;
use settings::{RestoreOptions, Tags};

use crate::stage::{DR, NONE, PRIMARY, Stage, TARGET, WAITER, connected, minutes};

/// A copied snapshot, and no replicated backup.
async fn with_copy(encrypted: bool) -> Option<Stage> {
    let stage = Stage::open(encrypted).await?;
    stage.take("seed").await;
    assert!(stage.copied(1, WAITER).await.is_complete());
    Some(stage)
}

/// Replicates the backups and waits for the first.
pub(crate) async fn replicate(stage: &Stage) {
    let instance = stage.primary.instance(crate::stage::ID).await.unwrap();
    let backups = stage.dr.backups().await.unwrap();
    let plan = plan_enable(
        &stage.database,
        instance.as_ref(),
        &backups,
        stage.regions(),
    )
    .unwrap();
    let ended = enable(&stage.dr, &plan, &Tags::default(), WAITER).await;
    ended.unwrap().unwrap();
    stage.rds.step(minutes(20)).await;
}

// aws-behaviour: 5
// aws-behaviour: 6
// aws-behaviour: 29
#[tokio::test]
async fn restore_without_the_primary_region_takes_the_freshest_point() {
    let Some(stage) = with_copy(true).await else {
        return;
    };
    replicate(&stage).await;
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    let lost = stage.rds.now();
    stage.rds.step(minutes(30)).await;
    stage.aws.clear_log();
    let points = stage.points(lost).await;
    let kinds: Vec<_> = points.points.iter().map(|point| point.kind).collect();
    assert_eq!(kinds, [Kind::ReplicatedBackup, Kind::CopiedSnapshot]);
    // Logs are uploaded every 5 minutes and take 2 to arrive.
    let rpo = points.freshest().unwrap().rpo_seconds.unwrap();
    assert!(rpo <= 7 * 60, "{rpo}");
    let plan = stage.plan(None).await.unwrap();
    assert_eq!(plan.choice.kind, Kind::ReplicatedBackup);
    let restored = stage.restore(&plan, WAITER).await.unwrap();
    assert_eq!(restored.differences, []);
    assert!(restored.rto_seconds.is_some() && restored.endpoint.is_some());
    let there = stage.dr.instance(TARGET).await.unwrap().unwrap();
    assert_eq!(there.multi_az, Some(true));
    assert_eq!(there.subnet_group.as_deref(), Some("dr"));
    assert_eq!(there.class.as_deref(), Some("db.t4g.large"));
    assert_eq!(
        there.key,
        stage.database.kms.as_ref().map(ToString::to_string)
    );
    stage.primary_was_left_alone();
    assert!(stage.calls("ModifyDBInstance").is_empty());
    // Once more: it is there, and nothing is begun.
    let plan = stage.plan(None).await.unwrap();
    assert_eq!(plan.step, RestoreStep::Verify);
    let again = stage.restore(&plan, WAITER).await.unwrap();
    assert!(again.resumed && again.rto_seconds.is_none());
    assert_eq!(stage.accepted("RestoreDBInstanceToPointInTime"), 1);
}

// aws-behaviour: 30
#[tokio::test]
async fn restore_after_a_run_that_died_keeps_its_choice() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    let plan = stage.plan(None).await.unwrap();
    let ended = stage.restore(&plan, NONE).await.unwrap_err();
    assert!(
        matches!(&ended, RestoreError::Deadline { last, .. } if last == "creating"),
        "{ended}"
    );
    // A fresher one arrives meanwhile: the restore that has begun goes on.
    stage.take("fresher").await;
    assert!(stage.copied(1, WAITER).await.is_complete());
    let again = stage.plan(None).await.unwrap();
    assert_ne!(again.step, RestoreStep::Begin);
    assert_eq!(again.choice, plan.choice);
    let restored = stage.restore(&again, WAITER).await.unwrap();
    assert!(restored.resumed);
    // Where the restore was through by then, data that has arrived since is differing.
    let differing: Vec<_> = restored.differences.iter().map(|one| one.setting).collect();
    let since = again.newer.is_some();
    assert_eq!(differing, if since { vec!["data"] } else { Vec::new() });
    assert_eq!(stage.accepted("RestoreDBInstanceFromDBSnapshot"), 1);
}

#[tokio::test]
async fn restore_under_throttling_whose_answer_is_lost_is_not_made_twice() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    let plan = stage.plan(None).await.unwrap();
    let lost = Fault::new(FaultKind::ResponseLost).operation("RestoreDBInstanceFromDBSnapshot");
    stage.aws.add_fault(lost.times(1));
    let throttled = Fault::new(FaultKind::SlowDown).operation("DescribeDBInstances");
    stage.aws.add_fault(throttled.share(0.5));
    let restored = stage.restore(&plan, WAITER).await.unwrap();
    assert_eq!(restored.differences, []);
    assert!(restored.resumed);
}

/// What the DR environment wants of its database.
fn options() -> RestoreOptions {
    RestoreOptions {
        managed_password: Some(true),
        deletion_protection: Some(true),
        log_exports: Some(vec!["postgresql".to_owned(), "upgrade".to_owned()]),
        iam_authentication: Some(true),
        copy_tags: Some(true),
        insights_days: Some(7),
        max_storage_gb: Some(100),
    }
}

// aws-behaviour: 49
#[tokio::test]
async fn restore_sets_what_its_call_does_not_take_and_verifies_it() {
    let Some(mut stage) = with_copy(true).await else {
        return;
    };
    stage.database.restore.as_mut().unwrap().options = options();
    // It is shown as available, and as it was, before anything of what was asked for begins.
    stage.rds.set_linger(minutes(5));
    let plan = stage.plan(None).await.unwrap();
    let restored = stage.restore(&plan, WAITER).await.unwrap();
    assert_eq!(restored.differences, []);
    assert_eq!(restored.problem, None);
    let there = stage.dr.instance(TARGET).await.unwrap().unwrap();
    assert!(there.options.managed_password.is_some());
    assert_eq!(there.options.max_storage_gb, Some(100));
    assert_eq!(stage.accepted("ModifyDBInstance"), 1);
    // What drifts later is set again by the same command.
    let modify = stage.to.modify_db_instance().db_instance_identifier(TARGET);
    let modify = modify.deletion_protection(false).apply_immediately(true);
    modify.send().await.unwrap();
    stage.rds.step(minutes(10)).await;
    let plan = stage.plan(None).await.unwrap();
    assert_eq!(plan.step, RestoreStep::Verify);
    let again = stage.restore(&plan, WAITER).await.unwrap();
    assert_eq!(again.differences, []);
    assert_eq!(stage.accepted("ModifyDBInstance"), 3);
    // Nothing that was asked of the simulation passed it by.
    assert_eq!(stage.rds.unread_inputs(), []);
}

#[tokio::test]
async fn restore_of_storage_that_has_grown_beyond_the_settings_keeps_it() {
    let Some(mut stage) = with_copy(false).await else {
        return;
    };
    let restore = stage.database.restore.as_mut().unwrap();
    restore.options.max_storage_gb = Some(21);
    let plan = stage.plan(None).await.unwrap();
    let restored = stage.restore(&plan, WAITER).await.unwrap();
    let found: Vec<_> = restored.differences.iter().map(|one| one.setting).collect();
    assert_eq!(found, ["storage grows to"]);
    let there = stage.dr.instance(TARGET).await.unwrap().unwrap();
    assert_eq!(there.options.storage_gb, Some(20));
    assert!(stage.calls("ModifyDBInstance").is_empty());
}

#[tokio::test]
async fn restore_whose_settings_rds_does_not_take_yet_serves_and_tells_what_is_missing() {
    let Some(mut stage) = with_copy(false).await else {
        return;
    };
    let restore = stage.database.restore.as_mut().unwrap();
    restore.options.deletion_protection = Some(true);
    stage.rds.set_first_backup(minutes(100_000));
    let plan = stage.plan(None).await.unwrap();
    begin_restore(&stage.dr, &plan, stage.rds.now())
        .await
        .unwrap();
    stage.rds.step(minutes(60)).await;
    let mut watch = RestoreWatch::new(&stage.dr, &plan);
    let RestoreProgress::Serving {
        missing, problem, ..
    } = watch.poll().await.unwrap()
    else {
        panic!("it serves");
    };
    assert_eq!(missing, ["deletion protection"]);
    assert!(problem.unwrap().contains("backing-up"));
    // At the deadline it is a database that serves, with a difference.
    let now = stage.rds.now();
    let restored = wait_restore(&stage.dr, &plan, NONE, now, connected, &Silent);
    let restored = restored.await.unwrap();
    assert_eq!(restored.differences.len(), 1);
    assert!(restored.endpoint.is_some() && restored.is_as_wanted() == Some(false));
    // Whose rights do not reach that far learns it at once.
    stage
        .aws
        .add_fault(Fault::new(FaultKind::Denied).operation("ModifyDBInstance"));
    let progress = watch.poll().await.unwrap();
    let RestoreProgress::Ready { problem, .. } = progress else {
        panic!("{progress}");
    };
    assert!(problem.unwrap().contains("ModifyDBInstance"));
}

// aws-behaviour: 30
#[tokio::test]
async fn restore_begun_by_one_process_is_waited_for_by_another_from_the_plans_json() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    replicate(&stage).await;
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    let plan = stage.plan(None).await.unwrap().with_fixed_time();
    assert!(matches!(plan.choice.at, At::Time(_)));
    let json = serde_json::to_string(&plan).unwrap();
    drop(plan);
    stage.aws.clear_log();
    // One process dies before its call arrives, one before the answer does, one after it.
    let call = "RestoreDBInstanceToPointInTime";
    for (kind, begun) in [
        (Some(FaultKind::RequestLost), None),
        (Some(FaultKind::ResponseLost), Some(Begun::Found)),
        (None, Some(Begun::Found)),
    ] {
        let plan: RestorePlan = serde_json::from_str(&json).unwrap();
        if let Some(kind) = kind {
            stage.aws.add_fault(Fault::new(kind).operation(call));
        }
        let ended = begin_restore(&stage.dr, &plan, stage.rds.now()).await;
        stage.aws.clear_faults();
        assert_eq!(ended.ok(), begun);
    }
    let plan: RestorePlan = serde_json::from_str(&json).unwrap();
    let mut watch = RestoreWatch::new(&stage.dr, &plan);
    assert!(matches!(
        watch.poll().await.unwrap(),
        RestoreProgress::Pending { .. } | RestoreProgress::Ready { .. }
    ));
    let now = stage.rds.now();
    let (one, two) = tokio::join!(
        wait_restore(&stage.dr, &plan, WAITER, now, connected, &Silent),
        wait_restore(&stage.dr, &plan, WAITER, now, connected, &Silent)
    );
    for restored in [one.unwrap(), two.unwrap()] {
        assert_eq!(restored.differences, []);
        assert!(restored.resumed);
    }
    let instances = stage.dr.instances().await.unwrap();
    assert_eq!(instances.len(), 1);
    stage.primary_was_left_alone();
    // Another plan of the same name is not taken for it.
    let mut other = plan.clone();
    other.choice.point.push('x');
    let refused = begin_restore(&stage.dr, &other, now).await.unwrap_err();
    assert!(
        matches!(&refused, RestoreError::Refused(Refusal::TargetTaken { .. })),
        "{refused}"
    );
    let refused = RestoreWatch::new(&stage.dr, &other).poll().await;
    assert!(matches!(refused, Err(RestoreError::Refused(_))));
}

#[tokio::test]
async fn restore_is_not_through_before_the_server_accepts_connections() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    let plan = stage.plan(None).await.unwrap();
    let tried = Cell::new(0);
    let third = async |instance: &Instance| {
        assert!(instance.endpoint.is_some());
        tried.set(tried.get() + 1);
        match tried.get() {
            1 | 2 => Err("it refuses".to_owned()),
            _ => Ok(()),
        }
    };
    let now = stage.rds.now();
    let ended = restore(&stage.dr, &plan, WAITER, now, third, &Silent).await;
    let restored = ended.unwrap();
    assert_eq!(tried.get(), 3);
    assert!(restored.rto_seconds.is_some());
    // At the deadline it is told as it is, and how long it took until it served is not known.
    let never = async |_: &Instance| Err("it refuses".to_owned());
    let ended = wait_restore(&stage.dr, &plan, NONE, now, never, &Silent).await;
    assert_eq!(ended.unwrap().rto_seconds, None);
}

// aws-behaviour: 62
#[tokio::test]
async fn restore_is_through_as_soon_as_the_instance_serves() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    for status in [
        "backing-up",
        "storage-initialization",
        "storage-optimization",
    ] {
        stage.rds.end_instance_as(DR, TARGET, status);
        let plan = stage.plan(None).await.unwrap();
        let restored = stage.restore(&plan, WAITER).await.unwrap();
        assert_eq!(restored.differences, [], "{status}");
        assert!(restored.endpoint.is_some(), "{status}");
        let there = stage.dr.instance(TARGET).await.unwrap().unwrap();
        assert_eq!(there.status, status);
        // A run that comes later finds it done.
        let plan = stage.plan(None).await.unwrap();
        assert_eq!(plan.step, RestoreStep::Verify, "{status}");
        let delete = stage.to.delete_db_instance().db_instance_identifier(TARGET);
        delete.skip_final_snapshot(true).send().await.unwrap();
        stage.rds.step(minutes(10)).await;
    }
}

#[tokio::test]
async fn restore_that_ends_badly_tells_what_to_do() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    for (status, part) in [
        ("incompatible-parameters", "correct the parameter group"),
        ("failed", "describe-events"),
    ] {
        stage.rds.end_instance_as(DR, TARGET, status);
        let plan = stage.plan(None).await.unwrap();
        assert_eq!(plan.step, RestoreStep::Begin);
        let ended = stage.restore(&plan, WAITER).await.unwrap_err();
        assert!(matches!(&ended, RestoreError::Ended { status: found, .. } if found == status));
        let hint = ended.hint().unwrap();
        assert!(hint.contains(part), "{hint}");
        // It may have served, and been written to, since it was restored.
        assert!(
            !hint.contains("skip-final-snapshot") && hint.contains("--target"),
            "{hint}"
        );
        // The same command says the same, and restores nothing over it.
        let plan = stage.plan(None).await.unwrap();
        assert_eq!(plan.step, RestoreStep::Resume);
        assert!(stage.restore(&plan, WAITER).await.is_err());
        let delete = stage.to.delete_db_instance().db_instance_identifier(TARGET);
        delete.skip_final_snapshot(true).send().await.unwrap();
        stage.rds.step(minutes(10)).await;
    }
    let plan = stage.plan(None).await.unwrap();
    assert!(stage.restore(&plan, WAITER).await.is_ok());
}

#[tokio::test]
async fn restore_to_the_name_of_an_instance_is_refused() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    let restore = stage.to.restore_db_instance_from_db_snapshot();
    let snapshot = stage.copies().await[0].id.clone();
    restore
        .db_snapshot_identifier(snapshot)
        .db_instance_identifier(TARGET)
        .send()
        .await
        .unwrap();
    stage.aws.clear_log();
    let refused = stage.plan(None).await.unwrap_err();
    assert!(matches!(refused, Refusal::TargetTaken { .. }), "{refused}");
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

// aws-behaviour: 28
#[tokio::test]
async fn restore_with_a_disabled_key_is_refused_before_it_begins() {
    let Some(stage) = with_copy(true).await else {
        return;
    };
    let key = stage.database.kms.as_ref().unwrap().to_string();
    stage.kms.disable_key().key_id(&key).send().await.unwrap();
    let plan = stage.plan(None).await.unwrap();
    let refused = stage.restore(&plan, WAITER).await.unwrap_err();
    assert!(
        matches!(&refused, RestoreError::Refused(Refusal::Key { .. })),
        "{refused}"
    );
    assert!(refused.hint().unwrap().contains("enable-key"));
    assert!(stage.calls("RestoreDBInstanceFromDBSnapshot").is_empty());
}

fn wanted_logs(stage: &mut Stage, log: &str) {
    let wanted = stage.database.restore.as_mut().unwrap();
    wanted.options.log_exports = Some(vec!["postgresql".to_owned(), log.to_owned()]);
}

#[tokio::test]
async fn check_of_a_target_names_all_that_is_in_the_way_at_once() {
    let Some(mut stage) = with_copy(true).await else {
        return;
    };
    let plan = stage.plan(None).await.unwrap();
    let check = check_restore_target(&stage.dr, &plan).await;
    assert_eq!(check.problems, []);
    assert!(check.unknown.is_empty(), "{:?}", check.unknown);

    let wanted = stage.database.restore.as_mut().unwrap();
    wanted.subnet_group = "nope1".parse().unwrap();
    wanted.parameter_group = "nope2".parse().unwrap();
    wanted.class = Some("db.m1.small".parse().unwrap());
    wanted
        .security_groups
        .push("sg-0badbadbad0000000".parse().unwrap());
    let key = stage.database.kms.as_ref().unwrap().to_string();
    stage.kms.disable_key().key_id(&key).send().await.unwrap();
    let mut quotas = stage.rds.quotas();
    quotas.instances = 0;
    quotas.storage_gib = 19;
    stage.rds.set_quotas(quotas);
    wanted_logs(&mut stage, "audit");
    let plan = stage.plan(None).await.unwrap();
    let check = check_restore_target(&stage.dr, &plan).await;
    let said: Vec<_> = check.problems.iter().map(ToString::to_string).collect();
    let [
        subnets,
        parameters,
        class,
        logs,
        disabled,
        quota,
        storage,
        group,
    ] = &said[..]
    else {
        panic!("{said:?}");
    };
    assert_eq!(subnets, "there is no DB subnet group nope1");
    assert_eq!(parameters, "there is no DB parameter group nope2");
    assert_eq!(class, "postgres 18.1 is not offered on db.m1.small here");
    assert!(disabled.contains("Disabled"), "{disabled}");
    let statuses: Vec<_> = check.findings.iter().map(|one| one.status.word()).collect();
    assert_eq!(
        statuses,
        [
            "wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "skipped"
        ]
    );
    assert_eq!(group, "there is no security group sg-0badbadbad0000000");
    assert!(check.findings[..8].iter().all(|one| one.fix.is_some()));
    assert_eq!(
        logs,
        "postgres 18.1 has no log audit to export: iam-db-auth-error, postgresql, upgrade"
    );
    assert_eq!(
        storage,
        "the quota AllocatedStorage has no room for 20: 0 of 19 are used"
    );
    assert_eq!(
        quota,
        "the quota DBInstances has no room for 1: 0 of 0 are used"
    );
    assert!(stage.calls("RestoreDBInstanceFromDBSnapshot").is_empty());
}

#[tokio::test]
async fn quotas_and_source_regions_of_a_region_are_told_as_rds_has_them() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    let (here, from) = (quotas(&stage.dr).await, quotas(&stage.primary).await);
    let findings = compare_quotas(stage.regions(), &from, &here);
    assert!(findings.len() >= 5, "{findings:?}");
    assert!(
        findings.iter().all(|one| one.status == Status::Ok),
        "{findings:?}"
    );
    let regions = source_regions(&stage.dr).await;
    let judged = judge_source_region(stage.regions(), &regions);
    assert_eq!(judged.status, Status::Ok, "{judged:?}");
    stage
        .aws
        .add_fault(Fault::new(FaultKind::Denied).operation("DescribeSourceRegions"));
    let regions = source_regions(&stage.dr).await;
    let judged = judge_source_region(stage.regions(), &regions);
    assert_eq!(judged.status, Status::Unknown, "{judged:?}");
}

#[tokio::test]
async fn quotas_are_asked_of_service_quotas_and_told_by_rds_where_that_is_silent() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    let mut given = stage.rds.quotas();
    given.instances = 90;
    stage.rds.set_quotas(given);
    let instances = async || {
        let quotas = quotas(&stage.dr).await.unwrap();
        let mut found = quotas.into_iter();
        let found = found.find(|quota| quota.name == "DBInstances").unwrap();
        (found.most, found.code)
    };
    assert_eq!(instances().await, (90, Some("L-7B6409FD".to_owned())));
    // What asks for more is a command that can be run as it is.
    given.instances = 0;
    stage.rds.set_quotas(given);
    let plan = stage.plan(None).await.unwrap();
    let increase = async || {
        let check = check_restore_target(&stage.dr, &plan).await;
        check.problems[0].fix(stage.dr.region())
    };
    let command =
        "aws service-quotas request-service-quota-increase --service-code rds --region us-east-1";
    assert_eq!(
        increase().await,
        [command, "--quota-code L-7B6409FD --desired-value 1"].join(" ")
    );
    let denied = Fault::new(FaultKind::Denied).operation("ListServiceQuotas");
    stage.aws.add_fault(denied);
    assert_eq!(instances().await, (0, None));
    assert_eq!(
        increase().await,
        [command, "--quota-code … --desired-value 1"].join(" ")
    );
}

#[tokio::test]
async fn check_of_a_target_tells_a_parameter_group_of_another_major_version() {
    let Some(mut stage) = with_copy(false).await else {
        return;
    };
    let create = stage.to.create_db_parameter_group();
    let create = create.db_parameter_group_name("dr-old").description("dr");
    create
        .db_parameter_group_family("postgres15")
        .send()
        .await
        .unwrap();
    let wanted = stage.database.restore.as_mut().unwrap();
    wanted.parameter_group = "dr-old".parse().unwrap();
    let plan = stage.plan(None).await.unwrap();
    let check = check_restore_target(&stage.dr, &plan).await;
    let said: Vec<_> = check.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "the DB parameter group dr-old is of the family postgres15, and postgres 18.1 wants postgres18"
        ]
    );
}

// aws-behaviour: 63
#[tokio::test]
async fn check_of_a_target_tells_a_security_group_of_another_vpc() {
    let Some(mut stage) = with_copy(false).await else {
        return;
    };
    let ec2: aws_sdk_ec2::Client =
        aws_env::client!(aws_sdk_ec2, &stage.env.access(stage.dr.region()));
    let vpc = ec2.create_vpc().cidr_block("10.77.0.0/16").send().await;
    let vpc = vpc.unwrap().vpc.unwrap().vpc_id.unwrap();
    let create = ec2.create_security_group().group_name("other").vpc_id(&vpc);
    let group = create.description("other").send().await.unwrap();
    let group = group.group_id.unwrap();
    let wanted = stage.database.restore.as_mut().unwrap();
    wanted.security_groups = vec![group.parse().unwrap()];
    let plan = stage.plan(None).await.unwrap();
    let check = check_restore_target(&stage.dr, &plan).await;
    let [problem] = &check.problems[..] else {
        panic!("{:?}", check.problems);
    };
    let said = problem.to_string();
    assert!(
        said.starts_with(&format!(
            "the security group {group} is in {vpc}, and the DB subnet group dr in vpc-"
        )),
        "{said}"
    );
    let fix = problem.fix(stage.dr.region());
    assert!(
        fix.contains("describe-security-groups") && fix.contains("Name=vpc-id,Values=vpc-"),
        "{fix}"
    );
    // RDS refuses it for the same reason.
    let refused = stage.restore(&plan, WAITER).await.unwrap_err();
    assert!(
        refused.to_string().contains("RestoreDBInstance"),
        "{refused}"
    );
}

#[tokio::test]
async fn check_of_a_target_that_nobody_tells_about_is_unknown_and_not_fine() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    let plan = stage.plan(None).await.unwrap();
    for operation in [
        "DescribeDBSubnetGroups",
        "DescribeDBParameterGroups",
        "DescribeOrderableDBInstanceOptions",
        "DescribeAccountAttributes",
        "DescribeSecurityGroups",
    ] {
        let denied = Fault::new(FaultKind::Denied).operation(operation);
        stage.aws.add_fault(denied);
        let check = check_restore_target(&stage.dr, &plan).await;
        stage.aws.clear_faults();
        let statuses = check.findings.iter().map(|one| one.status.word());
        // Instances and storage are two quotas of one answer.
        let expected = match operation {
            "DescribeAccountAttributes" => 2,
            _ => 1,
        };
        let unknown = statuses.filter(|word| *word == "unknown").count();
        assert_eq!(unknown, expected, "{operation}");
        let named = check.unknown.iter().any(|why| why.contains(operation));
        assert!(named, "{operation}: {:?}", check.unknown);
    }
}

#[tokio::test]
async fn plan_restore_without_a_usable_point_is_refused_with_what_there_is() {
    let Some(stage) = with_copy(false).await else {
        return;
    };
    let copy = stage.copies().await[0].id.clone();
    for (status, part) in [("failed", "failed"), ("deleting", "being deleted")] {
        assert!(stage.rds.set_snapshot_status(DR, &copy, status));
        let refused = stage.plan(None).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("{copy}: {part}")), "{refused}");
    }
}
