//! A caller's deadline: whose counts, from when, and what becomes of a request that comes too late.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use macadam_core::{Gauges, Kind, Outcome, Rejection, RequestContext};
use macadam_timeouts::{
    Deadline, Inherit, Malformed, RouteTimeoutLayer, TimeoutBody, TimeoutHandle, TimeoutHeader, TimeoutLayer,
};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

const OWN: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(1);

type Answer = Response<TimeoutBody<Full<Bytes>>>;

/// What a handler saw.
#[derive(Clone, Default)]
struct Seen {
    calls: Arc<AtomicUsize>,
    remaining: Arc<Mutex<Option<Duration>>>,
}

/// A request with these headers, and a context if that is asked for.
fn request(headers: &[(&'static str, &str)], context: bool) -> Request<()> {
    let builder = Request::post("/").version(Version::HTTP_2);
    let mut request = headers
        .iter()
        .fold(builder, |builder, (name, value)| builder.header(*name, *value))
        .body(())
        .expect("the headers are valid");
    if context {
        RequestContext::of(&mut request);
    }
    request
}

/// Sends it to a handler that never answers; how the layer answers, and after how long.
async fn send(layer: &TimeoutLayer, request: Request<()>, seen: &Seen) -> (Answer, Duration) {
    let handler = service_fn(|request: Request<()>| {
        seen.calls.fetch_add(1, SeqCst);
        *seen.remaining.lock().expect("no handler panics") =
            Deadline::of(&request).and_then(|deadline| deadline.remaining());
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    });
    let start = Instant::now();
    let response = layer.layer(handler).oneshot(request).await.expect("the service cannot fail");
    (response, start.elapsed())
}

/// After how long a request with these headers is answered, with and without a context made by a layer outside.
async fn lasts(layer: &TimeoutLayer, headers: &[(&'static str, &str)]) -> Duration {
    let seen = Seen::default();
    let (_, took) = send(layer, request(headers, true), &seen).await;
    let (_, alone) = send(layer, request(headers, false), &seen).await;
    assert_eq!(took, alone, "the layer alone does the same");
    took
}

fn kind(response: &Answer) -> Kind {
    response.extensions().get::<Rejection>().expect("the layer answered").kind()
}

fn malformed(handle: &TimeoutHandle) -> f64 {
    let mut count = f64::NAN;
    handle.read(&mut |reading| {
        if reading.name == "macadam_timeouts_malformed_total" {
            count = reading.value;
        }
    });
    count
}

fn shortening() -> TimeoutLayer {
    TimeoutLayer::new(OWN).inherit(Inherit::shorten())
}

const MS: fn(u64) -> Duration = Duration::from_millis;
const GRPC: (&str, &str) = ("content-type", "application/grpc");

#[tokio::test(start_paused = true)]
async fn each_of_the_four_headers_shortens_a_request() {
    for headers in [
        &[GRPC, ("grpc-timeout", "250m")][..],
        &[("connect-timeout-ms", "250")],
        &[("x-envoy-expected-rq-timeout-ms", "250")],
        &[("x-request-timeout-ms", "250")],
    ] {
        assert_eq!(lasts(&shortening(), headers).await, MS(250), "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_handler_sees_what_the_caller_left_it_also_without_a_context_outside() {
    for context in [false, true] {
        let seen = Seen::default();
        let (response, took) =
            send(&shortening(), request(&[("x-request-timeout-ms", "250")], context), &seen).await;
        assert_eq!(*seen.remaining.lock().unwrap(), Some(MS(250)));
        assert_eq!(
            (response.status(), kind(&response)),
            (StatusCode::GATEWAY_TIMEOUT, Kind::DeadlineExceeded)
        );
        assert_eq!(took, MS(250));
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_answers_one_tick_before_the_callers_deadline_is_heard() {
    for (work, status) in [(MS(250) - TICK, StatusCode::OK), (MS(250) + TICK, StatusCode::GATEWAY_TIMEOUT)] {
        let handler = service_fn(move |_: Request<()>| async move {
            sleep(work).await;
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let request = request(&[("connect-timeout-ms", "250")], true);
        assert_eq!(shortening().layer(handler).oneshot(request).await.unwrap().status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_was_not_told_to_inherit_looks_at_no_header() {
    assert_eq!(lasts(&TimeoutLayer::new(OWN), &[("x-request-timeout-ms", "250")]).await, OWN);
}

#[tokio::test(start_paused = true)]
async fn grpc_timeout_counts_in_grpc_requests_alone() {
    assert_eq!(lasts(&shortening(), &[("grpc-timeout", "250m")]).await, OWN);
    let (layer, handle) = shortening().pair();
    assert_eq!(lasts(&layer, &[("grpc-timeout", "nonsense")]).await, OWN);
    assert_eq!(malformed(&handle), 0.0);
}

#[tokio::test(start_paused = true)]
async fn of_several_headers_and_of_duplicates_the_smallest_well_formed_one_counts() {
    let all = [
        GRPC,
        ("grpc-timeout", "400m"),
        ("connect-timeout-ms", "300"),
        ("x-envoy-expected-rq-timeout-ms", "200"),
        ("x-request-timeout-ms", "500"),
    ];
    assert_eq!(lasts(&shortening(), &all).await, MS(200));
    let twice =
        [("x-request-timeout-ms", "300"), ("x-request-timeout-ms", "200"), ("x-request-timeout-ms", "400")];
    assert_eq!(lasts(&shortening(), &twice).await, MS(200));
    let one_malformed = [("x-request-timeout-ms", "1s"), ("x-request-timeout-ms", "200")];
    assert_eq!(lasts(&shortening(), &one_malformed).await, MS(200));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_shortens_and_never_lengthens() {
    assert_eq!(lasts(&shortening(), &[("x-request-timeout-ms", "2999")]).await, OWN - TICK);
    assert_eq!(lasts(&shortening(), &[("x-request-timeout-ms", "3001")]).await, OWN);
    assert_eq!(lasts(&shortening(), &[("x-request-timeout-ms", "9999999999")]).await, OWN);
    assert_eq!(lasts(&shortening(), &[GRPC, ("grpc-timeout", "99999999H")]).await, OWN);
    assert_eq!(lasts(&shortening(), &[("x-envoy-expected-rq-timeout-ms", "0")]).await, OWN);
}

#[tokio::test(start_paused = true)]
async fn who_is_trusted_lengthens_up_to_the_most_that_is_allowed() {
    let layer = TimeoutLayer::new(OWN).inherit(Inherit::trust(3 * OWN));
    assert_eq!(lasts(&layer, &[("x-request-timeout-ms", "250")]).await, MS(250));
    assert_eq!(lasts(&layer, &[("x-request-timeout-ms", "4000")]).await, MS(4000));
    assert_eq!(lasts(&layer, &[("x-request-timeout-ms", "9001")]).await, 3 * OWN);
    assert_eq!(lasts(&layer, &[("x-envoy-expected-rq-timeout-ms", "0")]).await, 3 * OWN);
    assert_eq!(lasts(&layer, &[]).await, OWN);
    // Nobody gets less for having asked for more.
    let layer = TimeoutLayer::new(OWN).inherit(Inherit::trust(TICK));
    assert_eq!(lasts(&layer, &[("x-request-timeout-ms", "4000")]).await, OWN);
}

#[tokio::test(start_paused = true)]
async fn trust_is_asked_of_the_head_for_what_would_lengthen_and_for_nothing_else() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&asked);
    let layer = TimeoutLayer::new(OWN).inherit(Inherit::trust_if(Duration::MAX, move |head| {
        counting.fetch_add(1, SeqCst);
        head.headers.contains_key("x-mesh")
    }));
    assert_eq!(lasts(&layer, &[("x-request-timeout-ms", "250")]).await, MS(250));
    assert_eq!(lasts(&layer, &[]).await, OWN);
    assert_eq!(asked.load(SeqCst), 0);
    assert_eq!(lasts(&layer, &[("x-request-timeout-ms", "4000")]).await, OWN);
    assert_eq!(lasts(&layer, &[("x-request-timeout-ms", "4000"), ("x-mesh", "1")]).await, MS(4000));
    assert_eq!(asked.load(SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_layer_around_it_bounds_also_whom_it_trusts() {
    let inner = TimeoutLayer::new(OWN).inherit(Inherit::trust(4 * OWN));
    let handler = service_fn(|_: Request<()>| std::future::pending::<Result<Response<String>, Infallible>>());
    for context in [false, true] {
        let start = Instant::now();
        let request = request(&[("x-request-timeout-ms", "10000")], context);
        TimeoutLayer::new(2 * OWN).layer(inner.layer(handler)).oneshot(request).await.unwrap();
        assert_eq!(start.elapsed(), 2 * OWN);
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_moves_the_own_timeout_and_the_callers_stays() {
    let handler = service_fn(|_: Request<()>| std::future::pending::<Result<Response<String>, Infallible>>());
    for context in [false, true] {
        for (route, lasts) in [(2 * OWN, MS(250)), (Duration::MAX, MS(250)), (MS(100), MS(100))] {
            let service = shortening().layer(RouteTimeoutLayer::new(route).layer(handler));
            let start = Instant::now();
            service.oneshot(request(&[("x-request-timeout-ms", "250")], context)).await.unwrap();
            assert_eq!(start.elapsed(), lasts);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_callers_deadline_does_not_stand_still_while_the_handler_waits_for_the_client() {
    for (headers, lasts) in [(&[("x-request-timeout-ms", "250")][..], MS(250)), (&[], OWN + MS(500))] {
        let request = request(headers, true);
        let context = RequestContext::get(&request).unwrap().clone();
        let handler = service_fn(move |_: Request<()>| {
            let context = context.clone();
            async move {
                context.pause_deadline();
                sleep(MS(500)).await;
                context.resume_deadline();
                std::future::pending::<Result<Response<String>, Infallible>>().await
            }
        });
        let start = Instant::now();
        shortening().layer(handler).oneshot(request).await.unwrap();
        assert_eq!(start.elapsed(), lasts);
    }
}

#[tokio::test(start_paused = true)]
async fn time_in_a_queue_outside_counts_and_what_expired_there_is_refused_without_its_handler() {
    for (waited, status, calls) in [
        (MS(100) - TICK, StatusCode::GATEWAY_TIMEOUT, 1),
        (MS(100), StatusCode::SERVICE_UNAVAILABLE, 0),
        (MS(200), StatusCode::SERVICE_UNAVAILABLE, 0),
    ] {
        let request = request(&[("x-request-timeout-ms", "100")], true);
        let context = RequestContext::get(&request).unwrap().clone();
        sleep(waited).await;
        let seen = Seen::default();
        let (response, took) = send(&shortening(), request, &seen).await;
        assert_eq!((response.status(), seen.calls.load(SeqCst)), (status, calls), "{waited:?}");
        assert_eq!(took, MS(100).saturating_sub(waited));
        assert_eq!(context.outcome(), Outcome::TimedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn zero_has_expired_on_arrival_and_the_handler_does_not_run() {
    for context in [false, true] {
        let seen = Seen::default();
        for headers in [
            &[("connect-timeout-ms", "0")][..],
            &[("x-request-timeout-ms", "0")],
            &[("x-request-timeout-ms", "0"), ("connect-timeout-ms", "1000")],
        ] {
            let (response, took) = send(&shortening(), request(headers, context), &seen).await;
            assert_eq!((response.status(), took), (StatusCode::SERVICE_UNAVAILABLE, Duration::ZERO));
            assert_eq!(kind(&response), Kind::Deadline);
        }
        let (response, _) =
            send(&shortening(), request(&[GRPC, ("grpc-timeout", "0S")], context), &seen).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "4");
        assert_eq!(seen.calls.load(SeqCst), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_call_that_runs_out_of_time_gets_status_4_in_a_200_and_a_message_that_grpc_can_read() {
    for timeout in ["250m", "0S"] {
        let (response, _) =
            send(&shortening(), request(&[GRPC, ("grpc-timeout", timeout)], true), &Seen::default()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert_eq!(response.headers()["grpc-status"], "4");
        let message = response.headers()["grpc-message"].as_bytes();
        // Percent-encoding leaves these as they are.
        assert!(message.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'%'));
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_header_is_passed_over_and_counted_once_a_request() {
    let (layer, handle) = shortening().pair();
    for headers in [
        &[("x-request-timeout-ms", "3s")][..],
        &[("x-request-timeout-ms", "+3"), ("connect-timeout-ms", "")],
        &[GRPC, ("grpc-timeout", "+5S")],
    ] {
        let before = malformed(&handle);
        assert_eq!(lasts(&layer, headers).await, OWN);
        assert_eq!(malformed(&handle) - before, 2.0, "with a context and without");
    }
}

#[tokio::test(start_paused = true)]
async fn where_it_is_to_be_rejected_a_malformed_header_is_answered_400_and_the_handler_does_not_run() {
    let inherit = Inherit::shorten().malformed(Malformed::Reject);
    let (layer, handle) = TimeoutLayer::new(OWN).inherit(inherit).pair();
    for context in [false, true] {
        let seen = Seen::default();
        // A well-formed one beside it does not excuse it.
        let headers = [("x-request-timeout-ms", "3s"), ("connect-timeout-ms", "250")];
        let request = request(&headers, context);
        let made = RequestContext::get(&request).cloned();
        let before = malformed(&handle);
        let (response, took) = send(&layer, request, &seen).await;
        assert_eq!((response.status(), took), (StatusCode::BAD_REQUEST, Duration::ZERO));
        assert_eq!(kind(&response), Kind::MalformedTimeout);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!((seen.calls.load(SeqCst), malformed(&handle) - before), (0, 1.0));
        assert!(made.is_none_or(|context| context.outcome() == Outcome::Pending), "it was no timeout");
    }
    let (response, _) = send(&layer, request(&[GRPC, ("grpc-timeout", "+5S")], true), &Seen::default()).await;
    assert_eq!(
        (response.status(), &response.headers()["grpc-status"]),
        (StatusCode::OK, &"13".parse().unwrap())
    );
    // The control: what is well-formed is served.
    assert_eq!(lasts(&layer, &[("x-request-timeout-ms", "250")]).await, MS(250));
}

#[tokio::test(start_paused = true)]
async fn only_the_headers_that_it_was_told_of_are_read() {
    let own = TimeoutHeader::millis(HeaderName::from_static("x-budget-ms"));
    let layer = TimeoutLayer::new(OWN).inherit(Inherit::shorten().headers([own, TimeoutHeader::connect()]));
    assert_eq!(lasts(&layer, &[("x-budget-ms", "250")]).await, MS(250));
    assert_eq!(lasts(&layer, &[("connect-timeout-ms", "250")]).await, MS(250));
    assert_eq!(lasts(&layer, &[("x-request-timeout-ms", "250")]).await, OWN);
    assert_eq!(lasts(&layer, &[("x-envoy-expected-rq-timeout-ms", "250")]).await, OWN);
}
