//! What a request's span costs with a subscriber behind it.
//!
//! A table of its own, since a subscriber leaves its mark on every callsite of the process: timed in one go with the others,
//! those would no longer be without one.

use macadam_telemetry::{TelemetryLayer, otel_0_33::Sampling};
use opentelemetry::trace::TracerProvider;
use tower::Layer;
use tracing::{Dispatch, dispatcher::with_default};
use tracing_subscriber::{layer::SubscriberExt, registry};

use crate::{
    callgrind::Cost,
    cases::{Case, Polls, at_once, passes},
};

pub(crate) const SPANS: &[Case] = &[
    Case {
        name: "telemetry, no subscriber",
        beside: Some("context"),
        ceiling: None,
        run: |times| requests(times, &Dispatch::none()),
    },
    Case {
        name: "OpenTelemetry, a span not sampled",
        beside: Some("telemetry, no subscriber"),
        ceiling: Some(Cost { instructions: 3400, atomics: 34 }),
        run: |times| requests(times, &Dispatch::new(registry().with(exporting("always_off")))),
    },
    Case {
        name: "a log that writes nothing",
        beside: Some("telemetry, no subscriber"),
        ceiling: None,
        run: |times| requests(times, &Dispatch::new(registry().with(Log))),
    },
    Case {
        name: "OpenTelemetry beside it, not sampled",
        beside: Some("a log that writes nothing"),
        ceiling: Some(Cost { instructions: 1650, atomics: 18 }),
        run: |times| requests(times, &Dispatch::new(registry().with(Log).with(exporting("always_off")))),
    },
    Case {
        name: "OpenTelemetry, a span sampled",
        beside: Some("telemetry, no subscriber"),
        ceiling: None,
        run: |times| requests(times, &Dispatch::new(registry().with(exporting("always_on")))),
    },
];

/// Of a service whose spans go nowhere once they are over.
fn exporting<S>(sampler: &str) -> impl tracing_subscriber::Layer<S> + Send + Sync + use<S>
where
    S: tracing::Subscriber + for<'a> registry::LookupSpan<'a> + Send + Sync,
{
    let sampling = Sampling::named(sampler, "").expect("a sampler");
    sampling.layer(sampling.provider().build().tracer("counted"))
}

/// Sees every span and event.
struct Log;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Log {}

fn requests(times: u32, subscriber: &Dispatch) {
    with_default(subscriber, || passes(times, Polls::One, &mut TelemetryLayer::new().layer(at_once())));
}
