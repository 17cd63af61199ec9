//! What is recorded of requests for OpenTelemetry: the conventions for HTTP servers, row by row, and which requests are.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::{Ready, pending, ready},
    net::SocketAddr,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt;
use macadam_core::{Kind, Outcome, Rejection, RequestContext, Route, Wire};
use macadam_telemetry::{
    Exposition, Format, Inbound, Scheme, TelemetryLayer, Trace, TraceContext,
    otel_0_33::{ATTRIBUTES, Propagator, Sampling},
};
use macadam_test::{ScriptedBody, Step, events};
use opentelemetry::{
    propagation::{Extractor, TextMapPropagator},
    trace::{SpanKind, Status, TraceContextExt, TracerProvider},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing::{Instrument, Subscriber, info_span, subscriber::DefaultGuard};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{layer::SubscriberExt, registry::LookupSpan};

/// A subscriber of this thread that exports, and what it exported.
struct Bench {
    exported: Exported,
    _provider: SdkTracerProvider,
    _subscriber: DefaultGuard,
}

#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        self.0.lock().unwrap().extend(batch);
        ready(Ok(()))
    }
}

impl Bench {
    fn new(sampler: &str) -> Self {
        Self::on(sampler, tracing_subscriber::registry())
    }

    /// With a log beside it, which sees all spans.
    fn with_log(sampler: &str) -> Self {
        Self::on(sampler, tracing_subscriber::registry().with(tracing_subscriber::layer::Identity::new()))
    }

    fn on<S>(sampler: &str, subscriber: S) -> Self
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        // So that no callsite is off for good because another test's thread had no subscriber.
        drop(events::capture());
        let exported = Exported::default();
        let sampling = Sampling::named(sampler, "").unwrap();
        let provider = sampling.provider().with_simple_exporter(exported.clone()).build();
        let subscriber = subscriber.with(sampling.layer(provider.tracer("bench")));
        let _subscriber = tracing::subscriber::set_default(subscriber);
        Self { exported, _provider: provider, _subscriber }
    }

    fn spans(&self) -> Vec<SpanData> {
        self.exported.0.lock().unwrap().clone()
    }

    #[track_caller]
    fn only(&self) -> SpanData {
        let spans = self.spans();
        let [span] = &*spans else { panic!("not one span: {spans:#?}") };
        span.clone()
    }

    #[track_caller]
    fn named(&self, name: &str) -> SpanData {
        self.spans().into_iter().find(|span| span.name == name).expect("there is a span of that name")
    }
}

fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let pairs: Vec<_> =
        span.attributes.iter().map(|pair| (pair.key.to_string(), format!("{:?}", pair.value))).collect();
    let map: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(map.len(), pairs.len(), "one is there twice: {pairs:?}");
    map
}

fn request(method: &str, uri: &str) -> Request<()> {
    Request::builder().method(method).uri(uri).body(()).unwrap()
}

/// With what serve knows of it.
fn from_peer(mut request: Request<()>, peer: &str) -> Request<()> {
    let peer: SocketAddr = peer.parse().unwrap();
    let context = RequestContext::new(Instant::now(), Some(peer), Wire::of(&request));
    context.set_request_id("01J-42").unwrap();
    request.extensions_mut().insert(context);
    request
}

/// Sends a request to a handler that a route leads to, or none does, and reads the answer to its end.
async fn answered(layer: &TelemetryLayer, request: Request<()>, route: Option<&str>, status: u16) {
    let service = layer.layer(service_fn(|mut request: Request<()>| {
        let context = RequestContext::of(&mut request);
        if let Some(route) = route {
            context.set_route(Route::intern(route));
        }
        let body = ScriptedBody::new([Step::data("answer")]);
        let mut response = Response::builder().status(status).body(body).unwrap();
        if context.outcome() != Outcome::Pending {
            // As who settles an outcome leaves there.
            response.extensions_mut().insert(Rejection::new(Kind::DeadlineExceeded));
        }
        ready(Ok::<_, Infallible>(response))
    }));
    let response = service.oneshot(request).await.unwrap();
    let _ = response.into_body().collect().await;
}

#[tokio::test]
async fn the_span_of_a_request_is_named_and_described_by_the_conventions_and_by_nothing_else() {
    let plain = |method: &str| {
        vec![
            ("http.request.method", format!("String(Static({method:?}))")),
            ("http.response.status_code", "I64(200)".to_owned()),
            ("macadam.outcome", "String(Owned(\"finished\"))".to_owned()),
            ("network.protocol.version", "String(Static(\"1.1\"))".to_owned()),
            ("url.path", "String(Owned(\"/\"))".to_owned()),
            ("url.scheme", "String(Static(\"http\"))".to_owned()),
        ]
    };
    let owned = |text: &str| format!("String(Owned({text:?}))");
    let fixed = |text: &str| format!("String(Static({text:?}))");
    let mut all = request("GET", "/orders/7?page=2&sig=s3cret");
    all.headers_mut().insert("host", "shop.example:8443".parse().unwrap());
    all.headers_mut().insert("user-agent", "curl/9".parse().unwrap());
    all.headers_mut().insert("cookie", "s3cret".parse().unwrap());
    let mut h2 = request("GET", "https://shop.example/");
    *h2.version_mut() = Version::HTTP_2;
    let http10 = |mut request: Request<()>| {
        *request.version_mut() = Version::HTTP_10;
        request
    };
    let mut v6 = request("GET", "/");
    v6.headers_mut().insert("host", "[::1]:80".parse().unwrap());
    let mut odd = request("GET", "/");
    odd.headers_mut().insert("host", "a b\u{e9}".parse().unwrap());
    // The request, its route, what differs from the plainest, and the name.
    type Row<'a> = (Request<()>, Option<&'a str>, Vec<(&'static str, String)>, &'a str);
    let rows: Vec<Row<'_>> = vec![
        (request("GET", "/"), None, vec![], "GET"),
        (request("GET", "/"), Some("/"), vec![("http.route", owned("/"))], "GET /"),
        (
            from_peer(all, "192.0.2.7:4711"),
            Some("/orders/{id}"),
            vec![
                ("url.path", owned("/orders/7")),
                ("url.query", owned("page=2&sig=REDACTED")),
                ("http.route", owned("/orders/{id}")),
                ("server.address", owned("shop.example")),
                ("server.port", "I64(8443)".into()),
                ("client.address", owned("192.0.2.7")),
                ("network.peer.address", owned("192.0.2.7")),
                ("network.peer.port", "I64(4711)".into()),
                ("user_agent.original", owned("curl/9")),
                ("request_id", owned("01J-42")),
            ],
            "GET /orders/{id}",
        ),
        (
            h2,
            None,
            vec![
                ("network.protocol.version", fixed("2")),
                ("url.scheme", fixed("https")),
                ("server.address", owned("shop.example")),
            ],
            "GET",
        ),
        (http10(request("GET", "/")), None, vec![("network.protocol.version", fixed("1.0"))], "GET"),
        (v6, None, vec![("server.address", owned("::1")), ("server.port", "I64(80)".into())], "GET"),
        (odd, None, vec![], "GET"),
        (
            request("BREW", "/"),
            Some("/pots/{id}"),
            vec![
                ("http.request.method", fixed("_OTHER")),
                ("http.request.method_original", owned("BREW")),
                ("http.route", owned("/pots/{id}")),
            ],
            "HTTP /pots/{id}",
        ),
        (
            request("get", "/"),
            None,
            vec![("http.request.method", fixed("_OTHER")), ("http.request.method_original", owned("get"))],
            "HTTP",
        ),
        (request("QUERY", "/"), None, vec![("http.request.method", fixed("QUERY"))], "QUERY"),
    ];
    let mut told: BTreeSet<String> = ["error.type".to_owned()].into();
    for (request, route, differs, name) in rows {
        let bench = Bench::new("");
        let mut expected: BTreeMap<String, String> =
            plain("GET").into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        expected.extend(differs.into_iter().map(|(name, value)| (name.to_owned(), value)));
        answered(&TelemetryLayer::new(), request, route, 200).await;
        let span = bench.only();
        assert_eq!((&*span.name, &span.span_kind), (name, &SpanKind::Server));
        assert_eq!(attributes(&span), expected, "{name}");
        told.extend(expected.into_keys());
        assert_eq!(span.status, Status::Unset);
        assert_eq!((span.events.len(), span.links.len(), span.dropped_attributes_count), (0, 0, 0));
    }
    assert!(told.iter().eq(&ATTRIBUTES.iter().map(|field| field.name.to_owned()).collect::<BTreeSet<_>>()));
    let bench = Bench::new("");
    answered(&TelemetryLayer::new().scheme(Scheme::Https), request("GET", "/"), None, 200).await;
    assert_eq!(attributes(&bench.only())["url.scheme"], fixed("https"));
}

#[tokio::test]
async fn the_status_is_unset_up_to_4xx_and_error_from_500_on() {
    for (status, error) in [
        (200, false),
        (204, false),
        (301, false),
        (400, false),
        (404, false),
        (499, false),
        (500, true),
        (503, true),
    ] {
        let bench = Bench::new("");
        answered(&TelemetryLayer::new(), request("GET", "/"), None, status).await;
        let span = bench.only();
        assert_eq!(span.status, if error { Status::error("") } else { Status::Unset }, "{status}");
        let of_type = error.then(|| format!("String(Owned(\"{status}\"))"));
        assert_eq!(attributes(&span).get("error.type"), of_type.as_ref());
    }
}

#[tokio::test]
async fn whatever_else_ends_a_request_is_its_error_type_as_in_the_metrics() {
    for (outcome, status, error, is_error) in [
        (Outcome::TimedOut, 504, Some("timeout"), true),
        // The client did not send what it had begun: its own mistake.
        (Outcome::TimedOut, 408, Some("timeout"), false),
        (Outcome::Shed, 503, Some("shed"), true),
        (Outcome::Shed, 429, Some("shed"), false),
        (Outcome::Panicked, 500, Some("panic"), true),
        (Outcome::CutByShutdown, 200, Some("shutdown"), true),
        (Outcome::Failed, 201, Some("service"), true),
        (Outcome::Cancelled, 201, Some("cancelled"), true),
        (Outcome::Finished, 200, None, false),
    ] {
        let bench = Bench::new("");
        let mut request = request("GET", "/");
        RequestContext::of(&mut request).settle(outcome);
        answered(&TelemetryLayer::new(), request, None, status).await;
        let span = bench.only();
        let attributes = attributes(&span);
        let owned = |text| format!("String(Owned({text:?}))");
        assert_eq!(attributes.get("error.type"), error.map(owned).as_ref(), "{outcome}");
        assert_eq!(attributes["macadam.outcome"], owned(outcome.as_str()));
        assert_eq!(span.status == Status::error(""), is_error, "{outcome} {status}");
    }
    // Given up before there was an answer.
    let bench = Bench::new("");
    let never = service_fn(|_: Request<()>| pending::<Result<Response<String>, Infallible>>());
    drop(TelemetryLayer::new().layer(never).call(request("GET", "/")));
    let attributes = attributes(&bench.only());
    assert_eq!(attributes["error.type"], "String(Owned(\"cancelled\"))");
    assert!(!attributes.contains_key("http.response.status_code"));
}

#[tokio::test]
async fn what_a_peer_writes_is_no_longer_than_a_kibibyte_and_its_secrets_are_redacted() {
    let bench = Bench::new("");
    let long = "x".repeat(5_000);
    let mut request = request(&long, &format!("/{long}?{long}"));
    request.headers_mut().insert("user-agent", format!("{}{long}", "x".repeat(1023)).parse().unwrap());
    request.headers_mut().insert("host", long.parse().unwrap());
    answered(&TelemetryLayer::new(), request, None, 200).await;
    for (name, value) in attributes(&bench.only()) {
        assert!(value.len() <= 1024 + "String(Owned(\"\"))".len(), "{name} has {} bytes", value.len());
    }
    for key in [
        "AWSAccessKeyId",
        "Signature",
        "sig",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Goog-Signature",
    ] {
        let bench = Bench::new("");
        let uri = format!("/?a=1&{key}=s3cret&{key}=s3cret%3D&{key}&b=2");
        answered(&TelemetryLayer::new(), self::request("GET", &uri), None, 200).await;
        let redacted = format!("String(Owned(\"a=1&{key}=REDACTED&{key}=REDACTED&{key}&b=2\"))");
        assert_eq!(attributes(&bench.only())["url.query"], redacted);
    }
}

#[tokio::test(start_paused = true)]
async fn the_span_lasts_from_the_arrival_to_the_last_byte_as_the_metric_says() {
    let bench = Bench::new("");
    let mut arrived = request("GET", "/");
    RequestContext::of(&mut arrived);
    sleep(Duration::from_millis(250)).await;
    let slow = service_fn(|_: Request<()>| async {
        sleep(Duration::from_millis(1000)).await;
        Ok::<_, Infallible>(Response::new(ScriptedBody::new([Step::data("one"), Step::data("two")])))
    });
    let (layer, handle) = TelemetryLayer::new().pair();
    let mut body = layer.layer(slow).oneshot(arrived).await.unwrap().into_body();
    body.frame().await;
    sleep(Duration::from_millis(500)).await;
    assert!(bench.spans().is_empty(), "it is not over");
    body.frame().await;
    sleep(Duration::from_millis(100)).await;
    drop(body);
    let span = bench.only();
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), Duration::from_millis(1750));
    let metrics = Exposition::new().requests(handle).text(Format::OpenMetrics);
    let sum = metrics.lines().find(|line| line.starts_with("http_server_request_duration_seconds_sum"));
    assert!(sum.unwrap().ends_with("} 1.75"), "the same in the metric: {sum:?}");
}

#[tokio::test]
async fn the_metrics_name_a_request_whose_span_is_recorded_and_none_whose_span_is_not() {
    for (sampler, recorded) in [("always_on", 1), ("always_off", 0)] {
        // The log has the ids of both.
        let bench = Bench::with_log(sampler);
        let (layer, handle) = TelemetryLayer::new().pair();
        answered(&layer, request("GET", "/"), None, 200).await;
        let text = Exposition::new().requests(handle).text(Format::OpenMetrics);
        let named: Vec<_> = text.split(" # {trace_id=\"").skip(1).map(|rest| rest[..32].to_owned()).collect();
        let spans = bench.spans();
        assert!(spans.iter().map(|span| span.span_context.trace_id().to_string()).eq(named), "{text}");
        assert_eq!(spans.len(), recorded);
    }
}

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// Where a request from this caller stands, as its handler sees it, and what the handler tells the next hop.
fn told(inbound: Inbound, caller: &str) -> (Trace, HeaderMap) {
    let mut told = None;
    let mut service = TelemetryLayer::new().inbound(inbound).layer(service_fn(
        |_: Request<()>| -> Ready<Result<Response<String>, Infallible>> {
            let context = TraceContext::current().unwrap();
            let mut headers = HeaderMap::new();
            context.inject(&mut headers);
            told = Some((context.trace(), headers));
            ready(Ok(Response::default()))
        },
    ));
    let request = Request::get("/").header("traceparent", caller).header("tracestate", "foo=1");
    drop(service.call(request.body(()).unwrap()));
    drop(service);
    told.unwrap()
}

#[test]
fn a_trusted_callers_trace_is_continued_and_recorded_if_the_caller_is() {
    let bench = Bench::new("");
    let (trace, headers) = told(Inbound::Trust, CALLER);
    let span = bench.only();
    assert_eq!(span.span_context.trace_id().to_string(), &CALLER[3..35]);
    assert_eq!(
        (span.parent_span_id.to_string(), span.parent_span_is_remote),
        (CALLER[36..52].to_owned(), true)
    );
    assert_eq!(span.span_context.trace_state().header(), "foo=1");
    assert!(span.links.is_empty() && trace.sampled);
    assert_eq!(headers["traceparent"], format!("00-{}-{}-01", trace.trace_id, trace.span_id));
    assert_eq!(headers["tracestate"], "foo=1");

    let bench = Bench::new("");
    let (trace, headers) = told(Inbound::Trust, NOT_SAMPLED);
    assert!(bench.spans().is_empty() && !trace.sampled);
    assert_eq!(headers["traceparent"], format!("{}-{}-00", &NOT_SAMPLED[..35], trace.span_id));

    // A sampler that is not based on the parent decides for itself.
    for (sampler, caller, recorded) in [("always_on", NOT_SAMPLED, 1), ("always_off", CALLER, 0)] {
        let bench = Bench::new(sampler);
        let (_, headers) = told(Inbound::Trust, caller);
        assert_eq!(bench.spans().len(), recorded);
        assert!(headers["traceparent"].to_str().unwrap().ends_with(&format!("-0{recorded}")));
    }
}

#[test]
fn a_strangers_trace_is_linked_to_or_ignored_and_decides_nothing() {
    for caller in [CALLER, NOT_SAMPLED] {
        let bench = Bench::new("");
        let (trace, headers) = told(Inbound::Link, caller);
        let span = bench.only();
        assert_eq!(span.span_context.trace_id().to_string(), trace.trace_id.to_string());
        assert_ne!(span.span_context.trace_id().to_string(), &caller[3..35]);
        assert_eq!(span.parent_span_id, opentelemetry::SpanId::INVALID);
        let [link] = &*span.links.links else { panic!("not one link") };
        assert_eq!(link.span_context.trace_id().to_string(), &caller[3..35]);
        assert_eq!(link.span_context.span_id().to_string(), &caller[36..52]);
        assert_eq!(headers["traceparent"], format!("00-{}-{}-03", trace.trace_id, trace.span_id));
        assert!(!headers.contains_key("tracestate"));

        let bench = Bench::new("");
        told(Inbound::Ignore, caller);
        assert!(bench.only().links.is_empty());

        let bench = Bench::new("parentbased_always_off");
        told(Inbound::Link, caller);
        assert!(bench.spans().is_empty());
    }
    let bench = Bench::new("");
    told(Inbound::Link, "nonsense");
    assert!(bench.only().links.is_empty());
}

/// A log that notes the ids that a request's span has when it is made.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl<S: Subscriber> tracing_subscriber::Layer<S> for Log {
    fn on_new_span(
        &self,
        span: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let mut noted = self.0.lock().unwrap();
        span.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            noted.insert(field.name(), format!("{value:?}"));
        });
    }
}

#[test]
fn the_ids_of_the_span_are_those_in_the_log_and_the_log_has_them_without_it() {
    for (sampler, recorded) in [("always_on", 1), ("always_off", 0)] {
        let log = Log::default();
        let bench = Bench::on(sampler, tracing_subscriber::registry().with(log.clone()));
        let (trace, _) = told(Inbound::Link, CALLER);
        let noted = log.0.lock().unwrap();
        assert_eq!(noted["trace_id"], trace.trace_id.to_string());
        assert_eq!(noted["span_id"], trace.span_id.to_string());
        assert_eq!(bench.spans().len(), recorded);
        for span in bench.spans() {
            assert_eq!(span.span_context.trace_id().to_string(), noted["trace_id"]);
            assert_eq!(span.span_context.span_id().to_string(), noted["span_id"]);
        }
    }
}

#[test]
fn the_next_hop_is_a_child_of_the_innermost_span_each_call_of_its_own() {
    for inbound in [Inbound::Trust, Inbound::Link] {
        let bench = Bench::new("");
        let mut told = Vec::new();
        let mut service = TelemetryLayer::new().inbound(inbound).layer(service_fn(|_: Request<()>| {
            let context = TraceContext::current().unwrap();
            for _ in 0..3 {
                let mut headers = HeaderMap::new();
                info_span!("client").in_scope(|| context.inject(&mut headers));
                told.push(headers["traceparent"].to_str().unwrap().to_owned());
            }
            ready(Ok::<_, Infallible>(Response::new(String::new())))
        }));
        drop(service.call(Request::get("/").header("traceparent", CALLER).body(()).unwrap()));
        drop(service);
        let server = bench.named("GET");
        let clients: Vec<_> = bench.spans().into_iter().filter(|span| span.name == "client").collect();
        let flags = if inbound == Inbound::Trust { "01" } else { "03" };
        let expected: Vec<_> = clients
            .iter()
            .map(|client| {
                assert_eq!(client.parent_span_id, server.span_context.span_id());
                let context = &client.span_context;
                assert_eq!(context.trace_id(), server.span_context.trace_id());
                format!("00-{}-{}-{flags}", context.trace_id(), context.span_id())
            })
            .collect();
        assert_eq!((told, expected.len()), (expected, 3));
    }
}

#[tokio::test]
async fn spans_inside_a_request_are_its_children_also_in_a_task_of_their_own_and_events_are_none_of_them() {
    let bench = Bench::with_log("");
    let service = TelemetryLayer::new().layer(service_fn(|_: Request<()>| async {
        let inner = async {
            tracing::error!("it is a log line, and no error of the span");
            let quiet = tracing::debug_span!("frame");
            async { info_span!("query").in_scope(|| {}) }.instrument(quiet).await;
        };
        tokio::spawn(inner.instrument(info_span!("task"))).await.unwrap();
        assert!(
            tracing::Span::current().context().span().span_context().is_sampled(),
            "as others ask for it"
        );
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    service.oneshot(request("GET", "/")).await.unwrap();
    let (server, task, query) = (bench.named("GET"), bench.named("task"), bench.named("query"));
    assert_eq!(task.parent_span_id, server.span_context.span_id());
    assert_eq!(query.parent_span_id, task.span_context.span_id());
    assert_eq!(bench.spans().len(), 3, "those below info are not recorded");
    for span in bench.spans() {
        assert_eq!((span.status, span.events.len()), (Status::Unset, 0));
    }
}

#[tokio::test]
async fn of_a_request_that_is_not_sampled_nothing_is_recorded_also_not_in_its_tasks() {
    for bench in [Bench::new("always_off"), Bench::with_log("always_off")] {
        let service = TelemetryLayer::new().layer(service_fn(|_: Request<()>| async {
            let inner = async { info_span!("query").in_scope(|| {}) };
            inner.await;
            let inner = async { info_span!("query").in_scope(|| {}) };
            tokio::spawn(inner.instrument(info_span!("task"))).await.unwrap();
            let context = TraceContext::current().unwrap();
            assert!(!context.trace().sampled);
            let mut headers = HeaderMap::new();
            context.inject(&mut headers);
            let Trace { trace_id, span_id, .. } = context.trace();
            assert_eq!(headers["traceparent"], format!("00-{trace_id}-{span_id}-02"));
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
        service.oneshot(request("GET", "/")).await.unwrap();
        assert!(bench.spans().is_empty(), "{:#?}", bench.spans());
    }
    // Whose sampler would take a span that has no parent.
    let bench = Bench::with_log("parentbased_always_on");
    let service = TelemetryLayer::new().inbound(Inbound::Trust).layer(service_fn(|_: Request<()>| async {
        let inner = async { info_span!("query").in_scope(|| {}) };
        tokio::spawn(inner.instrument(info_span!("task"))).await.unwrap();
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let caller = Request::get("/").header("traceparent", NOT_SAMPLED).body(()).unwrap();
    service.oneshot(caller).await.unwrap();
    assert!(bench.spans().is_empty(), "{:#?}", bench.spans());
    info_span!("job").in_scope(|| {});
    assert_eq!(bench.only().name, "job", "outside of requests the sampler decides");
}

#[test]
fn a_request_whose_span_is_filtered_away_is_not_sampled() {
    let bench = Bench::on("", tracing_subscriber::registry().with(tracing::level_filters::LevelFilter::WARN));
    let (trace, headers) = told(Inbound::Link, CALLER);
    assert!(bench.spans().is_empty() && !trace.sampled);
    assert!(headers["traceparent"].to_str().unwrap().ends_with("-02"));
}

#[test]
fn the_propagator_reads_all_headers_and_sends_no_empty_one() {
    struct Headers(&'static [(&'static str, &'static str)]);
    impl Extractor for Headers {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.iter().find_map(|(name, value)| (*name == key).then_some(*value))
        }
        fn keys(&self) -> Vec<&str> {
            self.0.iter().map(|(name, _)| *name).collect()
        }
        fn get_all(&self, key: &str) -> Option<Vec<&str>> {
            Some(self.0.iter().filter(|(name, _)| *name == key).map(|(_, value)| *value).collect())
        }
    }
    let through = |headers| {
        let context = Propagator.extract(&Headers(headers));
        let mut onward = std::collections::HashMap::new();
        Propagator.inject_context(&context, &mut onward);
        let sorted: BTreeMap<_, _> = onward.into_iter().collect();
        sorted.into_iter().collect::<Vec<_>>()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(through(&[("traceparent", CALLER)]), [pair("traceparent", CALLER)]);
    assert_eq!(
        through(&[("traceparent", CALLER), ("tracestate", "a=1"), ("tracestate", "b=2")]),
        [pair("traceparent", CALLER), pair("tracestate", "a=1,b=2")]
    );
    assert!(through(&[("traceparent", CALLER), ("traceparent", CALLER)]).is_empty());
    assert!(through(&[("tracestate", "a=1")]).is_empty());
    assert!(through(&[]).is_empty());
    assert_eq!(Propagator.fields().collect::<Vec<_>>(), ["traceparent", "tracestate"]);
}

#[test]
fn a_client_that_asks_the_propagator_tells_what_the_request_would_tell() {
    for (sampler, caller) in [("always_on", CALLER), ("always_off", CALLER), ("", NOT_SAMPLED)] {
        for inbound in [Inbound::Trust, Inbound::Link] {
            let _bench = Bench::new(sampler);
            let mut by_propagator = std::collections::HashMap::new();
            let mut by_request = HeaderMap::new();
            let mut service = TelemetryLayer::new().inbound(inbound).layer(service_fn(|_: Request<()>| {
                Propagator.inject(&mut by_propagator);
                TraceContext::current().unwrap().inject(&mut by_request);
                ready(Ok::<_, Infallible>(Response::new(String::new())))
            }));
            let request = Request::get("/").header("traceparent", caller).header("tracestate", "foo=1");
            drop(service.call(request.body(()).unwrap()));
            drop(service);
            for name in ["traceparent", "tracestate"] {
                let theirs = by_propagator.get(name).map(String::as_str);
                assert_eq!(
                    theirs,
                    by_request.get(name).map(|ours| ours.to_str().unwrap()),
                    "{sampler} {inbound:?}"
                );
            }
            assert!(by_propagator.contains_key("traceparent"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn recorded_or_not_the_layer_keeps_the_contract() {
    for sampler in ["always_on", "always_off"] {
        let bench = Bench::new(sampler);
        let (layer, handle) = TelemetryLayer::new().pair();
        macadam_test::contract::check_with(layer, move || handle.active()).await;
        assert_eq!(bench.spans().len() > 10, sampler == "always_on");
    }
}

#[test]
fn a_future_that_is_given_up_on_another_thread_is_recorded_all_the_same() {
    let bench = Bench::new("");
    let never = service_fn(|_: Request<()>| pending::<Result<Response<String>, Infallible>>());
    let mut future = Box::pin(TelemetryLayer::new().layer(never).call(request("GET", "/")));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(future.as_mut().poll(&mut cx), Poll::Pending));
    std::thread::spawn(move || drop(future)).join().unwrap();
    assert_eq!(attributes(&bench.only())["error.type"], "String(Owned(\"cancelled\"))");
}

/// Panics at the span of a request, as tracing-opentelemetry does where it stands there twice.
struct Panics;

impl<S: Subscriber> tracing_subscriber::Layer<S> for Panics {
    fn on_new_span(
        &self,
        span: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        assert_ne!(span.metadata().target(), "macadam::request");
    }
}

#[test]
fn a_subscriber_that_panics_leaves_nothing_behind_for_the_next_span() {
    let broken = Bench::on("always_off", tracing_subscriber::registry().with(Panics));
    assert!(std::panic::catch_unwind(|| told(Inbound::Ignore, CALLER)).is_err());
    drop(broken);
    let bench = Bench::new("always_on");
    info_span!("job").in_scope(|| {});
    assert_eq!(bench.only().name, "job");
}
