//! The service: one id in the context, the request, the span and the response.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Request, Response};
use macadam_core::RequestContext;
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::Span;

use crate::{
    generate,
    id::RequestId,
    inbound::Brought,
    layer::{Header, Settings},
};

/// Gives every request one id; made by [`RequestIdLayer`](crate::RequestIdLayer).
#[derive(Clone, Debug)]
pub struct RequestIdService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> RequestIdService<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, C> Service<Request<B>> for RequestIdService<S>
where
    S: Service<Request<B>, Response = Response<C>>,
{
    type Response = Response<C>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let header = self.settings.header.clone();
        let id = self.settings.identify(&mut request).unwrap_or_else(|| {
            RequestContext::of(&mut request);
            self.settings.identify(&mut request).expect("the context is there")
        });
        let span = Span::current();
        if span.has_field("request_id") {
            span.record("request_id", id.as_str());
        }
        ResponseFuture { inner: self.inner.call(request), header, id: Some(id.into()) }
    }
}

impl Settings {
    /// Leaves one id in the context, and in the request's header as its only value. `None` if there is no context to
    /// leave it in.
    fn identify<B>(&self, request: &mut Request<B>) -> Option<RequestId> {
        let context = RequestContext::get(request)?;
        let name = self.header.name();
        // A layer further out may have named the request already, and its logs say so.
        let id = match RequestId::of_context(context) {
            Some(id) => id,
            None => {
                let brought = self.policy.judge(context, &name, request);
                if let Brought::Kept(value) = brought {
                    context.set_request_id(value.clone());
                    return Some(RequestId::made(value));
                }
                if let Brought::Refused(reason) = brought {
                    self.handle.count(reason);
                }
                let id = self.generate(context);
                context.set_request_id(id.value().clone());
                id
            }
        };
        request.headers_mut().insert(name, id.value().clone());
        Some(id)
    }

    fn generate(&self, context: &RequestContext) -> RequestId {
        let arrival = context.arrival();
        self.generator.generate(arrival).unwrap_or_else(|| generate::uuid7(arrival))
    }
}

pin_project! {
    /// Puts the id on the service's response, unless the service has put one there itself.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        header: Header,
        id: Option<HeaderValue>,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(id) = this.id.take() {
            response.headers_mut().entry(this.header.name()).or_insert(id);
        }
        Poll::Ready(Ok(response))
    }
}
