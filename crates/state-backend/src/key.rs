//! The KMS keys that buckets and tables encrypt with. Whoever owns a key makes it: here it is looked at.

use aws_env::{Error, ErrorClass, RegionClients};
use aws_sdk_kms::types::{KeySpec, KeyState, KeyUsageType};
use serde_json::{Value, json};
use settings::KmsKeyArn;

use crate::spec::{Aspect, Facet, Kind, Resource, Side};

/// That the side's key can encrypt. S3 and DynamoDB take symmetric keys alone:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>.
pub(crate) fn wanted(side: &Side, key: &KmsKeyArn) -> Facet {
    Facet {
        resource: Resource {
            kind: Kind::Key,
            name: key.to_string(),
            side: side.name,
            region: side.region,
        },
        aspect: Aspect::Exists,
        wanted: json!({
            "state": KeyState::Enabled.as_str(),
            "usage": KeyUsageType::EncryptDecrypt.as_str(),
            "spec": KeySpec::SymmetricDefault.as_str(),
        }),
    }
}

/// What the key is; `None` when there is none.
pub(crate) async fn observe(
    clients: &RegionClients,
    facet: &Facet,
) -> Result<Option<Value>, Error> {
    let key = facet.resource.name.as_str();
    let kms = aws_env::client!(aws_sdk_kms, clients.access());
    let call = clients.call("KMS", "DescribeKey", format!("key {key}"));
    match kms.describe_key().key_id(key).send().await {
        Ok(answer) => Ok(answer.key_metadata.map(|key| {
            json!({
                "state": key.key_state.map(|state| state.as_str().to_owned()),
                "usage": key.key_usage.map(|usage| usage.as_str().to_owned()),
                "spec": key.key_spec.map(|spec| spec.as_str().to_owned()),
            })
        })),
        Err(error) => match call.failed(error) {
            error if error.class == ErrorClass::Absent => Ok(None),
            error => Err(error),
        },
    }
}
