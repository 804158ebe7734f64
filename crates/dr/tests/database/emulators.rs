//! The same checks on every emulator that has the calls.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options, WaiterConfig};
use dr::database::{
    AsOf, At, CopyOptions, CopyOutcome, Kind, RdsClients, RecoveryPoint, RestoreError,
    RestoreRequest, Snapshot, SnapshotState, copy, order, plan_copies, plan_restore,
    recovery_points, restore,
};
use local_aws::{Base, LocalAws, RdsClock, RdsOptions};
use report::Silent;
use settings::{Objectives, Tags};

use crate::stage::{DR, ID, NONE, PRIMARY, TARGET, connected};

/// What an emulator shows of a copy that does not say what it is a copy of.
fn by_name(copy: &Snapshot) -> RecoveryPoint {
    RecoveryPoint {
        id: copy.id.clone(),
        kind: Kind::CopiedSnapshot,
        arn: copy.arn.clone(),
        status: copy.state.to_string(),
        latest: copy.data_time,
        earliest: None,
        key: copy.key.clone(),
        engine: copy.engine.clone(),
        storage_gb: copy.storage_gb,
        problem: None,
        rpo_seconds: None,
    }
}

/// Copy a snapshot, find it, restore from it. `shows_source`: whether a copy says what it is a copy of.
async fn copy_and_restore(aws: &LocalAws, shows_source: bool) {
    let env = AwsEnv::load(Options {
        endpoint_url: Some(aws.endpoint().to_owned()),
        credentials: Some(Credentials::new("test", "test", None, None, "tests")),
        ..Options::default()
    })
    .await
    .unwrap();
    let (primary, dr) = (PRIMARY.parse().unwrap(), DR.parse().unwrap());
    let from = aws_env::client!(aws_sdk_rds, &env.access(primary));
    let to = aws_env::client!(aws_sdk_rds, &env.access(dr));
    let create = from.create_db_instance().db_instance_identifier(ID);
    create
        .engine("postgres")
        .db_instance_class("db.t4g.medium")
        .allocated_storage(20)
        .master_username("app")
        .master_user_password("correct-horse")
        .send()
        .await
        .unwrap();
    let group = to
        .create_db_parameter_group()
        .db_parameter_group_name("dr-postgres");
    let group = group
        .db_parameter_group_family("postgres18")
        .description("dr");
    group.send().await.unwrap();
    let (source, target) = (
        RdsClients::new(&env.access(primary)),
        RdsClients::new(&env.access(dr)),
    );
    let waiter = WaiterConfig::every(Duration::from_millis(20), Duration::from_secs(3600));
    while source.instance(ID).await.unwrap().unwrap().status != "available" {
        tokio::task::yield_now().await;
    }
    let take = from.create_db_snapshot().db_instance_identifier(ID);
    take.db_snapshot_identifier("seed").send().await.unwrap();
    let sources = loop {
        let sources = source.snapshots(Some(ID)).await.unwrap();
        if sources
            .iter()
            .any(|one| one.id == "seed" && one.state == SnapshotState::Available)
        {
            break sources;
        }
    };
    let regions = (primary, dr);
    let plan = plan_copies(&sources, &[], ID, regions, 1, Some("seed")).unwrap();
    let options = CopyOptions {
        key: None,
        tags: Tags::default(),
        quota: Some(20),
        waiter,
    };
    let waiter_of_copy = if shows_source { waiter } else { NONE };
    let options = CopyOptions {
        waiter: waiter_of_copy,
        ..options
    };
    let copied = copy(&target, &plan, &options, &Silent)
        .await
        .unwrap()
        .unwrap();
    let copied = &copied.snapshots[0];
    let present = target.snapshot(&copied.target).await.unwrap().unwrap();
    assert_eq!(present.state, SnapshotState::Available);
    assert_eq!(present.taken, plan.steps[0].source.taken);
    let mut database = crate::stage::database();
    database.restore.as_mut().unwrap().subnet_group = "default".parse().unwrap();
    let as_of = present.taken.unwrap();
    let points = if shows_source {
        assert_eq!(copied.outcome, CopyOutcome::Copied);
        let present = target.snapshots(Some(ID)).await.unwrap();
        let again = plan_copies(&sources, &present, ID, regions, 1, Some("seed")).unwrap();
        assert!(again.is_done(), "{present:?}");
        let objective = Duration::from_secs(60);
        let points =
            recovery_points(&target, &database, primary, objective, AsOf::Moment(as_of)).await;
        points.unwrap().points
    } else {
        order(vec![by_name(&present)], AsOf::Moment(as_of))
    };
    assert_eq!(points[0].rpo_seconds, Some(0));
    let request = RestoreRequest {
        database: &database,
        target: TARGET,
        region: dr,
        at: At::Latest,
        from: None,
        as_of: AsOf::Moment(as_of),
        objectives: Objectives::default(),
        tags: &Tags::default(),
    };
    let plan = plan_restore(&request, &points, None).unwrap();
    let restored = restore(&target, &plan, waiter, as_of, connected, &Silent).await;
    if shows_source {
        assert_eq!(restored.unwrap().target, TARGET);
        return;
    }
    // It got as far as the subnet group, which is in the call and which moto makes of EC2's subnets only.
    match restored.unwrap_err() {
        RestoreError::Aws(error) => assert!(error.is_code("DBSubnetGroupNotFoundFault"), "{error}"),
        other => panic!("{other}"),
    }
}

/// The clock of the one that has a clock.
async fn start(base: Base) -> Option<LocalAws> {
    let mut builder = LocalAws::builder();
    if base != Base::Moto {
        builder = builder.rds(RdsOptions {
            clock: RdsClock::Asked { seconds: 60 },
            ..RdsOptions::default()
        });
    }
    builder.base(base).start_or_skip().await.unwrap()
}

// aws-behaviour: 26
#[tokio::test]
async fn copy_and_restore_on_the_simulated_rds_agree() {
    if let Some(aws) = start(Base::Ministack).await {
        copy_and_restore(&aws, true).await;
    }
}

/// moto's copies lack `SourceDBSnapshotIdentifier`, it has no subnet groups without EC2, and its point-in-time restore takes the instance, which is
/// gone with its region, and no replicated backup: that part is left to the simulated RDS.
// aws-behaviour: 26
#[tokio::test]
async fn copy_and_restore_on_moto_agree() {
    if let Some(aws) = start(Base::Moto).await {
        copy_and_restore(&aws, false).await;
    }
}
