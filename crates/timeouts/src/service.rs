//! The service: who watches over a request's deadline is decided when it is called.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use macadam_core::{RequestContext, Wire};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    body::TimeoutBody,
    future::{Refusal, ResponseFuture},
    inherit::{self, Brought},
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

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let TimeoutLayer { mut timeout, exposed, dry_run, ref extras } = self.layer;
        if exposed {
            RequestContext::of(&mut request);
        }
        let (mut theirs, mut malformed) = (None, false);
        if let Some((policy, handle)) = extras.as_deref().and_then(Extras::inherit) {
            match policy.brought(&request, handle) {
                Brought::Nothing => {}
                Brought::Timeout(brought) => {
                    timeout = policy.timeout_beside(brought, &mut request, timeout);
                    if !dry_run {
                        inherit::take_on(&mut request, brought);
                    }
                    theirs = Some(brought);
                }
                Brought::Malformed => malformed = !dry_run,
            }
        }
        let context = RequestContext::get(&request);
        let wire = if context.is_none() { Some(Wire::of(&request)) } else { None };
        // A deadline that nobody knew before us can have passed only if it is the arrival itself. Any other was there for
        // others to wait by, so the clock is read.
        let known = context.filter(|context| !dry_run && context.has_deadline());
        let mut watch = match context {
            _ if dry_run => Watch::rehearsal(context, timeout, theirs, extras),
            Some(context) => Watch::within(context, timeout),
            None => Watch::alone(timeout),
        };
        let late = match known {
            Some(context) => context.is_expired(Instant::now()),
            None => timeout.is_zero() && !dry_run,
        };
        if malformed || late {
            let refused = if malformed { Refusal::Malformed } else { Refusal::TooLate };
            return ResponseFuture::refused(refused, watch, wire, extras.clone());
        }
        let future = {
            let _listening = watch.listening();
            self.inner.call(request)
        };
        ResponseFuture::new(future, watch, wire, extras.clone())
    }
}
