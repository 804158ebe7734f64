//! One thing broken at a time: it is noticed and named, and nothing else is said to have changed.

use std::collections::BTreeSet;

use local_aws::{Fault, FaultKind, RdsQuotas};
use report::finding::Status;
use serde_json::json;

use crate::stage::{
    Answers, DR, RUN, STATE, Stage, answers, delete_object, put_object, stage, state,
};

/// Ways of breaking it, and what has to say so.
const BREAKS: [(Break, &[(&str, Status)]); 24] = [
    (Break::DataKeyDisabled, &[("key", Status::Wrong)]),
    (
        Break::DatabaseKeyDisabled,
        &[
            ("key", Status::Wrong),
            ("key-decrypts", Status::Wrong),
            ("recovery-point", Status::Wrong),
            ("database-key", Status::Wrong),
        ],
    ),
    (
        Break::FailedOver,
        &[
            ("failed-over-mark", Status::Wrong),
            ("traffic-marker", Status::Wrong),
        ],
    ),
    (Break::TrafficTurned, &[("traffic-marker", Status::Wrong)]),
    (Break::RunLeft, &[("run-under-way", Status::Wrong)]),
    (
        Break::DrStateLocked,
        &[("state", Status::Wrong), ("state-locks", Status::Wrong)],
    ),
    (Break::DrStateWritten, &[("state-copies", Status::Wrong)]),
    (
        Break::DrStateDeleted,
        &[("state", Status::Wrong), ("state-copies", Status::Wrong)],
    ),
    (
        Break::DrStateBroken,
        &[("state", Status::Wrong), ("state-copies", Status::Wrong)],
    ),
    (
        Break::SecurityGroupGone,
        &[
            ("recovery-point", Status::Wrong),
            ("database-security-group", Status::Wrong),
        ],
    ),
    (
        Break::SubnetGroupGone,
        &[
            ("recovery-point", Status::Wrong),
            ("database-subnet-group", Status::Wrong),
        ],
    ),
    (
        Break::ParameterGroupGone,
        &[
            ("recovery-point", Status::Wrong),
            ("database-parameter-group", Status::Wrong),
        ],
    ),
    (
        Break::QuotaUsedUp,
        &[
            ("recovery-point", Status::Wrong),
            ("database-quota", Status::Wrong),
        ],
    ),
    (
        Break::SecretNotReplicated,
        &[("secret-copy", Status::Wrong)],
    ),
    (
        Break::RecordsDenied,
        &[
            ("journal", Status::Wrong),
            ("preflight-record", Status::Unknown),
        ],
    ),
    (Break::PolicyDenied, &[("fence", Status::Unknown)]),
    (Break::BucketDenied, &[("data-bucket", Status::Unknown)]),
    (
        Break::SecurityGroupsDenied,
        &[("database-security-group", Status::Unknown)],
    ),
    (Break::DrillOld, &[("last-drill", Status::Wrong)]),
    (
        Break::ObjectUncovered,
        &[("replication-coverage", Status::Wrong)],
    ),
    (Break::ObjectiveShort, &[("recovery-point", Status::Wrong)]),
    (Break::OtherRole, &[("break-glass", Status::Wrong)]),
    (
        Break::AuthoritiesGone,
        &[("integrity-authorities", Status::Wrong)],
    ),
    (Break::LoginDenied, &[("integrity-login", Status::Unknown)]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    DataKeyDisabled,
    DatabaseKeyDisabled,
    FailedOver,
    TrafficTurned,
    RunLeft,
    DrStateLocked,
    DrStateWritten,
    DrStateDeleted,
    DrStateBroken,
    SecurityGroupGone,
    SubnetGroupGone,
    ParameterGroupGone,
    QuotaUsedUp,
    SecretNotReplicated,
    RecordsDenied,
    PolicyDenied,
    BucketDenied,
    SecurityGroupsDenied,
    DrillOld,
    ObjectUncovered,
    ObjectiveShort,
    OtherRole,
    AuthoritiesGone,
    LoginDenied,
}

impl Break {
    async fn make(self, stage: &mut Stage) {
        let [data_key, database_key] = stage.keys.clone();
        let runs = ".dr-runs/berthcare-staging/";
        match self {
            Self::DataKeyDisabled => disable(stage, &data_key).await,
            Self::DatabaseKeyDisabled => disable(stage, &database_key).await,
            Self::FailedOver => {
                let marker = json!({"failed_over": true, "run": RUN, "epoch": 1, "primary": "ca-central-1",
                    "dr": "ca-west-1", "declared": "2026-11-30T03:15:00Z"});
                put_object(
                    &stage.dr,
                    "state-dr",
                    &format!("{runs}failed-over.json"),
                    &marker.to_string(),
                )
                .await;
            }
            Self::TrafficTurned => put_object(&stage.dr, "marker", "failed-over", "{}").await,
            Self::RunLeft => {
                let lease = json!({"run": RUN, "epoch": 1, "nonce": 7, "state": "left",
                    "holder": {"operator": "kim@laptop", "machine": "m", "pid": 7, "started_ticks": 3},
                    "taken": "2026-11-30T03:15:00Z", "renewed": "2026-11-30T03:15:00Z"});
                stage.record("lease.json", &lease).await;
            }
            Self::DrStateLocked => {
                let lock = json!({"ID": "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "Operation": "OperationTypeApply",
                    "Info": "", "Who": "kim@laptop", "Version": "1.11.4", "Created": "2026-11-30T03:15:00Z", "Path": ""});
                put_object(
                    &stage.dr,
                    "state-dr",
                    &format!("{STATE}.tflock"),
                    &lock.to_string(),
                )
                .await;
            }
            Self::DrStateWritten => put_object(&stage.dr, "state-dr", STATE, &state(4, "x")).await,
            Self::DrStateDeleted => delete_object(&stage.dr, "state-dr", STATE).await,
            Self::DrStateBroken => put_object(&stage.dr, "state-dr", STATE, "<html>").await,
            Self::SecurityGroupGone => {
                let delete = stage
                    .ec2
                    .delete_security_group()
                    .group_id(&stage.security_group);
                delete.send().await.unwrap();
            }
            Self::SubnetGroupGone => {
                let delete = stage
                    .rds
                    .delete_db_subnet_group()
                    .db_subnet_group_name("dr");
                delete.send().await.unwrap();
            }
            Self::ParameterGroupGone => {
                let delete = stage.rds.delete_db_parameter_group();
                delete
                    .db_parameter_group_name("dr-postgres")
                    .send()
                    .await
                    .unwrap();
            }
            Self::QuotaUsedUp => stage.aws.rds().unwrap().set_quotas(RdsQuotas {
                instances: 0,
                ..RdsQuotas::default()
            }),
            Self::SecretNotReplicated => stage.make_secret("second").await,
            Self::RecordsDenied => deny(stage, "s3", "PutObject"),
            Self::PolicyDenied => deny(stage, "s3", "GetBucketPolicy"),
            Self::BucketDenied => {
                let fault = Fault::new(FaultKind::Denied)
                    .service("s3")
                    .operation("ListObjectsV2");
                stage.aws.add_fault(fault.region(DR).resource("photos-dr"));
            }
            Self::SecurityGroupsDenied => deny(stage, "ec2", "DescribeSecurityGroups"),
            Self::DrillOld => stage.keep_drill(100).await,
            Self::ObjectUncovered => {
                let delete = stage
                    .primary
                    .s3
                    .delete_bucket_replication()
                    .bucket("photos");
                delete.send().await.unwrap();
                put_object(&stage.primary, "photos", "c.jpg", "c").await;
            }
            Self::ObjectiveShort => stage
                .text
                .push_str("\n[objectives]\nrpo_database = \"1s\"\n"),
            Self::OtherRole => stage.text = stage.text.replace("\"break-glass\"", "\"somebody\""),
            Self::AuthoritiesGone => {
                std::fs::remove_file(stage.folder.path().join("authorities.pem")).unwrap();
            }
            Self::LoginDenied => deny(stage, "secretsmanager", "GetSecretValue"),
        }
    }

    async fn mend(self, stage: &mut Stage) {
        stage.aws.clear_faults();
        let runs = ".dr-runs/berthcare-staging/";
        match self {
            Self::DataKeyDisabled | Self::DatabaseKeyDisabled => {
                for key in &stage.keys {
                    stage.kms.enable_key().key_id(key).send().await.unwrap();
                }
            }
            Self::FailedOver => {
                delete_object(&stage.dr, "state-dr", &format!("{runs}failed-over.json")).await;
            }
            Self::TrafficTurned => delete_object(&stage.dr, "marker", "failed-over").await,
            Self::RunLeft => {
                delete_object(&stage.dr, "state-dr", &format!("{runs}lease.json")).await;
            }
            Self::DrStateLocked => {
                delete_object(&stage.dr, "state-dr", &format!("{STATE}.tflock")).await;
            }
            Self::DrStateWritten | Self::DrStateDeleted | Self::DrStateBroken => {
                remove_latest(stage, STATE).await;
            }
            Self::SecurityGroupGone => {
                let group = stage
                    .ec2
                    .create_security_group()
                    .group_name("database")
                    .description("x");
                let group = group.send().await.unwrap().group_id.unwrap();
                stage.text = stage.text.replace(&stage.security_group, &group);
                stage.security_group = group;
            }
            Self::SubnetGroupGone | Self::ParameterGroupGone => stage.make_groups().await,
            Self::QuotaUsedUp => stage.aws.rds().unwrap().set_quotas(RdsQuotas::default()),
            Self::SecretNotReplicated => {
                let delete = stage.secrets.delete_secret().secret_id("second");
                delete
                    .force_delete_without_recovery(true)
                    .send()
                    .await
                    .unwrap();
            }
            Self::DrillOld => stage.keep_drill(10).await,
            Self::ObjectUncovered => {
                delete_object(&stage.primary, "photos", "c.jpg").await;
                stage.replicate("photos").await;
            }
            Self::ObjectiveShort => {
                stage.text = stage
                    .text
                    .replace("rpo_database = \"1s\"", "rpo_database = \"1d\"");
            }
            Self::OtherRole => stage.text = stage.text.replace("\"somebody\"", "\"break-glass\""),
            Self::AuthoritiesGone => stage.write_authorities(),
            Self::LoginDenied
            | Self::RecordsDenied
            | Self::PolicyDenied
            | Self::BucketDenied
            | Self::SecurityGroupsDenied => {}
        }
    }
}

/// As if the latest version had never been written.
async fn remove_latest(stage: &Stage, key: &str) {
    let versions = aws_env::list_versions(&stage.dr, "state-dr", key)
        .await
        .unwrap();
    let latest = versions
        .iter()
        .find(|version| version.key == key && version.latest)
        .unwrap();
    let delete = stage.dr.s3.delete_object().bucket("state-dr").key(key);
    delete
        .set_version_id(latest.version_id.clone())
        .send()
        .await
        .unwrap();
}

async fn disable(stage: &Stage, key: &str) {
    stage.kms.disable_key().key_id(key).send().await.unwrap();
}

fn deny(stage: &Stage, service: &str, operation: &str) {
    let fault = Fault::new(FaultKind::Denied)
        .service(service)
        .operation(operation);
    stage.aws.add_fault(fault.region(DR));
}

/// What is said otherwise than before, by what was looked at.
fn changed(ready: &Answers, found: &Answers) -> BTreeSet<(String, &'static str)> {
    let differs = found
        .iter()
        .filter(|(key, status)| ready.get(*key) != Some(*status));
    differs
        .map(|((what, _), status)| (what.clone(), status.word()))
        .collect()
}

#[tokio::test]
async fn preflight_of_an_environment_with_one_thing_broken_names_it_and_nothing_else() {
    let mut stage = stage!();
    let mut ready = answers(&stage.preflight().await);
    for (broken, expected) in BREAKS {
        broken.make(&mut stage).await;
        let found = stage.preflight().await;
        let wanted: BTreeSet<_> = expected
            .iter()
            .map(|(what, status)| ((*what).to_owned(), status.word()))
            .collect();
        assert_eq!(
            changed(&ready, &answers(&found)),
            wanted,
            "{broken:?}: {found:#?}"
        );
        assert_ne!(found.verdict(), Status::Ok, "{broken:?}");
        // Each says what to do.
        let without = found.items().find(|item| {
            matches!(item.status, Status::Wrong | Status::Unknown) && item.fix.is_none()
        });
        assert_eq!(without, None, "{broken:?}");
        broken.mend(&mut stage).await;
        let mended = answers(&stage.preflight().await);
        let bad = mended
            .iter()
            .find(|(_, status)| matches!(status, Status::Wrong | Status::Unknown));
        assert_eq!(bad, None, "{broken:?} was not mended");
        ready = mended;
    }
}
