//! Spans, from where they end to the queue.

use std::{sync::Arc, time::Duration};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};

use super::queue::Queue;

/// Puts spans that have ended into the queue of the thread that exports them. It never waits, and takes no lock.
#[derive(Clone, Debug)]
pub struct OtlpSpans {
    queue: Option<Arc<Queue<SpanData>>>,
}

impl OtlpSpans {
    pub(crate) fn new(queue: Option<Arc<Queue<SpanData>>>) -> Self {
        Self { queue }
    }
}

impl SpanProcessor for OtlpSpans {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if let Some(queue) = self.queue.as_ref().filter(|_| span.span_context.is_sampled()) {
            queue.push_with(|| span);
        }
    }

    /// Does nothing: a flush is asked of [`OtlpHandle`](crate::otlp::OtlpHandle).
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
