//! The road on stock `axum::serve`.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::Request,
    response::Response,
    serve::{IncomingStream, Listener},
};
use macadam_core::{RequestContext, Wire};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::service::{RoadFuture, RoadService};

/// Gives each connection of stock `axum::serve` the road. Made by [`Road::make`](crate::Road::make).
#[derive(Clone, Debug)]
pub struct MakeRoadService {
    service: RoadService,
}

impl MakeRoadService {
    pub(crate) fn new(service: RoadService) -> Self {
        Self { service }
    }
}

impl<L> Service<IncomingStream<'_, L>> for MakeRoadService
where
    L: Listener<Addr = SocketAddr>,
{
    type Response = ConnectionService;
    type Error = Infallible;
    type Future = Ready<Result<ConnectionService, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, connection: IncomingStream<'_, L>) -> Self::Future {
        let peer = *connection.remote_addr();
        ready(Ok(ConnectionService { service: self.service.clone(), peer }))
    }
}

/// The road for one connection of stock `axum::serve`: it knows the peer, and boxes bodies as axum wants them.
#[derive(Clone, Debug)]
pub struct ConnectionService {
    service: RoadService,
    peer: SocketAddr,
}

impl Service<Request> for ConnectionService {
    type Response = Response;
    type Error = Infallible;
    type Future = ConnectionFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.service, cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let context = RequestContext::new(Instant::now(), Some(self.peer), Wire::of(&request));
        request.extensions_mut().insert(context);
        ConnectionFuture { inner: self.service.call(request) }
    }
}

pin_project! {
    /// The future of a [`ConnectionService`].
    #[derive(Debug)]
    pub struct ConnectionFuture {
        #[pin]
        inner: RoadFuture<Body>,
    }
}

impl Future for ConnectionFuture {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_ok(|response| response.map(Body::new))
    }
}
