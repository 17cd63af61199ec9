//! The order of the layers, seen from the outside: each test would fail if its two layers changed places.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes},
    routing::{get, post},
};
use http::{Request, Response};
use http_body_util::BodyExt;
use macadam::{Kind, Rejection, Road, RoadBody, RoadService, Settings};
use macadam_test::events;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// A road with room for one request in flight and one in the queue.
fn narrow() -> (Road, RoadService) {
    let mut settings = Settings::default();
    settings.timeouts.request = Duration::from_secs(1);
    settings.load_shed.max_in_flight = 1;
    settings.load_shed.queue = 1;
    settings.load_shed.queue_wait = Duration::from_secs(60);
    settings.body_limit = macadam::settings::Bytes(10);
    let road = Road::builder("order").settings(settings).grpc_health(["orders.v1.Orders"]).build().unwrap();
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/slow", get(async || sleep(Duration::from_millis(900)).await))
        .route("/never", get(std::future::pending::<()>))
        .route("/panic", get(async || -> () { panic!("as it was told to") }))
        .route("/upload", post(async |body: Bytes| body.len().to_string()));
    let service = road.wrap(app);
    (road, service)
}

fn request(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

async fn send(service: &RoadService, request: Request<Body>) -> Response<RoadBody> {
    service.clone().oneshot(request).await.unwrap()
}

async fn get_(service: &RoadService, path: &str) -> Response<RoadBody> {
    send(service, request("GET", path)).await
}

fn kind(response: &Response<RoadBody>) -> Option<Kind> {
    Some(response.extensions().get::<Rejection>()?.kind())
}

fn has_id(response: &Response<RoadBody>) -> bool {
    response.headers().contains_key("x-request-id")
}

/// Takes the only place there is, for 0.9 s.
async fn occupy(service: &RoadService) {
    let service = service.clone();
    tokio::spawn(async move { get_(&service, "/slow").await });
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn health_is_outside_request_id_telemetry_drain_and_load_shed() {
    let captured = events::capture();
    let (road, service) = narrow();
    occupy(&service).await;
    let spans = captured.spans().len();
    let response = get_(&service, "/livez").await;
    assert_eq!(response.status(), 200, "with the only place taken");
    assert!(!has_id(&response));
    let watch = Request::post("/grpc.health.v1.Health/Watch").header("content-type", "application/grpc");
    let watch = send(&service, watch.body(Body::from(&b"\0\0\0\0\0"[..])).unwrap()).await;
    assert!(!watch.headers().contains_key("grpc-status") && !has_id(&watch), "nor over gRPC");
    assert_eq!(road.shutdown().in_flight().len(), 1, "the other one");
    assert_eq!(captured.spans().len(), spans);
}

#[tokio::test(start_paused = true)]
async fn request_id_is_outside_telemetry_and_every_layer_that_refuses() {
    let captured = events::capture();
    let (_road, service) = narrow();
    let mut upload = request("POST", "/upload");
    *upload.body_mut() = Body::from(vec![b'x'; 11]);
    for (request, status, refused) in [
        (request("GET", "/"), 200, None),
        (request("GET", "/nowhere"), 404, None),
        (request("POST", "/"), 405, None),
        (request("GET", "/panic"), 500, Some(Kind::Panicked)),
        (request("GET", "/never"), 504, Some(Kind::DeadlineExceeded)),
        (upload, 413, Some(Kind::ContentTooLarge)),
    ] {
        let response = send(&service, request).await;
        assert_eq!(response.status(), status);
        assert_eq!(kind(&response), refused);
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let span = captured.spans().into_iter().rfind(|span| span.name == "request").unwrap();
        assert_eq!(span.fields["request_id"], id);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(refused.is_some(), String::from_utf8_lossy(&body).contains(&id));
    }
}

#[tokio::test(start_paused = true)]
async fn telemetry_is_outside_whatever_decides_on_an_outcome() {
    let captured = events::capture();
    let (_road, service) = narrow();
    occupy(&service).await;
    let queued = tokio::spawn(timeout(Duration::from_millis(10), {
        let service = service.clone();
        async move { get_(&service, "/").await.status() }
    }));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(
        kind(&get_(&service, "/").await),
        Some(Kind::Overloaded),
        "the queue has one place, and it is taken"
    );
    assert!(queued.await.unwrap().is_err(), "the client of the queued one went away");
    sleep(Duration::from_secs(1)).await;
    get_(&service, "/panic").await;
    get_(&service, "/never").await;
    let outcomes: Vec<_> =
        captured.spans().into_iter().filter_map(|span| span.fields.get("macadam.outcome").cloned()).collect();
    assert_eq!(outcomes, ["finished", "cancelled", "shed", "panicked", "timed-out"]);
}

#[tokio::test(start_paused = true)]
async fn drain_is_outside_catch_panic_timeouts_and_load_shed() {
    let (road, service) = narrow();
    let in_flight = road.shutdown();
    let in_flight = in_flight.in_flight();
    for path in ["/panic", "/never"] {
        let response = get_(&service, path).await;
        assert_eq!(in_flight.len(), 1, "{path}: its answer has not been sent yet");
        drop(response);
        assert_eq!(in_flight.len(), 0);
    }
    occupy(&service).await;
    let queued = tokio::spawn({
        let service = service.clone();
        async move { get_(&service, "/").await.status() }
    });
    sleep(Duration::from_millis(1)).await;
    assert_eq!(in_flight.len(), 2, "one that runs, and one that waits for its turn");
    assert_eq!(queued.await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn catch_panic_is_outside_load_shed_whose_permit_is_back_when_the_500_is_seen() {
    let (_road, service) = narrow();
    let answers: Vec<_> = {
        let mut answers = Vec::new();
        for _ in 0..3 {
            // Kept unread: the permit is free all the same.
            answers.push(get_(&service, "/panic").await);
        }
        answers
    };
    assert!(answers.iter().all(|answer| answer.status() == 500));
    assert_eq!(get_(&service, "/").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn timeouts_are_outside_load_shed_which_knows_the_deadline() {
    let (_road, service) = narrow();
    occupy(&service).await;
    // In the queue from here, behind 0.9 s of work and another 0.9 s.
    let second = tokio::spawn({
        let service = service.clone();
        async move { get_(&service, "/never").await }
    });
    sleep(Duration::from_millis(950)).await;
    let third = get_(&service, "/").await.status();
    assert_eq!(
        kind(&second.await.unwrap()),
        Some(Kind::DeadlineExceeded),
        "504: it ran, for the rest of its second"
    );
    assert_eq!(third, 200, "it waited for its turn, and had time left");

    occupy(&service).await;
    let late = {
        let service = service.clone();
        tokio::spawn(async move {
            let mut request = request("GET", "/");
            macadam::RequestContext::of(&mut request)
                .inherit_deadline(tokio::time::Instant::now() + Duration::from_millis(100));
            send(&service, request).await
        })
    };
    let late = late.await.unwrap();
    assert_eq!((late.status().as_u16(), kind(&late)), (503, Some(Kind::Deadline)), "503: it never ran");
}

#[tokio::test(start_paused = true)]
async fn load_shed_is_outside_the_body_limit() {
    let (_road, service) = narrow();
    occupy(&service).await;
    let waiting = tokio::spawn({
        let service = service.clone();
        async move { get_(&service, "/").await }
    });
    sleep(Duration::from_millis(1)).await;
    let mut upload = request("POST", "/upload");
    *upload.body_mut() = Body::from(vec![b'x'; 11]);
    assert_eq!(kind(&send(&service, upload).await), Some(Kind::Overloaded), "and not 413");
    assert_eq!(waiting.await.unwrap().status(), 200);
}
