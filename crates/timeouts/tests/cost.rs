//! What a request pays, counted.

use std::{
    convert::Infallible,
    future::{Pending, Ready, pending, ready},
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use http::{Request, Response};
use macadam_core::RequestContext;
use macadam_test::allocations;
use macadam_timeouts::{CurrentLayer, Inherit, ResponseFuture, RouteTimeoutLayer, TimeoutLayer};
use tower::{Layer, Service, service_fn};

const LIMIT: Duration = Duration::from_secs(3);

type Answer = Result<Response<()>, Infallible>;

fn at_once(_: Request<()>) -> Ready<Answer> {
    ready(Ok(Response::new(())))
}

fn never(_: Request<()>) -> Pending<Answer> {
    pending()
}

fn with_context() -> (Request<()>, RequestContext) {
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    (request, context)
}

/// Calls the service and polls its future once; whether it is ready, and how many allocations that took.
fn one_poll(mut service: impl Service<Request<()>>, request: Request<()>) -> (bool, u64) {
    let mut is_ready = false;
    let count = allocations(|| {
        let call = pin!(service.call(request));
        is_ready = call.poll(&mut Context::from_waker(Waker::noop())).is_ready();
    });
    (is_ready, count)
}

// Outside a runtime, so a timer would panic.
#[test]
fn a_service_that_is_ready_at_once_costs_no_allocation_and_no_timer() {
    let plain = TimeoutLayer::new(LIMIT);
    let (watched, _handle) = plain.clone().pair();
    for layer in [plain, watched] {
        assert_eq!(one_poll(layer.layer(service_fn(at_once)), Request::new(())), (true, 0));
        let (request, _context) = with_context();
        assert_eq!(one_poll(layer.layer(service_fn(at_once)), request), (true, 0));
        let nested = layer.layer(layer.layer(RouteTimeoutLayer::new(2 * LIMIT).layer(service_fn(at_once))));
        assert_eq!(one_poll(nested.clone(), Request::new(())), (true, 0));
        let (request, _context) = with_context();
        assert_eq!(one_poll(nested, request), (true, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_waits_costs_no_allocation() {
    let layer = TimeoutLayer::new(LIMIT);
    assert_eq!(one_poll(layer.layer(service_fn(never)), Request::new(())), (false, 0));
    let (request, _context) = with_context();
    assert_eq!(one_poll(layer.layer(layer.layer(service_fn(never))), request), (false, 0));
}

#[test]
fn a_request_that_brings_no_deadline_costs_no_allocation_and_one_that_does_no_more_than_a_context() {
    let layer = TimeoutLayer::new(LIMIT).inherit(Inherit::shorten());
    let brings = |mut request: Request<()>| {
        request.headers_mut().insert("x-request-timeout-ms", "250".parse().unwrap());
        request
    };
    let service = || layer.layer(service_fn(at_once));
    assert_eq!(one_poll(service(), Request::new(())), (true, 0));
    assert_eq!(one_poll(service(), with_context().0), (true, 0));
    assert_eq!(one_poll(service(), brings(with_context().0)), (true, 0));
    let context = allocations(|| with_context().1);
    assert_eq!(one_poll(service(), brings(Request::new(()))), (true, context));
}

#[test]
fn a_current_context_costs_no_allocation() {
    // The first one of a thread makes the place for it.
    assert!(one_poll(CurrentLayer.layer(service_fn(at_once)), with_context().0).0);
    assert_eq!(one_poll(CurrentLayer.layer(service_fn(at_once)), with_context().0), (true, 0));
}

#[test]
fn an_exposed_layer_costs_what_a_context_costs() {
    let context = allocations(|| {
        let mut request = Request::new(());
        RequestContext::of(&mut request)
    });
    let layer = TimeoutLayer::new(LIMIT).expose();
    assert_eq!(one_poll(layer.layer(service_fn(at_once)), Request::new(())), (true, context));
    let (request, _context) = with_context();
    assert_eq!(one_poll(layer.layer(service_fn(at_once)), request), (true, 0));
}

#[test]
fn a_future_is_larger_than_the_services_by_tokios_timer_and_88_bytes() {
    let most = size_of::<tokio::time::Sleep>() + 88;
    assert!(size_of::<ResponseFuture<[u64; 8]>>() - size_of::<[u64; 8]>() <= most);
}
