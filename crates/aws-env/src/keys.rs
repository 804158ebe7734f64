use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

use crate::{Call, Error, RegionClients, pages};

/// Lists the keys of a bucket that begin with `prefix`, whatever characters are in them.
///
/// XML cannot carry every key that S3 takes, and what a parser makes of an escape character in one, or whether it reads
/// the page at all, is its own affair. Keys are therefore asked for in URL encoding.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
///
/// # Errors
/// When any page cannot be had.
pub async fn list_keys(
    clients: &RegionClients,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<String>, Error> {
    let resource = match prefix {
        "" => format!("bucket {bucket}"),
        prefix => format!("{bucket}/{prefix}*"),
    };
    let call = clients.call("S3", "ListObjectsV2", resource);
    let list = clients.s3.list_objects_v2().bucket(bucket);
    let list = list.encoding_type(EncodingType::Url);
    let list = list.set_prefix((!prefix.is_empty()).then(|| prefix.to_owned()));
    let mut keys = Vec::new();
    for page in pages(call.clone(), list.into_paginator().send()).await? {
        let encoded = page.encoding_type == Some(EncodingType::Url);
        for key in page.contents.into_iter().flatten().filter_map(|of| of.key) {
            keys.push(match encoded {
                true => decode(&key, &call)?,
                false => key,
            });
        }
    }
    Ok(keys)
}

/// A space is `+` (AWS) or `%20` (others), a plus always `%2B`.
fn decode(encoded: &str, call: &Call) -> Result<String, Error> {
    let key = percent_decode_str(&encoded.replace('+', " "))
        .decode_utf8()
        .map(|key| key.into_owned());
    key.map_err(|_| Error::unexpected(call.clone(), format!("the key {encoded} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_what_it_was_before_it_was_encoded() {
        let call = Call {
            region: "ca-central-1".parse().unwrap(),
            service: "S3",
            operation: "ListObjectsV2",
            resource: "bucket b".to_owned(),
        };
        for (encoded, key) in [
            ("a/b.tfstate.tflock", "a/b.tfstate.tflock"),
            ("a+b%2Bc%20d", "a b+c d"),
            ("%1B%5B2J%00%C3%A9", "\u{1b}[2J\0é"),
        ] {
            assert_eq!(decode(encoded, &call).unwrap(), key);
        }
        assert!(decode("%FF", &call).is_err());
    }
}
