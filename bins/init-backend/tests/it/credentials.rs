//! Where credentials come from, and what is told when there are none.

use std::process::Command;

use local_aws::RegionState;

use crate::stage::Stage;

const CA_WEST: &str = include_str!("../../../../examples/berthcare-ca-west/infra.toml");

/// A profile that assumes a role, in files of the test's own.
fn use_role_profile(stage: &Stage, command: &mut Command) {
    let config = "[profile deploy]\nrole_arn = arn:aws:iam::000000000000:role/deploy\nsource_profile = keys\n\
                  region = us-east-1\n";
    let credentials = "[keys]\naws_access_key_id = test\naws_secret_access_key = test\n";
    for (name, variable, text) in [
        ("config", "AWS_CONFIG_FILE", config),
        ("credentials", "AWS_SHARED_CREDENTIALS_FILE", credentials),
    ] {
        std::fs::write(stage.path(name), text).expect("the file is written");
        command.env(variable, stage.path(name));
    }
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env_remove("AWS_SESSION_TOKEN")
        .env("AWS_PROFILE", "deploy");
}

// aws-behaviour: 41
#[tokio::test(flavor = "multi_thread")]
async fn status_with_a_role_profile_works_while_us_east_1_is_off() {
    let Some(stage) = Stage::with(CA_WEST).await else {
        return;
    };
    stage.apply().await.exits(0);
    stage.aws.set_region("us-east-1", RegionState::Refuse);
    stage.aws.clear_log();
    let told = stage
        .run_with(&["status", "--output", "json"], |command| {
            use_role_profile(&stage, command);
        })
        .await;
    // The role of the replication is IAM's, whose control plane is off: what it is like is not known.
    let status = told.exits(3).json();
    for side in status["sides"].as_array().expect("sides") {
        assert_eq!(side["health"], "ok", "{status:#}");
    }
    let assumed: Vec<String> = stage
        .aws
        .log()
        .into_iter()
        .filter(|entry| entry.operation == "AssumeRole")
        .filter_map(|entry| entry.region)
        .collect();
    for region in ["ca-central-1", "ca-west-1"] {
        assert!(assumed.iter().any(|asked| asked == region), "{assumed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_with_a_profile_that_is_not_there_names_it_and_the_others() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let told = stage
        .run_with(&["status"], |command| {
            use_role_profile(&stage, command);
            command.env("AWS_PROFILE", "nope");
        })
        .await
        .exits(2);
    let told = told.stderr();
    assert!(told.contains("\"nope\""), "{told}");
    assert!(
        told.contains("deploy") && told.contains("hint: set AWS_PROFILE"),
        "{told}"
    );
    assert_eq!(stage.aws.log().len(), 0);
}
