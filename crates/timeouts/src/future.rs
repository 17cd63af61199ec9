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
        #[pin]
        call: Call<F>,
        #[pin]
        sleep: Option<Sleep>,
        watch: Watch,
        // Of a request without a context, which would have it.
        wire: Option<Wire>,
        extras: Option<Arc<Extras>>,
    }
}

pin_project! {
    #[project = CallProj]
    #[derive(Debug)]
    pub(crate) enum Call<F> {
        Runs { #[pin] future: F },
        /// The deadline had passed before.
        TooLate,
        /// The caller's deadline cannot be read.
        Malformed,
        Over,
    }
}

impl<F> ResponseFuture<F> {
    /// Of a service that was called, or was not to be.
    #[inline]
    pub(crate) fn new(call: Call<F>, watch: Watch, wire: Option<Wire>, extras: Option<Arc<Extras>>) -> Self {
        Self { call, sleep: None, watch, wire, extras }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<TimeoutBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let cause = match this.call.as_mut().project() {
            CallProj::Runs { future } => {
                let listening = this.watch.listening();
                let polled = future.poll(cx);
                drop(listening);
                if polled.is_ready() {
                    this.sleep.set(None);
                }
                // A response is large, and put into its place but once: it is not bound before that.
                match polled {
                    Poll::Ready(Ok(response)) => {
                        return Poll::Ready(Ok(TimeoutBody::of(response, this.watch, this.extras.take())));
                    }
                    Poll::Ready(Err(error)) => {
                        *this.watch = Watch::Nothing;
                        return Poll::Ready(Err(error));
                    }
                    Poll::Pending => {}
                }
                ready!(this.watch.poll_expired(this.sleep.as_mut(), cx));
                Some(this.watch.cause())
            }
            CallProj::TooLate => Some(TimeoutCause::OnArrival),
            CallProj::Malformed => None,
            CallProj::Over => panic!("a future is not polled after it was ready"),
        };
        let response = answer(this.watch, cause, this.wire.as_ref(), this.extras.as_deref());
        detach::at_the_deadline(|| this.call.set(Call::Over));
        this.sleep.set(None);
        *this.watch = Watch::Nothing;
        Poll::Ready(Ok(response.map(TimeoutBody::own)))
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
