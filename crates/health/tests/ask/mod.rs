//! Asks a health service, without a socket.

use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use macadam_health::{Health, HealthService};
use tower::ServiceExt;

pub(crate) async fn ask_with(service: HealthService, method: Method, uri: &str) -> Response<String> {
    ask_for(service, method, uri, &HeaderMap::new()).await
}

pub(crate) async fn ask_for(
    service: HealthService,
    method: Method,
    uri: &str,
    headers: &HeaderMap,
) -> Response<String> {
    let mut request = Request::builder().method(method).uri(uri).body(()).expect("the URI is one");
    request.headers_mut().clone_from(headers);
    let (head, body) = service.oneshot(request).await.expect("a probe is answered").into_parts();
    let text = body.collect().await.expect("so is its body").to_bytes();
    Response::from_parts(head, String::from_utf8(text.into()).expect("the answer is text"))
}

/// As somebody who may know the reasons.
pub(crate) async fn ask(health: &Health, uri: &str) -> (u16, String) {
    let answer = ask_with(health.service().details(true), Method::GET, uri).await;
    (answer.status().as_u16(), answer.into_body())
}
