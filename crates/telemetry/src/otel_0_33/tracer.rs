//! How a request's span comes to its ids.
//!
//! The layer of `tracing-opentelemetry` makes of each span of `tracing` a builder, and gives that to its tracer when the span is first
//! entered. At that point ours puts the request's own builder in its place. The SDK asks its generator for ids, and its sampler for a
//! decision, without saying for which span; so while it does, the thread knows.

use std::cell::Cell;

use opentelemetry::{
    Context, KeyValue, SpanId, TraceId,
    trace::{Link, SpanBuilder, SpanContext, SpanKind, SpanRef, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::{
    IdGenerator, SamplingDecision, SamplingResult, SdkTracer, ShouldSample, Span,
};

use super::sampling::Sampling;
use crate::trace::{self, Trace, during};

/// The tracer of the layer: another one, but for the spans of requests.
#[derive(Clone, Debug)]
pub(super) struct RequestTracer {
    inner: SdkTracer,
}

/// A request's span before it begins.
pub(super) struct Beginning {
    pub(super) trace: Trace,
    pub(super) builder: SpanBuilder,
    pub(super) parent: Context,
}

thread_local! {
    static NEXT: Cell<Option<Beginning>> = const { Cell::new(None) };
    static BEGINS: Cell<Option<Trace>> = const { Cell::new(None) };
}

impl Beginning {
    /// Makes the span that begins in `begin` this one, and tells whether one began.
    pub(super) fn of<T>(self, begin: impl FnOnce() -> T) -> Option<T> {
        during(&NEXT, self, || {
            let begun = begin();
            let left = NEXT.take();
            left.is_none().then_some(begun)
        })
    }
}

impl RequestTracer {
    pub(super) fn new(inner: SdkTracer) -> Self {
        Self { inner }
    }
}

impl Tracer for RequestTracer {
    type Span = Span;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Span {
        let Some(Beginning { trace, builder, parent }) = NEXT.take() else {
            return self.inner.build_with_context(builder, parent);
        };
        during(&BEGINS, trace, || self.inner.build_with_context(builder, &parent))
    }
}

/// Those of the request whose span begins, or random ones.
#[derive(Debug)]
pub(super) struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        BEGINS.get().map_or_else(trace::TraceId::random, |trace| trace.trace_id).get().into()
    }

    fn new_span_id(&self) -> SpanId {
        BEGINS.get().map_or_else(trace::SpanId::random, |trace| trace.span_id).get().into()
    }
}

/// What was decided for the request whose span begins; for one inside another what was decided for that; else now.
#[derive(Clone, Debug)]
pub(super) struct Decided(pub(super) Sampling);

impl ShouldSample for Decided {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent.map(TraceContextExt::span);
        let parent = parent.as_ref().map(SpanRef::span_context).filter(|parent| parent.is_valid());
        let sampled = match (BEGINS.get(), parent) {
            (Some(trace), _) => trace.sampled,
            (None, Some(parent)) if !parent.is_remote() => parent.is_sampled(),
            (None, parent) => trace::TraceId::new(u128::from_be_bytes(trace_id.to_bytes()))
                .is_some_and(|id| self.0.samples(id, parent.map(SpanContext::is_sampled))),
        };
        SamplingResult {
            decision: if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop },
            attributes: Vec::new(),
            trace_state: parent.map(|parent| parent.trace_state().clone()).unwrap_or_default(),
        }
    }
}
