use std::error::Error as StdError;

use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::{Call, Error};

/// Reads every page of a list: what the SDK's paginator gives with `into_paginator().items().send()`, or page by page
/// with `into_paginator().send()`.
///
/// # Errors
/// When any page cannot be had: a list of which a part is not known is not known.
pub async fn pages<T, E>(
    call: Call,
    stream: PaginationStream<Result<T, SdkError<E, HttpResponse>>>,
) -> Result<Vec<T>, Error>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    stream
        .try_collect()
        .await
        .map_err(|error| call.failed(error))
}
