//! The credential scope of a signature: who asks which service in which region.

use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::{header, query};

/// What a signature tells. Everything is `None` for an unsigned request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) service: Option<String>,
    /// Region or service are none that AWS could have. They name files, and are read in terminals.
    pub(crate) is_malformed: bool,
}

impl Scope {
    /// Reads the `Authorization` header, else the query of a presigned URL.
    pub(crate) fn read(parts: &Parts) -> Self {
        if let Some(value) = header(parts, "authorization") {
            return Self::from_header(value);
        }
        query(parts, "X-Amz-Credential")
            .map(|value| Self::from_credential(&percent_decode_str(value).decode_utf8_lossy()))
            .unwrap_or_default()
    }

    fn from_header(value: &str) -> Self {
        // Signature version 2 names the key only: `AWS AKID:signature`.
        if let Some(rest) = value.strip_prefix("AWS ") {
            let access_key = rest.split(':').next().map(str::to_owned);
            return Self {
                access_key,
                ..Self::default()
            };
        }
        value
            .split([' ', ','])
            .find_map(|part| part.trim().strip_prefix("Credential="))
            .map(Self::from_credential)
            .unwrap_or_default()
    }

    /// `AKID/20261122/ca-central-1/s3/aws4_request`; a multi-region signature (SigV4a) leaves the region out.
    fn from_credential(credential: &str) -> Self {
        let fields: Vec<&str> = credential.rsplitn(5, '/').collect();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        match fields[..] {
            ["aws4_request", service, region, date, key] if is_date(date) => Self {
                access_key: some(key),
                region: some(region),
                service: some(service),
                is_malformed: !(is_name(region) && is_name(service)),
            },
            ["aws4_request", service, date, key] if is_date(date) => Self {
                access_key: some(key),
                region: None,
                service: some(service),
                is_malformed: !is_name(service),
            },
            _ => Self::default(),
        }
    }
}

/// Letters, digits and hyphens: what names of regions and services are made of.
fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    text.len() <= 64 && text.bytes().all(legal)
}

fn is_date(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit())
}
