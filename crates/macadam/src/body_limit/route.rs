//! The layer of a route that moves the limit.

use std::task::{Context, Poll};

use http::Request;
use macadam_core::RequestContext;
use tower_layer::Layer;
use tower_service::Service;

use super::lift_axum_limit;

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
