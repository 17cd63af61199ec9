//! The service, and its future.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use macadam_core::{GuardedBody, GuardedFuture, RequestContext};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    access::Access,
    guard::RequestGuard,
    handle::TelemetryHandle,
    in_span::{InSpan, Scope},
    metrics::{Labels, Scheme},
    trace::{Inbound, TraceContext, with_recorder},
};

/// Runs every request inside a span of its own; made by [`TelemetryLayer`](crate::TelemetryLayer).
#[derive(Clone, Debug)]
pub struct Telemetry<S> {
    inner: S,
    handle: TelemetryHandle,
    scheme: Scheme,
    inbound: Inbound,
    access: Access,
}

/// The body of a response, in the request's span to its end.
pub type SpannedBody<B> = GuardedBody<InSpan<B>, RequestGuard>;

impl<S> Telemetry<S> {
    pub(crate) fn new(
        inner: S,
        handle: TelemetryHandle,
        scheme: Scheme,
        inbound: Inbound,
        access: Access,
    ) -> Self {
        Self { inner, handle, scheme, inbound, access }
    }
}

impl<S, B, C> Service<Request<B>> for Telemetry<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    C: Body,
{
    type Response = Response<SpannedBody<C>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let context = RequestContext::of(&mut request);
        let rule = context.wire().body_rule();
        let labels = Labels::of(context.wire(), request.uri().scheme(), self.scheme);
        let mut trace = TraceContext::of(request.headers(), self.inbound);
        let start = match trace.trace().sampled {
            true => with_recorder(|recorder| {
                recorder.start(request.uri(), request.headers(), &context, labels, &trace)
            }),
            false => None,
        };
        let guard = RequestGuard::new(context, &mut trace, start, labels, self.access, &self.handle);
        let mut scope = Scope::new(guard.span().clone(), trace);
        let inner = {
            let _entered = scope.enter();
            self.inner.call(request)
        };
        ResponseFuture { inner: GuardedFuture::new(InSpan::new(inner, scope), rule, guard) }
    }
}

pin_project! {
    /// Runs the service's future inside the request's span, and hands the span on to the response's body.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it ends the request as cancelled.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: GuardedFuture<InSpan<F>, RequestGuard>,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<SpannedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}
