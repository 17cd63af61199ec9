//! Probes as a service of their own.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

use crate::{
    answer::{self, Answer, LaterAnswer, Manner},
    health::Health,
};

/// Answers probes, and everything else with 404.
#[derive(Clone, Debug)]
pub struct HealthService {
    health: Health,
    manner: Manner,
}

impl HealthService {
    pub(crate) fn new(health: Health) -> Self {
        Self { health, manner: Manner::DEFAULT }
    }

    /// Whether answers tell the reason of a failure, which may name hosts and users. Off by default: switch it on
    /// where strangers cannot ask.
    #[must_use]
    pub fn details(mut self, details: bool) -> Self {
        self.manner.details = details;
        self
    }

    /// Whether a probe that fails is answered with 500, as Kubernetes' own servers do, and not with 503.
    #[must_use]
    pub fn internal_server_error(mut self, is_500: bool) -> Self {
        self.manner = self.manner.internal_server_error(is_500);
        self
    }
}

impl<B> Service<Request<B>> for HealthService {
    type Response = Response<ProbeBody>;
    type Error = Infallible;
    type Future = ProbeFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ProbeFuture(match answer::answer(&self.health, self.manner, &request) {
            Some(Answer::Now(response)) => Kind::Now(Some(response)),
            Some(Answer::Later(answer)) => Kind::Later(answer),
            None => Kind::Now(Some(answer::not_found())),
        })
    }
}

/// The answer to a probe, now or, where it asked to wait, later.
pub struct ProbeFuture(Kind);

enum Kind {
    Now(Option<Response<Bytes>>),
    Later(LaterAnswer),
}

impl Future for ProbeFuture {
    type Output = Result<Response<ProbeBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.0 {
            Kind::Now(response) => response.take().expect("a future is not polled after it was ready"),
            Kind::Later(answer) => ready!(answer.as_mut().poll(cx)),
        };
        Poll::Ready(Ok(response.map(ProbeBody)))
    }
}

impl fmt::Debug for ProbeFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeFuture").finish_non_exhaustive()
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
