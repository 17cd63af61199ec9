//! The deadline, as a handler sees it.

use http::Request;
use macadam_core::RequestContext;
use tokio::time::{Duration, Instant};

/// The deadline of one request: read, and moved, from wherever the request is handled, other tasks included.
///
/// It is there once a layer outside has made the request's context: with [`TimeoutLayer::expose`], with `macadam`, or
/// with a layer such as `macadam-request-id`. With the feature `axum` it is an extractor.
///
/// [`TimeoutLayer::expose`]: crate::TimeoutLayer::expose
#[derive(Clone, Debug)]
pub struct Deadline {
    context: RequestContext,
}

impl Deadline {
    /// The deadline of this request, if it has a context to keep one in.
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        RequestContext::get(request).map(Self::in_context)
    }

    pub(crate) fn in_context(context: &RequestContext) -> Self {
        Self { context: context.clone() }
    }

    /// When it passes. `None` if the request may take for ever.
    pub fn instant(&self) -> Option<Instant> {
        self.context.deadline()
    }

    /// How long it is from now until it passes, zero if it has. `None` if the request may take for ever.
    pub fn remaining(&self) -> Option<Duration> {
        self.instant().map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Moves it, earlier or later, or takes it away. One that was inherited from a caller stays.
    pub fn set(&self, at: Option<Instant>) {
        self.context.set_deadline(at);
    }
}
