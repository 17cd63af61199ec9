//! The check at the start of a service. One test, since the propagator is the process' own.

use macadam_telemetry::otel_0_33::{CheckError, Propagator, Sampling, check};
use opentelemetry::{global, trace::TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Dispatch, Subscriber, dispatcher::with_default, level_filters::LevelFilter};
use tracing_subscriber::{Layer, layer::SubscriberExt, registry, registry::LookupSpan};

fn sampling() -> Sampling {
    Sampling::named("always_off", "").expect("it is one")
}

fn ours<S>(provider: &SdkTracerProvider) -> impl Layer<S> + Send + Sync + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    sampling().layer(provider.tracer("check"))
}

#[test]
fn what_does_not_belong_together_is_an_error_that_names_the_cure_and_what_does_is_none() {
    let provider = sampling().provider().build();
    let foreign = SdkTracerProvider::builder().build();
    let good = || Dispatch::new(registry().with(ours(&provider)));
    let expect = |subscriber: Dispatch, error: CheckError, cure: &str| {
        let failed = with_default(&subscriber, check);
        assert_eq!(failed, Err(error));
        assert!(error.to_string().contains(cure), "{error}");
    };

    expect(Dispatch::none(), CheckError::NoLayer, "Add that of `Sampling::layer`");
    expect(Dispatch::new(registry()), CheckError::NoLayer, "`cargo tree --invert opentelemetry`");
    let other = tracing_opentelemetry::layer();
    expect(Dispatch::new(registry().with(other)), CheckError::NoLayer, "no layer for OpenTelemetry 0.33");
    let filtered = registry().with(LevelFilter::WARN).with(ours(&provider));
    expect(Dispatch::new(filtered), CheckError::Filtered, "Put the filter on the layer that it is for");
    // Where both see the same span, tracing-opentelemetry itself panics.
    let other = tracing_opentelemetry::layer().with_filter(LevelFilter::OFF);
    let twice = registry().with(ours(&provider)).with(other);
    expect(Dispatch::new(twice), CheckError::OtherLayer, "Take it out");
    let unfed = registry().with(ours(&foreign));
    expect(Dispatch::new(unfed), CheckError::OtherProvider, "Build it from `Sampling::provider`");
    expect(good(), CheckError::NoPropagator, "`opentelemetry::global::set_text_map_propagator(Propagator)`");

    global::set_text_map_propagator(Propagator);
    assert_eq!(with_default(&good(), check), Ok(()));
    // As an option, and boxed.
    let boxed: Option<Box<dyn Layer<_> + Send + Sync>> = Some(Box::new(ours(&provider)));
    assert_eq!(with_default(&Dispatch::new(registry().with(boxed)), check), Ok(()));
}
