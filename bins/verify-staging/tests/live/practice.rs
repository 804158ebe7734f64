//! docs/local-aws.md on the environment to practise on, followed literally: right, and then broken.

use std::path::Path;

use local_aws::stack::Practice;
use local_aws::{LocalAws, Rds, RdsData, RdsOptions};
use tokio::process::Command;

const PAGE: &str = include_str!("../../../../docs/local-aws.md");
const HEADING: &str = "## An environment to practise on";

/// The commands of the section's console blocks, but for the one that opens a shell.
fn commands() -> Vec<&'static str> {
    let (_, section) = PAGE.split_once(HEADING).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let (_, run) = section
        .split_once("exec --stack practice -- bash\n")
        .unwrap();
    run.lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_practice_environment_is_right_and_is_seen_broken_as_the_page_says() {
    let builder = LocalAws::builder().rds(RdsOptions {
        data: RdsData::WhereInstalled,
        ..RdsOptions::default()
    });
    let Some(aws) = builder.start_or_skip().await.unwrap() else {
        return;
    };
    if let Some(why) = aws.rds().and_then(Rds::data_missing) {
        eprintln!("skipped: {why}");
        return;
    }
    let cli = Command::new("aws").arg("--version").output().await;
    if !cli.is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: the page breaks things by the AWS CLI, which is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let practice = folder.path().join("practice");
    let begun = Practice::begin(&practice).unwrap();
    begun.build(&aws).await.unwrap();
    assert!(Practice::begin(&practice).is_err(), "a second one");
    let program = Path::new(env!("CARGO_BIN_EXE_verify-staging"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let script = format!("set -ex\n{}\n", commands().join("\n"));
    let mut bash = Command::new("bash");
    for name in local_aws::REMOVED_VARIABLES {
        bash.env_remove(name);
    }
    let bash = bash
        .args(["-c", &script])
        .env("PATH", path)
        .envs(aws.environment());
    let ended = bash.current_dir(folder.path()).output().await.unwrap();
    let told = [ended.stdout, ended.stderr].concat();
    let told = String::from_utf8(told).unwrap();
    assert!(ended.status.success(), "{told}");
    for part in [
        "0 found, 0 unknown",
        "Done, and looked at afterwards",
        "the credentials of the secret are accepted",
        "s3-encryption (high)",
        "was ok, is wrong now",
        "next: init-backend unlock 8f1c7d0e",
        "Cost of a month, from a live account",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
