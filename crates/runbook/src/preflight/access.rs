//! Who runs it, and whether that works without the primary region.

use aws_env::{DrOnly, Error, ErrorClass, SignIn};
use aws_sdk_ec2::types::Region as ListedRegion;
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};
use settings::{Region, RoleName};

use super::{Area, PreflightRequest, advise, told, unobserved};
use crate::{Host, Store};

/// The role that IAM Identity Center makes for a permission set
/// (<https://docs.aws.amazon.com/singlesignon/latest/userguide/using-service-linked-roles.html>).
const IDENTITY_CENTER: &str = "AWSReservedSSO_";

pub(super) async fn look<S: Store, H: Host>(
    request: &PreflightRequest<'_, S, H>,
    dr: &DrOnly,
) -> (Area, Option<String>) {
    let regions = request.settings.regions;
    let (identity, listed) = tokio::join!(identity(dr), listed_region(dr));
    let account = identity.as_ref().ok().and_then(|one| one.account.clone());
    let wanted = request.settings.account.as_ref();
    let principal = identity.as_ref().map(|one| one.arn.as_str());
    let findings = vec![
        judge_account(
            regions.dr,
            &identity,
            wanted.map(|account| account.as_str()),
        ),
        judge_principal(principal, request.settings.failover.break_glass.as_ref()),
        judge_sign_in(regions.primary, &request.sign_in, principal.ok()),
        judge_opt_in(regions.dr, &listed, identity.is_ok()),
    ];
    let area = Area::new(
        "Access",
        "nobody can act in the DR region while the primary one is gone",
        findings,
    );
    (area, account)
}

/// Who the credentials are.
#[derive(Debug)]
struct Identity {
    account: Option<String>,
    arn: String,
}

async fn identity(dr: &DrOnly) -> Result<Identity, Error> {
    let clients = dr.region().clients();
    // In few seconds, whether or not the region answers.
    clients.account_id().await?;
    let call = clients.call("STS", "GetCallerIdentity", "this account");
    let answer = clients.sts.get_caller_identity().send().await;
    let answer = answer.map_err(|error| call.clone().failed(error))?;
    let arn = answer
        .arn
        .ok_or_else(|| Error::unexpected(call, "the answer names no principal"))?;
    Ok(Identity {
        account: answer.account,
        arn,
    })
}

fn judge_account(dr: Region, found: &Result<Identity, Error>, wanted: Option<&str>) -> Finding {
    let expected = match wanted {
        Some(account) => format!("STS there says account {account}"),
        None => "STS there says which account it is".to_owned(),
    };
    let seen = match found {
        Ok(identity) => match &identity.account {
            Some(account) => Ok((
                wanted.is_none_or(|wanted| wanted == account),
                format!("account {account}"),
            )),
            None => Err(Unobserved::missing("STS", "account")),
        },
        Err(error) if error.class == ErrorClass::Credentials => Ok((false, told(error))),
        Err(error) => Err(unobserved(error)),
    };
    let whoami = ShellCommand::new("aws sts get-caller-identity").option("--region", dr.as_str());
    advise(
        Finding::new("credentials", dr.as_str(), expected, seen),
        format!("check AWS_PROFILE: {whoami}"),
    )
}

/// The name of a role in the ARN of one of its sessions:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>.
fn role_of(arn: &str) -> Option<&str> {
    let (_, session) = arn.split_once(":assumed-role/")?;
    session.split('/').next()
}

fn judge_principal(principal: Result<&str, &Error>, wanted: Option<&RoleName>) -> Finding {
    let what = "break-glass";
    let Some(wanted) = wanted else {
        let reason = match principal {
            Ok(arn) => format!(
                "the settings name no role for it (failover.break_glass), and this is {arn}: whether that is who acts in \
                 an outage is not known"
            ),
            Err(_) => "the settings name no role for it (failover.break_glass)".to_owned(),
        };
        let finding = Finding::new(
            what,
            "who acts in an outage",
            "run as the role that people have then",
            Err(Unobserved::because(reason)),
        );
        return advise(
            finding,
            "name the role as failover.break_glass, and run this as that role",
        );
    };
    let seen = match principal {
        Ok(arn) => Ok((role_of(arn) == Some(wanted.as_str()), arn.to_owned())),
        Err(error) => Err(unobserved(error)),
    };
    let finding = Finding::new(what, wanted.to_string(), "run as this role", seen);
    advise(
        finding,
        "run it with the profile that people have in an outage: what another one may do proves nothing",
    )
}

fn judge_sign_in(
    primary: Region,
    sign_in: &Result<Option<SignIn>, String>,
    principal: Option<&str>,
) -> Finding {
    let of_identity_center = principal
        .and_then(role_of)
        .is_some_and(|role| role.starts_with(IDENTITY_CENTER));
    let profile = match sign_in {
        Ok(Some(sign_in)) => format!("profile {}", sign_in.profile),
        _ => "credentials".to_owned(),
    };
    let seen: Observation<(bool, String)> = match sign_in {
        Err(problem) => Err(Unobserved::because(problem.clone())),
        Ok(Some(SignIn {
            sso_region: Some(region),
            ..
        })) => Ok((
            region != primary.as_str(),
            format!("it signs in to IAM Identity Center in {region}"),
        )),
        Ok(_) if of_identity_center => Err(Unobserved::because(
            "the role is one of IAM Identity Center, and no profile says in which region that is",
        )),
        Ok(Some(SignIn {
            mfa_device: Some(device),
            ..
        })) => Err(Unobserved::because(format!(
            "it asks for a code of {device}: whether that is at hand in an outage is not known"
        ))),
        Ok(_) => Ok((true, "nothing of it is in a region".to_owned())),
    };
    let expected = format!("works without {primary} and without a device that may not be there");
    advise(
        Finding::new("sign-in", profile, expected, seen),
        "have a profile for outages that assumes its role from keys, or from an identity provider in another region",
    )
}

async fn listed_region(dr: &DrOnly) -> Result<Option<ListedRegion>, Error> {
    let access = dr.region();
    let ec2: aws_sdk_ec2::Client = aws_env::client!(aws_sdk_ec2, access);
    let name = access.region().as_str();
    let call = access.call("EC2", "DescribeRegions", name);
    let request = ec2.describe_regions().region_names(name).all_regions(true);
    let answer = request.send().await.map_err(|error| call.failed(error))?;
    let mut regions = answer.regions.unwrap_or_default().into_iter();
    Ok(regions.find(|region| region.region_name() == Some(name)))
}

fn judge_opt_in(
    dr: Region,
    listed: &Result<Option<ListedRegion>, Error>,
    answers: bool,
) -> Finding {
    let seen = match listed {
        Ok(Some(region)) => match region.opt_in_status() {
            Some(status @ ("opt-in-not-required" | "opted-in")) => Ok((true, status.to_owned())),
            Some(status) => Ok((false, status.to_owned())),
            None => Err(Unobserved::missing("EC2", "OptInStatus")),
        },
        Ok(None) => Ok((false, "EC2 does not list it".to_owned())),
        // Credentials of an account that has not enabled a region are none there.
        Err(_) if answers => Ok((
            true,
            "STS there takes this account's credentials".to_owned(),
        )),
        Err(error) => Err(unobserved(error)),
    };
    let enable =
        ShellCommand::new("aws account enable-region").option("--region-name", dr.as_str());
    advise(
        Finding::new(
            "region-enabled",
            dr.as_str(),
            "enabled for the account",
            seen,
        ),
        format!("it takes minutes to hours, and not in an outage: {enable}"),
    )
}

#[cfg(test)]
mod tests {
    use report::finding::Status;

    use super::*;

    fn primary() -> Region {
        "ca-central-1".parse().unwrap()
    }

    fn dr() -> Region {
        "ca-west-1".parse().unwrap()
    }

    fn error(class: ErrorClass) -> Error {
        let call = aws_env::Call {
            region: dr(),
            service: "STS",
            operation: "GetCallerIdentity",
            resource: "this account".to_owned(),
        };
        let mut error = Error::unexpected(call, "nothing");
        error.class = class;
        error
    }

    #[test]
    fn judge_account_is_wrong_for_another_account_and_unknown_without_an_answer() {
        let of = |account: &str| {
            Ok(Identity {
                account: Some(account.to_owned()),
                arn: "arn:aws:iam::111122223333:user/kim".to_owned(),
            })
        };
        let judged =
            |found: &Result<Identity, Error>, wanted| judge_account(dr(), found, wanted).status;
        let ours = of("111122223333");
        assert_eq!(judged(&ours, Some("111122223333")), Status::Ok);
        assert_eq!(judged(&ours, None), Status::Ok);
        assert_eq!(judged(&ours, Some("444455556666")), Status::Wrong);
        assert_eq!(
            judged(&Err(error(ErrorClass::Unreachable)), None),
            Status::Unknown
        );
        assert_eq!(
            judged(&Err(error(ErrorClass::Credentials)), None),
            Status::Wrong
        );
    }

    #[test]
    fn judge_principal_knows_the_role_of_a_session_and_no_other() {
        let role: RoleName = "break-glass".parse().unwrap();
        let judged = |arn: &str| judge_principal(Ok(arn), Some(&role)).status;
        assert_eq!(
            judged("arn:aws:sts::111122223333:assumed-role/break-glass/kim"),
            Status::Ok
        );
        assert_eq!(
            judged("arn:aws:sts::111122223333:assumed-role/break-glass-2/kim"),
            Status::Wrong
        );
        assert_eq!(
            judged("arn:aws:iam::111122223333:user/break-glass"),
            Status::Wrong
        );
        let unset = judge_principal(Ok("arn:aws:iam::111122223333:root"), None);
        assert_eq!(unset.status, Status::Unknown);
        assert!(unset.fix.is_some());
    }

    #[test]
    fn judge_sign_in_is_wrong_for_an_identity_center_of_the_primary_region() {
        let with = |sso_region: Option<&str>, device: Option<&str>| {
            Ok(Some(SignIn {
                profile: "ops".to_owned(),
                sso_region: sso_region.map(str::to_owned),
                mfa_device: device.map(str::to_owned),
            }))
        };
        let judged = |sign_in: &Result<Option<SignIn>, String>, arn| {
            judge_sign_in(primary(), sign_in, arn).status
        };
        let sso =
            Some("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Ops_0123456789abcdef/kim");
        assert_eq!(
            judged(&with(Some("ca-central-1"), None), sso),
            Status::Wrong
        );
        assert_eq!(judged(&with(Some("us-east-1"), None), sso), Status::Ok);
        assert_eq!(judged(&Ok(None), sso), Status::Unknown);
        assert_eq!(
            judged(&with(None, Some("arn:aws:iam::1:mfa/kim")), None),
            Status::Unknown
        );
        assert_eq!(judged(&with(None, None), None), Status::Ok);
        assert_eq!(judged(&Err("unreadable".to_owned()), None), Status::Unknown);
    }

    #[test]
    fn judge_opt_in_goes_by_ec2_and_else_by_an_answer_of_sts() {
        let listed = |status: &str| {
            let region = ListedRegion::builder()
                .region_name("ca-west-1")
                .opt_in_status(status);
            Ok(Some(region.build()))
        };
        let judged =
            |listed: &Result<_, Error>, answers| judge_opt_in(dr(), listed, answers).status;
        assert_eq!(judged(&listed("opted-in"), false), Status::Ok);
        assert_eq!(judged(&listed("opt-in-not-required"), false), Status::Ok);
        assert_eq!(judged(&listed("not-opted-in"), true), Status::Wrong);
        assert_eq!(judged(&Ok(None), true), Status::Wrong);
        assert_eq!(judged(&Err(error(ErrorClass::Denied)), true), Status::Ok);
        assert_eq!(
            judged(&Err(error(ErrorClass::Denied)), false),
            Status::Unknown
        );
    }
}
