//! Requests of stock `axum::serve`, linked to their connections.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    response::Response,
    serve::IncomingStream,
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use macadam_core::{BodyRule, GuardedFuture};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::drain_listener::DrainListener;
use crate::{conn::Conn, service::Exchange};

/// Links each request to its connection, for a [`DrainListener`]: a connection does not know by itself what of its bytes is
/// a request, or whether its answer is over.
///
/// It stands around whatever stock `axum::serve` would be given, and costs a box for each response, and for each request
/// with a body. A connection that is not linked is left to axum.
#[derive(Clone, Debug)]
pub struct Linked<M> {
    make: M,
}

impl<M> Linked<M> {
    /// Links the requests of what this makes: a `Router`, or another service of connections.
    pub fn new(make: M) -> Self {
        Self { make }
    }
}

impl<'a, M> Service<IncomingStream<'a, DrainListener>> for Linked<M>
where
    M: Service<IncomingStream<'a, DrainListener>, Error = Infallible>,
{
    type Response = LinkedService<M::Response>;
    type Error = Infallible;
    type Future = LinkedFuture<M::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.make.poll_ready(cx)
    }

    fn call(&mut self, connection: IncomingStream<'a, DrainListener>) -> Self::Future {
        let conn = Arc::clone(connection.io().conn());
        LinkedFuture { making: self.make.call(connection), conn }
    }
}

pin_project! {
    /// The future of a [`Linked`].
    pub struct LinkedFuture<F> {
        #[pin]
        making: F,
        conn: Arc<Conn>,
    }
}

impl<F, S> Future for LinkedFuture<F>
where
    F: Future<Output = Result<S, Infallible>>,
{
    type Output = Result<LinkedService<S>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let service = ready!(this.making.poll(cx))?;
        this.conn.link();
        Poll::Ready(Ok(LinkedService { service, conn: Arc::clone(this.conn) }))
    }
}

/// The service of one connection, made by [`Linked`].
#[derive(Clone)]
pub struct LinkedService<S> {
    service: S,
    conn: Arc<Conn>,
}

impl<S> Service<Request> for LinkedService<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ExchangeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let conn = &self.conn;
        let rule = BodyRule::of(request.method());
        let exchange = Exchange::begin(conn, &request);
        // hyper-util calls a service only as its future is polled.
        conn.begins_late();
        let request = request.map(|body| {
            if body.is_end_stream() {
                return body;
            }
            Body::new(Received::new(body, conn))
        });
        ExchangeFuture { answering: GuardedFuture::new(self.service.call(request), rule, exchange) }
    }
}

pin_project! {
    /// The future of a [`LinkedService`].
    pub struct ExchangeFuture<F> {
        #[pin]
        answering: GuardedFuture<F, Exchange>,
    }
}

impl<F> Future for ExchangeFuture<F>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().answering.poll(cx).map_ok(|response| response.map(Body::new))
    }
}

impl<F> fmt::Debug for LinkedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkedFuture").field("peer", &self.conn.peer).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for LinkedService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkedService").field("peer", &self.conn.peer).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ExchangeFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeFuture").finish_non_exhaustive()
    }
}

/// A request's body, which the connection knows of until it is over.
struct Received {
    body: Body,
    of: Option<Of>,
}

struct Of(Arc<Conn>);

impl Received {
    fn new(body: Body, conn: &Arc<Conn>) -> Self {
        conn.body_begins();
        Self { body, of: Some(Of(Arc::clone(conn))) }
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // Not first at `None`: hyper may say that no sooner than with the next request.
        if frame.is_none() || self.body.is_end_stream() {
            if let Some(Of(conn)) = &self.of {
                conn.body_ended();
            }
            self.of = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Of {
    fn drop(&mut self) {
        self.0.body_over();
    }
}
