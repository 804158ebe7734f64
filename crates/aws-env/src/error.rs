use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use report::finding::Unobserved;
use settings::Region;

use crate::iam_action::{iam_actions, named_by_aws};
use crate::owners::{ExpectedOwners, OwnerUnknown};
use crate::permit::NotPermitted;
use crate::wall::OutsideRegion;

/// What kind of answer, or lack of one, an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// No usable answer: connection refused or reset, time-out, or a 5xx that is not throttling.
    /// The only class that says anything about the health of a region.
    Unreachable,
    /// AWS answers but asks to slow down, and did so through every retry.
    Throttled,
    /// AWS answers and refuses: the region is reachable.
    Denied,
    /// Credentials are missing, expired or not accepted.
    Credentials,
    /// The resource does not exist.
    Absent,
    /// The resource exists already, is in another state, or is being changed.
    Conflict,
    /// AWS rejects the request as malformed or not allowed for this resource.
    Invalid,
    /// Anything else.
    Other,
}

impl ErrorClass {
    fn phrase(self) -> &'static str {
        match self {
            Self::Unreachable => "cannot be reached",
            Self::Throttled => "throttled",
            Self::Denied => "access denied",
            Self::Credentials => "no usable credentials",
            Self::Absent => "not found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid request",
            Self::Other => "failed",
        }
    }
}

impl ErrorClass {
    /// Whether the same call may succeed a moment later, without anybody having changed anything. A refusal will not
    /// go away by asking again.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Throttled)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phrase())
    }
}

/// Which call an [`Error`] belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The region that was asked.
    pub region: Region,
    /// The service, as AWS abbreviates it: `S3`, `DynamoDB`.
    pub service: &'static str,
    /// The API operation: `PutBucketPolicy`.
    pub operation: &'static str,
    /// The bucket, table, role or object.
    pub resource: String,
}

impl Call {
    /// Turns the SDK's error for this call into an [`Error`].
    pub fn failed<E>(self, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        Error::new(self, error)
    }
}

/// A call to AWS that failed after the SDK's retries.
#[derive(Debug)]
pub struct Error {
    /// What was called.
    pub call: Call,
    /// What kind of failure it is.
    pub class: ErrorClass,
    /// AWS's error code, such as `BucketAlreadyExists`.
    pub code: Option<String>,
    /// AWS's own words.
    pub message: Option<String>,
    /// The id to quote to AWS support.
    pub request_id: Option<String>,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Of a call to S3 that was refused, the account that the bucket had to belong to, in words. S3 does not tell
    /// whether the bucket is another's or a permission is missing.
    pub expected_owner: Option<Box<str>>,
    not_settled: bool,
    source: Box<dyn StdError + Send + Sync>,
}

impl Error {
    fn new<E>(call: Call, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        let request_id = error.request_id().map(str::to_owned);
        let (code, message) = match error.as_service_error() {
            Some(service) => (service.code(), service.message()),
            None => (None, None),
        };
        let owners = error
            .raw_response()
            .and_then(|raw| raw.extension::<ExpectedOwners>());
        let unknown = cause::<OwnerUnknown>(&error);
        let class = match (&error, unknown) {
            (_, Some(unknown)) => unknown.class,
            (SdkError::ServiceError(_), None) => classify(call.operation, code, status),
            _ if lacks_credentials(&error) => ErrorClass::Credentials,
            _ if cause::<OutsideRegion>(&error).is_some() => ErrorClass::Invalid,
            _ if cause::<NotPermitted>(&error).is_some() => ErrorClass::Invalid,
            (
                SdkError::TimeoutError(_)
                | SdkError::DispatchFailure(_)
                | SdkError::ResponseError(_),
                None,
            ) => ErrorClass::Unreachable,
            _ => ErrorClass::Invalid,
        };
        Self {
            call,
            class,
            code: code.map(str::to_owned),
            message: match unknown {
                Some(unknown) => Some(unknown.to_string()),
                None => message.map(str::to_owned),
            },
            request_id,
            status,
            expected_owner: owners.map(|owners| owners.to_string().into()),
            not_settled: false,
            source: Box::new(error),
        }
    }

    /// An answer that arrived but lacks what AWS documents to be there.
    pub fn unexpected(call: Call, what: impl Into<String>) -> Self {
        let what = what.into();
        Self {
            call,
            class: ErrorClass::Other,
            code: None,
            message: Some(what.clone()),
            request_id: None,
            status: None,
            expected_owner: None,
            not_settled: false,
            source: what.into(),
        }
    }

    /// Something that AWS accepted but did not show within `waited`.
    pub fn not_settled(call: Call, waited: Duration, last_seen: impl fmt::Display) -> Self {
        let mut error = Self::unexpected(
            call,
            format!(
                "not as requested after {} s, last seen: {last_seen}",
                waited.as_secs()
            ),
        );
        error.not_settled = true;
        error
    }

    /// Whether the same call may succeed a moment later ([`ErrorClass::is_transient`]).
    pub fn is_transient(&self) -> bool {
        self.class.is_transient()
    }

    /// Whether AWS accepted a change that it did not show in time ([`Error::not_settled`]).
    pub fn is_not_settled(&self) -> bool {
        self.not_settled
    }

    /// Whether the call was not sent, since it is not known which account its bucket has to belong to
    /// ([`OwnerUnknown`]).
    pub fn is_owner_unknown(&self) -> bool {
        cause::<OwnerUnknown>(self).is_some()
    }

    /// The permissions that the refused caller may lack, as IAM calls them: the one that AWS names, or else those of the call. AWS
    /// does not always name one, and never in answer to a HEAD request; `None` where AWS refuses for another reason.
    fn needed_actions(&self) -> Option<String> {
        let by_permission = self.class == ErrorClass::Denied
            && ![
                "OptInRequired",
                "RegionDisabledException",
                "InvalidRegion",
                "AllAccessDisabled",
            ]
            .contains(&self.code.as_deref().unwrap_or_default());
        if !by_permission {
            return None;
        }
        if let Some((action, denying)) = self.message.as_deref().and_then(named_by_aws) {
            let denying = denying.map(|policy| format!(", which a policy denies: {policy}"));
            return Some(format!("needs {action}{}", denying.unwrap_or_default()));
        }
        let actions = iam_actions(self.call.service, self.call.operation);
        (!actions.is_empty()).then(|| format!("needs {}", actions.join(", ")))
    }

    /// Whether AWS's error code is `code`.
    pub fn is_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call {
            region,
            service,
            operation,
            resource,
        } = &self.call;
        write!(
            f,
            "{service} {operation} of {resource} in {region}: {}",
            self.class
        )?;
        let details: Vec<String> = [
            self.code.clone(),
            self.needed_actions(),
            self.expected_owner.as_deref().map(str::to_owned),
            self.request_id.as_ref().map(|id| format!("request {id}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !details.is_empty() {
            write!(f, " ({})", details.join(", "))?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

/// Not when the one source of credentials, such as STS for a role, could not be reached: that says nothing about them.
/// Where no source has any, that the metadata service cannot be reached either is no news.
fn lacks_credentials(error: &(dyn StdError + 'static)) -> bool {
    match cause::<CredentialsError>(error) {
        None => false,
        Some(CredentialsError::ProviderError(_)) => cause::<ConnectorError>(error).is_none(),
        Some(_) => true,
    }
}

fn cause<'e, C: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e C> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Codes as listed in the API references of S3, DynamoDB, IAM, KMS, STS and CloudWatch ("Errors",
/// "Common errors"); a code that is not here is judged by its HTTP status.
///
/// A 404 without a code says "absent" only in answer to HEAD, which has no body to put a code in. Anywhere else it
/// was not AWS that answered, but a proxy or an endpoint that knows no such address.
fn classify(operation: &str, code: Option<&str>, status: Option<u16>) -> ErrorClass {
    let by_code = match code.unwrap_or_default() {
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "BandwidthLimitExceeded" => Some(ErrorClass::Throttled),
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "IncompleteSignature" => Some(ErrorClass::Credentials),
        "NoSuchBucket"
        | "NoSuchKey"
        | "NoSuchVersion"
        | "NoSuchUpload"
        | "NotFound"
        | "NotFoundException"
        | "NoSuchEntity"
        | "ResourceNotFoundException"
        | "NoSuchTagSet"
        | "NoSuchBucketPolicy"
        | "NoSuchLifecycleConfiguration"
        | "NoSuchPublicAccessBlockConfiguration"
        | "OwnershipControlsNotFoundError"
        | "ReplicationConfigurationNotFoundError"
        | "ServerSideEncryptionConfigurationNotFoundError"
        | "TableNotFoundException" => Some(ErrorClass::Absent),
        "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "EntityAlreadyExists"
        | "ResourceInUseException"
        | "OperationAborted"
        | "ConcurrentModification"
        | "ConditionalCheckFailedException"
        | "PreconditionFailed"
        | "DeleteConflict"
        | "ConditionalRequestConflict" => Some(ErrorClass::Conflict),
        "AccessDenied"
        | "AccessDeniedException"
        | "AllAccessDisabled"
        | "OptInRequired"
        | "UnauthorizedOperation"
        | "NotAuthorized"
        | "InvalidRegion"
        | "RegionDisabledException" => Some(ErrorClass::Denied),
        _ => None,
    };
    by_code.unwrap_or(match status {
        Some(401 | 403) => ErrorClass::Denied,
        Some(404) if code.is_some() || operation.starts_with("Head") => ErrorClass::Absent,
        Some(404) => ErrorClass::Other,
        Some(409 | 412) => ErrorClass::Conflict,
        Some(429) => ErrorClass::Throttled,
        Some(400..=499) => ErrorClass::Invalid,
        Some(500..=599) => ErrorClass::Unreachable,
        _ => ErrorClass::Other,
    })
}

/// What a failed call says of what it was to show. AWS's own message is left out: it may repeat what was sent.
impl From<&Error> for Unobserved {
    fn from(error: &Error) -> Self {
        match error.class {
            ErrorClass::Absent => Self::absent(error.to_string()),
            _ => Self::because(error.to_string()),
        }
    }
}

impl From<Error> for Unobserved {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_action_that_aws_names() {
        let shown = |operation, message: &str| {
            let call = Call {
                region: "ca-central-1".parse().unwrap(),
                service: "S3",
                operation,
                resource: "photos/a".to_owned(),
            };
            let mut error = Error::unexpected(call, "refused");
            error.class = ErrorClass::Denied;
            error.message = Some(message.to_owned());
            error.to_string()
        };
        let user = "User: arn:aws:iam::123456789012:user/Kim is not authorized to perform: ";
        for (message, needs) in [
            (
                format!(
                    "{user}kms:Decrypt on resource: arn:aws:kms:ca-central-1:123456789012:key/1 because no \
                         identity-based policy allows the kms:Decrypt action"
                ),
                "(needs kms:Decrypt)",
            ),
            (
                format!(
                    "{user}s3:GetObject on resource: \"a\" with an explicit deny in a service control policy"
                ),
                "(needs s3:GetObject, which a policy denies: service control policy)",
            ),
            (
                format!("{user}s3:GetObject with an explicit deny in an identity-based policy"),
                "(needs s3:GetObject, which a policy denies: identity-based policy)",
            ),
            (
                "Access to KMS is not allowed".to_owned(),
                "(needs kms:Decrypt)",
            ),
            (
                "Access Denied".to_owned(),
                "(needs s3:GetObject, s3:GetObjectVersion)",
            ),
            (
                format!("{user}?"),
                "(needs s3:GetObject, s3:GetObjectVersion)",
            ),
        ] {
            let shown = shown("GetObject", &message);
            assert!(shown.ends_with(needs), "{shown}");
        }
    }

    // aws-behaviour: 2
    #[test]
    fn an_outage_is_told_from_a_refusal() {
        let rows = [
            (None, Some(500), ErrorClass::Unreachable),
            (Some("InternalError"), Some(500), ErrorClass::Unreachable),
            (
                Some("ServiceUnavailable"),
                Some(503),
                ErrorClass::Unreachable,
            ),
            (Some("SlowDown"), Some(503), ErrorClass::Throttled),
            (
                Some("ThrottlingException"),
                Some(400),
                ErrorClass::Throttled,
            ),
            (Some("AccessDenied"), Some(403), ErrorClass::Denied),
            (None, Some(403), ErrorClass::Denied),
            (Some("ExpiredToken"), Some(400), ErrorClass::Credentials),
            (Some("NoSuchBucket"), Some(404), ErrorClass::Absent),
            // KMS.
            (Some("NotFoundException"), Some(400), ErrorClass::Absent),
            (
                Some("DashboardNotFoundError"),
                Some(404),
                ErrorClass::Absent,
            ),
            (None, Some(404), ErrorClass::Other),
            (Some("BucketAlreadyExists"), Some(409), ErrorClass::Conflict),
            (Some("MalformedXML"), Some(400), ErrorClass::Invalid),
            (Some("PermanentRedirect"), Some(301), ErrorClass::Other),
        ];
        for (code, status, class) in rows {
            assert_eq!(
                classify("GetObject", code, status),
                class,
                "{code:?} {status:?}"
            );
        }
        assert_eq!(
            classify("HeadObject", None, Some(404)),
            ErrorClass::Absent,
            "HEAD has no body to put a code in"
        );
    }
}
