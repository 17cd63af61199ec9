//! What is recorded of a request as it goes along, and said when it is over.

use std::{fmt, sync::Arc, time::Duration};

use http::{Method, StatusCode, response};
use macadam_core::{End, Guard, Outcome, Rejection, RequestContext, Share, Streaming, context::Id};
use tracing::{Span, field::Empty};

use crate::{
    access::{Access, Ended},
    handle::TelemetryHandle,
    metrics::{ErrorType, Labels, Recorder},
    trace::{Recorded, Start, Trace, TraceContext, decided},
};

/// Held from the layer's call to the response's end; fills the request's span in, and writes the access event.
pub struct RequestGuard {
    context: RequestContext,
    trace: Trace,
    span: Span,
    recorded: Option<Box<dyn Recorded>>,
    /// Whether somebody who has the ids of the trace finds something by them.
    is_findable: bool,
    /// But for its route, its status and its error.
    labels: Labels,
    status: Option<StatusCode>,
    /// After how long the response's head was there, until that is handed on: where there is no more to come, the request has
    /// taken as long.
    to_head: Option<Duration>,
    streams: bool,
    end: End,
    access: Access,
    recorder: Arc<Share<Recorder>>,
}

impl RequestGuard {
    pub(crate) fn new(
        context: RequestContext,
        trace: &mut TraceContext,
        start: Option<Box<dyn Start>>,
        labels: Labels,
        access: Access,
        handle: &TelemetryHandle,
    ) -> Self {
        let recorder = handle.recorded().recorder();
        recorder.begin(labels);
        let ids = trace.trace();
        let span = decided(start.is_some(), || {
            tracing::info_span!(
                target: "macadam::request",
                "request",
                request_id = context.request_id().as_ref().map(Id::as_str),
                trace_id = %ids.trace_id,
                span_id = %ids.span_id,
                http.request.method = context.wire().method_name(),
                http.route = Empty,
                http.response.status_code = Empty,
                macadam.outcome = Empty,
            )
        });
        let recorded = start.and_then(|start| start.begin(&span));
        if ids.sampled && recorded.is_none() {
            trace.give_up();
        }
        // Where nobody records spans, the ids are in the log, if there is one.
        let is_findable = recorded.is_some() || !trace.has_recorder() && !span.is_disabled();
        // Until a future holds it, nothing but a panic in the service's call can end it.
        Self {
            context,
            trace: trace.trace(),
            span,
            recorded,
            is_findable,
            labels,
            status: None,
            to_head: None,
            streams: false,
            end: End::Panicked,
            access,
            recorder,
        }
    }

    /// The trace that the request belongs to, and its own span in it.
    pub fn trace(&self) -> Trace {
        self.trace
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// The status that the client gets. What a handler makes of a body that did not come in time, whoever waits for that body
    /// further out answers with 408.
    fn answered(&self, head: &response::Parts) -> StatusCode {
        let failed = head.status.is_client_error() || head.status.is_server_error();
        let is_late = failed
            && self.context.outcome() == Outcome::TimedOut
            && head.extensions.get::<Rejection>().is_none();
        if is_late { StatusCode::REQUEST_TIMEOUT } else { head.status }
    }

    /// Whether the response goes on for as long as its client likes.
    fn goes_on(&self, head: &response::Parts) -> bool {
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS
            || (*self.context.wire().method() == Method::CONNECT && head.status.is_success());
        switches || Streaming::of(&head.headers) == Some(Streaming::Events)
    }

    fn record_route(&self) {
        if let Some(route) = self.context.route() {
            self.span.record("http.route", route.as_str());
            if let Some(recorded) = &self.recorded {
                recorded.routed(route);
            }
        }
    }
}

impl Guard for RequestGuard {
    fn head(&mut self, head: &mut response::Parts) {
        let status = self.answered(head);
        self.status = Some(status);
        self.streams = self.goes_on(head);
        let route = self.context.route();
        let after = self.context.arrival().elapsed();
        self.recorder.first_byte(self.labels.answered(route, self.status), route, after);
        self.to_head = Some(after);
        if !self.span.is_disabled() {
            // Signed, since to OpenTelemetry an unsigned one is text.
            self.span.record("http.response.status_code", i64::from(status.as_u16()));
            self.record_route();
        }
    }

    #[inline]
    fn handed_on(&mut self) {
        self.to_head = None;
    }

    #[inline]
    fn end(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        // Whoever refused or cut the request has settled its outcome already, and knows more.
        self.context.settle(self.end.outcome());
        let outcome = self.context.outcome();
        let took = self.to_head.unwrap_or_else(|| self.context.arrival().elapsed());
        self.recorder.outcomes().end_after(&self.context, self.status, self.streams, took);
        let route = self.context.route();
        let error = ErrorType::of(outcome, self.status);
        let labels = self.labels.answered(route, self.status).failed(error);
        let trace = self.is_findable.then_some(self.trace);
        self.recorder.end(labels, route, took, self.streams, trace);
        if !self.span.is_disabled() {
            self.span.record("macadam.outcome", outcome.as_str());
            if self.status.is_none() {
                self.record_route();
            }
            if let Some(recorded) = &self.recorded {
                recorded.end(labels, self.status, took);
            }
        }
        self.access.write(&self.span, &Ended { status: self.status, outcome, error, took });
    }
}

impl fmt::Debug for RequestGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestGuard")
            .field("context", &self.context)
            .field("trace", &self.trace)
            .finish_non_exhaustive()
    }
}
