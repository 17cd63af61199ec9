//! The layer: what it passes on, and what that costs.

use std::{
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response};
use macadam_core::{Phase, PhaseOwner, ResponseBody};
use macadam_health::{Check, Health, HealthLayer, OnDrain};
use macadam_test::{Refused, ScriptedBody, Step, allocations, service};
use tower::{Layer, Service, ServiceExt};

fn health() -> Health {
    Health::builder().check(Check::new("it", async || Err("no"))).build().expect("no mistakes")
}

#[derive(Clone)]
struct Echo;

impl<B> Service<Request<B>> for Echo {
    type Response = Response<B>;
    type Error = Refused;
    type Future = Ready<Result<Response<B>, Refused>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(Response::new(request.into_body())))
    }
}

#[test]
fn a_request_that_is_no_probe_costs_no_allocation() {
    let mut service = health().layer().envoy(true).layer(Echo);
    let mut cx = Context::from_waker(Waker::noop());
    let mut cost_of = |path: &str| {
        let request = Request::get(path).body(String::new()).unwrap();
        let mut response = None;
        let allocations = allocations(|| {
            let future = pin!(service.call(request));
            response = Some(future.poll(&mut cx));
        });
        assert!(matches!(response, Some(Poll::Ready(Ok(_)))));
        allocations
    };
    assert_eq!(cost_of("/orders/42?verbose"), 0);
    assert_eq!(cost_of("/live"), 0);
    assert_ne!(cost_of("/livez"), 0, "the counter counts");
}

#[tokio::test]
async fn a_probe_never_reaches_the_service_and_everything_else_does() {
    let (inner, script) = service();
    let service = health().layer().layer(inner);
    for probe in ["/livez", "/readyz", "/startupz", "/readyz/it", "/livez/unknown"] {
        let request = Request::get(probe).body(()).unwrap();
        service.clone().oneshot(request).await.unwrap();
    }
    assert_eq!(script.calls(), 0);

    let request = Request::post("/orders").body("body").unwrap();
    let response = tokio::spawn(service.oneshot(request));
    let exchange = script.next_call().await;
    assert_eq!(exchange.request().uri(), "/orders");
    assert_eq!(exchange.body::<&str>(), "body");
    exchange.respond(Response::builder().status(418).body(ScriptedBody::new([Step::data("tea")])).unwrap());
    let response: Response<ResponseBody<ScriptedBody>> = response.await.unwrap().unwrap();
    assert_eq!(response.status(), 418);
}

#[tokio::test]
async fn the_service_s_error_passes_through() {
    let (inner, script) = service();
    let request = Request::get("/").body(()).unwrap();
    let response = tokio::spawn(health().layer().layer(inner).oneshot(request));
    script.next_call().await.fail();
    assert_eq!(response.await.unwrap().unwrap_err(), Refused);
}

#[tokio::test]
async fn the_layer_withholds_reasons_unless_it_is_told_to_tell() {
    use http_body_util::BodyExt;
    let ask = async |layer: HealthLayer| {
        let request = Request::get("/readyz/it").body(String::new()).unwrap();
        let body = layer.layer(Echo).oneshot(request).await.unwrap().into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap()
    };
    assert_eq!(ask(health().layer()).await, "[-]it failed: reason withheld\n");
    assert_eq!(ask(health().layer().details(true)).await, "[-]it failed: pending\n");
}

#[tokio::test]
async fn every_response_to_a_request_of_the_drain_bears_envoys_header_where_it_was_told_to() {
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).build().unwrap();
    let header = async |layer: HealthLayer, path: &str| {
        let request = Request::get(path).body(String::new()).unwrap();
        let response = layer.layer(Echo).oneshot(request).await.unwrap();
        response.headers().get("x-envoy-immediate-health-check-fail").cloned()
    };
    let told = || health.layer().envoy(true);
    owner.advance(Phase::Serving, None);
    for path in ["/orders", "/readyz", "/livez"] {
        assert_eq!(header(told(), path).await, None);
    }
    owner.advance(Phase::LameDuck, None);
    for path in ["/orders", "/readyz", "/livez"] {
        assert_eq!(header(told(), path).await.unwrap(), "true");
        assert_eq!(header(health.layer(), path).await, None, "off by default");
    }
    assert_eq!(header(told().answering(false), "/readyz").await.unwrap(), "true", "the service's own");
}

#[tokio::test]
async fn envoys_header_waits_as_long_as_readiness_does() {
    let owner = PhaseOwner::new();
    let on_drain = OnDrain::KeepReady(Duration::from_secs(3600));
    let health = Health::builder().phase(owner.watch()).on_drain(on_drain).build().unwrap();
    owner.advance(Phase::LameDuck, None);
    let request = Request::get("/orders").body(String::new()).unwrap();
    let response = health.layer().envoy(true).layer(Echo).oneshot(request).await.unwrap();
    assert!(response.headers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_waits_through_the_layer_is_told_of_the_drain_with_the_header_too() {
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).build().unwrap();
    owner.advance(Phase::Serving, None);
    let service = health.layer().envoy(true).layer(Echo);
    let readyz = || Request::get("/readyz");
    let first = service.clone().oneshot(readyz().body(String::new()).unwrap()).await.unwrap();
    let wait = readyz().header("prefer", "wait=30").header("if-none-match", &first.headers()["etag"]);
    let waiting = tokio::spawn(service.oneshot(wait.body(String::new()).unwrap()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    owner.advance(Phase::LameDuck, None);
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["x-envoy-immediate-health-check-fail"], "true");
}
