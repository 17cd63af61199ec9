//! The layer wherever axum takes one.

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header::CONNECTION},
    routing::get,
};
use macadam_core::{InFlight, Phase, PhaseOwner};
use macadam_graceful_shutdown::DrainLayer;
use tower::ServiceExt;

/// A layer in a process that asks its clients to leave, so that every response shows whether it passed.
fn layer() -> DrainLayer {
    let phase = PhaseOwner::new();
    phase.advance(Phase::LameDuck, None);
    DrainLayer::new(InFlight::new(), phase.watch())
}

async fn send(app: &Router, path: &str) -> Response<Body> {
    app.clone().oneshot(Request::get(path).body(Body::empty()).expect("a path")).await.unwrap()
}

async fn passes(app: &Router, path: &str) -> bool {
    send(app, path).await.headers().contains_key(CONNECTION)
}

#[tokio::test]
async fn around_all_routes_it_sees_404_and_405_too() {
    let app = Router::new()
        .route("/", get(async || ""))
        .route("/post", axum::routing::post(async || ""))
        .layer(layer());
    for (path, status) in [
        ("/", StatusCode::OK),
        ("/nowhere", StatusCode::NOT_FOUND),
        ("/post", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let response = send(&app, path).await;
        assert_eq!((response.status(), &response.headers()[CONNECTION]), (status, &"close".parse().unwrap()));
    }
}

#[tokio::test]
async fn as_a_route_layer_it_sees_what_a_route_answers() {
    let app = Router::new().route("/", get(async || "")).route_layer(layer());
    assert!(passes(&app, "/").await);
    assert!(!passes(&app, "/nowhere").await);
}

#[tokio::test]
async fn in_a_nested_router_it_sees_what_is_nested() {
    let nested = Router::new().route("/", get(async || "")).layer(layer());
    let app = Router::new().route("/", get(async || "")).nest("/nested", nested);
    assert!(passes(&app, "/nested").await);
    assert!(!passes(&app, "/").await);
}

#[tokio::test]
async fn on_a_method_router_it_sees_that_route_alone() {
    let app =
        Router::new().route("/with", get(async || "").layer(layer())).route("/without", get(async || ""));
    assert!(passes(&app, "/with").await);
    assert!(!passes(&app, "/without").await);
}

#[tokio::test]
async fn on_the_fallback_it_sees_what_no_route_answers() {
    let app = Router::new().route("/", get(async || "")).fallback_service(get(async || "").layer(layer()));
    assert!(passes(&app, "/nowhere").await);
    assert!(!passes(&app, "/").await);
}

#[tokio::test]
async fn every_endpoints_copy_of_the_layer_keeps_one_table() {
    let (phase, in_flight) = (PhaseOwner::new(), InFlight::new());
    let layer = DrainLayer::new(in_flight.clone(), phase.watch());
    let endless =
        || get(async || Body::from_stream(futures_util::stream::pending::<Result<&str, std::io::Error>>()));
    let app = Router::new().route("/one", endless()).route("/other", endless()).layer(layer);

    let responses = [send(&app, "/one").await, send(&app, "/other").await];
    assert_eq!(in_flight.len(), 2);
    drop(responses);
    assert!(in_flight.is_empty());
}
