//! The service: who watches over a request's deadline is decided when it is called.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use macadam_core::{RequestContext, Wire};
use tower_service::Service;

use crate::{
    body::TimeoutBody,
    future::ResponseFuture,
    inherit::Brought,
    layer::{Extras, TimeoutLayer},
    watch::Watch,
};

/// What a [`TimeoutLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct TimeoutService<S> {
    inner: S,
    layer: TimeoutLayer,
}

impl<S> TimeoutService<S> {
    pub(crate) fn new(inner: S, layer: TimeoutLayer) -> Self {
        Self { inner, layer }
    }
}

impl<S, B, ResBody> Service<Request<B>> for TimeoutService<S>
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut timeout = self.layer.timeout;
        if self.layer.exposed {
            RequestContext::of(&mut request);
        }
        let extras = self.layer.extras.clone();
        let mut malformed = false;
        if let Some((inherit, handle)) = extras.as_deref().and_then(Extras::inherit) {
            match inherit.brought(&request, handle) {
                Brought::Nothing => {}
                Brought::Timeout(theirs) => (request, timeout) = inherit.take_on(request, theirs, timeout),
                Brought::Malformed => malformed = true,
            }
        }
        let (watch, late) = match RequestContext::get(&request) {
            Some(context) => Watch::within(context, timeout),
            None => Watch::alone(Wire::of(&request), timeout),
        };
        if malformed {
            return ResponseFuture::malformed(watch, extras);
        }
        ResponseFuture::start(watch, late, extras, || self.inner.call(request))
    }
}
