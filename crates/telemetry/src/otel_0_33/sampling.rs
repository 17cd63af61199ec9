//! Which traces are recorded.

use std::{env, error::Error, fmt};

use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, TracerProviderBuilder};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{Layer, registry::LookupSpan};

use super::{
    filter::RequestSpans,
    tracer::{Decided, Ids, RequestTracer},
};
use crate::trace::TraceId;

/// Which traces are recorded, and what has to know of it: the [provider](Self::provider) and the [layer](Self::layer).
///
/// The samplers are those of OpenTelemetry. That of a ratio takes the same traces as every other service's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Of 2⁶³ traces that begin here, so many.
    share: u64,
    /// Whether a trusted caller's decision stands.
    parent_based: bool,
}

impl Sampling {
    /// What `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say; `parentbased_always_on` where they say nothing.
    ///
    /// # Errors
    ///
    /// Where they name a sampler that is not there, or a ratio that is none. OpenTelemetry's SDKs record everything then.
    pub fn from_env() -> Result<Self, SamplingError> {
        let variable = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let [sampler, argument] = [SAMPLER, ARGUMENT].map(|name| variable(name).unwrap_or_default());
        Self::named(&sampler, &argument)
    }

    /// The sampler of this name, with this argument, as the environment would say them; empty is not said.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn named(sampler: &str, argument: &str) -> Result<Self, SamplingError> {
        let said = |text: &str, default: &str| match text.trim() {
            "" => default.to_owned(),
            text => text.to_ascii_lowercase(),
        };
        let name = said(sampler, "parentbased_always_on");
        let (root, parent_based) = match name.strip_prefix("parentbased_") {
            Some(root) => (root, true),
            None => (&*name, false),
        };
        let share = match root {
            "always_on" => ALL,
            "always_off" => 0,
            "traceidratio" => {
                let ratio = said(argument, "1.0");
                match ratio.parse() {
                    Ok(number) if (0.0..=1.0).contains(&number) => (number * ALL as f64) as u64,
                    _ => return Err(SamplingError { variable: ARGUMENT, value: ratio, expects: RATIO }),
                }
            }
            _ => return Err(SamplingError { variable: SAMPLER, value: name, expects: SAMPLERS }),
        };
        Ok(Self { share, parent_based })
    }

    /// Whether a trace is recorded, whose caller is trusted and records it or does not, or which begins here.
    #[inline]
    pub(super) fn samples(self, trace_id: TraceId, caller: Option<bool>) -> bool {
        match caller {
            Some(sampled) if self.parent_based => sampled,
            _ => (trace_id.get() as u64) >> 1 < self.share,
        }
    }

    /// A provider that samples so and has the ids of requests. What is missing is who exports.
    pub fn provider(self) -> TracerProviderBuilder {
        SdkTracerProvider::builder().with_sampler(Decided(self)).with_id_generator(Ids)
    }

    /// The layer of `tracing-opentelemetry`, for a tracer of this [provider](Self::provider), that sees what is sampled and
    /// nothing else.
    ///
    /// It has a filter of its own. One that stands before all layers also keeps spans from this one; a log's level is better set by a
    /// filter on the log's layer.
    pub fn layer<S>(self, tracer: SdkTracer) -> impl Layer<S> + Send + Sync
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        OpenTelemetryLayer::new(RequestTracer::new(tracer))
            // Of a request's span they would be this crate's, or change from poll to poll.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(RequestSpans { sampling: self })
    }
}

/// A variable for OpenTelemetry's sampler says what cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplingError {
    variable: &'static str,
    value: String,
    expects: &'static str,
}

impl fmt::Display for SamplingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, value, expects } = self;
        write!(f, "{variable} is {value:?}: expected {expects}, or nothing")
    }
}

impl Error for SamplingError {}

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
const SAMPLERS: &str =
    "`always_on`, `always_off`, `traceidratio`, or one of them with `parentbased_` before it";
const RATIO: &str = "a number from 0 to 1, such as `0.25`";
const ALL: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(sampler: &str, argument: &str, low: u64, caller: Option<bool>) -> bool {
        let trace_id = TraceId::new(1 << 100 | u128::from(low)).expect("it is not 0");
        Sampling::named(sampler, argument).expect("it is one").samples(trace_id, caller)
    }

    #[test]
    fn the_samplers_are_those_of_opentelemetry() {
        for id in [0, 1, u64::MAX / 2, u64::MAX] {
            for caller in [None, Some(false), Some(true)] {
                assert!(samples("always_on", "", id, caller));
                assert!(!samples("always_off", "", id, caller));
                assert!(samples("traceidratio", "1", id, caller));
                assert!(!samples("traceidratio", "0", id, caller));
                assert_eq!(samples("parentbased_always_on", "", id, caller), caller.unwrap_or(true));
                assert_eq!(samples("parentbased_always_off", "", id, caller), caller.unwrap_or(false));
                assert_eq!(samples("", "", id, caller), caller.unwrap_or(true), "the default");
            }
        }
    }

    #[test]
    fn a_ratio_takes_the_traces_that_the_sdks_own_sampler_takes() {
        use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};
        for ratio in [0.0, 0.001, 0.25, 0.5, 0.999, 1.0] {
            let sampling = Sampling::named("traceidratio", &ratio.to_string()).expect("it is one");
            let theirs = Sampler::TraceIdRatioBased(ratio);
            for _ in 0..10_000 {
                let trace_id = TraceId::random();
                let id = trace_id.get().into();
                let kind = opentelemetry::trace::SpanKind::Server;
                let decision = theirs.should_sample(None, id, "", &kind, &[], &[]).decision;
                assert_eq!(sampling.samples(trace_id, None), decision == SamplingDecision::RecordAndSample);
            }
        }
    }

    #[test]
    fn what_is_no_sampler_is_an_error_that_names_the_variable_and_the_cure() {
        for (sampler, argument, said) in [
            (
                "xray",
                "",
                "OTEL_TRACES_SAMPLER is \"xray\": expected `always_on`, `always_off`, `traceidratio`, or one of them with `parentbased_` before it, or nothing",
            ),
            (
                "parentbased_jaeger_remote",
                "",
                "OTEL_TRACES_SAMPLER is \"parentbased_jaeger_remote\": expected",
            ),
            (
                "traceidratio",
                "half",
                "OTEL_TRACES_SAMPLER_ARG is \"half\": expected a number from 0 to 1, such as `0.25`, or nothing",
            ),
            ("traceidratio", "1.5", "OTEL_TRACES_SAMPLER_ARG is \"1.5\""),
            ("traceidratio", "NaN", "OTEL_TRACES_SAMPLER_ARG is \"nan\""),
        ] {
            let error = Sampling::named(sampler, argument).expect_err("it is none").to_string();
            assert!(error.starts_with(said), "{error}");
        }
        assert_eq!(Sampling::named(" Always_Off ", ""), Sampling::named("always_off", ""));
        assert_eq!(Sampling::named("traceidratio", ""), Sampling::named("always_on", ""));
    }
}
