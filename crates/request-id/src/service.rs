//! The service: one id in the context, the request, the span and the response.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use macadam_core::{RequestContext, context::Id};
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::{Span, level_filters::LevelFilter};

use crate::{
    arena,
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
            context: self.settings.identify(&mut request),
            header: self.settings.header.clone(),
            inner: self.inner.call(request),
        }
    }
}

impl Settings {
    /// Leaves one id in the context, the span, and in the request's header in place of anything else.
    fn identify<B>(&self, request: &mut Request<B>) -> RequestContext {
        let Some(context) = RequestContext::get(request) else {
            RequestContext::of(request);
            return self.identify(request);
        };
        let name = self.header.name();
        let brought = request.headers().contains_key(&name);
        let mut kept = false;
        // A layer further out may have named the request already, and its logs say so.
        if context.request_id().is_none() {
            match self.policy.judge(context, &name, brought, request) {
                Brought::Kept => kept = true,
                Brought::NotAsked => self.generator.name(context),
                Brought::Refused(reason) => {
                    self.handle.count(reason);
                    self.generator.name(context);
                }
            }
        }
        // For the response. One more reference costs less than to carry the text along: futures are moved a lot.
        let context = context.clone();
        if self.on_request || brought && !kept {
            request.headers_mut().insert(name, arena::header_value(&named(&context)));
        }
        // Off, there is no subscriber in the process, and so no span.
        if LevelFilter::current() != LevelFilter::OFF {
            Span::current().record("request_id", named(&context).as_str());
        }
        context
    }
}

fn named(context: &RequestContext) -> Id {
    context.request_id().expect("it has been given an id by now")
}

pin_project! {
    /// Puts the id on the service's response, unless the service has put one there itself.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        header: Header,
        context: RequestContext,
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
            // An entry would be looked for and inserted in two steps; a service that has set its own is rare.
            let headers = response.headers_mut();
            if let Some(own) = headers.insert(this.header.name(), arena::header_value(&named(this.context))) {
                headers.insert(this.header.name(), own);
            }
        }
        answer
    }
}
