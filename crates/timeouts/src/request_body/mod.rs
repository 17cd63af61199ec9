//! The clock on a client that sends a request's body: a layer of its own, since it changes that body's type.

mod body;
mod service;

use macadam_core::body::MinRate;
use tokio::time::Duration;
use tower_layer::Layer;

pub use self::{
    body::RequestBody,
    service::{RequestBodyTimeout, RequestBodyTimeoutFuture},
};

/// Bounds how slowly a client may send a request's body, and answers 408 for a handler that waited for one in vain.
///
/// For a server that has no such clock, as `axum::serve`; `macadam-serve` has it already. It changes the type of the
/// request's body, which most of axum's middleware does not take: put it around the router, outermost but for what
/// gives requests their ids. Outside of [`TimeoutLayer`](crate::TimeoutLayer) it makes the context in which that one's
/// deadline stands still while the handler waits for the client; inside, `TimeoutLayer` must
/// [expose](crate::TimeoutLayer::expose) it.
///
/// ```
/// use std::time::Duration;
///
/// use axum::{Router, routing::post};
/// use macadam_timeouts::{RequestBodyTimeoutLayer, TimeoutLayer};
///
/// let app: Router = Router::new()
///     .route("/", post(async |body: axum::body::Bytes| body))
///     .layer(TimeoutLayer::new(Duration::from_secs(3)))
///     .layer(RequestBodyTimeoutLayer::new(Duration::from_secs(30)).min_rate(240, Duration::from_secs(5)));
/// ```
///
/// # When it fires
///
/// Its clock runs while the handler waits for a frame of the body, from the poll that found none to the next frame. When
/// it fires the body fails with a [`TimeoutCause`](crate::TimeoutCause), once, and has ended. The request's outcome is then
/// `timed-out`; an error that the handler answers, unless it is a rejection itself, becomes 408 with the kind
/// `request-timeout`, and the cause in its extensions; and in HTTP/1 whatever is answered says `Connection: close`, since what is left of the body would
/// be taken for the next request.
#[derive(Clone, Copy, Debug)]
pub struct RequestBodyTimeoutLayer {
    idle: Duration,
    min_rate: Option<MinRate>,
}

impl RequestBodyTimeoutLayer {
    /// Bounds the client's silence while the handler waits for it: from a poll that found no frame to the next frame.
    pub fn new(idle: Duration) -> Self {
        Self { idle, min_rate: None }
    }

    /// Bounds its slowness too: at least so many bytes a second, but for `grace` at a stretch, of the time in which the
    /// handler waits. It is judged as a frame comes, so that a lump of bytes pays for the silence before it.
    #[must_use]
    pub fn min_rate(mut self, bytes_per_second: u32, grace: Duration) -> Self {
        self.min_rate = Some(MinRate::new(bytes_per_second, grace));
        self
    }
}

impl<S> Layer<S> for RequestBodyTimeoutLayer {
    type Service = RequestBodyTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestBodyTimeout::new(inner, *self)
    }
}
