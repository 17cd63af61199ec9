//! What is measured of requests, as Prometheus reads it.

use std::{future::ready, time::Duration};

use http::{Method, Request, Response, StatusCode, Version, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use macadam_core::{Outcome, RequestContext, Route};
use macadam_telemetry::{Exposition, Format, Scheme, TelemetryHandle, TelemetryLayer};
use macadam_test::{Refused, ScriptedBody, Step};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};

/// The lines of a metric, without those of its buckets.
fn lines(handle: &TelemetryHandle, metric: &str) -> Vec<String> {
    let text = Exposition::new().requests(handle.clone()).text(Format::OpenMetrics);
    let of_metric = |line: &&str| line.starts_with(metric) && !line.contains("_bucket{");
    text.lines().filter(of_metric).map(str::to_owned).collect()
}

/// How many requests there were in this series of the durations.
fn count(handle: &TelemetryHandle, labels: &str) -> Option<u64> {
    let start = format!("http_server_request_duration_seconds_count{{{labels}}} ");
    lines(handle, &start).first()?.strip_prefix(&start)?.parse().ok()
}

fn request(method: &str) -> Request<()> {
    Request::builder().method(method).uri("/orders/7?secret=1").body(()).expect("it is a request")
}

/// Sends one request to a service which answers so, and reads the answer to its end.
async fn one(layer: &TelemetryLayer, request: Request<()>, answer: fn() -> Response<ScriptedBody>) {
    let service = layer.layer(service_fn(|mut request: Request<()>| {
        RequestContext::of(&mut request).set_route(Route::intern("/orders/{id}"));
        ready(Ok::<_, Refused>(answer()))
    }));
    let response = service.oneshot(request).await.expect("it answers");
    let _ = response.into_body().collect().await;
}

fn ok() -> Response<ScriptedBody> {
    Response::new(ScriptedBody::new([Step::data("ok")]))
}

fn status(status: StatusCode) -> Response<ScriptedBody> {
    let mut response = ok();
    *response.status_mut() = status;
    response
}

const OK: &str = r#"http_request_method="GET",http_route="/orders/{id}",http_response_status_code="200",network_protocol_version="1.1",url_scheme="http""#;

#[tokio::test(start_paused = true)]
async fn a_request_is_measured_from_its_arrival_to_its_last_byte_and_to_its_first() {
    let (layer, handle) = TelemetryLayer::new().pair();
    let body = ScriptedBody::new([Step::pending(), Step::data("late")]);
    let sender = body.handle();
    let mut body = Some(body);
    let mut service = layer.layer(service_fn(move |_| {
        let body = body.take().expect("it is called once");
        async {
            sleep(Duration::from_millis(100)).await;
            Ok::<_, Refused>(Response::new(body))
        }
    }));
    let response = service.call(request("GET")).await.expect("it answers");
    sleep(Duration::from_millis(200)).await;
    sender.wake();
    let _ = response.into_body().collect().await;
    let labels = r#"http_request_method="GET",http_response_status_code="200",network_protocol_version="1.1",url_scheme="http""#;
    assert_eq!(
        lines(&handle, "http_server_request_duration_seconds"),
        [
            format!("http_server_request_duration_seconds_sum{{{labels}}} 0.3"),
            format!("http_server_request_duration_seconds_count{{{labels}}} 1"),
        ]
    );
    assert_eq!(
        lines(&handle, "macadam_http_server_time_to_first_byte_seconds_sum"),
        [format!("macadam_http_server_time_to_first_byte_seconds_sum{{{labels}}} 0.1")]
    );
}

#[tokio::test(start_paused = true)]
async fn of_111_requests_of_which_10_are_cancelled_111_are_counted_and_none_stays_active() {
    let (layer, handle) = TelemetryLayer::new().pair();
    for _ in 0..101 {
        one(&layer, request("GET"), ok).await;
    }
    let never = service_fn(|_| std::future::pending::<Result<Response<ScriptedBody>, Refused>>());
    let mut service = layer.layer(never);
    let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(service.call(request("GET")))).collect();
    for future in &mut waiting {
        assert!(futures_poll(future).is_none());
    }
    let active = r#"http_server_active_requests{http_request_method="GET",url_scheme="http"}"#;
    assert_eq!(lines(&handle, active), [format!("{active} 10")]);
    drop(waiting);
    assert_eq!(lines(&handle, active), [format!("{active} 0")]);
    assert_eq!(count(&handle, OK), Some(101));
    let cancelled = r#"http_request_method="GET",error_type="cancelled",network_protocol_version="1.1",url_scheme="http""#;
    assert_eq!(count(&handle, cancelled), Some(10));
}

fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut cx) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn what_a_peer_makes_up_adds_one_series_at_the_most() {
    let (layer, handle) = TelemetryLayer::new().pair();
    let not_found = || status(StatusCode::NOT_FOUND);
    let service = layer.layer(service_fn(|_: Request<()>| ready(Ok::<_, Refused>(not_found()))));
    let series = |handle: &TelemetryHandle| lines(handle, "http_server_request_duration_seconds_count").len();
    let of = |method: &str, path: String, host: String| {
        let request = Request::builder().method(method).uri(path).header("host", host);
        request.body(()).expect("it is a request")
    };
    let ask = async |request| {
        let _ = service.clone().oneshot(request).await.expect("it answers").into_body().collect().await;
    };
    ask(of("GET", "/".into(), "a".into())).await;
    assert_eq!(series(&handle), 1);
    for n in 0..10_000 {
        ask(of("GET", format!("/{n}"), format!("host-{n}"))).await;
    }
    assert_eq!(series(&handle), 1);
    for n in 0..10_000 {
        ask(of(&format!("METHOD{n}"), "/".into(), "a".into())).await;
    }
    assert_eq!(series(&handle), 2);
    let other = r#"http_request_method="_OTHER",http_response_status_code="404",network_protocol_version="1.1",url_scheme="http""#;
    assert_eq!(count(&handle, other), Some(10_000));
}

#[tokio::test]
async fn the_scheme_is_what_the_request_says_or_else_the_layer() {
    let (layer, handle) = TelemetryLayer::new().scheme(Scheme::Https).pair();
    one(&layer, request("GET"), ok).await;
    let mut said = Request::get("http://host/orders/7").body(()).expect("it is a request");
    *said.version_mut() = Version::HTTP_2;
    one(&layer, said, ok).await;
    let labels = |version: &str, scheme: &str| {
        OK.replace(
            r#"version="1.1",url_scheme="http""#,
            &format!(r#"version="{version}",url_scheme="{scheme}""#),
        )
    };
    assert_eq!(count(&handle, &labels("1.1", "https")), Some(1));
    assert_eq!(count(&handle, &labels("2", "http")), Some(1));
}

#[tokio::test]
async fn a_5xx_is_an_error_by_its_status_and_a_4xx_is_none() {
    let (layer, handle) = TelemetryLayer::new().pair();
    one(&layer, request("GET"), || status(StatusCode::BAD_GATEWAY)).await;
    one(&layer, request("GET"), || status(StatusCode::CONFLICT)).await;
    let bad = r#"http_request_method="GET",http_route="/orders/{id}",http_response_status_code="502",error_type="502",network_protocol_version="1.1",url_scheme="http""#;
    assert_eq!(count(&handle, bad), Some(1));
    assert_eq!(count(&handle, &OK.replace("200", "409")), Some(1));
}

#[tokio::test]
async fn refusals_timeouts_panics_and_cuts_have_a_word_of_their_own() {
    for (outcome, word) in [
        (Outcome::Shed, "shed"),
        (Outcome::TimedOut, "timeout"),
        (Outcome::Panicked, "panic"),
        (Outcome::CutByShutdown, "shutdown"),
        (Outcome::Failed, "service"),
        (Outcome::Cancelled, "cancelled"),
    ] {
        let (layer, handle) = TelemetryLayer::new().pair();
        let mut request = request("GET");
        RequestContext::of(&mut request).settle(outcome);
        one(&layer, request, || status(StatusCode::SERVICE_UNAVAILABLE)).await;
        let lines = lines(&handle, "http_server_request_duration_seconds_count");
        assert!(lines.len() == 1 && lines[0].contains(&format!(r#"error_type="{word}""#)), "{lines:?}");
    }
}

#[tokio::test]
async fn event_streams_and_upgrades_are_counted_and_not_measured() {
    fn events() -> Response<ScriptedBody> {
        let mut response = ok();
        response.headers_mut().insert(CONTENT_TYPE, "text/event-stream".parse().expect("it is a value"));
        response
    }
    let (layer, handle) = TelemetryLayer::new().pair();
    one(&layer, request("GET"), events).await;
    one(&layer, request("GET"), || status(StatusCode::SWITCHING_PROTOCOLS)).await;
    one(&layer, request("CONNECT"), ok).await;
    assert!(lines(&handle, "http_server_request_duration_seconds_count").is_empty());
    assert_eq!(lines(&handle, "macadam_http_server_streams_total").len(), 3);
    one(&layer, request(Method::GET.as_str()), ok).await;
    assert_eq!(lines(&handle, "http_server_request_duration_seconds_count").len(), 1, "the control");
}

#[tokio::test]
async fn the_older_text_calls_a_counter_by_its_whole_name_and_has_no_end() {
    let (layer, handle) = TelemetryLayer::new().pair();
    one(&layer, request("CONNECT"), ok).await;
    let exposition = Exposition::new().requests(handle);
    let (new, old) = (exposition.text(Format::OpenMetrics), exposition.text(Format::Prometheus));
    assert!(new.contains("# TYPE macadam_http_server_streams counter\n") && new.ends_with("# EOF\n"));
    assert!(old.contains("# TYPE macadam_http_server_streams_total counter\n"), "{old}");
    assert!(old.contains("# HELP macadam_http_server_streams_total "));
    assert!(old.contains("# TYPE http_server_request_duration_seconds histogram\n"));
    assert!(!old.contains("# UNIT") && !old.contains("# EOF"));
    let figures = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(figures(&new), figures(&old));
}

#[test]
fn openmetrics_is_for_who_names_it() {
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    assert_eq!(Format::accepted(Some(prometheus)), Format::OpenMetrics);
    for other in [None, Some("*/*"), Some("text/plain")] {
        assert_eq!(Format::accepted(other), Format::Prometheus);
    }
}
