//! In every place where axum takes a layer.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    routing::{MethodRouter, get},
};
use http::{Request, StatusCode};
use macadam_core::Gauges;
use macadam_test::wire::Client;
use macadam_timeouts::{DetachLayer, RouteTimeoutLayer, TimeoutLayer};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

const LIMIT: Duration = Duration::from_secs(3);
const WORK: Duration = Duration::from_secs(10);

/// Answers after ten seconds.
fn slow() -> MethodRouter {
    get(async || sleep(WORK).await)
}

fn limit() -> TimeoutLayer {
    TimeoutLayer::new(LIMIT)
}

async fn ask(app: &Router, path: &str) -> (StatusCode, Duration) {
    let start = Instant::now();
    let request = Request::get(path).body(Body::empty()).expect("the path is valid");
    let response = app.clone().oneshot(request).await.expect("a router cannot fail");
    (response.status(), start.elapsed())
}

const TIMED_OUT: (StatusCode, Duration) = (StatusCode::GATEWAY_TIMEOUT, LIMIT);
const SERVED: (StatusCode, Duration) = (StatusCode::OK, WORK);

#[tokio::test(start_paused = true)]
async fn around_a_router_it_covers_routes_and_fallback() {
    let app = Router::new().route("/slow", slow()).fallback(async || sleep(WORK).await).layer(limit());
    assert_eq!(ask(&app, "/slow").await, TIMED_OUT);
    assert_eq!(ask(&app, "/nowhere").await, TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn as_a_route_layer_it_covers_the_routes_before_it() {
    let app = Router::new().route("/slow", slow()).route_layer(limit()).route("/free", slow());
    assert_eq!(ask(&app, "/slow").await, TIMED_OUT);
    assert_eq!(ask(&app, "/free").await, SERVED);
    assert_eq!(ask(&app, "/nowhere").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn in_a_nested_router_it_covers_that_one() {
    let api = Router::new().route("/slow", slow()).layer(limit());
    let app = Router::new().nest("/api", api).route("/slow", slow());
    assert_eq!(ask(&app, "/api/slow").await, TIMED_OUT);
    assert_eq!(ask(&app, "/slow").await, SERVED);
}

#[tokio::test(start_paused = true)]
async fn on_a_method_router_it_covers_that_route() {
    let app = Router::new().route("/slow", slow().layer(limit())).route("/free", slow());
    assert_eq!(ask(&app, "/slow").await, TIMED_OUT);
    assert_eq!(ask(&app, "/free").await, SERVED);
}

#[tokio::test(start_paused = true)]
async fn on_the_fallback_it_covers_that() {
    let app = Router::new().route("/free", slow()).fallback_service(slow().layer(limit()));
    assert_eq!(ask(&app, "/nowhere").await, TIMED_OUT);
    assert_eq!(ask(&app, "/free").await, SERVED);
}

#[tokio::test(start_paused = true)]
async fn a_route_extends_shortens_or_disables_the_timeout_around_the_router() {
    let second = Duration::from_secs(1);
    for layer in [limit(), limit().expose()] {
        let app = Router::new()
            .route("/slow", slow())
            .route("/export", slow().layer(RouteTimeoutLayer::new(2 * WORK)))
            .route("/quick", slow().layer(RouteTimeoutLayer::new(second)))
            .route("/watch", slow().layer(RouteTimeoutLayer::disabled()))
            .nest("/bulk", Router::new().route("/", slow()).route_layer(RouteTimeoutLayer::new(2 * WORK)))
            .layer(layer);
        assert_eq!(ask(&app, "/slow").await, TIMED_OUT);
        assert_eq!(ask(&app, "/export").await, SERVED);
        assert_eq!(ask(&app, "/quick").await, (StatusCode::GATEWAY_TIMEOUT, second));
        assert_eq!(ask(&app, "/watch").await, SERVED);
        assert_eq!(ask(&app, "/bulk").await, SERVED);
        assert_eq!(ask(&app, "/slow").await, TIMED_OUT, "one route moves another's deadline");
    }
}

#[tokio::test(start_paused = true)]
async fn headers_that_ask_for_a_stream_do_not_exempt_a_request() {
    let app = Router::new().route("/slow", slow()).layer(limit());
    let request = Request::get("/slow").header("accept", "text/event-stream").header("upgrade", "websocket");
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn on_the_wire_a_504_is_a_problem_and_leaves_the_connection_usable() {
    let app = Router::new().route("/slow", slow()).route("/", get(async || "hello")).layer(limit());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let mut client = Client::connect(address).await;
    let reply = client.get("/slow").await;
    assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
    assert_eq!(reply.header("connection"), None);
    assert_eq!(client.get("/").await.text(), "hello");
    server.abort();
}

#[cfg(feature = "axum")]
mod extractor {
    use macadam_timeouts::Deadline;

    use super::*;

    fn asks() -> Router {
        async fn remaining(deadline: Deadline) -> String {
            format!("{:?}", deadline.remaining())
        }
        async fn whether(deadline: Option<Deadline>) -> String {
            deadline.is_some().to_string()
        }
        Router::new()
            .route("/", get(remaining))
            .route("/optional", get(whether))
            .route("/endless", get(remaining).layer(RouteTimeoutLayer::disabled()))
    }

    async fn body(app: &Router, path: &str) -> (StatusCode, String) {
        use http_body_util::BodyExt;
        let request = Request::get(path).body(Body::empty()).expect("the path is valid");
        let response = app.clone().oneshot(request).await.expect("a router cannot fail");
        let status = response.status();
        let body = response.into_body().collect().await.expect("the body is whole").to_bytes();
        (status, String::from_utf8_lossy(&body).into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_sees_an_exposed_deadline() {
        let app = asks().layer(limit().expose());
        assert_eq!(body(&app, "/").await, (StatusCode::OK, "Some(3s)".into()));
        assert_eq!(body(&app, "/optional").await, (StatusCode::OK, "true".into()));
        assert_eq!(body(&app, "/endless").await, (StatusCode::OK, "None".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_not_exposed_is_an_error_that_says_so_or_an_option() {
        let app = asks().layer(limit());
        let (status, text) = body(&app, "/").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(text.contains("TimeoutLayer::expose()"), "{text}");
        assert_eq!(body(&app, "/optional").await, (StatusCode::OK, "false".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_of_a_router_detaches_under_the_timeout_around_it() {
    let (detach, handle) = DetachLayer::new(1).pair();
    let app = Router::new().route("/", slow().layer(detach)).layer(limit());
    assert_eq!(ask(&app, "/").await, (StatusCode::GATEWAY_TIMEOUT, LIMIT));
    let counted = || {
        let mut counted = Vec::new();
        handle.read(&mut |reading| counted.push(reading.value));
        counted
    };
    assert_eq!(counted(), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    sleep(WORK).await;
    assert_eq!(counted(), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0], "it has answered, too late");
}
