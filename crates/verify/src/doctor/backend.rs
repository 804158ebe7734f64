//! The state's backend: what keeps Terraform from the state besides a held lock or a digest.

use aws_env::ErrorClass;
use aws_sdk_s3::types::ObjectLockEnabled;
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::{Context, Diagnosis, unseen};
use crate::checks::backend::{LOCK_KEY, key};

fn apply() -> String {
    ShellCommand::new("init-backend apply").into()
}

/// The lock table is not there, or has another key than Terraform writes.
pub(super) async fn lock_table(context: Context<'_>) -> Diagnosis {
    let Some(table) = context.lock_table() else {
        let unobserved = Unobserved::because("the settings name no lock table");
        return of_lock_table(
            vec![unseen("lock-table", "a table", unobserved)],
            Vec::new(),
        );
    };
    let clients = &context.clients.home;
    let call = clients.call("DynamoDB", "DescribeTable", table.as_str());
    let asked = clients.dynamodb.describe_table().table_name(table.as_str());
    let answer = asked.send().await;
    let place = format!("{table} in {}", clients.region);
    let mut next = Vec::new();
    let seen = match answer.map_err(|error| call.failed(error)) {
        Ok(answer) => {
            let keys: Vec<String> = answer
                .table
                .iter()
                .flat_map(|table| table.key_schema())
                .map(key)
                .collect();
            match keys.as_slice() {
                [] => Err(Unobserved::because("DynamoDB tells no key of it")),
                [key] if key == LOCK_KEY => Ok((
                    true,
                    "it is there, with the key LockID: look whether region and dynamodb_table of the backend block are these"
                        .to_owned(),
                )),
                other => {
                    next.push(
                        "a key cannot be changed: when nothing holds a lock, delete the table and make it anew with `init-backend apply`, or name another one in the settings"
                            .to_owned(),
                    );
                    Ok((false, format!("its key is {}", other.join(", "))))
                }
            }
        }
        Err(error) if error.class == ErrorClass::Absent => {
            next.push(apply());
            Ok((false, "there is no such table in this region".to_owned()))
        }
        Err(error) => Err(error.into()),
    };
    let finding = Finding::new("lock-table", place, "a table with the key LockID", seen)
        .fix("make it with `init-backend apply`, or name the region and the table that there are in the backend block, then `terraform init -reconfigure`");
    of_lock_table(vec![finding], next)
}

fn of_lock_table(findings: Vec<Finding>, next: Vec<String>) -> Diagnosis {
    Diagnosis {
        trouble: "lock-table",
        meaning: "DynamoDB does not find the table that Terraform locks in, or does not find Terraform's key in it: no lock is held by that.",
        findings,
        next,
    }
}

/// The bucket of the state is not there.
pub(super) async fn bucket(context: Context<'_>, named: Option<String>) -> Diagnosis {
    let configured = context.state_bucket().as_str();
    let bucket = named.unwrap_or_else(|| configured.to_owned());
    let clients = &context.clients.home;
    let call = clients.call("S3", "HeadBucket", &bucket);
    let answer = clients.s3.head_bucket().bucket(&bucket).send().await;
    let mut next = Vec::new();
    let seen = match answer.map_err(|error| call.failed(error)) {
        Ok(_) => Ok((true, "it is there now: run the command again".to_owned())),
        Err(error) if error.class == ErrorClass::Absent => {
            next.push(match bucket == configured {
                true => apply(),
                false => format!(
                    "the settings name {configured}: init-backend render primary writes that into the file for terraform init -backend-config"
                ),
            });
            Ok((false, "there is no such bucket".to_owned()))
        }
        Err(error) if matches!(error.status, Some(301)) => Ok((
            false,
            "it is in another region than the backend block says".to_owned(),
        )),
        Err(error) => Err(error.into()),
    };
    Diagnosis {
        trouble: "backend-bucket",
        meaning: "Terraform keeps its state in a bucket that has to be there before `terraform init`.",
        findings: vec![
            Finding::new("backend-bucket", bucket, "a bucket of this account", seen)
                .fix("make it with `init-backend apply`, then terraform init"),
        ],
        next,
    }
}

/// A write without a checksum to a bucket that retains what is written.
pub(super) async fn object_lock(context: Context<'_>) -> Diagnosis {
    let bucket = context.state_bucket().as_str();
    let seen = default_retention(context, bucket).await;
    Diagnosis {
        trouble: "object-lock",
        meaning: "S3 takes a write to a bucket with Object Lock and a default retention only with a checksum, and this Terraform sent none with its lock: nobody holds the lock.",
        findings: vec![
            Finding::new("object-lock", bucket, "no default retention, or a Terraform that sends checksums", seen)
                .fix("use Terraform 1.10.1 or later without skip_s3_checksum in the backend block; a default retention keeps every lock and version of the state for its whole time"),
        ],
        next: vec![
            ShellCommand::new("aws s3api get-object-lock-configuration")
                .option("--bucket", bucket)
                .option("--region", context.region())
                .into(),
        ],
    }
}

async fn default_retention(context: Context<'_>, bucket: &str) -> Observation<(bool, String)> {
    let clients = &context.clients.home;
    let call = clients.call("S3", "GetObjectLockConfiguration", bucket);
    let asked = clients.s3.get_object_lock_configuration().bucket(bucket);
    let none = || (true, "the bucket has no default retention now".to_owned());
    let answer = match asked.send().await.map_err(|error| call.failed(error)) {
        Ok(answer) => answer,
        Err(error) if error.code.as_deref() == Some("ObjectLockConfigurationNotFoundError") => {
            return Ok(none());
        }
        Err(error) => return Err(error.into()),
    };
    let lock = answer
        .object_lock_configuration()
        .ok_or_else(|| Unobserved::because("S3 tells no configuration"))?;
    let enabled = lock.object_lock_enabled() == Some(&ObjectLockEnabled::Enabled);
    let retention = lock.rule().and_then(|rule| rule.default_retention());
    Ok(match retention {
        Some(of) if enabled => {
            let mode = of.mode().map_or("an unknown mode", |mode| mode.as_str());
            let time = match (of.days(), of.years()) {
                (Some(days), _) => format!("{days} days"),
                (None, Some(years)) => format!("{years} years"),
                (None, None) => "an unknown time".to_owned(),
            };
            (
                false,
                format!("what is written is retained for {time} ({mode})"),
            )
        }
        _ => none(),
    })
}

/// A lock of a file on the machine where Terraform ran, which no backend knows.
pub(super) fn local_lock() -> Diagnosis {
    let why = "it is the lock of a file in the folder of that run, which only its machine can tell";
    Diagnosis {
        trouble: "local-lock",
        meaning: "Terraform locks the files of its own folder as well: another terraform runs in that folder, or one hangs there. It is not the lock of the state in S3.",
        findings: vec![unseen(
            "local-lock",
            "the folder of that run",
            Unobserved::because(why),
        )],
        next: vec![
            "on that machine: wait for the other terraform of that folder, or end it; the system lets go of its lock then".to_owned(),
        ],
    }
}

/// What was made could not be written to the backend.
pub(super) fn not_saved(context: Context<'_>) -> Diagnosis {
    let seen = "Terraform wrote it to errored.tfstate in the folder of that run: the backend has the state before";
    let push = context
        .terraform()
        .words("state push errored.tfstate")
        .comment("in that folder, with credentials that AWS takes");
    Diagnosis {
        trouble: "state-not-saved",
        meaning: "An apply has made things that the state in the backend does not have. Another apply before it is pushed makes them a second time.",
        findings: vec![
            Finding::new(
                "errored-state",
                "errored.tfstate",
                "the backend has what was made",
                Ok((false, seen.to_owned())),
            )
            .fix("no apply and no plan before the file is pushed; keep the file until a plan shows what you expect"),
        ],
        next: vec![
            push.into(),
            context.terraform().words("plan").into(),
        ],
    }
}

/// A state that a newer Terraform has written.
pub(super) fn newer(context: Context<'_>, version: Option<&str>) -> Diagnosis {
    let wanted = version.unwrap_or("the version that the error names");
    let seen = format!("Terraform {wanted} has written the state; the one that ran is older");
    Diagnosis {
        trouble: "newer-state",
        meaning: "A state can be read by the Terraform that wrote it and by later ones, not by earlier ones.",
        findings: vec![
            Finding::new(
                "terraform-version",
                context.settings.state.key.as_str(),
                "a state of this Terraform or an earlier one",
                Ok((false, seen)),
            )
            .fix("install that Terraform or a later one everywhere where this state is used; an earlier version of the state is not the way back, since it lacks what was made since"),
        ],
        next: vec!["terraform version".to_owned()],
    }
}
