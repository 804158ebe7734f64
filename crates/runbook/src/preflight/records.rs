//! Whether a run could be recorded and may begin: the store, the mark, the lease, the last drill.

use aws_env::DrOnly;
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::{Area, PreflightRequest, advise, kept, store_told};
use crate::drill_record::DRILL_DAYS;
use crate::lease::LeaseState;
use crate::steps::TRAFFIC_KEY;
use crate::store::S3Store;
use crate::{
    FoundDrill, Host, LeaseError, Marker, Practised, RunId, SeenLease, Store, StoreError,
    read_drills, read_lease,
};

/// What they are called among the areas.
pub(super) const NAME: &str = "Records of runs";

pub(super) async fn look<S: Store, H: Host>(
    request: &PreflightRequest<'_, S, H>,
    dr: &DrOnly,
    id: &RunId,
    practised: Practised<'_>,
) -> Area {
    let store = request.store;
    let journal = judge_journal(store.place(""), kept::prove(store, request.host, id).await);
    let marker = Marker::read(store).await;
    let marker = marker.map_err(|error| Unobserved::because(error.source.to_string()));
    let lease = read_lease(store).await;
    let findings = vec![
        journal,
        judge_marker(request.settings.regions.primary.as_str(), &marker),
        judge_lease(&lease),
        traffic(request, dr, marker.as_ref().ok().and_then(Option::as_ref)).await,
        judge_drill(practised, read_drills(store).await),
    ];
    Area::new(
        NAME,
        "a failover is refused, or cannot be recorded and resumed",
        findings,
    )
}

fn judge_journal(place: String, proven: Observation<(bool, String)>) -> Finding {
    let expected = "takes a record once, refuses it the second time, and gives it back";
    advise(
        Finding::new("journal", place, expected, proven),
        "`init-backend apply` makes the state's copy; let the role write there (s3:PutObject, s3:GetObject, s3:ListBucket and its \
         key), or name another bucket as journal_bucket; a failover can record on its machine alone with --journal local",
    )
}

fn judge_marker(primary: &str, marker: &Observation<Option<Marker>>) -> Finding {
    let seen = match marker {
        Ok(None) => Ok((true, "no mark".to_owned())),
        Ok(Some(marker)) if marker.failed_over => Ok((
            false,
            format!("failed over to {} by run {}", marker.dr, marker.run),
        )),
        Ok(Some(marker)) => Ok((true, format!("back since run {}", marker.run))),
        Err(unobserved) => Err(unobserved.clone()),
    };
    advise(
        Finding::new(
            "failed-over-mark",
            crate::MARKER,
            format!("the environment is in {primary}"),
            seen,
        ),
        "a failover leads from the primary region: `dr-runbook failback` brings the environment there, `dr-runbook commit` lets \
         it stay where it is; `dr-runbook status` says where that is",
    )
}

fn judge_lease(lease: &Result<Option<SeenLease>, LeaseError>) -> Finding {
    let seen = match lease {
        Ok(None) => Ok((true, "there was none yet".to_owned())),
        Ok(Some(lease)) => match lease.state {
            LeaseState::Over => Ok((true, format!("run {} is over", lease.run))),
            LeaseState::Held => Ok((false, format!("{} carries run {}", lease.holder, lease.run))),
            LeaseState::Left => Ok((false, format!("run {} was left", lease.run))),
        },
        Err(LeaseError::Store { source, .. }) => Err(Unobserved::because(store_told(source))),
        Err(error) => Ok((false, error.to_string())),
    };
    let finding = Finding::new(
        "run-under-way",
        "lease",
        "no run is to be gone on with",
        seen,
    );
    let fix = match lease {
        Ok(Some(lease)) => {
            let resume = ShellCommand::new("dr-runbook runs resume").word(lease.run.as_str());
            let abandon =
                ShellCommand::new("dr-runbook runs abandon").words("--by NAME --reason TEXT");
            format!(
                "`{resume}` goes on with it, `{}` gives it up",
                abandon.word(lease.run.as_str())
            )
        }
        _ => "`dr-runbook runs list` lists the runs".to_owned(),
    };
    advise(finding, fix)
}

/// The object that turns traffic: to be written in an outage, and not there before.
async fn traffic<S: Store, H: Host>(
    request: &PreflightRequest<'_, S, H>,
    dr: &DrOnly,
    marker: Option<&Marker>,
) -> Finding {
    let what = "traffic-marker";
    let Some(bucket) = &request.settings.failover.marker_bucket else {
        let reason =
            "the settings name no bucket that says which region serves (failover.marker_bucket)";
        return Finding::skipped(what, "traffic", reason);
    };
    let store = S3Store::new(dr.region().clients(), bucket.as_str(), "");
    let is_failed_over = marker.is_some_and(|marker| marker.failed_over);
    let found = store.read(TRAFFIC_KEY).await;
    let found = found.map(|found| found.is_some());
    let found = found.map_err(|error| match &error {
        StoreError::Aws(error) => super::unobserved(error),
        other => Unobserved::because(store_told(other)),
    });
    judge_traffic(store.place(TRAFFIC_KEY), is_failed_over, found)
}

fn judge_traffic(place: String, is_failed_over: bool, found: Observation<bool>) -> Finding {
    let seen = found.map(|is_there| {
        let seen = if is_there {
            "it is there"
        } else {
            "it is not there"
        };
        (is_there == is_failed_over, seen.to_owned())
    });
    let expected = match is_failed_over {
        true => "there, since the environment is failed over",
        false => "its bucket is there, and the object is not: the primary region serves",
    };
    advise(
        Finding::new("traffic-marker", place, expected, seen),
        "terraform apply of the DR environment makes the bucket; an object that is left there sends traffic to a region that \
         does not serve",
    )
}

fn judge_drill(practised: Practised<'_>, drills: Result<Vec<FoundDrill>, StoreError>) -> Finding {
    let drills = drills.map_err(|error| Unobserved::because(store_told(&error)));
    let seen = drills.and_then(|drills| practised.judge(&drills));
    let expected =
        format!("a run that was verified, within its objectives, within {DRILL_DAYS} days");
    advise(
        Finding::new("last-drill", "runs", expected, seen),
        "hold one: docs/runbooks/drill.md has the steps",
    )
}

#[cfg(test)]
mod tests {
    use report::finding::Status;

    use super::*;
    use crate::store::FolderStore;

    const RUN: &str = "20261130T031500Z-0123456789abcdef";

    fn marker(failed_over: bool) -> Marker {
        Marker {
            failed_over,
            run: RUN.parse().unwrap(),
            epoch: 3,
            primary: "ca-central-1".parse().unwrap(),
            dr: "ca-west-1".parse().unwrap(),
            declared: "2026-11-30T03:15:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn judge_marker_is_wrong_only_while_the_environment_is_failed_over() {
        let judged = |marker| judge_marker("ca-central-1", &marker).status;
        assert_eq!(judged(Ok(None)), Status::Ok);
        assert_eq!(judged(Ok(Some(marker(false)))), Status::Ok);
        assert_eq!(judged(Ok(Some(marker(true)))), Status::Wrong);
        assert_eq!(judged(Err(Unobserved::because("denied"))), Status::Unknown);
    }

    #[test]
    fn judge_lease_is_wrong_while_a_run_is_not_over() {
        let lease = |state: &str| {
            let lease = serde_json::json!({
                "run": RUN, "epoch": 1, "nonce": 7, "state": state,
                "holder": {"operator": "jo@laptop", "machine": "m", "pid": 7, "started_ticks": 3},
                "taken": "2026-11-30T03:15:00Z", "renewed": "2026-11-30T03:15:00Z",
            });
            Ok(Some(serde_json::from_value(lease).unwrap()))
        };
        assert_eq!(judge_lease(&Ok(None)).status, Status::Ok);
        assert_eq!(judge_lease(&lease("over")).status, Status::Ok);
        assert_eq!(judge_lease(&lease("held")).status, Status::Wrong);
        let left = judge_lease(&lease("left"));
        assert_eq!(left.status, Status::Wrong);
        assert!(
            left.fix
                .unwrap()
                .contains(&format!("dr-runbook runs resume {RUN}"))
        );
        let broken = LeaseError::Broken {
            place: "lease.json".to_owned(),
            problem: "not JSON".to_owned(),
        };
        assert_eq!(judge_lease(&Err(broken)).status, Status::Wrong);
    }

    #[test]
    fn judge_traffic_wants_the_object_in_a_failover_and_not_before() {
        let judged =
            |failed_over, found| judge_traffic("s3://m/f".to_owned(), failed_over, found).status;
        assert_eq!(judged(false, Ok(false)), Status::Ok);
        assert_eq!(judged(false, Ok(true)), Status::Wrong);
        assert_eq!(judged(true, Ok(true)), Status::Ok);
        assert_eq!(judged(true, Ok(false)), Status::Wrong);
        assert_eq!(
            judged(false, Err(Unobserved::absent("NoSuchBucket"))),
            Status::Wrong
        );
        assert_eq!(
            judged(false, Err(Unobserved::because("denied"))),
            Status::Unknown
        );
    }

    #[test]
    fn judge_journal_says_what_a_failover_can_do_without() {
        let store = FolderStore::new("/runs");
        let denied = judge_journal(store.place(""), Err(Unobserved::because("denied")));
        assert_eq!(denied.status, Status::Unknown);
        assert!(denied.fix.unwrap().contains("--journal local"));
    }
}
