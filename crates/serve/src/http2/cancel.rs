//! What an HTTP/2 stream is reset with.
//!
//! hyper resets the stream of a body that fails, with the reason of an `h2::Error` where one is among the error's
//! sources, and else with INTERNAL_ERROR: the server is broken. A response that was cut because its time was over is
//! none of that. Whoever cuts it settles its outcome first and knows nothing of HTTP/2, so the reason is added here.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::Reason;
use http_body::{Body, Frame, SizeHint};
use macadam_core::{Outcome, RequestContext};
use pin_project_lite::pin_project;

use crate::service::BoxError;

pin_project! {
    /// The service's body. Where it fails after its request has timed out, an HTTP/2 stream is reset with CANCEL.
    pub(crate) struct CancelBody<B> {
        #[pin]
        inner: B,
        // That of an HTTP/2 request.
        context: Option<RequestContext>,
    }
}

impl<B> CancelBody<B> {
    pub(crate) fn new(inner: B, context: Option<RequestContext>) -> Self {
        Self { inner, context }
    }
}

impl<B> Body for CancelBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let timed_out =
            || this.context.as_ref().is_some_and(|context| context.outcome() == Outcome::TimedOut);
        this.inner.poll_frame(cx).map_err(|error| {
            let error = error.into();
            if timed_out() { Cancelled { error, reason: Reason::CANCEL.into() }.into() } else { error }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An error, and the reason for a reset among its sources.
#[derive(Debug)]
struct Cancelled {
    error: BoxError,
    reason: h2::Error,
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Cancelled {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.reason)
    }
}
