//! What a line of the log is.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

use std::{
    collections::HashSet,
    convert::Infallible,
    error::Error,
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt;
use macadam_core::RequestContext;
use macadam_telemetry::{
    Resource, TelemetryLayer,
    logs::{JsonLayer, MEMBERS, PrettyEvents, PrettyFields, Repeats},
};
use macadam_test::{ScriptedBody, Step, allocations};
use serde_json::{Map, Value};
use tower::{Layer, ServiceExt, service_fn};
use tracing::{Instrument, subscriber::DefaultGuard};
use tracing_subscriber::{fmt as subscriber_fmt, layer::SubscriberExt, registry};

/// Each call of a writer.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<String>>>);

impl Write for Written {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(text.to_owned()).unwrap());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    /// The lines, each of which is one call, and one object in which no two members have the same name.
    fn lines(&self) -> Vec<Map<String, Value>> {
        self.0.lock().unwrap().iter().map(|line| object(line)).collect()
    }

    fn only(&self) -> Map<String, Value> {
        let lines = self.lines();
        let [line] = &*lines else { panic!("not one line: {lines:#?}") };
        line.clone()
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().concat()
    }
}

#[track_caller]
fn object(line: &str) -> Map<String, Value> {
    let text = line.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {line}"));
    assert!(!text.contains('\n'), "{text}");
    let object: Map<String, Value> =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    // A parser takes the last of two: as text they are all there.
    let again = serde_json::to_string(&object).unwrap();
    assert_eq!(again.matches("\":").count(), text.matches("\":").count(), "{text}");
    object
}

fn json(repeats: Repeats) -> (Written, DefaultGuard) {
    let written = Written::default();
    let writer = written.clone();
    let service = Resource::new("orders", Some("1.2.3"));
    let layer = JsonLayer::new(move || writer.clone(), &service, repeats);
    (written, tracing::subscriber::set_default(registry().with(layer)))
}

fn pretty(repeats: Repeats) -> (Written, DefaultGuard) {
    let written = Written::default();
    let writer = written.clone();
    let layer = subscriber_fmt::layer()
        .event_format(PrettyEvents::new(repeats))
        .fmt_fields(PrettyFields::new())
        .with_ansi(false)
        .with_writer(move || writer.clone());
    (written, tracing::subscriber::set_default(registry().with(layer)))
}

const FORMS: [fn(Repeats) -> (Written, DefaultGuard); 2] = [json, pretty];

#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer")
    }
}

impl Error for NoAnswer {}

#[test]
fn a_line_is_this_to_the_letter() {
    let (written, _guard) = json(Repeats::new(0));
    let span = tracing::info_span!(
        target: "macadam::request",
        "request",
        request_id = "0193a3f0",
        trace_id = %"4bf92f3577b34da6a3ce929d0e0e4736",
        span_id = %"00f067aa0ba902b7",
        http.request.method = "GET",
        http.route = tracing::field::Empty,
        otel.kind = "server",
    );
    span.record("http.route", "/orders/{id}");
    let error: &(dyn Error + 'static) = &NoAnswer;
    tracing::warn!(target: "orders::stock", parent: &span, error, tries = 3, took = 0.25, left = -1, warm = true, "no \"stock\"\n");

    let line = written.text();
    let told = object(&line);
    let (timestamp, instance) =
        (told["timestamp"].as_str().unwrap(), told["service.instance.id"].as_str().unwrap());
    let parsed = humantime::parse_rfc3339(timestamp).unwrap();
    assert!(parsed.elapsed().unwrap().as_secs() < 60, "{timestamp}");
    assert_eq!((timestamp.len(), instance.len()), ("2026-11-23T09:36:22.123456Z".len(), 36));
    let golden = concat!(
        r#"{"timestamp":"<now>","severity":"WARN","severity_number":13,"message":"no \"stock\"\n","target":"orders::stock","#,
        r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","request_id":"0193a3f0","#,
        r#""service.name":"orders","service.version":"1.2.3","service.instance.id":"<id>","#,
        r#""error":"no answer","tries":3,"took":0.25,"left":-1,"warm":true,"#,
        r#""http.request.method":"GET","http.route":"/orders/{id}"}"#,
        "\n"
    );
    assert_eq!(line, golden.replace("<now>", timestamp).replace("<id>", instance));
}

#[tokio::test]
async fn every_event_within_a_request_bears_its_three_ids_wherever_it_is_logged() {
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            tracing::info!("in a drop");
        }
    }
    let (written, _guard) = json(Repeats::new(0));
    let service = TelemetryLayer::new().layer(service_fn(async |_: Request<()>| {
        let _loud = Loud;
        tracing::info!("in the handler");
        let inner = tracing::info_span!("inner", part = 1, span_id = "mine");
        async { tracing::info!(request_id = "another", "in a span of the handler's") }
            .instrument(inner)
            .await;
        tokio::spawn(async { tracing::info!("in a task") }.in_current_span()).await.unwrap();
        Ok::<_, Infallible>(Response::new(ScriptedBody::new([Step::data("one"), Step::data("two")])))
    }));
    let mut ids = HashSet::new();
    for request_id in ["one", "two"] {
        let mut request = Request::new(());
        RequestContext::of(&mut request).set_request_id(request_id).unwrap();
        let mut response = service.clone().oneshot(request).await.unwrap();
        response.body_mut().frame().await;
        drop(response);
    }
    tracing::info!("outside");
    let lines = written.lines();
    assert_eq!(lines.len(), 2 * 5 + 1);
    for (index, line) in lines[..10].iter().enumerate() {
        assert_eq!(line["request_id"], ["one", "two"][index / 5], "{line:#?}");
        let id = |name: &str, digits| {
            let id = line[name].as_str().unwrap();
            assert_eq!(id.len(), digits, "{line:#?}");
            id.to_owned()
        };
        ids.insert((id("trace_id", 32), id("span_id", 16)));
        assert_eq!(line["http.request.method"], "GET");
    }
    assert_eq!(ids.len(), 2, "a request's are the same on each of its lines");
    let inner = lines.iter().find(|line| line["message"] == "in a span of the handler's").unwrap();
    assert_eq!((&inner["field.request_id"], &inner["part"]), (&"another".into(), &1.into()));
    let outside = &lines[10];
    assert!(
        ["trace_id", "span_id", "request_id"].iter().all(|id| !outside.contains_key(*id)),
        "{outside:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_ours_in_a_line_is_in_the_list_and_what_is_listed_is_in_a_line() {
    let (written, _guard) = json(Repeats::new(1));
    let service = TelemetryLayer::new().layer(service_fn(async |_: Request<()>| {
        let long = "x".repeat(8 * 1024);
        for _ in 0..2 {
            for _ in 0..2 {
                tracing::warn!(
                    a = long,
                    b = long,
                    c = long,
                    d = long,
                    e = long,
                    f = long,
                    g = long,
                    h = long,
                    i = 1,
                    "told"
                );
            }
            tokio::time::advance(std::time::Duration::from_secs(1)).await;
        }
        Ok::<_, Infallible>(Response::new(ScriptedBody::empty()))
    }));
    let mut request = Request::new(());
    RequestContext::of(&mut request).set_request_id("one").unwrap();
    drop(service.oneshot(request).await.unwrap());
    let lines = written.lines();
    let line = lines.iter().find(|line| line.contains_key("repeated")).unwrap();
    let ours: HashSet<_> = line.keys().map(String::as_str).filter(|name| name.len() > 1).collect();
    // Nobody says a namespace here.
    let listed: HashSet<_> =
        MEMBERS.iter().map(|field| field.name).filter(|name| *name != "service.namespace").collect();
    assert_eq!(ours, listed);
}

#[test]
fn no_field_takes_the_place_of_what_is_ours_and_none_is_there_twice() {
    let (written, _guard) = json(Repeats::new(0));
    let outer = tracing::info_span!("outer", a = "outer", b = "outer", severity = "outer").entered();
    let inner = tracing::info_span!("inner", a = "inner", a = "inner again", c = 1).entered();
    tracing::info!(
        timestamp = 1,
        severity = "loud",
        target = "mine",
        service.name = "theirs",
        c = 2,
        r#type = "x",
        "told"
    );
    let line = written.only();
    assert_eq!((&line["severity"], &line["field.severity"]), (&"INFO".into(), &"loud".into()));
    assert_eq!((&line["field.timestamp"], &line["field.target"]), (&1.into(), &"mine".into()));
    assert_eq!((&line["service.name"], &line["field.service.name"]), (&"orders".into(), &"theirs".into()));
    assert_eq!((&line["a"], &line["b"], &line["c"]), (&"inner again".into(), &"outer".into(), &2.into()));
    assert_eq!(line["type"], "x");
    drop((inner, outer));
}

#[test]
fn nothing_that_a_peer_sends_is_a_second_line_or_moves_the_cursor() {
    for form in FORMS {
        let (written, _guard) = form(Repeats::new(0));
        let hostile = "a\n{\"severity\":\"ERROR\"}\r\n\x1b[2J\u{202e}\0 \u{9b}";
        tracing::info!(hostile, debug = ?hostile, "the path was {hostile:?}");
        let text = written.text();
        tracing::info!(shown = %hostile.replace('\n', ""), "shown");
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let text = written.text();
        assert!(text.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{text:?}");
    }
}

#[test]
fn a_line_is_bounded_whatever_is_in_it() {
    let (written, _guard) = json(Repeats::new(0));
    let long = "\0".repeat(100_000);
    tracing::info!(a = long, b = long, c = ?long, d = long, "{long}");
    let line = written.text();
    assert!(line.len() < 200_000, "{}", line.len());
    let line = written.only();
    assert!(line["message"].as_str().unwrap().ends_with("…[cut]"));
    assert_eq!(line["dropped_attributes_count"], 3);
}

#[test]
fn a_handler_that_logs_its_headers_and_its_uri_leaks_none_of_their_secrets() {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, "curl".parse().unwrap());
    for name in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE, header::SET_COOKIE] {
        headers.insert(name, "Bearer s3cret; a=\"s3cret\"".parse().unwrap());
    }
    let mut request = Request::get("/orders?page=2&X-Amz-Signature=s3cret&sig=s3cret&access_token=s3cret")
        .body(())
        .unwrap();
    *request.headers_mut() = headers.clone();
    let (uri, query) = (request.uri().clone(), request.uri().query().unwrap().to_owned());
    let authorization = headers[header::AUTHORIZATION].to_str().unwrap();

    for form in FORMS {
        let (written, _guard) = form(Repeats::new(0));
        tracing::info!(?headers, %uri, ?request, url.query = query, url.full = %format!("https://a:s3cret@host{uri}"), "got {uri} with {headers:?}");
        tracing::info!(authorization, Cookie = authorization, http.request.header.authorization = ?authorization, password = 1234, "told");
        let span = tracing::info_span!("inner", set_cookie = authorization, uri = %uri);
        tracing::info!(parent: &span, "in a span");
        let text = written.text();
        assert!(!text.contains("s3cret") && !text.contains("1234"), "{text}");
        assert!(text.contains("page=2") && text.contains("curl") && text.contains("REDACTED"), "{text}");

        // What has no name beside it is not known for a secret, as the docs say.
        tracing::info!(value = authorization, "the value alone");
        assert!(written.text().contains("s3cret"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_repeated_is_written_a_few_times_a_second_and_then_told_by_number() {
    fn incident() {
        tracing::error!("no connection");
    }
    let (written, _guard) = json(Repeats::new(2));
    (0..100).for_each(|_| incident());
    (0..10).for_each(|_| tracing::info!("in time"));
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    incident();
    let lines = written.lines();
    assert_eq!(lines.len(), 2 + 10 + 1);
    assert!(lines[..12].iter().all(|line| !line.contains_key("repeated")));
    assert_eq!(lines[12]["repeated"], 98);

    let (written, _guard) = pretty(Repeats::new(1));
    (0..5).for_each(|_| incident());
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    incident();
    let text = written.text();
    assert_eq!(text.matches("no connection").count(), 2, "{text}");
    assert!(text.ends_with("no connection\n  repeated=4\n"), "{text}");
}

#[test]
fn a_line_takes_no_allocation_once_its_thread_has_written_a_few() {
    struct Nowhere;
    impl Write for Nowhere {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            Ok(line.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let layer = JsonLayer::new(|| Nowhere, &Resource::new("orders", None), Repeats::new(10));
    let _guard = tracing::subscriber::set_default(registry().with(layer));
    let span =
        tracing::info_span!(target: "macadam::request", "request", request_id = "one", http.route = "/a");
    let line =
        || tracing::info!(parent: &span, status = 200, took = 0.5, path = ?"/a?sig=1", "request ended");
    (0..3).for_each(|_| line());
    assert_eq!(allocations(|| (0..100).for_each(|_| line())), 0);
}
