//! The service: one id in the context, the request, the span and the response.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use macadam_core::RequestContext;
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::{Span, level_filters::LevelFilter};

use crate::{
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
        ResponseFuture {
            id: Some(self.settings.identify(&mut request)),
            header: self.settings.header.clone(),
            inner: self.inner.call(request),
        }
    }
}

impl Settings {
    /// Leaves one id in the context, the span, and in the request's header in place of anything else; this is its text.
    fn identify<B>(&self, request: &mut Request<B>) -> Bytes {
        let Some(context) = RequestContext::get(request) else {
            RequestContext::ensure(request);
            return self.identify(request);
        };
        let name = self.header.name();
        let brought = request.headers().contains_key(&name);
        let mut kept = false;
        let id = match context.request_id() {
            // A layer further out has named the request already, and its logs say so.
            Some(id) => Bytes::copy_from_slice(id.as_bytes()),
            None => match self.policy.judge(context, &name, brought, request) {
                Brought::Kept(id) => {
                    kept = true;
                    id
                }
                Brought::NotAsked => self.generator.name(context),
                Brought::Refused(reason) => {
                    self.handle.count(reason);
                    self.generator.name(context)
                }
            },
        };
        // Off, there is no subscriber in the process, and so no span.
        if LevelFilter::current() != LevelFilter::OFF {
            Span::current().record("request_id", text(&id));
        }
        if self.on_request || brought && !kept {
            // A copy costs what a first clone costs, and counts no references afterwards.
            request.headers_mut().insert(name, header_value(Bytes::copy_from_slice(&id)));
        }
        id
    }
}

fn text(id: &[u8]) -> &str {
    std::str::from_utf8(id).expect("every allowed byte is ASCII")
}

fn header_value(id: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(id).expect("every byte of an id may be in a header")
}

pin_project! {
    /// Puts the id on the service's response, unless the service has put one there itself.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        header: Header,
        // Until the response is there. Not a header value yet: its padding makes each move of the future dearer.
        id: Option<Bytes>,
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
                if let Some(own) = headers.insert(this.header.name(), header_value(id)) {
                    headers.insert(this.header.name(), own);
                }
            }
        }
        answer
    }
}
