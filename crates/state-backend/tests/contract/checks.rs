use std::time::Duration;

use aws_env::RegionClients;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, CreateBucketConfiguration,
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, ObjectLockEnabled,
    ReplicationRuleFilter, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag,
};
use aws_smithy_types::DateTime;
use futures::future::join_all;
use local_aws::{Fault, FaultKind};
use report::Silent;
use state_backend::{
    Applied, Aspect, Backend, CanaryOptions, Digest, Health, Lock, LockKind, Presence, RefusalKind,
    ReleaseError, SideName, StateId, Verdict, wanted,
};

use crate::{EXAMPLE, Stage};

const BUCKET: &str = "berthcare-terraform-state";
const DR_BUCKET: &str = "berthcare-terraform-state-dr";
const TABLE: &str = "berthcare-terraform-locks";

/// Plans, and applies what nothing speaks against.
pub(crate) async fn apply(backend: &Backend) -> Applied {
    let approved = backend.plan().await.approve().expect("nothing is refused");
    backend.apply(&approved, &Silent).await
}

pub(crate) async fn a_plan_changes_nothing(stage: &Stage) {
    let plan = stage.backend().await.plan().await;
    assert!(
        plan.items()
            .iter()
            .all(|item| item.verdict == Verdict::Missing),
        "{plan:#?}"
    );
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

pub(crate) async fn apply_makes_everything_true(stage: &Stage) {
    let backend = stage.backend().await;
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let (ok, wrong, unknown) = backend.plan().await.into_verification().counts();
    assert_eq!((ok, wrong, unknown), (wanted(backend.spec()).len(), 0, 0));
}

pub(crate) async fn a_second_apply_has_nothing_to_do(stage: &Stage) {
    let backend = stage.backend().await;
    apply(&backend).await;
    stage.aws.clear_log();
    let again = apply(&backend).await;
    assert!(again.steps.is_empty(), "{again:#?}");
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

pub(crate) async fn without_a_dr_side_everything_is_made_true_once(stage: &Stage) {
    let alone = EXAMPLE
        .split("[state.dr]")
        .next()
        .expect("the part before it");
    let backend = stage.backend_of(alone).await;
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let (ok, wrong, unknown) = backend.plan().await.into_verification().counts();
    assert_eq!((ok, wrong, unknown), (14, 0, 0));
    stage.aws.clear_log();
    assert!(apply(&backend).await.steps.is_empty());
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

/// Buckets, replication and its role, without any table.
pub(crate) async fn a_backend_that_locks_in_s3_is_made_true(stage: &Stage) {
    let config: String = EXAMPLE
        .lines()
        .filter(|line| !line.starts_with("lock_table"))
        .map(|line| line.replace("[\"dynamodb\", \"s3\"]", "[\"s3\"]") + "\n")
        .collect();
    let backend = stage.backend_of(&config).await;
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let (ok, wrong, unknown) = backend.plan().await.into_verification().counts();
    assert_eq!((ok, wrong, unknown), (wanted(backend.spec()).len(), 0, 0));
    let log = stage.aws.log();
    let tables: Vec<_> = log
        .iter()
        // Whether DynamoDB answers at all is asked where STS takes its time.
        .filter(|entry| entry.service == "dynamodb" && entry.operation != "ListTables")
        .collect();
    assert!(tables.is_empty(), "{tables:#?}");
}

pub(crate) async fn a_weaker_bucket_is_strengthened(stage: &Stage) {
    let backend = stage.backend().await;
    let s3 = stage
        .env
        .region(backend.spec().dr.as_ref().expect("a DR side").region)
        .s3;
    s3.create_bucket()
        .bucket(DR_BUCKET)
        .send()
        .await
        .expect("created");
    s3.put_object()
        .bucket(DR_BUCKET)
        .key("kept")
        .body(b"x".to_vec().into())
        .send()
        .await
        .expect("put");
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    s3.head_object()
        .bucket(DR_BUCKET)
        .key("kept")
        .send()
        .await
        .expect("still there");
}

pub(crate) async fn a_stricter_bucket_is_not_weakened(stage: &Stage) {
    let backend = stage.backend().await;
    let s3 = stage
        .env
        .region(backend.spec().dr.as_ref().expect("a DR side").region)
        .s3;
    s3.create_bucket()
        .bucket(DR_BUCKET)
        .send()
        .await
        .expect("created");
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id(
            "arn:aws:kms:us-east-1:000000000000:key/22222222-2222-2222-2222-222222222222",
        )
        .build()
        .expect("complete");
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .build();
    let config = ServerSideEncryptionConfiguration::builder()
        .rules(rule)
        .build()
        .expect("complete");
    s3.put_bucket_encryption()
        .bucket(DR_BUCKET)
        .server_side_encryption_configuration(config)
        .send()
        .await
        .expect("set");
    let plan = backend.plan().await;
    let refused: Vec<_> = plan
        .refused()
        .map(|(item, refusal)| (item.facet.aspect, refusal.kind))
        .collect();
    assert_eq!(refused, [(Aspect::Encryption, RefusalKind::Stricter)]);
    stage.aws.clear_log();
    assert!(plan.approve().is_err());
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

pub(crate) async fn a_table_that_is_no_lock_table_is_refused(stage: &Stage) {
    let backend = stage.backend().await;
    create_table(stage, "Id").await;
    let plan = backend.plan().await;
    let refused: Vec<_> = plan
        .refused()
        .map(|(item, refusal)| (item.facet.aspect, refusal.kind))
        .collect();
    assert_eq!(refused, [(Aspect::Exists, RefusalKind::OtherKeySchema)]);
}

async fn create_table(stage: &Stage, key: &str) {
    let primary = stage.env.region("ca-central-1".parse().expect("a region"));
    create_table_in(&primary, key).await;
}

async fn create_table_in(clients: &RegionClients, key: &str) {
    let attribute = AttributeDefinition::builder()
        .attribute_name(key)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .expect("complete");
    let schema = KeySchemaElement::builder()
        .attribute_name(key)
        .key_type(KeyType::Hash)
        .build()
        .expect("complete");
    clients
        .dynamodb
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(attribute)
        .key_schema(schema)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .expect("created");
}

pub(crate) fn global_table() -> String {
    EXAMPLE
        .replace("strategy = \"replication\"", "strategy = \"global-table\"")
        .replace("lock_table = \"berthcare-terraform-locks-dr\"\n", "")
}

// aws-behaviour: 25
pub(crate) async fn a_global_table_has_its_replica(stage: &Stage) {
    let backend = stage.backend_of(&global_table()).await;
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let dr = stage
        .env
        .region(backend.spec().dr.as_ref().expect("a DR side").region);
    dr.dynamodb
        .describe_table()
        .table_name(TABLE)
        .send()
        .await
        .expect("the replica is there");
}

/// From DynamoDB to S3: an old client holds a lock in the table that new ones do not look at.
pub(crate) async fn locks_of_the_old_table_are_seen_and_stand_in_the_way(stage: &Stage) {
    bare(stage).await;
    let config: String = EXAMPLE
        .lines()
        .filter(|line| !line.starts_with("lock_table"))
        .map(|line| line.replace("[\"dynamodb\", \"s3\"]", "[\"s3\"]") + "\n")
        .collect();
    let old = format!("[state]\nold_lock_table = {TABLE:?}\n");
    let backend = stage.backend_of(&config.replace("[state]\n", &old)).await;
    let refusals = |plan: state_backend::Plan| plan.refused().count();
    assert_eq!(refusals(backend.plan().await), 0);
    let clients = stage.env.region(backend.spec().primary.region);
    put_row(&clients, "1111").await;
    let held = listed(&backend).await;
    let kinds: Vec<_> = held.iter().map(|lock| lock.kind).collect();
    assert_eq!(kinds, [LockKind::DynamoDb]);
    assert_eq!(refusals(backend.plan().await), 1);
    let released = backend.release(SideName::Primary, "1111").await;
    assert_eq!(released.expect("it is there").len(), 1);
    assert_eq!(refusals(backend.plan().await), 0);
}

/// The strategy is changed after the tables were made, both under one name.
pub(crate) async fn a_change_of_the_strategy_names_what_is_in_the_way(stage: &Stage) {
    let one_name = EXAMPLE.replace(
        "lock_table = \"berthcare-terraform-locks-dr\"",
        "lock_table = \"berthcare-terraform-locks\"",
    );
    let applied = apply(&stage.backend_of(&one_name).await).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    stage.aws.clear_log();
    let plan = stage.backend_of(&global_table()).await.plan().await;
    let refused: Vec<_> = plan
        .refused()
        .map(|(item, refusal)| (item.facet.resource.region.as_str(), refusal.kind))
        .collect();
    assert_eq!(refused, [("us-east-1", RefusalKind::InTheWay)]);
    assert!(plan.approve().is_err());
    assert!(stage.aws.log().iter().all(|entry| !entry.is_mutation()));
}

pub(crate) fn info(id: &str) -> String {
    format!(
        r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"jo@laptop","Version":"1.11.4","Created":"2026-11-22T09:00:00Z","Path":"{BUCKET}/staging/terraform.tfstate"}}"#
    )
}

/// A bucket and a table as another tool may have made them. Not by `apply`: an emulator that heeds
/// bucket policies refuses objects over plain HTTP then, and rightly.
async fn bare(stage: &Stage) -> Backend {
    let backend = stage.backend().await;
    let clients = stage.env.region(backend.spec().primary.region);
    let canada = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::CaCentral1)
        .build();
    clients
        .s3
        .create_bucket()
        .bucket(BUCKET)
        .create_bucket_configuration(canada)
        .send()
        .await
        .expect("created");
    create_table(stage, "LockID").await;
    backend
}

/// The lock of the primary side's state, wherever the table is.
async fn put_row(clients: &RegionClients, id: &str) {
    clients
        .dynamodb
        .put_item()
        .table_name(TABLE)
        .item(
            "LockID",
            AttributeValue::S(format!("{BUCKET}/staging/terraform.tfstate")),
        )
        .item("Info", AttributeValue::S(info(id)))
        .send()
        .await
        .expect("the row is written");
}

async fn lock_both(stage: &Stage, backend: &Backend, id: &str) {
    let clients = stage.env.region(backend.spec().primary.region);
    put_row(&clients, id).await;
    clients
        .s3
        .put_object()
        .bucket(BUCKET)
        .key("staging/terraform.tfstate.tflock")
        .body(info(id).into_bytes().into())
        .send()
        .await
        .expect("the object is written");
}

async fn listed(backend: &Backend) -> Vec<Lock> {
    let locks = backend.locks(SideName::Primary).await;
    assert!(locks.unknown.is_empty(), "{locks:?}");
    locks.held
}

/// A key that XML cannot carry, a lock that is none of Terraform's, an empty one, and a row without anything in it.
pub(crate) async fn odd_locks_are_listed_with_the_others(stage: &Stage) {
    let backend = bare(stage).await;
    lock_both(stage, &backend, "1111").await;
    let clients = stage.env.region(backend.spec().primary.region);
    let odd = "a\u{1b}[2J/terraform.tfstate";
    let objects = [
        (odd.to_owned(), info("3333")),
        (format!("{odd}.tflock"), info("2222")),
        ("empty.tflock".to_owned(), String::new()),
        ("html.tflock".to_owned(), "<html>".to_owned()),
        (
            "large.tflock".to_owned(),
            " ".repeat(70_000) + &info("4444"),
        ),
    ];
    for (key, body) in objects {
        let put = clients.s3.put_object().bucket(BUCKET).key(key);
        let put = put.body(body.into_bytes().into()).send().await;
        put.expect("the object is written");
    }
    let row = clients.dynamodb.put_item().table_name(TABLE);
    let row = row.item("LockID", AttributeValue::S(format!("{BUCKET}/bare")));
    row.send().await.expect("the row is written");

    let locks = listed(&backend).await;
    let ids = locks.iter().map(|lock| {
        let id = lock.info.as_ref().map(|info| info.id.as_str());
        (lock.place.as_str(), id)
    });
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    let (row, bare) = (
        format!("{BUCKET}/staging/terraform.tfstate"),
        format!("{BUCKET}/bare"),
    );
    let lock = format!("{odd}.tflock");
    let mut expected = vec![
        (lock.as_str(), Some("2222")),
        (bare.as_str(), None),
        (row.as_str(), Some("1111")),
        ("empty.tflock", None),
        ("html.tflock", None),
        ("large.tflock", None),
        ("staging/terraform.tfstate.tflock", Some("1111")),
    ];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    for lock in &locks {
        backend.release_exactly(lock).await.expect("released");
    }
    assert!(listed(&backend).await.is_empty());
}

// aws-behaviour: 23
pub(crate) async fn locks_are_listed_and_released_by_id(stage: &Stage) {
    let backend = bare(stage).await;
    lock_both(stage, &backend, "1111").await;
    let held = listed(&backend).await;
    let kinds: Vec<LockKind> = held.iter().map(|lock| lock.kind).collect();
    assert_eq!(kinds, [LockKind::DynamoDb, LockKind::S3]);
    let other = backend.release(SideName::Primary, "2222").await;
    assert!(
        matches!(other, Err(ReleaseError::NoSuchLock { .. })),
        "{other:?}"
    );
    assert_eq!(
        backend
            .release(SideName::Primary, "1111")
            .await
            .expect("released")
            .len(),
        2
    );
    assert_eq!(listed(&backend).await.len(), 0);
}

/// The row is replaced by another holder's between looking and releasing: just when the release
/// asks for the objects, which it does after the rows.
// aws-behaviour: 22
pub(crate) async fn a_lock_that_changed_hands_is_not_released(stage: &Stage) {
    let backend = bare(stage).await;
    lock_both(stage, &backend, "1111").await;
    let looked = listed(&backend).await;
    lock_both(stage, &backend, "2222").await;
    for lock in &looked {
        let released = backend.release_exactly(lock).await;
        assert!(
            matches!(released, Err(ReleaseError::ChangedHands { .. })),
            "{lock:?}: {released:?}"
        );
    }
    let held = listed(&backend).await;
    assert!(
        held.iter()
            .all(|lock| lock.info.as_ref().is_some_and(|info| info.id == "2222")),
        "{held:?}"
    );
    assert_eq!(held.len(), 2);
}

// aws-behaviour: 24
pub(crate) async fn the_state_is_read_with_its_digest(stage: &Stage) {
    let backend = bare(stage).await;
    let state = StateId::new("staging/terraform.tfstate");
    let read = || async {
        let copy = backend.state(SideName::Primary, &state).await;
        copy.expect("a primary side")
    };
    assert!(matches!(read().await.found, Presence::Absent));
    let clients = stage.env.region(backend.spec().primary.region);
    let content =
        r#"{"version":4,"terraform_version":"1.11.4","serial":7,"lineage":"l","resources":[]}"#;
    clients
        .s3
        .put_object()
        .bucket(BUCKET)
        .key("staging/terraform.tfstate")
        .body(content.as_bytes().to_vec().into())
        .send()
        .await
        .expect("put");
    let copy = read().await;
    assert_eq!(copy.digest, Digest::Absent);
    let found = match copy.found {
        Presence::Present(object) => Some(object),
        _ => None,
    };
    let object = found.expect("there");
    let content = object.content.as_ref().expect("a state");
    assert_eq!((content.serial(), content.lineage()), (7, "l"));
    for (digest, comes_to) in [
        (object.md5.as_deref().expect("read"), Digest::Matches),
        ("0", Digest::Differs),
    ] {
        clients
            .dynamodb
            .put_item()
            .table_name(TABLE)
            .item(
                "LockID",
                AttributeValue::S(format!("{BUCKET}/staging/terraform.tfstate-md5")),
            )
            .item("Digest", AttributeValue::S(digest.to_owned()))
            .send()
            .await
            .expect("the row is written");
        assert_eq!(read().await.digest, comes_to);
    }
    let locks = backend.locks(SideName::Primary).await;
    assert!(
        locks.held.is_empty() && locks.unknown.is_empty(),
        "a digest is no lock: {locks:?}"
    );
}

/// The first answer is lost after AWS has acted: the second attempt is refused as if somebody else had been there.
pub(crate) async fn a_release_whose_answer_is_lost_is_done(stage: &Stage) {
    let backend = bare(stage).await;
    lock_both(stage, &backend, "1111").await;
    for operation in ["DeleteItem", "DeleteObject"] {
        let lost = Fault::new(FaultKind::ResponseLost)
            .operation(operation)
            .times(1);
        stage.aws.add_fault(lost);
    }
    let released = backend
        .release(SideName::Primary, "1111")
        .await
        .expect("released");
    assert_eq!(released.len(), 2);
    let locks = backend.locks(SideName::Primary).await;
    assert!(locks.held.is_empty(), "{locks:?}");
}

pub(crate) async fn of_many_releases_of_one_lock_exactly_one_succeeds(stage: &Stage) {
    let backend = bare(stage).await;
    lock_both(stage, &backend, "1111").await;
    let held = backend.locks(SideName::Primary).await.held;
    for lock in &held {
        let releases = (0..20).map(|_| backend.release_exactly(lock));
        let ended = join_all(releases).await;
        let done = ended.iter().filter(|released| released.is_ok()).count();
        assert_eq!(done, 1, "{:?}: {ended:?}", lock.kind);
        let gone = |released: &&Result<(), ReleaseError>| {
            matches!(released, Err(ReleaseError::Gone { .. }))
        };
        assert_eq!(ended.iter().filter(gone).count(), 19, "{ended:?}");
    }
}

// aws-behaviour: 47
pub(crate) async fn a_row_of_the_other_side_is_never_released(stage: &Stage) {
    let backend = stage.backend_of(&global_table()).await;
    // The replica of the table, as DynamoDB brings it there.
    let dr = stage
        .env
        .region(backend.spec().dr.as_ref().expect("a DR side").region);
    create_table_in(&dr, "LockID").await;
    put_row(&dr, "1111").await;
    let refused = backend.release(SideName::Dr, "1111").await;
    assert!(
        matches!(refused, Err(ReleaseError::Replica { .. })),
        "{refused:?}"
    );
    let held = backend.locks(SideName::Dr).await.held;
    assert_eq!(held.len(), 1, "the row is there still");
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

/// A bucket that another team's states lie in, and workspaces: a rule that expires those is in the way, one for a tag or
/// for logs is not.
pub(crate) async fn lifecycle_rules_are_judged_for_every_state(stage: &Stage) {
    let backend = bare(stage).await;
    let s3 = stage.env.region(backend.spec().primary.region).s3;
    for key in ["network/terraform.tfstate", "logs/a.tflock"] {
        let put = s3.put_object().bucket(BUCKET).key(key);
        put.body(b"{}".to_vec().into()).send().await.expect("put");
    }
    let expiring = |id: &str, filter: LifecycleRuleFilter| {
        LifecycleRule::builder()
            .id(id)
            .status(ExpirationStatus::Enabled)
            .filter(filter)
            .expiration(LifecycleExpiration::builder().days(7).build())
            .build()
            .expect("complete")
    };
    let prefix = |prefix: &str| LifecycleRuleFilter::builder().prefix(prefix).build();
    let tag = Tag::builder().key("class").value("log").build();
    let tag = LifecycleRuleFilter::builder().tag(tag.expect("complete"));
    let config = BucketLifecycleConfiguration::builder()
        .rules(expiring("logs", prefix("logs/")))
        .rules(expiring("network", prefix("network/")))
        .rules(expiring("tagged", tag.build()))
        .rules(expiring("workspaces", prefix("env:/")))
        .build()
        .expect("complete");
    let put = s3.put_bucket_lifecycle_configuration().bucket(BUCKET);
    put.lifecycle_configuration(config)
        .send()
        .await
        .expect("written");
    let plan = backend.plan().await;
    let refused: Vec<&str> = plan
        .refused()
        .map(|(_, refusal)| refusal.why.as_str())
        .collect();
    assert_eq!(
        refused,
        [r#"lifecycle rules ["network","workspaces"] expire the state too early"#]
    );
}

// aws-behaviour: 43
pub(crate) async fn a_dr_bucket_gets_the_object_lock_of_the_primary_one(stage: &Stage) {
    let backend = stage.backend().await;
    let s3 = stage.env.region(backend.spec().primary.region).s3;
    let canada = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::CaCentral1)
        .build();
    let create = s3.create_bucket().bucket(BUCKET);
    let create = create.create_bucket_configuration(canada);
    let created = create.object_lock_enabled_for_bucket(true).send().await;
    created.expect("created");
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let dr = stage.env.region("us-east-1".parse().expect("a region")).s3;
    let get = dr.get_object_lock_configuration().bucket(DR_BUCKET).send();
    let lock = get.await.expect("it has one").object_lock_configuration;
    let lock = lock.expect("it has one");
    assert_eq!(lock.object_lock_enabled, Some(ObjectLockEnabled::Enabled));
    assert!(lock.rule.is_none(), "{lock:?}");
}

/// Another key for a bucket whose owner has switched its Bucket Key on.
pub(crate) async fn a_bucket_key_outlives_a_change_of_the_key(stage: &Stage) {
    let mut keys = Vec::new();
    for region in ["ca-central-1", "ca-central-1", "us-east-1"] {
        let clients = stage.env.region(region.parse().expect("a region"));
        let kms = aws_env::client!(aws_sdk_kms, clients.access());
        let key = kms.create_key().send().await.expect("made");
        keys.push(key.key_metadata.and_then(|key| key.arn).expect("an ARN"));
    }
    let config = EXAMPLE
        .replace("\"AES256\"", &format!("{{ kms = {:?} }}", keys[1]))
        .replace("[state.dr]", &format!("[state.dr]\nkms = {:?}", keys[2]));
    bare(stage).await;
    let backend = stage.backend_of(&config).await;
    let s3 = stage.env.region(backend.spec().primary.region).s3;
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id(&keys[0])
        .build()
        .expect("complete");
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .bucket_key_enabled(true)
        .build();
    let encrypted = ServerSideEncryptionConfiguration::builder().rules(rule);
    s3.put_bucket_encryption()
        .bucket(BUCKET)
        .server_side_encryption_configuration(encrypted.build().expect("complete"))
        .send()
        .await
        .expect("set");
    let applied = apply(&backend).await;
    assert!(applied.is_complete(), "{:#?}", applied.first_problem());
    let rule = s3.get_bucket_encryption().bucket(BUCKET).send().await;
    let rule = rule.expect("read").server_side_encryption_configuration;
    let rule = rule.expect("there").rules.remove(0);
    let default = rule.apply_server_side_encryption_by_default.expect("there");
    assert_eq!(default.kms_master_key_id.as_ref(), Some(&keys[1]));
    assert_eq!(rule.bucket_key_enabled, Some(true));
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
