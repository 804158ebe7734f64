//! An inventory as the manifest of a batch job:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-create-job.html#specify-batchjob-manifest>.
//!
//! S3 publishes the inventory of a bucket in the bucket's region, and a job that copies to another region runs there. So S3
//! copies the inventory's files beside the job's journal, under a manifest that names these copies.

use std::path::Path;

use aws_sdk_s3::types::ServerSideEncryption;
use md5::{Digest as _, Md5};
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::super::bucket::Bucket;
use super::super::copy::KEY;
use super::super::entry::ObjectMeta;
use super::super::plan::{Listed, Tally};
use super::rows::{RUN_BYTES, Row, Rows, Runs};
use super::{Inventory, InventoryError, manifest, rows};

/// What a plan copies, to be compared with what an inventory lists.
#[derive(Debug)]
pub(in super::super) struct PlannedRows(Runs);

impl PlannedRows {
    /// Kept in `directory` meanwhile, since plans have no order.
    pub(in super::super) fn new(directory: &Path) -> Result<Self, InventoryError> {
        let keep = InventoryError::keep(directory);
        files::create_secret_folder(directory).map_err(|error| keep(error.into()))?;
        Ok(Self(Runs::new(directory, RUN_BYTES)))
    }

    /// Adds an object by its whole key.
    pub(in super::super) fn push(
        &mut self,
        key: String,
        meta: &ObjectMeta,
    ) -> Result<(), InventoryError> {
        let meta = meta.clone();
        self.0.push(Row {
            key,
            meta,
            plain: false,
        })
    }
}

/// An inventory that a job can read.
#[derive(Debug)]
pub(in super::super) struct JobInventory {
    /// Key of its manifest.
    pub(in super::super) manifest: String,
    pub(in super::super) etag: String,
    pub(in super::super) copies: Tally,
    /// Planned, and not in the inventory.
    pub(in super::super) left: Listed,
}

/// Makes `inventory` a manifest below `folder` in `files`, where it lists nothing but what is planned. Rows are kept in
/// `directory` meanwhile. `lacking` gets the whole key of each object that is planned and not listed.
///
/// # Errors
/// When it lists something else, or versions, of which a job would copy each, or cannot be read.
pub(in super::super) async fn as_manifest(
    inventory: &Inventory,
    planned: PlannedRows,
    (files, folder): (&Bucket, &str),
    directory: &Path,
    lacking: mpsc::Sender<String>,
) -> Result<JobInventory, InventoryError> {
    let (published, mut text) = manifest::read_with_text(inventory).await?;
    if published.columns.version.is_some() {
        return Err(InventoryError::Unusable {
            key: inventory.manifest.clone(),
            problem: "it has a column VersionId, by which a job copies old versions as well; make one of current \
                      versions alone"
                .to_owned(),
        });
    }
    let listed = rows::sort_all(inventory, &published, directory).await?;
    let planned = tokio::task::spawn_blocking(move || planned.0.finish()).await??;
    let (copies, left) =
        tokio::task::spawn_blocking(move || fit(listed, planned, &lacking)).await??;
    let mut names = Vec::new();
    for (number, file) in published.files.iter().enumerate() {
        let key = format!("{folder}data/{number}.csv.gz");
        copy(inventory, &file.key, files, &key).await?;
        names.push(json!({"key": key, "size": file.size, "MD5checksum": file.md5}));
    }
    let partition = files.region().partition();
    text["destinationBucket"] = json!(format!("arn:{partition}:s3:::{}", files.name()));
    text["files"] = Value::Array(names);
    let text = text.to_string();
    let checksum = hex::encode(Md5::digest(&text));
    put(files, &format!("{folder}manifest.checksum"), checksum).await?;
    let manifest = format!("{folder}manifest.json");
    let etag = put(files, &manifest, text).await?;
    Ok(JobInventory {
        etag,
        manifest,
        copies,
        left,
    })
}

/// What the inventory lists of what is planned, and what it does not. Both are in the order of their keys.
fn fit(
    listed: Rows,
    mut planned: Rows,
    lacking: &mpsc::Sender<String>,
) -> Result<(Tally, Listed), InventoryError> {
    let (mut copies, mut left) = (Tally::default(), Listed::default());
    let mut leave = |row: &Row| {
        left.add(&row.key, row.meta.size, Some("not in the inventory"));
        // Whoever does not listen any more has failed, and says so.
        let _ = lacking.blocking_send(row.key.clone());
    };
    for row in listed {
        let row = row?;
        loop {
            match planned.next().transpose()? {
                Some(step) if step.key < row.key => leave(&step),
                Some(step) if step.key == row.key => {
                    copies.add(step.meta.size);
                    break;
                }
                _ => return Err(InventoryError::NotPlanned { key: row.key }),
            }
        }
    }
    for step in planned {
        leave(&step?);
    }
    Ok((copies, left))
}

/// S3 copies it by itself. Jobs need no grant on a key for it.
async fn copy(
    inventory: &Inventory,
    from: &str,
    files: &Bucket,
    key: &str,
) -> Result<(), InventoryError> {
    let source = utf8_percent_encode(from, KEY);
    let copy = files.s3.copy_object().bucket(files.name()).key(key);
    let copy = copy.copy_source(format!("{}/{source}", inventory.bucket.name()));
    let copied = copy
        .server_side_encryption(ServerSideEncryption::Aes256)
        .send()
        .await;
    copied.map_err(|error| files.call("CopyObject", key).failed(error))?;
    Ok(())
}

async fn put(files: &Bucket, key: &str, text: String) -> Result<String, InventoryError> {
    let call = || files.call("PutObject", key);
    let put = files.s3.put_object().bucket(files.name()).key(key);
    let put = put.server_side_encryption(ServerSideEncryption::Aes256);
    let put = put.body(text.into_bytes().into()).send().await;
    let answer = put.map_err(|error| call().failed(error))?;
    let etag = answer
        .e_tag
        .ok_or_else(|| aws_env::Error::unexpected(call(), "the answer has no ETag"))?;
    Ok(etag)
}
