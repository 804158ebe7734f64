//! The secrets that terraform makes.

use super::Stack;
use aws_sdk_secretsmanager::types::Tag;
use serde_json::{Value, json};

/// After database and Redis, whose addresses are in them.
pub(crate) async fn build(stack: &mut Stack) {
    for secret in stack.state.of("aws_secretsmanager_secret") {
        let tags = secret.tags().into_iter();
        let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
        let made = stack
            .clients
            .secrets
            .create_secret()
            .name(secret.text("name"))
            .description(secret.text("description"))
            .kms_key_id(secret.text("kms_key_id"))
            .set_tags(Some(tags.collect()))
            .send()
            .await
            .expect("a secret")
            .arn
            .expect("its ARN");
        stack.state.became(&secret, "arn", &made);
        stack.state.became(&secret, "id", made);
    }
    let outputs: Value = serde_json::from_slice(&stack.state.outputs()).expect("outputs");
    let password = &outputs["db_master_secret_arn"]["value"];
    for version in stack.state.of("aws_secretsmanager_secret_version") {
        let mut value: Value = serde_json::from_str(version.text("secret_string")).expect("JSON");
        // The schemas of the state do not tell it.
        if value.get("password_secret_arn").is_some() {
            value["password_secret_arn"] = password.clone();
        }
        put(stack, version.text("secret_id"), &value.to_string()).await;
    }
    // Terraform never has this value: somebody made the user with `verify-staging db-user`.
    let said = |name: &str| outputs[name]["value"].clone();
    let user = json!({"username": said("db_username"), "password": "made-by-nobody", "engine": "postgres",
        "host": said("db_address"), "port": said("db_port"), "dbname": said("db_name")});
    put(stack, &id(stack, APPLICATION), &user.to_string()).await;
}

/// The addresses of the secrets.
pub const APPLICATION: &str = "module.database.aws_secretsmanager_secret.application";

/// Puts the value of a secret.
pub async fn put(stack: &Stack, id: &str, value: &str) {
    let put = stack.clients.secrets.put_secret_value().secret_id(id);
    put.secret_string(value).send().await.expect("a value");
}

/// The ARN of the secret whose address has `module` in it.
pub fn id(stack: &Stack, module: &str) -> String {
    let secret = stack.state.one("aws_secretsmanager_secret", module);
    // `_version` is a type of its own.
    secret.text("arn").to_owned()
}
