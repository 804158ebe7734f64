use std::time::Instant;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use percent_encoding::percent_decode_str;

/// The target of the events, for filters.
pub const CALL_LOG_TARGET: &str = "aws_env::call";

/// Logs each attempt of each call as one event at debug level: service, operation, region, resource, attempt,
/// milliseconds, HTTP status and AWS's request ID. Nothing of a request's or an answer's content is in it.
#[derive(Debug, Clone, Copy)]
pub struct CallLog {
    region: settings::Region,
}

impl CallLog {
    /// The log of the clients of `region`.
    pub fn new(region: settings::Region) -> Self {
        Self { region }
    }
}

#[derive(Debug)]
struct Sent {
    at: Instant,
    resource: String,
}

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

fn is_on() -> bool {
    tracing::enabled!(target: CALL_LOG_TARGET, tracing::Level::DEBUG)
}

#[dyn_dispatch_hint]
impl Intercept for CallLog {
    fn name(&self) -> &'static str {
        "CallLog"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if is_on() {
            let sent = Sent {
                at: Instant::now(),
                resource: resource(context.request()),
            };
            cfg.interceptor_state().store_put(sent);
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Without it, nothing was sent: there are no credentials, or the request could not be built.
        let Some(sent) = cfg.load::<Sent>().filter(|_| is_on()) else {
            return Ok(());
        };
        let (service, operation) = match cfg.load::<Metadata>() {
            Some(call) => (call.service().to_owned(), call.name().to_owned()),
            None => Default::default(),
        };
        let attempt = cfg.load::<RequestAttempts>().map(RequestAttempts::attempts);
        let response = context.response();
        tracing::debug!(
            target: CALL_LOG_TARGET,
            service,
            operation,
            region = self.region.as_str(),
            resource = sent.resource,
            attempt,
            ms = sent.at.elapsed().as_millis() as u64,
            status = response.map(|response| response.status().as_u16()),
            request_id = response.and_then(request_id),
            "call"
        );
        Ok(())
    }
}

/// The header differs between services.
fn request_id(response: &HttpResponse) -> Option<&str> {
    ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"]
        .into_iter()
        .find_map(|name| response.headers().get(name))
}

/// What a request is about: the path of a REST request, or the first member of its parameters that names something.
/// Parameters are looked at for names alone, since others may hold secrets.
fn resource(request: &HttpRequest) -> String {
    let uri = request.uri();
    let path = uri.split_once("://").map_or(uri, |(_, rest)| {
        rest.find('/').map_or("", |slash| &rest[slash..])
    });
    let path = path.split('?').next().unwrap_or_default();
    if path.len() > 1 {
        let path = path.trim_matches('/');
        return percent_decode_str(path).decode_utf8_lossy().into_owned();
    }
    let body = request.body().bytes().unwrap_or_default();
    let body = std::str::from_utf8(body).unwrap_or_default();
    let named = match body.starts_with('{') {
        true => json_names(body),
        false => query_names(body),
    };
    named.filter(|name| is_identifier(name)).unwrap_or_default()
}

/// Whether AWS could have given, or taken, this as a name, an ID or an ARN. What was put there by mistake can be
/// anything, a secret as well, and is not shown.
fn is_identifier(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@+=,*".contains(&byte))
}

fn names_something(member: &str) -> bool {
    const NAMES: [&str; 5] = ["Name", "Identifier", "Arn", "Id", "ARN"];
    NAMES.iter().any(|name| member.ends_with(name))
}

/// `Action=…&RoleName=…` of the Query protocol.
fn query_names(body: &str) -> Option<String> {
    let members = body.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = members
        .filter(|(member, _)| names_something(member))
        .find(|(_, value)| !value.is_empty())?;
    Some(
        percent_decode_str(&value.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned(),
    )
}

/// `{"TableName":"…"}` of the JSON protocols: the members at the top.
fn json_names(body: &str) -> Option<String> {
    let document: serde_json::Map<String, serde_json::Value> = serde_json::from_str(body).ok()?;
    let named = document
        .iter()
        .find(|(member, value)| names_something(member) && value.is_string())?;
    named.1.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    #[test]
    fn resource_of_each_protocol_is_what_is_named() {
        let rows = [
            (
                "https://s3.ca-central-1.amazonaws.com/b/a%20k?list-type=2",
                "",
                "b/a k",
            ),
            (
                "https://rds.us-east-1.amazonaws.com/",
                "Action=X&Version=1&MasterUserPassword=hunter2&DBInstanceIdentifier=app-1",
                "app-1",
            ),
            (
                "https://iam.amazonaws.com",
                "Action=GetRole&RoleName=r",
                "r",
            ),
            (
                "https://dynamodb.us-east-1.amazonaws.com/",
                r#"{"Key":{"LockID":{"S":"x"}},"TableName":"locks"}"#,
                "locks",
            ),
            (
                "https://secretsmanager.us-east-1.amazonaws.com/",
                r#"{"SecretString":"hunter2","SecretId":"db"}"#,
                "db",
            ),
            (
                "https://ec2.us-east-1.amazonaws.com/",
                "Action=DescribeVpcAttribute&VpcId=vpc-hunter2%3F",
                "",
            ),
            (
                "https://sts.us-east-1.amazonaws.com/",
                "Action=GetCallerIdentity",
                "",
            ),
        ];
        for (uri, body, wanted) in rows {
            let mut request = HttpRequest::new(SdkBody::from(body));
            request.set_uri(uri).unwrap();
            assert_eq!(resource(&request), wanted, "{uri} {body}");
        }
    }
}
