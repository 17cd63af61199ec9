//! The layer around the Router that enforces the limit, and says 413.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{BoxError, body::Body as AxumBody};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use macadam_core::{Kind, Rejection, RequestContext, ResponseBody};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{body::limited, lift_axum_limit};

/// Enforces the limit. Around the Router alone: it boxes the request's body, as a Router does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnforceBodyLimitLayer {
    bytes: u64,
}

impl EnforceBodyLimitLayer {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { bytes }
    }
}

impl<S> Layer<S> for EnforceBodyLimitLayer {
    type Service = EnforceBodyLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EnforceBodyLimit { inner, bytes: self.bytes }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct EnforceBodyLimit<S> {
    inner: S,
    bytes: u64,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for EnforceBodyLimit<S>
where
    S: Service<Request<AxumBody>, Response = Response<ResB>>,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let context = RequestContext::of(&mut request);
        context.set_body_limit(self.bytes);
        lift_axum_limit(&mut request, self.bytes);
        let inner = self.inner.call(request.map(|body| limited(body, &context)));
        ResponseFuture { inner, context }
    }
}

pin_project! {
    /// The response; a 413 in place of what the handler said of a body that was too large.
    pub(crate) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        context: RequestContext,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let status = response.status();
        let failed = status.is_client_error() || status.is_server_error();
        Poll::Ready(Ok(if failed && this.context.is_body_too_large() {
            // The rest of the body is not read, so the connection cannot be used again.
            let rejection = Rejection::new(Kind::ContentTooLarge).close();
            rejection.into_response(this.context.wire(), Some(this.context), None)
        } else {
            response.map(ResponseBody::service)
        }))
    }
}
