//! What an account may have in a region, and between which regions RDS copies.

use aws_env::{Error, pages};
use report::finding::{Finding, Unobserved};
use serde::{Deserialize, Serialize};
use settings::Region;

use super::RdsClients;

/// How much of something an account has in a region, and may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Its name among RDS's account attributes, such as `DBInstances`.
    pub name: String,
    /// How much is used.
    pub used: i64,
    /// How much there may be.
    pub most: i64,
}

/// The quotas of RDS in the site's region, as RDS applies them. Those for copies and for replicated backups are not among
/// them.
///
/// # Errors
/// When RDS does not answer or refuses.
pub async fn quotas(site: &RdsClients) -> Result<Vec<Quota>, Error> {
    let call = site.call("DescribeAccountAttributes", "all");
    let answer = site.rds.describe_account_attributes().send().await;
    let answer = answer.map_err(|error| call.failed(error))?;
    let quotas = answer.account_quotas().iter().filter_map(|quota| {
        Some(Quota {
            name: quota.account_quota_name()?.to_owned(),
            used: quota.used()?,
            most: quota.max()?,
        })
    });
    Ok(quotas.collect())
}

/// The quotas of the region that takes over beside those of the region that it takes over from: where it may have less than
/// the other one uses, a failover fails in the middle. A quota that RDS does not tell is unknown.
pub fn compare_quotas(
    (from, here): (Region, Region),
    source: &Result<Vec<Quota>, Error>,
    target: &Result<Vec<Quota>, Error>,
) -> Vec<Finding> {
    const WHAT: &str = "database-quota";
    let (source, target) = match (source, target) {
        (Ok(source), Ok(target)) => (source, target),
        (Err(error), _) | (_, Err(error)) => {
            let reason = Unobserved::because(error.to_string());
            return vec![Finding::new(WHAT, "all", "as much as is used", Err(reason))];
        }
    };
    let of = |quota: &Quota| {
        let needed = quota.used;
        let expected = format!("room for the {needed} that {from} uses");
        let found = target.iter().find(|found| found.name == quota.name);
        let seen = match found {
            Some(found) => Ok((
                found.most.saturating_sub(found.used) >= needed,
                format!("{} of {} used in {here}", found.used, found.most),
            )),
            None => Err(Unobserved::missing("RDS", &quota.name)),
        };
        Finding::new(WHAT, quota.name.clone(), expected, seen).fix(format!(
            "ask for more: {}",
            report::ShellCommand::new(
                "aws service-quotas request-service-quota-increase --service-code rds"
            )
            .option("--region", here.as_str())
            .words("--quota-code … --desired-value …")
        ))
    };
    source.iter().map(of).collect()
}

/// A region that RDS copies from to the site's region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRegion {
    /// Its name.
    pub region: String,
    /// `available`, or another word of RDS.
    pub status: Option<String>,
    /// Whether automated backups are replicated from there.
    pub replicates_backups: Option<bool>,
}

/// The regions that the site's region gets copies from.
///
/// # Errors
/// When RDS does not answer or refuses.
pub async fn source_regions(site: &RdsClients) -> Result<Vec<SourceRegion>, Error> {
    let request = site.rds.describe_source_regions().into_paginator();
    let call = site.call("DescribeSourceRegions", "all");
    let found = pages(call, request.items().send()).await?;
    let regions = found.iter().filter_map(|found| {
        Some(SourceRegion {
            region: found.region_name()?.to_owned(),
            status: found.status().map(str::to_owned),
            replicates_backups: found.supports_db_instance_automated_backups_replication(),
        })
    });
    Ok(regions.collect())
}

/// Whether automated backups of `from` can be replicated to `here`, as `found` says.
pub fn judge_source_region(
    (from, here): (Region, Region),
    found: &Result<Vec<SourceRegion>, Error>,
) -> Finding {
    let seen = match found {
        Err(error) => Err(Unobserved::because(error.to_string())),
        Ok(regions) => match regions.iter().find(|one| one.region == from.as_str()) {
            None => Ok((false, format!("RDS of {here} takes nothing from {from}"))),
            Some(source) => match (source.replicates_backups, source.status.as_deref()) {
                (None, _) => Err(Unobserved::missing(
                    "RDS",
                    "SupportsDBInstanceAutomatedBackupsReplication",
                )),
                (Some(false), _) => Ok((false, "snapshots only".to_owned())),
                (Some(true), Some("available") | None) => {
                    Ok((true, "automated backups".to_owned()))
                }
                (Some(true), Some(status)) => Ok((false, status.to_owned())),
            },
        },
    };
    Finding::new(
        "database-source-region",
        format!("{from} to {here}"),
        "automated backups",
        seen,
    )
    .fix("copy snapshots instead (dr-replicate snapshots copy), or choose another DR region")
}

#[cfg(test)]
mod tests {
    use report::finding::Status;

    use super::*;

    fn regions() -> (Region, Region) {
        let region = |name: &str| name.parse().unwrap();
        (region("ca-central-1"), region("us-east-1"))
    }

    fn refused() -> Error {
        let call = aws_env::Call {
            region: regions().1,
            service: "RDS",
            operation: "DescribeAccountAttributes",
            resource: "all".to_owned(),
        };
        Error::unexpected(call, "nothing")
    }

    #[test]
    fn compare_quotas_of_regions_finds_where_less_is_allowed_than_is_used() {
        let quota = |name: &str, used, most| Quota {
            name: name.to_owned(),
            used,
            most,
        };
        let source = Ok(vec![
            quota("DBInstances", 60, 100),
            quota("AllocatedStorage", 50, 100),
            quota("Proxies", 1, 20),
        ]);
        let target = Ok(vec![
            quota("DBInstances", 5, 40),
            quota("AllocatedStorage", 0, 100),
        ]);
        let status = |source: &Result<Vec<Quota>, Error>, target: &Result<Vec<Quota>, Error>| {
            let findings = compare_quotas(regions(), source, target);
            findings
                .iter()
                .map(|finding| finding.status)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            status(&source, &target),
            [Status::Wrong, Status::Ok, Status::Unknown]
        );
        assert_eq!(status(&Err(refused()), &target), [Status::Unknown]);
        assert_eq!(status(&source, &Err(refused())), [Status::Unknown]);
        let findings = compare_quotas(regions(), &source, &target);
        assert!(
            findings[0]
                .fix
                .as_ref()
                .unwrap()
                .contains("--region us-east-1")
        );
    }

    // aws-behaviour: 51
    #[test]
    fn judge_source_region_that_is_not_named_is_wrong_and_that_says_nothing_unknown() {
        let source = |region: &str, status: Option<&str>, replicates_backups| SourceRegion {
            region: region.to_owned(),
            status: status.map(str::to_owned),
            replicates_backups,
        };
        let judged =
            |source: SourceRegion| judge_source_region(regions(), &Ok(vec![source])).status;
        let from = "ca-central-1";
        assert_eq!(
            judged(source(from, Some("available"), Some(true))),
            Status::Ok
        );
        assert_eq!(
            judged(source(from, Some("available"), Some(false))),
            Status::Wrong
        );
        assert_eq!(
            judged(source(from, Some("down"), Some(true))),
            Status::Wrong
        );
        assert_eq!(
            judged(source(from, Some("available"), None)),
            Status::Unknown
        );
        assert_eq!(
            judged(source("eu-west-1", Some("available"), Some(true))),
            Status::Wrong
        );
        let failed = judge_source_region(regions(), &Err(refused()));
        assert_eq!(failed.status, Status::Unknown);
    }
}
