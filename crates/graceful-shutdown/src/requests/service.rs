//! The service of the drain layer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use macadam_core::{BodyRule, GuardedBody, GuardedFuture};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{body::DrainBody, guard::DrainGuard};
use crate::ledger::Ledger;

/// The service made by a [`DrainLayer`](crate::DrainLayer).
#[derive(Clone, Debug)]
pub struct DrainService<S> {
    inner: S,
    ledger: Arc<Ledger>,
    close_connections: bool,
}

impl<S> DrainService<S> {
    pub(crate) fn new(inner: S, ledger: Arc<Ledger>, close_connections: bool) -> Self {
        Self { inner, ledger, close_connections }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for DrainService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<GuardedBody<DrainBody<ResBody>, DrainGuard>>;
    type Error = S::Error;
    type Future = DrainFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let rule = BodyRule::of(request.method());
        let guard = DrainGuard::enter(&self.ledger, &mut request, self.close_connections);
        DrainFuture { inner: GuardedFuture::new(self.inner.call(request), rule, guard) }
    }
}

pin_project! {
    /// The response of a [`DrainService`], on its way.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the service's future first, and then leaves the table.
    #[derive(Debug)]
    pub struct DrainFuture<F> {
        #[pin]
        inner: GuardedFuture<F, DrainGuard>,
    }
}

impl<F, B, E> Future for DrainFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<GuardedBody<DrainBody<B>, DrainGuard>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll_map_inside(cx, DrainBody::of)
    }
}
