//! The policies of docs/iam for this program, with what terraform calls for its state and locks: each holds what the commands call
//! and nothing else, and where one of its actions is missing, somebody names it.

use local_aws::{Fault, FaultKind, LogEntry};

use crate::policies;
use crate::stage::{Ended, Stage, stage};

/// A policy and the commands that it is for, each with its exit code.
struct Policy {
    /// Of its file.
    name: &'static str,
    commands: &'static [(&'static [&'static str], i32)],
}

/// S3 encrypts and decrypts for the caller.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>
const OBJECTS: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey"];

/// Where the lock may not be written, terraform tries for as long as this.
const LOCK: &str = "--lock-timeout=1s";

const CHECK: Policy = Policy {
    name: "deploy-staging-check",
    commands: &[(&["check"], 0)],
};

const APPLY: Policy = Policy {
    name: "deploy-staging-apply",
    commands: &[
        (&["plan", LOCK], 0),
        (&["apply", "--yes", LOCK], 0),
        (&["status"], 0),
        (&["destroy", "--confirm", "staging", LOCK], 0),
    ],
};

async fn run(stage: &Stage, arguments: &[&str]) -> Ended {
    stage
        .run(&[arguments, &["--chdir", "stack"]].concat())
        .await
}

/// Whether the action is named when AWS refuses it: by this program, or the operation by terraform.
async fn is_named(policy: &Policy, log: &[LogEntry], action: &str) -> Option<bool> {
    let stage = Stage::open().await?;
    let refused = policies::refused_without(log, action);
    for (service, operation) in &refused {
        let fault = Fault::new(FaultKind::Denied).service(service);
        stage.aws.add_fault(fault.operation(operation));
    }
    for (arguments, _) in policy.commands {
        let ended = run(&stage, arguments).await;
        let said = [&*ended.stdout, &ended.stderr].concat();
        let operations = refused.iter().map(|(_, operation)| operation.as_str());
        if operations.chain([action]).any(|what| said.contains(what)) {
            return Some(true);
        }
    }
    Some(false)
}

async fn holds(policy: &Policy) {
    let stage = stage!(Stage::open());
    stage.aws.clear_log();
    for (arguments, code) in policy.commands {
        let ended = run(&stage, arguments).await;
        let told = [&*ended.stdout, &ended.stderr].concat();
        assert_eq!(ended.code, Some(*code), "{arguments:?}: {told}");
    }
    let log = stage.aws.log();
    let made = policies::policy(&log, OBJECTS, &[]);
    let written = policies::hold(policy.name, &made).unwrap();
    let mut silent = Vec::new();
    for action in policies::taken_away(&written).unwrap() {
        if is_named(policy, &log, &action).await == Some(false) {
            silent.push(action);
        }
    }
    assert!(silent.is_empty(), "refused and not named: {silent:?}");
    assert!(policies::is_listed(policy.name).unwrap(), "{}", policy.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn checking_needs_its_policy() {
    holds(&CHECK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_needs_its_policy() {
    holds(&APPLY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_next_is_asked_with_the_policy_of_checks() {
    let stage = stage!(Stage::open());
    for arguments in [&["plan"][..], &["apply", "--yes"]] {
        stage.ends(0, arguments).await;
    }
    stage.aws.clear_log();
    stage.ends(1, &["next"]).await;
    let asked = policies::called(&policies::policy(&stage.aws.log(), &[], &[])).unwrap();
    let path = policies::folder().join("verify-staging-check.json");
    let written = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let allowed = policies::called(&written).unwrap();
    let lacks: Vec<_> = asked.difference(&allowed).collect();
    // Terraform looks for its state.
    assert_eq!(lacks, ["s3:ListBucket"]);
}
