//! The future: the service's, until the deadline passes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use macadam_core::{Kind, Outcome, Rejection};
use pin_project_lite::pin_project;

use crate::{body::TimeoutBody, layer::Extras, watch::Watch};

pin_project! {
    /// Ready with the service's response, or with a rejection when the deadline passes first.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point, it drops the service's future first, then its timer, and a deadline that it lowered
    /// goes back.
    ///
    /// # Panics
    ///
    /// When polled after it was ready; outside a tokio runtime with a timer, when the service is not ready at once.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // `None` where the request was refused before the service was called, and when it is over.
        #[pin]
        inner: Option<F>,
        refused: Kind,
        #[pin]
        watch: Watch,
        extras: Option<Arc<Extras>>,
    }
}

impl<F> ResponseFuture<F> {
    /// Calls the service, unless it is too `late` for that.
    pub(crate) fn start(
        mut watch: Watch,
        late: bool,
        extras: Option<Arc<Extras>>,
        call: impl FnOnce() -> F,
    ) -> Self {
        let inner = if late { None } else { Some(watch.inside(call)) };
        Self { inner, refused: Kind::Deadline, watch, extras }
    }

    /// Does not call the service, since the caller's deadline cannot be read.
    pub(crate) fn malformed(watch: Watch, extras: Option<Arc<Extras>>) -> Self {
        Self { inner: None, refused: Kind::MalformedTimeout, watch, extras }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<TimeoutBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let kind = match this.inner.as_mut().as_pin_mut() {
            Some(inner) => {
                if let Poll::Ready(result) = this.watch.as_mut().inside_pinned(|| inner.poll(cx)) {
                    return Poll::Ready(match result {
                        Ok(response) => Ok(TimeoutBody::of(response, this.watch, this.extras.take())),
                        Err(error) => {
                            this.watch.set(Watch::Nothing);
                            Err(error)
                        }
                    });
                }
                ready!(this.watch.as_mut().poll_expired(cx));
                Kind::DeadlineExceeded
            }
            None => *this.refused,
        };
        // Settled before the service's future goes: the guards in there take their drop for the client's doing.
        if let Some(context) = this.watch.context().filter(|_| kind != Kind::MalformedTimeout) {
            context.settle(Outcome::TimedOut);
        }
        this.inner.set(None);

        let extras = this.extras.as_deref();
        if let Some(extras) = extras {
            extras.handle.count(kind);
        }
        let renderer = extras.and_then(|extras| extras.renderer.as_deref());
        let wire = this.watch.wire().expect("a future is not polled after it was ready");
        let response = Rejection::new(kind).into_response(wire, this.watch.context(), renderer);
        this.watch.set(Watch::Nothing);
        Poll::Ready(Ok(response.map(TimeoutBody::own)))
    }
}
