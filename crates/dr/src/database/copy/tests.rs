use super::super::snapshot::tests::{PRIMARY, at, copy_of, snapshot};
use super::*;

fn regions() -> (Region, Region) {
    (PRIMARY.parse().unwrap(), "us-east-1".parse().unwrap())
}

fn sources() -> Vec<Snapshot> {
    (10..15)
        .map(|day| {
            snapshot(
                &format!("rds:db-{day}"),
                at(&format!("2026-11-{day}T03:00:00Z")),
            )
        })
        .collect()
}

fn plan(sources: &[Snapshot], present: &[Snapshot], last: usize) -> CopyPlan {
    plan_copies(sources, present, "db", regions(), last, None).unwrap()
}

// aws-behaviour: 7
#[test]
fn plan_copies_beside_another_copy_counts_only_one_of_that_source_and_time() {
    let mut sources = sources();
    let good = copy_of(&sources[4], "any-name");
    let fresh = plan(&sources, &[], 1);
    assert_eq!(fresh.steps[0].source.id, "rds:db-14");
    assert_eq!(fresh.steps[0].state, CopyState::Missing);
    let there = plan(&sources, std::slice::from_ref(&good), 1);
    assert_eq!(
        (&there.steps[0].state, there.steps[0].target.as_str()),
        (&CopyState::Done, "any-name")
    );
    // The copy has the right name and an older time: the guide would restore stale data.
    let mut stale = good.clone();
    stale.id = fresh.steps[0].target.clone();
    stale.taken = Some(at("2026-11-01T03:00:00Z"));
    let again = plan(&sources, &[stale], 1);
    assert_eq!(again.steps[0].state, CopyState::Missing);
    assert_eq!(
        again.steps[0].target,
        format!("{}-2", fresh.steps[0].target)
    );
    let mut copying = good;
    copying.state = SnapshotState::InProgress;
    assert_eq!(
        plan(&sources, &[copying], 1).steps[0].state,
        CopyState::InProgress
    );
    sources[4].state = SnapshotState::Deleting;
    let older = plan(&sources, &[], 1);
    assert_eq!(older.steps[0].source.id, "rds:db-13");
    assert_eq!(older.left_out[0].why, "being deleted");
}

#[test]
fn plan_copies_of_a_snapshot_that_is_not_there_names_those_that_are() {
    let misspelt = plan_copies(&sources(), &[], "db", regions(), 1, Some("rds:db-99"));
    let refused = misspelt.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "ca-central-1 has no snapshot rds:db-99 of db"
    );
    assert!(refused.is_configuration());
    assert!(
        refused.hint().starts_with("there are: rds:db-14, "),
        "{}",
        refused.hint()
    );
}

#[test]
fn plan_copies_without_a_good_snapshot_is_refused_with_what_there_is() {
    let refused =
        |sources: &[Snapshot]| plan_copies(sources, &[], "db", regions(), 3, None).unwrap_err();
    let none = refused(&[]);
    assert_eq!(
        none.to_string(),
        "ca-central-1 has no snapshot of db that can be copied"
    );
    assert!(none.is_finding() && none.hint().contains("create-db-snapshot"));
    let mut failed = sources()[0].clone();
    failed.state = SnapshotState::Failed;
    assert!(
        refused(&[failed])
            .to_string()
            .ends_with("(rds:db-10: failed)")
    );
    let mut other = sources()[0].clone();
    other.kind = "awsbackup".to_owned();
    assert!(refused(&[other]).to_string().contains("type awsbackup"));
    let gov = (PRIMARY.parse().unwrap(), "us-gov-west-1".parse().unwrap());
    let gov = plan_copies(&sources(), &[], "db", gov, 1, None).unwrap_err();
    assert!(matches!(gov, Refusal::PreSignedUrl { .. }));
}

#[test]
fn plan_copies_of_one_snapshot_leaves_the_others() {
    let sources = sources();
    let plan = plan_copies(&sources, &[], "db", regions(), 9, Some(&sources[1].arn)).unwrap();
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.steps[0].source.id, "rds:db-11");
}

#[test]
fn document_of_copies_whose_wait_ended_with_an_error_shows_it() {
    let source = snapshot("rds:db-10", at("2026-11-10T03:00:00Z"));
    let copied = Copied {
        database: "db".to_owned(),
        region: regions().1,
        snapshots: vec![CopiedOne {
            source: source.id,
            target: "db-copy".to_owned(),
            outcome: CopyOutcome::Queued,
        }],
        most_in_progress: 0,
        blocked: None,
        last_error: Some("CopyDBSnapshot: throttled: Rate exceeded".to_owned()),
        took: Duration::ZERO,
    };
    let text = copied.document().to_markdown();
    assert!(
        text.contains("CopyDBSnapshot: throttled: Rate exceeded"),
        "{text}"
    );
}
