//! Answers that the proxy gives itself, in the form that each protocol's clients understand.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::request::{Call, Protocol};

/// An error as AWS writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Problem {
    /// Too many requests.
    Throttled,
    /// The service's own failure.
    Internal,
    /// The caller has no permission for this.
    Denied,
    /// Another region that the request needs cannot be reached: a copy's source, a new bucket's home.
    OtherRegionDown,
    /// The signature's scope is none.
    MalformedScope,
    /// The request is larger than what the proxy keeps in memory.
    TooLarge,
    /// The emulator behind the proxy does not answer.
    BaseUnreachable,
    /// The object that is there is not the one that a write may replace.
    PreconditionFailed,
    /// There is no object to replace.
    NoSuchKey,
    /// The bucket was made a moment ago, and is not seen everywhere yet.
    NoSuchBucket,
    /// The bucket to replicate to was made a moment ago.
    NoReplicationDestination,
    /// The table was made a moment ago, and its backups are still being switched on.
    BackupsUnavailable,
}

impl Problem {
    /// Status and code.
    ///
    /// S3: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>, DynamoDB:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>,
    /// others: the "Common errors" page of their API reference.
    fn code(self, protocol: Protocol) -> (StatusCode, &'static str) {
        use Protocol::{Cbor, Json, Query, RestJson, RestXml, S3};
        match (self, protocol) {
            (Self::Throttled, S3) => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
            (Self::Throttled, Json | Cbor) => (StatusCode::BAD_REQUEST, "ThrottlingException"),
            (Self::Throttled, RestJson) => (StatusCode::TOO_MANY_REQUESTS, "ThrottlingException"),
            (Self::Throttled, Query | RestXml) => (StatusCode::BAD_REQUEST, "Throttling"),
            (Self::Internal, S3) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            (Self::Internal, Json | Cbor | RestJson) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
            }
            (Self::Internal, Query | RestXml) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure")
            }
            (Self::Denied, S3 | Query | RestXml) => (StatusCode::FORBIDDEN, "AccessDenied"),
            (Self::Denied, Json | Cbor) => (StatusCode::BAD_REQUEST, "AccessDeniedException"),
            (Self::Denied, RestJson) => (StatusCode::FORBIDDEN, "AccessDeniedException"),
            (Self::OtherRegionDown, _) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            (Self::MalformedScope, S3) => (StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed"),
            (Self::MalformedScope, Json | Cbor | RestJson) => {
                (StatusCode::BAD_REQUEST, "IncompleteSignatureException")
            }
            (Self::MalformedScope, Query | RestXml) => {
                (StatusCode::BAD_REQUEST, "IncompleteSignature")
            }
            (Self::TooLarge, _) => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            (Self::BaseUnreachable, _) => (StatusCode::BAD_GATEWAY, "BaseUnreachable"),
            (Self::PreconditionFailed, _) => {
                (StatusCode::PRECONDITION_FAILED, "PreconditionFailed")
            }
            (Self::NoSuchKey, _) => (StatusCode::NOT_FOUND, "NoSuchKey"),
            (Self::NoSuchBucket, _) => (StatusCode::NOT_FOUND, "NoSuchBucket"),
            (Self::NoReplicationDestination, _) => (StatusCode::BAD_REQUEST, "InvalidRequest"),
            (Self::BackupsUnavailable, _) => (
                StatusCode::BAD_REQUEST,
                "ContinuousBackupsUnavailableException",
            ),
        }
    }

    fn message(self, protocol: Protocol) -> &'static str {
        match (self, protocol) {
            (Self::Throttled, Protocol::S3) => "Please reduce your request rate.",
            (Self::Throttled, _) => "Rate exceeded",
            (Self::Internal, _) => "We encountered an internal error. Please try again.",
            (Self::Denied, _) => "Access Denied",
            (Self::OtherRegionDown, _) => "A region that this request needs cannot be reached.",
            (Self::MalformedScope, _) => {
                "The authorization header is malformed: region and service are letters, digits and hyphens."
            }
            (Self::TooLarge, _) => "The request is larger than local-aws keeps in memory.",
            (Self::BaseUnreachable, _) => "The emulator behind local-aws does not answer.",
            (Self::PreconditionFailed, _) => {
                "At least one of the pre-conditions you specified did not hold"
            }
            (Self::NoSuchKey, _) => "The specified key does not exist.",
            (Self::NoSuchBucket, _) => "The specified bucket does not exist",
            (Self::NoReplicationDestination, _) => "Destination bucket must exist.",
            (Self::BackupsUnavailable, _) => {
                "Backups are being enabled for the table. Please retry later"
            }
        }
    }

    /// The whole answer.
    pub(crate) fn answer(self, call: &Call) -> Response<Full<Bytes>> {
        let (status, code) = match (self, call.service.as_str()) {
            // <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
            (Self::Throttled, "ec2") => (StatusCode::SERVICE_UNAVAILABLE, "RequestLimitExceeded"),
            (Self::Internal, "ec2") => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            (Self::Denied, "ec2") => (StatusCode::FORBIDDEN, "UnauthorizedOperation"),
            _ => self.code(call.protocol),
        };
        error(call, status, code, self.message(call.protocol), &[])
    }
}

/// An error answer in the protocol of `call`; `more` are elements that S3 puts after the message.
pub(crate) fn error(
    call: &Call,
    status: StatusCode,
    code: &str,
    message: &str,
    more: &[(&str, &str)],
) -> Response<Full<Bytes>> {
    // The code says in which way it was made: no request of a base carries this id.
    let id = "LOCALAWS00000000";
    let (kind, body): (&'static str, Vec<u8>) = match call.protocol {
        Protocol::S3 => {
            let more: String = more
                .iter()
                .map(|(name, value)| format!("<{name}>{}</{name}>", escape(value)))
                .collect();
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>{more}\
                 <RequestId>{id}</RequestId><HostId>local-aws</HostId></Error>",
                escape(message)
            );
            ("application/xml", text.into_bytes())
        }
        // EC2 has a form of its own.
        Protocol::Query if call.service == "ec2" => {
            let text = format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>{}</Message></Error></Errors>\
                 <RequestID>{id}</RequestID></Response>",
                escape(message)
            );
            ("text/xml", text.into_bytes())
        }
        Protocol::Query | Protocol::RestXml => {
            let fault = if status.is_server_error() {
                "Receiver"
            } else {
                "Sender"
            };
            let text = format!(
                "<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{}</Message></Error>\
                 <RequestId>{id}</RequestId></ErrorResponse>",
                escape(message)
            );
            ("text/xml", text.into_bytes())
        }
        Protocol::Json => {
            let text = serde_json::json!({ "__type": code, "message": message }).to_string();
            ("application/x-amz-json-1.0", text.into_bytes())
        }
        Protocol::RestJson => (
            "application/json",
            serde_json::json!({ "message": message })
                .to_string()
                .into_bytes(),
        ),
        Protocol::Cbor => (
            "application/cbor",
            cbor_map(&[("__type", code), ("message", message)]),
        ),
    };
    let length = body.len();
    // A HEAD answer never has a body; hyper leaves it out and keeps the length.
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    let header = |name: &'static str| HeaderName::from_static(name);
    match call.protocol {
        Protocol::S3 => {
            headers.insert(header("x-amz-request-id"), HeaderValue::from_static(id));
        }
        Protocol::Cbor => {
            headers.insert(
                header("smithy-protocol"),
                HeaderValue::from_static("rpc-v2-cbor"),
            );
        }
        _ => {}
    }
    if call.protocol != Protocol::S3 {
        headers.insert(header("x-amzn-requestid"), HeaderValue::from_static(id));
        if let Ok(code) = HeaderValue::from_str(code) {
            headers.insert(header("x-amzn-errortype"), code);
        }
    }
    response
}

/// What a proxy says that got no answer from behind it.
pub(crate) fn bad_gateway() -> Response<Full<Bytes>> {
    let page = "<html><body><h1>502 Bad Gateway</h1></body></html>\n";
    let mut response = Response::new(Full::new(Bytes::from_static(page.as_bytes())));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(page.len()));
    response
}

/// A successful answer of a Query service.
pub(crate) fn xml(body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

/// A successful answer of a service that speaks JSON.
pub(crate) fn json(body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    response
}

/// A successful answer without anything in it, as a service would write it that knows of nothing.
pub(crate) fn empty(call: &Call) -> Response<Full<Bytes>> {
    let (kind, body) = match call.protocol {
        // What their clients take an answer without a body for.
        Protocol::S3 | Protocol::RestXml => ("application/xml", Vec::new()),
        Protocol::Query => {
            let name = escape(&call.operation);
            let text = format!("<{name}Response><{name}Result/></{name}Response>");
            ("text/xml", text.into_bytes())
        }
        Protocol::Json => ("application/x-amz-json-1.0", b"{}".to_vec()),
        Protocol::RestJson => ("application/json", b"{}".to_vec()),
        Protocol::Cbor => ("application/cbor", cbor_map(&[])),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if call.protocol == Protocol::Cbor {
        let protocol = HeaderName::from_static("smithy-protocol");
        headers.insert(protocol, HeaderValue::from_static("rpc-v2-cbor"));
    }
    response
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A CBOR map of texts (RFC 8949: major types 5 and 3).
fn cbor_map(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let head = |out: &mut Vec<u8>, major: u8, length: usize| match u8::try_from(length) {
        Ok(small @ 0..24) => out.push(major | small),
        Ok(byte) => out.extend([major | 24, byte]),
        Err(_) => {
            out.push(major | 26);
            out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    };
    head(&mut out, 0xA0, fields.len());
    for text in fields.iter().flat_map(|(name, value)| [name, value]) {
        head(&mut out, 0x60, text.len());
        out.extend(text.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(problem: Problem, protocol: Protocol) -> (u16, String) {
        let response = problem.answer(&Call {
            protocol,
            ..Call::default()
        });
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn each_protocol_has_its_own_throttling() {
        for (protocol, status, part) in [
            (Protocol::S3, 503, "<Code>SlowDown</Code>"),
            (Protocol::Json, 400, r#""__type":"ThrottlingException""#),
            (Protocol::Query, 400, "<Code>Throttling</Code>"),
            (Protocol::RestXml, 400, "<Code>Throttling</Code>"),
            (Protocol::RestJson, 429, "Rate exceeded"),
            (Protocol::Cbor, 400, "ThrottlingException"),
        ] {
            let (got, body) = text(Problem::Throttled, protocol).await;
            assert_eq!(got, status, "{protocol:?}");
            assert!(body.contains(part), "{protocol:?}: {body}");
        }
        assert_eq!(text(Problem::Denied, Protocol::Json).await.0, 400);
        assert_eq!(text(Problem::Denied, Protocol::Query).await.0, 403);
        assert_eq!(text(Problem::Internal, Protocol::Query).await.0, 500);
    }

    #[tokio::test]
    async fn ec2_has_codes_and_a_form_of_its_own() {
        for (problem, status, code) in [
            (Problem::Throttled, 503, "RequestLimitExceeded"),
            (Problem::Internal, 500, "InternalError"),
            (Problem::Denied, 403, "UnauthorizedOperation"),
        ] {
            let response = problem.answer(&Call {
                protocol: Protocol::Query,
                service: "ec2".into(),
                ..Call::default()
            });
            assert_eq!(response.status().as_u16(), status);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8_lossy(&body);
            let start = format!("<Response><Errors><Error><Code>{code}</Code>");
            assert!(text.starts_with(&start), "{text}");
        }
    }

    #[tokio::test]
    async fn an_empty_answer_is_one_of_the_protocol() {
        for (protocol, expected) in [
            (Protocol::S3, ""),
            (Protocol::Json, "{}"),
            (
                Protocol::Query,
                "<ListResponse><ListResult/></ListResponse>",
            ),
            (Protocol::Cbor, "\u{a0}"),
        ] {
            let response = empty(&Call {
                protocol,
                operation: "List".into(),
                ..Call::default()
            });
            assert_eq!(response.status().as_u16(), 200);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let text: String = body.iter().map(|byte| char::from(*byte)).collect();
            assert_eq!(text, expected, "{protocol:?}");
        }
    }

    #[test]
    fn cbor_is_as_in_rfc_8949() {
        assert_eq!(cbor_map(&[("a", "b")]), [0xA1, 0x61, b'a', 0x61, b'b']);
        let long = "x".repeat(30);
        assert_eq!(cbor_map(&[("a", &long)])[..5], [0xA1, 0x61, b'a', 0x78, 30]);
    }

    #[test]
    fn xml_is_escaped() {
        assert_eq!(escape("<a&b>"), "&lt;a&amp;b&gt;");
    }
}
