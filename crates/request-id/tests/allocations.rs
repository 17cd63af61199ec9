//! What an id costs, beyond the context that it is left in.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use macadam_core::RequestContext;
use macadam_request_id::{Generate, Hex32, RequestIdLayer, Ulid, Uuid7};
use macadam_test::{allocations, allocations_of_requests};
use tokio::time::Instant;
use tower::{Layer, Service, service_fn};

const REQUESTS: u64 = 10_000;

/// Ready at once, with headers as a real response has them, or none.
fn service(headers: bool) -> impl Service<Request<()>, Response = Response<String>, Future: Send> + Clone {
    service_fn(move |_| -> Ready<Result<_, Infallible>> {
        let mut response = Response::new(String::new());
        if headers {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        ready(Ok(response))
    })
}

/// How many allocations so many requests make, beyond their contexts.
fn counted(
    service: impl Service<Request<()>, Response = Response<String>>,
    head: &[(&'static str, &'static str)],
) -> u64 {
    allocations_of_requests(service, REQUESTS, || {
        let mut request = Request::new(());
        for &(name, value) in head {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        RequestContext::of(&mut request);
        request
    })
}

#[test]
fn a_generated_id_costs_one_allocation() {
    let head = [("host", "example.test")];
    let bare = counted(service(true), &head);
    for layer in [
        RequestIdLayer::edge(),
        RequestIdLayer::internal(),
        RequestIdLayer::edge().generator(Ulid),
        RequestIdLayer::edge().generator(Hex32),
    ] {
        let with_ids = counted(layer.layer(service(true)), &head);
        assert_eq!(with_ids - bare, REQUESTS, "the text in the response's header");
    }
}

#[test]
fn a_kept_id_costs_one_allocation() {
    let head = [("host", "example.test"), ("x-request-id", "theirs")];
    let bare = counted(service(true), &head);
    let with_ids = counted(RequestIdLayer::internal().layer(service(true)), &head);
    assert_eq!(with_ids - bare, REQUESTS, "the text in the response's header");
}

#[test]
fn an_id_that_is_replaced_costs_one_more_for_the_header_of_the_request() {
    let head = [("host", "example.test"), ("x-request-id", "theirs")];
    let bare = counted(service(true), &head);
    let with_ids = counted(RequestIdLayer::edge().layer(service(true)), &head);
    assert_eq!(with_ids - bare, 2 * REQUESTS);
}

#[test]
fn the_first_header_of_a_response_or_a_request_costs_what_a_header_map_costs() {
    let bare = counted(service(false), &[]);
    let with_ids = counted(RequestIdLayer::edge().layer(service(false)), &[]);
    assert_eq!(
        with_ids - bare,
        3 * REQUESTS,
        "the text, and the response's map: a table of its entries and one of its hashes"
    );
    let on_request = counted(RequestIdLayer::edge().on_request(true).layer(service(false)), &[]);
    assert_eq!(on_request - bare, 6 * REQUESTS, "and the request's");
}

#[test]
fn ids_that_are_all_kept_cost_no_allocation() {
    Uuid7.generate(Instant::now());
    let mut kept = Vec::with_capacity(REQUESTS as usize);
    let count = allocations(|| kept.extend((0..REQUESTS).map(|_| Uuid7.generate(Instant::now()))));
    assert_eq!((kept.len() as u64, count), (REQUESTS, 0));
}
