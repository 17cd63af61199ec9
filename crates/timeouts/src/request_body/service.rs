//! The service, and its future: a 408 in place of what a handler says of a body that did not come.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Request, Response, header::CONNECTION};
use http_body::Body;
use macadam_core::{Rejection, RequestContext, ResponseBody};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    RequestBodyTimeoutLayer,
    body::{RequestBody, Verdict},
};

/// What a [`RequestBodyTimeoutLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct RequestBodyTimeout<S> {
    inner: S,
    layer: RequestBodyTimeoutLayer,
}

impl<S> RequestBodyTimeout<S> {
    pub(super) fn new(inner: S, layer: RequestBodyTimeoutLayer) -> Self {
        Self { inner, layer }
    }
}

impl<S, B, ResBody> Service<Request<B>> for RequestBodyTimeout<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>>,
    B: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = RequestBodyTimeoutFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Most requests have no body, and pay nothing; the others an allocation, for what their two halves share.
        let watch =
            (!request.body().is_end_stream()).then(|| (RequestContext::of(&mut request), Verdict::default()));
        let layer = self.layer;
        let inner = self.inner.call(request.map(|body| RequestBody::new(body, layer, watch.clone())));
        RequestBodyTimeoutFuture { inner, watch }
    }
}

pin_project! {
    /// Ready with the service's response, or with a 408 where that is an error for want of the request's body.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct RequestBodyTimeoutFuture<F> {
        #[pin]
        inner: F,
        // Of a request with a body.
        watch: Option<(RequestContext, Verdict)>,
    }
}

impl<F, B, E> Future for RequestBodyTimeoutFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let late = this.watch.as_ref().and_then(|(context, verdict)| Some((context, *verdict.get()?)));
        let Some((context, cause)) = late else {
            return Poll::Ready(Ok(response.map(ResponseBody::service)));
        };
        let status = response.status();
        let failed = status.is_client_error() || status.is_server_error();
        if failed && response.extensions().get::<Rejection>().is_none() {
            let rejection = Rejection::new(cause.kind()).because(cause.as_str());
            let mut response = rejection.into_response(context.wire(), Some(context), None);
            response.extensions_mut().insert(cause);
            return Poll::Ready(Ok(response));
        }
        if context.wire().is_http1() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(ResponseBody::service)))
    }
}
