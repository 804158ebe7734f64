//! `manifest.json`: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>.

use aws_env::ErrorClass;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use serde::Deserialize;

use super::{Inventory, InventoryError};

/// A manifest is some kilobytes; its list of files grows with the bucket, a line for some million objects.
const LARGEST: usize = 64 << 20;

/// What is used of a manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    /// The bucket that is listed.
    pub(super) bucket: String,
    /// When S3 began to list it.
    pub(super) created: Timestamp,
    pub(super) columns: Columns,
    pub(super) files: Vec<DataFile>,
}

/// A file of rows.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct DataFile {
    pub(super) key: String,
    /// Bytes; a job is told as many.
    #[serde(default)]
    pub(super) size: u64,
    #[serde(rename = "MD5checksum")]
    pub(super) md5: String,
}

/// Where in a row things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) all: usize,
    pub(super) bucket: usize,
    pub(super) key: usize,
    pub(super) size: usize,
    pub(super) modified: usize,
    pub(super) etag: usize,
    pub(super) is_latest: Option<usize>,
    pub(super) is_delete_marker: Option<usize>,
    pub(super) class: Option<usize>,
    pub(super) encryption: Option<usize>,
    pub(super) version: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Published {
    source_bucket: String,
    creation_timestamp: String,
    file_format: String,
    file_schema: String,
    files: Vec<DataFile>,
}

async fn bytes(inventory: &Inventory, key: &str) -> Result<Vec<u8>, InventoryError> {
    let bucket = &inventory.bucket;
    let mut body = bucket.read(key, None).await?;
    let mut bytes = Vec::new();
    loop {
        let chunk = body.try_next().await.map_err(|error| {
            aws_env::Error::unexpected(bucket.call("GetObject", key), error.to_string())
        })?;
        let Some(chunk) = chunk else {
            return Ok(bytes);
        };
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST {
            return Err(InventoryError::Unusable {
                key: key.to_owned(),
                problem: "it is larger than 64 MiB".to_owned(),
            });
        }
    }
}

/// Reads a manifest and checks it against its `manifest.checksum`, where that is there.
pub(super) async fn read(inventory: &Inventory) -> Result<Manifest, InventoryError> {
    parse(inventory, &checked(inventory).await?)
}

/// The same, with all that it says.
pub(super) async fn read_with_text(
    inventory: &Inventory,
) -> Result<(Manifest, serde_json::Value), InventoryError> {
    let text = checked(inventory).await?;
    let manifest = parse(inventory, &text)?;
    let all = serde_json::from_slice(&text);
    let all = all.map_err(|source| InventoryError::Manifest {
        key: inventory.manifest.clone(),
        source,
    })?;
    Ok((manifest, all))
}

async fn checked(inventory: &Inventory) -> Result<Vec<u8>, InventoryError> {
    let key = &inventory.manifest;
    let text = bytes(inventory, key).await?;
    if let Some(folder) = key.strip_suffix("manifest.json") {
        match bytes(inventory, &format!("{folder}manifest.checksum")).await {
            Ok(expected) => {
                let expected = String::from_utf8_lossy(&expected).trim().to_lowercase();
                let found = hex::encode(Md5::digest(&text));
                if expected != found {
                    let key = key.clone();
                    return Err(InventoryError::Checksum {
                        key,
                        expected,
                        found,
                    });
                }
            }
            // Copied elsewhere without it; every file of rows still has a checksum of its own.
            Err(InventoryError::Call(error)) if error.class == ErrorClass::Absent => {}
            Err(error) => return Err(error),
        }
    }
    Ok(text)
}

fn parse(inventory: &Inventory, text: &[u8]) -> Result<Manifest, InventoryError> {
    let key = &inventory.manifest;
    let published: Published =
        serde_json::from_slice(text).map_err(|source| InventoryError::Manifest {
            key: key.clone(),
            source,
        })?;
    let unusable = |problem: String| InventoryError::Unusable {
        key: key.clone(),
        problem,
    };
    if published.file_format != "CSV" {
        let format = published.file_format;
        return Err(unusable(format!(
            "its files are {format}; only CSV can be read"
        )));
    }
    if let Some(wanted) = &inventory.lists
        && published.source_bucket != wanted.as_str()
    {
        let bucket = published.source_bucket;
        return Err(unusable(format!("it lists {bucket}, not {wanted}")));
    }
    let created = published
        .creation_timestamp
        .parse()
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
    let Some(created) = created else {
        let time = published.creation_timestamp;
        return Err(unusable(format!("{time:?} is no creationTimestamp")));
    };
    Ok(Manifest {
        columns: columns(&published.file_schema).map_err(unusable)?,
        bucket: published.source_bucket,
        created,
        files: published.files,
    })
}

/// Finds the columns that parity needs in a `fileSchema`.
pub(super) fn columns(schema: &str) -> Result<Columns, String> {
    let names: Vec<&str> = schema.split(',').map(str::trim).collect();
    let find = |wanted: &str| names.iter().position(|name| *name == wanted);
    let must = |wanted: &str| {
        find(wanted).ok_or_else(|| {
            format!("its files have no column {wanted}; add it to the inventory's optional fields")
        })
    };
    let columns = Columns {
        all: names.len(),
        bucket: must("Bucket")?,
        key: must("Key")?,
        size: must("Size")?,
        modified: must("LastModifiedDate")?,
        etag: must("ETag")?,
        is_latest: find("IsLatest"),
        is_delete_marker: find("IsDeleteMarker"),
        class: find("StorageClass"),
        encryption: find("EncryptionStatus"),
        version: find("VersionId"),
    };
    // Otherwise every old version would count as the object.
    if columns.version.is_some()
        && (columns.is_latest.is_none() || columns.is_delete_marker.is_none())
    {
        return Err("it lists versions without IsLatest and IsDeleteMarker".to_owned());
    }
    Ok(columns)
}
