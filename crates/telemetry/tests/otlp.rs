//! What a collector gets, and that nobody waits for one that is dead or hangs.
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap")]

use std::{
    collections::HashMap,
    future::ready,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Barrier},
    time::Duration,
};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use macadam_core::{Gauges, Outcome, Reading};
use macadam_telemetry::{
    BOUNDS, Process, Resource, TelemetryLayer, TraceContext,
    otel_0_33::Sampling,
    otlp::{Otlp, OtlpHandle},
};
use macadam_test::Collector;
use opentelemetry::trace::{SpanKind, Tracer, TracerProvider};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{AggregationTemporality, Metric, exemplar, metric::Data},
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use prost::Message;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};
use tracing_subscriber::layer::SubscriberExt;

fn otlp(to: SocketAddr, more: &[(&str, &str)]) -> Otlp {
    let endpoint = format!("http://{to}");
    let variable = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        // A flush sends all of it, and nothing else does.
        "OTEL_BSP_SCHEDULE_DELAY" | "OTEL_BLRP_SCHEDULE_DELAY" => Some("600000".to_owned()),
        name => more.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
    };
    Otlp::from_variables(Resource::new("orders", Some("1.2.3")), variable).unwrap().unwrap()
}

fn tracer(handle: &OtlpHandle) -> SdkTracerProvider {
    SdkTracerProvider::builder().with_span_processor(handle.spans()).build()
}

fn spans(handle: &OtlpHandle, count: usize) {
    let tracer = tracer(handle).tracer("test");
    for _ in 0..count {
        drop(tracer.span_builder("GET /orders/{id}").with_kind(SpanKind::Server).start(&tracer));
    }
}

fn log(handle: &OtlpHandle, count: usize) {
    let subscriber = tracing_subscriber::registry().with(handle.logs());
    tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!(
            target: "macadam::request",
            "request",
            trace_id = %"0af7651916cd43dd8448eb211c80319c",
            span_id = %"b7ad6b7169203331",
        );
        let _entered = tracing::info_span!(parent: &span, "further in").entered();
        for number in 0..count {
            tracing::warn!(number, of = "orders", "it is late");
        }
    });
}

/// What was sent to a path, decoded.
fn came<M: Message + Default>(collector: &Collector, path: &str) -> Vec<M> {
    collector.came(path).into_iter().map(|body| M::decode(body).unwrap()).collect()
}

fn dropped(handle: &OtlpHandle) -> HashMap<String, u64> {
    let mut dropped = HashMap::new();
    handle.read(&mut |reading| {
        dropped.insert(reading.labels[0].1.to_owned(), reading.value as u64);
    });
    dropped
}

fn text(pairs: &[KeyValue], name: &str) -> Option<String> {
    let pair = pairs.iter().find(|pair| pair.key == name)?;
    match pair.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(format!("{number} (a number)")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_healthy_collector_gets_every_span_and_record_in_a_flush() {
    let (collector, address) = Collector::start();
    let handle = otlp(address, &[]).start().unwrap();
    spans(&handle, 1_500);
    log(&handle, 1_100);
    assert!(handle.flush(Duration::from_secs(20)).await);
    assert!(dropped(&handle).values().all(|dropped| *dropped == 0), "{:?}", dropped(&handle));

    let traces: Vec<ExportTraceServiceRequest> = came(&collector, "/v1/traces");
    let resource = traces[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(text(&resource.attributes, "service.name").unwrap(), "orders");
    assert_eq!(text(&resource.attributes, "service.version").unwrap(), "1.2.3");
    assert!(text(&resource.attributes, "service.instance.id").is_some());
    let scopes = traces.iter().flat_map(|batch| &batch.resource_spans).flat_map(|spans| &spans.scope_spans);
    let spans: Vec<_> = scopes.flat_map(|scope| &scope.spans).collect();
    assert_eq!(spans.len(), 1_500);
    assert!(spans.iter().all(|span| span.name == "GET /orders/{id}" && span.kind == 2));

    let logs: Vec<ExportLogsServiceRequest> = came(&collector, "/v1/logs");
    let scopes = logs.iter().flat_map(|batch| &batch.resource_logs).flat_map(|logs| &logs.scope_logs);
    let records: Vec<_> = scopes.flat_map(|scope| &scope.log_records).collect();
    assert_eq!(records.len(), 1_100);
    for (number, record) in records.iter().enumerate() {
        assert_eq!(record.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
        assert_eq!(record.span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
        assert_eq!((record.severity_text.as_str(), record.severity_number), ("WARN", 13));
        assert_eq!(text(&record.attributes, "number").unwrap(), format!("{number} (a number)"));
        assert_eq!(text(&record.attributes, "of").unwrap(), "orders");
    }
}

#[tokio::test]
async fn a_record_has_no_secret_and_an_end() {
    let (collector, address) = Collector::start();
    let handle = otlp(address, &[]).start().unwrap();
    let subscriber = tracing_subscriber::registry().with(handle.logs());
    tracing::subscriber::with_default(subscriber, || {
        let error = std::io::Error::other("no answer of postgres://orders:s3cret@db/orders");
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::warn!(
            token = "s3cret",
            pwd = 7_355_608,
            error,
            long = "x".repeat(9_000),
            "GET /?sig=s3cret"
        );
    });
    assert!(handle.flush(Duration::from_secs(20)).await);
    let logs: Vec<ExportLogsServiceRequest> = came(&collector, "/v1/logs");
    let record = &logs[0].resource_logs[0].scope_logs[0].log_records[0];
    let body = record.body.clone().unwrap().value.unwrap();
    assert_eq!(body, Value::StringValue("GET /?sig=REDACTED".to_owned()));
    for (name, safe) in [
        ("token", "REDACTED"),
        ("pwd", "REDACTED"),
        ("error", "no answer of postgres://REDACTED@db/orders"),
        ("long", &format!("{}…[cut]", "x".repeat(8 * 1024))),
    ] {
        assert_eq!(text(&record.attributes, name).unwrap(), safe);
    }
}

#[tokio::test]
async fn the_metrics_have_the_names_units_buckets_and_attributes_of_the_conventions() {
    let (collector, address) = Collector::start();
    let (layer, requests) = TelemetryLayer::new().pair();
    let process = Arc::new(Process::new(tokio::runtime::Handle::current()));
    let otlp = otlp(address, &[]).requests(requests.clone()).gauges(process).gauges(Arc::new(requests));
    let handle = otlp.start().unwrap();
    let service = layer.layer(service_fn(async |_: Request<()>| {
        let mut response = Response::new(Full::new("no".as_bytes()));
        *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        Ok::<_, std::convert::Infallible>(response)
    }));
    for method in ["GET", "MADE-UP", "GET"] {
        let request = Request::builder().method(method).uri("/secret").body(()).unwrap();
        service.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    }
    assert!(handle.flush(Duration::from_secs(20)).await);
    let came: Vec<ExportMetricsServiceRequest> = came(&collector, "/v1/metrics");
    let metrics: HashMap<_, Metric> = came[0].resource_metrics[0].scope_metrics[0]
        .metrics
        .iter()
        .map(|metric| (metric.name.clone(), metric.clone()))
        .collect();

    let duration = &metrics["http.server.request.duration"];
    assert_eq!(duration.unit, "s");
    let Some(Data::Histogram(histogram)) = &duration.data else { panic!("{duration:?}") };
    assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
    let mut methods = Vec::new();
    for point in &histogram.data_points {
        assert_eq!(point.explicit_bounds, BOUNDS);
        assert_eq!(point.bucket_counts.len(), BOUNDS.len() + 1);
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
        assert!(0 < point.start_time_unix_nano && point.start_time_unix_nano <= point.time_unix_nano);
        let of = |name| text(&point.attributes, name);
        methods.push((of("http.request.method").unwrap(), point.count));
        assert_eq!(of("http.response.status_code").unwrap(), "502 (a number)");
        assert_eq!(of("error.type").unwrap(), "502");
        assert_eq!(of("url.scheme").unwrap(), "http");
        assert_eq!(of("network.protocol.version").unwrap(), "1.1");
        for forbidden in ["http.route", "network.protocol.name", "server.address", "url.path", "url.full"] {
            assert_eq!(of(forbidden), None);
        }
    }
    methods.sort();
    assert_eq!(methods, [("GET".to_owned(), 2), ("_OTHER".to_owned(), 1)]);

    for (name, unit, is_monotonic) in [
        ("http.server.active_requests", "{request}", false),
        ("tokio.runtime.parks", "", true),
        ("macadam.requests.ended", "", true),
    ] {
        let metric = &metrics[name];
        assert_eq!(metric.unit, unit, "{name}");
        let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
        assert_eq!(sum.is_monotonic, is_monotonic, "{name}");
    }
    let names = ["process.cpu.time", "process.memory.usage", "process.unix.file_descriptor.count"];
    for name in names.into_iter().filter(|_| cfg!(target_os = "linux")) {
        assert!(metrics.contains_key(name), "{name} in {:?}", metrics.keys());
    }
    assert!(metrics.keys().all(|name| !name.ends_with("_total") && !name.ends_with("_seconds")));
}

#[tokio::test]
async fn a_bucket_of_the_durations_names_a_request_that_is_in_it() {
    let (collector, address) = Collector::start();
    let (layer, requests) = TelemetryLayer::new().pair();
    let handle = otlp(address, &[]).requests(requests).start().unwrap();
    drop(macadam_test::events::capture());
    // Nobody records spans, and the log has the ids.
    let _installed = tracing::subscriber::set_default(tracing_subscriber::registry().with(handle.logs()));
    let mut trace = None;
    let service = layer.layer(service_fn(|_: Request<()>| {
        trace = TraceContext::current().map(|context| context.trace());
        ready(Ok::<_, std::convert::Infallible>(Response::new(Full::new("ok".as_bytes()))))
    }));
    service.oneshot(Request::new(())).await.unwrap().into_body().collect().await.unwrap();
    let trace = trace.unwrap();

    assert!(handle.flush(Duration::from_secs(20)).await);
    let came: Vec<ExportMetricsServiceRequest> = came(&collector, "/v1/metrics");
    for metric in &came[0].resource_metrics[0].scope_metrics[0].metrics {
        let Some(Data::Histogram(histogram)) = &metric.data else { continue };
        let [point] = &histogram.data_points[..] else { panic!("{histogram:?}") };
        let exemplars = &point.exemplars;
        if metric.name != "http.server.request.duration" {
            assert!(exemplars.is_empty(), "{metric:?}");
            continue;
        }
        assert_eq!(exemplars.len(), 1);
        assert_eq!(exemplars[0].trace_id, trace.trace_id.get().to_be_bytes());
        assert_eq!(exemplars[0].span_id, trace.span_id.get().to_be_bytes());
        let Some(exemplar::Value::AsDouble(seconds)) = exemplars[0].value else { panic!("{exemplars:?}") };
        assert_eq!(point.sum, Some(seconds));
        let times = [point.start_time_unix_nano, exemplars[0].time_unix_nano, point.time_unix_nano];
        assert!(times.is_sorted(), "{times:?}");
    }
}

/// Flushes on this runtime, and says how long it took.
async fn flush_in_vain(to: SocketAddr) {
    let handle = otlp(to, &[("OTEL_BSP_MAX_QUEUE_SIZE", "100")]).start().unwrap();
    spans(&handle, 130);
    log(&handle, 10);
    let limit = Duration::from_millis(500);
    let began = Instant::now();
    assert!(!handle.flush(limit).await, "not all of it was taken");
    let took = began.elapsed();
    assert!(took < limit + Duration::from_millis(100), "{took:?}");
    assert!(dropped(&handle)["traces"] >= 30, "what found no room is counted");
    // It gives up at the same time as we do, on its own thread.
    let given_up = async {
        while dropped(&handle)
            != HashMap::from([("traces", 130), ("logs", 10), ("metrics", 1)].map(|(k, v)| (k.to_owned(), v)))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), given_up).await.unwrap();
}

fn on_both_runtimes(to: SocketAddr) {
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    one.block_on(flush_in_vain(to));
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    many.block_on(async { tokio::spawn(flush_in_vain(to)).await.unwrap() });
}

#[test]
fn a_flush_to_a_collector_that_is_dead_ends_at_its_limit_and_counts_what_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    on_both_runtimes(address);
}

#[test]
fn a_flush_to_a_collector_that_hangs_ends_at_its_limit_and_counts_what_is_lost() {
    // The kernel accepts, and nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    on_both_runtimes(listener.local_addr().unwrap());
}

/// A handle that does not let go of who reads it until it is told to.
struct Slow(Barrier);

impl Gauges for Slow {
    fn read(&self, _: &mut dyn FnMut(Reading<'_>)) {
        self.0.wait();
        self.0.wait();
    }
}

#[tokio::test]
async fn a_request_takes_no_lock_that_the_thread_which_exports_holds() {
    let (_collector, address) = Collector::start();
    let (layer, requests) = TelemetryLayer::new().pair();
    let slow = Arc::new(Slow(Barrier::new(2)));
    let interval = ("OTEL_METRIC_EXPORT_INTERVAL", "1");
    let otlp = otlp(address, &[interval]).requests(requests.clone()).gauges(slow.clone());
    let handle = otlp.start().unwrap();
    let spans = Sampling::named("always_on", "").unwrap();
    let provider = spans.provider().with_span_processor(handle.spans()).build();
    let subscriber =
        tracing_subscriber::registry().with(spans.layer(provider.tracer("test"))).with(handle.logs());
    let _installed = tracing::subscriber::set_default(subscriber);

    // In the middle of reading the metrics, from here on.
    slow.0.wait();
    let counted = requests.outcomes().count(Outcome::Finished);
    for number in 0..3_000_u16 {
        let service = layer.layer(service_fn(|_: Request<()>| {
            // Series that are there, and new ones.
            let mut response = Response::new(Full::new("ok".as_bytes()));
            *response.status_mut() = http::StatusCode::from_u16(200 + number % 300).unwrap();
            ready(Ok::<_, std::convert::Infallible>(response))
        }));
        service.oneshot(Request::new(())).await.unwrap().into_body().collect().await.unwrap();
    }
    assert_eq!(requests.outcomes().count(Outcome::Finished) - counted, 3_000);
    assert!(dropped(&handle)["traces"] > 0, "the queue has an end, and nobody waited for room in it");
    slow.0.wait();
}
