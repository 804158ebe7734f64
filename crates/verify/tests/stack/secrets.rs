//! The secrets that terraform makes, and ways of breaking them.

use crate::Stack;
use crate::database::another_key;
use crate::mutation::{ByUnitTest, Mutation};
use futures::FutureExt as _;
use local_aws::stack::secrets::{APPLICATION, id, put};
use serde_json::{Value, json};

const CONNECTION: &str = "module.database.aws_secretsmanager_secret.connection";

const REDIS: &str = "module.cache";

/// Changes fields of a secret's value.
async fn edit(stack: &Stack, module: &str, change: impl FnOnce(&mut Value)) {
    let id = id(stack, module);
    let value = stack.clients.secrets.get_secret_value().secret_id(&id);
    let value = value.send().await.expect("a value").secret_string;
    let mut value = serde_json::from_str(&value.expect("a text")).expect("JSON");
    change(&mut value);
    put(stack, &id, &value.to_string()).await;
}

pub(crate) fn mutations() -> Vec<Mutation> {
    let it = |name, breaks, apply| Mutation {
        name,
        item: Some(10),
        breaks,
        apply,
    };
    vec![
        it(
            "Redis's secret is deleted",
            &[
                "secrets-exist",
                "secrets-key",
                "secrets-shape",
                "secrets-address",
                "secrets-outsiders",
                "tags-secrets",
                "residency-secrets",
            ],
            |stack| {
                async move {
                    let gone = stack.clients.secrets.delete_secret();
                    let gone = gone.secret_id(id(stack, REDIS));
                    let gone = gone.force_delete_without_recovery(true).send().await;
                    gone.expect("a deletion");
                }
                .boxed()
            },
        ),
        it(
            "everybody may read the application's secret",
            &["secrets-outsiders"],
            |stack| {
                async move {
                    let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow",
                        "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}});
                    let open = stack.clients.secrets.put_resource_policy();
                    let open = open.secret_id(id(stack, APPLICATION));
                    let open = open.resource_policy(policy.to_string()).send().await;
                    open.expect("a policy");
                }
                .boxed()
            },
        ),
        it(
            "the connection's secret is scheduled for deletion",
            &[
                "secrets-exist",
                "secrets-key",
                "secrets-shape",
                "secrets-address",
                "secrets-outsiders",
            ],
            |stack| {
                async move {
                    let gone = stack.clients.secrets.delete_secret();
                    let gone = gone.secret_id(id(stack, CONNECTION));
                    gone.recovery_window_in_days(7)
                        .send()
                        .await
                        .expect("a deletion");
                }
                .boxed()
            },
        ),
        it("a secret is under another key", &["secrets-key"], |stack| {
            async move {
                let key = another_key(stack).await;
                let change = stack.clients.secrets.update_secret();
                let change = change.secret_id(id(stack, REDIS));
                change.kms_key_id(key).send().await.expect("a change");
            }
            .boxed()
        }),
        it("Redis's secret has no token", &["secrets-shape"], |stack| {
            edit(stack, REDIS, |value| {
                value.as_object_mut().expect("fields").remove("auth_token");
            })
            .boxed()
        }),
        it(
            "the name of the database is empty in its secret",
            &["secrets-shape"],
            |stack| {
                edit(stack, CONNECTION, |value| {
                    value["dbname"] = json!("");
                })
                .boxed()
            },
        ),
        it(
            "the connection's secret leads to another database",
            &["secrets-address"],
            |stack| {
                edit(stack, CONNECTION, |value| {
                    value["host"] = json!("old.example.ca");
                })
                .boxed()
            },
        ),
        it(
            "the application has the name of the master user",
            &["secrets-address"],
            |stack| {
                edit(stack, APPLICATION, |value| {
                    value["username"] = json!(stack.state.called("berthcare_admin"));
                })
                .boxed()
            },
        ),
        it(
            "the application's secret has no password",
            &["secrets-shape"],
            |stack| {
                edit(stack, APPLICATION, |value| {
                    value.as_object_mut().expect("fields").remove("password");
                })
                .boxed()
            },
        ),
        it(
            "Redis's secret has another port",
            &["secrets-address"],
            |stack| edit(stack, REDIS, |value| value["port"] = json!(6380)).boxed(),
        ),
    ]
}

/// What the local AWS does not show.
pub(crate) const ELSEWHERE: &[ByUnitTest] = &[
    ByUnitTest {
        name: "the master password's rotation is off",
        item: Some(10),
        breaks: &["secrets-rotation"],
        test: "a_secret_that_is_not_rotated_or_not_in_sync_is_noticed",
    },
    ByUnitTest {
        name: "a secret's copy in another region is not in sync",
        item: Some(10),
        breaks: &["secrets-replicas"],
        test: "a_secret_that_is_not_rotated_or_not_in_sync_is_noticed",
    },
    ByUnitTest {
        name: "a secret's value is no JSON",
        item: Some(10),
        breaks: &["secrets-shape"],
        test: "a_value_is_told_by_its_fields_alone",
    },
];

#[tokio::test]
async fn every_way_of_breaking_a_secret_is_noticed() {
    crate::mutation::show(mutations()).await;
}
