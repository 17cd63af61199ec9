//! The tests of tower-http's own `timeout/service.rs` (0.7), re-stated against this layer: under their names, with the
//! differences said where there are any. The clock is paused, where theirs is real.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use macadam_core::{Rejection, RequestContext, Wire};
use macadam_timeouts::TimeoutLayer;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Body = Empty<Bytes>;

const LIMIT: Duration = Duration::from_millis(10);

async fn slow_handler(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    sleep(Duration::from_secs(10)).await;
    Ok(Response::new(Body::new()))
}

async fn fast_handler(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::new()))
}

#[tokio::test(start_paused = true)]
async fn request_completes_within_timeout() {
    let mut service =
        ServiceBuilder::new().layer(TimeoutLayer::new(Duration::from_secs(1))).service_fn(fast_handler);
    let request = Request::get("/").body(Body::new()).unwrap();
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

/// Another form of the answer, its status included, is the renderer's to choose, not a number of the layer's. But not 408,
/// or any other success of choosing: who is told 408 may send the request again, and the handler has run.
#[tokio::test(start_paused = true)]
async fn timeout_middleware_with_custom_status_code() {
    let form = |_: &Rejection, _: &Wire, _: Option<&RequestContext>| {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    };
    let mut service = TimeoutLayer::new(LIMIT).on_rejection(form).layer(service_fn(slow_handler));
    let request = Request::get("/").body(Body::new()).unwrap();
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// Theirs is empty; a renderer that returns an empty one has it so. By default ours says what happened.
#[tokio::test(start_paused = true)]
async fn timeout_response_has_empty_body() {
    let empty = |_: &Rejection, _: &Wire, _: Option<&RequestContext>| Response::new(Bytes::new());
    for (layer, is_empty) in
        [(TimeoutLayer::new(LIMIT).on_rejection(empty), true), (TimeoutLayer::new(LIMIT), false)]
    {
        let mut service = ServiceBuilder::new().layer(layer).service_fn(slow_handler);
        let request = Request::get("/").body(Body::new()).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes().is_empty(), is_empty);
    }
}

/// Theirs answers 408; ours has no constructor that would.
#[tokio::test(start_paused = true)]
async fn deprecated_new_method_compatibility() {
    let mut service = ServiceBuilder::new().layer(TimeoutLayer::new(LIMIT)).service_fn(slow_handler);
    let request = Request::get("/").body(Body::new()).unwrap();
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
}

/// A response that is ready as the timer fires: theirs, which polls its timer first, throws it away.
#[tokio::test(start_paused = true)]
async fn the_very_tick_of_the_deadline_is_the_handlers_here_and_the_timers_there() {
    async fn handler(_: Request<Body>) -> Result<Response<Body>, Infallible> {
        sleep(LIMIT).await;
        Ok(Response::new(Body::new()))
    }
    let request = || Request::get("/").body(Body::new()).unwrap();
    let start = Instant::now();
    let ours = TimeoutLayer::new(LIMIT).layer(service_fn(handler)).oneshot(request()).await.unwrap();
    assert_eq!((ours.status(), start.elapsed()), (StatusCode::OK, LIMIT));
    let theirs = tower_http::timeout::TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LIMIT);
    let theirs = theirs.layer(service_fn(handler)).oneshot(request()).await.unwrap();
    assert_eq!(theirs.status(), StatusCode::GATEWAY_TIMEOUT);
}
