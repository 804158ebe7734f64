//! The roles and their policies, and the ways of breaking them.

use crate::Stack;
use crate::mutation::{ByUnitTest, Mutation, show};
use futures::FutureExt as _;
use local_aws::stack::roles::{ADA, TRAIL, attach, least, put};
use serde_json::{Value, json};

/// A further inline policy with one statement.
async fn allow(stack: &Stack, role: &str, statement: Value) {
    let policy = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    put(stack, role, "more", &policy).await;
}

async fn trust(stack: &Stack, role: &str, statement: Value) {
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let update = stack.clients.iam.update_assume_role_policy();
    let update = update
        .role_name(stack.state.called(role))
        .policy_document(policy);
    update.send().await.expect("a trust policy");
}

const EXECUTION: &str = "berthcare-staging-ecs-execution";

const TASK: &str = "berthcare-staging-ecs-task";

const FLOW: &str = "berthcare-staging-flow-logs";

const MONITORING: &str = "berthcare-staging-postgres-monitoring";

fn of_tasks(condition: Value) -> Value {
    json!({"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole",
        "Condition": condition})
}

const GONE: &[&str] = &[
    "iam-role-exists",
    "iam-trust",
    "iam-actions",
    "iam-resources",
    "iam-managed-policies",
    "iam-permissions",
    "iam-master-secret",
    "iam-destructive",
    "tags-roles",
];

macro_rules! mutation {
    ($item:expr, $name:literal, $breaks:expr, |$stack:ident| $body:expr) => {
        Mutation {
            name: $name,
            item: $item,
            breaks: $breaks,
            apply: |$stack| async move { $body }.boxed(),
        }
    };
}

pub(crate) fn mutations() -> Vec<Mutation> {
    vec![
        mutation!(Some(7), "the task role is deleted", GONE, |stack| {
            let iam = &stack.clients.iam;
            let delete = iam.delete_role_policy().role_name(stack.state.called(TASK));
            let delete = delete.policy_name("run-application").send().await;
            delete.expect("deleted");
            let delete = iam
                .delete_role()
                .role_name(stack.state.called(TASK))
                .send()
                .await;
            delete.expect("deleted");
        }),
        mutation!(
            Some(7),
            "the task role may delete a bucket",
            &["iam-destructive"],
            |stack| {
                allow(
                stack,
                TASK,
                json!({"Effect": "Allow", "Action": "s3:DeleteBucket", "Resource": "arn:aws:s3:::berthcare-photos-staging"})
            )
            .await;
            }
        ),
        mutation!(
            Some(7),
            "the task role may have the key deleted",
            &["iam-destructive"],
            |stack| {
                let key = stack.state.one("aws_kms_key", "module.security");
                let arn = key.text("arn");
                allow(
                    stack,
                    TASK,
                    json!({"Effect": "Allow", "Action": "kms:Schedule*", "Resource": arn}),
                )
                .await;
            }
        ),
        mutation!(
            Some(7),
            "the task role trusts the whole account as well",
            &["iam-trust"],
            |stack| {
                trust(
                stack,
                TASK,
                json!({"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com",
                    "AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole", "Condition": {
                    "StringEquals": {"aws:SourceAccount": "123456789012"},
                    "ArnLike": {"aws:SourceArn": "arn:aws:ecs:ca-central-1:123456789012:*"}}})
            )
            .await;
            }
        ),
        mutation!(
            Some(7),
            "the execution role trusts ECS on behalf of any account",
            &["iam-trust"],
            |stack| trust(stack, EXECUTION, of_tasks(json!({}))).await
        ),
        mutation!(
            Some(7),
            "the execution role trusts ECS of any region",
            &["iam-trust"],
            |stack| trust(
                stack,
                EXECUTION,
                of_tasks(
                    json!({"StringEquals": {"aws:SourceAccount": "123456789012"},
                    "ArnLike": {"aws:SourceArn": "arn:aws:ecs:*:123456789012:*"}})
                )
            )
            .await
        ),
        mutation!(
            Some(7),
            "the flow log role trusts EC2",
            &["iam-trust"],
            |stack| {
                trust(
                stack,
                FLOW,
                json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}})
            )
            .await;
            }
        ),
        mutation!(
            Some(7),
            "a further inline policy allows everything",
            &["iam-actions", "iam-resources", "iam-master-secret"],
            |stack| allow(
                stack,
                TASK,
                json!({"Effect": "Allow", "Action": "*", "Resource": "*"})
            )
            .await
        ),
        mutation!(
            Some(7),
            "a further inline policy allows all of S3 on one bucket",
            &["iam-actions"],
            |stack| {
                allow(
                stack,
                TASK,
                json!({"Effect": "Allow", "Action": "S3:*", "Resource": "arn:aws:s3:::berthcare-photos-staging/*"})
            )
            .await;
            }
        ),
        mutation!(
            Some(7),
            "a further inline policy reads every secret",
            &["iam-resources", "iam-master-secret"],
            |stack| {
                allow(
                stack,
                EXECUTION,
                json!([{"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": ["*"]}])
            )
            .await;
            }
        ),
        mutation!(
            Some(7),
            "the task role reads the master secret, as the tag of RDS names it",
            &["iam-master-secret"],
            |stack| {
                allow(
                    stack,
                    TASK,
                    json!({"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"],
                        "Resource": ["arn:aws:secretsmanager:ca-central-1:123456789012:secret:rds!db-*"],
                        "Condition": {"StringEquals": {"secretsmanager:ResourceTag/aws:rds:primaryDBInstanceArn":
                            "arn:aws:rds:ca-central-1:123456789012:db:berthcare-staging-postgres"}}}),
                )
                .await;
            }
        ),
        mutation!(
            Some(7),
            "a further inline policy allows all but IAM",
            &["iam-actions", "iam-resources", "iam-master-secret"],
            |stack| allow(
                stack,
                EXECUTION,
                json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})
            )
            .await
        ),
        mutation!(
            Some(7),
            "a further inline policy hands out any role",
            &["iam-resources"],
            |stack| {
                allow(
                stack,
                TASK,
                json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::123456789012:role/*"})
            )
            .await;
            }
        ),
        mutation!(
            Some(7),
            "AdministratorAccess is attached to the task role",
            &["iam-managed-policies", "iam-master-secret"],
            |stack| attach(stack, TASK, "arn:aws:iam::aws:policy/AdministratorAccess").await
        ),
        mutation!(
            Some(7),
            "AmazonS3FullAccess is attached to the execution role",
            &["iam-managed-policies"],
            |stack| attach(
                stack,
                EXECUTION,
                "arn:aws:iam::aws:policy/AmazonS3FullAccess"
            )
            .await
        ),
        mutation!(
            Some(7),
            "a policy of the account whose second version allows everything is attached",
            &["iam-actions", "iam-resources", "iam-master-secret"],
            |stack| {
                let iam = &stack.clients.iam;
                let harmless = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow",
                    "Action": "s3:GetObject", "Resource": "arn:aws:s3:::berthcare-photos-staging/*"}});
                let made = iam.create_policy().policy_name("extra");
                let made = made.policy_document(harmless.to_string()).send().await;
                let arn = made.expect("a policy").policy.and_then(|policy| policy.arn);
                let arn = arn.expect("its ARN");
                let all = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*:*",
                    "Resource": "*"}});
                let version = iam.create_policy_version().policy_arn(&arn);
                let version = version
                    .policy_document(all.to_string())
                    .set_as_default(true);
                version.send().await.expect("a version");
                attach(stack, MONITORING, &arn).await;
            }
        ),
        mutation!(
            Some(7),
            "the policy of the execution role is deleted",
            &["iam-permissions"],
            |stack| {
                let delete = stack.clients.iam.delete_role_policy();
                let delete = delete
                    .role_name(stack.state.called(EXECUTION))
                    .policy_name("start-tasks");
                delete.send().await.expect("deleted");
            }
        ),
        mutation!(
            Some(7),
            "the task role may not write photos",
            &["iam-permissions"],
            |stack| {
                let photos = stack.state.called("berthcare-photos-staging");
                let photos = format!("arn:aws:s3:::{photos}/*");
                let denied =
                    json!({"Effect": "Deny", "Action": "s3:PutObject", "Resource": photos});
                allow(stack, TASK, denied).await;
            }
        ),
        mutation!(
            Some(7),
            "the database may not write its monitoring",
            &["iam-permissions"],
            |stack| {
                let detach = stack
                    .clients
                    .iam
                    .detach_role_policy()
                    .role_name(stack.state.called(MONITORING));
                let arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole";
                detach.policy_arn(arn).send().await.expect("detached");
            }
        ),
    ]
}

/// Ways of breaking the account's own settings.
pub(crate) fn of_account() -> Vec<Mutation> {
    vec![
        mutation!(
            None,
            "a user with a password has no second factor",
            &["account-console-mfa"],
            |stack| {
                let iam = &stack.clients.iam;
                iam.create_user()
                    .user_name("bob")
                    .send()
                    .await
                    .expect("a user");
                let password = iam.create_login_profile().user_name("bob");
                let password = password.password("hunter2hunter2").send().await;
                password.expect("a password");
            }
        ),
        mutation!(
            None,
            "passwords may have eight characters",
            &["account-password-policy"],
            |stack| least(stack, 8).await
        ),
        mutation!(
            None,
            "the password policy is deleted",
            &["account-password-policy"],
            |stack| {
                let delete = stack.clients.iam.delete_account_password_policy();
                delete.send().await.expect("deleted");
            }
        ),
        mutation!(
            None,
            "CloudTrail is stopped",
            &["account-cloudtrail"],
            |stack| {
                let stop = stack.clients.cloudtrail.stop_logging().name(TRAIL);
                stop.send().await.expect("stopped");
            }
        ),
        mutation!(
            None,
            "the trail is of one region",
            &["account-cloudtrail"],
            |stack| {
                let update = stack.clients.cloudtrail.update_trail().name(TRAIL);
                let update = update.is_multi_region_trail(false);
                update.send().await.expect("a trail");
            }
        ),
        mutation!(
            None,
            "the trail is deleted",
            &["account-cloudtrail"],
            |stack| {
                let delete = stack.clients.cloudtrail.delete_trail().name(TRAIL);
                delete.send().await.expect("deleted");
            }
        ),
        mutation!(
            None,
            "the trail records reading alone",
            &["account-cloudtrail"],
            |stack| {
                let reading = aws_sdk_cloudtrail::types::EventSelector::builder()
                    .read_write_type(aws_sdk_cloudtrail::types::ReadWriteType::ReadOnly)
                    .include_management_events(true)
                    .build();
                let put = stack.clients.cloudtrail.put_event_selectors();
                let put = put.trail_name(TRAIL).event_selectors(reading);
                put.send().await.expect("selectors");
            }
        ),
        // The emulator takes the second factor of any user for root's.
        mutation!(
            None,
            "the second factors are taken away",
            &["account-root-mfa", "account-console-mfa"],
            |stack| {
                let iam = &stack.clients.iam;
                let devices = iam.list_mfa_devices().user_name(ADA).send().await;
                for device in devices.expect("devices").mfa_devices {
                    let off = iam.deactivate_mfa_device().user_name(ADA);
                    let off = off.serial_number(device.serial_number).send().await;
                    off.expect("off");
                }
            }
        ),
    ]
}

pub(crate) const ELSEWHERE: &[ByUnitTest] = &[ByUnitTest {
    name: "a policy that allows all of S3 is on the second page",
    item: Some(7),
    breaks: &["iam-actions"],
    test: "policies_on_the_second_page_and_default_versions_count",
}];

pub(crate) const ACCOUNT_ELSEWHERE: &[ByUnitTest] = &[ByUnitTest {
    name: "the root user has access keys",
    item: None,
    breaks: &["account-root-keys"],
    test: "root_is_judged_by_what_iam_says",
}];

/// Checks that say only where to look: nothing breaks them.
pub(crate) const NOT_ASKED: [&str; 3] = [
    "account-guardduty",
    "account-config",
    "account-code-secrets",
];

#[tokio::test]
async fn each_way_of_breaking_a_role_is_noticed() {
    show(mutations()).await;
}

#[tokio::test]
async fn each_way_of_breaking_the_account_is_noticed() {
    show(of_account()).await;
}
