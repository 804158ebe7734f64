//! What is done to the SDK's requests on their way.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;

/// Takes the body of a listing before the SDK parses it, and leaves an empty listing in its place. Signing,
/// endpoints, retries and errors stay the SDK's.
#[derive(Debug, Clone)]
pub(super) struct Capture {
    body: Arc<Mutex<Option<SdkBody>>>,
    /// An empty listing of the kind that the SDK expects.
    empty: &'static str,
}

impl Capture {
    pub(super) fn of_objects() -> Self {
        Self::with("<ListBucketResult/>")
    }

    pub(super) fn of_versions() -> Self {
        Self::with("<ListVersionsResult/>")
    }

    fn with(empty: &'static str) -> Self {
        Self {
            body: Arc::default(),
            empty,
        }
    }

    pub(super) fn take(&self) -> SdkBody {
        let mut slot = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take().unwrap_or_else(SdkBody::empty)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "Capture"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if response.status().is_success() {
            let body = std::mem::replace(response.body_mut(), SdkBody::from(self.empty));
            *self.body.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
        Ok(())
    }
}

/// S3 gives every answer of its own an ID: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTCommonResponseHeaders.html>.
const REQUEST_ID: &str = "x-amz-request-id";

/// How attempts of a change have ended that S3 neither made nor refused: the change may have been made then, and the SDK's
/// next attempt be refused by it.
#[derive(Debug, Clone, Default)]
pub(super) struct Unanswered(Arc<Attempts>);

#[derive(Debug, Default)]
struct Attempts {
    failed: AtomicBool,
    silent: AtomicBool,
}

impl Unanswered {
    /// Whether an attempt got no answer of S3, or one that it could not do it (HTTP 5xx, or an error within a 200).
    pub(super) fn any(&self) -> bool {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Whether an attempt got no answer of S3 at all. One that S3 answered with an error was not made, by S3's own word: what
    /// is there afterwards, somebody else has written. What a proxy answers in S3's place is no word of S3.
    pub(super) fn silent(&self) -> bool {
        self.0.silent.load(Ordering::Relaxed)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Unanswered {
    fn name(&self) -> &'static str {
        "Unanswered"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // CopyObject and CompleteMultipartUpload may answer 200 with an error in it.
        let outcome = context.output_or_error();
        if outcome.is_some_and(|outcome| outcome.is_ok()) {
            return Ok(());
        }
        let of_s3 = context
            .response()
            .filter(|response| response.headers().contains_key(REQUEST_ID));
        if of_s3.is_some_and(|response| response.status().is_client_error()) {
            return Ok(());
        }
        self.0.failed.store(true, Ordering::Relaxed);
        let read = outcome.is_some_and(|of| of.is_err_and(|error| error.is_operation_error()));
        if of_s3.is_none() || !read {
            self.0.silent.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Counts the answers that ask to slow down, also those that the SDK retries by itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals(Arc<AtomicU64>);

impl Refusals {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Refusals {
    fn name(&self) -> &'static str {
        "Refusals"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let status = context
            .response()
            .map(|response| response.status().as_u16());
        if matches!(status, Some(429 | 503)) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::operation::copy_object::CopyObjectOutput;
    use aws_smithy_mocks::{mock, mock_client};
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::http::StatusCode;

    use super::*;

    fn answer(status: u16, body: &'static str, of_s3: bool) -> HttpResponse {
        let status = StatusCode::try_from(status).unwrap();
        let mut response = HttpResponse::new(status, SdkBody::from(body));
        if of_s3 {
            response
                .headers_mut()
                .insert(REQUEST_ID, "4442587FB7D0A2F9");
        }
        response
    }

    #[tokio::test]
    async fn unanswered_by_every_answer_is_what_s3_has_not_settled() {
        const ERROR: &str = "<Error><Code>SlowDown</Code></Error>";
        const HTML: &str = "<html><body>no answer from behind</body></html>";
        // Status, body, whether S3 gave it; whether it is open, and whether nothing of S3 is known.
        for (status, body, of_s3, any, silent) in [
            (200, "<CopyObjectResult/>", true, false, false),
            (200, ERROR, true, true, false),
            (412, ERROR, true, false, false),
            (503, ERROR, true, true, false),
            (500, "", true, true, false),
            (502, HTML, false, true, true),
            (504, "", false, true, true),
            (403, HTML, false, true, true),
            (408, "", false, true, true),
        ] {
            let rule = mock!(aws_sdk_s3::Client::copy_object)
                .then_http_response(move || answer(status, body, of_s3));
            let client = mock_client!(aws_sdk_s3, [&rule]);
            let unanswered = Unanswered::default();
            let copy = client.copy_object().bucket("b").key("k").copy_source("a/k");
            let sent: Result<CopyObjectOutput, _> = copy
                .customize()
                .interceptor(unanswered.clone())
                .send()
                .await;
            let seen = (unanswered.any(), unanswered.silent());
            assert_eq!(seen, (any, silent), "{status} {body}: {sent:?}");
        }
    }
}
