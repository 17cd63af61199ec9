//! Callers' deadlines on the road, as the settings say.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use macadam::{CurrentLayer, Deadline, Kind, Rejection, Road, RoadService, Settings, spawn_with_context};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A road whose handlers are counted.
fn road(settings: &str) -> (RoadService, Arc<AtomicUsize>) {
    let mut settings = Settings::from_toml(settings).unwrap();
    settings.load_shed.max_in_flight = 1;
    settings.load_shed.queue_wait = Duration::from_secs(60);
    let road = Road::builder("inherit").settings(settings).build().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&calls);
    let never = get(async move || {
        counting.fetch_add(1, SeqCst);
        std::future::pending::<()>().await;
    });
    let left = async || spawn_with_context(async { Deadline::current()?.remaining() }).await.unwrap();
    let current = get(async move || left().await.unwrap_or_default().as_millis().to_string());
    let app = Router::new().route("/never", never).route("/current", current.layer(CurrentLayer));
    (road.wrap(app), calls)
}

/// How a request to the handler that never answers is answered, and after how long.
async fn ask(service: &RoadService, header: &str, value: &str) -> (Option<Kind>, Duration) {
    let start = Instant::now();
    let request = Request::get("/never").header(header, value).body(Body::empty()).unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    (response.extensions().get::<Rejection>().map(Rejection::kind), start.elapsed())
}

const EXCEEDED: Option<Kind> = Some(Kind::DeadlineExceeded);

#[tokio::test(start_paused = true)]
async fn by_default_a_caller_may_shorten() {
    let (service, _) = road("");
    for header in ["connect-timeout-ms", "x-envoy-expected-rq-timeout-ms", "x-request-timeout-ms"] {
        assert_eq!(ask(&service, header, "250").await, (EXCEEDED, MS(250)));
        assert_eq!(ask(&service, header, "4000").await, (EXCEEDED, MS(3000)));
        assert_eq!(ask(&service, header, "nonsense").await, (EXCEEDED, MS(3000)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_trusted_caller_may_lengthen_up_to_what_the_settings_say() {
    let (service, _) = road("[timeouts]\ninherit = \"trust\"\ninherit_max = \"5s\"");
    for (asked, lasts) in [("250", 250), ("4000", 4000), ("6000", 5000)] {
        assert_eq!(ask(&service, "x-request-timeout-ms", asked).await, (EXCEEDED, MS(lasts)));
    }
}

#[tokio::test(start_paused = true)]
async fn switched_off_no_header_is_looked_at() {
    let (service, _) = road("[timeouts]\ninherit = \"off\"\nmalformed = \"reject\"");
    for value in ["250", "nonsense"] {
        assert_eq!(ask(&service, "x-request-timeout-ms", value).await, (EXCEEDED, MS(3000)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_header_has_the_name_that_the_settings_say() {
    let (service, _) = road("[timeouts]\nheader = \"X-Budget\"");
    assert_eq!(ask(&service, "x-budget", "250").await, (EXCEEDED, MS(250)));
    assert_eq!(ask(&service, "x-request-timeout-ms", "250").await, (EXCEEDED, MS(3000)));
    let refused = Settings::from_toml("[timeouts]\nheader = \"x budget\"").unwrap_err().to_string();
    assert!(refused.contains("expected the name of a header"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn malformed_is_rejected_where_the_settings_say_so() {
    let (service, calls) = road("[timeouts]\nmalformed = \"reject\"");
    let answer = ask(&service, "x-request-timeout-ms", "3s").await;
    assert_eq!(answer, (Some(Kind::MalformedTimeout), Duration::ZERO));
    assert_eq!(calls.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn what_expires_in_the_queue_or_on_arrival_is_refused_and_its_handler_does_not_run() {
    let (service, calls) = road("");
    let occupant = tokio::spawn({
        let service = service.clone();
        async move { ask(&service, "x-other", "").await }
    });
    sleep(MS(1)).await;
    assert_eq!(calls.load(SeqCst), 1);
    assert_eq!(ask(&service, "x-request-timeout-ms", "100").await, (Some(Kind::Deadline), MS(100)));
    assert_eq!(ask(&service, "x-request-timeout-ms", "0").await, (Some(Kind::Deadline), Duration::ZERO));
    assert_eq!(calls.load(SeqCst), 1, "only the one that had the place");
    assert_eq!(occupant.await.unwrap().0, EXCEEDED);
    // The control: with the place free again, the handler runs.
    assert_eq!(ask(&service, "x-request-timeout-ms", "100").await, (EXCEEDED, MS(100)));
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_of_the_handler_finds_the_callers_deadline() {
    let (service, _) = road("");
    let request = Request::get("/current").header("x-request-timeout-ms", "250").body(Body::empty()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = axum::body::to_bytes(Body::new(response.into_body()), 16).await.unwrap();
    assert_eq!(body, "250");
}
