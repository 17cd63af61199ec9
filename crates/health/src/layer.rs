//! Probes answered before anything else sees the request.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use macadam_core::ResponseBody;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{answer, health::Health};

/// Answers probes and passes every other request on.
#[derive(Clone, Debug)]
pub struct HealthLayer {
    health: Health,
    details: bool,
    answering: bool,
}

impl HealthLayer {
    pub(crate) fn new(health: Health) -> Self {
        Self { health, details: false, answering: true }
    }

    /// Whether answers tell the reason of a failure, which may name hosts and users. Off by default: switch it on
    /// where strangers cannot ask.
    #[must_use]
    pub fn details(mut self, details: bool) -> Self {
        self.details = details;
        self
    }

    /// Whether probes are answered at all. On by default; off, the layer passes everything on, for a service whose
    /// paths they would hide, or whose probes come to another listener.
    #[must_use]
    pub fn answering(mut self, answering: bool) -> Self {
        self.answering = answering;
        self
    }
}

impl<S> Layer<S> for HealthLayer {
    type Service = Probed<S>;

    fn layer(&self, inner: S) -> Probed<S> {
        Probed { inner, layer: self.clone() }
    }
}

/// The service that [`HealthLayer`] makes.
#[derive(Clone, Debug)]
pub struct Probed<S> {
    inner: S,
    layer: HealthLayer,
}

impl<S, B, R> Service<Request<B>> for Probed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = || answer::answer(&self.layer.health, self.layer.details, &request);
        match self.layer.answering.then(answer).flatten() {
            Some(response) => ResponseFuture::answered(response),
            None => ResponseFuture::passed_on(self.inner.call(request)),
        }
    }
}

pin_project! {
    /// The answer to a probe, or the inner service's future.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<F> {
        PassedOn { #[pin] inner: F },
        Answered { response: Option<Response<Bytes>> },
    }
}

impl<F> ResponseFuture<F> {
    fn passed_on(inner: F) -> Self {
        Self { kind: Kind::PassedOn { inner } }
    }

    fn answered(response: Response<Bytes>) -> Self {
        Self { kind: Kind::Answered { response: Some(response) } }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::PassedOn { inner } => {
                inner.poll(cx).map_ok(|response| response.map(ResponseBody::service))
            }
            KindProj::Answered { response } => {
                let response = response.take().expect("a future is not polled after it was ready");
                Poll::Ready(Ok(response.map(ResponseBody::document)))
            }
        }
    }
}
