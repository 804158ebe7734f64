//! What an inventory lists. Its manifest does not say; the configuration by which S3 made it does:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_InventoryConfiguration.html>.

use aws_env::{Error, ErrorClass};
use aws_sdk_s3::types::InventoryIncludedObjectVersions;

use super::super::coverage::Covers;
use super::{Inventory, InventoryError};

/// Asks the bucket that is listed for the configuration of this inventory.
///
/// # Errors
/// When nobody answers.
pub(super) async fn ask(inventory: &Inventory, listed: &str) -> Result<Covers, InventoryError> {
    let Some(id) = configuration(&inventory.manifest, listed) else {
        let why = format!(
            "{} is not where S3 publishes inventories of {listed}: …/{listed}/CONFIGURATION/TIME/manifest.json",
            inventory.manifest
        );
        return Ok(Covers::Unknown { why });
    };
    let bucket = &inventory.bucket;
    let answer = bucket
        .s3
        .get_bucket_inventory_configuration()
        .bucket(listed)
        .id(id)
        .send()
        .await
        .map_err(|error| {
            let mut call = bucket.call("GetBucketInventoryConfiguration", "");
            call.resource = format!("{listed}, {id}");
            call.failed(error)
        });
    match answer {
        Ok(answer) => Ok(match answer.inventory_configuration {
            Some(configuration) => Covers::Keys {
                prefix: configuration
                    .filter
                    .map(|filter| filter.prefix)
                    .unwrap_or_default(),
                old_versions: configuration.included_object_versions
                    == InventoryIncludedObjectVersions::All,
            },
            None => unknown(id, "S3 does not show it"),
        }),
        Err(error) if tells_nothing(&error) => Ok(unknown(id, &error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn unknown(id: &str, why: &str) -> Covers {
    let why = format!("its configuration {id}: {why}");
    Covers::Unknown { why }
}

/// It was deleted since, may not be seen, or the server has no such thing.
fn tells_nothing(error: &Error) -> bool {
    matches!(error.class, ErrorClass::Absent | ErrorClass::Denied)
        || matches!(error.status, Some(400 | 405 | 501))
}

/// The configuration's name: `PREFIX/BUCKET/CONFIGURATION/TIME/manifest.json`.
fn configuration<'a>(manifest: &'a str, listed: &str) -> Option<&'a str> {
    let mut parts = manifest.rsplit('/');
    let (_, _, id, bucket) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (bucket == listed && !id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_of_a_manifest_is_named_by_its_key() {
        let id = |key: &str| configuration(key, "photos").map(str::to_owned);
        let daily = Some("daily".to_owned());
        let time = "2026-11-22T01-00Z/manifest.json";
        assert_eq!(id(&format!("photos/daily/{time}")), daily);
        assert_eq!(id(&format!("in/a/photos/daily/{time}")), daily);
        assert_eq!(id(&format!("other/daily/{time}")), None);
        assert_eq!(id(time), None);
        assert_eq!(id("photos/manifest.json"), None);
    }
}
