//! The guide's security practices that no item of its checklist has: those of the account.

mod trail;

use std::collections::BTreeMap;

use aws_env::ErrorClass;
use aws_sdk_iam::types::{PasswordPolicy, ReportStateType, SummaryKeyType};
use report::finding::{Observation, Severity, Unobserved};

use super::Context;
use crate::check::{Answer, Check};

static ROOT_MFA: Check = Check {
    id: "account-root-mfa",
    item: None,
    severity: Severity::Critical,
    title: "the account's root user signs in with a second factor",
    why: "whoever learns one password owns everything",
    fix: "sign in as root once and add an MFA device; or remove root's password from IAM's page on member accounts",
};
static ROOT_KEYS: Check = Check {
    id: "account-root-keys",
    item: None,
    severity: Severity::Critical,
    title: "the account's root user has no access keys",
    why: "whoever finds such a key owns everything, and no policy holds it back",
    fix: "sign in as root and delete the keys",
};
static CONSOLE_MFA: Check = Check {
    id: "account-console-mfa",
    item: None,
    severity: Severity::High,
    title: "every user with a password has a second factor",
    why: "a password that leaks opens the console",
    fix: "the users add MFA devices, or lose their passwords: aws iam delete-login-profile --user-name USER",
};
static PASSWORDS: Check = Check {
    id: "account-password-policy",
    item: None,
    severity: Severity::Low,
    title: "passwords of users have 14 characters at least",
    why: "short passwords can be guessed",
    fix: "aws iam update-account-password-policy --minimum-password-length 14",
};
static TRAIL: Check = Check {
    id: "account-cloudtrail",
    item: None,
    severity: Severity::High,
    title: "CloudTrail records changes in every region",
    why: "nobody can tell who changed what",
    fix: "aws cloudtrail create-trail --is-multi-region-trail, then start-logging; the bucket's policy has to let CloudTrail in",
};
static GUARD: Check = Check {
    id: "account-guardduty",
    item: None,
    severity: Severity::Medium,
    title: "GuardDuty looks for attacks",
    why: "an attack is noticed by its damage",
    fix: "aws guardduty list-detectors",
};
static CONFIG: Check = Check {
    id: "account-config",
    item: None,
    severity: Severity::Low,
    title: "AWS Config records how resources change",
    why: "what was changed between two checks cannot be told",
    fix: "aws configservice describe-configuration-recorder-status",
};
static CODE: Check = Check {
    id: "account-code-secrets",
    item: None,
    severity: Severity::High,
    title: "no credentials in code",
    why: "whoever reads the code has them",
    fix: "a secret scanner in CI, such as gitleaks",
};

pub(super) static CHECKS: &[&Check] = &[
    &ROOT_MFA,
    &ROOT_KEYS,
    &CONSOLE_MFA,
    &PASSWORDS,
    &TRAIL,
    &GUARD,
    &CONFIG,
    &CODE,
];

/// The least length that the CIS AWS Foundations Benchmark asks for.
const LEAST_LENGTH: i32 = 14;

type Summary = BTreeMap<SummaryKeyType, i32>;

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let account = format!("account {}", context.account);
    let (summary, users, passwords, trail) = tokio::join!(
        summary(context),
        users(context),
        passwords(context),
        trail::look(context)
    );
    let mut answers = vec![
        ROOT_MFA.answer(
            &account,
            "a second factor",
            None,
            summary.clone().and_then(|s| root_mfa(&s)),
        ),
        ROOT_KEYS.answer(&account, "none", None, summary.and_then(|s| root_keys(&s))),
        CONSOLE_MFA.answer(
            &account,
            "all",
            None,
            users.clone().map(|users| judge_users(&users)),
        ),
    ];
    answers.push(match (passwords, &users) {
        // Nobody has one: there is nothing to be guessed.
        (Ok(None), Ok(users)) if users.is_empty() => {
            PASSWORDS.skipped(&account, "no user has a password")
        }
        (passwords, _) => PASSWORDS.answer(
            &account,
            format!("{LEAST_LENGTH} or more"),
            None,
            passwords.and_then(|policy| judge_passwords(policy.as_ref())),
        ),
    });
    answers.push(TRAIL.answer(
        &account,
        "a trail of all regions that records changes",
        None,
        trail,
    ));
    let unasked = [
        (
            &GUARD,
            "not asked: this program calls no GuardDuty; the fix has the command that shows it",
        ),
        (
            &CONFIG,
            "not asked: this program calls no AWS Config; the fix has the command that shows it",
        ),
        (&CODE, "not asked: AWS knows nothing of it"),
    ];
    answers.extend(unasked.map(|(check, reason)| check.skipped(&account, reason)));
    answers
}

async fn summary(context: Context<'_>) -> Observation<Summary> {
    let clients = &context.clients;
    let call = clients.iam_call("GetAccountSummary", "this account");
    let answer = clients.iam.get_account_summary().send().await;
    let answer = answer.map_err(|error| Unobserved::from(call.failed(error)))?;
    Ok(answer.summary_map.unwrap_or_default().into_iter().collect())
}

fn number(summary: &Summary, key: SummaryKeyType) -> Observation<i32> {
    summary
        .get(&key)
        .copied()
        .ok_or_else(|| Unobserved::because(format!("IAM answered without {key}")))
}

fn root_mfa(summary: &Summary) -> Observation<(bool, String)> {
    if number(summary, SummaryKeyType::AccountMfaEnabled)? > 0 {
        return Ok((true, "a second factor".to_owned()));
    }
    // A member account whose root user has no password cannot be signed in to.
    Ok(
        match number(summary, SummaryKeyType::AccountPasswordPresent) {
            Ok(0) => (true, "root has no password".to_owned()),
            Ok(_) | Err(_) => (false, "no second factor".to_owned()),
        },
    )
}

fn root_keys(summary: &Summary) -> Observation<(bool, String)> {
    let keys = number(summary, SummaryKeyType::AccountAccessKeysPresent)?;
    let shown = if keys == 0 { "none" } else { "there are keys" };
    Ok((keys == 0, shown.to_owned()))
}

/// The users with a password, and whether each has a second factor.
///
/// IAM's credential report has all of them in one answer. Asking for it changes nothing; IAM makes a new one when the
/// last is older than four hours, which takes some seconds.
async fn users(context: Context<'_>) -> Observation<Vec<(String, bool)>> {
    let clients = &context.clients;
    let call = |operation| clients.iam_call(operation, "this account");
    let asked = clients.iam.generate_credential_report().send().await;
    let state = asked
        .map_err(|error| Unobserved::from(call("GenerateCredentialReport").failed(error)))?
        .state;
    let answer = clients.iam.get_credential_report().send().await;
    let answer = answer.map_err(|error| {
        let error = call("GetCredentialReport").failed(error);
        // It has been asked for just now.
        if state != Some(ReportStateType::Complete)
            && matches!(error.class, ErrorClass::Invalid | ErrorClass::Absent)
        {
            return Unobserved::because(
                "IAM is making its credential report; check again in a minute",
            );
        }
        Unobserved::because(error.to_string())
    })?;
    let content = answer
        .content
        .ok_or_else(|| Unobserved::because("IAM answered without the credential report"))?;
    read_report(content.as_ref())
}

/// Columns by name: `user`, `password_enabled`, `mfa_active` of
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html>. No field has a comma in it.
fn read_report(content: &[u8]) -> Observation<Vec<(String, bool)>> {
    let odd = || Unobserved::because("IAM's credential report is not understood");
    let text = std::str::from_utf8(content).map_err(|_| odd())?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().ok_or_else(odd)?.split(',').collect();
    let place = |name: &str| {
        names
            .iter()
            .position(|found| *found == name)
            .ok_or_else(odd)
    };
    let (user, password, mfa) = (
        place("user")?,
        place("password_enabled")?,
        place("mfa_active")?,
    );
    let mut users = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |at: usize| fields.get(at).copied().ok_or_else(odd);
        // Root is asked about by itself.
        if field(user)? == "<root_account>" {
            continue;
        }
        match field(password)? {
            "true" => users.push((field(user)?.to_owned(), field(mfa)? == "true")),
            "false" => {}
            _ => return Err(odd()),
        }
    }
    Ok(users)
}

fn judge_users(users: &[(String, bool)]) -> (bool, String) {
    let without: Vec<&str> = users
        .iter()
        .filter(|(_, mfa)| !mfa)
        .map(|(user, _)| user.as_str())
        .collect();
    if without.is_empty() {
        return (true, format!("all of {}", users.len()));
    }
    (false, format!("without: {}", without.join(", ")))
}

/// `None`: none was made, and IAM asks for eight characters.
async fn passwords(context: Context<'_>) -> Observation<Option<PasswordPolicy>> {
    let clients = &context.clients;
    let call = clients.iam_call("GetAccountPasswordPolicy", "this account");
    match clients.iam.get_account_password_policy().send().await {
        Ok(answer) => answer
            .password_policy
            .map(Some)
            .ok_or_else(|| Unobserved::because("IAM answered without the password policy")),
        Err(error) => {
            let error = call.failed(error);
            if error.class == ErrorClass::Absent {
                return Ok(None);
            }
            Err(error.into())
        }
    }
}

fn judge_passwords(policy: Option<&PasswordPolicy>) -> Observation<(bool, String)> {
    let Some(policy) = policy else {
        return Ok((false, "no policy: 8".to_owned()));
    };
    let length = policy
        .minimum_password_length
        .ok_or_else(|| Unobserved::because("IAM answered without the least length"))?;
    Ok((length >= LEAST_LENGTH, length.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "user,arn,user_creation_time,password_enabled,password_last_used,mfa_active\n\
        <root_account>,arn:aws:iam::123456789012:root,x,not_supported,x,false\n\
        ada,arn,x,true,x,true\n\
        ci,arn,x,false,N/A,false\n";

    #[test]
    fn users_with_a_password_need_a_second_factor() {
        let users = read_report(REPORT.as_bytes()).unwrap();
        assert_eq!(users, [("ada".to_owned(), true)]);
        assert!(judge_users(&users).0 && judge_users(&[]).0);
        let more = format!("{REPORT}bob,arn,x,true,x,false\n");
        let judged = judge_users(&read_report(more.as_bytes()).unwrap());
        assert_eq!(judged, (false, "without: bob".to_owned()));
        for bad in [
            "",
            "user,password_enabled\nada,true\n",
            "user,password_enabled,mfa_active\nada\n",
            "user,password_enabled,mfa_active\nada,maybe,true\n",
        ] {
            assert!(read_report(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(read_report(&[0xff]).is_err());
    }

    #[test]
    fn root_is_judged_by_what_iam_says() {
        let root = |pairs: &[(SummaryKeyType, i32)]| pairs.iter().cloned().collect::<Summary>();
        let mfa = |on| (SummaryKeyType::AccountMfaEnabled, on);
        assert!(root_mfa(&root(&[mfa(1)])).unwrap().0);
        assert!(!root_mfa(&root(&[mfa(0)])).unwrap().0);
        let password = |there| (SummaryKeyType::AccountPasswordPresent, there);
        assert!(root_mfa(&root(&[mfa(0), password(0)])).unwrap().0);
        assert!(!root_mfa(&root(&[mfa(0), password(1)])).unwrap().0);
        assert!(root_mfa(&root(&[])).is_err() && root_keys(&root(&[])).is_err());
        let keys = |there| root_keys(&root(&[(SummaryKeyType::AccountAccessKeysPresent, there)]));
        assert!(keys(0).unwrap().0 && !keys(1).unwrap().0);
    }

    #[test]
    fn short_passwords_are_wrong_and_none_is_eight() {
        let of = |length| {
            let policy = PasswordPolicy::builder().set_minimum_password_length(length);
            judge_passwords(Some(&policy.build()))
        };
        assert!(of(Some(14)).unwrap().0 && !of(Some(13)).unwrap().0);
        assert!(of(None).is_err());
        assert!(!judge_passwords(None).unwrap().0);
    }
}
