//! Metrics, spans and logs to a collector, by OTLP over HTTP.
//!
//! All of it is sent by one thread of its own, `macadam-otlp`, with a runtime of its own: neither a collector that hangs nor a
//! runtime that is busy makes the other wait. Whoever ends a span or writes a log line puts it into a queue with an end,
//! takes no lock, and wakes nobody. What finds no room is dropped and counted, as `macadam_telemetry_dropped_total` by
//! `signal`. The metrics are read by that thread where they are counted.
//!
//! What goes where, the environment says, by the variables of OpenTelemetry's specification:
//!
//! | variable | default |
//! |---|---|
//! | `OTEL_EXPORTER_OTLP_ENDPOINT`, or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` and its like | none: then nothing is exported |
//! | `OTEL_EXPORTER_OTLP_HEADERS`, `_TIMEOUT` (in milliseconds), and those of one signal | none, `10000` |
//! | `OTEL_EXPORTER_OTLP_PROTOCOL`, and those of one signal | `http/protobuf`, the only one that there is |
//! | `OTEL_METRICS_EXPORTER`, `OTEL_TRACES_EXPORTER`, `OTEL_LOGS_EXPORTER` | `otlp`; `none` or `prometheus` leaves a signal out |
//! | `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_METRIC_EXPORT_TIMEOUT` | `60000`, `30000` |
//! | `OTEL_BSP_SCHEDULE_DELAY`, `_EXPORT_TIMEOUT`, `_MAX_QUEUE_SIZE`, `_MAX_EXPORT_BATCH_SIZE` | `5000`, `30000`, `2048`, `512` |
//! | `OTEL_BLRP_SCHEDULE_DELAY`, and so on, for logs | `1000`, `30000`, `2048`, `512` |
//! | `OTEL_PROPAGATORS` | `tracecontext`, which has to be in the list |
//! | `OTEL_SDK_DISABLED` | `false` |
//!
//! Neither TLS nor gRPC nor compression is there: who asks for one is told at the start.

mod attribute;
mod client;
mod error;
mod flush;
mod logs;
mod metrics;
mod plan;
mod queue;
mod signal;
mod spans;
mod thread;

use std::{
    env, fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use macadam_core::{Gauges, Metric, Reading};
use opentelemetry_sdk::trace::SpanData;

pub use self::{error::OtlpError, logs::OtlpLogs, spans::OtlpSpans};
use self::{flush::Bell, logs::Record, plan::Plan, queue::Queue, signal::Signal};
use crate::{handle::TelemetryHandle, resource::Resource};

/// What is to be exported, before it is: made early, so that the log's subscriber has [`spans`](OtlpHandle::spans) and
/// [`logs`](OtlpHandle::logs); [started](Self::start) when all that is to be read is there.
#[must_use = "nothing is exported until it is started"]
pub struct Otlp {
    plan: Plan,
    resource: Resource,
    began: SystemTime,
    handle: OtlpHandle,
    requests: Option<TelemetryHandle>,
    gauges: Vec<Arc<dyn Gauges>>,
}

/// Flushes what is exported, and gives what spans and logs go in by. Cheap to clone.
///
/// As [`Gauges`] it is `macadam_telemetry_dropped_total` by `signal`: spans and log records that found no room or that the
/// collector did not take, and readings of the metrics, of which the next one tells again.
#[derive(Clone, Debug)]
pub struct OtlpHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Of each signal that is exported, where to.
    targets: Vec<(Signal, String)>,
    bell: Bell,
    spans: Option<Arc<Queue<SpanData>>>,
    logs: Option<Arc<Queue<Record>>>,
    /// Never anything but a count: nothing waits, it is read when its time has come.
    metrics: Option<Arc<Queue<()>>>,
}

impl Otlp {
    /// What the environment asks for; `None` where that is nothing.
    ///
    /// # Errors
    ///
    /// Where it asks for what this build does not do.
    pub fn from_env(resource: Resource) -> Result<Option<Self>, OtlpError> {
        Self::from_variables(resource, |name| env::var(name).ok())
    }

    /// What these variables ask for, as [`from_env`](Self::from_env) does of the environment's.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn from_variables(
        resource: Resource,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, OtlpError> {
        let Some(plan) = Plan::read(variable)? else { return Ok(None) };
        let shared = Shared {
            targets: plan.targets().map(|target| (target.signal, target.collector())).collect(),
            bell: Bell::new(),
            spans: plan.traces.as_ref().map(|traces| Arc::new(Queue::new(traces.queue))),
            logs: plan.logs.as_ref().map(|logs| Arc::new(Queue::new(logs.queue))),
            metrics: plan.metrics.as_ref().map(|_| Arc::new(Queue::new(1))),
        };
        let handle = OtlpHandle { shared: Arc::new(shared) };
        let (requests, gauges, began) = (None, Vec::new(), SystemTime::now());
        Ok(Some(Self { plan, resource, began, handle, requests, gauges }))
    }

    /// The handle.
    pub fn handle(&self) -> OtlpHandle {
        self.handle.clone()
    }

    /// With the metrics of this layer's requests.
    pub fn requests(self, handle: TelemetryHandle) -> Self {
        Self { requests: Some(handle), ..self }
    }

    /// With the figures of this handle.
    pub fn gauges(mut self, gauges: Arc<dyn Gauges>) -> Self {
        self.gauges.push(gauges);
        self
    }

    /// Starts the thread, which ends with the process.
    ///
    /// # Errors
    ///
    /// Where the system gives none.
    pub fn start(self) -> Result<OtlpHandle, OtlpError> {
        let handle = self.handle();
        thread::start(self).map_err(OtlpError::Thread)?;
        Ok(handle)
    }
}

impl OtlpHandle {
    /// Takes the spans: a processor for the tracer provider of OpenTelemetry's SDK.
    pub fn spans(&self) -> OtlpSpans {
        OtlpSpans::new(self.shared.spans.clone())
    }

    /// What is exported, as `metrics`, `traces` and `logs`, and the host and port that it goes to.
    pub fn targets(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.shared.targets.iter().map(|(signal, collector)| (signal.as_str(), &**collector))
    }

    /// Whether spans are exported.
    pub fn has_spans(&self) -> bool {
        self.shared.spans.is_some()
    }

    /// Takes what is logged: a layer for a subscriber of `tracing`.
    pub fn logs(&self) -> OtlpLogs {
        OtlpLogs::new(self.shared.logs.clone())
    }

    /// Sends all that waits, and the metrics as they are now. Whether the collector has taken all of it within `limit`, in which
    /// one that does not answer is asked again; what it did not take is lost and counted.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it is done all the same.
    pub async fn flush(&self, limit: Duration) -> bool {
        let lost = || Signal::ALL.into_iter().filter_map(|signal| self.dropped(signal)).sum::<u64>();
        let before = lost();
        // Whoever sends gives up at that time too, and says that it is done.
        self.shared.bell.ring(limit).await && lost() == before
    }

    /// How many spans, log records and readings of metrics have been lost.
    fn dropped(&self, signal: Signal) -> Option<u64> {
        match signal {
            Signal::Metrics => self.shared.metrics.as_ref().map(|queue| queue.dropped()),
            Signal::Traces => self.shared.spans.as_ref().map(|queue| queue.dropped()),
            Signal::Logs => self.shared.logs.as_ref().map(|queue| queue.dropped()),
        }
    }
}

impl Gauges for OtlpHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        for signal in Signal::ALL {
            if let Some(dropped) = self.dropped(signal) {
                let labels = &[("signal", signal.as_str())];
                out(Reading { name: DROPPED, labels, value: dropped as f64 });
            }
        }
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl OtlpHandle {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[Metric::new(
        DROPPED,
        "Spans, log records and readings of metrics that no collector got",
        &["signal"],
    )
    .at_most(3)];
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp")
            .field("plan", &self.plan)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

const DROPPED: &str = "macadam_telemetry_dropped_total";
