//! What an account may have in a region, and between which regions RDS copies.

use std::collections::BTreeMap;

use aws_env::{Call, Error, pages};
use report::ShellCommand;
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
    /// By which Service Quotas knows it; `None` where that has not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// RDS's name of a quota, and the code that Service Quotas has for it.
/// <https://docs.aws.amazon.com/general/latest/gr/rds-service.html>
const CODES: [(&str, &str); 5] = [
    ("AllocatedStorage", "L-7ADDB58A"),
    ("DBInstances", "L-7B6409FD"),
    ("DBParameterGroups", "L-DE55804A"),
    ("DBSubnetGroups", "L-48C6BF61"),
    ("ManualSnapshots", "L-272F1212"),
];

/// The quotas of RDS in the site's region. RDS tells what is used, and Service Quotas, where it answers, what the account was
/// given and by which code more is asked for; of two limits the lower one counts, since a change reaches one of them first.
/// Those for copies under way and for replicated backups are told by neither: they are known when AWS refuses.
///
/// # Errors
/// When RDS does not answer or refuses.
pub async fn quotas(site: &RdsClients) -> Result<Vec<Quota>, Error> {
    let (attributes, given) = tokio::join!(account_attributes(site), given(site));
    let given = given.unwrap_or_else(|error| {
        tracing::info!(%error, "quotas as RDS tells them");
        BTreeMap::new()
    });
    let mut quotas = attributes?;
    for quota in &mut quotas {
        let code = CODES.iter().find(|(name, _)| *name == quota.name);
        if let Some((code, most)) = code.and_then(|(_, code)| given.get_key_value(*code)) {
            quota.most = quota.most.min(*most);
            quota.code = Some(code.clone());
        }
    }
    Ok(quotas)
}

/// What is used of each quota, and what RDS applies.
async fn account_attributes(site: &RdsClients) -> Result<Vec<Quota>, Error> {
    let call = site.call("DescribeAccountAttributes", "all");
    let answer = site.rds.describe_account_attributes().send().await;
    let answer = answer.map_err(|error| call.failed(error))?;
    let quotas = answer.account_quotas().iter().filter_map(|quota| {
        Some(Quota {
            name: quota.account_quota_name()?.to_owned(),
            used: quota.used()?,
            most: quota.max()?,
            code: None,
        })
    });
    Ok(quotas.collect())
}

/// What Service Quotas says that the account was given, by code.
async fn given(site: &RdsClients) -> Result<BTreeMap<String, i64>, Error> {
    let call = Call {
        service: "Service Quotas",
        ..site.call("ListServiceQuotas", "rds")
    };
    let request = site.quotas.list_service_quotas().service_code("rds");
    let found = pages(call, request.into_paginator().items().send()).await?;
    let given = found.iter().filter_map(|quota| {
        // Whole numbers, but of a type that also has rates.
        let most = quota.value()?.to_string().parse().ok()?;
        Some((quota.quota_code()?.to_owned(), most))
    });
    Ok(given.collect())
}

/// The command that asks AWS for more of a quota.
pub(super) fn request_increase(
    region: Region,
    code: Option<&str>,
    needed: Option<i64>,
) -> ShellCommand {
    let command =
        ShellCommand::new("aws service-quotas request-service-quota-increase --service-code rds")
            .option("--region", region.as_str());
    let command = match code {
        Some(code) => command.option("--quota-code", code),
        None => command.words("--quota-code …"),
    };
    match needed {
        Some(needed) => command.option("--desired-value", needed.to_string()),
        None => command.words("--desired-value …"),
    }
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
        let code = found.and_then(|found| found.code.as_deref());
        let total = found.map(|found| found.used.saturating_add(needed));
        let increase = request_increase(here, code, total);
        Finding::new(WHAT, quota.name.clone(), expected, seen)
            .fix(format!("ask for more: {increase}"))
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
        let call = Call {
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
            code: None,
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
