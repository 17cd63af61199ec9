//! A route's own timeout, in place of the one around the router.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use macadam_core::{RequestContext, Wire};
use tokio::time::{Duration, Instant};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    body::TimeoutBody,
    future::{Refusal, ResponseFuture},
    nearest::{self, Listener},
    watch::Watch,
};

/// Gives a route its own timeout: it moves the deadline that a [`TimeoutLayer`](crate::TimeoutLayer) outside keeps,
/// earlier or later, and counts from where that one counts. Where nobody outside keeps one, it does.
///
/// A deadline that was inherited from a caller stays. What the route moved stays moved for the rest of the request.
///
/// In a request without a context it reaches the *nearest* `TimeoutLayer`, and only in its own task: two of them
/// around each other, or a `tower::buffer` in between, need a context, which [`TimeoutLayer::expose`] makes.
///
/// [`TimeoutLayer::expose`]: crate::TimeoutLayer::expose
#[derive(Clone, Copy, Debug)]
pub struct RouteTimeoutLayer {
    timeout: Duration,
}

impl RouteTimeoutLayer {
    /// Bounds the time from the request's arrival to the head of its response, on this route.
    ///
    /// Zero refuses every request; [`Duration::MAX`] never ends one.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// Lets this route take as long as it takes.
    pub fn disabled() -> Self {
        Self::new(Duration::MAX)
    }
}

impl<S> Layer<S> for RouteTimeoutLayer {
    type Service = RouteTimeoutService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RouteTimeoutService { inner, timeout: self.timeout }
    }
}

/// What a [`RouteTimeoutLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct RouteTimeoutService<S> {
    inner: S,
    timeout: Duration,
}

impl<S, B, ResBody> Service<Request<B>> for RouteTimeoutService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<TimeoutBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let timeout = self.timeout;
        let context = RequestContext::get(&request);
        let wire = if context.is_none() { Some(Wire::of(&request)) } else { None };
        let (mut watch, late) = match (nearest::move_to(timeout), context) {
            // Nobody enforces a deadline, and neither does this.
            (Some(Listener::Rehearsal), context)
                if context.is_none_or(|context| context.own_timer().is_some()) =>
            {
                (Watch::Nothing, false)
            }
            (nearest, Some(context)) => {
                let watch = Watch::moving(context, timeout, nearest.is_some());
                (watch, context.is_expired(Instant::now()))
            }
            (Some(_), None) if !timeout.is_zero() => (Watch::Nothing, false),
            (_, None) => (Watch::alone(timeout), timeout.is_zero()),
        };
        if late {
            return ResponseFuture::refused(Refusal::TooLate, watch, wire, None);
        }
        let future = {
            let _listening = watch.listening();
            self.inner.call(request)
        };
        ResponseFuture::new(future, watch, wire, None)
    }
}
