//! What a request asks for: service, region, operation and resource.

use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::control::is_page;

mod resource;
mod s3;
mod scope;

pub(crate) use resource::form_fields;
pub(crate) use s3::{ENCODING, EXPECTED_OWNER, EXPECTED_SOURCE_OWNER, Target};
pub(crate) use scope::Scope;

/// How a service wants its errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocol {
    #[default]
    S3,
    /// AWS JSON 1.0 and 1.1: the operation is in `X-Amz-Target`.
    Json,
    /// Form with `Action=`, XML answers.
    Query,
    /// Smithy RPC v2 CBOR: the operation is in the path.
    Cbor,
    RestJson,
    RestXml,
}

/// One request, as far as it could be understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) protocol: Protocol,
    pub(crate) service: String,
    /// Its signature names a region or a service that AWS cannot have.
    pub(crate) is_malformed: bool,
    pub(crate) operation: String,
    pub(crate) region: Option<String>,
    pub(crate) access_key: Option<String>,
    pub(crate) resource: Option<String>,
    /// Bucket and key, for S3 only.
    pub(crate) target: Option<Target>,
    /// Bucket that a copy reads from.
    pub(crate) source_bucket: Option<String>,
    /// The account that the caller believes to own the bucket.
    pub(crate) expected_owner: Option<String>,
    /// The account that the caller believes to own the bucket that a copy reads from.
    pub(crate) expected_source_owner: Option<String>,
    /// How a list of S3 shall write keys.
    pub(crate) encoding: Option<String>,
    /// The page of a list that it asks for, by a token of the fault `pages`.
    pub(crate) page: Option<usize>,
    /// Region that CreateBucket names in its body.
    pub(crate) location: Option<String>,
    /// Buckets that PutBucketReplication names in its body.
    pub(crate) destinations: Vec<String>,
}

/// What the head alone tells. `Read::Body` means that operation, resource or the token of a page may be in the body.
pub(crate) enum Read {
    Complete(Call),
    Body(Call),
}

impl Call {
    /// Reads the head of a request.
    pub(crate) fn read(parts: &Parts) -> Read {
        let scope = Scope::read(parts);
        let path = parts.uri.path();
        let mut call = Self {
            region: scope.region,
            access_key: scope.access_key,
            is_malformed: scope.is_malformed,
            ..Self::default()
        };
        let service = scope.service.map(|service| service.to_ascii_lowercase());

        if is_page(path) {
            call.rest("emulator".into(), parts);
            return Read::Complete(call);
        }
        if let Some(target) = header(parts, "x-amz-target") {
            let (prefix, operation) = target.rsplit_once('.').unwrap_or(("unknown", target));
            call.protocol = Protocol::Json;
            call.service = service.unwrap_or_else(|| prefix.to_ascii_lowercase());
            call.operation = operation.to_owned();
            return Read::Body(call);
        }
        if let Some((named, operation)) = smithy_rpc(path) {
            call.protocol = Protocol::Cbor;
            call.service = service.unwrap_or_else(|| named.to_ascii_lowercase());
            call.operation = operation.to_owned();
            return Read::Body(call);
        }
        let object_store = match service.as_deref() {
            Some("s3" | "s3express" | "s3-object-lambda") => !is_s3_control(parts),
            Some(_) => false,
            None => !is_form(parts),
        };
        if object_store {
            call.protocol = Protocol::S3;
            call.service = service.unwrap_or_else(|| "s3".into());
            let (operation, target) = s3::read(parts);
            call.operation = operation;
            call.resource = target.name();
            call.source_bucket = s3::source_bucket(parts);
            call.expected_owner = s3::expected_owner(parts, &call.operation);
            call.expected_source_owner = call
                .source_bucket
                .as_ref()
                .and_then(|_| s3::account(parts, EXPECTED_SOURCE_OWNER));
            call.encoding = s3::encoding(parts, &call.operation);
            call.target = Some(target);
            let told_by_body = ["CreateBucket", "PutBucketReplication"];
            return if told_by_body.contains(&call.operation.as_str()) {
                Read::Body(call)
            } else {
                Read::Complete(call)
            };
        }
        let service = service.unwrap_or_else(|| "unknown".into());
        if is_form(parts) || query(parts, "Action").is_some() {
            call.protocol = Protocol::Query;
            call.service = service;
            call.operation = "unknown".into();
            if let Some(query) = parts.uri.query() {
                call.fields(query.as_bytes());
            }
            return Read::Body(call);
        }
        call.rest(
            if is_s3_control(parts) {
                "s3-control".into()
            } else {
                service
            },
            parts,
        );
        Read::Complete(call)
    }

    /// The bucket of an S3 request.
    pub(crate) fn bucket(&self) -> Option<&str> {
        self.target.as_ref()?.bucket.as_deref()
    }

    /// The region without which there is no answer: that of the signature, but for services whose API is in one
    /// region for all. An SDK with an endpoint of its own signs those for the client's region.
    /// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html>
    pub(crate) fn needed_region(&self) -> Option<&str> {
        match self.service.as_str() {
            "iam" | "cloudfront" | "route53" => Some("us-east-1"),
            _ => self.region.as_deref(),
        }
    }

    /// Adds what the body tells.
    pub(crate) fn read_body(&mut self, body: &[u8]) {
        match self.protocol {
            Protocol::Json => self.resource = resource::in_json(body),
            Protocol::Query => self.fields(body),
            Protocol::S3 if self.operation == "PutBucketReplication" => {
                self.destinations = s3::replication_destinations(body);
            }
            Protocol::S3 => self.location = s3::location_constraint(body),
            _ => {}
        }
    }

    fn fields(&mut self, form: &[u8]) {
        let fields = form_fields(form);
        if let Some((_, action)) = fields.iter().find(|(name, _)| name == "Action") {
            self.operation.clone_from(action);
        }
        if let Some(named) = resource::in_fields(&fields) {
            self.resource = Some(named);
        }
    }

    fn rest(&mut self, service: String, parts: &Parts) {
        self.protocol = match service.as_str() {
            "s3-control" | "cloudfront" | "route53" => Protocol::RestXml,
            _ => Protocol::RestJson,
        };
        let path = parts.uri.path();
        self.operation = format!("{} {path}", parts.method);
        self.resource = Some(percent_decode_str(path).decode_utf8_lossy().into_owned());
        self.service = service;
    }
}

fn smithy_rpc(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/service/")?.split_once("/operation/")
}

/// S3 Control signs as `s3` but has its own paths, dated as in its API model.
fn is_s3_control(parts: &Parts) -> bool {
    parts.uri.path().starts_with("/v20180820/")
}

fn is_form(parts: &Parts) -> bool {
    header(parts, "content-type")
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

fn header<'parts>(parts: &'parts Parts, name: &str) -> Option<&'parts str> {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
}

/// A query parameter, still encoded; `Some("")` for one without a value.
fn query<'parts>(parts: &'parts Parts, name: &str) -> Option<&'parts str> {
    parts
        .uri
        .query()?
        .split('&')
        .find_map(|pair| match pair.split_once('=') {
            Some((key, value)) => (key == name).then_some(value),
            None => (pair == name).then_some(""),
        })
}

#[cfg(test)]
mod tests;
