//! The response's body: the service's, until its time is over.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use macadam_core::{Kind, ResponseBody};
use pin_project_lite::pin_project;

use crate::{BoxError, cause::TimeoutCause, clocks::Clocks, course::Course};

pin_project! {
    /// Forwards the service's body unchanged, and ends it when its time is over: with a [`TimeoutCause`], or if it is gRPC with
    /// status 4 in its trailers.
    ///
    /// After an error, its own or the service's, it has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any frame, it drops the service's body first, then its timer, and a deadline that its layer lowered
    /// goes back.
    ///
    /// # Panics
    ///
    /// When it has to wait outside a tokio runtime with a timer.
    #[derive(Debug)]
    pub struct TimeoutBody<B> {
        // An empty document once the service's own is given up.
        #[pin]
        inner: ResponseBody<B>,
        clocks: Option<Clocks>,
    }
}

impl<B> TimeoutBody<B> {
    /// The service's own, and what is left to watch of it.
    #[inline]
    pub(crate) fn of(body: B, clocks: Option<Clocks>) -> Self {
        Self { inner: ResponseBody::service(body), clocks }
    }

    /// The service's own, of which nothing is left to watch.
    #[inline]
    pub(crate) fn unwatched(body: B) -> Self {
        Self { inner: ResponseBody::service(body), clocks: None }
    }

    /// The layer's own answer.
    pub(crate) fn own(inner: ResponseBody<B>) -> Self {
        Self { inner, clocks: None }
    }
}

impl<B> Body for TimeoutBody<B>
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
        let mut this = self.project();
        let is_to_look = this.clocks.as_mut().is_some_and(Clocks::is_to_look);
        match this.inner.as_mut().poll_frame(cx) {
            // Put into its place at once: what has been shown to a clock before is moved once more.
            Poll::Ready(Some(Ok(frame))) if !is_to_look => Poll::Ready(Some(Ok(frame))),
            polled => watched(this.inner, this.clocks, polled.map_err(Into::into), cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What becomes of it if the clocks have to do with it, or it is no frame.
#[inline(never)]
fn watched<B: Body<Data = Bytes>>(
    inner: Pin<&mut ResponseBody<B>>,
    clocks: &mut Option<Clocks>,
    polled: Poll<Option<Result<Frame<Bytes>, BoxError>>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    let cause = match (clocks.as_mut(), &polled) {
        (Some(clocks), Poll::Ready(Some(Ok(frame)))) => {
            let cut = clocks.is_late() && !frame.is_trailers() && !inner.is_end_stream();
            cut.then_some(TimeoutCause::ResponseDeadline)
        }
        (Some(clocks), Poll::Pending) => Some(ready!(clocks.poll(cx))),
        (_, Poll::Ready(Some(Err(_)))) => {
            give_up(inner);
            *clocks = None;
            return polled;
        }
        (_, Poll::Ready(None)) => {
            *clocks = None;
            return polled;
        }
        (None, _) => return polled,
    };
    let (Some(cause), Some(running)) = (cause, &*clocks) else { return polled };
    // Settled before the service's body goes: the guards in there take their drop for the client's doing.
    running.tell(cause);
    let course = running.course();
    give_up(inner);
    *clocks = None;
    Poll::Ready(Some(match course {
        Course::Grpc => Ok(Frame::trailers(grpc_trailers())),
        _ => Err(cause.into()),
    }))
}

/// Frees what the service's body holds; from here on the body is at its end.
fn give_up<B>(mut inner: Pin<&mut ResponseBody<B>>) {
    inner.set(ResponseBody::document(Bytes::new()));
}

/// In place of a reset, which would tell the client that the server is broken.
fn grpc_trailers() -> HeaderMap {
    let kind = Kind::DeadlineExceeded;
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", u16::from(kind.grpc_status()).into());
    // Plain text without a `%`, so percent-encoded as it is.
    trailers.insert("grpc-message", HeaderValue::from_static(kind.detail()));
    trailers
}
