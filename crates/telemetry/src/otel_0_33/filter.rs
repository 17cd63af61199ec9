//! What the layer gets to see.

use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    layer::{Context, Filter},
    registry::LookupSpan,
};

use super::sampling::Sampling;
use crate::trace::{TraceContext, is_decided};

/// The filter of the layer: the spans of requests that are sampled, and what is inside them.
#[derive(Debug)]
pub(crate) struct RequestSpans {
    pub(super) sampling: Sampling,
}

impl<S> Filter<S> for RequestSpans
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        if !is_seen(metadata) {
            return false;
        }
        // The span of a request itself, and then one that is inside of a request.
        if let Some(sampled) = is_decided().or_else(TraceContext::is_current_sampled) {
            return sampled;
        }
        // Outside of requests, as in a task that one spawned. A span that is not seen and might have been is not sampled, and what
        // is inside it is not either.
        let current = context.current_span();
        match (current.id(), current.metadata()) {
            (Some(id), Some(metadata)) => !is_seen(metadata) || context.span(id).is_some(),
            _ => true,
        }
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_seen(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

/// Libraries have spans for every frame at the levels below.
fn is_seen(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::INFO
}
