//! A route's own timeout, in place of the one around the router.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use macadam_core::{RequestContext, Wire};
use tokio::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

use crate::{body::TimeoutBody, future::ResponseFuture, nearest, watch::Watch};

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
        let watched = nearest::move_to(self.timeout);
        let (watch, late) = match RequestContext::get(&request) {
            Some(context) => Watch::moving(context, self.timeout, watched),
            None if watched && !self.timeout.is_zero() => (Watch::Nothing, false),
            None => Watch::alone(Wire::of(&request), self.timeout),
        };
        ResponseFuture::start(watch, late, None, || self.inner.call(request))
    }
}
