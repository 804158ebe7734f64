//! The key of the stack.

use super::Stack;
use aws_sdk_kms::types::{GrantOperation, Tag};

pub(crate) async fn build(stack: &mut Stack) {
    let key = stack.state.one("aws_kms_key", "module.security");
    let tags = key.tags().into_iter().map(|(name, value)| {
        let tag = Tag::builder().tag_key(name).tag_value(value);
        tag.build().expect("a tag")
    });
    let made = stack
        .clients
        .kms
        .create_key()
        .description(key.text("description"))
        .policy(key.text("policy"))
        .set_tags(Some(tags.collect()))
        .send()
        .await
        .expect("a key")
        .key_metadata
        .expect("what was made");
    if key.flag("enable_key_rotation") {
        let rotation = stack.clients.kms.enable_key_rotation();
        let rotation = rotation.key_id(&made.key_id).send().await;
        rotation.expect("rotation");
    }
    stack.state.became(&key, "arn", made.arn.expect("an ARN"));
    stack.state.became(&key, "id", &made.key_id);
    stack.state.became(&key, "key_id", &made.key_id);
    // Services that use a key for longer than a call make themselves a grant.
    let grant = stack.clients.kms.create_grant().key_id(&made.key_id);
    let grant = grant.grantee_principal("rds.ca-central-1.amazonaws.com");
    let grant = grant.operations(GrantOperation::Decrypt).send().await;
    grant.expect("a grant");
    let alias = stack.state.one("aws_kms_alias", "module.security");
    stack
        .clients
        .kms
        .create_alias()
        .alias_name(alias.text("name"))
        .target_key_id(alias.text("target_key_id"))
        .send()
        .await
        .expect("an alias");
}
