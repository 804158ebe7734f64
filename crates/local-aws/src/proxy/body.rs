//! A body whose bytes pass only while the region is up.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::Error;
use crate::region::Gate;

/// `inner`, piece by piece, each piece through the gate.
pub(super) struct Gated {
    inner: Incoming,
    gate: Gate,
}

impl Gated {
    pub(super) fn new(inner: Incoming, gate: Gate) -> Self {
        Self { inner, gate }
    }
}

impl Body for Gated {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if let Err(cut) = ready!(this.gate.poll_open(context)) {
            return Poll::Ready(Some(Err(cut.into())));
        }
        Pin::new(&mut this.inner)
            .poll_frame(context)
            .map_err(Error::from)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
