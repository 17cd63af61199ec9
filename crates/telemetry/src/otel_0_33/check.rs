//! Whether what was put together belongs together.

use std::{collections::HashMap, error::Error, fmt};

use opentelemetry::{
    Context, global,
    trace::{SpanBuilder, TraceContextExt},
};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::tracer::Beginning;
use crate::trace::{SpanId, Trace, TraceId, decided, with_recorder};

/// Sends a span through the subscriber that is installed, and its context through the global propagator and back. The span is
/// not exported.
///
/// Two versions of OpenTelemetry in one build compile and run, and what was put into one of them is not in the other: no
/// trace is exported, or none is continued, and nobody says a word. This is for the start of a service, after the subscriber
/// and the propagator are installed.
///
/// # Errors
///
/// Where something is missing or does not fit, with the cure.
pub fn check() -> Result<(), CheckError> {
    let trace = Trace { trace_id: TraceId::random(), span_id: SpanId::random(), sampled: false };
    if with_recorder(|_| ()).is_none() {
        return Err(CheckError::NoLayer);
    }
    let span = decided(true, || tracing::info_span!(target: "macadam::request", "check"));
    if span.is_disabled() {
        return Err(CheckError::Filtered);
    }
    let builder = SpanBuilder::from_name("check");
    let beginning = Beginning { trace, builder, parent: Context::new() };
    let context = beginning.of(|| span.context()).ok_or(CheckError::OtherLayer)?;
    let ids = |context: &Context| {
        let span = context.span();
        let span = span.span_context();
        (span.trace_id().to_bytes(), span.span_id().to_bytes())
    };
    let expected = (trace.trace_id.get().to_be_bytes(), trace.span_id.get().to_be_bytes());
    if ids(&context) != expected {
        return Err(CheckError::OtherProvider);
    }
    let returned = global::get_text_map_propagator(|propagator| {
        let mut headers = HashMap::new();
        propagator.inject_context(&context, &mut headers);
        propagator.extract_with_context(&Context::new(), &headers)
    });
    if ids(&returned) == expected { Ok(()) } else { Err(CheckError::NoPropagator) }
}

/// Why no trace would be exported, or continued in the next service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckError {
    /// The subscriber has no layer of [`Sampling::layer`](super::Sampling::layer).
    NoLayer,
    /// The subscriber keeps the spans of requests from all of its layers.
    Filtered,
    /// Another layer of `tracing-opentelemetry` stands before that one.
    OtherLayer,
    /// The provider has ids of its own.
    OtherProvider,
    /// The global propagator does nothing.
    NoPropagator,
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLayer => "no traces would be exported: the process' tracing subscriber has no layer for OpenTelemetry 0.33. Add that of `Sampling::layer` to it; if it has one, that is of another version, and `cargo tree --invert opentelemetry` shows who brings two",
            Self::Filtered => "no traces would be exported: the process' tracing subscriber has a filter before all of its layers that lets no span of `macadam::request` at `info` pass. Put the filter on the layer that it is for (`layer.with_filter(filter)`)",
            Self::OtherLayer => "the traces that are exported would not have the ids that the log has: the process' tracing subscriber has a second layer of tracing-opentelemetry. Take it out: that of `Sampling::layer` is enough",
            Self::OtherProvider => "the traces that are exported would not have the ids that the log has: the tracer's provider makes its own. Build it from `Sampling::provider`",
            Self::NoPropagator => "no trace would go on in the next service: the global propagator of OpenTelemetry 0.33 does nothing. Call `opentelemetry::global::set_text_map_propagator(Propagator)`; if something does, two versions of OpenTelemetry are in the build, and `cargo tree --invert opentelemetry` shows who brings the other one",
        })
    }
}

impl Error for CheckError {}
