//! A Router inside the road, as a service.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{BoxError, body::Body as AxumBody};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use macadam_core::{Render, RequestContext};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::stack::Stack;

type InStack<B> = <Stack as Service<Request<B>>>::Future;
type StackResponse = <Stack as Service<Request<AxumBody>>>::Response;

/// What `Response<B>` carries.
trait Carries {
    type Body;
}

impl<B> Carries for Response<B> {
    type Body = B;
}

/// A Router inside the road. Made by [`Road::wrap`](crate::Road::wrap).
#[derive(Clone)]
pub struct RoadService {
    stack: Stack,
    renderer: Option<Arc<dyn Render>>,
}

impl RoadService {
    pub(crate) fn new(stack: Stack, renderer: Option<Arc<dyn Render>>) -> Self {
        Self { stack, renderer }
    }
}

impl<B> Service<Request<B>> for RoadService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<RoadBody>;
    type Error = Infallible;
    type Future = RoadFuture<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.stack, cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(renderer) = &self.renderer {
            RequestContext::of(&mut request).set_renderer(Arc::clone(renderer));
        }
        RoadFuture { inner: self.stack.call(request) }
    }
}

impl fmt::Debug for RoadService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoadService").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of a [`RoadService`].
    pub struct RoadFuture<B>
    where
        B: Body<Data = Bytes>,
        B: Send,
        B: 'static,
        B::Error: Into<BoxError>,
    {
        #[pin]
        inner: InStack<B>,
    }
}

impl<B> Future for RoadFuture<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<RoadBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_ok(|response| response.map(|inner| RoadBody { inner }))
    }
}

impl<B> fmt::Debug for RoadFuture<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoadFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// The body of a response that comes off the road.
    pub struct RoadBody {
        #[pin]
        inner: <StackResponse as Carries>::Body,
    }
}

impl Body for RoadBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for RoadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoadBody").finish_non_exhaustive()
    }
}
