//! The roles and their policies.

use super::Stack;
use aws_sdk_iam::types::Tag;

pub(crate) async fn build(stack: &mut Stack) {
    let iam = stack.clients.iam.clone();
    for role in stack.state.of("aws_iam_role") {
        let name = role.text("name").to_owned();
        let tags = role.tags().into_iter().map(|(key, value)| {
            let tag = Tag::builder().key(key).value(value);
            tag.build().expect("a tag")
        });
        let made = iam
            .create_role()
            .role_name(&name)
            .description(role.text("description"))
            .assume_role_policy_document(role.text("assume_role_policy"))
            .set_tags(Some(tags.collect()))
            .send()
            .await
            .expect("a role")
            .role
            .expect("what was made");
        stack.state.became(&role, "arn", made.arn);
        stack.state.became(&role, "id", name);
    }
    for policy in stack.state.of("aws_iam_role_policy") {
        put(
            stack,
            policy.text("role"),
            policy.text("name"),
            policy.text("policy"),
        )
        .await;
    }
    for attachment in stack.state.of("aws_iam_role_policy_attachment") {
        attach(
            stack,
            attachment.text("role"),
            attachment.text("policy_arn"),
        )
        .await;
    }
}

/// What nobody's Terraform code has: the account's own settings, as they should be.
pub(crate) async fn account(stack: &mut Stack) {
    let iam = &stack.clients.iam;
    iam.create_user()
        .user_name(ADA)
        .send()
        .await
        .expect("a user");
    let password = iam.create_login_profile().user_name(ADA);
    let password = password.password("correct horse battery").send().await;
    password.expect("a password");
    let device = iam.create_virtual_mfa_device();
    let device = device.virtual_mfa_device_name(ADA).send().await;
    let device = device.expect("a device").virtual_mfa_device;
    let enable = iam
        .enable_mfa_device()
        .user_name(ADA)
        .serial_number(device.expect("a device").serial_number)
        .authentication_code1("123456")
        .authentication_code2("234567");
    enable.send().await.expect("a second factor");
    least(stack, 14).await;
    let bucket = stack.clients.s3.create_bucket().bucket(TRAIL);
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder();
    let place = place.location_constraint("ca-central-1".into()).build();
    let bucket = bucket.create_bucket_configuration(place).send().await;
    bucket.expect("a bucket");
    let trail = stack.clients.cloudtrail.create_trail().name(TRAIL);
    let trail = trail.s3_bucket_name(TRAIL).is_multi_region_trail(true);
    trail.send().await.expect("a trail");
    let log = stack.clients.cloudtrail.start_logging().name(TRAIL);
    log.send().await.expect("logging");
}

/// Name of the trail, and of its bucket.
pub const TRAIL: &str = "organization-trail";

/// Name of a user.
pub const ADA: &str = "ada";

/// The least length of a password.
pub async fn least(stack: &Stack, length: i32) {
    let update = stack.clients.iam.update_account_password_policy();
    let update = update.minimum_password_length(length).send().await;
    update.expect("a password policy");
}

/// Puts an inline policy of a role.
pub async fn put(stack: &Stack, role: &str, name: &str, policy: &str) {
    let put = stack.clients.iam.put_role_policy();
    let put = put.role_name(stack.state.called(role)).policy_name(name);
    let policy = stack.state.called(policy);
    put.policy_document(policy).send().await.expect("a policy");
}

/// Attaches a managed policy to a role.
pub async fn attach(stack: &Stack, role: &str, arn: &str) {
    let attach = stack.clients.iam.attach_role_policy();
    let attach = attach.role_name(stack.state.called(role)).policy_arn(arn);
    attach.send().await.expect("an attachment");
}
