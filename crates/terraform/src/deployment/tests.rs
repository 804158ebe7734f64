use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::*;
use crate::child::ChildId;
use crate::review::{ReviewedAction, ReviewedChange};

const MACHINE: &str = "this";

fn planned(deployment: &Deployment, actions: &[ReviewedAction]) -> PlannedDeployment {
    let changes = actions
        .iter()
        .enumerate()
        .map(|(at, action)| ReviewedChange {
            address: format!("x_y.z[{at}]"),
            previous_address: None,
            kind: "x_y".to_owned(),
            action: *action,
            reasons: Vec::new(),
            attributes: Vec::new(),
        });
    PlannedDeployment {
        id: "20261130-1".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        by: "kim@host".to_owned(),
        environment: "staging".to_owned(),
        root: "/root".into(),
        workspace: None,
        var_files: Vec::new(),
        digest: deployment.digest().unwrap(),
        terraform: "1.11.4".to_owned(),
        state: None,
        destroys_all: false,
        review: PlanReview {
            changes: changes.collect(),
            ..PlanReview::default()
        },
    }
}

/// A deployment with such changes.
fn saved(actions: &[ReviewedAction]) -> (tempfile::TempDir, Deployment) {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::create(&folder.path().join("20261130-1")).unwrap();
    fs::write(deployment.plan_path(), "a plan").unwrap();
    deployment.record(&planned(&deployment, actions)).unwrap();
    (folder, deployment)
}

fn intent(machine: &str) -> ApplyIntent {
    ApplyIntent {
        at: Timestamp::UNIX_EPOCH,
        by: "kim@host".to_owned(),
        machine: machine.to_owned(),
    }
}

#[test]
fn approve_of_a_plan_that_was_not_reviewed_is_refused() {
    let (_folder, deployment) = saved(&[ReviewedAction::Create]);
    let approve = |approval: Approval| deployment.clone().approve(&approval);
    assert!(approve(Approval::default()).is_ok());
    let digest = Some(deployment.digest().unwrap());
    let typed = Some("staging".to_owned());
    assert!(approve(Approval { digest, typed }).is_ok());
    let other = Some("0".repeat(64).parse().unwrap());
    let error = approve(Approval {
        digest: other,
        typed: None,
    })
    .unwrap_err();
    assert!(matches!(error, ApprovalError::OtherPlan { .. }), "{error}");
    let typed = Some("production".to_owned());
    let error = approve(Approval {
        digest: None,
        typed,
    })
    .unwrap_err();
    assert!(matches!(error, ApprovalError::OtherName { .. }), "{error}");
    fs::write(deployment.plan_path(), "another plan").unwrap();
    let error = approve(Approval::default()).unwrap_err();
    assert!(
        matches!(error, ApprovalError::PlanChanged { .. }),
        "{error}"
    );
    fs::remove_file(deployment.plan_path()).unwrap();
    let error = approve(Approval::default()).unwrap_err();
    assert!(matches!(error, ApprovalError::Record(_)), "{error}");
}

#[test]
fn approve_of_a_destructive_plan_needs_the_name() {
    for action in [ReviewedAction::Delete, ReviewedAction::Replace] {
        let (_folder, deployment) = saved(&[ReviewedAction::Create, action]);
        let error = deployment
            .clone()
            .approve(&Approval::default())
            .unwrap_err();
        assert!(
            error.to_string().starts_with("x_y.z[1] would be destroyed"),
            "{error}"
        );
        let typed = Some("staging".to_owned());
        assert!(
            deployment
                .approve(&Approval {
                    typed,
                    digest: None
                })
                .is_ok()
        );
    }
}

#[test]
fn approve_of_a_plan_whose_apply_began_is_refused() {
    let (_folder, deployment) = saved(&[ReviewedAction::Create]);
    deployment.write(records::INTENT, &intent(MACHINE)).unwrap();
    let error = deployment.approve(&Approval::default()).unwrap_err();
    assert!(
        matches!(error, ApprovalError::AppliedBefore { .. }),
        "{error}"
    );
}

#[test]
fn state_of_a_deployment_follows_from_its_records() {
    let standing = |deployment: &Deployment| deployment.state(MACHINE).unwrap().standing;
    let (_folder, deployment) = saved(&[]);
    assert_eq!(standing(&deployment), Standing::Planned);
    deployment.write(records::INTENT, &intent(MACHINE)).unwrap();
    // Killed before terraform was on record.
    assert_eq!(standing(&deployment), Standing::Died);
    let this = ChildId::of(std::process::id());
    deployment.write(records::CHILD, &this).unwrap();
    assert_eq!(standing(&deployment), Standing::Applying);
    let elsewhere = deployment.state("another").unwrap();
    assert_eq!(elsewhere.standing, Standing::Unknown);
    assert!(elsewhere.needs_settling());
    let outcome = ApplyOutcome {
        at: Timestamp::UNIX_EPOCH,
        ended: Ended::Failed,
        changes: None,
    };
    deployment.write(records::OUTCOME, &outcome).unwrap();
    let state = deployment.state(MACHINE).unwrap();
    assert_eq!(state.standing, Standing::Ended(Ended::Failed));
    assert!(state.needs_settling());
    let settled = Settled {
        at: Timestamp::UNIX_EPOCH,
        by: "kim@host".to_owned(),
        steps: Vec::new(),
    };
    deployment.settle(&settled).unwrap();
    assert!(!deployment.state(MACHINE).unwrap().needs_settling());

    let (_folder, deployment) = saved(&[]);
    deployment.write(records::INTENT, &intent(MACHINE)).unwrap();
    let earlier = ChildId {
        started_ticks: this.started_ticks.map(|ticks| ticks - 1),
        ..this
    };
    deployment.write(records::CHILD, &earlier).unwrap();
    assert_eq!(standing(&deployment), Standing::Died);
}

#[test]
fn progress_of_a_deployment_is_its_last_line_for_each_resource() {
    let (_folder, deployment) = saved(&[]);
    let line = |address: &str, standing: &str| {
        json!({"address": address, "standing": standing, "began": "1970-01-01T00:00:00Z"})
            .to_string()
    };
    let text = [
        line("a", "began"),
        line("b", "began"),
        "{\"address\": \"c".to_owned(),
        line("a", "done"),
    ];
    // The last line is cut off, as by a death.
    let text = text.join("\n") + "\n{\"addre";
    fs::write(deployment.folder().join(records::PROGRESS), text).unwrap();
    let found: Vec<_> = deployment
        .state(MACHINE)
        .unwrap()
        .resources
        .into_iter()
        .map(|of| (of.address, of.standing))
        .collect();
    assert_eq!(
        found,
        [
            ("a".to_owned(), ResourceStanding::Done),
            ("b".to_owned(), ResourceStanding::Began)
        ]
    );
}

#[test]
fn files_of_a_deployment_are_for_their_owner_alone() {
    let (folder, deployment) = saved(&[]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(deployment.folder()), 0o700);
    assert_eq!(mode(&deployment.plan_path()), 0o600);
    assert_eq!(mode(&deployment.folder().join(PLANNED)), 0o600);
    let refused = Deployment::create(deployment.folder()).unwrap_err();
    assert!(matches!(refused, FileError::Exists { .. }), "{refused}");
    // One that died while it planned is none.
    Deployment::create(&folder.path().join("20261130-2")).unwrap();
    assert_eq!(Deployment::list(folder.path()).unwrap(), [deployment]);
    let nowhere = folder.path().join("nowhere");
    assert_eq!(Deployment::list(&nowhere).unwrap(), []);
}

#[test]
fn judge_errored_state_pushes_only_what_nobody_else_can_have_overwritten() {
    let state = |serial: u64, lineage: &str| {
        json!({"version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage,
            "outputs": {}, "resources": []})
        .to_string()
        .into_bytes()
    };
    let version = |serial: u64| StateVersion {
        lineage: "l".to_owned(),
        serial,
    };
    let judged = |errored: &[u8], backend: Option<&[u8]>, planned: Option<u64>, locked: bool| {
        let planned = planned.map(version);
        match judge_errored_state(errored, backend, planned.as_ref(), locked) {
            ErroredState::Push { serial } => format!("push {serial}"),
            ErroredState::There => "there".to_owned(),
            ErroredState::Refused { why } => why,
        }
    };
    let (five, six, seven) = (state(5, "l"), state(6, "l"), state(7, "l"));
    let push = |told: String, serial: u64| assert_eq!(told, format!("push {serial}"));
    push(judged(&six, Some(&five), Some(5), false), 6);
    push(judged(&six, None, None, false), 6);
    // Terraform wrote while it applied, and holds the lock still.
    push(judged(&seven, Some(&six), Some(5), true), 7);
    assert_eq!(judged(&six, Some(&six), Some(5), false), "there");
    for (told, part) in [
        (
            judged(&seven, Some(&six), Some(5), false),
            "somebody else may have written",
        ),
        (
            judged(&six, Some(&seven), Some(5), false),
            "somebody has written since",
        ),
        (
            judged(&six, Some(&state(6, "l").repeat(1)), Some(5), true),
            "there",
        ),
        (
            judged(&six, Some(&state(5, "m")), Some(5), true),
            "different histories",
        ),
        (judged(&six, None, Some(5), true), "no state"),
        (
            judged(b"{}", Some(&five), Some(5), true),
            "no state that terraform can read",
        ),
        (
            judged(&six, Some(b"<html>"), Some(5), true),
            "no state that terraform can read",
        ),
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn owns_lock_only_what_was_taken_before_the_first_resource_began() {
    let (_folder, deployment) = saved(&[]);
    let second = |second: i64| Timestamp::from_second(second).unwrap();
    let intent = ApplyIntent {
        at: second(100),
        ..intent(MACHINE)
    };
    deployment.write(records::INTENT, &intent).unwrap();
    let state = deployment.state(MACHINE).unwrap();
    // It may have waited for somebody else's.
    assert!(!state.owns_lock(second(101), MACHINE));
    let line = json!({"address": "a", "standing": "began", "began": second(110)}).to_string();
    fs::write(deployment.folder().join(records::PROGRESS), line).unwrap();
    let state = deployment.state(MACHINE).unwrap();
    assert!(state.owns_lock(second(101), MACHINE));
    for taken in [99, 111] {
        assert!(!state.owns_lock(second(taken), MACHINE), "{taken}");
    }
    assert!(!state.owns_lock(second(101), "another"));
}

#[test]
fn abandon_removes_what_was_never_recorded_and_nothing_else() {
    let (folder, deployment) = saved(&[]);
    deployment.clone().abandon().unwrap();
    assert!(deployment.planned().is_ok());
    let path = folder.path().join("20261130-2");
    let begun = Deployment::create(&path).unwrap();
    fs::write(begun.plan_path(), "half a plan").unwrap();
    begun.abandon().unwrap();
    assert!(!path.exists());
    deployment.discard_plan().unwrap();
    deployment.discard_plan().unwrap();
    assert!(!deployment.plan_path().exists());
}
