//! What is measured, as OpenTelemetry has it.

use std::{collections::BTreeMap, sync::Arc};

use macadam_core::{Gauges, Reading};
use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    metrics::v1::{
        AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        Sum as Sums, exemplar, metric::Data, number_data_point::Value,
    },
};

use super::{
    attribute::{int, text},
    nanos,
};
use crate::{
    handle::TelemetryHandle,
    metrics::{self, BOUNDS, Identity, Point},
};

/// From when to when the figures are.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// All metrics, as they are now.
pub(crate) fn read(
    requests: Option<&TelemetryHandle>,
    handles: &[Arc<dyn Gauges>],
    span: Span,
) -> Vec<Metric> {
    let mut metrics = Vec::new();
    if let Some(requests) = requests {
        of_requests(requests, span, &mut metrics);
    }
    figures(handles, span, &mut metrics);
    metrics
}

fn of_requests(handle: &TelemetryHandle, span: Span, metrics: &mut Vec<Metric>) {
    let recorded = handle.recorded();
    metrics.push(metric(
        "http.server.request.duration",
        "Duration of HTTP server requests, from their arrival to the last byte of the response",
        "s",
        histogram(&mut recorded.durations(), span),
    ));
    metrics.push(metric(
        "macadam.http.server.time_to_first_byte",
        "Time from the arrival of a request to the head of its response",
        "s",
        histogram(&mut recorded.first_bytes(), span),
    ));
    let streams = recorded.streams().map(|(identity, count)| {
        point(attributes(identity), Value::AsInt(count.try_into().unwrap_or(i64::MAX)), span)
    });
    metrics.push(metric(
        "macadam.http.server.streams",
        "Event streams and upgraded connections that are over, which are not in the durations",
        "{request}",
        sum(streams.collect(), true),
    ));
    let active = recorded.active().map(|(method, scheme, count)| {
        let attributes = vec![text("http.request.method", method), text("url.scheme", scheme.as_str())];
        point(attributes, Value::AsInt(count.try_into().unwrap_or(i64::MAX)), span)
    });
    metrics.push(metric(
        "http.server.active_requests",
        "HTTP server requests that have arrived and are not over",
        "{request}",
        sum(active.collect(), false),
    ));
    metrics.retain(|metric| match &metric.data {
        Some(Data::Histogram(histogram)) => !histogram.data_points.is_empty(),
        Some(Data::Sum(sum)) => !sum.data_points.is_empty(),
        _ => true,
    });
}

fn histogram(points: &mut dyn Iterator<Item = Point<'_>>, span: Span) -> Data {
    let data_points = points.map(|point| HistogramDataPoint {
        attributes: attributes(point.identity),
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        count: point.sum.count(),
        sum: Some(point.sum.seconds),
        bucket_counts: point.sum.counts.to_vec(),
        explicit_bounds: BOUNDS.to_vec(),
        exemplars: (0..=BOUNDS.len()).filter_map(|bucket| point.exemplar(bucket)).map(exemplar).collect(),
        ..HistogramDataPoint::default()
    });
    Data::Histogram(Histogram {
        data_points: data_points.collect(),
        aggregation_temporality: AggregationTemporality::Cumulative.into(),
    })
}

fn exemplar(of: metrics::Exemplar) -> Exemplar {
    Exemplar {
        filtered_attributes: Vec::new(),
        time_unix_nano: nanos(of.at),
        span_id: of.span_id.get().to_be_bytes().to_vec(),
        trace_id: of.trace_id.get().to_be_bytes().to_vec(),
        value: Some(exemplar::Value::AsDouble(of.took.as_secs_f64())),
    }
}

fn attributes(identity: Option<&Identity>) -> Vec<KeyValue> {
    // What the SDKs of OpenTelemetry say of what is beyond their limit.
    let Some((labels, route)) = identity else { return vec![text("otel.metric.overflow", "true")] };
    let mut pairs = vec![text("http.request.method", labels.method())];
    pairs.extend(route.map(|route| text("http.route", route.as_str())));
    let status = labels.status();
    pairs.extend((status > 0).then(|| int("http.response.status_code", status)));
    pairs.extend(labels.error().map(|error| text("error.type", error)));
    pairs.push(text("network.protocol.version", labels.version()));
    pairs.push(text("url.scheme", labels.scheme().as_str()));
    pairs
}

/// What the handles say, by name.
fn figures(handles: &[Arc<dyn Gauges>], span: Span, metrics: &mut Vec<Metric>) {
    let mut families = BTreeMap::<&str, (&str, Vec<NumberDataPoint>)>::new();
    for handle in handles {
        for metric in handle.metrics() {
            families.entry(metric.name).or_default().0 = metric.help;
        }
        handle.read(&mut |Reading { name, labels, value }| {
            let labels = labels.iter().map(|(name, value)| match *name {
                "cpu_mode" => text("cpu.mode", *value),
                name => text(name, *value),
            });
            let point = point(labels.collect(), Value::AsDouble(value), span);
            families.entry(name).or_default().1.push(point);
        });
    }
    for (name, (help, points)) in families {
        if !points.is_empty() {
            let Name { name, unit, kind } = Name::of(name);
            let data = match kind {
                Kind::Counter => sum(points, true),
                Kind::UpDown => sum(points, false),
                Kind::Gauge => Data::Gauge(Gauge { data_points: points }),
            };
            metrics.push(metric(name, help, unit, data));
        }
    }
}

/// What OpenTelemetry calls a figure. Translated to Prometheus' form it is the name of the reading again, but for the two that
/// Prometheus could not have.
struct Name {
    name: String,
    unit: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    UpDown,
    Gauge,
}

impl Name {
    fn of(reading: &str) -> Self {
        let convention = CONVENTIONS.iter().find(|(name, ..)| *name == reading);
        if let Some((_, name, unit, kind)) = convention {
            return Self { name: (*name).to_owned(), unit, kind: *kind };
        }
        let (stem, kind) = match reading.strip_suffix("_total") {
            Some(stem) => (stem, Kind::Counter),
            None => (reading, Kind::Gauge),
        };
        let (stem, unit) = match (stem.strip_suffix("_seconds"), stem.strip_suffix("_bytes")) {
            (Some(stem), _) => (stem, "s"),
            (_, Some(stem)) => (stem, "By"),
            _ => (stem, ""),
        };
        let spaces = ["macadam_load_shed_", "macadam_request_id_", "tokio_runtime_"];
        let name = match spaces.into_iter().find_map(|space| Some((space, stem.strip_prefix(space)?))) {
            Some(("tokio_runtime_", rest)) => format!("tokio.runtime.{rest}"),
            Some(("macadam_load_shed_", rest)) => format!("macadam.load_shed.{rest}"),
            Some((_, rest)) => format!("macadam.request_id.{rest}"),
            // `macadam_serve_requests` is of serve, `macadam_tasks` of nothing below.
            None => stem.splitn(3, '_').collect::<Vec<_>>().join("."),
        };
        Self { name, unit, kind }
    }
}

/// Those that OpenTelemetry's conventions name.
const CONVENTIONS: &[(&str, &str, &str, Kind)] = &[
    ("process_cpu_time_seconds_total", "process.cpu.time", "s", Kind::Counter),
    ("process_memory_usage_bytes", "process.memory.usage", "By", Kind::UpDown),
    ("process_memory_virtual_bytes", "process.memory.virtual", "By", Kind::UpDown),
    ("process_threads", "process.thread.count", "{thread}", Kind::UpDown),
    ("process_open_fds", "process.unix.file_descriptor.count", "{file_descriptor}", Kind::UpDown),
    ("process_uptime_seconds", "process.uptime", "s", Kind::Gauge),
];

fn metric(name: impl Into<String>, help: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.into(),
        description: help.to_owned(),
        unit: unit.to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    }
}

fn sum(data_points: Vec<NumberDataPoint>, is_monotonic: bool) -> Data {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    Data::Sum(Sums { data_points, aggregation_temporality, is_monotonic })
}

fn point(attributes: Vec<KeyValue>, value: Value, span: Span) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}
