//! `check`: each fault is told with its fix, and what nobody answered is unknown.

use local_aws::RegionState;
use serde_json::Value;

use crate::stage::{CODE, SETTINGS, Stage, VALUES, stage};

/// Status of the finding about `what`, whose resource contains `resource`.
fn status<'a>(checked: &'a Value, what: &str, resource: &str) -> Vec<&'a str> {
    let findings = checked["findings"].as_array().unwrap();
    findings
        .iter()
        .filter(|of| of["what"] == what && of["resource"].as_str().unwrap().contains(resource))
        .map(|of| of["status"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_of_a_ready_environment_is_fine() {
    let stage = stage!(Stage::open());
    let ended = stage.ends(0, &["check", "--output", "json"]).await;
    let checked = ended.json();
    assert_eq!(checked["kind"], "deployment-check");
    for what in [
        "terraform",
        "credentials",
        "state backend",
        "backend",
        "state",
    ] {
        assert_eq!(status(&checked, what, ""), ["ok"], "{what}: {checked:#}");
    }
    assert_eq!(status(&checked, "region", ""), ["ok", "ok"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_what_is_wrong_and_how_it_is_put_right() {
    let stage = stage!(Stage::bare());
    stage.write(
        "stack/terraform.tfvars",
        "alarm_emial = \"a@b.ca\"\nvpc_cidr = \"10.0.3.0/16\"\nenvironment = \"prod\"\n",
    );
    stage.write("stack/main.tf", &CODE.replace("backend \"s3\" {}", ""));
    stage.write("stack/errored.tfstate", "{}");
    let ended = stage.ends(1, &["check", "--output", "json"]).await;
    let checked = ended.json();
    for (what, resource) in [
        ("variable", "alarm_emial"),
        ("variable", "vpc_cidr"),
        ("backend", "stack"),
        ("state", "errored.tfstate"),
        ("state backend", "bc-state"),
    ] {
        assert_eq!(
            status(&checked, what, resource),
            ["wrong"],
            "{what} {resource}: {checked:#}"
        );
    }
    // Once as a name that the code does not have, once as another than that of the settings.
    assert_eq!(
        status(&checked, "variable", "environment"),
        ["wrong", "wrong"]
    );
    let told = stage.ends(1, &["check"]).await.stdout;
    for fix in [
        "did you mean alarm_email?",
        "init-backend apply",
        "deploy-staging resume",
    ] {
        assert!(told.contains(fix), "{fix}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_of_a_region_that_does_not_answer_is_unknown() {
    let stage = stage!(Stage::bare());
    stage.aws.set_region("ca-central-1", RegionState::Refuse);
    let ended = stage.ends(3, &["check", "--output", "json"]).await;
    let checked = ended.json();
    for what in ["credentials", "region", "state backend"] {
        assert_eq!(
            status(&checked, what, "")[0],
            "unknown",
            "{what}: {checked:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_refuses_an_account_that_is_not_the_settings() {
    let stage = stage!(Stage::bare());
    let settings = format!("account = \"111122223333\"\n{SETTINGS}");
    stage.write("infra.toml", &settings);
    stage.write("stack/terraform.tfvars", VALUES);
    let ended = stage.ends(1, &["check", "--output", "json"]).await;
    assert_eq!(status(&ended.json(), "account", ""), ["wrong"]);
}
