//! The service: who watches over a request's deadline is decided when it is called.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use macadam_core::{RequestContext, Wire, context::TimerOwner};
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
    /// Asked once for all requests.
    is_usual: bool,
}

impl<S> TimeoutService<S> {
    pub(crate) fn new(inner: S, layer: TimeoutLayer) -> Self {
        let is_usual = layer.is_usual();
        Self { inner, layer, is_usual }
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
        let timeout = self.layer.timeout;
        // The usual way, and nothing else beside it: what was not asked for costs by being possible.
        if self.is_usual {
            if let Some(context) = RequestContext::get_mut(&mut request) {
                if let Some(timer) = context.begin_deadline(timeout) {
                    let future = self.inner.call(request);
                    return ResponseFuture::new(future, Watch::Owner(timer), None, self.layer.extras.clone());
                }
                let owned = context.keep().into_timer_owner();
                return self.call_within(request, owned);
            }
        }
        self.call_unusually(request)
    }
}

impl<S> TimeoutService<S> {
    /// Calls the service for a request that somebody has given a deadline before.
    fn call_within<B, ResBody>(
        &mut self,
        request: Request<B>,
        owned: Result<TimerOwner, RequestContext>,
    ) -> ResponseFuture<S::Future>
    where
        S: Service<Request<B>, Response = Response<ResBody>>,
    {
        let watch = Watch::within(owned, self.layer.timeout);
        // Others may have waited by that deadline, so the clock is read.
        let refusal = watch.is_late(Instant::now()).then_some(Refusal::TooLate);
        self.call_or_refuse(request, watch, None, refusal)
    }

    fn call_unusually<B, ResBody>(&mut self, mut request: Request<B>) -> ResponseFuture<S::Future>
    where
        S: Service<Request<B>, Response = Response<ResBody>>,
    {
        let TimeoutLayer { mut timeout, exposed, dry_run, ref extras } = self.layer;
        if exposed {
            RequestContext::ensure(&mut request);
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
        let context = RequestContext::get_mut(&mut request).map(RequestContext::keep);
        let wire = if context.is_none() { Some(Wire::of(&request)) } else { None };
        // A deadline that nobody knew before us can have passed only if it is the arrival itself.
        let is_known = context.as_ref().is_some_and(RequestContext::has_deadline);
        let watch = match context {
            _ if dry_run => Watch::rehearsal(context, timeout, theirs, extras),
            Some(context) => Watch::within(context.into_timer_owner(), timeout),
            None => Watch::alone(timeout),
        };
        let late = !dry_run && if is_known { watch.is_late(Instant::now()) } else { timeout.is_zero() };
        let refusal = match (malformed, late) {
            (true, _) => Some(Refusal::Malformed),
            (false, true) => Some(Refusal::TooLate),
            (false, false) => None,
        };
        self.call_or_refuse(request, watch, wire, refusal)
    }

    fn call_or_refuse<B, ResBody>(
        &mut self,
        request: Request<B>,
        mut watch: Watch,
        wire: Option<Wire>,
        refusal: Option<Refusal>,
    ) -> ResponseFuture<S::Future>
    where
        S: Service<Request<B>, Response = Response<ResBody>>,
    {
        let extras = self.layer.extras.clone();
        if let Some(refusal) = refusal {
            return ResponseFuture::refused(refusal, watch, wire, extras);
        }
        let future = {
            let _listening = watch.listening();
            self.inner.call(request)
        };
        ResponseFuture::new(future, watch, wire, extras)
    }
}
