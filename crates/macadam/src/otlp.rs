//! Metrics, spans and logs to an OpenTelemetry collector by OTLP, where the environment names one.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use macadam_core::Gauges;
use macadam_graceful_shutdown::Hook;
use macadam_telemetry::{
    Resource, TelemetryHandle,
    otel_0_33::{self, Propagator, Sampling},
    otlp::{Otlp, OtlpHandle},
};
use opentelemetry::{global, trace::TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{EnvFilter, Layer};

use crate::{error::Error, export::Export, logs::Boxed, settings::Telemetry};

/// The way to a collector by OTLP.
struct Exporter {
    handle: OtlpHandle,
    spans: Option<(Sampling, SdkTracerProvider)>,
    /// Until there is all to read that it is to read.
    otlp: Mutex<Option<Otlp>>,
    /// From the beginning of a flush to its end.
    flush: Duration,
    /// Whether the last flush was of use.
    answers: Arc<AtomicBool>,
}

/// What the environment asks for.
pub(crate) fn of(settings: &Telemetry, service: &Resource) -> Result<Option<Box<dyn Export>>, Error> {
    let Some(otlp) = Otlp::from_env(service.clone()).map_err(telemetry)? else { return Ok(None) };
    let handle = otlp.handle();
    let spans = if handle.has_spans() {
        let sampling = Sampling::from_env().map_err(telemetry)?;
        Some((sampling, sampling.provider().with_span_processor(handle.spans()).build()))
    } else {
        None
    };
    let otlp = Mutex::new(Some(otlp));
    let (flush, answers) = (settings.flush_timeout, Arc::default());
    Ok(Some(Box::new(Exporter { handle, spans, otlp, flush, answers })))
}

impl Export for Exporter {
    /// That a collector does not answer is no failure of the service.
    fn hook(&self) -> Hook {
        let (handle, limit, answers) = (self.handle.clone(), self.flush, Arc::clone(&self.answers));
        let flush = async move || {
            if handle.flush(limit).await {
                answers.store(true, Relaxed);
            } else {
                tracing::warn!(
                    "not all telemetry was sent: the collector has not taken it within {limit:?} (`telemetry.flush_timeout`), or refused it"
                );
            }
            Ok::<_, Infallible>(())
        };
        Hook::new("flush telemetry", flush).limit(limit + LEEWAY).last()
    }

    fn layers(&self, filter: EnvFilter) -> Vec<Boxed> {
        let mut layers = vec![self.handle.logs().with_filter(filter).boxed()];
        if let Some((sampling, provider)) = &self.spans {
            layers.push(sampling.layer(provider.tracer("macadam")).boxed());
        }
        layers
    }

    fn install(&self) -> Result<(), Error> {
        let Some((_, provider)) = &self.spans else { return Ok(()) };
        global::set_tracer_provider(provider.clone());
        // One that does something is the service's own.
        if global::get_text_map_propagator(|propagator| propagator.fields().next().is_none()) {
            global::set_text_map_propagator(Propagator);
        }
        otel_0_33::check().map_err(|error| {
            telemetry(format!("{error}; or leave the log to the road; or export by yourself, and set `telemetry.otlp` to false"))
        })
    }

    fn gauges(&self) -> Arc<dyn Gauges> {
        Arc::new(self.handle.clone())
    }

    fn says(&self) -> String {
        let mut collectors: Vec<(&str, Vec<&str>)> = Vec::new();
        for (signal, collector) in self.handle.targets() {
            match collectors.iter_mut().find(|(known, _)| *known == collector) {
                Some((_, signals)) => signals.push(signal),
                None => collectors.push((collector, vec![signal])),
            }
        }
        let to =
            collectors.iter().map(|(collector, signals)| format!("{} to {collector}", signals.join(", ")));
        format!("telemetry goes by OTLP: {}", to.collect::<Vec<_>>().join("; "))
    }

    fn start(&self, requests: TelemetryHandle, gauges: &[Arc<dyn Gauges>]) -> Result<(), Error> {
        let otlp = self.otlp.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(otlp) = otlp else { return Ok(()) };
        let otlp = gauges.iter().cloned().fold(otlp.requests(requests), Otlp::gauges);
        otlp.start().map(drop).map_err(telemetry)
    }

    fn flush_last_words(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if self.answers.load(Relaxed) {
                self.handle.flush(LEEWAY).await;
            }
        })
    }
}

fn telemetry(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Telemetry(error.into())
}

/// What a flush that takes all of its time needs besides; and less than anybody notices.
const LEEWAY: Duration = Duration::from_millis(100);
