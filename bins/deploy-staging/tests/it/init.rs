//! `init`: the first settings, from the guide's files, from an environment that was applied, and from a root by another hand.

use std::fs;
use std::path::Path;

use settings::Settings;

use crate::stage::{Stage, stage};

fn settings(text: &str) -> Settings {
    Settings::parse(text, jiff::civil::date(2026, 11, 22))
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Where the line of a field comes from.
fn from(drafted: &serde_json::Value, field: &str) -> String {
    let lines = drafted["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["field"] == field);
    line.unwrap_or_else(|| panic!("{field}: {drafted:#}"))["from"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn init_of_the_guides_files_writes_settings_that_are_read() {
    let stage = stage!(Stage::bare());
    stage.write(
        "guide/main.tf",
        "terraform {\n  backend \"s3\" {\n    bucket = \"berthcare-terraform-state\"\n    key = \"staging/terraform.tfstate\"\n    \
         region = \"ca-central-1\"\n    encrypt = true\n    dynamodb_table = \"berthcare-terraform-locks\"\n  }\n}\n",
    );
    stage.write(
        "guide/terraform.tfvars",
        "project_name = \"berthcare\"\nenvironment = \"staging\"\naws_region = \"ca-central-1\"\n",
    );
    let init = [
        "init",
        "--chdir",
        "guide",
        "--config",
        "first.toml",
        "--output",
        "json",
    ];
    let shown = stage.run(&[&init[..], &["--dry-run"]].concat()).await;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(!stage.path("first.toml").exists());
    let ended = stage.run(&init).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let drafted = ended.json();
    assert_eq!(from(&drafted, "project"), "terraform.tfvars");
    assert_eq!(from(&drafted, "state.bucket"), "the backend block");
    assert_eq!(from(&drafted, "account"), "the credentials");
    let written = settings(&fs::read_to_string(stage.path("first.toml")).unwrap());
    assert_eq!(written.regions.dr.as_str(), "ca-west-1");
    assert!(written.state.locking.dynamodb && !written.state.locking.s3);
    // What is there is somebody's.
    assert_eq!(stage.run(&init).await.code, Some(4));
    let abroad = [
        "init",
        "--chdir",
        "guide",
        "--config",
        "second.toml",
        "--dr",
        "us-east-1",
    ];
    let refused = stage.run(&abroad).await;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("data would leave the country"),
        "{}",
        refused.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn init_of_an_environment_that_was_set_up_takes_what_terraform_remembers() {
    let stage = stage!(Stage::open());
    stage.ends(0, &["plan"]).await;
    let init = ["init", "--config", "first.toml", "--output", "json"];
    let drafted = stage.ends(0, &init).await.json();
    assert_eq!(from(&drafted, "state.bucket"), "the last terraform init");
    assert!(
        from(&drafted, "project").starts_with("assumed"),
        "{drafted:#}"
    );
    let written = settings(&fs::read_to_string(stage.path("first.toml")).unwrap());
    assert_eq!(written.state.bucket.as_str(), "bc-state");
    assert!(written.state.locking.s3);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_of_the_environments_and_of_a_root_by_another_hand() {
    let stage = stage!(Stage::bare());
    let environments = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform/environments");
    let staging = environments.join("staging");
    stage.write(
        "other/backend.tf.json",
        r#"{"terraform": {"backend": {"s3": {"bucket": "acme-state", "key": "shop/prod.tfstate", "use_lockfile": true}}},
            "variable": {"region": {"default": "eu-central-1"}, "project": {"default": "shop"}}}"#,
    );
    let other = stage.path("other");
    for (folder, project, bucket) in [
        (&staging, "berthcare", "berthcare-terraform-state"),
        (&other, "shop", "acme-state"),
    ] {
        let folder = folder.to_str().unwrap();
        let mut arguments = vec!["init", "--dry-run", "--output", "json", "--chdir", folder];
        if project == "shop" {
            // Germany has one region of AWS.
            let exception = [
                "--dr",
                "eu-west-1",
                "--residency-reason",
                "the board has decided it",
            ];
            arguments.extend(exception);
            arguments.extend(["--approved-by", "Data officer", "--expires", "2027-06-30"]);
        }
        let ended = stage.run(&arguments).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let drafted = settings(ended.json()["text"].as_str().unwrap());
        assert_eq!(
            (
                drafted.project.to_string().as_str(),
                drafted.state.bucket.as_str()
            ),
            (project, bucket)
        );
    }
}
