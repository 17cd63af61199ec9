//! How many bytes of a request's body are read.
//!
//! The limit is enforced around the Router, on whatever reads the body and however; it lives in the request's context,
//! so that a route may move it ([`BodyLimit`]) after routing and before the first byte is read. tower-http's
//! `RequestBodyLimit` in this place could not be raised by a route, and answers in plain text.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{BoxError, extract::DefaultBodyLimit};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use macadam_core::{Kind, Rejection, RequestContext, ResponseBody};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// What axum's extractors read at most where nobody says otherwise, in bytes.
const AXUM_DEFAULT: u64 = 2_097_152;

/// Lifts axum's own limit where ours is the higher one. Below, its place in the request's extensions is saved.
fn lift_axum_limit<B>(request: &mut Request<B>, limit: u64) {
    if limit > AXUM_DEFAULT {
        DefaultBodyLimit::disable().apply(request);
    }
}

/// Moves the limit on a request's body for the routes that it is a layer of.
///
/// ```
/// use axum::{Router, routing::post};
/// use macadam::BodyLimit;
///
/// let app: Router = Router::new()
///     .route("/avatar", post(async |_: axum::body::Bytes| ()).layer(BodyLimit::bytes(8 << 20)));
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct BodyLimit {
    bytes: u64,
}

impl BodyLimit {
    /// At most so many bytes.
    pub fn bytes(bytes: u64) -> Self {
        Self { bytes }
    }

    /// No limit. Then the handler has to have one.
    pub fn disabled() -> Self {
        Self { bytes: u64::MAX }
    }
}

impl<S> Layer<S> for BodyLimit {
    type Service = MoveBodyLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MoveBodyLimit { inner, bytes: self.bytes }
    }
}

/// Moves the limit on the body of each request. Made by [`BodyLimit`].
#[derive(Clone, Debug)]
pub struct MoveBodyLimit<S> {
    inner: S,
    bytes: u64,
}

impl<S, B> Service<Request<B>> for MoveBodyLimit<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        RequestContext::of(&mut request).set_body_limit(self.bytes);
        lift_axum_limit(&mut request, self.bytes);
        self.inner.call(request)
    }
}

/// Enforces the limit. Around the Router alone: it changes the type of the request's body, which a Router boxes anyway.
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
    S: Service<Request<LimitedBody<ReqB>>, Response = Response<ResB>>,
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
        let limited = |body| LimitedBody { body, context: context.clone(), read: 0, over: false };
        let inner = self.inner.call(request.map(limited));
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

pin_project! {
    /// A request's body that fails at the first frame that goes over the limit; before the first byte is read, if its
    /// length is known.
    pub(crate) struct LimitedBody<B> {
        #[pin]
        body: B,
        context: RequestContext,
        read: u64,
        over: bool,
    }
}

/// The request's body is larger than the limit.
#[derive(Debug, thiserror::Error)]
#[error("the request's body is larger than {limit} bytes")]
struct TooLarge {
    limit: u64,
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if *this.over {
            return Poll::Ready(None);
        }
        let limit = this.context.body_limit();
        let too_large = || {
            this.context.set_body_too_large();
            Poll::Ready(Some(Err(TooLarge { limit }.into())))
        };
        if this.read.saturating_add(this.body.size_hint().lower()) > limit {
            *this.over = true;
            return too_large();
        }
        let frame = ready!(this.body.poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            *this.read += data.len() as u64;
            if *this.read > limit {
                *this.over = true;
                return too_large();
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.over { SizeHint::with_exact(0) } else { self.body.size_hint() }
    }
}
