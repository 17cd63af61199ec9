//! The service of the drain layer.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use macadam_core::{BodyRule, GuardedBody, GuardedFuture};
use tower_service::Service;

use crate::{guard::DrainGuard, ledger::Ledger};

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
    type Response = Response<GuardedBody<ResBody, DrainGuard>>;
    type Error = S::Error;
    type Future = GuardedFuture<S::Future, DrainGuard>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let rule = BodyRule::of(request.method());
        let guard = DrainGuard::enter(&self.ledger, &request, self.close_connections);
        GuardedFuture::new(self.inner.call(request), rule, guard)
    }
}
