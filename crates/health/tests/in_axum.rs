//! The layer and the service in each place where axum takes one.

use axum::{Router, body::Body, routing::get};
use http::{Request, Response};
use http_body_util::BodyExt;
use macadam_health::Health;
use tower::ServiceExt;

async fn ask(app: &Router, method: &str, uri: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(uri).body(Body::empty()).expect("the URI is one");
    let response: Response<Body> = app.clone().oneshot(request).await.expect("a router cannot fail");
    let status = response.status().as_u16();
    let text = response.into_body().collect().await.expect("the body is whole").to_bytes();
    (status, String::from_utf8(text.into()).expect("the answer is text"))
}

fn health() -> Health {
    Health::builder().build().expect("no checks, no mistakes")
}

fn app() -> Router {
    Router::new().route("/orders", get(async || "orders"))
}

#[tokio::test]
async fn a_layer_on_the_router_answers_probes_and_nothing_else() {
    let app = app().layer(health().layer());
    assert_eq!(ask(&app, "GET", "/livez").await, (200, "ok".into()));
    assert_eq!(ask(&app, "HEAD", "/livez").await, (200, String::new()));
    assert_eq!(ask(&app, "GET", "/readyz/none").await.0, 404);
    assert_eq!(ask(&app, "POST", "/readyz").await.0, 405);
    assert_eq!(ask(&app, "GET", "/orders").await, (200, "orders".into()));
    assert_eq!(ask(&app, "POST", "/orders").await.0, 405);
    assert_eq!(ask(&app, "GET", "/nothing").await.0, 404);
}

#[tokio::test]
async fn a_layer_around_the_router_answers_probes_and_nothing_else() {
    use tower::Layer;
    let app = Router::new().fallback_service(health().layer().layer(app()));
    assert_eq!(ask(&app, "GET", "/livez").await, (200, "ok".into()));
    assert_eq!(ask(&app, "GET", "/orders").await, (200, "orders".into()));
}

#[tokio::test]
async fn a_layer_on_routes_answers_where_the_routes_are_probes() {
    let probe = get(async || "the handler is not asked");
    let app = app().route("/livez", probe).route_layer(health().layer());
    assert_eq!(ask(&app, "GET", "/livez").await, (200, "ok".into()));
    assert_eq!(ask(&app, "GET", "/orders").await, (200, "orders".into()));
    assert_eq!(ask(&app, "GET", "/readyz").await.0, 404);
}

#[tokio::test]
async fn a_layer_on_a_method_router_answers_on_its_route() {
    let app = Router::new().route("/{probe}", get(async || "handler").layer(health().layer()));
    assert_eq!(ask(&app, "GET", "/livez").await, (200, "ok".into()));
    assert_eq!(ask(&app, "GET", "/orders").await, (200, "handler".into()));
}

#[tokio::test]
async fn a_nested_router_sees_its_own_part_of_the_path() {
    let app =
        Router::new().nest("/internal", Router::new().fallback(async || "inner").layer(health().layer()));
    assert_eq!(ask(&app, "GET", "/internal/readyz?verbose").await.1, "[+]ping ok\nreadyz check passed\n");
    assert_eq!(ask(&app, "GET", "/readyz").await.0, 404);
}

#[tokio::test]
async fn the_service_is_a_fallback_and_a_nested_service() {
    let app = app().fallback_service(health().service());
    assert_eq!(ask(&app, "GET", "/livez").await, (200, "ok".into()));
    assert_eq!(ask(&app, "GET", "/orders").await, (200, "orders".into()));
    assert_eq!(ask(&app, "GET", "/nothing").await, (404, "not found\n".into()));

    let app = Router::new().nest_service("/internal", health().service());
    assert_eq!(ask(&app, "GET", "/internal/livez").await, (200, "ok".into()));
}
