//! The layer wherever axum takes one.

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode},
    routing::get,
};
use http_body_util::BodyExt;
use macadam_telemetry::{RouteTapLayer, TelemetryLayer};
use macadam_test::{events::capture, wire::Client};
use tower::ServiceExt;

/// The statuses in the access events that these requests leave.
async fn accessed<const N: usize>(app: Router, requests: [(Method, &str); N]) -> Vec<String> {
    let captured = capture();
    for (method, path) in requests {
        let request =
            Request::builder().method(method).uri(path).body(Body::empty()).expect("the parts are valid");
        let response = app.clone().oneshot(request).await.expect("a router answers");
        response.into_body().collect().await.expect("its body ends");
    }
    assert!(captured.spans().iter().all(|span| span.is_closed));
    let events = captured.events().into_iter();
    events
        .map(|event| {
            assert_eq!((&*event.target, &*event.fields["macadam.outcome"]), ("macadam::access", "finished"));
            event.fields["http.response.status_code"].clone()
        })
        .collect()
}

#[tokio::test]
async fn around_all_routes_it_sees_404_405_and_head_too() {
    let app = Router::new().route("/", get(async || "hello")).layer(TelemetryLayer::new());
    let requests = [(Method::GET, "/"), (Method::HEAD, "/"), (Method::GET, "/nowhere"), (Method::POST, "/")];
    assert_eq!(accessed(app, requests).await, ["200", "200", "404", "405"]);
}

#[tokio::test]
async fn the_tap_inside_tells_the_route_that_was_matched_also_in_a_nested_router() {
    let nested = Router::new().route("/{item}", get(async || "nested"));
    let app = Router::new().route("/orders/{id}", get(async || "one")).nest("/items", nested);
    let app = app.layer(RouteTapLayer).layer(TelemetryLayer::new());
    let captured = capture();
    for path in ["/orders/7", "/items/3", "/nowhere"] {
        let request = Request::get(path).body(Body::empty()).expect("the parts are valid");
        app.clone()
            .oneshot(request)
            .await
            .expect("a router answers")
            .into_body()
            .collect()
            .await
            .expect("it ends");
    }
    let routes = captured.spans().into_iter().map(|span| span.fields.get("http.route").cloned());
    let expected = [Some("/orders/{id}"), Some("/items/{item}"), None];
    assert_eq!(routes.collect::<Vec<_>>(), expected.map(|route| route.map(str::to_owned)));
}

#[tokio::test]
async fn as_a_route_layer_it_sees_what_a_route_answers() {
    let app = Router::new().route("/", get(async || "hello")).route_layer(TelemetryLayer::new());
    assert_eq!(accessed(app, [(Method::GET, "/"), (Method::GET, "/nowhere")]).await, ["200"]);
}

#[tokio::test]
async fn in_a_nested_router_it_sees_what_is_nested() {
    let nested = Router::new().route("/", get(async || StatusCode::ACCEPTED)).layer(TelemetryLayer::new());
    let app = Router::new().route("/", get(async || "hello")).nest("/nested", nested);
    assert_eq!(accessed(app, [(Method::GET, "/"), (Method::GET, "/nested")]).await, ["202"]);
}

#[tokio::test]
async fn on_a_method_router_it_sees_that_route_alone() {
    let app = Router::new()
        .route("/with", get(async || StatusCode::ACCEPTED).layer(TelemetryLayer::new()))
        .route("/without", get(async || "hello"));
    assert_eq!(accessed(app, [(Method::GET, "/with"), (Method::GET, "/without")]).await, ["202"]);
}

#[tokio::test]
async fn on_the_fallback_it_sees_what_no_route_answers() {
    let fallback = get(async || StatusCode::GONE).layer(TelemetryLayer::new());
    let app = Router::new().route("/", get(async || "hello")).fallback_service(fallback);
    assert_eq!(accessed(app, [(Method::GET, "/"), (Method::GET, "/nowhere")]).await, ["410"]);
}

#[tokio::test]
async fn on_the_wire_every_answer_is_finished_and_content_length_survives() {
    let captured = capture();
    let (layer, handle) = TelemetryLayer::new().pair();
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/empty", get(async || StatusCode::NO_CONTENT))
        .route("/unchanged", get(async || StatusCode::NOT_MODIFIED))
        .layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/").await.header("content-length"), Some("5"));
    client.get("/empty").await;
    client.get("/unchanged").await;
    client.send("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(client.head_response().await.header("content-length"), Some("5"));
    client.get("/nowhere").await;

    let ended = |status: &str, method: &str| (status.to_owned(), method.to_owned(), "finished".to_owned());
    let spans = captured.spans();
    let seen: Vec<_> = spans
        .iter()
        .map(|span| {
            let fields = &span.fields;
            let field = |name| fields[name].clone();
            (field("http.response.status_code"), field("http.request.method"), field("macadam.outcome"))
        })
        .collect();
    assert_eq!(
        seen,
        [
            ended("200", "GET"),
            ended("204", "GET"),
            ended("304", "GET"),
            ended("200", "HEAD"),
            ended("404", "GET"),
        ]
    );
    assert!(spans.iter().all(|span| span.is_closed), "hyper drops a body with its last frame");
    assert_eq!(handle.active(), 0);
    server.abort();
}
