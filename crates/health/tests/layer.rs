//! The layer: what it passes on, and what that costs.

use std::{
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use macadam_core::ResponseBody;
use macadam_health::{Check, Health};
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
    let mut service = health().layer().layer(Echo);
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
    let ask = async |layer: macadam_health::HealthLayer| {
        let request = Request::get("/readyz/it").body(String::new()).unwrap();
        let body = layer.layer(Echo).oneshot(request).await.unwrap().into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap()
    };
    assert_eq!(ask(health().layer()).await, "[-]it failed: reason withheld\n");
    assert_eq!(ask(health().layer().details(true)).await, "[-]it failed: pending\n");
}
