//! What is admitted at once costs no allocation.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body_util::Empty;
use macadam_core::RequestContext;
use macadam_load_shed::LoadShedLayer;
use macadam_test::{allocations, allocations_of_requests};
use tower::{Layer, Service};

const REQUESTS: u64 = 1_000;

#[derive(Clone)]
struct Bare;

impl Service<Request<()>> for Bare {
    type Response = Response<Empty<bytes::Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Empty::new())))
    }
}

#[test]
fn an_admitted_request_allocates_nothing() {
    let layer = LoadShedLayer::new(8).unwrap().exempt(|head| head.uri.path() == "/livez");
    for with_context in [false, true] {
        let request = || {
            let mut request = Request::new(());
            if with_context {
                RequestContext::of(&mut request);
            }
            request
        };
        let bare = allocations_of_requests(Bare, REQUESTS, request);
        assert_eq!(allocations_of_requests(layer.layer(Bare), REQUESTS, request), bare);
    }
}

#[test]
fn the_count_sees_an_allocation() {
    assert_eq!(allocations(|| Box::new(1)), 1);
}
