//! Which requests the metrics name, and how.

use std::{
    convert::Infallible,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use macadam_telemetry::{Exposition, Format, Inbound, TelemetryHandle, TelemetryLayer, Trace, TraceContext};
use macadam_test::events::capture;
use tower::{Layer, ServiceExt, service_fn};

/// A line of the text in OpenMetrics, read strictly: what is in no place of its grammar is a failure.
#[derive(Debug)]
struct Line {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
    exemplar: Option<Exemplar>,
}

#[derive(Clone, Debug, PartialEq)]
struct Exemplar {
    labels: Vec<(String, String)>,
    value: f64,
    at: f64,
}

fn lines(text: &str) -> Vec<Line> {
    let text = text.strip_suffix("# EOF\n").expect("it has an end");
    let about = |line: &&str| ["# HELP ", "# TYPE ", "# UNIT "].iter().any(|word| line.starts_with(word));
    text.split_terminator('\n').filter(|line| !about(line)).map(line).collect()
}

fn line(text: &str) -> Line {
    let end = text.find(|char: char| !(char.is_ascii_alphanumeric() || "_:".contains(char)));
    let (name, mut rest) = text.split_at(end.expect("a value follows"));
    let labels = if rest.starts_with('{') { labels(&mut rest) } else { Vec::new() };
    let rest = rest.strip_prefix(' ').expect("a space before the value");
    let (value, exemplar) = match rest.split_once(" # ") {
        Some((value, exemplar)) => (value, Some(self::exemplar(exemplar))),
        None => (rest, None),
    };
    Line { name: name.to_owned(), labels, value: number(value), exemplar }
}

/// `{name="value",name="value"}`, and what is behind it.
fn labels(rest: &mut &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let mut inside = rest.strip_prefix('{').expect("a brace");
    while !inside.starts_with('}') {
        let (name, value) = inside.split_once("=\"").expect("a name");
        assert!(name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_'), "{name}");
        let (value, behind) = value.split_once('"').expect("a value");
        assert!(!value.contains(['\\', '\n']), "nothing here has to be escaped");
        labels.push((name.to_owned(), value.to_owned()));
        inside = behind.strip_prefix(',').unwrap_or(behind);
        assert!(inside.len() < behind.len() || behind.starts_with('}'), "{behind}");
    }
    *rest = &inside[1..];
    labels
}

/// `{labels} value timestamp`
fn exemplar(text: &str) -> Exemplar {
    let mut rest = text;
    let labels = labels(&mut rest);
    let length: usize = labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    assert!(length <= 128, "{length}");
    let [value, at] = rest.strip_prefix(' ').expect("a space").split(' ').collect::<Vec<_>>()[..] else {
        panic!("{rest}")
    };
    Exemplar { labels, value: number(value), at: number(at) }
}

fn number(text: &str) -> f64 {
    assert!(text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eInf".contains(&byte)), "{text}");
    text.parse().expect("it is a number")
}

/// The exemplars that there are, each with the bounds of its bucket.
fn exemplars(handle: &TelemetryHandle) -> Vec<(f64, f64, Exemplar)> {
    let text = Exposition::new().requests(handle.clone()).text(Format::OpenMetrics);
    let (mut exemplars, mut below) = (Vec::new(), 0.0);
    for line in lines(&text) {
        if line.name != "http_server_request_duration_seconds_bucket" {
            assert_eq!(line.exemplar, None, "{line:?}");
            continue;
        }
        let (_, bound) = line.labels.iter().find(|(name, _)| name == "le").expect("a bucket has a bound");
        let bound = number(bound);
        let from = if bound == 0.005 { 0.0 } else { below };
        assert!(line.exemplar.is_none() || line.value > 0.0, "{line:?}");
        exemplars.extend(line.exemplar.map(|exemplar| (from, bound, exemplar)));
        below = bound;
    }
    exemplars
}

/// Sends a request that is read to its end, and says where it stood.
async fn send(layer: &TelemetryLayer) -> Trace {
    let service = layer.layer(service_fn(async |_: Request<()>| {
        let mut response = Response::new(Full::new("hello".as_bytes()));
        response.extensions_mut().insert(TraceContext::current().expect("it is in one").trace());
        Ok::<_, Infallible>(response)
    }));
    let response = service.oneshot(Request::new(())).await.expect("it answers");
    let trace = *response.extensions().get::<Trace>().expect("it was put there");
    response.into_body().collect().await.expect("it ends");
    trace
}

fn of(trace: Trace) -> Vec<(String, String)> {
    [("trace_id", trace.trace_id.to_string()), ("span_id", trace.span_id.to_string())]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

#[tokio::test]
async fn a_bucket_has_the_ids_the_duration_and_the_end_of_a_request_that_is_in_it() {
    let _log = capture();
    let (layer, handle) = TelemetryLayer::new().pair();
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).expect("it is late").as_secs_f64();
    let before = seconds();
    let trace = send(&layer).await;
    let after = seconds();
    let exemplars = exemplars(&handle);
    let [(from, bound, exemplar)] = &exemplars[..] else { panic!("{exemplars:?}") };
    assert_eq!(exemplar.labels, of(trace));
    assert!(*from <= exemplar.value && exemplar.value <= *bound, "{exemplars:?}");
    // It is told to the millisecond.
    assert!(before - 0.001 <= exemplar.at && exemplar.at <= after, "{before} {exemplars:?} {after}");
}

#[tokio::test]
async fn a_bucket_keeps_the_first_request_after_a_reading_until_there_is_one_after_the_next() {
    let _log = capture();
    let (layer, handle) = TelemetryLayer::new().pair();
    let told = || exemplars(&handle).into_iter().map(|(.., exemplar)| exemplar.labels).collect::<Vec<_>>();
    assert!(told().is_empty());
    let first = send(&layer).await;
    let second = send(&layer).await;
    // On a machine that is busy they may be in different buckets.
    let now = told();
    assert!(now.contains(&of(first)) && (now.len() == 2 || !now.contains(&of(second))), "{now:?}");
    assert_eq!(told(), now, "there was none since");
    let third = send(&layer).await;
    assert!(told().contains(&of(third)));
}

#[tokio::test]
async fn a_request_of_which_nobody_could_find_anything_is_not_named() {
    let (layer, handle) = TelemetryLayer::new().inbound(Inbound::Ignore).pair();
    send(&layer).await;
    assert_eq!(exemplars(&handle), []);
    let log = capture();
    let logged = send(&layer).await;
    drop(log);
    send(&layer).await;
    let told: Vec<_> = exemplars(&handle).into_iter().map(|(.., exemplar)| exemplar.labels).collect();
    assert_eq!(told, [of(logged)]);
}

#[tokio::test]
async fn the_older_text_knows_no_exemplars() {
    let _log = capture();
    let (layer, handle) = TelemetryLayer::new().pair();
    let trace = send(&layer).await;
    let of = |format| Exposition::new().requests(handle.clone()).text(format);
    let id = trace.trace_id.to_string();
    assert!(of(Format::OpenMetrics).contains(&id));
    assert!(!of(Format::Prometheus).contains(&id) && !of(Format::Prometheus).contains(" # "));
}
