use std::error::Error as StdError;

use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::{Call, Error};

type Pages<T, E> = PaginationStream<Result<T, SdkError<E, HttpResponse>>>;

/// Reads every page of a list: what the SDK's paginator gives with `into_paginator().items().send()`, or page by page
/// with `into_paginator().send()`.
///
/// # Errors
/// When any page cannot be had: a list of which a part is not known is not known.
pub async fn pages<T, E>(call: Call, stream: Pages<T, E>) -> Result<Vec<T>, Error>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    stream
        .try_collect()
        .await
        .map_err(|error| call.failed(error))
}

/// Reads every page of a list that has `most` at most, page by page with `into_paginator().send()`: for lists that are
/// kept in memory, and requests that cost money.
///
/// # Errors
/// When any page cannot be had, or there is one more: a list that is cut off would pass for the whole.
pub async fn pages_up_to<T, E>(
    call: Call,
    most: usize,
    mut stream: Pages<T, E>,
) -> Result<Vec<T>, Error>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let mut pages = Vec::new();
    while let Some(page) = stream.next().await {
        let page = page.map_err(|error| call.clone().failed(error))?;
        if pages.len() == most {
            return Err(Error::unexpected(call, format!("more than {most} pages")));
        }
        pages.push(page);
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use aws_smithy_async::future::pagination_stream::fn_stream::FnStream;
    use aws_smithy_types::error::metadata::ErrorMetadata;

    use super::*;

    async fn read(pages: usize, most: usize) -> Result<Vec<usize>, Error> {
        let stream: Pages<usize, Refusal> = PaginationStream::new(FnStream::new(move |sender| {
            Box::pin(async move {
                for page in 0..pages {
                    if sender.send(Ok(page)).await.is_err() {
                        break;
                    }
                }
            })
        }));
        let call = Call {
            region: "ca-central-1".parse().unwrap(),
            service: "EC2",
            operation: "DescribeNatGateways",
            resource: "the stack".to_owned(),
        };
        pages_up_to(call, most, stream).await
    }

    #[derive(Debug)]
    struct Refusal(ErrorMetadata);

    impl std::fmt::Display for Refusal {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(f)
        }
    }

    impl StdError for Refusal {}

    impl ProvideErrorMetadata for Refusal {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    #[tokio::test]
    async fn pages_up_to_of_as_many_pages_reads_all() {
        assert_eq!(read(3, 3).await.unwrap(), [0, 1, 2]);
        assert_eq!(read(0, 3).await.unwrap(), [0_usize; 0]);
    }

    #[tokio::test]
    async fn pages_up_to_of_one_page_more_is_an_error() {
        let error = read(4, 3).await.unwrap_err();
        assert_eq!(error.message.as_deref(), Some("more than 3 pages"));
    }
}
