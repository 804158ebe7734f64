//! The policies of docs/iam for this program: each holds what its commands call in a whole environment and nothing else, and where
//! one of its actions is missing, they name it.

use std::collections::BTreeSet;

use local_aws::stack::Practice;
use local_aws::{Fault, FaultKind, LocalAws, RdsClock, RdsOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::certificates::Authority;
use crate::policies;

/// A policy and the commands that it is for, each with the codes with which it may end.
struct Policy {
    /// Of its file.
    name: &'static str,
    commands: &'static [(&'static [&'static str], &'static [i32])],
    /// What AWS does with the caller's permissions besides.
    implied: &'static [&'static str],
}

/// S3 and Secrets Manager decrypt for the caller.
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html>
const READS: &[&str] = &["kms:Decrypt"];
/// S3 encrypts for the caller as well.
const WRITES: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey"];

const OUTPUTS: &str = "--outputs=outputs.json";

const POLICIES: &[Policy] = &[
    Policy {
        name: "verify-staging-check",
        commands: &[
            (&["check", "--state", "s3"], &[0]),
            (&["check", "--account"], &[0]),
            (&["capture", "--from", "outputs.json"], &[0]),
            (&["drift", "--from", "outputs.json"], &[0]),
        ],
        implied: READS,
    },
    Policy {
        name: "verify-staging-probe",
        commands: &[
            (&["probe", OUTPUTS], &[1, 3]),
            (&["env", OUTPUTS], &[0]),
            (&["env", OUTPUTS, "--reveal", "--rds-ca", "ca.pem"], &[0]),
        ],
        implied: WRITES,
    },
    Policy {
        name: "verify-staging-maintenance",
        commands: &[
            (&["maintenance", "weekly", OUTPUTS], &[0, 1, 3]),
            (&["maintenance", "monthly", OUTPUTS], &[0, 1, 3]),
            (&["maintenance", "quarterly", OUTPUTS], &[0, 1, 3]),
        ],
        implied: READS,
    },
    Policy {
        name: "verify-staging-doctor",
        commands: &[
            (
                &["doctor", OUTPUTS, "Error acquiring the state lock"],
                &[0, 1, 3],
            ),
            (
                &[
                    "doctor",
                    OUTPUTS,
                    "state data in S3 does not have the expected content",
                ],
                &[0, 1, 3],
            ),
            (
                &[
                    "doctor",
                    OUTPUTS,
                    "AddressLimitExceeded: The maximum number of addresses has been reached",
                ],
                &[0, 1, 3],
            ),
            (&["doctor", OUTPUTS, "InstanceQuotaExceeded"], &[0, 1, 3]),
            (
                &[
                    "doctor",
                    OUTPUTS,
                    "ExpiredToken: The security token included in the request is expired",
                ],
                &[0, 1, 3],
            ),
            (
                &[
                    "doctor",
                    OUTPUTS,
                    "OptInRequired: You are not subscribed to this service in ca-west-1",
                ],
                &[0, 1, 3],
            ),
            (
                &[
                    "doctor",
                    OUTPUTS,
                    "connection to server at \"db.x1.ca-central-1.rds.amazonaws.com\" failed: timeout expired",
                ],
                &[0, 1, 3],
            ),
            (
                &[
                    "doctor",
                    OUTPUTS,
                    "BucketAlreadyExists: berthcare-photos-staging",
                ],
                &[0, 1, 3],
            ),
            (
                &[
                    "doctor",
                    OUTPUTS,
                    "403 Forbidden from d111111abcdef8.cloudfront.net/photos/a.jpg",
                ],
                &[0, 1, 3],
            ),
        ],
        implied: READS,
    },
    Policy {
        name: "verify-staging-cost",
        commands: &[
            (&["cost", "estimate", "--live"], &[0]),
            (
                &["cost", "usage", "--from-cloudwatch", "--live"],
                &[0, 1, 3],
            ),
        ],
        implied: &[],
    },
];

/// Actions without which the commands of a policy say as much as with them, and why.
const NOT_MISSED: &[(&str, &str)] = &[
    // What is looked for is the whole environment, and these reports are of other parts of it.
    ("verify-staging-maintenance", "ec2:DescribeFlowLogs"),
    // Each bucket's own settings say all that the account's would add.
    ("verify-staging-check", "s3:GetAccountPublicAccessBlock"),
    // A clue of --account, where the settings name the buckets already.
    ("verify-staging-check", "s3:ListAllMyBuckets"),
    // The digest is read with the state, and nothing that is asked here is about it.
    ("verify-staging-doctor", "dynamodb:GetItem"),
];

/// An environment and the folder in which the program looks at it. What is looked at stays as it is, so that one serves for all.
struct Environment {
    aws: LocalAws,
    folder: TempDir,
}

impl Environment {
    async fn open() -> Option<Self> {
        let builder = LocalAws::builder().rds(RdsOptions {
            clock: RdsClock::Stepped,
            ..RdsOptions::default()
        });
        let aws = builder.start_or_skip().await.unwrap()?;
        let folder = tempfile::tempdir().unwrap();
        Practice::begin(folder.path())
            .unwrap()
            .build(&aws)
            .await
            .unwrap();
        Authority::new().file(folder.path());
        aws.clear_log();
        Some(Self { aws, folder })
    }

    /// Exit code, and all that was said.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let done = Command::new(env!("CARGO_BIN_EXE_verify-staging"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .envs(self.aws.environment())
            .current_dir(self.folder.path())
            .output()
            .await
            .unwrap();
        let told = [done.stdout, done.stderr].concat();
        (
            done.status.code(),
            String::from_utf8_lossy(&told).into_owned(),
        )
    }

    /// Whether some command of the policy names the action when AWS refuses it.
    async fn names(&self, policy: &Policy, log: &[local_aws::LogEntry], action: &str) -> bool {
        for (service, operation) in policies::refused_without(log, action) {
            let fault = Fault::new(FaultKind::Denied).service(service);
            self.aws.add_fault(fault.operation(operation));
        }
        let mut is_named = false;
        for (arguments, _) in policy.commands {
            is_named = self.run(arguments).await.1.contains(action);
            if is_named {
                break;
            }
        }
        self.aws.clear_faults();
        is_named
    }
}

async fn holds(name: &str) {
    let policy = POLICIES.iter().find(|policy| policy.name == name).unwrap();
    let Some(environment) = Environment::open().await else {
        return;
    };
    for (arguments, codes) in policy.commands {
        let (code, told) = environment.run(arguments).await;
        assert!(
            code.is_some_and(|code| codes.contains(&code)),
            "{arguments:?}: {code:?} {told}"
        );
    }
    let log = environment.aws.log();
    let made = policies::policy(&log, policy.implied, &[]);
    let written: Value = policies::hold(name, &made).unwrap();
    let mut silent = BTreeSet::new();
    for action in policies::taken_away(&written).unwrap() {
        let is_missed = !NOT_MISSED.contains(&(name, &action));
        if is_missed && !environment.names(policy, &log, &action).await {
            silent.insert(action);
        }
    }
    assert!(silent.is_empty(), "refused and not named: {silent:?}");
}

macro_rules! policies {
    ($($test:ident: $name:literal,)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            holds($name).await;
        }
    )*

    #[test]
    fn every_policy_is_tried_and_in_the_list() {
        let tried = BTreeSet::from([$($name),*]);
        let all: BTreeSet<&str> = POLICIES.iter().map(|policy| policy.name).collect();
        assert_eq!(tried, all);
        for name in all {
            assert!(policies::is_listed(name).unwrap(), "{name}");
        }
    }};
}

policies! {
    checking_needs_its_policy: "verify-staging-check",
    probing_needs_its_policy: "verify-staging-probe",
    maintenance_needs_its_policy: "verify-staging-maintenance",
    diagnoses_need_their_policy: "verify-staging-doctor",
    costs_of_what_is_there_need_their_policy: "verify-staging-cost",
}
