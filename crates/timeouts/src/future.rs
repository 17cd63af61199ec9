//! The future: the service's, until the deadline passes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use macadam_core::{Kind, Outcome, Rejection, RequestContext, ResponseBody, Wire};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use crate::{
    body::TimeoutBody,
    cause::{TimeoutCause, TimeoutEvent},
    clocks::Clocks,
    course::Course,
    detach,
    layer::Extras,
    watch::Watch,
};

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
        // `None` once, or if ever, there is nothing to wait for.
        #[pin]
        call: Option<F>,
        refusal: Option<Refusal>,
        #[pin]
        sleep: Option<Sleep>,
        watch: Watch,
        // Of a request without a context, which would have it.
        wire: Option<Wire>,
        extras: Option<Arc<Extras>>,
    }
}

/// Why a service is not called.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The deadline had passed before.
    TooLate,
    /// The caller's deadline cannot be read.
    Malformed,
}

impl<F> ResponseFuture<F> {
    /// Of a service that was called.
    #[inline]
    pub(crate) fn new(call: F, watch: Watch, wire: Option<Wire>, extras: Option<Arc<Extras>>) -> Self {
        Self { call: Some(call), refusal: None, sleep: None, watch, wire, extras }
    }

    /// Of a service that was not to be called.
    #[cold]
    pub(crate) fn refused(
        refusal: Refusal,
        watch: Watch,
        wire: Option<Wire>,
        extras: Option<Arc<Extras>>,
    ) -> Self {
        Self { call: None, refusal: Some(refusal), sleep: None, watch, wire, extras }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<TimeoutBody<B>>, E>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        if let Some(call) = this.call.as_mut().as_pin_mut() {
            // A response is large. It is looked at where it lies, and bound only where it is put into its place.
            let polled = {
                let _listening = this.watch.listening();
                call.poll(cx)
            };
            let clocks = match &polled {
                Poll::Pending => {
                    ready!(this.watch.poll_expired(this.sleep, cx));
                    return Poll::Ready(Ok(self.refuse()));
                }
                Poll::Ready(Ok(response)) => {
                    Clocks::after_head(this.watch, Course::of(response), this.extras.take())
                }
                Poll::Ready(Err(_)) => {
                    *this.watch = Watch::Nothing;
                    None
                }
            };
            this.sleep.set(None);
            return match clocks {
                None => polled.map_ok(|response| response.map(TimeoutBody::unwatched)),
                clocks => polled.map_ok(|response| response.map(|body| TimeoutBody::of(body, clocks))),
            };
        }
        Poll::Ready(Ok(self.refuse()))
    }
}

impl<F> ResponseFuture<F> {
    /// Gives the layer's own answer, and the service up.
    #[cold]
    fn refuse<B>(self: Pin<&mut Self>) -> Response<TimeoutBody<B>> {
        let mut this = self.project();
        let cause = match this.refusal.take() {
            None if this.call.is_some() => Some(this.watch.cause()),
            Some(Refusal::TooLate) => Some(TimeoutCause::OnArrival),
            Some(Refusal::Malformed) => None,
            None => panic!("a future is not polled after it was ready"),
        };
        let response = answer(this.watch, cause, this.wire.as_ref(), this.extras.as_deref());
        detach::at_the_deadline(|| this.call.set(None));
        this.sleep.set(None);
        *this.watch = Watch::Nothing;
        response.map(TimeoutBody::own)
    }
}

/// The rejection, for this cause or because the caller's deadline is malformed.
#[cold]
fn answer<B>(
    watch: &Watch,
    cause: Option<TimeoutCause>,
    wire: Option<&Wire>,
    extras: Option<&Extras>,
) -> Response<ResponseBody<B>> {
    let context = watch.context();
    if let Some(cause) = cause {
        // Settled before the service's future goes: the guards in there take their drop for the client's doing.
        if let Some(context) = context {
            context.settle(Outcome::TimedOut);
        }
        let (elapsed, budget) = watch.spent(Instant::now());
        Extras::tell(extras, &TimeoutEvent { cause, elapsed, budget, context }, false);
    }
    let kind = cause.map_or(Kind::MalformedTimeout, TimeoutCause::kind);
    let renderer = extras.and_then(|extras| extras.renderer.as_deref());
    let wire = context.map(RequestContext::wire).or(wire).expect("what can pass has a wire");
    let mut response = Rejection::new(kind).into_response(wire, context, renderer);
    if let Some(cause) = cause {
        response.extensions_mut().insert(cause);
    }
    response
}
