//! Root modules beside a failover that does not make their state ready.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use local_aws::{Fault, FaultKind};
use serde_json::Value;

use crate::failover::{BUCKET, DR_BUCKET, KEY, lock, put, state};
use crate::stage::{DR, PRIMARY, Ran, Stage};

/// No root is turned here, so that nothing but its version is asked of it.
const TERRAFORM: &str = "#!/bin/sh\necho '{\"terraform_version\": \"1.11.4\"}'\n";

pub(crate) fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("a folder");
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(path, text).expect("written");
}

async fn stage_with_root(key: &str) -> Option<Stage> {
    let stage = stage_with_terraform().await?;
    put(&stage, DR, DR_BUCKET, KEY, state(3, "")).await;
    let code = format!("terraform {{\n  backend \"s3\" {{\n    key = \"{key}\"\n  }}\n}}\n");
    write(&stage.path("root/main.tf"), &code);
    Some(stage)
}

pub(crate) async fn stage_with_terraform() -> Option<Stage> {
    let stage = Stage::open().await?;
    stage.apply().await.exits(0);
    let program = stage.path("bin/terraform");
    write(&program, TERRAFORM);
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("it may be run");
    Some(stage)
}

async fn failover(stage: &Stage, arguments: &[&str]) -> Ran {
    let all = [&["failover", "--dir", "root"], arguments].concat();
    with_terraform(stage, &all).await
}

pub(crate) async fn with_terraform(stage: &Stage, all: &[&str]) -> Ran {
    let path = std::env::var("PATH").expect("a path");
    let path = format!("{}:{path}", stage.path("bin").display());
    let ran = stage.run_with(all, |command| {
        command.env("PATH", path);
    });
    ran.await
}

/// The dry run and the run itself end alike, and say the same of the root.
async fn stays(stage: &Stage, exit: i32, reason: &str, text: &str) -> Value {
    let dry = failover(stage, &["--dry-run"]).await.exits(exit).stdout();
    assert!(dry.contains(text), "{text}: {dry}");
    let planned = ["--dry-run", "--output", "json"];
    let planned = failover(stage, &planned).await.exits(exit).json();
    assert_eq!(
        planned["roots"][0]["stays"]["reason"], reason,
        "{planned:#}"
    );
    let done = ["--yes", "--output", "json"];
    let done = failover(stage, &done).await.exits(exit).json();
    let failed = done["roots"][0]["failed"].clone();
    assert_eq!(failed["step"], "state", "{done:#}");
    let error = failed["error"].as_str().expect("a text");
    assert!(error.contains("was not made ready"), "{error}");
    assert!(error.contains(text), "{text}: {error}");
    assert!(!stage.path("root/dr.s3.tfbackend").exists());
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn root_without_a_state_in_the_dr_region_stays_and_says_so() {
    let Some(stage) = stage_with_root("net/terraform.tfstate").await else {
        return;
    };
    stays(&stage, 1, "no-state", "it has no state in us-east-1").await;
    // Where nobody could list the states, it may have one.
    let denied = Fault::new(FaultKind::Denied).service("s3");
    stage.aws.add_fault(denied.operation("ListObjectsV2"));
    stays(&stage, 3, "unknown", "S3 ListObjectsV2").await;
}

/// Where the settings' endpoints stand in for AWS's, as in a drill, a root is judged as on the day itself.
// aws-behaviour: 5
#[tokio::test(flavor = "multi_thread")]
async fn root_whose_code_leads_to_an_endpoint_is_refused_on_a_local_aws_as_well() {
    let Some(stage) = stage_with_root(KEY).await else {
        return;
    };
    let with = |arguments: &str| {
        let code = format!(
            "terraform {{\n  backend \"s3\" {{\n    key = \"{KEY}\"\n    {arguments}\n  }}\n}}\n"
        );
        write(&stage.path("root/main.tf"), &code);
    };
    let lost = "https://s3.ca-central-1.amazonaws.com";
    for (argument, value) in [
        ("endpoints", format!("{{ s3 = \"{lost}\" }}")),
        ("endpoints", "{ dynamodb = var.endpoint }".to_owned()),
        ("endpoint", format!("\"{lost}\"")),
        ("dynamodb_endpoint", format!("\"{lost}\"")),
        ("iam_endpoint", format!("\"{lost}\"")),
        ("sts_endpoint", format!("\"{lost}\"")),
        ("sts_region", "\"ca-central-1\"".to_owned()),
    ] {
        with(&format!("{argument} = {value}"));
        let refused = failover(&stage, &["--yes"]).await.exits(2).stderr();
        let told = format!("`{argument}` in the backend block of root stays as it is");
        assert!(refused.contains(&told), "{refused}");
        assert!(!stage.path("root/dr.s3.tfbackend").exists(), "{argument}");
    }
    // These lead where the region does, which is that of the configuration file.
    for arguments in [
        "profile = \"ops\"",
        "role_arn = \"arn:aws:iam::111122223333:role/terraform\"",
        "assume_role = { role_arn = \"arn:aws:iam::111122223333:role/terraform\" }",
        "skip_region_validation = true\n    skip_metadata_api_check = true",
        "region = \"ca-central-1\"\n    bucket = \"berthcare-terraform-state\"",
        "dynamodb_table = \"berthcare-terraform-locks\"\n    max_retries = 3",
    ] {
        with(arguments);
        failover(&stage, &["--dry-run"]).await.exits(0);
    }
    let variables = [
        "AWS_S3_ENDPOINT",
        "AWS_DYNAMODB_ENDPOINT",
        "AWS_IAM_ENDPOINT",
        "AWS_STS_ENDPOINT",
    ];
    for variable in variables {
        let path = std::env::var("PATH").expect("a path");
        let path = format!("{}:{path}", stage.path("bin").display());
        let refused = stage.run_with(&["failover", "--dir", "root", "--yes"], |command| {
            command.env("PATH", path).env(variable, lost);
        });
        let refused = refused.await.exits(2).stderr();
        assert!(refused.contains(variable), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn root_whose_state_is_unknown_ends_with_unknown() {
    let Some(stage) = stage_with_root(KEY).await else {
        return;
    };
    let denied = Fault::new(FaultKind::Denied).service("s3");
    stage.aws.add_fault(denied.operation("GetObject"));
    let without = stage.run(&["failover", "--yes"]).await;
    without.exits(3);
    stays(&stage, 3, "unknown", "S3 GetObject").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn root_whose_state_is_locked_stays_and_hints_at_the_lock() {
    let Some(stage) = stage_with_root(KEY).await else {
        return;
    };
    let object = format!("{KEY}.tflock");
    put(&stage, DR, DR_BUCKET, &object, lock("3333")).await;
    let failed = stays(&stage, 4, "left", "jo@laptop").await;
    let commands = failed["commands"].as_array().expect("commands");
    assert_eq!(commands.len(), 1, "{commands:?}");
    let command = commands[0].as_str().expect("a command");
    assert!(command.starts_with("init-backend unlock 3333"), "{command}");
}

/// Of several commands one is to be chosen: all of them are told, for the root as for its state.
#[tokio::test(flavor = "multi_thread")]
async fn root_whose_state_is_to_be_chosen_names_every_choice() {
    let Some(stage) = stage_with_root(KEY).await else {
        return;
    };
    put(&stage, PRIMARY, BUCKET, KEY, state(4, "")).await;
    let s3 = stage.clients(DR).await.s3;
    let gone = s3.delete_object().bucket(DR_BUCKET).key(KEY).send();
    gone.await.expect("deleted");
    let failback = ["failback", "--dir", "root", "--yes"];
    let json = [&failback[..], &["--output", "json"]].concat();
    let left = with_terraform(&stage, &json).await.exits(1).json();
    let choices = left["states"][0]["left"]["commands"].clone();
    assert_eq!(choices.as_array().map(Vec::len), Some(2), "{left:#}");
    assert_eq!(left["roots"][0]["failed"]["commands"], choices);
    let shown = with_terraform(&stage, &failback).await.exits(1).stdout();
    for choice in ["--bring-back", "--stay-deleted"] {
        // In the plan and after it for the state, and for its root.
        assert_eq!(shown.matches(choice).count(), 3, "{choice}: {shown}");
    }
}

/// One folder under several names is one root.
#[tokio::test(flavor = "multi_thread")]
async fn folder_given_twice_is_one_root_and_is_said_to_be() {
    let Some(stage) = stage_with_root(KEY).await else {
        return;
    };
    std::os::unix::fs::symlink("root", stage.path("link")).expect("a link");
    let twice = ["--dir", "./root/", "--dir", "link", "--dry-run"];
    let ran = failover(&stage, &[&twice[..], &["--output", "json"]].concat()).await;
    let ran = ran.exits(0);
    for name in ["./root/", "link"] {
        let told = format!("note: {name} is the folder root, which is turned once");
        assert!(ran.stderr().contains(&told), "{}", ran.stderr());
    }
    let roots = ran.json()["roots"].clone();
    assert_eq!(roots.as_array().map(Vec::len), Some(1), "{roots:#}");
    // Another folder of the same state is another matter.
    let code = std::fs::read_to_string(stage.path("root/main.tf")).expect("there");
    write(&stage.path("other/main.tf"), &code);
    let refused = failover(&stage, &["--dir", "other", "--dry-run"]).await;
    let refused = refused.exits(2).stderr();
    assert!(refused.contains("would both have the state"), "{refused}");
}
