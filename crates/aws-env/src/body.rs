//! Objects that are read into memory, with a limit.

use aws_smithy_types::byte_stream::ByteStream;

use crate::{Call, Error};

/// Why the body of an answer is not in memory.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It has more bytes than are read.
    #[error("it has more than {limit} bytes, and at most {limit} are read")]
    TooLarge {
        /// How many are read at most.
        limit: u64,
    },
    /// It ended before it should.
    #[error("the body broke off: {0}")]
    Broken(String),
}

impl BodyError {
    /// As the failure of `call`.
    pub fn of(self, call: Call) -> Error {
        Error::unexpected(call, self.to_string())
    }
}

/// The bytes of a body that has at most `limit` of them. Of a larger one no more than that is read.
///
/// # Errors
/// When it is larger, or breaks off.
pub async fn read_body(mut body: ByteStream, limit: u64) -> Result<Vec<u8>, BodyError> {
    let too_large = || BodyError::TooLarge { limit };
    // What the server announces.
    if body.size_hint().0 > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = body
        .try_next()
        .await
        .map_err(|error| BodyError::Broken(error.to_string()))?
    {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_smithy_types::body::SdkBody;
    use hyper::body::{Body, Frame};

    use super::*;

    #[tokio::test]
    async fn read_body_at_the_limit_reads_and_past_it_refuses() {
        let body = || ByteStream::from_static(b"1234");
        assert_eq!(read_body(body(), 4).await.unwrap(), b"1234");
        let error = read_body(body(), 3).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "it has more than 3 bytes, and at most 3 are read"
        );
    }

    /// Endless, and without a word about its length.
    struct Endless(Arc<AtomicUsize>);

    impl Body for Endless {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<bytes::Bytes>, Self::Error>>> {
            self.0.fetch_add(1_000, Ordering::Relaxed);
            let chunk = bytes::Bytes::from_static(&[0; 1_000]);
            std::task::Poll::Ready(Some(Ok(Frame::data(chunk))))
        }
    }

    #[tokio::test]
    async fn read_body_of_an_endless_one_stops_at_the_limit() {
        let read = Arc::new(AtomicUsize::new(0));
        let body = SdkBody::from_body_1_x(Endless(read.clone()));
        let error = read_body(ByteStream::new(body), 10_000).await.unwrap_err();
        assert!(matches!(error, BodyError::TooLarge { .. }), "{error}");
        assert_eq!(read.load(Ordering::Relaxed), 11_000);
    }
}
