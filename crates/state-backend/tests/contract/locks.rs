//! Locks of both kinds: listed, released, and left where they are somebody else's.

use aws_env::RegionClients;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use local_aws::{Fault, FaultKind};
use state_backend::{Lock, LockKind, LockName, ReleaseError, SideName};

use crate::fixtures::{
    BUCKET, TABLE, bare, create_table_in, global_table, info, listed, lock_both, put_row,
};
use crate::{EXAMPLE, Stage};

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
    let looked = backend.locks(SideName::Primary).await;
    lock_both(stage, &backend, "2222").await;
    let place = LockName::Place("staging/terraform.tfstate.tflock".to_owned());
    for name in [LockName::Id("1111".to_owned()), place] {
        let released = backend.release_listed(looked.clone(), name).await;
        assert!(
            matches!(released, Err(ReleaseError::ChangedHands { .. })),
            "{released:?}"
        );
    }
    for lock in &looked.held {
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

/// Takes the lock for somebody else as soon as it is free, on condition that there is none, as Terraform does.
async fn take_when_free(clients: &RegionClients, lock: &Lock) {
    // Each look is answered by AWS, where the releases end meanwhile.
    for _ in 0..1000 {
        let taken = match lock.kind {
            LockKind::DynamoDb => {
                let put = clients.dynamodb.put_item().table_name(TABLE);
                let put = put.item("LockID", AttributeValue::S(lock.place.clone()));
                let put = put.item("Info", AttributeValue::S(info("2222")));
                let put = put.condition_expression("attribute_not_exists(LockID)");
                put.send().await.is_ok()
            }
            LockKind::S3 => {
                let put = clients.s3.put_object().bucket(BUCKET).key(&lock.place);
                let put = put.body(info("2222").into_bytes().into());
                put.if_none_match("*").send().await.is_ok()
            }
        };
        if taken {
            return;
        }
    }
}

// aws-behaviour: 22
pub(crate) async fn of_many_releases_of_one_lock_exactly_one_succeeds_and_the_next_lock_stays(
    stage: &Stage,
) {
    let backend = bare(stage).await;
    let clients = stage.env.region(backend.spec().primary.region);
    lock_both(stage, &backend, "1111").await;
    let held = listed(&backend).await;
    for lock in &held {
        let releases = join_all((0..20).map(|_| backend.release_exactly(lock)));
        let (ended, ()) = tokio::join!(releases, take_when_free(&clients, lock));
        let done = ended.iter().filter(|released| released.is_ok()).count();
        assert_eq!(done, 1, "{:?}: {ended:?}", lock.kind);
        let late = ended.iter().filter(|released| {
            use ReleaseError::{ChangedHands, Gone};
            matches!(released, Err(Gone { .. } | ChangedHands { .. }))
        });
        assert_eq!(late.count(), 19, "{ended:?}");
    }
    let held = listed(&backend).await;
    let ids = held.iter().filter_map(|lock| lock.info.as_ref());
    let ids: Vec<&str> = ids.map(|info| info.id.as_str()).collect();
    assert_eq!(ids, ["2222", "2222"]);
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
