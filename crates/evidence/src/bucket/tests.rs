//! Answers that no emulator gives on demand.

use aws_env::{AwsEnv, Options};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object_lock_configuration::{
    GetObjectLockConfigurationError, GetObjectLockConfigurationOutput,
};
use aws_sdk_s3::operation::get_object_retention::GetObjectRetentionOutput;
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::types::{ObjectLockConfiguration, ObjectLockRetention, ObjectLockRetentionMode};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

use super::super::{Draft, Folder, Link, Origin, RedactionPolicy, Salt};
use super::*;
use crate::outputs::Outputs;

const NOW: i64 = 1_800_000_000;

fn kept() -> Kept {
    let outputs = Outputs::parse(br#"{"a": {"value": 1}}"#).unwrap();
    let at = Timestamp::from_second(NOW).unwrap();
    let salt = Salt::random();
    let origin = Origin::default();
    let draft = Draft::new(
        "e",
        "r",
        at,
        "t",
        origin,
        &outputs,
        None,
        (&salt, RedactionPolicy::default()),
    );
    let dir = tempfile::tempdir().unwrap();
    Folder::new(dir.path()).keep(draft).unwrap()
}

fn put(there: bool) -> Rule {
    if !there {
        return mock!(Client::put_object)
            .match_requests(|put| {
                put.if_none_match() == Some("*") && put.checksum_sha256().is_some()
            })
            .then_output(|| PutObjectOutput::builder().build());
    }
    mock!(Client::put_object).then_error(|| {
        let code = ErrorMetadata::builder().code("PreconditionFailed").build();
        PutObjectError::generic(code)
    })
}

fn get(bytes: Vec<u8>) -> Rule {
    mock!(Client::get_object).then_output(move || {
        let body = ByteStream::from(bytes.clone());
        GetObjectOutput::builder().body(body).build()
    })
}

fn unlocked() -> Rule {
    mock!(Client::get_object_lock_configuration).then_error(|| {
        let code = ErrorMetadata::builder().code("ObjectLockConfigurationNotFoundError");
        GetObjectLockConfigurationError::generic(code.build())
    })
}

fn locked() -> Rule {
    mock!(Client::get_object_lock_configuration).then_output(|| {
        let lock =
            ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled);
        GetObjectLockConfigurationOutput::builder()
            .object_lock_configuration(lock.build())
            .build()
    })
}

fn held(until: Option<i64>) -> Rule {
    held_in(ObjectLockRetentionMode::Governance, until)
}

fn held_in(mode: ObjectLockRetentionMode, until: Option<i64>) -> Rule {
    mock!(Client::get_object_retention).then_output(move || {
        let retention = until.map(|until| {
            ObjectLockRetention::builder()
                .mode(mode.clone())
                .retain_until_date(DateTime::from_secs(until))
                .build()
        });
        GetObjectRetentionOutput::builder()
            .set_retention(retention)
            .build()
    })
}

async fn stored(kept: &Kept, rules: &[&Rule]) -> Result<Stored, StoreError> {
    stored_in(LockMode::Governance, kept, rules).await
}

async fn stored_in(
    lock_mode: LockMode,
    kept: &Kept,
    rules: &[&Rule],
) -> Result<Stored, StoreError> {
    let env = AwsEnv::load(Options::default()).await.unwrap();
    let mut clients = env.region("ca-central-1".parse().unwrap());
    clients.s3 = mock_client!(aws_sdk_s3, RuleMode::MatchAny, rules);
    let location = S3Location {
        bucket: "b",
        prefix: "p/",
        retain_days: 10,
        lock_mode,
    };
    let now = Timestamp::from_second(NOW).unwrap();
    let hold = plan_hold(&clients, location, now).await?;
    store(&clients, location, kept, &hold, now).await
}

#[test]
fn hold_is_never_weaker_or_shorter_than_the_buckets_default() {
    use LockMode::{Compliance, Governance};
    let day = 24 * 60 * 60;
    let default = |mode, days| Some(Lock::WithDefault { mode, days });
    for (lock, lock_mode, mode, days) in [
        (
            Some(Lock::WithoutDefault),
            Governance,
            Some(Governance),
            Some(10),
        ),
        (
            Some(Lock::WithoutDefault),
            Compliance,
            Some(Compliance),
            Some(10),
        ),
        (
            default(Some(Governance), 30),
            Governance,
            Some(Governance),
            None,
        ),
        (
            default(Some(Governance), 30),
            Compliance,
            Some(Compliance),
            Some(30),
        ),
        (
            default(Some(Governance), 3),
            Compliance,
            Some(Compliance),
            Some(10),
        ),
        (
            default(Some(Compliance), 3),
            Compliance,
            Some(Compliance),
            None,
        ),
        (
            default(Some(Compliance), 3),
            Governance,
            Some(Compliance),
            None,
        ),
        (default(None, 3), Compliance, None, None),
        (None, Governance, None, None),
    ] {
        let location = S3Location {
            bucket: "b",
            prefix: "",
            retain_days: 10,
            lock_mode,
        };
        let hold = Hold::new(lock, location, Timestamp::from_second(NOW).unwrap()).unwrap();
        assert_eq!(hold.mode(), mode, "{lock:?} {lock_mode:?}");
        let until = hold.until().map(|until| (until.as_second() - NOW) / day);
        assert_eq!(until, days, "{lock:?} {lock_mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn store_in_compliance_mode_is_held_so_or_is_wrong() {
    let kept = kept();
    let same = get(kept.bytes.clone());
    let until = Some(NOW + 1);
    let put_in_compliance = mock!(Client::put_object)
        .match_requests(|put| put.object_lock_mode() == Some(&ObjectLockMode::Compliance))
        .then_output(|| PutObjectOutput::builder().build());
    let compliance = held_in(ObjectLockRetentionMode::Compliance, until);
    let rules = [&locked(), &put_in_compliance, &same, &compliance];
    let stored = stored_in(LockMode::Compliance, &kept, &rules)
        .await
        .unwrap();
    assert_eq!(stored.locked.unwrap().mode, "COMPLIANCE");
    // It was there before, in the other mode.
    let rules = [&locked(), &put(true), &same, &held(until)];
    let weaker = stored_in(LockMode::Compliance, &kept, &rules).await;
    assert!(
        matches!(weaker, Err(StoreError::Weaker { .. })),
        "{weaker:?}"
    );
    let rules = [&unlocked(), &put(false), &same];
    let without = stored_in(LockMode::Compliance, &kept, &rules).await;
    assert!(
        matches!(without, Err(StoreError::NoObjectLock { .. })),
        "{without:?}"
    );
    assert_eq!(rules[1].num_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_there_is_right_only_when_it_is_this_capture() {
    let kept = kept();
    let same = get(kept.bytes.clone());
    let new = stored(&kept, &[&unlocked(), &put(false), &same])
        .await
        .unwrap();
    assert_eq!((new.already, new.locked), (false, None));
    assert_eq!(new.url, format!("s3://b/p/{}", kept.link.file));
    let again = stored(&kept, &[&unlocked(), &put(true), &same])
        .await
        .unwrap();
    assert!(again.already);
    for there in [true, false] {
        let other = get(b"something else".to_vec());
        let differs = stored(&kept, &[&unlocked(), &put(there), &other]).await;
        assert!(
            matches!(differs, Err(StoreError::Differs { .. })),
            "{differs:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_bucket_with_object_lock_a_capture_is_held_or_it_is_wrong() {
    let kept = kept();
    let same = get(kept.bytes.clone());
    let with = async |until| stored(&kept, &[&locked(), &put(false), &same, &held(until)]).await;
    let until = with(Some(NOW + 1)).await.unwrap().locked.unwrap().until;
    assert_eq!(until.as_second(), NOW + 1);
    for until in [None, Some(NOW - 1)] {
        let held = with(until).await;
        assert!(matches!(held, Err(StoreError::Unlocked { .. })), "{held:?}");
    }
    let link = Link {
        file: "f".to_owned(),
        sha256: "0".repeat(64),
    };
    let other = Kept {
        link,
        ..kept.clone()
    };
    let differs = stored(
        &other,
        &[&locked(), &put(false), &same, &held(Some(NOW + 1))],
    )
    .await;
    assert!(
        matches!(differs, Err(StoreError::Differs { .. })),
        "{differs:?}"
    );
}
