//! A request's body that ends where its limit is.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{BoxError, body::Body as AxumBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use macadam_core::RequestContext;
use pin_project_lite::pin_project;

/// The body as a Router takes it: boxed, unless it is empty.
///
/// What has ended cannot be too large any more, so nothing of it is kept: an empty body of axum's allocates nothing.
pub(super) fn limited<B>(body: B, context: &RequestContext) -> AxumBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return AxumBody::empty();
    }
    AxumBody::new(LimitedBody { body, context: context.clone(), read: 0, over: false })
}

pin_project! {
    /// A request's body that fails at the first frame that goes over the limit; before the first byte is read, if its
    /// length is known.
    struct LimitedBody<B> {
        #[pin]
        body: B,
        context: RequestContext,
        read: u64,
        over: bool,
    }
}

/// The request's body is larger than the limit.
#[derive(Debug, thiserror::Error)]
#[error("the request's body is larger than {limit} bytes")]
struct TooLarge {
    limit: u64,
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if *this.over {
            return Poll::Ready(None);
        }
        let limit = this.context.body_limit();
        let too_large = || {
            this.context.set_body_too_large();
            Poll::Ready(Some(Err(TooLarge { limit }.into())))
        };
        if this.read.saturating_add(this.body.size_hint().lower()) > limit {
            *this.over = true;
            return too_large();
        }
        let frame = ready!(this.body.poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            *this.read += data.len() as u64;
            if *this.read > limit {
                *this.over = true;
                return too_large();
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.over { SizeHint::with_exact(0) } else { self.body.size_hint() }
    }
}
