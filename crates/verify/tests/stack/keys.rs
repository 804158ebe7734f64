//! The key of the stack.

use crate::mutation::{ByUnitTest, Mutation, show};
use aws_sdk_kms::types::GrantOperation;
use futures::FutureExt as _;
use local_aws::stack::network::id;

pub(crate) fn mutations() -> Vec<Mutation> {
    vec![
        Mutation {
            name: "the key is disabled",
            item: Some(9),
            breaks: &["kms-enabled"],
            apply: |stack| {
                async {
                    let (kms, key) = (&stack.clients.kms, id(stack, "kms_key_arn"));
                    let off = kms.disable_key().key_id(key).send().await;
                    off.expect("disabled");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the key waits for its deletion",
            item: Some(9),
            breaks: &["kms-enabled", "kms-rotation"],
            apply: |stack| {
                async {
                    let (kms, key) = (&stack.clients.kms, id(stack, "kms_key_arn"));
                    let gone = kms
                        .schedule_key_deletion()
                        .key_id(key)
                        .pending_window_in_days(7);
                    gone.send().await.expect("a date");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the key is not rotated",
            item: Some(9),
            breaks: &["kms-rotation"],
            apply: |stack| {
                async {
                    let (kms, key) = (&stack.clients.kms, id(stack, "kms_key_arn"));
                    let off = kms.disable_key_rotation().key_id(key).send().await;
                    off.expect("off");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the key is granted to another account",
            item: Some(9),
            breaks: &["kms-grants"],
            apply: |stack| {
                async {
                    let grant = stack.clients.kms.create_grant();
                    let grant = grant
                        .key_id(id(stack, "kms_key_arn"))
                        .grantee_principal("arn:aws:iam::444455556666:role/stranger")
                        .operations(GrantOperation::Decrypt);
                    grant.send().await.expect("a grant");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the key is rotated every seven years",
            item: Some(9),
            breaks: &["kms-rotation"],
            apply: |stack| {
                async {
                    let (kms, key) = (&stack.clients.kms, id(stack, "kms_key_arn"));
                    let on = kms
                        .enable_key_rotation()
                        .key_id(key)
                        .rotation_period_in_days(2560);
                    on.send().await.expect("a period");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the alias is deleted",
            item: Some(9),
            breaks: &["kms-alias"],
            apply: |stack| {
                async {
                    let alias = stack.state.one("aws_kms_alias", "security");
                    let gone = stack
                        .clients
                        .kms
                        .delete_alias()
                        .alias_name(alias.text("name"));
                    gone.send().await.expect("no alias");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the alias names another key",
            item: Some(9),
            breaks: &["kms-alias"],
            apply: |stack| {
                async {
                    let alias = stack.state.one("aws_kms_alias", "security");
                    let kms = &stack.clients.kms;
                    let other = kms.create_key().send().await.expect("a key");
                    let other = other.key_metadata.expect("what was made").key_id;
                    let moved = kms
                        .update_alias()
                        .alias_name(alias.text("name"))
                        .target_key_id(other);
                    moved.send().await.expect("another key");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the key's policy lets everybody decrypt",
            item: Some(9),
            breaks: &["kms-policy"],
            apply: |stack| {
                async {
                    let (kms, key) = (&stack.clients.kms, id(stack, "kms_key_arn"));
let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}]}"#; let put = kms.put_key_policy().key_id(key).policy(policy); put.send().await.expect("a policy");
                }
                .boxed()
            },
        },
        Mutation {
            name: "the key's policy lets another account in",
            item: Some(9),
            breaks: &["kms-policy"],
            apply: |stack| {
                async {
                    let (kms, key) = (&stack.clients.kms, id(stack, "kms_key_arn"));
let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::123456789012:root", "arn:aws:iam::444455556666:root"]}, "Action": "kms:*", "Resource": "*"}]}"#; let put = kms.put_key_policy().key_id(key).policy(policy); put.send().await.expect("a policy");
                }
                .boxed()
            },
        },
    ]
}

pub(crate) const ELSEWHERE: &[ByUnitTest] = &[
    ByUnitTest {
        name: "the key is gone",
        item: Some(9),
        breaks: &["kms-exists"],
        test: "a_key_that_is_gone_is_told_once",
    },
    ByUnitTest {
        name: "the key is AWS's own",
        item: Some(9),
        breaks: &["kms-customer-managed"],
        test: "a_key_of_aws_is_not_ours",
    },
];

#[tokio::test]
async fn each_way_of_breaking_the_key_is_noticed() {
    show(mutations()).await;
}
