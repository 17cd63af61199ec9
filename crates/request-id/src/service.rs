//! The service: one id in the context, the request, the span and the response.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response};
use macadam_core::RequestContext;
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::{Span, level_filters::LevelFilter};

use crate::{
    generate,
    id::RequestId,
    inbound::Brought,
    layer::{Header, Settings},
    replaced::Replaced,
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
        // Off, there is no subscriber in the process, and so no span.
        if LevelFilter::current() != LevelFilter::OFF {
            Span::current().record("request_id", id.as_str());
        }
        ResponseFuture { inner: self.inner.call(request), header, id: Some(id.into()) }
    }
}

impl Settings {
    /// Leaves one id in the context, and in the request's header in place of anything else. `None` if there is no
    /// context to leave it in.
    fn identify<B>(&self, request: &mut Request<B>) -> Option<RequestId> {
        let context = RequestContext::get(request)?;
        let name = self.header.name();
        // A layer further out may have named the request already, and its logs say so.
        let (id, brought_another) = match RequestId::of_context(context) {
            Some(id) => (id, request.headers().contains_key(&name)),
            None => {
                let (id, brought_another) = match self.policy.judge(context, &name, request) {
                    Brought::Kept(value) => (RequestId::made(value), false),
                    Brought::NotAsked => (self.generate(context), request.headers().contains_key(&name)),
                    Brought::Refused(reason) => {
                        self.handle.count(reason);
                        (self.generate(context), reason != Replaced::Missing)
                    }
                };
                context.set_request_id(id.value().clone());
                (id, brought_another)
            }
        };
        if brought_another || self.on_request {
            request.headers_mut().insert(name, id.value().clone());
        }
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
        // Changed where it lies: a response is large, and every move is a copy.
        let mut answer = this.inner.poll(cx);
        if let Poll::Ready(Ok(response)) = &mut answer {
            if let Some(id) = this.id.take() {
                // An entry would be looked for and inserted in two steps; a service that has set its own is rare.
                let headers = response.headers_mut();
                if let Some(own) = headers.insert(this.header.name(), id) {
                    headers.insert(this.header.name(), own);
                }
            }
        }
        answer
    }
}
