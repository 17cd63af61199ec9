//! Probes as a service of their own.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

use crate::{answer, health::Health};

/// Answers probes, and everything else with 404.
#[derive(Clone, Debug)]
pub struct HealthService {
    health: Health,
    details: bool,
}

impl HealthService {
    pub(crate) fn new(health: Health) -> Self {
        Self { health, details: false }
    }

    /// Whether answers tell the reason of a failure, which may name hosts and users. Off by default: switch it on
    /// where strangers cannot ask.
    #[must_use]
    pub fn details(mut self, details: bool) -> Self {
        self.details = details;
        self
    }
}

impl<B> Service<Request<B>> for HealthService {
    type Response = Response<ProbeBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = answer::answer(&self.health, self.details, &request).unwrap_or_else(answer::not_found);
        ready(Ok(answer.map(ProbeBody)))
    }
}

/// The few bytes that answer a probe.
#[derive(Debug)]
pub struct ProbeBody(Bytes);

impl Body for ProbeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let rest = std::mem::take(&mut self.0);
        Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}
