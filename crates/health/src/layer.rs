//! Probes answered before anything else sees the request.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use macadam_core::ResponseBody;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    answer::{self, Answer, LaterAnswer, Manner},
    health::Health,
};

/// Answers probes and passes every other request on.
#[derive(Clone, Debug)]
pub struct HealthLayer {
    health: Health,
    manner: Manner,
    answering: bool,
    envoy: bool,
}

impl HealthLayer {
    pub(crate) fn new(health: Health) -> Self {
        Self { health, manner: Manner::DEFAULT, answering: true, envoy: false }
    }

    /// Whether answers tell the reason of a failure, which may name hosts and users. Off by default: switch it on
    /// where strangers cannot ask.
    #[must_use]
    pub fn details(mut self, details: bool) -> Self {
        self.manner.details = details;
        self
    }

    /// Whether a probe that fails is answered with 500, as Kubernetes' own servers do, and not with 503.
    #[must_use]
    pub fn internal_server_error(mut self, is_500: bool) -> Self {
        self.manner = self.manner.internal_server_error(is_500);
        self
    }

    /// Whether probes are answered at all. On by default; off, the layer answers none, for a service whose paths they
    /// would hide, or whose probes come to another listener.
    #[must_use]
    pub fn answering(mut self, answering: bool) -> Self {
        self.answering = answering;
        self
    }

    /// Whether every response, a probe's or not, to a request that comes while readiness fails for the shutdown bears
    /// `x-envoy-immediate-health-check-fail: true`. Off by default.
    ///
    /// An Envoy that checks the health of its hosts takes this one out at the first such response, and not after as
    /// many failed checks as it waits for otherwise. It goes by the header alone: a gateway that passes it on to an
    /// Envoy before it is taken out itself, with all that is behind it. Switch it on where Envoy is the next hop, or
    /// where whoever is takes the header off.
    #[must_use]
    pub fn envoy(mut self, envoy: bool) -> Self {
        self.envoy = envoy;
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
        let HealthLayer { health, manner, answering, envoy } = &self.layer;
        let answer = || answer::answer(health, *manner, &request);
        let kind = match answering.then(answer).flatten() {
            Some(Answer::Now(response)) => Kind::Answered { response: Some(response) },
            Some(Answer::Later(answer)) => Kind::Awaited { answer, leaving: envoy.then(|| health.clone()) },
            None => Kind::PassedOn { inner: self.inner.call(request) },
        };
        // Looked at here and not when the response is there: its future would need a handle on the health, and a
        // count that all requests share would go up and down for each.
        ResponseFuture { kind, leaving: *envoy && health.reach().is_leaving() }
    }
}

pin_project! {
    /// The answer to a probe, or the inner service's future.
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
        leaving: bool,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F> {
        PassedOn { #[pin] inner: F },
        Answered { response: Option<Response<Bytes>> },
        Awaited { answer: LaterAnswer, leaving: Option<Health> },
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.kind.project() {
            KindProj::PassedOn { inner } => ready!(inner.poll(cx))?.map(ResponseBody::service),
            KindProj::Answered { response } => response
                .take()
                .expect("a future is not polled after it was ready")
                .map(ResponseBody::document),
            KindProj::Awaited { answer, leaving } => {
                let response = ready!(answer.as_mut().poll(cx));
                *this.leaving = leaving.as_ref().is_some_and(|health| health.reach().is_leaving());
                response.map(ResponseBody::document)
            }
        };
        if *this.leaving {
            response.headers_mut().insert(IMMEDIATE_FAIL, HeaderValue::from_static("true"));
        }
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

const IMMEDIATE_FAIL: HeaderName = HeaderName::from_static("x-envoy-immediate-health-check-fail");
