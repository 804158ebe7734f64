//! The buckets: there, complete, and to be kept from replicas.

use aws_env::{DrOnly, Error, ListedObject, ObjectPages};
use dr::objects::{
    Backlog, BacklogOptions, BucketPair, FencePlan, FenceStep, FenceWanted, PairedBucket, Pairing,
    backlog_by_metrics, backlog_by_statuses, plan_fence,
};
use report::ShellCommand;
use report::finding::{Finding, Status, Unobserved};

use super::{Area, PreflightRequest, advise, unobserved};
use crate::{Host, RunId, Store};

/// What a backlog by statuses may ask: more objects than these are not alike only where replication does not work.
const OPTIONS: BacklogOptions = BacklogOptions {
    listings: 8,
    most_heads: 10_000,
};

/// A bucket of the DR region, and the first of its objects.
pub(super) struct Listed {
    pub(super) bucket: PairedBucket,
    pub(super) objects: Result<Vec<ListedObject>, Error>,
}

/// Lists the first objects of each bucket that S3 replicates to.
pub(super) async fn list(dr: &DrOnly, pairing: &Pairing) -> Vec<Listed> {
    let s3 = dr.region().clients().s3;
    let mut listed = Vec::new();
    for bucket in pairing.replicas() {
        let name = bucket.name.as_str();
        let call = dr.region().call("S3", "ListObjectsV2", name);
        let objects = ObjectPages::new(&s3, call, name, "").next().await;
        listed.push(Listed {
            bucket,
            objects: objects.map(Option::unwrap_or_default),
        });
    }
    listed
}

pub(super) async fn look<S: Store, H: Host>(
    request: &PreflightRequest<'_, S, H>,
    dr: &DrOnly,
    id: &RunId,
    listed: &[Listed],
) -> Area {
    let pairing = Pairing::from(request.settings);
    let mut findings: Vec<Finding> = listed.iter().map(judge_bucket).collect();
    if pairing.pairs().is_empty() {
        findings.push(Finding::skipped(
            "data-bucket",
            "application data",
            "the settings name no bucket",
        ));
    }
    let objective = request.settings.objectives.rpo_objects;
    for pair in pairing.pairs() {
        let now = request.host.now();
        let backlog = match request.reach.both() {
            Some(both) => Box::pin(backlog_by_statuses(both, pair, OPTIONS, now)).await,
            None => Box::pin(backlog_by_metrics(dr, pair, now)).await,
        };
        let is_alone = request.reach.both().is_none();
        findings.extend(judge_backlog(&backlog, objective, is_alone));
    }
    let replicas = pairing.replicas();
    match id.as_str().parse::<dr::objects::RunId>() {
        _ if replicas.is_empty() => {
            let reason = "no bucket is replicated";
            findings.push(Finding::skipped("fence", "policies", reason));
        }
        Ok(run) => {
            let plan = plan_fence(dr, &replicas, &run, FenceWanted::Fenced).await;
            findings.extend(judge_fence(&plan));
        }
        Err(error) => {
            let error = Unobserved::because(error.to_string());
            findings.push(Finding::new(
                "fence",
                "policies",
                "can be planned",
                Err(error),
            ));
        }
    }
    Area::new(
        "Objects",
        "the application finds objects missing, or a region that comes back writes over what it wrote since",
        findings,
    )
}

fn judge_bucket(listed: &Listed) -> Finding {
    let seen = match &listed.objects {
        Ok(objects) if objects.is_empty() => Ok((true, "it is there, and empty".to_owned())),
        Ok(objects) => Ok((true, format!("{} objects on the first page", objects.len()))),
        Err(error) => Err(unobserved(error)),
    };
    let head =
        ShellCommand::new("aws s3api head-bucket").option("--bucket", listed.bucket.name.as_str());
    advise(
        Finding::new(
            "data-bucket",
            listed.bucket.name.to_string(),
            format!("there in {}, and can be listed", listed.bucket.region),
            seen,
        ),
        format!("terraform apply makes it; {head}"),
    )
}

/// What S3 tells in the primary region alone is left out where that is not asked.
fn judge_backlog(
    backlog: &Backlog,
    objective: std::time::Duration,
    is_alone: bool,
) -> Vec<Finding> {
    let of_primary = ["replication-failures", "replication-coverage"];
    let findings = backlog.findings(objective).into_iter().map(|finding| {
        let is_left =
            is_alone && finding.status == Status::Unknown && of_primary.contains(&finding.what);
        match is_left {
            true => super::primary_not_asked(finding.what, finding.resource),
            false => advise(finding, fix(&backlog.pair)),
        }
    });
    findings.collect()
}

fn fix(pair: &BucketPair) -> String {
    let parity =
        ShellCommand::new("dr-replicate parity").option("--bucket", pair.primary.name.as_str());
    format!(
        "`{parity}` says what is missing; replication metrics (S3 RTC or metrics of the rule) tell it without the primary region"
    )
}

fn judge_fence(plan: &FencePlan) -> Vec<Finding> {
    let judged = plan.buckets.iter().map(|fence| {
        let seen = match &fence.step {
            FenceStep::Conflict { .. } => Ok((false, fence.step.to_string())),
            FenceStep::Unknown { reason } => Err(Unobserved::because(reason.clone())),
            step => Ok((true, format!("a failover does: {step}"))),
        };
        let finding = Finding::new(
            "fence",
            fence.bucket.name.to_string(),
            "its policy is read, and replicas can be denied in it",
            seen,
        );
        let get = ShellCommand::new("aws s3api get-bucket-policy").option("--bucket", fence.bucket.name.as_str());
        advise(
            finding,
            format!("let the role read and write the policy (s3:GetBucketPolicy, s3:PutBucketPolicy): {get}"),
        )
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_env::ErrorClass;
    use dr::objects::{BacklogBy, BucketFence, Reading, Tally};
    use jiff::Timestamp;

    use super::*;

    fn bucket(name: &str) -> PairedBucket {
        PairedBucket {
            name: name.parse().unwrap(),
            region: "ca-west-1".parse().unwrap(),
            account: None,
        }
    }

    #[test]
    fn judge_bucket_that_is_not_there_is_wrong_and_that_says_nothing_unknown() {
        let failed = |class| {
            let call = aws_env::Call {
                region: "ca-west-1".parse().unwrap(),
                service: "S3",
                operation: "ListObjectsV2",
                resource: "photos-dr".to_owned(),
            };
            let mut error = Error::unexpected(call, "nothing");
            error.class = class;
            Err(error)
        };
        let judged = |objects| {
            judge_bucket(&Listed {
                bucket: bucket("photos-dr"),
                objects,
            })
            .status
        };
        assert_eq!(judged(Ok(Vec::new())), Status::Ok);
        assert_eq!(judged(failed(ErrorClass::Absent)), Status::Wrong);
        assert_eq!(judged(failed(ErrorClass::Denied)), Status::Unknown);
    }

    #[test]
    fn judge_backlog_leaves_out_what_the_primary_region_alone_tells_where_it_is_not_asked() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let unknown = || Reading::Unknown {
            reason: "not told".to_owned(),
        };
        let backlog = Backlog {
            pair: BucketPair {
                primary: bucket("photos"),
                dr: bucket("photos-dr"),
            },
            by: BacklogBy::Metrics,
            asked: now,
            pending: Reading::Unknown {
                reason: "not told".to_owned(),
            },
            oldest: Reading::Unknown {
                reason: "not told".to_owned(),
            },
            lag_seconds: Reading::Known {
                value: 901,
                at: now,
            },
            failed: Reading::<Tally>::Unknown {
                reason: "not told".to_owned(),
            },
            uncovered: unknown(),
        };
        let judged = |is_alone| -> Vec<Status> {
            let findings = judge_backlog(&backlog, Duration::from_secs(900), is_alone);
            findings.iter().map(|finding| finding.status).collect()
        };
        assert_eq!(
            judged(true),
            [
                Status::Unknown,
                Status::Wrong,
                Status::Skipped,
                Status::Skipped
            ]
        );
        assert_eq!(judged(false)[2..], [Status::Unknown, Status::Unknown]);
    }

    #[test]
    fn judge_fence_is_wrong_for_a_statement_of_another_content() {
        let judged = |step: FenceStep| {
            let plan = FencePlan {
                run: "run".parse().unwrap(),
                wanted: FenceWanted::Fenced,
                buckets: vec![BucketFence {
                    bucket: bucket("photos-dr"),
                    step,
                    others: Vec::new(),
                }],
            };
            judge_fence(&plan)[0].status
        };
        assert_eq!(judged(FenceStep::PutPolicy), Status::Ok);
        assert_eq!(judged(FenceStep::AddStatement { kept: 2 }), Status::Ok);
        let sid = "DrFence1".to_owned();
        assert_eq!(judged(FenceStep::Conflict { sid }), Status::Wrong);
        let reason = "denied".to_owned();
        assert_eq!(judged(FenceStep::Unknown { reason }), Status::Unknown);
    }
}
