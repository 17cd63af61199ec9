//! The layer wherever axum takes one.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode},
    routing::{get, post},
};
use macadam_request_id::RequestIdLayer;
use macadam_test::wire::Client;
use tower::ServiceExt;

async fn echo(headers: HeaderMap) -> String {
    headers["x-request-id"].to_str().expect("an id is text").to_owned()
}

async fn send(app: Router, method: Method, path: &str) -> Response<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("x-request-id", "theirs")
        .body(Body::empty())
        .expect("the parts are valid");
    app.oneshot(request).await.unwrap()
}

/// Whether a `GET` of this path passes the layer.
async fn is_identified(app: &Router, path: &str) -> bool {
    let response = send(app.clone(), Method::GET, path).await;
    response.headers().get("x-request-id").is_some_and(|id| id == "theirs")
}

#[tokio::test]
async fn around_all_routes_it_names_404_405_and_head_too() {
    let app =
        Router::new().route("/", get(echo)).route("/post", post(echo)).layer(RequestIdLayer::internal());
    for (method, path, status) in [
        (Method::GET, "/", StatusCode::OK),
        (Method::HEAD, "/", StatusCode::OK),
        (Method::GET, "/nowhere", StatusCode::NOT_FOUND),
        (Method::GET, "/post", StatusCode::METHOD_NOT_ALLOWED),
        (Method::HEAD, "/post", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let response = send(app.clone(), method.clone(), path).await;
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(response.headers()["x-request-id"], "theirs", "{method} {path}");
    }
}

#[tokio::test]
async fn as_a_route_layer_it_names_what_a_route_answers() {
    let app = Router::new().route("/", get(echo)).route_layer(RequestIdLayer::internal());
    assert!(is_identified(&app, "/").await);
    assert!(!is_identified(&app, "/nowhere").await);
}

#[tokio::test]
async fn in_a_nested_router_it_names_what_is_nested() {
    let nested = Router::new().route("/", get(echo)).layer(RequestIdLayer::internal());
    let app = Router::new().route("/", get(async || ())).nest("/nested", nested);
    assert!(is_identified(&app, "/nested").await);
    assert!(!is_identified(&app, "/").await);
}

#[tokio::test]
async fn on_a_method_router_it_names_that_route_alone() {
    let app = Router::new()
        .route("/with", get(echo).layer(RequestIdLayer::internal()))
        .route("/without", get(async || ()));
    assert!(is_identified(&app, "/with").await);
    assert!(!is_identified(&app, "/without").await);
}

#[tokio::test]
async fn on_the_fallback_it_names_what_no_route_answers() {
    let fallback = get(echo).layer(RequestIdLayer::internal());
    let app = Router::new().route("/", get(async || ())).fallback_service(fallback);
    assert!(is_identified(&app, "/nowhere").await);
    assert!(!is_identified(&app, "/").await);
}

#[tokio::test]
async fn around_the_router_and_in_it_there_is_one_id() {
    let app = Router::new().route("/", get(echo)).layer(RequestIdLayer::edge());
    let app = Router::new().nest("/nested", app).layer(RequestIdLayer::edge());
    let response = send(app, Method::GET, "/nested").await;
    let id = response.headers()["x-request-id"].clone();
    let seen = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    assert_eq!(id.as_bytes(), seen);
}

#[tokio::test]
async fn on_the_wire_the_headers_case_does_not_matter_and_one_value_comes_back() {
    let app = Router::new().route("/", get(echo)).layer(RequestIdLayer::internal().on_request(true));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    let mut client = Client::connect(address).await;
    for (sent, kept) in [
        ("X-REQUEST-ID: theirs\r\n", true),
        ("x-Request-Id:   theirs  \r\n", true),
        ("x-request-id: theirs\r\nX-Request-ID: theirs\r\n", false),
        ("x-request-id: the\x1birs\r\n", false),
        ("", false),
    ] {
        client.send(format!("GET / HTTP/1.1\r\nhost: test\r\n{sent}\r\n")).await;
        let reply = client.response().await;
        if sent.contains('\x1b') {
            // hyper itself refuses control characters: such a request never reaches a layer.
            assert_eq!(reply.status, StatusCode::BAD_REQUEST);
            client = Client::connect(address).await;
            continue;
        }
        let id = reply.header("x-request-id").unwrap();
        assert_eq!(id, reply.text(), "{sent:?}");
        assert_eq!(id == "theirs", kept, "{sent:?}");
    }
    server.abort();
}

#[cfg(feature = "axum")]
mod extractor {
    use macadam_request_id::RequestId;

    use super::*;

    async fn extract(id: RequestId) -> String {
        id.to_string()
    }

    async fn body(response: Response<Body>) -> String {
        let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("it ends").to_bytes();
        std::str::from_utf8(&body).expect("it is text").to_owned()
    }

    #[tokio::test]
    async fn a_handler_takes_the_id_as_an_argument() {
        let app = Router::new().route("/", get(extract)).layer(RequestIdLayer::internal());
        assert_eq!(body(send(app, Method::GET, "/").await).await, "theirs");
    }

    #[tokio::test]
    async fn without_the_layer_the_extractor_says_what_is_missing() {
        let response = send(Router::new().route("/", get(extract)), Method::GET, "/").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body(response).await.contains("no RequestIdLayer"));
    }

    #[tokio::test]
    async fn an_optional_id_may_be_missing() {
        let handler = get(async |id: Option<RequestId>| id.is_some().to_string());
        let bare = Router::new().route("/", handler);
        let layered = bare.clone().layer(RequestIdLayer::internal());
        assert_eq!(body(send(bare, Method::GET, "/").await).await, "false");
        assert_eq!(body(send(layered, Method::GET, "/").await).await, "true");
    }
}
