use aws_sdk_iam::operation::get_policy::GetPolicyOutput;
use aws_sdk_iam::operation::get_policy_version::GetPolicyVersionOutput;
use aws_sdk_iam::operation::get_role::GetRoleOutput;
use aws_sdk_iam::operation::get_role_policy::GetRolePolicyOutput;
use aws_sdk_iam::operation::list_attached_role_policies::ListAttachedRolePoliciesOutput;
use aws_sdk_iam::operation::list_role_policies::ListRolePoliciesOutput;
use aws_sdk_iam::types::{AttachedPolicy, PolicyVersion};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use report::finding::Status;
use serde_json::{Value, json};

use super::super::asked::Asked;
use super::*;

const ARN: &str = "arn:aws:iam::123456789012:policy/extra";

fn encoded(document: &Value) -> String {
    let set = percent_encoding::NON_ALPHANUMERIC;
    percent_encoding::utf8_percent_encode(&document.to_string(), set).to_string()
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": resource}})
}

fn get_role() -> Rule {
    mock!(aws_sdk_iam::Client::get_role).then_output(|| {
        let trust = json!({"Statement": {"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
            "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}});
        let role = aws_sdk_iam::types::Role::builder()
            .path("/")
            .role_name("r")
            .role_id("id")
            .arn("arn:aws:iam::123456789012:role/r")
            .create_date(aws_sdk_iam::primitives::DateTime::from_secs(0))
            .assume_role_policy_document(encoded(&trust));
        GetRoleOutput::builder().role(role.build().unwrap()).build()
    })
}

/// Two pages with one policy each; the second page has `then`.
fn inline(then: Value) -> [Rule; 4] {
    let list = |marker: Option<&'static str>, name: &'static str, more: bool| {
        mock!(aws_sdk_iam::Client::list_role_policies)
            .match_requests(move |request| request.marker() == marker)
            .then_output(move || {
                ListRolePoliciesOutput::builder()
                    .policy_names(name)
                    .is_truncated(more)
                    .set_marker(more.then(|| "more".to_owned()))
                    .build()
                    .unwrap()
            })
    };
    let get = |name: &'static str, document: Value| {
        mock!(aws_sdk_iam::Client::get_role_policy)
            .match_requests(move |request| request.policy_name() == Some(name))
            .then_output(move || {
                GetRolePolicyOutput::builder()
                    .role_name("r")
                    .policy_name(name)
                    .policy_document(encoded(&document))
                    .build()
                    .unwrap()
            })
    };
    [
        list(None, "one", true),
        list(Some("more"), "two", false),
        get(
            "one",
            allow(
                "logs:PutLogEvents",
                "arn:aws:logs:ca-central-1:123456789012:log-group:g:*",
            ),
        ),
        get("two", then),
    ]
}

fn attached(arns: &'static [&'static str]) -> Rule {
    mock!(aws_sdk_iam::Client::list_attached_role_policies).then_output(move || {
        let policies = arns
            .iter()
            .map(|arn| AttachedPolicy::builder().policy_arn(*arn).build());
        ListAttachedRolePoliciesOutput::builder()
            .set_attached_policies(Some(policies.collect()))
            .is_truncated(false)
            .build()
    })
}

fn managed(document: Value) -> [Rule; 2] {
    let get = mock!(aws_sdk_iam::Client::get_policy).then_output(|| {
        let policy = aws_sdk_iam::types::Policy::builder()
            .arn(ARN)
            .default_version_id("v2");
        GetPolicyOutput::builder().policy(policy.build()).build()
    });
    let version = mock!(aws_sdk_iam::Client::get_policy_version)
        .match_requests(|request| request.version_id() == Some("v2"))
        .then_output(move || {
            let version = PolicyVersion::builder()
                .document(encoded(&document))
                .version_id("v2");
            GetPolicyVersionOutput::builder()
                .policy_version(version.build())
                .build()
        });
    [get, version]
}

fn denied() -> Rule {
    mock!(aws_sdk_iam::Client::get_policy).then_error(|| {
        use aws_sdk_iam::error::ErrorMetadata;
        let denied = ErrorMetadata::builder().code("AccessDenied").build();
        aws_sdk_iam::operation::get_policy::GetPolicyError::generic(denied)
    })
}

const MASTER_SECRET: &str =
    "arn:aws:secretsmanager:ca-central-1:123456789012:secret:rds!db-1234-AbCdEf";

async fn statuses(rules: Vec<Rule>) -> Vec<(&'static str, Status)> {
    let mut asked = Asked::new(&[
        ("flow_log_group_name", json!("g")),
        ("db_master_secret_arn", json!(MASTER_SECRET)),
    ])
    .await;
    let rules: Vec<&Rule> = rules.iter().collect();
    asked.clients.iam = mock_client!(aws_sdk_iam, RuleMode::MatchAny, &rules);
    let context = asked.context();
    let role = Role {
        what: "flow log role",
        output: "flow_log_role_arn",
        name: Ok("r".to_owned()),
        terraform: None,
        trust: Trust {
            service: "vpc-flow-logs.amazonaws.com",
            account: "123456789012".to_owned(),
            source: None,
        },
        needs: Ok(vec![Need {
            action: "logs:PutLogEvents",
            on: None,
            bucket: None,
        }]),
    };
    let picture = observe::role(context, "r").await;
    judge(context, &role, &picture, &Ok(Vec::new()))
        .iter()
        .filter(|answer| answer.status != Status::Ok)
        .map(|answer| (answer.check.id, answer.status))
        .collect()
}

fn rules(of: impl IntoIterator<Item = Rule>) -> Vec<Rule> {
    let mut rules = vec![get_role()];
    rules.extend(of);
    rules
}

#[tokio::test]
async fn policies_on_the_second_page_and_default_versions_count() {
    let harmless = || {
        allow(
            "logs:CreateLogStream",
            "arn:aws:logs:ca-central-1:123456789012:log-group:g:*",
        )
    };
    let fine = rules(inline(harmless()).into_iter().chain([attached(&[])]));
    assert_eq!(statuses(fine).await, []);
    let second = rules(
        inline(allow("s3:*", "arn:aws:s3:::b/*"))
            .into_iter()
            .chain([attached(&[])]),
    );
    assert_eq!(statuses(second).await, [("iam-actions", Status::Wrong)]);
    let version = rules(
        inline(harmless())
            .into_iter()
            .chain([attached(&[ARN])])
            .chain(managed(allow("s3:GetObject", "*"))),
    );
    assert_eq!(statuses(version).await, [("iam-resources", Status::Wrong)]);
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_is_unknown_unless_another_is_wrong() {
    let harmless = allow(
        "logs:CreateLogStream",
        "arn:aws:logs:ca-central-1:123456789012:log-group:g:*",
    );
    let unread = rules(
        inline(harmless)
            .into_iter()
            .chain([attached(&[ARN]), denied()]),
    );
    assert_eq!(
        statuses(unread).await,
        [
            ("iam-actions", Status::Unknown),
            ("iam-resources", Status::Unknown),
            ("iam-master-secret", Status::Unknown),
            ("iam-destructive", Status::Unknown)
        ]
    );
    let wrong = rules(
        inline(allow("s3:*", "arn:aws:s3:::b/*"))
            .into_iter()
            .chain([attached(&[ARN]), denied()]),
    );
    assert_eq!(
        statuses(wrong).await,
        [
            ("iam-actions", Status::Wrong),
            ("iam-resources", Status::Unknown),
            ("iam-master-secret", Status::Unknown),
            ("iam-destructive", Status::Unknown)
        ]
    );
    let odd = rules(
        inline(json!({"Wish": 1}))
            .into_iter()
            .chain([attached(&[])]),
    );
    assert_eq!(
        statuses(odd).await,
        [
            ("iam-actions", Status::Unknown),
            ("iam-resources", Status::Unknown),
            ("iam-master-secret", Status::Unknown),
            ("iam-destructive", Status::Unknown)
        ]
    );
}

#[tokio::test]
async fn answers_with_nothing_in_them_are_not_those_of_a_harmless_role() {
    let empty: Vec<Rule> = vec![
        mock!(aws_sdk_iam::Client::get_role).then_output(|| GetRoleOutput::builder().build()),
        mock!(aws_sdk_iam::Client::list_role_policies).then_output(|| {
            let empty = ListRolePoliciesOutput::builder();
            empty.set_policy_names(Some(Vec::new())).build().unwrap()
        }),
        attached(&[]),
    ];
    let statuses = statuses(empty).await;
    assert_eq!(statuses.len(), CHECKS.len(), "{statuses:?}");
    assert!(
        statuses
            .iter()
            .all(|(_, status)| *status == Status::Unknown),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn policies_of_aws_for_administrators_are_told_by_name_without_reading_them() {
    let harmless = allow(
        "logs:CreateLogStream",
        "arn:aws:logs:ca-central-1:123456789012:log-group:g:*",
    );
    let attached = attached(&["arn:aws:iam::aws:policy/AdministratorAccess"]);
    let all = rules(inline(harmless).into_iter().chain([attached]));
    assert_eq!(
        statuses(all).await,
        [
            ("iam-managed-policies", Status::Wrong),
            ("iam-master-secret", Status::Wrong)
        ]
    );
    let of = |arn: &str| {
        let policy = Err(Unobserved::because("not read"));
        Grant {
            name: arn.to_owned(),
            policy,
        }
        .is_for_administrators()
    };
    assert!(of("arn:aws-cn:iam::aws:policy/AmazonS3FullAccess"));
    assert!(of("arn:aws:iam::aws:policy/job-function/PowerUserAccess"));
    // Its own name says nothing: it is read.
    assert!(!of("arn:aws:iam::123456789012:policy/AdministratorAccess"));
    assert!(!of("arn:aws:iam::aws:policy/ReadOnlyAccess"));
}

#[tokio::test]
async fn a_policy_that_may_read_the_master_secret_is_wrong_whatever_its_conditions() {
    let read = async |resource: &str| {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "arn:aws:logs:ca-central-1:1:log-group:g:*"},
            {"Effect": "Allow", "Action": ["secretsmanager:Get*"], "Resource": [resource],
                "Condition": {"StringEquals": {"secretsmanager:ResourceTag/aws:rds:primaryDBInstanceArn": "arn:x"}}},
        ]});
        statuses(rules(inline(policy).into_iter().chain([attached(&[])]))).await
    };
    let secret =
        |name: &str| format!("arn:aws:secretsmanager:ca-central-1:123456789012:secret:{name}");
    for name in ["rds!db-*", "*", "rds!db-1234-??????"] {
        let found = read(&secret(name)).await;
        assert_eq!(found, [("iam-master-secret", Status::Wrong)], "{name}");
    }
    for name in ["berthcare-staging/*", "rds!db-9*"] {
        assert_eq!(read(&secret(name)).await, [], "{name}");
    }
}

#[tokio::test]
async fn a_policy_that_may_destroy_what_nobody_brings_back_is_wrong() {
    let judged = async |action: &str, resource: &str| {
        let policy = inline(allow(action, resource)).into_iter();
        statuses(rules(policy.chain([attached(&[])]))).await
    };
    let key = "arn:aws:kms:ca-central-1:123456789012:key/1";
    let wrong = [("iam-destructive", Status::Wrong)];
    assert_eq!(judged("s3:DeleteBucket", "arn:aws:s3:::b").await, wrong);
    assert_eq!(judged("kms:ScheduleKeyDeletion", key).await, wrong);
    assert_eq!(judged("kms:Schedule*", key).await, wrong);
    assert_eq!(judged("kms:Decrypt", key).await, []);
    assert_eq!(judged("s3:DeleteObject", "arn:aws:s3:::b/*").await, []);
}
