//! What a place in the table costs.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Waker},
};

use http::{Request, Response};
use macadam_core::{InFlight, PhaseOwner, RequestContext};
use macadam_graceful_shutdown::DrainLayer;
use macadam_test::allocations;
use tower::{Layer, Service, service_fn};

const REQUESTS: u64 = 10_000;

fn service() -> impl Service<Request<()>, Response = Response<String>, Future: Send> + Clone {
    service_fn(|_| -> Ready<Result<_, Infallible>> { ready(Ok(Response::new(String::new()))) })
}

/// How many allocations so many requests make, their contexts' included.
fn counted(mut service: impl Service<Request<()>>, with_context: bool) -> u64 {
    let mut cx = Context::from_waker(Waker::noop());
    let mut pass = || {
        let mut request = Request::new(());
        if with_context {
            RequestContext::of(&mut request);
        }
        assert!(service.poll_ready(&mut cx).is_ready());
        let future = pin!(service.call(request));
        assert!(future.poll(&mut cx).is_ready());
    };
    // The first request makes room in the table.
    pass();
    allocations(|| (0..REQUESTS).for_each(|_| pass()))
}

#[test]
fn a_place_in_the_table_costs_no_allocation() {
    let layer = DrainLayer::new(InFlight::new(), PhaseOwner::new().watch());
    for with_context in [false, true] {
        let bare = counted(service(), with_context);
        let drained = counted(layer.layer(service()), with_context);
        assert_eq!(drained - bare, 0, "for {REQUESTS} requests, with a context: {with_context}");
    }
}
