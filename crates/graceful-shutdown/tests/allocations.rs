//! What a place in the table costs.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use http::{Request, Response};
use http_body::Body;
use macadam_core::{InFlight, PhaseOwner, RequestContext};
use macadam_graceful_shutdown::DrainLayer;
use macadam_test::allocations_of_requests;
use tower::{Layer, Service, service_fn};

const REQUESTS: u64 = 10_000;

fn service() -> impl Service<Request<()>, Response = Response<String>, Future: Send> + Clone {
    service_fn(|_| -> Ready<Result<_, Infallible>> { ready(Ok(Response::new(String::new()))) })
}

/// How many allocations so many requests make, beyond their contexts.
fn counted<B: Body>(service: impl Service<Request<()>, Response = Response<B>>, with_context: bool) -> u64 {
    allocations_of_requests(service, REQUESTS, || {
        let mut request = Request::new(());
        if with_context {
            RequestContext::of(&mut request);
        }
        request
    })
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
