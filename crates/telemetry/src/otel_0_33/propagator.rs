//! W3C Trace Context for clients that ask OpenTelemetry's global propagator.

use std::sync::LazyLock;

use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{SpanContext, TraceContextExt, TraceFlags},
};

use crate::trace::{Flags, Parent, SpanId, TraceContext, TraceId, state_of};

/// `traceparent` and `tracestate`, by the same rules as the [layer's](crate::Inbound), for
/// `opentelemetry::global::set_text_map_propagator`.
///
/// Unlike the SDK's own it knows a `traceparent` that came twice from a valid one, joins what came of `tracestate`, passes on
/// that an id is random, and sends no empty `tracestate`. Inside a request that is not sampled it says so to the next hop,
/// which else would begin a trace.
#[derive(Clone, Copy, Debug)]
pub struct Propagator;

impl TextMapPropagator for Propagator {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let current = TraceContext::current();
        let span = context.span();
        let span = span.span_context();
        let trace_id = TraceId::new(u128::from_be_bytes(span.trace_id().to_bytes()));
        let span_id = SpanId::new(u64::from_be_bytes(span.span_id().to_bytes()));
        let (parent, state) = match (trace_id.zip(span_id), &current) {
            (Some((trace_id, span_id)), current) => {
                // The SDK's flags do not say it, the request's do.
                let same = current.as_ref().filter(|current| current.trace().trace_id == trace_id);
                let random = same.is_some_and(|current| current.flags().random);
                let flags = Flags { sampled: span.is_sampled(), random };
                (Parent { trace_id, span_id, flags }, span.trace_state().header())
            }
            // Of a request that is not sampled the SDK knows nothing.
            (None, Some(current)) => {
                let (parent, state) = current.onward();
                (parent, state.unwrap_or_default().to_owned())
            }
            (None, None) => return,
        };
        injector.set(PARENT, parent.to_string());
        if !state.is_empty() {
            injector.set(STATE, state);
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let values = |name| extractor.get_all(name).unwrap_or_default().into_iter().map(str::as_bytes);
        let Some(parent) = Parent::of(values(PARENT)) else { return context.clone() };
        let state = state_of(values(STATE)).and_then(|state| state.parse().ok()).unwrap_or_default();
        let flags = TraceFlags::default().with_sampled(parent.flags.sampled);
        let (trace_id, span_id) = (parent.trace_id.get().into(), parent.span_id.get().into());
        context.with_remote_span_context(SpanContext::new(trace_id, span_id, flags, true, state))
    }

    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: LazyLock<[String; 2]> = LazyLock::new(|| [PARENT, STATE].map(str::to_owned));
        FieldIter::new(&*FIELDS)
    }
}

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
