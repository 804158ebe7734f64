//! Where Terraform's state lies: its bucket, the state, its locks. `init-backend status` knows more, of both regions.

use aws_env::Call;
use aws_sdk_dynamodb::types::{KeyType, TableStatus};
use aws_sdk_s3::types::BucketVersioningStatus;
use report::finding::{Observation, Severity, Unobserved};

use super::Context;
use crate::check::{Answer, Check};
use crate::wanted::StateWanted;

static BUCKET: Check = Check {
    id: "state-bucket",
    item: None,
    severity: Severity::High,
    title: "the state's bucket keeps versions and blocks public access",
    why: "a state that is overwritten is gone, and there are secrets in it",
    fix: "init-backend apply",
};
static STATE: Check = Check {
    id: "state-there",
    item: None,
    severity: Severity::Critical,
    title: "the state is in its bucket",
    why: "terraform would make everything a second time",
    fix: "init-backend status; aws s3api list-object-versions shows which version can be brought back",
};
static LOCKS: Check = Check {
    id: "state-locks",
    item: None,
    severity: Severity::High,
    title: "the lock table is there, with the key that Terraform writes",
    why: "terraform cannot begin, or two begin at once and one state is lost",
    fix: "init-backend apply",
};

pub(super) static CHECKS: &[&Check] = &[&BUCKET, &STATE, &LOCKS];

/// What Terraform's lock rows are found by:
/// <https://developer.hashicorp.com/terraform/language/backend/s3#dynamodb-state-locking>.
pub(crate) const LOCK_KEY: &str = "LockID";

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let Some(wanted) = &context.wanted.state else {
        let skipped = |check: &&'static Check| {
            check.skipped(
                "state",
                "the settings keep no copy of the state in this region",
            )
        };
        return CHECKS.iter().map(skipped).collect();
    };
    let (bucket, state, locks) = tokio::join!(
        bucket(context, wanted),
        state(context, wanted),
        locks(context, wanted),
    );
    let place = format!("s3://{}/{}", wanted.bucket, wanted.key);
    let expected = "versions kept, public access blocked";
    vec![
        BUCKET.answer(&wanted.bucket, expected, None, bucket),
        STATE.answer(place, "there", None, state),
        match &wanted.lock_table {
            Some(table) => LOCKS.answer(table, "ACTIVE, with the key LockID", None, locks),
            None => LOCKS.skipped(&wanted.bucket, "Terraform locks in S3 alone"),
        },
    ]
}

async fn bucket(context: Context<'_>, wanted: &StateWanted) -> Observation<(bool, String)> {
    let (s3, name) = (&context.clients.home.s3, &wanted.bucket);
    let call = |operation| context.clients.call("S3", operation, name);
    let versioning = s3.get_bucket_versioning().bucket(name).send().await;
    let versioning = versioning.map_err(|error| call("GetBucketVersioning").failed(error))?;
    let kept = versioning.status() == Some(&BucketVersioningStatus::Enabled);
    let block = s3.get_public_access_block().bucket(name).send().await;
    let blocked = match block.map_err(|error| call("GetPublicAccessBlock").failed(error)) {
        Ok(block) => match block.public_access_block_configuration {
            Some(found) => super::buckets::blocks_off(&found)?.is_empty(),
            None => false,
        },
        Err(error) if error.is_code("NoSuchPublicAccessBlockConfiguration") => false,
        Err(error) => return Err(error.into()),
    };
    let shown = format!(
        "versions {}, public access {}",
        if kept { "kept" } else { "not kept" },
        if blocked { "blocked" } else { "not blocked" },
    );
    Ok((kept && blocked, shown))
}

async fn state(context: Context<'_>, wanted: &StateWanted) -> Observation<(bool, String)> {
    let head = context.clients.home.s3.head_object();
    let head = head.bucket(&wanted.bucket).key(&wanted.key).send().await;
    let call = || context.clients.call("S3", "HeadObject", &wanted.key);
    let head = head.map_err(|error| Unobserved::from(call().failed(error)))?;
    let length = head.content_length();
    let length = length.ok_or_else(|| Unobserved::missing("S3", "Content-Length"))?;
    // Terraform writes its version and serial into an empty state too.
    Ok((length > 0, format!("{length} bytes")))
}

async fn locks(context: Context<'_>, wanted: &StateWanted) -> Observation<(bool, String)> {
    let Some(name) = &wanted.lock_table else {
        return Err(Unobserved::because("the settings name no lock table"));
    };
    let call: Call = context.clients.call("DynamoDB", "DescribeTable", name);
    let asked = context
        .clients
        .home
        .dynamodb
        .describe_table()
        .table_name(name);
    let answer = asked.send().await;
    let answer = answer.map_err(|error| Unobserved::from(call.failed(error)))?;
    let table = answer.table;
    let table = table.ok_or_else(|| Unobserved::missing("DynamoDB", "Table"))?;
    let status = table.table_status();
    let status = status.ok_or_else(|| Unobserved::missing("DynamoDB", "TableStatus"))?;
    let keys: Vec<String> = table.key_schema().iter().map(key).collect();
    // It serves while it is changed.
    let serves = matches!(status, TableStatus::Active | TableStatus::Updating);
    let shown = format!("{}, with the key {}", status.as_str(), keys.join(", "));
    Ok((serves && keys == [LOCK_KEY], shown))
}

/// An element of a table's key, in words.
pub(crate) fn key(element: &aws_sdk_dynamodb::types::KeySchemaElement) -> String {
    match element.key_type() {
        KeyType::Hash => element.attribute_name().to_owned(),
        _ => format!("{} (range)", element.attribute_name()),
    }
}
