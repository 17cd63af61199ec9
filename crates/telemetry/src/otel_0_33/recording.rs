//! The span of a request that is recorded, from its beginning to its end.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, Uri};
use macadam_core::{RequestContext, Route};
use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{attributes, filter::RequestSpans, tracer::Beginning};
use crate::{
    metrics::Labels,
    trace::{Inbound, Parent, Record, Recorded, SpanId, Start, TraceContext, TraceId},
};

impl Record for RequestSpans {
    fn samples(&self, trace_id: TraceId, caller: Option<bool>) -> bool {
        self.sampling.samples(trace_id, caller)
    }

    fn start(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        context: &RequestContext,
        labels: Labels,
        trace: &TraceContext,
    ) -> Box<dyn Start> {
        let now = SystemTime::now();
        let at = now.checked_sub(context.arrival().elapsed()).unwrap_or(now);
        let method = match labels.method() {
            "_OTHER" => "HTTP",
            method => method,
        };
        let linked = match trace.inbound() {
            Inbound::Link => Parent::read(headers).map(|caller| remote(caller, None)),
            _ => None,
        };
        let builder = SpanBuilder {
            span_kind: Some(SpanKind::Server),
            name: method.into(),
            start_time: Some(at),
            attributes: Some(attributes::of(uri, headers, context, labels)),
            links: linked.map(|caller| vec![Link::with_context(caller)]),
            events: None,
        };
        let parent = trace.caller().map(|caller| remote(caller.parent, caller.state.as_deref()));
        let parent = parent.map(|parent| Context::new().with_remote_span_context(parent));
        let beginning = Beginning { trace: trace.trace(), builder, parent: parent.unwrap_or_default() };
        Box::new(Before { beginning, method, at })
    }

    fn innermost(&self, trace_id: TraceId) -> Option<SpanId> {
        Context::map_current(|context| {
            let span = context.span();
            let span = span.span_context();
            let is_ours = span.trace_id().to_bytes() == trace_id.get().to_be_bytes();
            SpanId::new(u64::from_be_bytes(span.span_id().to_bytes())).filter(|_| is_ours)
        })
    }
}

struct Before {
    beginning: Beginning,
    method: &'static str,
    at: SystemTime,
}

impl Start for Before {
    fn begin(self: Box<Self>, span: &Span) -> Option<Box<dyn Recorded>> {
        let Self { beginning, method, at } = *self;
        let context = beginning.of(|| span.context())?;
        Some(Box::new(Running { context, method, at }))
    }
}

struct Running {
    context: Context,
    /// As the span's name has it.
    method: &'static str,
    at: SystemTime,
}

impl Recorded for Running {
    fn routed(&self, route: Route) {
        self.context.span().update_name(format!("{} {route}", self.method));
    }

    fn end(&self, labels: Labels, status: Option<StatusCode>, took: Duration) {
        let span = self.context.span();
        if let Some(error) = labels.error() {
            span.set_attribute(KeyValue::new("error.type", error));
            // A 4xx is the client's mistake, whatever else came of the request.
            if !status.is_some_and(|status| status.is_client_error()) {
                span.set_status(Status::error(""));
            }
        }
        span.end_with_timestamp(self.at + took);
    }
}

fn remote(caller: Parent, state: Option<&str>) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(caller.flags.sampled);
    // Of what is well-formed the SDK refuses some, by the first level's narrower rule for keys.
    let state = state.and_then(|state| state.parse().ok()).unwrap_or_default();
    SpanContext::new(caller.trace_id.get().into(), caller.span_id.get().into(), flags, true, state)
}
