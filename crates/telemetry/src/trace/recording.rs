//! Whether a request's span is recorded for OpenTelemetry, and what is said to that besides the span's own fields.
//!
//! The one place that knows whether there is an OpenTelemetry in the build.

use super::ids::{SpanId, Trace, TraceId};

/// Whether the span of a request in this trace is recorded, whose trusted caller's is or is not; none where nobody records
/// any.
#[inline]
pub(crate) fn decide(_trace_id: TraceId, _caller: Option<bool>) -> Option<bool> {
    None
}

/// The innermost span of this trace that is recorded, among those that the running code is inside of.
#[inline]
pub(crate) fn innermost(_trace: Trace) -> Option<SpanId> {
    None
}
