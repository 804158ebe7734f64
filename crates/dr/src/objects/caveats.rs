//! What copies do not keep, told before anything is copied.
//!
//! CopyObject leaves out a website redirect, retention and legal holds, and encrypts as the destination does. Whether
//! objects have any of that would take a HeadObject each; whether their bucket can have it takes one call.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>

use aws_env::{Error, ErrorClass};
use aws_sdk_s3::types::{ObjectLockEnabled, ServerSideEncryption};

use super::bucket::Bucket;

/// What is told of a copy from `source` to `destination`, where either has something that a copy does not keep.
pub(super) async fn caveats(source: &Bucket, destination: &Bucket) -> Vec<String> {
    let (lock, redirects, ours, theirs) = tokio::join!(
        has_object_lock(source),
        is_website(source),
        encrypts_twice(source),
        encrypts_twice(destination)
    );
    let mut told = Vec::new();
    match lock {
        Ok(true) => told.push(
            "the source has Object Lock: retention and legal holds of its objects are not copied"
                .to_owned(),
        ),
        Ok(false) => {}
        Err(error) => told.push(unknown(
            "retention and legal holds, which are not copied,",
            &error,
        )),
    }
    match redirects {
        Ok(true) => told.push(
            "the source is a website: redirects of its objects in one piece are not copied"
                .to_owned(),
        ),
        Ok(false) => {}
        Err(error) => told.push(unknown("redirects, which are not copied,", &error)),
    }
    match (ours, theirs) {
        (Ok(true), Ok(false)) => told.push(
            "the source encrypts twice (DSSE-KMS), and the copies are encrypted once".to_owned(),
        ),
        (Ok(true), Err(error)) => {
            told.push(unknown(
                "the double encryption of the source (DSSE-KMS)",
                &error,
            ));
        }
        (Ok(_), _) => {}
        (Err(error), _) => {
            told.push(unknown(
                "double encryption (DSSE-KMS), which is not copied,",
                &error,
            ));
        }
    }
    told
}

/// What is told of a comparison that could not go by versions. Known once the buckets have been compared.
pub(super) fn unlisted_versions(source: &Bucket, destination: &Bucket) -> Vec<String> {
    let sides = [("source", source), ("destination", destination)];
    let told = sides.into_iter().filter_map(|(side, bucket)| {
        let why = bucket.unlisted_versions()?;
        Some(format!(
            "versions of the {side} cannot be listed, so that replicas are not known by theirs: {why}"
        ))
    });
    told.collect()
}

fn unknown(what: &str, error: &Error) -> String {
    format!("whether there is need for {what} is not known: {error}")
}

/// What a bucket lacks is no error, and what a server has not is not there.
fn absent_is_false<T>(answer: Result<T, Error>, is: impl FnOnce(T) -> bool) -> Result<bool, Error> {
    match answer {
        Ok(answer) => Ok(is(answer)),
        Err(error) if error.class == ErrorClass::Absent || error.status == Some(501) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn has_object_lock(bucket: &Bucket) -> Result<bool, Error> {
    let get = bucket.s3.get_object_lock_configuration();
    let answer = get.bucket(bucket.name()).send().await;
    let call = bucket.call("GetObjectLockConfiguration", "");
    absent_is_false(answer.map_err(|error| call.failed(error)), |answer| {
        let lock = answer.object_lock_configuration();
        lock.and_then(|lock| lock.object_lock_enabled()) == Some(&ObjectLockEnabled::Enabled)
    })
}

async fn is_website(bucket: &Bucket) -> Result<bool, Error> {
    let answer = bucket.s3.get_bucket_website().bucket(bucket.name());
    let call = bucket.call("GetBucketWebsite", "");
    let answer = answer.send().await.map_err(|error| call.failed(error));
    absent_is_false(answer, |_| true)
}

async fn encrypts_twice(bucket: &Bucket) -> Result<bool, Error> {
    let answer = bucket.s3.get_bucket_encryption().bucket(bucket.name());
    let call = bucket.call("GetBucketEncryption", "");
    let answer = answer.send().await.map_err(|error| call.failed(error));
    absent_is_false(answer, |answer| {
        let rules = answer.server_side_encryption_configuration();
        let rules = rules.map(|rules| rules.rules()).unwrap_or_default();
        let mut defaults = rules
            .iter()
            .filter_map(|rule| rule.apply_server_side_encryption_by_default());
        defaults.any(|default| default.sse_algorithm == ServerSideEncryption::AwsKmsDsse)
    })
}
