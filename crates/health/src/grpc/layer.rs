//! The health service in front of another.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    body::GrpcHealthBody,
    service::{self, GrpcHealth, GrpcHealthFuture},
};

/// Answers for `grpc.health.v1.Health` and passes every other request on. Made by [`GrpcHealth::layer`].
#[derive(Clone, Debug)]
pub struct GrpcHealthLayer {
    grpc: GrpcHealth,
    answering: bool,
}

impl GrpcHealthLayer {
    pub(super) fn new(grpc: GrpcHealth) -> Self {
        Self { grpc, answering: true }
    }

    /// Whether it answers at all. On by default; off, the layer passes everything on.
    #[must_use]
    pub fn answering(mut self, answering: bool) -> Self {
        self.answering = answering;
        self
    }
}

impl<S> Layer<S> for GrpcHealthLayer {
    type Service = GrpcProbed<S>;

    fn layer(&self, inner: S) -> GrpcProbed<S> {
        GrpcProbed { inner, layer: self.clone() }
    }
}

/// The service that [`GrpcHealthLayer`] makes.
#[derive(Clone, Debug)]
pub struct GrpcProbed<S> {
    inner: S,
    layer: GrpcHealthLayer,
}

impl<S, B, R> Service<Request<B>> for GrpcProbed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body,
{
    type Response = Response<GrpcProbedBody<R>>;
    type Error = S::Error;
    type Future = GrpcFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_ours = self.layer.answering && service::is_asked(request.uri().path());
        let kind = if is_ours {
            Kind::Answered { answer: self.layer.grpc.call(request) }
        } else {
            Kind::PassedOn { inner: self.inner.call(request) }
        };
        GrpcFuture { kind }
    }
}

pin_project! {
    /// The answer of the health service, or the inner service's future.
    pub struct GrpcFuture<F, B> {
        #[pin]
        kind: Kind<F, B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F, B> {
        PassedOn { #[pin] inner: F },
        Answered { #[pin] answer: GrpcHealthFuture<B> },
    }
}

impl<F, R, E, B> Future for GrpcFuture<F, B>
where
    F: Future<Output = Result<Response<R>, E>>,
    B: Body,
{
    type Output = Result<Response<GrpcProbedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::PassedOn { inner } => inner
                .poll(cx)
                .map_ok(|response| response.map(|body| GrpcProbedBody { kind: BodyKind::Service { body } })),
            KindProj::Answered { answer } => match ready!(answer.poll(cx)) {
                Ok(response) => {
                    Poll::Ready(Ok(response.map(|body| GrpcProbedBody { kind: BodyKind::Health { body } })))
                }
                Err(never) => match never {},
            },
        }
    }
}

impl<F, B> fmt::Debug for GrpcFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// The service's body, or an answer of the health service.
    #[derive(Debug)]
    pub struct GrpcProbedBody<R> {
        #[pin]
        kind: BodyKind<R>,
    }
}

pin_project! {
    #[project = BodyProj]
    #[derive(Debug)]
    enum BodyKind<R> {
        Service { #[pin] body: R },
        Health { body: GrpcHealthBody },
    }
}

impl<R: Body<Data = Bytes>> Body for GrpcProbedBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.project().kind.project() {
            BodyProj::Service { body } => body.poll_frame(cx),
            BodyProj::Health { body } => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            BodyKind::Service { body } => body.is_end_stream(),
            BodyKind::Health { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            BodyKind::Service { body } => body.size_hint(),
            BodyKind::Health { body } => body.size_hint(),
        }
    }
}
