//! Whether the state itself is there, on both sides, and is the same.

use aws_env::{Error, ErrorClass, RegionClients};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::lock::DIGEST_SUFFIX;
use crate::spec::{Side, SideName};
use crate::table::LOCK_ID;

/// What the lock table's digest row says of the state.
///
/// Terraform compares it at every read; a row that does not match makes it wait and then give up
/// with "state data in S3 does not have the expected content".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Digest {
    /// The row holds the MD5 of the object.
    Matches,
    /// The row holds another one.
    Differs,
    /// There is no row: Terraform reads without comparing.
    Absent,
    /// DynamoDB is not used for locking.
    NotUsed,
    /// The lock table or the object could not be asked.
    Unknown,
}

/// The state object on one side. Its content is never kept: states hold secrets.
#[derive(Debug, Clone, Serialize)]
pub struct StateCopy {
    /// Whose bucket it is in.
    pub side: SideName,
    /// The object's version.
    pub version: Option<String>,
    /// When S3 wrote it.
    pub modified: Option<Timestamp>,
    /// The size of its content in bytes.
    pub bytes: usize,
    /// Terraform's serial: one more with every write.
    pub serial: u64,
    /// Terraform's lineage: the same for all states that came from one.
    pub lineage: String,
    /// The Terraform that wrote it.
    pub terraform_version: String,
    /// How many resource blocks it holds, each with all its instances.
    pub resources: usize,
    /// MD5 of the content in hex, as Terraform keeps it.
    pub md5: String,
    /// Whether the lock table agrees.
    pub digest: Digest,
}

#[derive(Deserialize)]
struct StateFile {
    #[serde(default)]
    serial: u64,
    #[serde(default)]
    lineage: String,
    #[serde(default)]
    terraform_version: String,
    #[serde(default)]
    resources: Vec<serde::de::IgnoredAny>,
}

impl Backend {
    /// The state on one side; `None` when nothing was written yet.
    ///
    /// # Errors
    /// When the region cannot be asked, or the object is no Terraform state.
    pub async fn state(&self, name: SideName) -> Result<Option<StateCopy>, Error> {
        let clients = self.clients(name);
        let side = self.spec().side(name);
        let (bucket, key) = (side.bucket.as_str(), self.spec().key.as_str());
        let call = clients.call("S3", "GetObject", format!("{bucket}/{key}"));
        let answer = match clients.s3.get_object().bucket(bucket).key(key).send().await {
            Ok(answer) => answer,
            Err(error) => match call.failed(error) {
                error if error.class == ErrorClass::Absent => return Ok(None),
                error => return Err(error),
            },
        };
        let version = answer.version_id;
        let modified = answer
            .last_modified
            .and_then(|time| Timestamp::from_second(time.secs()).ok());
        let body = answer
            .body
            .collect()
            .await
            .map_err(|error| {
                Error::unexpected(call.clone(), format!("the body broke off: {error}"))
            })?
            .into_bytes();
        // A parser's message could quote the state, so only its position is told.
        let file: StateFile = serde_json::from_slice(&body).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            Error::unexpected(
                call,
                format!("the object is no Terraform state (at {place})"),
            )
        })?;
        let md5 = format!("{:032x}", u128::from_be_bytes(Md5::digest(&body).into()));
        let digest = digest(clients, side, key, &md5).await?;
        Ok(Some(StateCopy {
            side: name,
            version,
            modified,
            bytes: body.len(),
            serial: file.serial,
            lineage: file.lineage,
            terraform_version: file.terraform_version,
            resources: file.resources.len(),
            md5,
            digest,
        }))
    }
}

async fn digest(
    clients: &RegionClients,
    side: &Side,
    key: &str,
    md5: &str,
) -> Result<Digest, Error> {
    let Some(table) = &side.table else {
        return Ok(Digest::NotUsed);
    };
    let row = format!("{}/{key}{DIGEST_SUFFIX}", side.bucket);
    let call = clients.call("DynamoDB", "GetItem", format!("{table} {row}"));
    let answer = clients
        .dynamodb
        .get_item()
        .table_name(table.as_str())
        .key(LOCK_ID, AttributeValue::S(row))
        .consistent_read(true)
        .send()
        .await;
    let item = match answer {
        Ok(answer) => answer.item,
        Err(error) => match call.failed(error) {
            error if error.class == ErrorClass::Absent => None,
            error => return Err(error),
        },
    };
    let found = item
        .as_ref()
        .and_then(|item| item.get("Digest"))
        .and_then(|value| value.as_s().ok());
    Ok(match found {
        None => Digest::Absent,
        Some(found) if found == md5 => Digest::Matches,
        Some(_) => Digest::Differs,
    })
}
